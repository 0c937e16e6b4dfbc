"""One request and its response, for either kind of span: our headers on the answer, and the duration."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import INVALID_SPAN

from whatsself_otel.integrations.outcomes import Durations, Outcome, kind_of
from whatsself_otel.integrations.serving import REQUEST_KEY

if TYPE_CHECKING:
    from opentelemetry.trace import Span

    from whatsself_otel.context import RequestContext
    from whatsself_otel.integrations.serving import ASGIApp, FastAPIOptions, Message, Receive, Scope, Send

_EMPTY: Final = Context()
_STARTS: Final = frozenset({"http.response.start", "websocket.accept", "websocket.http.response.start"})


class Exchange:
    """
    One request and its response: adds our headers at its start, and measures until its last byte.

    Background tasks do not count.

    Args:
        options: What it works with.
        durations: Where its duration is recorded.
        scope: The request's scope.
        send: The server's.
        request: Its id, and what is bound late.
    """

    __slots__ = (
        "_durations",
        "_ended",
        "_has_trailers",
        "_kind",
        "_options",
        "_scope",
        "_send",
        "_start_s",
        "excluded",
        "outcome",
        "request",
        "span",
    )

    def __init__(
        self, options: FastAPIOptions, durations: Durations, scope: Scope, send: Send, request: RequestContext
    ) -> None:
        self.request = request
        self.span: Span = INVALID_SPAN
        self.excluded = False
        """Whether the request gets neither a span nor a duration."""
        self._kind = kind_of(scope) if scope["type"] == "http" else None
        self.outcome = Outcome(is_http=self._kind is not None)
        self._options = options
        self._durations = durations
        self._scope = scope
        scope[REQUEST_KEY] = self
        self._send = send
        self._start_s = time.perf_counter()
        self._ended = self._has_trailers = False

    async def serve(self, app: ASGIApp, receive: Receive, around: Context) -> None:
        """
        Serve the request by *app*.

        Args:
            app: What answers.
            receive: The server's.
            around: The context of the application.
        """
        token = otel_context.attach(around)
        try:
            await app(self._scope, receive, self.send)
        except BaseException as error:
            self.fail(error)
            raise
        finally:
            otel_context.detach(token)
            self.end()
            self._options.attempt(self._release)
            self._scope.pop(REQUEST_KEY, None)

    async def send(self, message: Message) -> None:
        """Send the application's *message*."""
        is_last = False
        try:
            message, is_last = self._look_at(message)
        except Exception:  # noqa: BLE001 - a message that we cannot read is the server's to judge
            self._options.on_error("instrumentation")
        await self._send(message)
        if is_last:
            self.end()

    def fail(self, error: BaseException) -> None:
        """Note an exception that leaves the application, unless one was noted or the answer was complete."""
        if not self._ended:
            self._options.attempt(lambda: self.record(error))

    def end(self) -> None:
        """Record the duration and end the span, once; also for a request without a response."""
        if not self._ended:
            self._ended = True
            self._options.attempt(self._measure)
            self._options.attempt(self.end_span)

    def record(self, error: BaseException) -> None:
        """Note an exception that left the application. A subclass that makes the span notes it there too."""
        self.outcome.fail(error)

    def end_span(self) -> None:
        """End the span, if this class owns it."""

    def _release(self) -> None:
        """Release the span, with all ids known until now."""
        self._options.requests.finish(self.request)

    def _look_at(self, message: Message) -> tuple[Message, bool]:
        """Return *message* with our headers, and whether it ends the response."""
        kind = message["type"]
        if kind == "http.response.body":
            return message, not (self._has_trailers or message.get("more_body", False))
        if kind in _STARTS:
            self._has_trailers = message.get("trailers", False)
            self.outcome.start(101 if kind == "websocket.accept" else message["status"])
            return self._with_headers(message), False
        if kind == "websocket.close":
            self.outcome.close()
        return message, kind == "http.response.trailers" and not message.get("more_trailers", False)

    def _measure(self) -> None:
        if self._kind is not None and not self.excluded:
            elapsed_s = time.perf_counter() - self._start_s
            context = trace.set_span_in_context(self.span, _EMPTY)
            self._durations.record(self._kind, self.request.route, self.outcome, elapsed_s, context)

    def _with_headers(self, message: Message) -> Message:
        given = list(message.get("headers") or ())
        present = [name.lower() for name, _ in given]
        context = self.span.get_span_context()
        if b"x-request-id" not in present:
            given.append((b"x-request-id", self.request.request_id.encode("ascii")))
        if self._options.return_trace_id and context.is_valid:
            parent = b"00-%032x-%016x-%02x" % (context.trace_id, context.span_id, context.trace_flags)
            if b"traceresponse" not in present:
                given.append((b"traceresponse", parent))
            given.append((b"server-timing", b'traceparent;desc="%b"' % parent))
        return {**message, "headers": given}
