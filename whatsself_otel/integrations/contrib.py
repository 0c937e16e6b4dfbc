"""
FastAPI by contrib's middleware, with additions: request ids, late ids and true durations.

Contrib starts every request from a fresh context, so its ``server_request_hook`` binds the ids. Our middleware outside
it returns the ids to the caller and sees the end of the request.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import context as otel_context
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.util.http import sanitize_method

from whatsself_otel import _sdk
from whatsself_otel._environment import CAPTURED, is_used
from whatsself_otel._imports import import_safely
from whatsself_otel.catalogue import REQUEST_ID
from whatsself_otel.context import RequestContext, bind_request
from whatsself_otel.integrations.exchange import Exchange
from whatsself_otel.integrations.outcomes import Durations
from whatsself_otel.integrations.routes import RouteIndex
from whatsself_otel.integrations.serving import REQUEST_KEY, Serving, exclusion, wrap_stack
from whatsself_otel.messages import OwnLogger

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from opentelemetry.trace import Span

    from whatsself_otel.integrations.serving import FastAPIOptions, Message, Receive, Scope, Send

_NOTHING: Final = "(?!)"
"""A pattern that matches no header: for an empty list, contrib would read a variable."""
_ORIGINAL_KEY: Final = "whatsself_otel.scope"
_ENTERED_KEY: Final = "whatsself_otel.entered"
_logger = OwnLogger(__name__)


def build_on_contrib(app: Any, options: FastAPIOptions, undos: list[Callable[[], None]]) -> Callable[[Any], Serving]:
    """Have contrib instrument *app* with our providers; return a function that builds the serving around its stack."""
    requests = ContribRequests(options, Durations(options.meter), RouteIndex(app))
    undos.append(wrap_stack(app, requests.wrap))
    _sdk.use_stable_conventions()
    instrumentor = import_safely("opentelemetry.instrumentation.fastapi").FastAPIInstrumentor
    instrumentor.instrument_app(
        app,
        tracer_provider=options.tracer_provider,
        meter_provider=NoOpMeterProvider(),
        excluded_urls=",".join((*(f"{re.escape(path)}$" for path in options.excluded_paths), *options.excluded_urls)),
        **{argument: [_NOTHING] for argument, name in CAPTURED.items() if not is_used(name, os.environ)},
        exclude_spans=["receive", "send"],
        server_request_hook=requests.enter,
    )
    undos.append(lambda: instrumentor.uninstrument_app(app))
    return requests.build


class ContribRequests:
    """
    Serves requests by contrib's middleware.

    The application gets each request unchanged, and gets it even if contrib fails. Contrib decodes queries and headers
    in ways that raise (a query byte 0xFF, a header with a broken escape), and would answer 500.

    Args:
        options: What it works with.
        durations: Where durations are recorded.
        routes: Finds the route of a request.
    """

    def __init__(self, options: FastAPIOptions, durations: Durations, routes: RouteIndex) -> None:
        self._options = options
        self._durations = durations
        self._routes = routes
        self._is_excluded = exclusion(options)
        self._inside: Any = None
        self._outside: Any = None

    def wrap(self, stack: Any) -> Any:
        """Let *stack*, which contrib wraps next, see each request unchanged."""
        self._inside, inner = stack, stack.app

        async def enter(scope: Scope, receive: Receive, send: Send) -> None:
            original = scope.get(_ORIGINAL_KEY) or scope
            original[_ENTERED_KEY] = True
            await inner(original, receive, send)

        stack.app = enter
        return stack

    def build(self, stack: Any) -> Serving:
        """Return the serving of requests by *stack*, with contrib's middleware in it."""
        self._outside = stack
        return Serving(self.serve, self._inside)

    def serve(self, scope: Scope, receive: Receive, send: Send, request: RequestContext) -> Awaitable[None]:
        """Serve one request."""
        exchange = Exchange(self._options, self._durations, scope, send, request)
        exchange.excluded = self._is_excluded(scope)
        return exchange.serve(self._serve, receive, bind_request(request))

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve with contrib, or without it if it fails before the application has the request."""

        async def send_of_application(message: Message) -> None:
            if scope.get(_ENTERED_KEY):  # contrib answers its own failures with 500 before it raises them
                await send(message)

        try:
            await self._outside(_readable(scope), receive, send_of_application)
        except Exception:
            if scope.get(_ENTERED_KEY):
                raise
            _logger.debug("contrib's middleware failed; the request is served without it")
            self._options.on_error("instrumentation")
            await self._inside(scope, receive, send)

    def enter(self, span: Span, scope: Scope) -> None:
        """Bind the request inside contrib's context; contrib's own detach undoes it at the end of the request."""
        exchange = scope.get(REQUEST_KEY)
        if not isinstance(exchange, Exchange):
            return
        request = exchange.request
        request.span = exchange.span = span
        request.route = self._routes.find(scope)
        if request.route is not None:  # contrib knows a mounted application only by its prefix
            method = sanitize_method(str(scope.get("method", "")).strip())
            span.set_attribute("http.route", request.route)
            span.update_name(" ".join(filter(None, ("HTTP" if method == "_OTHER" else method, request.route))))
        otel_context.attach(bind_request(request))
        span.set_attribute(REQUEST_ID, request.request_id)
        if span.is_recording():
            self._options.requests.add(request)


def _readable(scope: Scope) -> Scope:
    """Return *scope*, or a copy that contrib can decode."""
    query = scope.get("query_string") or b""
    headers = scope.get("headers") or ()
    if query.isascii() and all(value.isascii() for _, value in headers):
        return scope
    readable = [(name, value.decode("latin-1").encode("ascii", "replace")) for name, value in headers]
    return {
        **scope,
        "query_string": query.decode("utf-8", "replace").encode(),
        "headers": readable,
        _ORIGINAL_KEY: scope,
    }
