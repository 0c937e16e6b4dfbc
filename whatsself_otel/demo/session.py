"""The pretend WhatsApp session: one row that every worker reads, and the events it goes through."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from whatsself_otel import message_context
from whatsself_otel.catalogue import EVENT
from whatsself_otel.demo.database import Sessions, lock
from whatsself_otel.demo.identifiers import new_id
from whatsself_otel.demo.models import SessionRow
from whatsself_otel.whatsapp.events import DEFAULT_SESSION

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.ext.asyncio import AsyncSession

    from whatsself_otel.metrics.recording import WhatsSelfMetrics

logger: Final = logging.getLogger("whatsself.session")

_OWNED_S: Final = 3.0
"""Seconds after which another worker takes the session over from one that died."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """One thing that can happen to a session."""

    state: str
    event: str | None
    level: int = logging.INFO
    lost_by: str | None = None
    """Why the connection was lost; ``None`` if it was not."""
    comes_back: bool = False
    """True if the session reconnects by itself."""


TRANSITIONS: Final = {
    "connect": Transition(state="connected", event="connected"),
    "disconnect": Transition(
        state="disconnected", event="disconnected", level=logging.WARNING, lost_by="transient", comes_back=True
    ),
    "logout": Transition(state="logged_out", event="disconnected", level=logging.WARNING, lost_by="logged_out"),
    "qr": Transition(state="qr_pending", event="qr_updated"),
    "expire": Transition(state="expired", event="expired", level=logging.ERROR),
}
"""What callers may ask for, by name."""

_START: Final = "start"
_STARTING: Final = Transition(state="starting", event=None)


class WhatsAppSession:
    """
    The session as this worker knows it.

    One worker owns it, as one process holds a real WhatsApp connection: only that one logs and counts, so that two
    workers do not report one loss twice.

    Args:
        sessions: Database sessions.
        metrics: Where states and disconnects are counted.
        reconnect_s: Seconds from a lost connection to the next one.
        clock: Seconds since the epoch.
    """

    def __init__(
        self,
        sessions: Sessions,
        metrics: WhatsSelfMetrics,
        *,
        reconnect_s: float,
        session: str = DEFAULT_SESSION,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.state = _STARTING.state
        self._sessions = sessions
        self._metrics = metrics
        self._session = session
        self._reconnect_s = reconnect_s
        self._clock = clock
        self._name = new_id()
        self._told: int | None = None

    def is_connected(self) -> bool:
        """Whether messages can be sent."""
        return self.state == TRANSITIONS["connect"].state

    async def apply(self, action: str) -> str:
        """
        Let *action* happen and return the new state.

        Args:
            action: A key of `TRANSITIONS`.
        """
        async with self._sessions.begin() as session:
            self._change(await self._row(session), action)
        await self.refresh()
        return TRANSITIONS[action].state

    async def refresh(self) -> None:
        """Take over what happened to the session, and reconnect when it is time."""
        async with self._sessions.begin() as session:
            row = await self._row(session)
            owns = self._own(row)
            is_due = row.reconnect_at is not None and row.reconnect_at <= self._clock()
            if owns and (is_due or row.action == _START):
                self._change(row, "connect")
            action, version = row.action, row.version
        transition = TRANSITIONS.get(action, _STARTING)
        self.state = transition.state
        if owns and version != self._told:
            self._tell(transition, is_news=self._told is not None or version == 1)
        self._told = version if owns else None

    async def release(self) -> None:
        """Let another worker own the session, because this one ends."""
        async with self._sessions.begin() as session:
            row = await self._row(session)
            if row.owner == self._name:
                row.owner, row.owned_until = None, 0.0

    def _own(self, row: SessionRow) -> bool:
        if row.owner != self._name and row.owned_until > self._clock():
            return False
        row.owner, row.owned_until = self._name, self._clock() + _OWNED_S
        return True

    def _change(self, row: SessionRow, action: str) -> None:
        row.action, row.version = action, row.version + 1
        row.reconnect_at = self._clock() + self._reconnect_s if TRANSITIONS[action].comes_back else None

    def _tell(self, transition: Transition, *, is_news: bool) -> None:
        # A worker that takes the session over knows how it stands, but did not see it happen.
        if is_news and transition.lost_by:
            self._metrics.session_disconnected(session=self._session, reason=transition.lost_by)
        if transition.state == "qr_pending":
            self._metrics.qr_issued(session=self._session)
        self._metrics.session_state(session=self._session, state=transition.state)
        if is_news:
            with message_context(session=self._session):
                logger.log(transition.level, "WhatsApp session %s", transition.state, extra={EVENT: transition.event})

    async def _row(self, session: AsyncSession) -> SessionRow:
        await lock(session, "session")
        row = await session.get(SessionRow, self._session)
        if row is None:
            row = SessionRow(name=self._session, action=_START, version=0)
            session.add(row)
            await session.flush()
        return row
