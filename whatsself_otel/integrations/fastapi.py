"""FastAPI: one middleware around an application, which gives each request an id and records it."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import random
import re
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.trace import ProxyTracer

from whatsself_otel.catalogue import SCHEMA_URL
from whatsself_otel.context import RequestContext
from whatsself_otel.integrations.serving import REQUEST_KEY, Serving, wrap_stack
from whatsself_otel.integrations.threads import keep_context_in_threads
from whatsself_otel.processes.forks import run_in_child

if TYPE_CHECKING:
    from collections.abc import Callable

    from whatsself_otel.integrations.serving import ASGIApp, FastAPIOptions, Message, Receive, Scope, Send

_NATIVE: Final = "fastapi.telemetry"
"""A key in the scope that turns off FastAPI's own telemetry (0.160 and newer), in mounted applications too."""
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~-]{0,127}")
_MARK: Final = "_whatsself_otel_instrumented"


def instrument_app(app: Any, options: FastAPIOptions) -> bool:
    """
    Instrument a FastAPI application; return False if it already is instrumented.

    Args:
        app: The ``fastapi.FastAPI`` application, before or after its first request.
        options: What to build on.
    """
    if getattr(app, _MARK, False):
        return False
    undos = [keep_context_in_threads()]
    build = _build_own(app, options, undos) if options.own else _build_on_contrib(app, options, undos)
    if options.metrics_app is not None:
        app.add_route("/metrics", options.metrics_app, include_in_schema=False)
    undos.append(wrap_stack(app, lambda stack: _put_ours(stack, options, build)))
    if app.middleware_stack is not None:
        app.middleware_stack = app.build_middleware_stack()
    setattr(app, _MARK, undos)
    return True


def _build_own(app: Any, options: FastAPIOptions, undos: list[Callable[[], None]]) -> Callable[[Any], Serving]:
    from whatsself_otel.integrations import own_fastapi
    from whatsself_otel.integrations.background_tasks import trace_background_tasks
    from whatsself_otel.integrations.outcomes import Durations
    from whatsself_otel.integrations.routes import RouteIndex
    from whatsself_otel.traces.spans import SpanMaker

    spans = SpanMaker(options.tracer_provider, "opentelemetry.instrumentation.fastapi", _contrib_version(), SCHEMA_URL)
    undos += trace_background_tasks(spans.tracer), _silence_native(app)
    durations, routes = Durations(options.meter), RouteIndex(app)

    def build(stack: Any) -> Serving:
        if hasattr(stack, "app"):
            stack.app = own_fastapi.Recorder(stack.app)
        return Serving(own_fastapi.ServerSpanMiddleware(stack, options, spans, durations, routes).serve, stack)

    return build


def _build_on_contrib(app: Any, options: FastAPIOptions, undos: list[Callable[[], None]]) -> Callable[[Any], Serving]:
    from whatsself_otel.integrations.contrib import build_on_contrib

    return build_on_contrib(app, options, undos)


@functools.cache
def _contrib_version() -> str:
    return version("opentelemetry-instrumentation-fastapi")


def _silence_native(app: Any) -> Callable[[], None]:
    """Switch off FastAPI's own telemetry (0.160 and newer), as it does itself beside contrib's middleware."""
    config = getattr(app, "_telemetry", None)
    if not isinstance(config, dict):
        return lambda: None
    before = dict(config)
    config.update({name: False for name in ("tracing", "metrics", "logs") if name in config})
    return lambda: config.update(before)


def uninstrument_app(app: Any) -> None:
    """Undo `instrument_app`."""
    undos = app.__dict__.pop(_MARK, None)
    if undos is None:
        return
    for undo in reversed(undos):
        undo()
    if app.middleware_stack is not None:
        app.middleware_stack = app.build_middleware_stack()


def _put_ours(stack: Any, options: FastAPIOptions, build: Callable[[Any], Serving]) -> Any:
    """Put our middleware around *stack*, but below another provider's, which would start from a fresh context."""
    place = stack
    while place is not None and not _is_of_others(place, options.tracer_provider):
        place = getattr(place, "app", None)
    if place is None or not options.own:
        return RequestMiddleware(stack, options, build(stack))
    place.app = RequestMiddleware(place.app, options, build(place.app))
    return stack


def _is_of_others(middleware: Any, ours: Any) -> bool:
    """Return whether *middleware* is contrib's and sends its spans to another provider than *ours*."""
    if type(middleware).__name__ != "OpenTelemetryMiddleware":
        return False
    tracer = middleware.tracer
    return not isinstance(tracer, ProxyTracer) and getattr(tracer, "resource", None) is not ours.resource


class RequestMiddleware:
    """
    The outermost middleware: gives each request its id, and returns the id and the trace id to the caller.

    Args:
        app: The rest of the stack, contrib's middleware first if it is used.
        options: What it works with.
        serving: How requests are served.
    """

    def __init__(self, app: ASGIApp, options: FastAPIOptions, serving: Serving) -> None:
        # This name is how FastAPI (0.160 and newer) looks through the stack for contrib's middleware; when it finds it,
        # its own native telemetry stands back and does not record every request a second time.
        self.app = app
        self._options = options
        self._serving = serving
        self._started = False
        self._random = random.Random()
        run_in_child(self._random.seed)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if not self._started:
            self._started = True
            self._options.attempt(self._options.on_start)
        if scope["type"] in {"http", "websocket"}:
            await self._serve(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self.app(scope, receive, self._flush_at_shutdown(send))
        else:
            await self.app(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        if REQUEST_KEY in scope:  # mounted in an application that has begun to record this request
            await self._serving.inside(scope, receive, send)
            return
        scope[_NATIVE] = None
        request_id = self._options.attempt(lambda: self._request_id(scope)) or self._make_id()
        await self._serving.serve(scope, receive, send, RequestContext(request_id=request_id))

    def _make_id(self) -> str:
        return f"{self._random.getrandbits(128):032x}"

    def _request_id(self, scope: Scope) -> str:
        """Return the caller's X-Request-ID if it is short, plain and without personal data; else a new id."""
        for name, value in scope.get("headers") or ():
            if name == b"x-request-id":
                given: str = value.decode("ascii", "replace")
                if _REQUEST_ID.fullmatch(given) and self._options.masker.text(given) == given:
                    return given
        made = self._make_id()
        self._options.masker.trust(made)  # masking knows what random ids look like, and need not look again
        return made

    def _flush_at_shutdown(self, send: Send) -> Send:
        """Flush at the end of the lifespan, the last safe moment: Uvicorn then dies by the signal, before atexit."""

        async def send_and_flush(message: Message) -> None:
            if str(message["type"]).startswith("lifespan.shutdown."):
                with contextlib.suppress(Exception):  # a loop of another kind, or one whose threads have ended
                    await asyncio.get_running_loop().run_in_executor(None, self._options.on_shutdown)
            await send(message)

        return send_and_flush
