"""Takes rows from the queue, sends them, and continues the trace each row carries."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer

from whatsself_otel import resume_context
from whatsself_otel.demo.queue import Claim, Outcome, SendQueue
from whatsself_otel.demo.whatsapp import SendError, SessionDownError, WhatsAppClient
from whatsself_otel.whatsapp.events import DEFAULT_SESSION

if TYPE_CHECKING:
    from whatsself_otel.demo.breaker import BreakerBoard
    from whatsself_otel.metrics.recording import WhatsSelfMetrics

logger: Final = logging.getLogger("whatsself.worker")

_NANOSECONDS: Final = 1_000_000_000
_PAUSE_AFTER_ERROR_S: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """
    Send queued messages one after the other, until a stop.

    Args:
        queue: Where rows come from.
        client: Sends them.
        breakers: Say whether and to whom anything may be sent.
        metrics: Where finished attempts are counted.
        tracer: Makes the spans.
        poll_s: Seconds between two looks at an empty queue.
        session: Name of the WhatsApp session that sends.
    """

    queue: SendQueue
    client: WhatsAppClient
    breakers: BreakerBoard
    metrics: WhatsSelfMetrics
    tracer: Tracer
    poll_s: float
    session: str = DEFAULT_SESSION
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def wake(self) -> None:
        """Look at the queue now rather than at the next poll."""
        self._news.set()

    def stop(self) -> None:
        """Finish the message in hand, then return from `run`."""
        self._stopping.set()
        self._news.set()

    async def run(self) -> None:
        """Work until `stop`; a failing database or a bug in one message only delays the others."""
        while not self._stopping.is_set():
            try:
                claim = await self._claim()
                if claim is None or not await self._process(claim):
                    await self._wait(self.poll_s)
            except Exception:
                logger.exception("Worker failed; the row is taken up again when its lease ends")
                await self._wait(_PAUSE_AFTER_ERROR_S)

    async def _claim(self) -> Claim | None:
        self._news.clear()
        if not (self.client.is_ready() and self.breakers.allows()):
            return None
        # Whose trace this is becomes known only with the row, and an empty queue belongs to none.
        with suppress_instrumentation():
            return await self.queue.claim(blocked_contacts=self.breakers.blocked_contacts())

    async def _process(self, claim: Claim) -> bool:
        with resume_context(claim.carrier):
            self._show_wait(claim)
            with self.tracer.start_as_current_span("process outbound", kind=SpanKind.CONSUMER) as span:
                span.set_attribute("messaging.destination.name", "outbound")
                return await self._attempt(claim, span)

    async def _attempt(self, claim: Claim, span: Span) -> bool:
        self.breakers.begin(claim.contact_id)
        try:
            outcome = await self._send(claim)
        except SessionDownError:
            self.breakers.abandon(claim.contact_id)
            await self.queue.release(claim)
            logger.warning("Session is down; the message waits")
            return False
        finished = await self.queue.finish(claim, outcome)
        if finished is None:
            self.breakers.abandon(claim.contact_id)
            logger.warning("Lease had run out; another worker finishes this message")
            return True
        self._count(claim, outcome, finished.first_response_s)
        if outcome.reason:
            span.set_status(Status(StatusCode.ERROR, outcome.reason))
        return True

    async def _send(self, claim: Claim) -> Outcome:
        with self.tracer.start_as_current_span(
            "send whatsapp",
            kind=SpanKind.CLIENT,
            attributes={"peer.service": "whatsapp"},
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                await self.client.send(
                    provider_id=claim.provider_id, phone=claim.phone, body=claim.body, fails_with=claim.fails_with
                )
            except SendError as error:
                span.set_status(Status(StatusCode.ERROR, error.reason))
                span.set_attribute("error.type", error.reason)
                return Outcome(reason=error.reason)
            return Outcome()

    def _count(self, claim: Claim, outcome: Outcome, first_response_s: float | None) -> None:
        if outcome.reason:
            self.metrics.message_failed(
                reason=outcome.reason, origin=claim.origin, contact_id=claim.contact_id, session=self.session
            )
            logger.error("Message to %s failed", claim.phone, extra={"reason": outcome.reason})
        else:
            self.metrics.message_sent(
                origin=claim.origin,
                contact_id=claim.contact_id,
                message_id=claim.provider_id,
                session=self.session,
            )
            logger.info("Message sent to %s", claim.phone, extra={"origin": claim.origin, "attempt": claim.attempts})
        if first_response_s is not None:
            self.metrics.first_response(first_response_s)
            self.client.answers.add(claim.provider_id)
        self.breakers.record(claim.contact_id, succeeded=outcome.reason is None)

    def _show_wait(self, claim: Claim) -> None:
        span = self.tracer.start_span("wait in queue", start_time=int(claim.enqueued_at * _NANOSECONDS))
        span.end(int(time.time() * _NANOSECONDS))

    async def _wait(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._news.wait(), seconds)
