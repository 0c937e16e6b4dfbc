"""Recording of a webhook: metrics, a span, and a log line for each event."""

from __future__ import annotations

import asyncio
import logging
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.trace import SpanKind, Status, StatusCode

from whatsself_otel.bridge.config import ANY
from whatsself_otel.messages import OwnLogger
from whatsself_otel.whatsapp.events import (
    AccountRestricted,
    DeliveryStatus,
    Event,
    MessageRejected,
    ProviderNotice,
    SessionChanged,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from opentelemetry.trace import Span

    from whatsself_otel.bridge.config import Route
    from whatsself_otel.bridge.requests import WebhookRequest
    from whatsself_otel.setup import Telemetry

_logger: Final = OwnLogger("whatsself_bridge")
IN_THREAD_BYTES: Final = 65_536
"""A longer body is parsed in a thread, so that the event loop goes on."""
_MOST_LINES: Final = 50
"""Log lines per webhook, at most: a history has thousands of events."""


class Observer:
    """
    Records webhooks.

    Args:
        telemetry: Where to.
    """

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry
        self._tracer = telemetry.tracer

    async def observe(self, request: WebhookRequest, route: Route) -> list[Event]:
        """Record the metrics of an admitted request, and return its new events."""
        arguments: dict[str, Any] = {
            "body": request.body,
            "provider": None if route.provider == ANY else route.provider,
            "is_verified": True,
        }
        if len(request.body) > IN_THREAD_BYTES:
            told = await asyncio.to_thread(self._telemetry.whatsapp.observe, **arguments)
        else:
            told = self._telemetry.whatsapp.observe(**arguments)
        return [event for event in told if not event.is_repeat and event.is_live]

    @contextmanager
    def span(self, request: WebhookRequest, route: Route, events: Sequence[Event]) -> Iterator[Span]:
        """
        Hold a span around the rest of the work, with the ids of the first message, and write the log lines.

        Args:
            request: The webhook.
            route: That it belongs to.
            events: What is new in it.
        """
        first = next((event for event in events if event.message_ref is not None), events[0] if events else None)
        attributes = {"http.request.method": request.method, "http.route": route.provider}
        with (
            nullcontext() if first is None else first.message_context,
            self._tracer.start_as_current_span(
                f"webhook {route.provider}",
                kind=SpanKind.SERVER,
                attributes=attributes,
                start_time=int(request.at * 1e9),
            ) as span,
        ):
            for event in events[:_MOST_LINES]:
                self._tell(event, is_own=event is first)
            yield span

    def _tell(self, event: Event, *, is_own: bool) -> None:
        """Write the log line of *event*; each further message gets another span."""
        if isinstance(event, ProviderNotice):
            return
        if is_own or event.message_ref is None:
            _log(event)
            return
        with event.message_context, self._tracer.start_as_current_span(event.kind):
            _log(event)


def set_outcome(span: Span, status: int, outcome: str) -> None:
    """Put the answer on the span of a webhook."""
    span.set_attribute("http.response.status_code", status)
    span.set_attribute("outcome", outcome)
    if status >= 500:
        span.set_attribute("error.type", str(status))
        span.set_status(Status(StatusCode.ERROR))


def _log(event: Event) -> None:
    details = [event.kind, *(str(value) for name in ("status", "state", "reason") if (value := _of(event, name)))]
    level = logging.WARNING if _is_bad(event) else logging.INFO
    _logger.log(level, "%s (%s %s)", " ".join(details), event.provider, event.name)


def _is_bad(event: Event) -> bool:
    has_failed = isinstance(event, DeliveryStatus) and event.status == "failed"
    is_loss = isinstance(event, SessionChanged) and event.reason is not None
    return has_failed or is_loss or isinstance(event, MessageRejected | AccountRestricted)


def _of(event: Event, name: str) -> object:
    return getattr(event, name, None)
