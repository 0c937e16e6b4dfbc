"""
FastAPI by one middleware of our own: what contrib's records as we configure it, decided once at the start.

One object a request holds what is known of it, one context is attached, attributes that repeat are made once, and the
route is found by its path's parts. tests/test_fastapi.py and tests/test_hostile_asgi.py run with both ways.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import context as otel_context
from opentelemetry import propagate, trace
from opentelemetry.context import Context
from opentelemetry.trace import INVALID_SPAN, SpanKind, Status, StatusCode
from opentelemetry.util.http import detect_synthetic_user_agent, sanitize_method

from whatsself_otel import _sdk
from whatsself_otel.catalogue import REQUEST_ID
from whatsself_otel.context import RequestScope, bind_request
from whatsself_otel.instrumentation.fastapi import excluded_pattern, url_of
from whatsself_otel.messages import OwnLogger
from whatsself_otel.propagation import CleanTraceContext
from whatsself_otel.remembered import Remembered
from whatsself_otel.series import Series
from whatsself_otel.spans import put_clean

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.metrics import Histogram
    from opentelemetry.trace import Span

    from whatsself_otel.instrumentation.fastapi import ASGIApp, FastAPIOptions, Message, Receive, Scope, Send
    from whatsself_otel.instrumentation.routes import RouteIndex
    from whatsself_otel.spans import SpanMaker

_logger = OwnLogger(__name__)
_MAX_REMEMBERED: Final = 1024
_MAX_REMEMBERED_CHARS: Final = 512
"""What a client sends is remembered, but not at any length: a header may have 64 KB."""
_SUPPRESSED_PLAIN: Final = "suppress_instrumentation"


class Recorder:
    """
    Records what an application raises on the span around it, before the answer 500 ends that span.

    Args:
        app: The application below Starlette's ``ServerErrorMiddleware``.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        try:
            await self.app(scope, receive, send)
        except Exception as error:
            _record(trace.get_current_span(), error)
            raise


class Requests:
    """
    Starts and ends the server span of each request, binds its ids and measures it.

    Args:
        app: The rest of the stack.
        options: What it works with.
        spans: Starts them.
        duration: Where durations are recorded.
        routes: Finds the route of a request.
    """

    def __init__(
        self, app: ASGIApp, options: FastAPIOptions, spans: SpanMaker, duration: Histogram, routes: RouteIndex
    ) -> None:
        self._app = app
        self.options = options
        self.duration = duration
        self._spans = spans
        self._routes = routes
        self._excluded = frozenset(options.excluded_paths)
        self._suppressing = (_SUPPRESSED_PLAIN, *_sdk.suppression_keys(), *_sdk.suppression_keys("http"))
        self._excluded_url = excluded_pattern(options)
        self._constant: Remembered[tuple[Any, ...], tuple[str, dict[str, Any]]] = Remembered(_MAX_REMEMBERED)
        self._user_agents: Remembered[bytes, Mapping[str, str]] = Remembered(_MAX_REMEMBERED)
        self.durations: Remembered[tuple[Any, ...], Series] = Remembered(_MAX_REMEMBERED)

    async def serve(self, scope: Scope, receive: Receive, send: Send, request: RequestScope) -> None:
        """Serve one request by the application, with a span if nothing hinders that."""
        exchange = _Exchange(self, scope, send, request)
        try:
            token = otel_context.attach(self._enter(scope, exchange))
        except Exception:  # noqa: BLE001 - a request that telemetry cannot read is served all the same
            _logger.debug("a request could not be read; it is served without a span")
            self.options.on_error("instrumentation")
            token = otel_context.attach(bind_request(request))
        try:
            await self._app(scope, receive, exchange.send)
        except Exception as error:
            exchange.fail(error)
            raise
        finally:
            otel_context.detach(token)
            exchange.end()
            self.options.requests.finish(request)

    def _enter(self, scope: Scope, exchange: _Exchange) -> Context:
        current = otel_context.get_current()
        request = exchange.request
        if scope.get("path") in self._excluded or (self._excluded_url is not None and self._has_excluded_url(scope)):
            exchange.excluded = True
            return bind_request(request, current)
        request.route = self._routes.find(scope)
        if current and any(map(current.get, self._suppressing)):
            return bind_request(request, current)
        headers = _Headers(scope)
        inside = trace.get_current_span(current) is not INVALID_SPAN
        parent = current if inside else headers.parent()
        name, attributes = self._describe(scope, headers, request)
        kind = SpanKind.INTERNAL if inside else SpanKind.SERVER
        span = self._spans.start(name, parent, kind, attributes)
        request.span = exchange.span = span
        if span.is_recording():
            self.options.requests.add(request)
        return bind_request(request, trace.set_span_in_context(span, parent))

    def _has_excluded_url(self, scope: Scope) -> bool:
        return self._excluded_url is not None and self._excluded_url.search(url_of(scope)) is not None

    def _describe(self, scope: Scope, headers: _Headers, request: RequestScope) -> tuple[str, dict[str, Any]]:
        key = (scope.get("method", ""), scope.get("scheme"), scope.get("http_version"), request.route, _server(scope))
        known = self._constant.get(key)
        if known is None:
            known = _constants(*key)
            if _is_short(key[0]):
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
            if _is_short(given):
                self._user_agents.keep(given, known)
        return known


class _Exchange:
    """One request and its response: adds our headers, ends the span with the last byte and measures until then."""

    __slots__ = ("_ended", "_requests", "_scope", "_send", "_start_s", "_status", "excluded", "request", "span")

    def __init__(self, requests: Requests, scope: Scope, send: Send, request: RequestScope) -> None:
        self.request = request
        self.span: Span = INVALID_SPAN
        self.excluded = False
        self._requests = requests
        self._scope = scope
        self._send = send
        self._status: int | None = None
        self._start_s = time.perf_counter()
        self._ended = False

    async def send(self, message: Message) -> None:
        """Send *message* of the application."""
        kind = message["type"]
        if kind == "http.response.start":
            self._note_status(message["status"])
            message = self._with_headers(message)
        elif kind == "websocket.accept":
            message = self._with_headers(message)
        elif kind == "websocket.send":
            self._note_status(200)
        await self._send(message)
        if kind == "http.response.body" and not message.get("more_body", False):
            self.end()

    def fail(self, error: Exception) -> None:
        """Record what came out of the application, unless its span has ended or has it already."""
        span = self.span
        if span.is_recording() and not any(event.name == "exception" for event in getattr(span, "events", ())):
            _record(span, error)

    def end(self) -> None:
        """End the span and record the duration, once; a request without a response counts too."""
        if self._ended:
            return
        self._ended = True
        if self._scope["type"] == "http" and not self.excluded:
            self._measure()
        if self.span.is_recording():
            self.span.end()

    def _note_status(self, status: int) -> None:
        self._status = status
        span = self.span
        if span.is_recording():
            put_clean(span, {"http.response.status_code": int(status)})
            if not 100 <= status <= 499:
                span.set_attribute("error.type", str(status))
                span.set_status(Status(StatusCode.ERROR))

    def _measure(self) -> None:
        elapsed_s = time.perf_counter() - self._start_s
        requests = self._requests
        key = (self._scope.get("method", ""), self._scope.get("scheme"), self._status, self.request.route)
        series = requests.durations.get(key)
        if series is None:
            series = Series(requests.duration, _duration_attributes(*key))
            if _is_short(key[0]):
                requests.durations.keep(key, series)
        series.record(elapsed_s, trace.set_span_in_context(self.span, _EMPTY))

    def _with_headers(self, message: Message) -> Message:
        given = list(message.get("headers") or ())
        present = [name.lower() for name, _ in given]
        context = self.span.get_span_context()
        if b"x-request-id" not in present:
            given.append((b"x-request-id", self.request.request_id.encode("ascii")))
        if self._requests.options.return_trace_id and context.is_valid:
            parent = b"00-%032x-%016x-%02x" % (context.trace_id, context.span_id, context.trace_flags)
            if b"traceresponse" not in present:
                given.append((b"traceresponse", parent))
            given.append((b"server-timing", b'traceparent;desc="%b"' % parent))
        return {**message, "headers": given}


class _Headers:
    """What telemetry reads of a request's headers."""

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
        """Return the sender's context, a fresh one if there is none."""
        propagator = propagate.get_global_textmap()
        if type(propagator) is CleanTraceContext:
            return propagator.extract(self._carrier, _EMPTY) if self._carrier else _EMPTY
        every: dict[str, list[str]] = {}
        for name, value in self._scope.get("headers") or ():
            every.setdefault(_ascii(name.lower()), []).append(_ascii(value))
        return propagator.extract(every, _EMPTY)


_EMPTY: Final = Context()
_TRACE_HEADERS: Final = frozenset({b"traceparent", b"tracestate"})


def _is_short(given: str | bytes) -> bool:
    return len(given) <= _MAX_REMEMBERED_CHARS


def _record(span: Span, error: Exception) -> None:
    if span.is_recording():
        span.record_exception(error)
        span.set_status(Status(StatusCode.ERROR, f"{type(error).__name__}: {error}"))


def _ascii(value: bytes) -> str:
    """Return *value* as contrib would see it: what is no ASCII is no text to rely on."""
    return value.decode("ascii") if value.isascii() else value.decode("latin-1").encode("ascii", "replace").decode()


def _user_agent_attributes(text: str) -> dict[str, str]:
    synthetic = detect_synthetic_user_agent(text)
    return {"user_agent.original": text} | ({"user_agent.synthetic.type": synthetic} if synthetic else {})


def _constants(
    method: str, scheme: str | None, version: str | None, route: str | None, server: tuple[Any, Any]
) -> tuple[str, dict[str, Any]]:
    """Return the name of a span, and the attributes that all requests of this kind share."""
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
    # The address has the port in it, as contrib writes it.
    _set(attributes, "server.address", host + (f":{port}" if str(port) != "80" else ""))
    _set_number(attributes, "server.port", port)
    verb = "HTTP" if sanitized == "_OTHER" else sanitized
    return " ".join(filter(None, (verb, route))), attributes


def _duration_attributes(method: str, scheme: str | None, status: int | None, route: str | None) -> dict[str, Any]:
    code = 500 if status is None else status
    attributes: dict[str, Any] = {
        "http.request.method": sanitize_method(str(method).strip()),
        "url.scheme": "https" if scheme == "https" else "http",
        "http.response.status_code": code,
    }
    _set(attributes, "http.route", route)
    if code >= 500:
        attributes["error.type"] = str(code)
    return attributes


def _server(scope: Scope) -> tuple[Any, Any]:
    host, port = scope.get("server") or ("0.0.0.0", 80)  # noqa: S104 - nothing is bound here
    return host, port


def _set(attributes: dict[str, Any], name: str, value: Any) -> None:
    if value:
        attributes[name] = value


def _set_number(attributes: dict[str, Any], name: str, value: Any) -> None:
    if value and str(value).isdecimal():
        attributes[name] = int(value)
