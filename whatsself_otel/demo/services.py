"""Puts the parts of the demo together and runs its background tasks."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from opentelemetry.instrumentation.utils import suppress_instrumentation

from whatsself_otel.demo.acknowledger import Acknowledger
from whatsself_otel.demo.breaker import BreakerBoard, BreakerState
from whatsself_otel.demo.conversations import Conversations
from whatsself_otel.demo.database import Sessions, create_schema, open_sessions
from whatsself_otel.demo.monitor import Monitor
from whatsself_otel.demo.queue import SendQueue
from whatsself_otel.demo.session import WhatsAppSession
from whatsself_otel.demo.whatsapp import WhatsAppClient
from whatsself_otel.demo.worker import Worker

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from sqlalchemy.ext.asyncio import AsyncEngine

    from whatsself_otel import Telemetry
    from whatsself_otel.demo.settings import DemoSettings
    from whatsself_otel.metrics.recording import WhatsSelfMetrics

logger: Final = logging.getLogger("whatsself.breaker")

_STOP_S: Final = 5.0
"""Seconds the message in hand has to finish; past it, the lease brings the row back after the restart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Everything one worker process of the demo is made of."""

    settings: DemoSettings
    engine: AsyncEngine
    sessions: Sessions
    session: WhatsAppSession
    client: WhatsAppClient
    conversations: Conversations
    worker: Worker
    acknowledger: Acknowledger
    monitor: Monitor

    @classmethod
    def build(cls, settings: DemoSettings, engine: AsyncEngine, telemetry: Telemetry) -> Self:
        """Connect the parts; nothing runs yet."""
        metrics, tracer, sessions = telemetry.metrics, telemetry.tracer, open_sessions(engine)
        name = settings.session
        session = WhatsAppSession(sessions, metrics, reconnect_s=settings.reconnect_s, session=name)
        client = WhatsAppClient(session.is_connected, send_s=settings.send_s)
        queue = SendQueue(sessions, pace=settings.pace, lease_s=settings.lease_s)
        breakers = BreakerBoard(settings.breaker, _teller(metrics))
        monitor = Monitor(
            queue=queue,
            session=session,
            breakers=breakers,
            metrics=metrics,
            sessions=sessions,
            unanswered_after_s=settings.unanswered_after_s,
        )
        metrics.observe_queue(
            depth=lambda: monitor.size.depth, oldest_age=lambda: monitor.size.oldest_age_s, session=name
        )
        return cls(
            settings=settings,
            engine=engine,
            sessions=sessions,
            session=session,
            client=client,
            conversations=Conversations(sessions=sessions, queue=queue, metrics=metrics, tracer=tracer, session=name),
            worker=Worker(
                queue=queue,
                client=client,
                breakers=breakers,
                metrics=metrics,
                tracer=tracer,
                poll_s=settings.poll_s,
                session=name,
            ),
            acknowledger=Acknowledger(client=client, sessions=sessions, metrics=metrics, tracer=tracer, session=name),
            monitor=monitor,
        )

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Create missing tables, run the background tasks, and stop them without losing a message."""
        with suppress_instrumentation():
            await create_schema(self.sessions)
            await self.session.refresh()
        work = asyncio.create_task(self.worker.run())
        helpers = [asyncio.create_task(self.acknowledger.run()), asyncio.create_task(self.monitor.run())]
        try:
            yield
        finally:
            self.worker.stop()
            await asyncio.wait([work], timeout=_STOP_S)
            await asyncio.wait([asyncio.create_task(self.client.drain())], timeout=_STOP_S)
            await _cancel([work, *helpers])
            with suppress_instrumentation():
                await self.session.release()
            await self.engine.dispose()


def _teller(metrics: WhatsSelfMetrics) -> Callable[[str | None, BreakerState], None]:
    def tell(contact_id: str | None, state: BreakerState) -> None:
        metrics.breaker_state(state.value, contact_id=contact_id)
        logger.warning("Breaker %s", state.value, extra={"scope": "contact" if contact_id else "global"})

    return tell


async def _cancel(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
