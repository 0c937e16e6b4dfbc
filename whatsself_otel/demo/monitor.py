"""Check the shared state at intervals: queue size, session, breakers, unanswered contacts."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Final

from opentelemetry.instrumentation.utils import suppress_instrumentation
from sqlalchemy import update

from whatsself_otel import message_context
from whatsself_otel.demo.models import Contact
from whatsself_otel.demo.queue import QueueSize, SendQueue

if TYPE_CHECKING:
    from collections.abc import Callable

    from whatsself_otel.demo.breaker import BreakerBoard
    from whatsself_otel.demo.database import Sessions
    from whatsself_otel.demo.session import WhatsAppSession
    from whatsself_otel.metrics.recording import WhatsSelfMetrics

logger: Final = logging.getLogger("whatsself.monitor")

INTERVAL_S: Final = 0.5


class Monitor:
    """
    Keeps the last look, because metrics are read by a thread that must not wait for a database.

    Args:
        queue: Measured.
        session: Refreshed.
        breakers: Asked to tell what time has changed.
        metrics: Where unanswered contacts are counted.
        sessions: Database sessions.
        unanswered_after_s: Seconds of silence after which a contact counts as unanswered.
        clock: Seconds since the epoch.
    """

    def __init__(
        self,
        *,
        queue: SendQueue,
        session: WhatsAppSession,
        breakers: BreakerBoard,
        metrics: WhatsSelfMetrics,
        sessions: Sessions,
        unanswered_after_s: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.size = QueueSize()
        self._queue = queue
        self._session = session
        self._breakers = breakers
        self._metrics = metrics
        self._sessions = sessions
        self._unanswered_after_s = unanswered_after_s
        self._clock = clock

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            try:
                with suppress_instrumentation():
                    await self.look()
            except Exception:
                logger.exception("Look failed; the next one may not")
            await asyncio.sleep(INTERVAL_S)

    async def look(self) -> None:
        """Look once."""
        self.size = await self._queue.measure()
        await self._session.refresh()
        self._breakers.announce()
        for contact_id in await self._give_up():
            with message_context(contact_id=contact_id):
                self._metrics.first_response_unanswered()
                logger.warning("Nobody answered this contact")

    async def _give_up(self) -> list[str]:
        # The statement takes each contact away from the other workers: each is counted once.
        overdue = (Contact.waiting_since < self._clock() - self._unanswered_after_s) & Contact.gave_up.is_(False)
        statement = update(Contact).where(overdue).values(gave_up=True).returning(Contact.id)
        async with self._sessions.begin() as session:
            return list(await session.scalars(statement))
