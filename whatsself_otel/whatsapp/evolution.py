"""
Webhooks of Evolution API v2, with its Baileys and its Cloud API integration.

Its ``date_time`` is local time that ends in ``Z`` as if it were UTC, so it is ignored. Without a time in the data, the
event has none.

Source: EvolutionAPI/evolution-api at 3454bec7 (release 2.3.6, 2025-10-21), read on 2026-11-30.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from whatsself_otel.whatsapp.baileys import identities
from whatsself_otel.whatsapp.events import (
    Event,
    PairingCodeIssued,
    ProviderNotice,
    QrIssued,
    SessionChanged,
    SessionRetired,
    WebhookUnknown,
)
from whatsself_otel.whatsapp.linked import (
    Key,
    call_event,
    connection_event,
    edited_event,
    message_event,
    revoked_event,
    status_event,
)
from whatsself_otel.whatsapp.reading import at_path, event_name, mapping, objects, text, unix_time, word

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from whatsself_otel.whatsapp.addresses import Addresses

PROVIDER: Final = "evolution"
_NOTICES: Final = frozenset(
    {
        *("application.startup", "instance.create", "contacts.set", "contacts.upsert", "contacts.update"),
        *("presence.update", "chats.set", "chats.update", "chats.upsert", "chats.delete", "groups.upsert"),
        *("groups.update", "group.update", "group-participants.update", "typebot.start", "typebot.change-status"),
        *("labels.edit", "labels.association", "creds.update", "errors"),
    }
)
_LETTERS: Final = re.compile(r"[^a-z]")
_CLOUD_STATUSES: Final = {
    "sent": "server_ack",
    "delivered": "delivery_ack",
    "read": "read",
    "played": "played",
    "failed": "error",
}
"""Statuses of its Cloud API integration, in Baileys' words."""


def parse(payload: Mapping[str, Any], addresses: Addresses) -> Iterator[Event]:
    """
    Yield the events of one webhook.

    Args:
        payload: Its JSON.
        addresses: What is known of contacts.
    """
    name = _BY_LETTERS.get(_LETTERS.sub("", word(payload.get("event"))))
    common: dict[str, Any] = {"provider": PROVIDER, "name": name, "session": text(payload.get("instance"))}
    reader = None if name is None else _EVENTS.get(name)
    if reader is not None:
        yield from reader(payload.get("data"), common, addresses)
    elif name is not None:
        yield ProviderNotice(**common)
    else:
        yield WebhookUnknown(**{**common, "name": event_name(payload.get("event"))})


def _upsert(data: Any, common: dict[str, Any], addresses: Addresses) -> Iterator[Event]:
    for message in objects(at_path(data, "messages") or data):
        yield from identities(mapping(message.get("key")), common, addresses)
        yield message_event(message, common, addresses)


def _history(data: Any, common: dict[str, Any], addresses: Addresses) -> Iterator[Event]:
    for message in objects(at_path(data, "messages") or data):
        yield message_event(message, {**common, "is_live": False}, addresses)


def _update(data: Any, common: dict[str, Any], addresses: Addresses) -> Iterator[Event]:
    for each in objects(data):
        key, status = _key(each), each.get("status", at_path(each, "update", "status"))
        found, is_of_cloud = word(status), (key.message_id or "").startswith("wamid.")
        if found == "deleted":
            yield revoked_event(key, common, addresses)
        elif is_of_cloud or found in {"sent", "delivered", "failed"}:
            # The Cloud API integration compares a phone with an id and calls every message the contact's.
            status = _CLOUD_STATUSES.get(found, status)
            yield status_event(key, status, common, addresses, is_ours=True)
        else:
            codes = each.get("messageStubParameters")
            code = codes[0] if isinstance(codes, list) and codes else None
            yield status_event(key, status, common, addresses, code=code)


def _edited(data: Any, common: dict[str, Any], addresses: Addresses) -> Iterator[Event]:
    for each in objects(data):
        key = _key(each)
        edit_id = at_path(each, "editedMessage", "key", "id") or each.get("timestampMs")
        yield edited_event(key, {**common, "at": unix_time(each.get("timestampMs"))}, addresses, edit_id=edit_id)


def _deleted(data: Any, common: dict[str, Any], addresses: Addresses) -> Iterator[Event]:
    for each in objects(data):
        yield revoked_event(_key(each), common, addresses)


def _key(each: Mapping[str, Any]) -> Key:
    """Return the key of an update. Its parts are under ``key``, or beside the other fields."""
    nested = mapping(each.get("key"))
    return Key.read(nested) if nested else Key.read({**each, "id": each.get("keyId") or each.get("id")})


def _connection(data: Any, common: dict[str, Any], _: Addresses) -> Iterator[Event]:
    state = word(at_path(data, "state"))
    yield connection_event(state, at_path(data, "statusReason"), common) or WebhookUnknown(**common)


def _instance_status(data: Any, common: dict[str, Any], _: Addresses) -> Iterator[Event]:
    if word(at_path(data, "status")) != "closed":
        yield ProviderNotice(**common)
        return
    at = unix_time(at_path(data, "disconnectionAt"))
    code = at_path(data, "disconnectionReasonCode")
    yield connection_event("close", code, {**common, "at": at}) or ProviderNotice(**common)


def _qr(data: Any, common: dict[str, Any], _: Addresses) -> Iterator[Event]:
    qr = mapping(at_path(data, "qrcode"))
    if not qr:  # the limit of codes is reached: nobody scanned one
        yield SessionChanged(**common, state="expired")
        return
    yield QrIssued(**common)
    if text(qr.get("pairingCode")):
        yield PairingCodeIssued(**common)


def _logout(_data: Any, common: dict[str, Any], _: Addresses) -> Iterator[Event]:
    yield SessionChanged(**common, state="logged_out", reason="logged_out")


def _removed(_data: Any, common: dict[str, Any], _: Addresses) -> Iterator[Event]:
    yield SessionRetired(**common)


def _calls(data: Any, common: dict[str, Any], addresses: Addresses) -> Iterator[Event]:
    for call in objects(data):
        yield call_event(call, common, addresses)


_EVENTS: Final[Mapping[str, Callable[[Any, dict[str, Any], Addresses], Iterator[Event]]]] = {
    "messages.upsert": _upsert,
    "send.message": _upsert,
    "messages.set": _history,
    "messaging-history.set": _history,
    "messages.update": _update,
    "messages.edited": _edited,
    "send.message.update": _edited,
    "messages.delete": _deleted,
    "connection.update": _connection,
    "status.instance": _instance_status,
    "qrcode.updated": _qr,
    "logout.instance": _logout,
    "remove.instance": _removed,
    "instance.delete": _removed,
    "call": _calls,
}
NAMES: Final = frozenset({*_EVENTS, *_NOTICES})
"""Webhook names that this adapter knows."""
_BY_LETTERS: Final = {_LETTERS.sub("", name): name for name in NAMES}
"""Names in any spelling: ``MESSAGES_UPSERT``, ``messages-upsert`` and ``messages.upsert`` are one."""
