"""The serving of one FastAPI application's requests, and its options, for contrib's way and ours."""

from __future__ import annotations

import re
import types
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from whatsself_otel.messages import OwnLogger

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    from opentelemetry.metrics import Meter
    from opentelemetry.trace import TracerProvider

    from whatsself_otel.context import RequestContext
    from whatsself_otel.masking import Masker
    from whatsself_otel.traces.processors import OpenRequests

    Scope = MutableMapping[str, Any]
    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]
    ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]
    Serve = Callable[[Scope, Receive, Send, RequestContext], Awaitable[None]]

REQUEST_KEY: Final = "whatsself_otel.request"
"""Key in the scope of the request in progress. A mounted application finds it there and makes no other."""
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~-]{0,127}")
_BUILD: Final = "build_middleware_stack"
_logger = OwnLogger(__name__)


class Serving(NamedTuple):
    """
    Two ways to serve an application's requests.

    Args:
        serve: Serves one request with its span and its duration.
        inside: Serves a request that has both already.
    """

    serve: Serve
    inside: ASGIApp


@dataclass(frozen=True, slots=True, kw_only=True)
class FastAPIOptions:
    """
    The parts and options of an application's instrumentation.

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
        own: By our own middleware instead of contrib's, where it records the same.
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
    own: bool = False
    on_error: Callable[[str], object] = lambda _component: None

    def attempt(self, step: Callable[[], Any]) -> Any:
        """Return the result of *step*, a part of telemetry. If it raises, count the error and return None."""
        try:
            return step()
        except Exception:  # noqa: BLE001 - the application never suffers
            _logger.debug("a request was not recorded whole")
            self.on_error("instrumentation")
            return None


def exclusion(options: FastAPIOptions) -> Callable[[Scope], bool]:
    """Return a function that says whether *options* exclude a request, by its path or its URL."""
    paths = frozenset(options.excluded_paths)
    pattern = re.compile("|".join(options.excluded_urls)) if options.excluded_urls else None

    def is_excluded(scope: Scope) -> bool:
        return scope.get("path") in paths or (pattern is not None and pattern.search(url_of(scope)) is not None)

    return is_excluded


def url_of(scope: Scope) -> str:
    """Return a request's URL without its query, as contrib matches it."""
    host, port = scope.get("server") or ("0.0.0.0", 80)  # noqa: S104 - nothing is bound here
    given = next((value for name, value in scope.get("headers") or () if name.lower() == b"host"), b"")
    address = given.decode("latin-1") or (str(host) if port == 80 else f"{host}:{port}")
    return f"{scope.get('scheme') or 'http'}://{address}{scope.get('path', '')}"


def wrap_stack(app: Any, wrap: Callable[[Any], Any]) -> Callable[[], None]:
    """Put *wrap* around the application's middlewares; return a function that undoes it, even below later wrappers."""
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
    """Return *stack* in the class that contrib's instrumentation expects; it skips every other class."""
    from starlette.middleware.errors import ServerErrorMiddleware

    return stack if isinstance(stack, ServerErrorMiddleware) else ServerErrorMiddleware(stack)
