"""
Callbacks of Z-API.

Source: developer.z-api.io, section "Webhooks" (messages, delivery, status, connection, presence), read on 2026-11-30.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from whatsself_otel.whatsapp import error_codes
from whatsself_otel.whatsapp.events import (
    CallEvent,
    DeliveryStatus,
    Event,
    MessageAccepted,
    MessageEdited,
    MessageReceived,
    MessageRevoked,
    ProviderNotice,
    ReactionChanged,
    SessionChanged,
    WebhookUnknown,
)
from whatsself_otel.whatsapp.reading import event_name, flag, mapping, text, unix_time, word
from whatsself_otel.whatsapp.references import accepted_id, event_ref, message_ref

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from whatsself_otel.whatsapp.addresses import Addresses

PROVIDER: Final = "zapi"
_CONTENTS: Final = {
    "text": "text",
    "hydratedTemplate": "text",
    "image": "image",
    "video": "video",
    "audio": "audio",
    "document": "document",
    "sticker": "sticker",
    "location": "location",
    "contact": "contact",
    "contacts": "contact",
    "buttonsResponseMessage": "interactive",
    "buttonReply": "interactive",
    "listResponseMessage": "interactive",
    "buttonsMessage": "interactive",
    "listMessage": "interactive",
    "carouselMessage": "interactive",
    "poll": "other",
    "order": "other",
    "product": "other",
    "event": "other",
    "requestPayment": "other",
    "sendPayment": "other",
    "reviewAndPay": "other",
    "reviewOrder": "other",
    "newsletterAdminInvite": "other",
}
"""The field of each content, and its attribute ``kind``."""
_SILENT: Final = ("pollVote", "eventResponse", "pinMessage", "profileName", "updatePhoto")
_CALLS: Final = {
    "call_missed_voice": "missed",
    "call_missed_video": "missed",
    "call_voice": "offered",
    "call_video": "offered",
}
_STATUSES: Final = {"sent": "sent", "received": "delivered", "read": "read", "played": "played"}
"""``READ_BY_ME`` and ``READ-SELF`` are left out: there the business itself has read a message."""


def parse(payload: Mapping[str, Any], addresses: Addresses) -> Iterator[Event]:
    """
    Yield the events of one callback.

    Args:
        payload: Its JSON.
        addresses: What is known of contacts.
    """
    name = word(payload.get("type"))
    common: dict[str, Any] = {
        "provider": PROVIDER,
        "name": name,
        "session": text(payload.get("instanceId")),
        "at": unix_time(payload.get("momment")),
    }
    reader = _EVENTS.get(name)
    if reader is not None:
        yield from reader(payload, common, addresses)
    elif name in _NOTICES:
        yield ProviderNotice(**common)
    else:
        yield WebhookUnknown(**{**common, "name": event_name(name)})


def _message_common(payload: Mapping[str, Any], common: dict[str, Any], addresses: Addresses) -> dict[str, Any]:
    is_ours = flag(payload.get("fromMe")) is True
    chat, message_id = _chat(payload), text(payload.get("messageId"))
    named = ("participantPhone", "participantLid") if chat == "group" else ("phone", "senderLid", "chatLid")
    if is_ours and chat == "person":
        named = ("phone", "chatLid")
    return {
        **common,
        "chat": chat,
        "direction": "outbound" if is_ours else "inbound",
        "author": "contact" if not is_ours else "api" if flag(payload.get("fromApi")) else "phone",
        "message_ref": message_id and message_ref(message_id),
        "contact_ref": addresses.contact(*(payload.get(each) for each in named)),
    }


def _chat(payload: Mapping[str, Any]) -> str:
    phone = text(payload.get("phone")) or ""
    if flag(payload.get("isNewsletter")) or phone.endswith("@newsletter"):
        return "channel"
    if flag(payload.get("isGroup")) or phone.endswith("-group"):
        return "group"
    is_to_many = flag(payload.get("broadcast")) or phone.startswith("status@")
    return "broadcast" if is_to_many else "person"


def _received(payload: Mapping[str, Any], common: dict[str, Any], addresses: Addresses) -> Iterator[Event]:
    found, message_id = _message_common(payload, common, addresses), text(payload.get("messageId"))
    identity = message_id and event_ref("message", found["session"], message_id)
    if notice := word(payload.get("notification")):
        yield from _notification(notice, payload, found)
    elif reaction := mapping(payload.get("reaction")):
        yield ReactionChanged(**found, is_removed=not text(reaction.get("value")), event_id=identity)
    elif flag(payload.get("isEdit")):
        yield MessageEdited(**found, event_id=message_id and event_ref("edited", message_id, found["at"]))
    elif any(payload.get(each) for each in _SILENT) or flag(payload.get("waitingMessage")):
        yield ProviderNotice(**found)
    elif found["direction"] == "outbound":
        yield MessageAccepted(**found, event_id=accepted_id(message_id))
    else:
        content = next((kind for field, kind in _CONTENTS.items() if payload.get(field)), None)
        if content is None:
            yield WebhookUnknown(**found, event_id=identity)
        else:
            yield MessageReceived(**found, content=content, event_id=identity)


def _notification(notice: str, payload: Mapping[str, Any], found: dict[str, Any]) -> Iterator[Event]:
    if notice == "revoke":
        revoked = text(payload.get("referenceMessageId")) or text(payload.get("messageId"))
        yield MessageRevoked(**found, event_id=revoked and event_ref("revoked", revoked))
    elif notice in _CALLS:
        call_id = text(payload.get("callId"))
        identity = call_id and event_ref("call", _CALLS[notice], call_id)
        yield CallEvent(**{**found, "message_ref": None}, outcome=_CALLS[notice], event_id=identity)
    else:
        yield ProviderNotice(**{**found, "author": "system"})


def _delivery(payload: Mapping[str, Any], common: dict[str, Any], addresses: Addresses) -> Iterator[Event]:
    """Yield the acceptance of a message of ours, or its refusal."""
    found = _message_common({**payload, "fromMe": True, "fromApi": True}, common, addresses)
    message_id = text(payload.get("messageId"))
    if payload.get("error"):
        yield DeliveryStatus(
            **found,
            status="failed",
            reason="provider_error",
            fault=error_codes.PROVIDER,
            error_type="ERROR",
            event_id=message_id and event_ref("status", "failed", message_id),
        )
    else:
        yield MessageAccepted(**found, event_id=accepted_id(message_id))


def _status(payload: Mapping[str, Any], common: dict[str, Any], addresses: Addresses) -> Iterator[Event]:
    status, ids = _STATUSES.get(word(payload.get("status"))), payload.get("ids")
    for value in ids if isinstance(ids, list) else [payload.get("id")]:
        message_id = text(value)
        found = _message_common(
            {**payload, "fromMe": True, "messageId": message_id, "fromApi": True}, common, addresses
        )
        if status is None or message_id is None:
            yield ProviderNotice(**found)
        else:
            yield DeliveryStatus(**found, status=status, event_id=event_ref("status", status, message_id))


def _connected(payload: Mapping[str, Any], common: dict[str, Any], _: Addresses) -> Iterator[Event]:
    is_connected = flag(payload.get("connected")) is not False
    yield SessionChanged(**common, state="connected" if is_connected else "disconnected")


def _disconnected(_payload: Mapping[str, Any], common: dict[str, Any], _: Addresses) -> Iterator[Event]:
    yield SessionChanged(**common, state="disconnected", reason="other")


_EVENTS: Final[Mapping[str, Callable[[Mapping[str, Any], dict[str, Any], Addresses], Iterator[Event]]]] = {
    "receivedcallback": _received,
    "deliverycallback": _delivery,
    "messagestatuscallback": _status,
    "connectedcallback": _connected,
    "disconnectedcallback": _disconnected,
}
_NOTICES: Final = frozenset({"presencechatcallback"})
NAMES: Final = frozenset({*_EVENTS, *_NOTICES})
"""Callback names that this adapter knows."""
