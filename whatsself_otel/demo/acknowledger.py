"""Takes WhatsApp's acknowledgements and continues the trace of the message each one is about."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.trace import SpanKind, Tracer
from sqlalchemy import select

from whatsself_otel import resume_context
from whatsself_otel.demo.models import Job, Message
from whatsself_otel.whatsapp.events import DEFAULT_SESSION

if TYPE_CHECKING:
    from whatsself_otel.demo.database import Sessions
    from whatsself_otel.demo.whatsapp import Ack, WhatsAppClient
    from whatsself_otel.metrics.recording import WhatsSelfMetrics

logger: Final = logging.getLogger("whatsself.acks")

_RANK: Final = {"queued": 0, "sent": 1, "delivered": 2, "read": 3, "failed": 4}


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledger:
    """
    Moves messages from sent to delivered and read, or to failed.

    Args:
        client: Where acknowledgements arrive.
        sessions: Database sessions.
        metrics: Where they are counted.
        tracer: Makes the spans.
        session: Name of the WhatsApp session that sent them.
    """

    client: WhatsAppClient
    sessions: Sessions
    metrics: WhatsSelfMetrics
    tracer: Tracer
    session: str = DEFAULT_SESSION

    async def run(self) -> None:
        """Work until cancelled; one acknowledgement that fails does not stop the others."""
        while True:
            ack = await self.client.acks.get()
            try:
                await self._take(ack)
            except Exception:
                logger.exception("Acknowledgement failed")
            finally:
                self.client.acks.task_done()

    async def _take(self, ack: Ack) -> None:
        job = await self._find(ack)
        if job is None:
            logger.warning("Acknowledgement of an unknown message")
            return
        with (
            resume_context(job.carrier),
            self.tracer.start_as_current_span("acknowledge whatsapp", kind=SpanKind.CONSUMER) as span,
        ):
            span.set_attribute("status", ack.status)
            if await self._advance(job.message_id, ack):
                self._count(ack)

    def _count(self, ack: Ack) -> None:
        if ack.status == "failed":
            reason = ack.reason or "other"
            self.metrics.message_failed(
                reason=reason, stage="delivery", message_id=ack.provider_id, session=self.session
            )
            if ack.provider_id in self.client.answers:
                self.metrics.first_response_failed()
            logger.error("Message failed after it was accepted", extra={"reason": reason})
        else:
            self.metrics.message_delivered(status=ack.status, message_id=ack.provider_id, session=self.session)
            logger.info("Message %s", ack.status, extra={"status": ack.status})
        if ack.status in {"read", "failed"}:
            self.client.answers.discard(ack.provider_id)

    async def _find(self, ack: Ack) -> Job | None:
        # Only the row says whose trace this is.
        with suppress_instrumentation():
            async with self.sessions() as session:
                return (await session.scalars(select(Job).where(Job.provider_id == ack.provider_id))).first()

    async def _advance(self, message_id: str, ack: Ack) -> bool:
        async with self.sessions.begin() as session:
            message = await session.get_one(Message, message_id, with_for_update=True)
            if _RANK.get(message.status, 0) >= _RANK[ack.status]:
                return False
            message.status = ack.status
            message.failure_reason = ack.reason
            return True
