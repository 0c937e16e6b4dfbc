"""
Webhooks of Twilio for WhatsApp: a form for each received message and for each status of a sent one.

Source: Twilio's pages "Twilio's request to your incoming message webhook URL", "Track the message status of outbound
messages" and "Error and warning dictionary", read on 2026-11-30.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from whatsself_otel.whatsapp import error_codes
from whatsself_otel.whatsapp.events import DeliveryStatus, Event, MessageReceived, ProviderNotice, WebhookUnknown
from whatsself_otel.whatsapp.reading import error_code, text, word
from whatsself_otel.whatsapp.references import event_ref, message_ref

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from whatsself_otel.whatsapp.addresses import Addresses

PROVIDER: Final = "twilio"
MESSAGE: Final = "message"
STATUS: Final = "status"
NAMES: Final = frozenset({MESSAGE, STATUS})
"""Names for events; Twilio has none."""
_ACCOUNT: Final = re.compile(r"AC[0-9A-Za-z]{1,40}")
_CHANNEL: Final = "whatsapp:"
_SHOWN_DIGITS: Final = 4
_CONTENTS: Final = {
    "text": "text",
    "image": "image",
    "audio": "audio",
    "video": "video",
    "document": "document",
    "sticker": "sticker",
    "location": "location",
    "contacts": "contact",
    "button": "interactive",
    "interactive": "interactive",
    "order": "other",
}
"""``MessageType``, and the attribute ``kind`` of each."""
_STATUSES: Final = {
    "sent": "sent",
    "delivered": "delivered",
    "read": "read",
    "failed": "failed",
    "undelivered": "failed",
}
_UNDER_WAY: Final = frozenset({"accepted", "scheduled", "queued", "sending", "canceled", "receiving"})
"""Statuses of a message before it reaches WhatsApp."""


def parse(payload: Mapping[str, Any], addresses: Addresses) -> Iterator[Event]:
    """
    Yield the event of one webhook.

    Args:
        payload: The fields of its form.
        addresses: What is known of contacts.
    """
    sid = text(payload.get("MessageSid")) or text(payload.get("SmsSid"))
    status = word(payload.get("MessageStatus")) or word(payload.get("SmsStatus"))
    is_ours = status != "received"
    ours, theirs = ("From", "To") if is_ours else ("To", "From")
    common: dict[str, Any] = {
        "provider": PROVIDER,
        "name": STATUS if is_ours else MESSAGE,
        "session": _session(payload.get(ours)),
        "account": _account(payload.get("AccountSid")),
        "chat": "person",
        "direction": "outbound" if is_ours else "inbound",
        "author": "api" if is_ours else "contact",
        "message_ref": sid and message_ref(sid),
        "contact_ref": addresses.contact(_number(payload.get(theirs)), payload.get("WaId")),
    }
    if not word(payload.get(theirs)).startswith(_CHANNEL):  # a message by SMS
        yield ProviderNotice(**common)
    elif is_ours:
        yield _status(payload, status, sid, common)
    else:
        yield _message(payload, sid, common)


def _message(payload: Mapping[str, Any], sid: str | None, common: dict[str, Any]) -> Event:
    identity = sid and event_ref("message", common["session"], sid)
    kind = word(payload.get("MessageType"))
    content = _CONTENTS.get(kind) if kind else _plain_content(payload)
    if content is None:
        return WebhookUnknown(**common, event_id=identity)
    return MessageReceived(**common, content=content, event_id=identity)


def _plain_content(payload: Mapping[str, Any]) -> str:
    """Return the kind of content of a webhook that does not name it."""
    if payload.get("Latitude"):
        return "location"
    if payload.get("ButtonText") or payload.get("ButtonPayload") or payload.get("ListId"):
        return "interactive"
    if word(payload.get("NumMedia")) in {"", "0"}:
        return "text"
    kind = word(payload.get("MediaContentType0")).partition(";")[0]
    if kind in {"text/vcard", "text/x-vcard"}:
        return "contact"
    return "sticker" if kind == "image/webp" else _CONTENTS.get(kind.partition("/")[0], "document")


def _status(payload: Mapping[str, Any], status: str, sid: str | None, common: dict[str, Any]) -> Event:
    found = _STATUSES.get(status)
    if found is None:
        return ProviderNotice(**common) if status in _UNDER_WAY else WebhookUnknown(**common)
    code = error_code(payload.get("ErrorCode")) if found == "failed" else None
    meaning = error_codes.explain(PROVIDER, code)
    return DeliveryStatus(
        **common,
        status=found,
        reason=meaning.reason if found == "failed" else None,
        fault=meaning.fault if found == "failed" else None,
        error_type=None if found != "failed" else "ERROR" if code is None else str(code),
        event_id=sid and event_ref("status", found, sid),
    )


def _session(value: object) -> str | None:
    """Return a name for the business's number: its last digits, which identify it and are no phone."""
    found = _number(value)
    return None if found is None else f"{PROVIDER}-{found[-_SHOWN_DIGITS:]}"


def _number(value: object) -> str | None:
    found = text(value)
    return None if found is None else found.removeprefix(_CHANNEL)


def _account(value: object) -> str | None:
    """Return the account's id, or None for any other value, because it is shown unmasked."""
    found = _ACCOUNT.fullmatch(text(value) or "")
    return found[0] if found else None
