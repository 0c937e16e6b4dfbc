"""The HTTP interface. Ids stand in paths and answers; phones only in the bodies of requests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Depends, HTTPException, Path, Request
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel
from sqlalchemy import select

from whatsself_otel import current_attributes, message_context
from whatsself_otel.catalogue import FAILURE_REASON, MESSAGE_KIND, REQUEST_ID
from whatsself_otel.demo.conversations import Inbound
from whatsself_otel.demo.models import Contact, Message
from whatsself_otel.demo.services import Services
from whatsself_otel.demo.session import TRANSITIONS

if TYPE_CHECKING:
    from collections.abc import Iterable

router = APIRouter()


def _services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


Demo = Annotated[Services, Depends(_services)]


def _one_of(values: Iterable[str]) -> str:
    return f"^({'|'.join(values)})$"


class _Model(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid")


class InboundBody(_Model):
    """A message that somebody sent to the business."""

    phone: str = Field(pattern=r"^\+[1-9][0-9]{7,14}$")
    name: str = Field(default="", max_length=200)
    body: str = Field(default="", max_length=4096)
    kind: str = Field(default="text", pattern=_one_of(MESSAGE_KIND.values))
    external_id: str | None = Field(default=None, max_length=128)
    simulate_failure: str | None = Field(default=None, pattern=_one_of(FAILURE_REASON.values))
    """Only with DEMO_FAULTS=1: the reason with which replies fail."""


class SendBody(_Model):
    """A message to one contact, or to many."""

    contact_ids: list[str] = Field(min_length=1, max_length=1000)
    body: str = Field(min_length=1, max_length=4096)
    origin: Literal["manual", "broadcast"] = "manual"


@router.post("/webhook/messages")
async def receive_message(body: InboundBody, demo: Demo) -> dict[str, Any]:
    """Take an inbound message; replies follow from the queue."""
    reason = body.simulate_failure if demo.settings.faults else None
    inbound = Inbound(
        phone=body.phone,
        name=body.name,
        body=body.body,
        kind=body.kind,
        external_id=body.external_id,
        fails_with=reason,
    )
    receipt = await demo.conversations.receive(inbound)
    demo.worker.wake()
    return {
        "contactId": receipt.contact_id,
        "messageId": receipt.message_id,
        "requestId": _request_id(),
        "replyIds": list(receipt.reply_ids),
        "duplicate": receipt.is_duplicate,
    }


@router.post("/webhook/whatsapp")
async def receive_webhook(request: Request) -> dict[str, str]:
    """Take a provider's webhook as it comes; telemetry reads a copy of it."""
    await request.body()
    return {"status": "ok"}


@router.post("/api/send", status_code=202)
async def send(body: SendBody, demo: Demo) -> dict[str, Any]:
    """Queue a manual message or a broadcast; contacts who opted out are skipped."""
    queued = await demo.conversations.send(body.contact_ids, body.body, origin=body.origin)
    demo.worker.wake()
    skipped = [contact_id for contact_id in body.contact_ids if contact_id not in queued]
    return {"messageIds": queued, "skippedContactIds": skipped, "requestId": _request_id()}


@router.get("/api/messages/{message_id}")
async def read_message(message_id: str, demo: Demo) -> dict[str, Any]:
    """Tell where a message stands, and with an inbound one its replies."""
    async with demo.sessions() as session:
        message = await session.get(Message, message_id)
        if message is None:
            raise HTTPException(404, "No message has this id.")
        replies = (await session.scalars(select(Message).where(Message.reply_to == message_id))).all()
    with message_context(contact_id=message.contact_id, message_id=message.id):
        return {
            **_as_json(message),
            "replies": [_as_json(reply) for reply in replies],
            "requestId": _request_id(),
        }


@router.get("/api/contacts/{contact_id}")
async def read_contact(contact_id: str, demo: Demo) -> dict[str, Any]:
    """Return a contact's record, without phone and name."""
    async with demo.sessions() as session:
        contact = await session.get(Contact, contact_id)
    if contact is None:
        raise HTTPException(404, "No contact has this id.")
    with message_context(contact_id=contact.id):
        return {
            "contactId": contact.id,
            "consent": contact.consent,
            "flowId": contact.flow_id,
            "stepKey": contact.step_key,
            "isWaiting": contact.waiting_since is not None,
            "requestId": _request_id(),
        }


@router.post("/api/session/{action}")
async def change_session(action: Annotated[str, Path(pattern=_one_of(TRANSITIONS))], demo: Demo) -> dict[str, Any]:
    """Let something happen to the WhatsApp session."""
    state = await demo.session.apply(action)
    demo.worker.wake()
    return {"state": state, "requestId": _request_id()}


@router.get("/health")
async def health(demo: Demo) -> dict[str, Any]:
    """Tell whether the application serves; a sick telemetry does not make it sick."""
    return {"status": "ok", "session": demo.session.state, "queueDepth": demo.monitor.size.depth}


@router.get("/api/faults/error")
async def fail(demo: Demo) -> None:
    """Answer 500 on purpose, with an exception that names a phone; only with DEMO_FAULTS=1."""
    if not demo.settings.faults:
        raise HTTPException(404)
    raise RuntimeError("Failed on purpose while writing to +55 11 91234-5678")


def _as_json(message: Message) -> dict[str, Any]:
    return {
        "messageId": message.id,
        "contactId": message.contact_id,
        "direction": message.direction,
        "status": message.status,
        "failureReason": message.failure_reason,
    }


def _request_id() -> str | None:
    return current_attributes().get(REQUEST_ID)
