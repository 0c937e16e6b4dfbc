"""
Messages of linked devices, as Baileys shapes them; Evolution API, WAHA (NOWEB) and Node applications pass them on.

Source: WhiskeySockets/Baileys at 78e7e4e2cf (2026-05-21), `src/Types` and `WAProto`, read on 2026-11-30.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from whatsself_otel.whatsapp import error_codes
from whatsself_otel.whatsapp.addresses import chat_of
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
from whatsself_otel.whatsapp.reading import at_path, flag, mapping, number, text, unix_time, word
from whatsself_otel.whatsapp.references import accepted_id, event_ref, message_ref

if TYPE_CHECKING:
    from collections.abc import Mapping

    from whatsself_otel.whatsapp.addresses import Addresses

CONTENTS: Final = {
    "conversation": "text",
    "extendedTextMessage": "text",
    "imageMessage": "image",
    "videoMessage": "video",
    "ptvMessage": "video",
    "audioMessage": "audio",
    "documentMessage": "document",
    "stickerMessage": "sticker",
    "lottieStickerMessage": "sticker",
    "stickerPackMessage": "sticker",
    "locationMessage": "location",
    "liveLocationMessage": "location",
    "contactMessage": "contact",
    "contactsArrayMessage": "contact",
    "buttonsResponseMessage": "interactive",
    "listResponseMessage": "interactive",
    "templateButtonReplyMessage": "interactive",
    "interactiveResponseMessage": "interactive",
    "buttonsMessage": "interactive",
    "listMessage": "interactive",
    "templateMessage": "interactive",
    "interactiveMessage": "interactive",
    "pollCreationMessage": "other",
    "pollCreationMessageV2": "other",
    "pollCreationMessageV3": "other",
    "orderMessage": "other",
    "productMessage": "other",
    "groupInviteMessage": "other",
    "eventMessage": "other",
    "albumMessage": "other",
}
"""Kinds of content, and the attribute ``kind`` of each."""
_WRAPPERS: Final = (
    "ephemeralMessage",
    "viewOnceMessage",
    "viewOnceMessageV2",
    "viewOnceMessageV2Extension",
    "documentWithCaptionMessage",
    "deviceSentMessage",
)
_REACTIONS: Final = ("reactionMessage", "encReactionMessage")
_EDITS: Final = ("editedMessage", "secretEncryptedMessage")
_SILENT: Final = frozenset(
    {
        "protocolMessage",
        "senderKeyDistributionMessage",
        "messageContextInfo",
        "pollUpdateMessage",
        "pinInChatMessage",
        "keepInChatMessage",
        "placeholderMessage",
        "botInvokeMessage",
        "commentMessage",
        "newsletterAdminInviteMessage",
    }
)
"""Content that WhatsApp or a device made, and no person."""
_PROTOCOL: Final = {0: MessageRevoked, 14: MessageEdited, "revoke": MessageRevoked, "message_edit": MessageEdited}
_STATUSES: Final = {
    "0": "failed",
    "error": "failed",
    "2": "sent",
    "server_ack": "sent",
    "3": "delivered",
    "delivery_ack": "delivered",
    "4": "read",
    "read": "read",
    "5": "played",
    "played": "played",
}
"""``WAMessageStatus`` by number and by name; PENDING says nothing yet."""
_CALLS: Final = {
    "offer": "offered",
    "accept": "accepted",
    "reject": "rejected",
    "timeout": "missed",
    "terminate": "completed",
}
_MOBILE_ID: Final = re.compile(r"3A.{18}|.{21}|.{32}")
"""Pattern of message ids from phones; a linked device's ids begin otherwise (Baileys, ``getDevice``)."""


@dataclass(frozen=True, slots=True)
class Key:
    """
    The message and the chat that a key names.

    Args:
        message_id: Of the message.
        is_ours: Whether the business sent it.
        chat: Address of the chat.
        people: Addresses of the other side, the best known first.
    """

    message_id: str | None
    is_ours: bool
    chat: str | None
    people: tuple[object, ...]

    @classmethod
    def read(cls, key: Mapping[str, Any]) -> Key:
        """Read the ``key`` of a message."""
        chat = text(key.get("remoteJid"))
        is_group = chat_of(chat) != "person"
        names = ("participantAlt", "participantPn", "participant", "participantLid") if is_group else _PERSON_NAMES
        people = tuple(found for name in names if (found := key.get(name)))
        return cls(text(key.get("id")), flag(key.get("fromMe")) is True, chat, people)

    def common(self, common: dict[str, Any], addresses: Addresses) -> dict[str, Any]:
        """Return the fields of an event about this message."""
        author = "contact" if not self.is_ours else "phone" if self.is_from_phone() else "api"
        return {
            **common,
            "chat": chat_of(self.chat),
            "direction": "outbound" if self.is_ours else "inbound",
            "author": author,
            "message_ref": self.message_id and message_ref(self.message_id),
            "contact_ref": addresses.contact(*self.people) or addresses.contact(self.chat),
        }

    def is_from_phone(self) -> bool:
        """Return whether a phone made the id."""
        return self.message_id is not None and _MOBILE_ID.fullmatch(self.message_id) is not None


_PERSON_NAMES: Final = ("remoteJidAlt", "senderPn", "remoteJid", "senderLid", "previousRemoteJid")


def message_event(message: Mapping[str, Any], common: dict[str, Any], addresses: Addresses) -> Event:
    """
    Return the event of one message of ``messages.upsert``.

    Args:
        message: As Baileys or Evolution shapes it.
        common: Fields that every event of the webhook has.
        addresses: What is known of contacts.
    """
    key = Key.read(mapping(message.get("key")))
    common = {**key.common(common, addresses), "at": unix_time(message.get("messageTimestamp")) or common.get("at")}
    content = _unwrapped(mapping(message.get("message")))
    kind = next((name for name in content if name not in _SILENT), None)
    if kind is None:
        return _silent(content, key, common)
    identity = _identity(key, common)
    if kind in _REACTIONS:
        removed = not text(at_path(content, kind, "text"))
        return ReactionChanged(**common, is_removed=removed, event_id=identity)
    if kind in _EDITS:
        return MessageEdited(**common, event_id=identity)
    if key.is_ours:
        return MessageAccepted(**common, event_id=accepted_id(key.message_id))
    if kind not in CONTENTS:
        return WebhookUnknown(**common, event_id=identity)
    return MessageReceived(**common, content=CONTENTS[kind], event_id=identity)


def _unwrapped(content: Mapping[str, Any]) -> Mapping[str, Any]:
    for _ in range(4):  # WhatsApp nests no deeper
        inner = next((content[name] for name in _WRAPPERS if isinstance(content.get(name), dict)), None)
        if inner is None:
            break
        content = mapping(inner.get("message"))
    return content


def _silent(content: Mapping[str, Any], key: Key, common: dict[str, Any]) -> Event:
    """Return the event for content that no person wrote: an edit, a revocation, a notice of WhatsApp."""
    kind = at_path(content, "protocolMessage", "type")
    event = _PROTOCOL.get(kind if isinstance(kind, int) else word(kind), ProviderNotice)
    if "protocolMessage" in content and kind is None:  # protobuf leaves out the first value of an enum, REVOKE
        event = MessageRevoked
    if event is ProviderNotice:
        return ProviderNotice(**{**common, "author": "system"})
    return event(**common, event_id=_identity(key, common))


def _identity(key: Key, common: dict[str, Any]) -> str | None:
    return key.message_id and event_ref("message", common.get("session"), key.message_id)


def status_event(
    key: Key,
    status: object,
    common: dict[str, Any],
    addresses: Addresses,
    *,
    code: object = None,
    is_ours: bool | None = None,
) -> Event:
    """
    Return the event of a message's status.

    Args:
        key: Which message.
        status: Number or name of a ``WAMessageStatus``.
        common: Fields that every event of the webhook has.
        addresses: What is known of contacts.
        code: WhatsApp's code, where it was refused.
        is_ours: Whether the business sent it; default: what the key says.
    """
    known = Key(key.message_id, key.is_ours if is_ours is None else is_ours, key.chat, key.people)
    common = known.common(common, addresses)
    found = _STATUSES.get(word(status))
    if found is None or not known.is_ours:  # of a message to us it says that we have read it
        return ProviderNotice(**common)
    number_ = number(code)
    meaning = error_codes.explain("baileys", None if number_ is None else int(number_))
    if found == "failed" and number_ is None:
        meaning = error_codes.ErrorCode("provider_error", error_codes.PROVIDER)
    return DeliveryStatus(
        **common,
        status=found,
        event_id=known.message_id and event_ref("status", found, known.message_id),
        reason=meaning.reason if found == "failed" else None,
        fault=meaning.fault if found == "failed" else None,
        **_error_type(number_, found),
    )


def _error_type(code: float | None, status: str) -> dict[str, Any]:
    if status != "failed":
        return {}
    return {"error_type": "ERROR" if code is None or not 0 <= code < 10_000 else str(int(code))}


def revoked_event(key: Key, common: dict[str, Any], addresses: Addresses) -> Event:
    """Return the event of a revoked message."""
    found = key.common(common, addresses)
    return MessageRevoked(**found, event_id=key.message_id and event_ref("revoked", key.message_id))


def edited_event(key: Key, common: dict[str, Any], addresses: Addresses, *, edit_id: object = None) -> Event:
    """Return the event of an edited message; *edit_id* identifies the edit."""
    found = key.common(common, addresses)
    told = text(edit_id)
    return MessageEdited(**found, event_id=told and event_ref("message", common.get("session"), told))


def connection_event(state: str, code: object, common: dict[str, Any]) -> Event | None:
    """
    Return the event of a ``connection.update``, or None if it does not concern the session.

    Args:
        state: ``open``, ``connecting``, ``close`` or ``refused``.
        code: ``statusReason``: why a socket closed.
        common: Fields that every event of the webhook has.
    """
    if state == "open":
        return SessionChanged(**common, state="connected")
    if state == "connecting":
        return SessionChanged(**common, state="starting")
    if state == "refused":  # nobody scanned the QR code before the last one ran out
        return SessionChanged(**common, state="expired")
    if state != "close":
        return None
    found = number(code)
    reason_code = None if found is None else int(found)
    named, reason = error_codes.DISCONNECTS.get(reason_code or 0, ("disconnected", "other"))
    told = None if reason_code is None or not 100 <= reason_code < 1000 else str(reason_code)
    return SessionChanged(**common, state=named, reason=reason, error_type=told)


def call_event(call: Mapping[str, Any], common: dict[str, Any], addresses: Addresses) -> Event:
    """Return the event of one ``call``."""
    outcome, call_id = _CALLS.get(word(call.get("status"))), text(call.get("id"))
    found = {
        **common,
        "at": unix_time(call.get("date")) or common.get("at"),
        "chat": "group" if flag(call.get("isGroup")) else "person",
        "direction": "inbound",
        "author": "contact",
        "contact_ref": addresses.contact(call.get("callerPn"), call.get("from")),
        "is_live": flag(call.get("offline")) is not True,
    }
    if outcome is None:
        return ProviderNotice(**found)
    return CallEvent(**found, outcome=outcome, event_id=call_id and event_ref("call", outcome, call_id))
