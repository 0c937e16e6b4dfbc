"""The tables. Times are seconds since the epoch, so that SQLite and PostgreSQL agree about them."""

from __future__ import annotations

from sqlalchemy import JSON, Double, ForeignKey, String, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from whatsself_otel.demo.identifiers import new_id, new_provider_id


class Base(DeclarativeBase):
    """Base of the demo's tables."""


class Contact(Base):
    """A person who writes to the business."""

    __tablename__ = "contacts"

    id: Mapped[str] = mapped_column(String(40), primary_key=True, default=new_id)
    phone: Mapped[str] = mapped_column(String(32), unique=True)
    name: Mapped[str] = mapped_column(String(200), default="")
    consent: Mapped[str | None] = mapped_column(String(16), default=None)
    """``opt_in``, ``opt_out`` or never said."""
    fails_with: Mapped[str | None] = mapped_column(String(32), default=None)
    """Reason for which the pretend WhatsApp refuses this contact's messages."""
    waiting_since: Mapped[float | None] = mapped_column(Double, default=None)
    """Time of the first unanswered inbound message."""
    gave_up: Mapped[bool] = mapped_column(default=False)
    """Whether this wait has been counted as unanswered; a late reply is still timed."""
    flow_id: Mapped[str | None] = mapped_column(String(40), default=None)
    step_key: Mapped[str | None] = mapped_column(String(40), default=None)
    """The step whose question this contact has not answered yet."""


class Message(Base):
    """One message, in or out."""

    __tablename__ = "messages"

    id: Mapped[str] = mapped_column(String(40), primary_key=True, default=new_id)
    contact_id: Mapped[str] = mapped_column(ForeignKey("contacts.id"), index=True)
    direction: Mapped[str] = mapped_column(String(8))
    kind: Mapped[str] = mapped_column(String(16), default="text")
    body: Mapped[str] = mapped_column(Text, default="")
    status: Mapped[str] = mapped_column(String(16))
    """``received``; or ``queued``, then ``sent``, ``delivered``, ``read``, or ``failed``."""
    failure_reason: Mapped[str | None] = mapped_column(String(32), default=None)
    external_id: Mapped[str | None] = mapped_column(String(128), unique=True, default=None)
    """WhatsApp's own id: a message delivered twice is stored once."""
    reply_to: Mapped[str | None] = mapped_column(String(40), index=True, default=None)
    created_at: Mapped[float] = mapped_column(Double)


class Job(Base):
    """One row of the send queue. It outlives the process, and carries the trace it belongs to."""

    __tablename__ = "outbound_queue"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    message_id: Mapped[str] = mapped_column(ForeignKey("messages.id"), unique=True)
    contact_id: Mapped[str] = mapped_column(ForeignKey("contacts.id"), index=True)
    origin: Mapped[str] = mapped_column(String(16))
    carrier: Mapped[dict[str, str]] = mapped_column(JSON, default=dict)
    """What `whatsself_otel.capture_context` returned when the row was written."""
    enqueued_at: Mapped[float] = mapped_column(Double)
    lease_id: Mapped[str | None] = mapped_column(String(40), default=None)
    leased_until: Mapped[float | None] = mapped_column(Double, default=None)
    attempts: Mapped[int] = mapped_column(default=0)
    finished_at: Mapped[float | None] = mapped_column(Double, index=True, default=None)
    provider_id: Mapped[str] = mapped_column(String(128), unique=True, default=new_provider_id)
    """WhatsApp's id, chosen here: an acknowledgement may come before the attempt is recorded."""


class Trigger(Base):
    """A word that starts a flow."""

    __tablename__ = "triggers"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    keyword: Mapped[str] = mapped_column(String(64), unique=True)
    flow_id: Mapped[str] = mapped_column(ForeignKey("flows.id"))


class Flow(Base):
    """A scripted conversation."""

    __tablename__ = "flows"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    consent: Mapped[str | None] = mapped_column(String(16), default=None)
    """Consent that starting this flow gives or takes back."""


class FlowStep(Base):
    """One message of a flow."""

    __tablename__ = "flow_steps"

    flow_id: Mapped[str] = mapped_column(ForeignKey("flows.id"), primary_key=True)
    key: Mapped[str] = mapped_column(String(40), primary_key=True)
    body: Mapped[str] = mapped_column(Text)
    waits: Mapped[bool] = mapped_column(default=False)
    """Whether the flow stops here until the contact answers."""
    next_key: Mapped[str | None] = mapped_column(String(40), default=None)


class SessionRow(Base):
    """The one WhatsApp session. Every worker may change it; its owner reports the changes."""

    __tablename__ = "whatsapp_sessions"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    action: Mapped[str] = mapped_column(String(16))
    """What happened last."""
    version: Mapped[int] = mapped_column(default=0)
    """Goes up with everything that happens."""
    reconnect_at: Mapped[float | None] = mapped_column(Double, default=None)
    owner: Mapped[str | None] = mapped_column(String(40), default=None)
    owned_until: Mapped[float] = mapped_column(Double, default=0.0)
