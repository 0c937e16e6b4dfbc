"""
FastAPI through the contrib package, with what it leaves out: request ids, late ids on server spans, true durations.

The contrib middleware starts every request from a fresh context, so ids are bound inside it (``server_request_hook``),
while a middleware outside it returns the ids to the caller and sees the request end.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import random
import re
import time
import types
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.trace import ProxyTracer
from opentelemetry.util.http import sanitize_method

from whatsself_otel import _sdk
from whatsself_otel._environment import CAPTURED, is_used
from whatsself_otel._imports import import_safely
from whatsself_otel.catalogue import REQUEST_ID, SCHEMA_URL
from whatsself_otel.context import RequestScope, bind_request
from whatsself_otel.forks import run_in_child
from whatsself_otel.instrumentation.threads import keep_context_in_threads
from whatsself_otel.messages import OwnLogger

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    from opentelemetry.metrics import Meter
    from opentelemetry.trace import TracerProvider

    from whatsself_otel.instrumentation.outcomes import Durations
    from whatsself_otel.instrumentation.routes import RouteIndex
    from whatsself_otel.masking import Masker
    from whatsself_otel.processors import OpenRequests

    Scope = MutableMapping[str, Any]
    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]
    ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]
    Serve = Callable[[Scope, Receive, Send, RequestScope], Awaitable[None]]

_NOTHING: Final = "(?!)"
"""Matches no header: contrib would read a variable for an empty list."""
_NATIVE: Final = "fastapi.telemetry"
"""FastAPI's own telemetry (0.160 and newer), a mounted application's too, leaves a request alone that has this key."""
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~-]{0,127}")
REQUEST_KEY: Final = "whatsself_otel.request"
"""Where a scope holds the request that is being served; a mounted application finds it there, and makes none."""
_ORIGINAL_KEY: Final = "whatsself_otel.scope"
_ENTERED_KEY: Final = "whatsself_otel.entered"
_logger = OwnLogger(__name__)
_MARK: Final = "_whatsself_otel_instrumented"
_BUILD: Final = "build_middleware_stack"


class Serving(NamedTuple):
    """
    How the requests of one application are served.

    Args:
        serve: Serves one request with its span and its duration.
        inside: Serves a request that has both already.
    """

    serve: Serve
    inside: ASGIApp


@dataclass(frozen=True, slots=True, kw_only=True)
class FastAPIOptions:
    """
    What the instrumentation of an application is built from.

    Args:
        tracer_provider: Where server spans come from.
        meter: Where the duration metric is recorded.
        requests: Keeps server spans until their request has finished.
        masker: Judges request ids that come from outside.
        excluded_paths: Paths without spans and durations.
        excluded_urls: Regular expressions; a request whose URL one is found in has none either.
        return_trace_id: Answer with headers that name the trace.
        on_start: Called once in the event loop of the server.
        on_shutdown: Called, in a thread, when the server ends the application.
        metrics_app: Answers ``/metrics``; None: nobody does.
        on_error: Told that a part of the telemetry failed.
        lean: By our own middleware instead of contrib's, where it records the same.
    """

    tracer_provider: TracerProvider
    meter: Meter
    requests: OpenRequests
    masker: Masker
    excluded_paths: tuple[str, ...] = ()
    excluded_urls: tuple[str, ...] = ()
    return_trace_id: bool = True
    on_start: Callable[[], object] = lambda: None
    on_shutdown: Callable[[], object] = lambda: None
    metrics_app: Any = None
    lean: bool = False
    on_error: Callable[[str], object] = lambda _component: None


def instrument_app(app: Any, options: FastAPIOptions) -> bool:
    """
    Instrument a FastAPI application; return False if it already is.

    Args:
        app: The ``fastapi.FastAPI`` application, before or after its first request.
        options: What to build on.
    """
    if getattr(app, _MARK, False):
        return False
    undos = [keep_context_in_threads()]
    build = (_build_lean if options.lean else _build_on_contrib)(app, options, undos)
    if options.metrics_app is not None:
        app.add_route("/metrics", options.metrics_app, include_in_schema=False)
    undos.append(_wrap_stack(app, lambda stack: _put_ours(stack, options, build)))
    if app.middleware_stack is not None:
        app.middleware_stack = app.build_middleware_stack()
    setattr(app, _MARK, undos)
    return True


def _build_lean(app: Any, options: FastAPIOptions, undos: list[Callable[[], None]]) -> Callable[[Any], Serving]:
    from whatsself_otel.instrumentation import lean_fastapi
    from whatsself_otel.instrumentation.background_tasks import trace_background_tasks
    from whatsself_otel.instrumentation.outcomes import Durations
    from whatsself_otel.instrumentation.routes import RouteIndex
    from whatsself_otel.spans import SpanMaker

    spans = SpanMaker(options.tracer_provider, "opentelemetry.instrumentation.fastapi", _contrib_version(), SCHEMA_URL)
    undos += trace_background_tasks(spans.tracer), _silence_native(app)
    durations, routes = Durations(options.meter), RouteIndex(app)

    def build(stack: Any) -> Serving:
        if hasattr(stack, "app"):
            stack.app = lean_fastapi.Recorder(stack.app)
        return Serving(lean_fastapi.Requests(stack, options, spans, durations, routes).serve, stack)

    return build


@functools.cache
def _contrib_version() -> str:
    return version("opentelemetry-instrumentation-fastapi")


def _silence_native(app: Any) -> Callable[[], None]:
    """Switch FastAPI's own telemetry (0.160 and newer) off, as it does itself where contrib's middleware is found."""
    config = getattr(app, "_telemetry", None)
    if not isinstance(config, dict):
        return lambda: None
    before = dict(config)
    config.update({name: False for name in ("tracing", "metrics", "logs") if name in config})
    return lambda: config.update(before)


def _build_on_contrib(app: Any, options: FastAPIOptions, undos: list[Callable[[], None]]) -> Callable[[Any], Serving]:
    from whatsself_otel.instrumentation.outcomes import Durations
    from whatsself_otel.instrumentation.routes import RouteIndex

    below, durations, routes = _Below(options.on_error), Durations(options.meter), RouteIndex(app)
    undos.append(_wrap_stack(app, below.wrap))
    _sdk.use_stable_conventions()
    instrumentor = import_safely("opentelemetry.instrumentation.fastapi").FastAPIInstrumentor
    instrumentor.instrument_app(
        app,
        tracer_provider=options.tracer_provider,
        meter_provider=NoOpMeterProvider(),
        excluded_urls=",".join((*(f"{re.escape(path)}$" for path in options.excluded_paths), *options.excluded_urls)),
        **{argument: [_NOTHING] for argument, name in CAPTURED.items() if not is_used(name, os.environ)},
        exclude_spans=["receive", "send"],
        server_request_hook=lambda span, scope: _enter_request(span, scope, options.requests, routes),
    )
    undos.append(lambda: instrumentor.uninstrument_app(app))
    return lambda stack: Serving(_ByContrib(stack, options, below, durations).serve, below.stack)


def excluded_pattern(options: FastAPIOptions) -> re.Pattern[str] | None:
    """Return what is found in the URL of a request that *options* exclude; None: in no URL."""
    return re.compile("|".join(options.excluded_urls)) if options.excluded_urls else None


def url_of(scope: Scope) -> str:
    """Return the URL of a request without its query, as contrib matches it."""
    host, port = scope.get("server") or ("0.0.0.0", 80)  # noqa: S104 - nothing is bound here
    given = next((value for name, value in scope.get("headers") or () if name.lower() == b"host"), b"")
    address = given.decode("latin-1") or (str(host) if port == 80 else f"{host}:{port}")
    return f"{scope.get('scheme') or 'http'}://{address}{scope.get('path', '')}"


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
    """Put our middleware around *stack*; below that of another provider, which would start from a fresh context."""
    place = stack
    while place is not None and not _is_of_others(place, options.tracer_provider):
        place = getattr(place, "app", None)
    if place is None or not options.lean:
        return RequestMiddleware(stack, options, build(stack))
    place.app = RequestMiddleware(place.app, options, build(place.app))
    return stack


def _is_of_others(middleware: Any, ours: Any) -> bool:
    """Return whether *middleware* is contrib's, and its spans go to another provider than *ours*."""
    if type(middleware).__name__ != "OpenTelemetryMiddleware":
        return False
    tracer = middleware.tracer
    return not isinstance(tracer, ProxyTracer) and getattr(tracer, "resource", None) is not ours.resource


def _wrap_stack(app: Any, wrap: Callable[[Any], Any]) -> Callable[[], None]:
    """Put *wrap* around the application's middlewares; return how to undo it, also below what came over it since."""
    before, build = app.__dict__.get(_BUILD), app.build_middleware_stack
    removed: list[bool] = []

    def build_wrapped(_self: Any) -> Any:
        if removed:
            return build()
        wrapped = wrap(build())
        return wrapped if app.__dict__.get(_BUILD) is ours else _as_expected(wrapped)

    def undo() -> None:
        removed.append(True)
        if app.__dict__.get(_BUILD) is ours:
            del app.__dict__[_BUILD]
            app.__dict__.update({} if before is None else {_BUILD: before})

    ours = app.__dict__[_BUILD] = types.MethodType(build_wrapped, app)
    return undo


def _as_expected(stack: Any) -> Any:
    """Return *stack* as contrib's instrumentation of somebody else expects it: it leaves all others alone."""
    from starlette.middleware.errors import ServerErrorMiddleware

    return stack if isinstance(stack, ServerErrorMiddleware) else ServerErrorMiddleware(stack)


class _Below:
    """
    The application below contrib's middleware: it gets the request as it came, and is reached even if contrib fails.

    Contrib decodes queries and headers in ways that raise (a query byte 0xFF, a header with a broken escape), and the
    error would answer the request.
    """

    def __init__(self, on_error: Callable[[str], object]) -> None:
        self.stack: Any = None
        self._on_error = on_error

    def wrap(self, stack: Any) -> Any:
        self.stack = stack
        inner = stack.app

        async def enter(scope: Scope, receive: Receive, send: Send) -> None:
            original = scope.get(_ORIGINAL_KEY) or scope
            original[_ENTERED_KEY] = True
            await inner(original, receive, send)

        stack.app = enter
        return stack

    async def serve(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve by *app*, contrib included; without it where it fails before the application saw the request."""

        async def send_of_application(message: Message) -> None:
            if scope.get(_ENTERED_KEY):  # contrib answers its own failures with 500 before it raises them
                await send(message)

        try:
            await app(_readable(scope), receive, send_of_application)
        except Exception:
            if scope.get(_ENTERED_KEY):
                raise
            _logger.debug("contrib's middleware failed; the request is served without it")
            self._on_error("instrumentation")
            await self.stack(scope, receive, send)


def _readable(scope: Scope) -> Scope:
    """Return *scope*, or for contrib's eyes a copy of it that can be decoded."""
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


def _enter_request(span: trace.Span, scope: Scope, requests: OpenRequests, routes: RouteIndex) -> None:
    """Bind the request inside contrib's context; contrib's own detach undoes it at the end of the request."""
    request = scope.get(REQUEST_KEY)
    if not isinstance(request, RequestScope):
        return
    request.span = span
    request.route = routes.find(scope)
    if request.route is not None:  # contrib knows a mounted application only by its prefix
        method = sanitize_method(str(scope.get("method", "")).strip())
        span.set_attribute("http.route", request.route)
        span.update_name(" ".join(filter(None, ("HTTP" if method == "_OTHER" else method, request.route))))
    otel_context.attach(bind_request(request))
    span.set_attribute(REQUEST_ID, request.request_id)
    if span.is_recording():
        requests.add(request)


class RequestMiddleware:
    """
    The outermost middleware: gives each request its id and returns it, with the trace id, to the caller.

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
            self._attempt(self._options.on_start)
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
        request_id = self._attempt(lambda: self._request_id(scope)) or self._make_id()
        await self._serving.serve(scope, receive, send, RequestScope(request_id=request_id))

    def _attempt(self, step: Callable[[], Any]) -> Any:
        """Return what *step* returns, None if it fails."""
        try:
            return step()
        except Exception:  # noqa: BLE001 - the application never suffers
            self._options.on_error("instrumentation")
            return None

    def _make_id(self) -> str:
        return f"{self._random.getrandbits(128):032x}"

    def _request_id(self, scope: Scope) -> str:
        """Take the caller's X-Request-ID only if it is short, plain and holds no personal data; else make one."""
        for name, value in scope.get("headers") or ():
            if name == b"x-request-id":
                given: str = value.decode("ascii", "replace")
                if _REQUEST_ID.fullmatch(given) and self._options.masker.text(given) == given:
                    return given
        made = self._make_id()
        self._options.masker.trust(made)  # masking knows what random ids look like, and need not look again
        return made

    def _flush_at_shutdown(self, send: Send) -> Send:
        """Uvicorn dies by the signal right after the lifespan, before atexit: this is the last safe moment to flush."""

        async def send_and_flush(message: Message) -> None:
            if str(message["type"]).startswith("lifespan.shutdown."):
                with contextlib.suppress(Exception):  # a loop of another kind, or one whose threads have ended
                    await asyncio.get_running_loop().run_in_executor(None, self._options.on_shutdown)
            await send(message)

        return send_and_flush


class _ByContrib:
    """
    Serves requests through contrib's middleware.

    Args:
        app: The rest of the stack, contrib's middleware first.
        options: What it works with.
        below: The application under contrib's middleware.
        durations: Where durations are recorded.
    """

    def __init__(self, app: ASGIApp, options: FastAPIOptions, below: _Below, durations: Durations) -> None:
        self._app = app
        self._options = options
        self._below = below
        self._durations = durations

    async def serve(self, scope: Scope, receive: Receive, send: Send, request: RequestScope) -> None:
        """Serve one request."""
        scope[REQUEST_KEY] = request
        response = _Response(scope, request, self._options, self._durations)
        token = otel_context.attach(bind_request(request))
        try:
            await self._below.serve(self._app, scope, receive, response.wrap(send))
        except BaseException as error:
            response.outcome.fail(error)
            raise
        finally:
            otel_context.detach(token)
            response.end()
            self._options.requests.finish(request)
            scope.pop(REQUEST_KEY, None)


class _Response:
    """One response: adds our headers to its start and measures until its last byte, background tasks excluded."""

    def __init__(self, scope: Scope, request: RequestScope, options: FastAPIOptions, durations: Durations) -> None:
        from whatsself_otel.instrumentation.outcomes import Outcome, kind_of

        self._scope = scope
        self._request = request
        self._options = options
        self._durations = durations
        self.outcome = Outcome(is_http=scope["type"] == "http")
        self._kind = kind_of(scope)
        self._start_s = time.perf_counter()
        self._ended = False

    def wrap(self, send: Send) -> Send:
        async def send_with_headers(message: Message) -> None:
            kind = message["type"]
            if kind in {"http.response.start", "websocket.accept"}:
                self.outcome.start(message.get("status", 101))
                message = {**message, "headers": [*(message.get("headers") or ()), *self._headers(message)]}
            await send(message)
            if kind == "http.response.body" and not message.get("more_body", False):
                self.end()

        return send_with_headers

    def end(self) -> None:
        """Record the duration once; a request without a response (client gone, application failed) counts too."""
        if self._ended or self._scope["type"] != "http" or self._excluded():
            return
        self._ended = True
        context = trace.set_span_in_context(self._request.span)
        elapsed_s = time.perf_counter() - self._start_s
        self._durations.record(self._kind, self._request.route, self.outcome, elapsed_s, context)

    def _excluded(self) -> bool:
        pattern = excluded_pattern(self._options)
        return str(self._scope.get("path", "")) in self._options.excluded_paths or (
            pattern is not None and pattern.search(url_of(self._scope)) is not None
        )

    def _headers(self, message: Message) -> list[tuple[bytes, bytes]]:
        present = {bytes(name).lower() for name, _ in message.get("headers") or ()}
        headers = [(b"x-request-id", self._request.request_id.encode("ascii"))]
        context = self._request.span.get_span_context()
        if self._options.return_trace_id and context.is_valid:
            parent = f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags):02x}"
            headers.append((b"traceresponse", parent.encode("ascii")))
            headers.append((b"server-timing", f'traceparent;desc="{parent}"'.encode("ascii")))
        return [(name, value) for name, value in headers if name not in present or name == b"server-timing"]
