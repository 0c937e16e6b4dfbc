"""The way of an inbound message: contact, trigger, flow, and the replies in the queue."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from opentelemetry.trace import SpanKind, Tracer
from sqlalchemy import select

from whatsself_otel import message_context
from whatsself_otel.demo.database import Sessions, lock
from whatsself_otel.demo.flows import FlowRun, first_key, match_trigger, plan_run
from whatsself_otel.demo.identifiers import new_id
from whatsself_otel.demo.models import Contact, Flow, FlowStep, Message, Trigger
from whatsself_otel.whatsapp.events import DEFAULT_SESSION

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from whatsself_otel.demo.queue import SendQueue
    from whatsself_otel.metrics.recording import WhatsSelfMetrics

logger: Final = logging.getLogger("whatsself.conversations")

Later = list[Callable[[], None]]
"""Counts to be made once the transaction is in the database: one that fails must not be counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inbound:
    """A message as WhatsApp hands it over."""

    phone: str = field(repr=False)
    name: str = field(default="", repr=False)
    body: str = field(default="", repr=False)
    kind: str = "text"
    external_id: str | None = None
    fails_with: str | None = None
    """Reason with which messages to this contact fail until it writes again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What became of an inbound message."""

    contact_id: str
    message_id: str
    reply_ids: tuple[str, ...] = ()
    is_duplicate: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversations:
    """
    Answers inbound messages.

    Args:
        sessions: Database sessions.
        queue: Where replies go.
        metrics: Where events are counted.
        tracer: Makes the spans of the domain.
        session: Name of the WhatsApp session that the messages come by.
        clock: Seconds since the epoch.
    """

    sessions: Sessions
    queue: SendQueue
    metrics: WhatsSelfMetrics
    tracer: Tracer
    session: str = DEFAULT_SESSION
    clock: Callable[[], float] = time.time

    async def receive(self, inbound: Inbound) -> Receipt:
        """Store *inbound*, run its trigger and queue the replies, all in one transaction."""
        later: Later = []
        async with self.sessions.begin() as session:
            await lock(session, inbound.phone)
            contact = await self._contact(session, inbound)
            known = await self._known(session, inbound)
            if known is not None:
                logger.info("Message was delivered twice and is already stored")
                return await _repeat(session, known)
            message = self._message(contact, direction="inbound", body=inbound.body, status="received")
            message.kind, message.external_id = inbound.kind, inbound.external_id
            session.add(message)
            with message_context(contact_id=contact.id, message_id=message.id):
                logger.info("Message received from %s", inbound.phone, extra={"kind": inbound.kind})
                replies = await self._answer(session, contact, message, later)
        with message_context(contact_id=contact.id, message_id=message.id):
            # The reply may leave by another worker, so the wait is kept in the contact's row, not in this process.
            self.metrics.message_inbound(
                kind=inbound.kind, contact_id=contact.id, expects_reply=False, session=self.session
            )
            for count in later:
                count()
        return Receipt(contact_id=contact.id, message_id=message.id, reply_ids=tuple(reply.id for reply in replies))

    async def send(self, contact_ids: Sequence[str], body: str, *, origin: str) -> dict[str, str]:
        """
        Queue *body* for every contact that exists and has not opted out.

        Args:
            contact_ids: Whom to write to.
            body: The text.
            origin: ``manual`` or ``broadcast``.

        Returns:
            The id of the queued message, by contact id.
        """
        async with self.sessions.begin() as session:
            query = select(Contact).where(Contact.id.in_(contact_ids), Contact.consent.is_distinct_from("opt_out"))
            contacts = (await session.scalars(query)).all()
            return {contact.id: (await self._queue(session, contact, body, origin=origin)).id for contact in contacts}

    async def _answer(self, session: AsyncSession, contact: Contact, message: Message, later: Later) -> list[Message]:
        trigger = match_trigger(message.body, (await session.scalars(select(Trigger))).all())
        if trigger is not None:
            return await self._start_flow(session, contact, message, trigger, later)
        if contact.flow_id and contact.step_key:
            return await self._continue_flow(session, contact, message, later)
        if contact.consent != "opt_out":
            self._wait(contact)
            logger.info("No trigger matched; somebody has to answer")
        return []

    async def _start_flow(
        self, session: AsyncSession, contact: Contact, message: Message, trigger: Trigger, later: Later
    ) -> list[Message]:
        with (
            message_context(trigger_id=trigger.id, flow_id=trigger.flow_id),
            self.tracer.start_as_current_span("run flow"),
        ):
            logger.info("Trigger fired")
            later.append(lambda: self.metrics.trigger_hit(trigger_id=trigger.id))
            later.append(lambda: self.metrics.flow_started(flow_id=trigger.flow_id))
            flow = await session.get_one(Flow, trigger.flow_id)
            self._consent(contact, flow, later)
            self._wait(contact)
            steps = await _steps(session, flow.id)
            return await self._run(session, contact, message, plan_run(steps, first_key(steps)), later)

    async def _continue_flow(
        self, session: AsyncSession, contact: Contact, message: Message, later: Later
    ) -> list[Message]:
        flow_id, step_key = contact.flow_id or "", contact.step_key or ""
        with message_context(flow_id=flow_id), self.tracer.start_as_current_span("run flow"):
            logger.info("Flow continues with the contact's answer")
            later.append(lambda: self.metrics.flow_step_completed(flow_id=flow_id, step_key=step_key))
            self._wait(contact)
            steps = await _steps(session, flow_id)
            return await self._run(session, contact, message, plan_run(steps, steps[step_key].next_key), later)

    async def _run(
        self, session: AsyncSession, contact: Contact, message: Message, run: FlowRun, later: Later
    ) -> list[Message]:
        replies = []
        for step in run.steps:
            with message_context(step_key=step.key):
                reply = await self._queue(session, contact, step.body, origin="reply", reply_to=message.id)
            later.extend(self._step_counts(step))
            replies.append(reply)
        contact.flow_id, contact.step_key = (run.steps[-1].flow_id, run.waits_at) if run.waits_at else (None, None)
        if run.is_cut:
            logger.warning("Flow stopped at its limit of automatic steps", extra={"steps": len(run.steps)})
        return replies

    def _step_counts(self, step: FlowStep) -> Later:
        flow_id, key = step.flow_id, step.key
        counts: Later = [
            lambda: self.metrics.flow_step_entered(flow_id=flow_id, step_key=key),
            lambda: self.metrics.flow_auto_step(flow_id=flow_id),
        ]
        if not step.waits:
            counts.append(lambda: self.metrics.flow_step_completed(flow_id=flow_id, step_key=key))
        return counts

    async def _queue(
        self, session: AsyncSession, contact: Contact, body: str, *, origin: str, reply_to: str | None = None
    ) -> Message:
        message = self._message(contact, direction="outbound", body=body, status="queued")
        message.reply_to = reply_to
        session.add(message)
        await session.flush()
        with (
            message_context(contact_id=contact.id, message_id=message.id),
            self.tracer.start_as_current_span("publish outbound", kind=SpanKind.PRODUCER),
        ):
            self.queue.put(session, message, origin=origin)
            await session.flush()
            logger.info("Message queued", extra={"origin": origin})
        return message

    def _consent(self, contact: Contact, flow: Flow, later: Later) -> None:
        action = flow.consent
        if action and contact.consent != action:
            contact.consent = action
            logger.info("Consent changed", extra={"action": action})
            later.append(lambda: self.metrics.consent(action=action))

    def _wait(self, contact: Contact) -> None:
        if contact.waiting_since is None:
            contact.waiting_since = self.clock()

    async def _contact(self, session: AsyncSession, inbound: Inbound) -> Contact:
        contact = await session.scalar(select(Contact).where(Contact.phone == inbound.phone))
        if contact is None:
            contact = Contact(phone=inbound.phone, name=inbound.name)
            session.add(contact)
        contact.fails_with = inbound.fails_with
        await session.flush()
        return contact

    async def _known(self, session: AsyncSession, inbound: Inbound) -> Message | None:
        if inbound.external_id is None:
            return None
        return (await session.scalars(select(Message).where(Message.external_id == inbound.external_id))).first()

    def _message(self, contact: Contact, *, direction: str, body: str, status: str) -> Message:
        return Message(
            id=new_id(),
            contact_id=contact.id,
            direction=direction,
            body=body,
            status=status,
            created_at=self.clock(),
        )


async def _repeat(session: AsyncSession, known: Message) -> Receipt:
    replies = await session.scalars(select(Message.id).where(Message.reply_to == known.id))
    return Receipt(contact_id=known.contact_id, message_id=known.id, reply_ids=tuple(replies), is_duplicate=True)


async def _steps(session: AsyncSession, flow_id: str) -> dict[str, FlowStep]:
    rows = await session.scalars(select(FlowStep).where(FlowStep.flow_id == flow_id).order_by(FlowStep.key))
    return {step.key: step for step in rows}
