"""FastAPI: puts one middleware around an application, which gives each request its id and has it recorded."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import random
import re
import types
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from opentelemetry.trace import ProxyTracer

from whatsself_otel.catalogue import SCHEMA_URL
from whatsself_otel.context import RequestScope
from whatsself_otel.integrations.threads import keep_context_in_threads
from whatsself_otel.messages import OwnLogger
from whatsself_otel.processes.forks import run_in_child

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    from opentelemetry.metrics import Meter
    from opentelemetry.trace import TracerProvider

    from whatsself_otel.masking import Masker
    from whatsself_otel.traces.processors import OpenRequests

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
REQUEST_KEY: Final = "whatsself_otel.request"
"""Where a scope holds the request that is being served; a mounted application finds it there, and makes none."""
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~-]{0,127}")
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

    def attempt(self, step: Callable[[], Any]) -> Any:
        """Return what *step* returns, a part of telemetry; None if it raises, which is counted and goes no further."""
        try:
            return step()
        except Exception:  # noqa: BLE001 - the application never suffers
            _logger.debug("a request was not recorded whole")
            self.on_error("instrumentation")
            return None


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
    build = _build_lean(app, options, undos) if options.lean else _build_on_contrib(app, options, undos)
    if options.metrics_app is not None:
        app.add_route("/metrics", options.metrics_app, include_in_schema=False)
    undos.append(wrap_stack(app, lambda stack: _put_ours(stack, options, build)))
    if app.middleware_stack is not None:
        app.middleware_stack = app.build_middleware_stack()
    setattr(app, _MARK, undos)
    return True


def _build_lean(app: Any, options: FastAPIOptions, undos: list[Callable[[], None]]) -> Callable[[Any], Serving]:
    from whatsself_otel.integrations import lean_fastapi
    from whatsself_otel.integrations.background_tasks import trace_background_tasks
    from whatsself_otel.integrations.outcomes import Durations
    from whatsself_otel.integrations.routes import RouteIndex
    from whatsself_otel.traces.spans import SpanMaker

    spans = SpanMaker(options.tracer_provider, "opentelemetry.instrumentation.fastapi", _contrib_version(), SCHEMA_URL)
    undos += trace_background_tasks(spans.tracer), _silence_native(app)
    durations, routes = Durations(options.meter), RouteIndex(app)

    def build(stack: Any) -> Serving:
        if hasattr(stack, "app"):
            stack.app = lean_fastapi.Recorder(stack.app)
        return Serving(lean_fastapi.Requests(stack, options, spans, durations, routes).serve, stack)

    return build


def _build_on_contrib(app: Any, options: FastAPIOptions, undos: list[Callable[[], None]]) -> Callable[[Any], Serving]:
    from whatsself_otel.integrations.contrib import build_on_contrib

    return build_on_contrib(app, options, undos)


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


def exclusion(options: FastAPIOptions) -> Callable[[Scope], bool]:
    """Return what says whether *options* exclude a request, by its path or its URL."""
    paths = frozenset(options.excluded_paths)
    pattern = re.compile("|".join(options.excluded_urls)) if options.excluded_urls else None

    def is_excluded(scope: Scope) -> bool:
        return scope.get("path") in paths or (pattern is not None and pattern.search(url_of(scope)) is not None)

    return is_excluded


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


def wrap_stack(app: Any, wrap: Callable[[Any], Any]) -> Callable[[], None]:
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
        await self._serving.serve(scope, receive, send, RequestScope(request_id=request_id))

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
