"""
Webhooks of WAHA, of all its engines (WEBJS, NOWEB, GOWS).

Source: waha.devlike.pro, "Events", "Webhooks" and "Sessions"; devlikeapro/waha, `src/structures`, and release notes up
to 2025.2.4; read on 2026-11-30.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from whatsself_otel.whatsapp import error_codes
from whatsself_otel.whatsapp.addresses import chat_of
from whatsself_otel.whatsapp.baileys import identities
from whatsself_otel.whatsapp.events import (
    AccountRestricted,
    CallEvent,
    DeliveryStatus,
    Event,
    MessageAccepted,
    MessageEdited,
    MessageReceived,
    MessageRevoked,
    ProviderNotice,
    QrIssued,
    ReactionChanged,
    SessionChanged,
    WebhookUnknown,
)
from whatsself_otel.whatsapp.linked import CONTENTS as BAILEYS_CONTENTS
from whatsself_otel.whatsapp.reading import at_path, event_name, flag, mapping, number, text, unix_time, word
from whatsself_otel.whatsapp.references import accepted_id, event_ref, message_ref

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from whatsself_otel.whatsapp.addresses import Addresses

PROVIDER: Final = "waha"
_NOTICES: Final = frozenset(
    {
        *("message.waiting", "group.join", "group.leave", "group.v2.join", "group.v2.leave", "group.v2.update"),
        *("group.v2.participants", "presence.update", "poll.vote", "poll.vote.failed", "chat.archive"),
        *("label.upsert", "label.deleted", "label.chat.added", "label.chat.deleted", "event.response"),
        *("event.response.failed", "engine.event"),
    }
)
ACKS: Final = {-1: "failed", 1: "sent", 2: "delivered", 3: "read", 4: "played"}
_SESSIONS: Final[Mapping[str, tuple[str, str | None]]] = {
    "stopped": ("disconnected", "restart"),
    "starting": ("starting", None),
    "scan_qr_code": ("qr_pending", "logged_out"),
    "working": ("connected", None),
    "failed": ("expired", "other"),
}
"""State of the session, and the reason of its loss if it was connected before."""
_STATES: Final[Mapping[str, tuple[str, str]]] = {
    "conflict": ("disconnected", "replaced"),
    "unpaired": ("logged_out", "logged_out"),
    "unpaired_idle": ("logged_out", "logged_out"),
    "timeout": ("disconnected", "transient"),
    "proxyblock": ("disconnected", "transient"),
    "tos_block": ("banned", "banned"),
    "smb_tos_block": ("banned", "banned"),
}
"""``state.change`` of the engine (whatsapp-web.js, WAState) that means a loss."""
WEBJS_CONTENTS: Final = {
    "chat": "text",
    "image": "image",
    "video": "video",
    "ptt": "audio",
    "audio": "audio",
    "document": "document",
    "sticker": "sticker",
    "location": "location",
    "vcard": "contact",
    "multi_vcard": "contact",
    "buttons_response": "interactive",
    "list_response": "interactive",
    "interactive": "interactive",
    "poll_creation": "other",
    "order": "other",
    "product": "other",
}
WEBJS_SILENT: Final = frozenset(
    {
        *("e2e_notification", "notification", "notification_template", "group_notification", "gp2", "call_log"),
        *("protocol", "ciphertext", "revoked", "broadcast_notification", "debug"),
    }
)
_MEDIA: Final = {"image": "image", "video": "video", "audio": "audio"}


def parse(payload: Mapping[str, Any], addresses: Addresses) -> Iterator[Event]:
    """
    Yield the events of one webhook.

    Args:
        payload: Its JSON.
        addresses: What is known of contacts.
    """
    name = word(payload.get("event"))
    common: dict[str, Any] = {
        "provider": PROVIDER,
        "name": name,
        "session": text(payload.get("session")),
        "at": unix_time(payload.get("timestamp")),
    }
    reader = _EVENTS.get(name)
    if reader is not None:
        yield from reader(payload.get("payload"), common, addresses)
    elif name in _NOTICES:
        yield ProviderNotice(**common)
    else:
        yield WebhookUnknown(**{**common, "name": event_name(name)})


def bare_id(value: object) -> str | None:
    """Return a message's id without chat and direction, which engines write in several ways."""
    if isinstance(value, dict):
        value = value.get("_serialized") or value.get("id")
    found = text(value)
    parts = found.split("_") if found else []
    return parts[2] if len(parts) >= 3 and parts[0] in {"true", "false"} else found


def _common(message: Mapping[str, Any], common: dict[str, Any], addresses: Addresses) -> dict[str, Any]:
    is_ours = flag(message.get("fromMe")) is True
    chat = message.get("to") if is_ours else message.get("from")
    message_id = bare_id(message.get("id"))
    key = mapping(at_path(message, "_data", "key"))
    info = mapping(at_path(message, "_data", "Info"))
    if chat_of(chat) == "person":
        people = (key.get("remoteJidAlt"), info.get("RecipientAlt" if is_ours else "SenderAlt"), chat)
    else:
        people = (key.get("participantAlt"), info.get("SenderAlt"), message.get("participant"))
    return {
        **common,
        "at": unix_time(message.get("timestamp")) or common["at"],
        "chat": chat_of(chat),
        "direction": "outbound" if is_ours else "inbound",
        "author": "contact" if not is_ours else "phone" if word(message.get("source")) == "app" else "api",
        "message_ref": message_id and message_ref(message_id),
        "contact_ref": addresses.contact(*people) or addresses.contact(chat),
    }


def _message(data: Any, common: dict[str, Any], addresses: Addresses) -> Iterator[Event]:
    message = mapping(data)
    message_id = bare_id(message.get("id"))
    yield from identities(mapping(at_path(message, "_data", "key")), common, addresses)
    found = _common(message, common, addresses)
    if found["direction"] == "outbound":
        yield MessageAccepted(**found, event_id=accepted_id(message_id))
        return
    content = _content(message)
    if content is None:
        yield ProviderNotice(**{**found, "author": "system"})
        return
    identity = message_id and event_ref("message", found["session"], message_id)
    yield MessageReceived(**found, content=content, event_id=identity)


def _content(message: Mapping[str, Any]) -> str | None:
    """Return the kind of content, or None if no person wrote it."""
    kind = word(at_path(message, "_data", "type"))
    if kind in WEBJS_SILENT:
        return None
    if kind in WEBJS_CONTENTS:
        return WEBJS_CONTENTS[kind]
    inner = mapping(at_path(message, "_data", "message") or at_path(message, "_data", "Message"))
    found = next((BAILEYS_CONTENTS[name] for name in inner if name in BAILEYS_CONTENTS), None)
    if found is not None:
        return found
    return _plain_content(message)


def _plain_content(message: Mapping[str, Any]) -> str:
    """Return the kind of content by the fields common to all engines."""
    if message.get("vCards"):
        return "contact"
    if message.get("location"):
        return "location"
    if not flag(message.get("hasMedia")):
        return "text"
    kind = word(at_path(message, "media", "mimetype"))
    return "sticker" if kind == "image/webp" else _MEDIA.get(kind.partition("/")[0], "document")


def _ack(data: Any, common: dict[str, Any], addresses: Addresses) -> Iterator[Event]:
    message = mapping(data)
    ack = number(message.get("ack"))
    found = _common(message, {**common}, addresses)
    status = None if ack is None else ACKS.get(int(ack))
    if status is None or found["direction"] != "outbound":  # of a message to us it says that we have read it
        yield ProviderNotice(**found)
        return
    message_id = bare_id(message.get("id"))
    is_failed = status == "failed"
    yield DeliveryStatus(
        **{**found, "author": "api", "error_type": "ERROR" if is_failed else None},
        status=status,
        event_id=message_id and event_ref("status", status, message_id),
        reason="provider_error" if is_failed else None,
        fault=error_codes.PROVIDER if is_failed else None,
    )


def _reaction(data: Any, common: dict[str, Any], addresses: Addresses) -> Iterator[Event]:
    message = mapping(data)
    found, message_id = _common(message, common, addresses), bare_id(message.get("id"))
    identity = message_id and event_ref("message", found["session"], message_id)
    removed = not text(at_path(message, "reaction", "text"))
    yield ReactionChanged(**found, is_removed=removed, event_id=identity)


def _edited(data: Any, common: dict[str, Any], addresses: Addresses) -> Iterator[Event]:
    message = mapping(data)
    found, edit_id = _common(message, common, addresses), bare_id(message.get("id"))
    yield MessageEdited(**found, event_id=edit_id and event_ref("edited", found["session"], edit_id, found["at"]))


def _revoked(data: Any, common: dict[str, Any], addresses: Addresses) -> Iterator[Event]:
    after, before = mapping(at_path(data, "after")), mapping(at_path(data, "before"))
    found = _common(before or after, common, addresses)
    revoked = text(at_path(data, "revokedMessageId")) or bare_id((before or after).get("id"))
    yield MessageRevoked(**found, event_id=revoked and event_ref("revoked", revoked))


def _session(data: Any, common: dict[str, Any], _: Addresses) -> Iterator[Event]:
    status = word(at_path(data, "status"))
    if status not in _SESSIONS:
        yield WebhookUnknown(**common)
        return
    state, reason = _SESSIONS[status]
    yield SessionChanged(**common, state=state, reason=reason)
    if state == "qr_pending":
        yield QrIssued(**common)


def _state(data: Any, common: dict[str, Any], _: Addresses) -> Iterator[Event]:
    state, reason = _STATES.get(word(data) or word(at_path(data, "state")), (None, None))
    if state == "banned":
        yield AccountRestricted(**common, state=state, error_type="tos_block")
    elif state is not None:
        yield SessionChanged(**common, state=state, reason=reason)
    else:
        yield ProviderNotice(**common)


def _call(outcome: str) -> Callable[[Any, dict[str, Any], Addresses], Iterator[Event]]:
    def read(data: Any, common: dict[str, Any], addresses: Addresses) -> Iterator[Event]:
        call = mapping(data)
        call_id = text(call.get("id"))
        yield CallEvent(
            **{**common, "at": unix_time(call.get("timestamp")) or common["at"]},
            chat="group" if flag(call.get("isGroup")) else "person",
            direction="inbound",
            author="contact",
            contact_ref=addresses.contact(call.get("from")),
            outcome=outcome,
            event_id=call_id and event_ref("call", outcome, call_id),
        )

    return read


_EVENTS: Final[Mapping[str, Callable[[Any, dict[str, Any], Addresses], Iterator[Event]]]] = {
    "message": _message,
    "message.any": _message,
    "message.ack": _ack,
    "message.ack.group": _ack,
    "message.reaction": _reaction,
    "message.edited": _edited,
    "message.revoked": _revoked,
    "session.status": _session,
    "state.change": _state,
    "call.received": _call("offered"),
    "call.accepted": _call("accepted"),
    "call.rejected": _call("rejected"),
}
NAMES: Final = frozenset({*_EVENTS, *_NOTICES})
"""Webhook names that this adapter knows."""
