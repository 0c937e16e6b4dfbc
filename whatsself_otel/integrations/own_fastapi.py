"""
FastAPI by one middleware of ours, which records the same as contrib's with our settings.

One object holds the state of a request, and one context is attached. Repeated attributes are made once, and the route
is found by the parts of its path. tests/integrations/test_fastapi.py and test_hostile_asgi.py run with both ways.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from opentelemetry import context as otel_context
from opentelemetry import propagate, trace
from opentelemetry.context import Context
from opentelemetry.trace import INVALID_SPAN, SpanKind, Status, StatusCode
from opentelemetry.util.http import detect_synthetic_user_agent, sanitize_method

from whatsself_otel import _sdk
from whatsself_otel.catalogue import REQUEST_ID
from whatsself_otel.context import RequestContext, bind_request
from whatsself_otel.integrations.exchange import Exchange
from whatsself_otel.integrations.outcomes import MAX_REMEMBERED, is_short
from whatsself_otel.integrations.serving import REQUEST_KEY, exclusion
from whatsself_otel.messages import OwnLogger
from whatsself_otel.remembered import Remembered
from whatsself_otel.traces.current_span import is_foreign, span_of_ours, with_span
from whatsself_otel.traces.failures import error_type, record_exception, set_failed
from whatsself_otel.traces.propagation import CleanTraceContext
from whatsself_otel.traces.spans import set_attributes_unchecked

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping

    from whatsself_otel.integrations.outcomes import Durations
    from whatsself_otel.integrations.routes import RouteIndex
    from whatsself_otel.integrations.serving import ASGIApp, FastAPIOptions, Receive, Scope, Send
    from whatsself_otel.traces.spans import SpanMaker

_logger = OwnLogger(__name__)
_SUPPRESSED_PLAIN: Final = "suppress_instrumentation"


class Recorder:
    """
    Notes an exception that leaves an application, before the 500 answer ends the request's span.

    Args:
        app: The application below Starlette's ``ServerErrorMiddleware``.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        try:
            await self.app(scope, receive, send)
        except BaseException as error:
            if (exchange := scope.get(REQUEST_KEY)) is not None:
                exchange.fail(error)
            raise


class ServerSpanMiddleware:
    """
    Starts and ends the server span of each request, binds its ids and measures it.

    Args:
        app: The rest of the stack.
        options: What it works with.
        spans: Starts them.
        durations: Where durations are recorded.
        routes: Finds the route of a request.
    """

    def __init__(
        self, app: ASGIApp, options: FastAPIOptions, spans: SpanMaker, durations: Durations, routes: RouteIndex
    ) -> None:
        self._app = app
        self.options = options
        self.durations = durations
        self._spans = spans
        self._routes = routes
        self._is_excluded = exclusion(options)
        self._suppressing = (_SUPPRESSED_PLAIN, *_sdk.suppression_keys(), *_sdk.suppression_keys("http"))
        self._constant: Remembered[tuple[Any, ...], tuple[str, dict[str, Any]]] = Remembered(MAX_REMEMBERED)
        self._user_agents: Remembered[bytes, Mapping[str, str]] = Remembered(MAX_REMEMBERED)

    def serve(self, scope: Scope, receive: Receive, send: Send, request: RequestContext) -> Awaitable[None]:
        """Serve one request by the application, with a span if nothing prevents it."""
        exchange = _RecordedExchange(self.options, self.durations, scope, send, request)
        return exchange.serve(self._app, receive, self._context(scope, exchange))

    def _context(self, scope: Scope, exchange: Exchange) -> Context:
        try:
            return self._enter(scope, exchange)
        except Exception:  # noqa: BLE001 - a request that telemetry cannot read is served all the same
            _logger.debug("a request could not be read; it is served without a span")
            self.options.on_error("instrumentation")
            return bind_request(exchange.request)

    def _enter(self, scope: Scope, exchange: Exchange) -> Context:
        current = otel_context.get_current()
        request = exchange.request
        if self._is_excluded(scope):
            exchange.excluded = True
            return bind_request(request, current)
        request.route = self._routes.find(scope)
        if current and any(map(current.get, self._suppressing)):
            return bind_request(request, current)
        headers = _Headers(scope)
        inside = span_of_ours(current) is not INVALID_SPAN
        parent = current if inside else headers.parent()
        name, attributes = self._describe(scope, headers, request)
        kind = SpanKind.INTERNAL if inside else SpanKind.SERVER
        span = self._spans.start(name, parent, kind, attributes)
        request.span = exchange.span = span
        if span.is_recording():
            self.options.requests.add(request)
        around = current if current and is_foreign(trace.get_current_span(current)) else parent
        return bind_request(request, with_span(span, around))

    def _describe(self, scope: Scope, headers: _Headers, request: RequestContext) -> tuple[str, dict[str, Any]]:
        key = (scope.get("method", ""), scope.get("scheme"), scope.get("http_version"), request.route, _server(scope))
        known = self._constant.get(key)
        if known is None:
            known = _constants(*key)
            if is_short(key[0]):
                self._constant.keep(key, known)
        name, constant = known
        attributes = {**constant, **self._user_agent(headers), REQUEST_ID: request.request_id}
        if path := scope.get("path"):
            attributes["url.path"] = path
        if query := scope.get("query_string"):
            attributes["url.query"] = query.decode("utf-8", "replace") if isinstance(query, bytes) else query
        if client := scope.get("client"):
            _set(attributes, "client.address", client[0])
            _set_number(attributes, "client.port", client[1])
        return name, attributes

    def _user_agent(self, headers: _Headers) -> Mapping[str, str]:
        given = headers.user_agent
        if not given:
            return {}
        known = self._user_agents.get(given)
        if known is None:
            known = _user_agent_attributes(_ascii(given))
            if is_short(given):
                self._user_agents.keep(given, known)
        return known


class _RecordedExchange(Exchange):
    """An exchange with our own span, which ends with the last byte."""

    __slots__ = ()

    def record(self, error: BaseException) -> None:
        """Note on the span an exception that left the application."""
        if not self.outcome.fail(error) or not self.span.is_recording():
            return
        if isinstance(error, Exception):
            record_exception(self.span, error)
            set_failed(self.span, error)
        else:
            set_failed(self.span, error, error_type(error))

    def end_span(self) -> None:
        """End the span with the outcome."""
        span, outcome = self.span, self.outcome
        if not span.is_recording():
            return
        try:
            set_attributes_unchecked(span, outcome.attributes)
            if outcome.result[1] != outcome.failure:
                span.set_status(Status(StatusCode.ERROR))
        finally:
            span.end()


class _Headers:
    """The request headers that telemetry reads."""

    __slots__ = ("_carrier", "_scope", "user_agent")

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self.user_agent: bytes | None = None
        self._carrier: dict[str, list[str]] = {}
        for name, value in scope.get("headers") or ():
            lowered = name.lower()
            if lowered == b"user-agent" and self.user_agent is None:
                self.user_agent = value
            elif lowered in _TRACE_HEADERS:
                self._carrier.setdefault(_ascii(lowered), []).append(_ascii(value))

    def parent(self) -> Context:
        """Return the sender's context, or a fresh one."""
        propagator = propagate.get_global_textmap()
        if type(propagator) is CleanTraceContext:
            return propagator.extract(self._carrier, _EMPTY) if self._carrier else _EMPTY
        every: dict[str, list[str]] = {}
        for name, value in self._scope.get("headers") or ():
            every.setdefault(_ascii(name.lower()), []).append(_ascii(value))
        return propagator.extract(every, _EMPTY)


_EMPTY: Final = Context()
_TRACE_HEADERS: Final = frozenset({b"traceparent", b"tracestate"})


def _ascii(value: bytes) -> str:
    """Return *value* as contrib's middleware reads it: only ASCII text is reliable."""
    return value.decode("ascii") if value.isascii() else value.decode("latin-1").encode("ascii", "replace").decode()


def _user_agent_attributes(text: str) -> dict[str, str]:
    synthetic = detect_synthetic_user_agent(text)
    return {"user_agent.original": text} | ({"user_agent.synthetic.type": synthetic} if synthetic else {})


def _constants(
    method: str, scheme: str | None, version: str | None, route: str | None, server: tuple[Any, Any]
) -> tuple[str, dict[str, Any]]:
    """Return a span's name, and the attributes that all requests of this kind share."""
    host, port = server
    shown = method.strip()
    sanitized = sanitize_method(shown)
    attributes: dict[str, Any] = {}
    _set(attributes, "url.scheme", scheme)
    _set(attributes, "network.protocol.version", version)
    if method:
        if shown != sanitized:
            _set(attributes, "http.request.method_original", shown)
        _set(attributes, "http.request.method", sanitized)
    _set(attributes, "http.route", route)
    _set(attributes, "server.address", host)
    _set_number(attributes, "server.port", port)
    verb = "HTTP" if sanitized == "_OTHER" else sanitized
    return " ".join(filter(None, (verb, route))), attributes


def _server(scope: Scope) -> tuple[Any, Any]:
    host, port = scope.get("server") or (None, None)
    return host, port


def _set(attributes: dict[str, Any], name: str, value: Any) -> None:
    if value:
        attributes[name] = value


def _set_number(attributes: dict[str, Any], name: str, value: Any) -> None:
    if value and str(value).isdecimal():
        attributes[name] = int(value)
