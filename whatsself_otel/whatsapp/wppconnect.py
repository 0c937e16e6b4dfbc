"""
Webhooks of WPPConnect server: an event's name and session beside the message's own fields.

Source: wppconnect-team/wppconnect-server at 02933469 and 051c86d8 (`createSessionUtil.ts`, `functions.ts`), and
wppconnect-team/wppconnect (`StatusFind`, `Message`, `Ack`), read on 2026-11-30.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from whatsself_otel.whatsapp import error_codes
from whatsself_otel.whatsapp.addresses import chat_of
from whatsself_otel.whatsapp.events import (
    CallEvent,
    DeliveryStatus,
    Event,
    MessageAccepted,
    MessageReceived,
    MessageRevoked,
    ProviderNotice,
    QrIssued,
    ReactionChanged,
    SessionChanged,
    WebhookUnknown,
)
from whatsself_otel.whatsapp.reading import at_path, event_name, flag, number, text, unix_time, word
from whatsself_otel.whatsapp.references import accepted_id, event_ref, message_ref
from whatsself_otel.whatsapp.waha import ACKS, WEBJS_CONTENTS, WEBJS_SILENT, bare_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from whatsself_otel.whatsapp.addresses import Addresses

PROVIDER: Final = "wppconnect"
_STATES: Final[Mapping[str, tuple[str, str | None]]] = {
    "islogged": ("starting", None),
    "qrreadsuccess": ("starting", None),
    "inchat": ("connected", None),
    "chatsavailable": ("connected", None),
    "notlogged": ("qr_pending", "logged_out"),
    "qrreadfail": ("expired", None),
    "qrreaderror": ("expired", None),
    "autoclosecalled": ("expired", None),
    "browserclose": ("disconnected", "restart"),
    "serverclose": ("disconnected", "restart"),
    "phonenotconnected": ("disconnected", "transient"),
    "devicenotconnected": ("disconnected", "transient"),
    "disconnectedmobile": ("logged_out", "logged_out"),
    "desconnectedmobile": ("logged_out", "logged_out"),
    "deletetoken": ("logged_out", "logged_out"),
}
"""``status`` of ``status-find``, with the reason of the loss if the session was connected. Others are start steps."""


def parse(payload: Mapping[str, Any], addresses: Addresses) -> Iterator[Event]:
    """
    Yield the events of one webhook.

    Args:
        payload: Its JSON.
        addresses: What is known of contacts.
    """
    name = word(payload.get("event"))
    common: dict[str, Any] = {"provider": PROVIDER, "name": name, "session": text(payload.get("session"))}
    reader = _EVENTS.get(name)
    if reader is not None:
        yield from reader(payload, common, addresses)
    elif name in _NOTICES:
        yield ProviderNotice(**common)
    else:
        yield WebhookUnknown(**{**common, "name": event_name(name)})


def _common(message: Mapping[str, Any], common: dict[str, Any], addresses: Addresses) -> dict[str, Any]:
    whole = text(at_path(message.get("id"), "_serialized")) or text(message.get("id")) or ""
    is_ours = flag(message.get("fromMe")) or flag(at_path(message.get("id"), "fromMe")) or whole.startswith("true_")
    chat = _address(message.get("to") if is_ours else message.get("from")) or _address(message.get("chatId"))
    message_id = bare_id(message.get("id"))
    person = _address(message.get("author")) if chat_of(chat) == "group" else chat
    return {
        **common,
        "at": unix_time(message.get("t")) or unix_time(message.get("timestamp")),
        "chat": chat_of(chat),
        "direction": "outbound" if is_ours else "inbound",
        "author": "api" if is_ours else "contact",
        "message_ref": message_id and message_ref(message_id),
        "contact_ref": addresses.contact(person),
    }


def _address(value: object) -> str | None:
    return text(at_path(value, "_serialized")) or text(value)


def _message(message: Mapping[str, Any], common: dict[str, Any], addresses: Addresses) -> Iterator[Event]:
    found, message_id = _common(message, common, addresses), bare_id(message.get("id"))
    kind = word(message.get("type"))
    identity = message_id and event_ref("message", found["session"], message_id)
    if kind in WEBJS_SILENT:
        yield ProviderNotice(**{**found, "author": "system"})
    elif found["direction"] == "outbound":
        yield MessageAccepted(**found, event_id=accepted_id(message_id))
    elif kind in WEBJS_CONTENTS:
        yield MessageReceived(**found, content=WEBJS_CONTENTS[kind], event_id=identity)
    else:
        yield WebhookUnknown(**found, event_id=identity)


def _ack(message: Mapping[str, Any], common: dict[str, Any], addresses: Addresses) -> Iterator[Event]:
    ack, message_id = number(message.get("ack")), bare_id(message.get("id"))
    found = _common(message, common, addresses)
    status = None if ack is None else ACKS.get(int(ack))
    if status is None or found["direction"] != "outbound":
        yield ProviderNotice(**found)
        return
    is_failed = status == "failed"
    # The time of the message is not that of its acknowledgement, of which nothing is told.
    yield DeliveryStatus(
        **{**found, "at": None, "error_type": "ERROR" if is_failed else None},
        status=status,
        event_id=message_id and event_ref("status", status, message_id),
        reason="provider_error" if is_failed else None,
        fault=error_codes.PROVIDER if is_failed else None,
    )


def _reaction(message: Mapping[str, Any], common: dict[str, Any], addresses: Addresses) -> Iterator[Event]:
    found, reaction_id = _common(message, common, addresses), bare_id(message.get("id"))
    removed = not text(message.get("reactionText"))
    identity = reaction_id and event_ref("message", found["session"], reaction_id)
    yield ReactionChanged(**found, is_removed=removed, event_id=identity)


def _revoked(message: Mapping[str, Any], common: dict[str, Any], addresses: Addresses) -> Iterator[Event]:
    revoked = bare_id(message.get("refId")) or bare_id(message.get("id"))
    found = _common({**message, "id": message.get("refId") or message.get("id")}, common, addresses)
    yield MessageRevoked(**found, event_id=revoked and event_ref("revoked", revoked))


def _call(call: Mapping[str, Any], common: dict[str, Any], addresses: Addresses) -> Iterator[Event]:
    call_id = text(call.get("id"))
    yield CallEvent(
        **common,
        at=unix_time(call.get("offerTime")),
        chat="group" if flag(call.get("isGroup")) else "person",
        direction="inbound",
        author="contact",
        contact_ref=addresses.contact(_address(call.get("peerJid")) or _address(call.get("sender"))),
        outcome="offered",
        event_id=call_id and event_ref("call", "offered", call_id),
    )


def _status(payload: Mapping[str, Any], common: dict[str, Any], _: Addresses) -> Iterator[Event]:
    state, reason = _STATES.get(word(payload.get("status")), (None, None))
    yield ProviderNotice(**common) if state is None else SessionChanged(**common, state=state, reason=reason)


def _qr(_payload: Mapping[str, Any], common: dict[str, Any], _: Addresses) -> Iterator[Event]:
    yield QrIssued(**common)


def _changed(
    state: str, reason: str | None
) -> Callable[[Mapping[str, Any], dict[str, Any], Addresses], Iterator[Event]]:
    def read(_payload: Mapping[str, Any], common: dict[str, Any], _: Addresses) -> Iterator[Event]:
        yield SessionChanged(**common, state=state, reason=reason)

    return read


_EVENTS: Final[Mapping[str, Callable[[Mapping[str, Any], dict[str, Any], Addresses], Iterator[Event]]]] = {
    "onmessage": _message,
    "onselfmessage": _message,
    "unreadmessages": _message,
    "onack": _ack,
    "onreactionmessage": _reaction,
    "onrevokedmessage": _revoked,
    "incomingcall": _call,
    "qrcode": _qr,
    "status-find": _status,
    "session-logged": _changed("connected", None),
    "closesession": _changed("disconnected", "restart"),
    "logoutsession": _changed("logged_out", "logged_out"),
}
_NOTICES: Final = frozenset(
    {"onpresencechanged", "onparticipantschanged", "onpollresponse", "onupdatelabel", "location"}
)
NAMES: Final = frozenset({*_EVENTS, *_NOTICES})
"""Webhook names that this adapter knows."""
