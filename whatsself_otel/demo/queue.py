"""The durable send queue: rows of a table that several workers empty together."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import ColumnElement, Select, func, or_, select, update

from whatsself_otel import capture_context
from whatsself_otel.demo.database import Sessions, lock
from whatsself_otel.demo.identifiers import new_id
from whatsself_otel.demo.models import Contact, Job, Message

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy.ext.asyncio import AsyncSession
    from sqlalchemy.sql.dml import ReturningUpdate

    from whatsself_otel.demo.settings import PaceConfig

_MINUTE_S: Final = 60.0
_CONTACT_WINDOW_S: Final = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One row that this worker, and no other, may send until the lease ends."""

    job_id: int
    token: str
    message_id: str
    contact_id: str
    origin: str
    carrier: dict[str, str]
    enqueued_at: float
    attempts: int
    """Which try this is; above 1 when a worker died on the way."""
    phone: str
    body: str
    fails_with: str | None
    provider_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How an attempt ended."""

    reason: str | None = None
    """Why it failed; ``None`` if it did not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """What finishing an attempt changed."""

    first_response_s: float | None = None
    """Seconds the contact had waited, if this was the answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueSize:
    """How full the queue is."""

    depth: int = 0
    oldest_age_s: float = 0.0


class SendQueue:
    """
    Hands out rows at most once at a time, in order for each contact, at the allowed pace.

    A row is sent at least once: if its worker dies, another takes it when the lease has run out.

    Args:
        sessions: Database sessions.
        pace: Limits, counted in the table and so for all workers together.
        lease_s: Seconds a worker may hold a row.
        clock: Seconds since the epoch.
    """

    def __init__(
        self, sessions: Sessions, *, pace: PaceConfig, lease_s: float, clock: Callable[[], float] = time.time
    ) -> None:
        self._sessions = sessions
        self._pace = pace
        self._lease_s = lease_s
        self._clock = clock

    def put(self, session: AsyncSession, message: Message, *, origin: str) -> None:
        """Add *message* in the caller's transaction, together with the trace and ids of this place."""
        job = Job(
            message_id=message.id,
            contact_id=message.contact_id,
            origin=origin,
            carrier=capture_context(),
            enqueued_at=self._clock(),
        )
        session.add(job)

    async def claim(self, *, blocked_contacts: Sequence[str] = ()) -> Claim | None:
        """Take the oldest row that may be sent now, or return ``None``."""
        now = self._clock()
        async with self._sessions.begin() as session:
            await lock(session, "queue")
            if not await self._has_room(session, now):
                return None
            job = (await session.scalars(self._take(now, blocked_contacts))).first()
            return await _load_claim(session, job) if job else None

    async def finish(self, claim: Claim, outcome: Outcome) -> Finished | None:
        """
        Record how the attempt ended.

        Returns:
            What changed, or ``None`` if the lease had run out and the row is now another worker's to finish.
        """
        async with self._sessions.begin() as session:
            if not await _end_lease(session, claim, {"finished_at": self._clock()}):
                return None
            message = await session.get_one(Message, claim.message_id, with_for_update=True)
            # An acknowledgement may have been faster.
            if message.status == "queued":
                message.status = "failed" if outcome.reason else "sent"
            message.failure_reason = outcome.reason
            if outcome.reason or claim.origin == "broadcast":
                return Finished()
            return Finished(first_response_s=await self._answer(session, claim.contact_id))

    async def release(self, claim: Claim) -> None:
        """Give the row back: nothing was attempted."""
        async with self._sessions.begin() as session:
            await _end_lease(session, claim, {"attempts": Job.attempts - 1})

    async def measure(self) -> QueueSize:
        """Count the rows that wait or are on their way."""
        async with self._sessions() as session:
            query = select(func.count(), func.min(Job.enqueued_at)).where(Job.finished_at.is_(None))
            depth, oldest = (await session.execute(query)).one()
        return QueueSize(depth=depth, oldest_age_s=max(0.0, self._clock() - oldest) if depth else 0.0)

    async def _answer(self, session: AsyncSession, contact_id: str) -> float | None:
        contact = await session.get_one(Contact, contact_id)
        if contact.waiting_since is None:
            return None
        waited_s = max(0.0, self._clock() - contact.waiting_since)
        contact.waiting_since, contact.gave_up = None, False
        return waited_s

    async def _has_room(self, session: AsyncSession, now: float) -> bool:
        if self._pace.per_min is None:
            return True
        recent = select(func.count()).where(
            or_(Job.finished_at > now - _MINUTE_S, (Job.finished_at.is_(None)) & (Job.leased_until > now))
        )
        return (await session.scalar(recent) or 0) < self._pace.per_min

    def _take(self, now: float, blocked_contacts: Sequence[str]) -> ReturningUpdate[Job]:
        oldest = (
            select(Job.id)
            .where(*self._conditions(now, blocked_contacts))
            .order_by(Job.id)
            .limit(1)
            .with_for_update(skip_locked=True)
            .scalar_subquery()
        )
        return (
            update(Job)
            .where(Job.id == oldest)
            .values(lease_id=new_id(), leased_until=now + self._lease_s, attempts=Job.attempts + 1)
            .returning(Job)
        )

    def _conditions(self, now: float, blocked_contacts: Sequence[str]) -> list[ColumnElement[bool]]:
        in_flight = select(Job.contact_id).where(Job.finished_at.is_(None), Job.leased_until >= now)
        conditions = [
            Job.finished_at.is_(None),
            or_(Job.leased_until.is_(None), Job.leased_until < now),
            Job.contact_id.not_in(in_flight),
        ]
        if blocked_contacts:
            conditions.append(Job.contact_id.not_in(blocked_contacts))
        if self._pace.per_contact is not None:
            conditions.append(Job.contact_id.not_in(_contacts_at(self._pace.per_contact, now)))
        return conditions


def _contacts_at(limit: int, now: float) -> Select[str]:
    return (
        select(Job.contact_id)
        .where(Job.finished_at > now - _CONTACT_WINDOW_S)
        .group_by(Job.contact_id)
        .having(func.count() >= limit)
    )


async def _load_claim(session: AsyncSession, job: Job) -> Claim:
    message = await session.get_one(Message, job.message_id)
    contact = await session.get_one(Contact, job.contact_id)
    return Claim(
        job_id=job.id,
        token=job.lease_id or "",
        message_id=job.message_id,
        contact_id=job.contact_id,
        origin=job.origin,
        carrier=job.carrier,
        enqueued_at=job.enqueued_at,
        attempts=job.attempts,
        phone=contact.phone,
        body=message.body,
        fails_with=contact.fails_with,
        provider_id=job.provider_id,
    )


async def _end_lease(session: AsyncSession, claim: Claim, changes: dict[str, Any]) -> bool:
    mine = (Job.id == claim.job_id) & (Job.lease_id == claim.token) & Job.finished_at.is_(None)
    statement = update(Job).where(mine).values(lease_id=None, leased_until=None, **changes).returning(Job.id)
    return await session.scalar(statement) is not None
