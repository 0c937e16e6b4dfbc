"""
Events of Baileys, as a Node application logs or posts them: ``{"event": NAME, "data": ...}`` or ``{NAME: ...}``.

Source: WhiskeySockets/Baileys at 78e7e4e2cf (2026-05-21), `src/Types/Events.ts`, read on 2026-11-30.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from whatsself_otel.whatsapp.events import (
    AccountRestricted,
    ContactIdentityChanged,
    Event,
    ProviderNotice,
    QrIssued,
    ReactionChanged,
    WebhookUnknown,
)
from whatsself_otel.whatsapp.linked import (
    Key,
    call_event,
    connection_event,
    message_event,
    revoked_event,
    status_event,
)
from whatsself_otel.whatsapp.reading import at_path, event_name, flag, mapping, objects, text, unix_time, word
from whatsself_otel.whatsapp.references import event_ref

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from whatsself_otel.whatsapp.addresses import Addresses

PROVIDER: Final = "baileys"
_NOTICES: Final = frozenset(
    {
        *("creds.update", "messaging-history.status", "chats.upsert", "chats.update", "chats.delete", "chats.lock"),
        *("presence.update", "contacts.upsert", "contacts.update", "messages.media-update", "groups.upsert"),
        *("groups.update", "group-participants.update", "group.join-request", "group.member-tag.update"),
        *("blocklist.set", "blocklist.update", "labels.edit", "labels.association", "newsletter.reaction"),
        *("newsletter.view", "newsletter-participants.update", "newsletter-settings.update", "message-capping.update"),
        "settings.update",
    }
)


def parse(payload: Mapping[str, Any], addresses: Addresses) -> Iterator[Event]:
    """
    Yield the events of one line or post.

    Args:
        payload: Its JSON.
        addresses: What is known of contacts.
    """
    session = text(payload.get("session") or payload.get("sessionId") or payload.get("instance"))
    at = unix_time(payload.get("time") or payload.get("timestamp"))
    for name, data in _named(payload):
        common: dict[str, Any] = {"provider": PROVIDER, "name": name, "session": session, "at": at}
        reader = _EVENTS.get(name)
        if reader is not None:
            yield from reader(data, common, addresses)
        elif name in _NOTICES:
            yield ProviderNotice(**common)
        else:
            yield WebhookUnknown(**{**common, "name": event_name(name)})


def _named(payload: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield name and data of each event; one object of Baileys may hold several."""
    name = word(payload.get("event"))
    if name:
        yield name, payload.get("data", payload.get("payload"))
        return
    found = [(each, data) for each, data in payload.items() if each in NAMES]
    if found:
        yield from found
    elif (message := word(payload.get("msg"))) in NAMES:  # a line of Pino
        yield message, payload.get("data", payload)
    else:
        yield "unknown", None


def _connection(data: Any, common: dict[str, Any], _: Addresses) -> Iterator[Event]:
    update = mapping(data)
    lost = mapping(update.get("lastDisconnect"))
    common = {**common, "at": unix_time(lost.get("date")) or common["at"]}
    code = at_path(lost, "error", "output", "statusCode") or at_path(lost, "error", "output", "payload", "statusCode")
    if (event := connection_event(word(update.get("connection")), code, common)) is not None:
        yield event
    if text(update.get("qr")):
        yield QrIssued(**common)
    lock = mapping(update.get("reachoutTimeLock"))
    if (is_active := flag(lock.get("isActive"))) is not None:
        yield AccountRestricted(**common, state="warned" if is_active else "connected", error_type="reachout_time_lock")
    elif event is None and not text(update.get("qr")):
        yield ProviderNotice(**common)


def _upsert(data: Any, common: dict[str, Any], addresses: Addresses) -> Iterator[Event]:
    is_live = word(at_path(data, "type")) != "append"
    for message in objects(at_path(data, "messages")):
        key = mapping(message.get("key"))
        yield from identities(key, common, addresses)
        is_ours = flag(key.get("fromMe")) is True  # one of ours is appended when another device has sent it
        yield message_event(message, {**common, "is_live": is_live or is_ours}, addresses)


def identities(key: Mapping[str, Any], common: dict[str, Any], addresses: Addresses) -> Iterator[Event]:
    """Yield an event when a key first names both LID and phone of a person."""
    people = Key.read(key).people
    if addresses.is_news(*people):
        old = next((each for each in people if str(each).endswith("@lid")), None)
        event = {**common, "contact_ref": addresses.plain(old)}
        yield ContactIdentityChanged(**event, new_contact_ref=addresses.contact(*people))


def _update(data: Any, common: dict[str, Any], addresses: Addresses) -> Iterator[Event]:
    for each in objects(data):
        key, update = Key.read(mapping(each.get("key"))), mapping(each.get("update"))
        if "message" in update and update["message"] is None:
            yield revoked_event(key, common, addresses)
        else:
            codes = update.get("messageStubParameters")
            code = codes[0] if isinstance(codes, list) and codes else None
            yield status_event(key, update.get("status"), common, addresses, code=code)


def _receipts(data: Any, common: dict[str, Any], addresses: Addresses) -> Iterator[Event]:
    for each in objects(data):
        receipt = mapping(each.get("receipt"))
        times = (("5", "playedTimestamp"), ("4", "readTimestamp"), ("3", "receiptTimestamp"))
        found = next(((status, at) for status, name in times if (at := unix_time(receipt.get(name)))), ("", None))
        key = Key.read(mapping(each.get("key")))
        yield status_event(key, found[0], {**common, "at": found[1] or common["at"]}, addresses)


def _delete(data: Any, common: dict[str, Any], addresses: Addresses) -> Iterator[Event]:
    keys = list(objects(at_path(data, "keys")))
    for key in keys:
        yield revoked_event(Key.read(key), common, addresses)
    if not keys:
        yield ProviderNotice(**common)


def _reactions(data: Any, common: dict[str, Any], addresses: Addresses) -> Iterator[Event]:
    for each in objects(data):
        reaction = mapping(each.get("reaction"))
        by = Key.read(mapping(reaction.get("key")) or mapping(each.get("key")))
        found = by.common(common, addresses)
        removed = not text(reaction.get("text"))
        identity = by.message_id and event_ref("message", common.get("session"), by.message_id)
        yield ReactionChanged(**found, is_removed=removed, event_id=identity)


def _calls(data: Any, common: dict[str, Any], addresses: Addresses) -> Iterator[Event]:
    for call in objects(data):
        yield call_event(call, common, addresses)


def _history(data: Any, common: dict[str, Any], addresses: Addresses) -> Iterator[Event]:
    for message in objects(at_path(data, "messages")):
        yield message_event(message, {**common, "is_live": False}, addresses)


def _lid(data: Any, common: dict[str, Any], addresses: Addresses) -> Iterator[Event]:
    for each in objects(data):
        old = addresses.plain(each.get("lid"))
        new = addresses.contact(each.get("pn"), each.get("lid"))
        yield ContactIdentityChanged(**{**common, "contact_ref": old}, new_contact_ref=new)


_EVENTS: Final[Mapping[str, Callable[[Any, dict[str, Any], Addresses], Iterator[Event]]]] = {
    "connection.update": _connection,
    "messages.upsert": _upsert,
    "messages.update": _update,
    "message-receipt.update": _receipts,
    "messages.delete": _delete,
    "messages.reaction": _reactions,
    "call": _calls,
    "messaging-history.set": _history,
    "lid-mapping.update": _lid,
}
NAMES: Final = frozenset({*_EVENTS, *_NOTICES})
"""Event names that this adapter knows."""
