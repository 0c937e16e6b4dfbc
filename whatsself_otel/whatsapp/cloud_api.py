"""
Webhooks of Meta's WhatsApp Cloud API.

Source: developers.facebook.com, "WhatsApp Business Platform, Webhooks", its reference pages (updated 2026-05-21 to
2026-06-18), read on 2026-11-30; shapes also from the updates that pywa 4.5.0 parses.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from whatsself_otel.whatsapp import error_codes
from whatsself_otel.whatsapp.events import (
    AccountRestricted,
    CallEvent,
    ConsentChanged,
    ContactIdentityChanged,
    DeliveryStatus,
    Event,
    LimitChanged,
    MessageAccepted,
    MessageEdited,
    MessageReceived,
    MessageRevoked,
    ProviderNotice,
    QualityChanged,
    ReactionChanged,
    SessionChanged,
    TemplateStatusChanged,
    WebhookUnknown,
)
from whatsself_otel.whatsapp.reading import (
    at_path,
    error_code,
    event_name,
    flag,
    mapping,
    number,
    objects,
    text,
    unix_time,
    word,
)
from whatsself_otel.whatsapp.references import accepted_id, event_ref, message_ref

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from whatsself_otel.whatsapp.addresses import Addresses

PROVIDER: Final = "cloud_api"

CONTENTS: Final = {
    "text": "text",
    "image": "image",
    "video": "video",
    "audio": "audio",
    "voice": "audio",
    "document": "document",
    "sticker": "sticker",
    "location": "location",
    "contacts": "contact",
    "interactive": "interactive",
    "button": "interactive",
    "order": "other",
    "unsupported": "other",
    "unknown": "other",
}
"""Types of messages, and the attribute ``kind`` of each."""

_STATUSES: Final = {
    "sent": "sent",
    "delivered": "delivered",
    "read": "read",
    "played": "played",
    "failed": "failed",
    "deleted": "deleted",
}
_CHANGES: Final = {"edit": MessageEdited, "revoke": MessageRevoked}
_NOTICES: Final = frozenset(
    {
        "message_template_components_update",
        "template_category_update",
        "template_correct_category_detection",
        "phone_number_name_update",
        "business_status_update",
        "security",
        "flows",
        "smb_app_state_sync",
        "account_settings_update",
        "payment_configuration_update",
        "partner_solutions",
        "group_lifecycle_update",
        "group_participants_update",
        "group_settings_update",
        "group_status_update",
        "message_echoes",
        "messaging_handovers",
        "standby",
        "automatic_events",
        "tracking_events",
        "user_id_update",
        "business_username_updates",
    }
)
"""Documented fields that move no metric of the domain."""

TEMPLATE_STATES: Final = {
    "approved": "approved",
    "reinstated": "approved",
    "unlocked": "approved",
    "unarchived": "approved",
    "pending": "pending",
    "in_appeal": "pending",
    "rejected": "rejected",
    "paused": "paused",
    "locked": "paused",
    "disabled": "disabled",
    "limit_exceeded": "disabled",
    "flagged": "flagged",
    "deleted": "deleted",
    "pending_deletion": "deleted",
    "archived": "deleted",
}
_TEMPLATE_NAME: Final = re.compile(r"[a-z0-9_]{1,100}")
_LANGUAGE: Final = re.compile(r"[a-z]{2,3}(?:_[A-Z]{2,3})?")
_RATINGS: Final = {
    "green": "green",
    "high": "green",
    "yellow": "yellow",
    "medium": "yellow",
    "red": "red",
    "low": "red",
}
_MAX_LIMIT: Final = 10_000_000
"""Contacts a day. The highest numbered tier is 100,000; a larger number looks like a phone."""
_TIERS: Final = {
    "tier_50": 50,
    "tier_250": 250,
    "tier_1k": 1_000,
    "tier_2k": 2_000,
    "tier_10k": 10_000,
    "tier_100k": 100_000,
    "tier_unlimited": -1,
}
_BANS: Final = {"disable": "banned", "reinstate": "connected", "schedule_for_disable": "warned"}
_CALLS: Final = {
    "connect": "offered",
    "accepted": "accepted",
    "rejected": "rejected",
    "completed": "completed",
    "failed": "failed",
    "terminate": "completed",
}


def parse(payload: Mapping[str, Any], addresses: Addresses) -> Iterator[Event]:
    """
    Yield the events of one webhook.

    Args:
        payload: Its JSON.
        addresses: What is known of contacts and numbers.
    """
    for entry in objects(payload.get("entry")):
        for change in objects(entry.get("changes")):
            field = word(change.get("field"))
            common: dict[str, Any] = {"provider": PROVIDER, "name": field, "account": _account_id(entry.get("id"))}
            value = mapping(change.get("value"))
            reader = _FIELDS.get(field)
            if reader is not None:
                yield from reader(value, {**common, "at": unix_time(entry.get("time"))}, addresses)
            elif field in _NOTICES:
                yield ProviderNotice(**common, at=unix_time(entry.get("time")))
            else:
                yield WebhookUnknown(**{**common, "name": event_name(field)})


def _messages(value: Mapping[str, Any], common: dict[str, Any], addresses: Addresses) -> Iterator[Event]:
    common = {**common, "session": addresses.note_number(mapping(value.get("metadata")))}
    people = {text(each.get("wa_id")) or text(each.get("user_id")): each for each in objects(value.get("contacts"))}
    for message in objects(value.get("messages")):
        yield from _message(message, common, addresses, people)
    for status in objects(value.get("statuses")):
        yield _status(status, {**common, "name": "statuses"}, addresses)
    for error in objects(value.get("errors")):
        yield ProviderNotice(**{**common, "name": "errors"}, error_type=_code_text(error.get("code")))


def _message(
    message: Mapping[str, Any], common: dict[str, Any], addresses: Addresses, people: Mapping[Any, Mapping[str, Any]]
) -> Iterator[Event]:
    sender, user_id = message.get("from"), message.get("from_user_id")
    profile = people.get(text(sender) or text(user_id), {})
    known = sender, profile.get("wa_id"), user_id, profile.get("user_id")
    message_id = text(message.get("id"))
    common = {
        **common,
        "at": unix_time(message.get("timestamp")) or common["at"],
        "chat": "group" if text(message.get("group_id")) else "person",
        "direction": "inbound",
        "author": "contact",
        "message_ref": message_id and message_ref(message_id),
        "error_type": _code_text(at_path(next(objects(message.get("errors")), None), "code")),
    }
    if addresses.is_news(*known):
        old = addresses.plain(user_id or profile.get("user_id"))
        yield ContactIdentityChanged(**{**common, "contact_ref": old}, new_contact_ref=addresses.contact(*known))
    common["contact_ref"] = addresses.contact(*known)
    yield _content(message, message_id, common, addresses)


def _content(message: Mapping[str, Any], message_id: str | None, common: dict[str, Any], addresses: Addresses) -> Event:
    kind = word(message.get("type"))
    common["event_id"] = message_id and event_ref("message", common["session"], message_id)
    if kind in _CHANGES:
        return _CHANGES[kind](**common)
    if kind == "reaction":
        return ReactionChanged(**common, is_removed=not text(at_path(message, "reaction", "emoji")))
    if kind == "system":
        return _system(mapping(message.get("system")), {**common, "author": "system"}, addresses)
    if kind == "request_welcome" or word(at_path(message, "interactive", "type")) == "call_permission_reply":
        return ProviderNotice(**common)
    if kind not in CONTENTS:
        return WebhookUnknown(**common)
    return MessageReceived(**common, content=CONTENTS[kind])


def _system(system: Mapping[str, Any], common: dict[str, Any], addresses: Addresses) -> Event:
    kind = word(system.get("type"))
    if kind in {"user_changed_number", "user_changed_user_id"}:
        new = addresses.contact(system.get("wa_id"), system.get("user_id"), system.get("new_wa_id"))
        return ContactIdentityChanged(**common, new_contact_ref=new)
    if kind in {"customer_identity_changed", "customer_changed_number"}:
        return ContactIdentityChanged(**common)
    return ProviderNotice(**common)


def _status(status: Mapping[str, Any], common: dict[str, Any], addresses: Addresses) -> Event:
    message_id, found = text(status.get("id")), _STATUSES.get(word(status.get("status")))
    error = next(objects(status.get("errors")), None)
    code = error_code(at_path(error, "code"))
    is_group = word(status.get("recipient_type")) == "group"
    recipient = (
        (status.get("recipient_participant_id"), status.get("recipient_participant_user_id"))
        if is_group
        else (status.get("recipient_id"), status.get("recipient_user_id"))
    )
    common = {
        **common,
        "at": unix_time(status.get("timestamp")) or common["at"],
        "chat": "group" if is_group else "person",
        "direction": "outbound",
        "author": "api",
        "message_ref": message_id and message_ref(message_id),
        "contact_ref": addresses.contact(*recipient),
        "error_type": None if code is None else str(code),
    }
    if found is None:
        return WebhookUnknown(**common)
    meaning = error_codes.explain("cloud_api", code) if found == "failed" else None
    return DeliveryStatus(
        **{**common, "event_id": message_id and event_ref("status", found, message_id)},
        status=found,
        reason=None if meaning is None else meaning.reason,
        fault=None if meaning is None else meaning.fault,
        billable=flag(at_path(status, "pricing", "billable")),
        category=_category(at_path(status, "pricing", "category")),
    )


def _echoes(value: Mapping[str, Any], common: dict[str, Any], addresses: Addresses) -> Iterator[Event]:
    common = {**common, "session": addresses.note_number(mapping(value.get("metadata")))}
    for message in objects(value.get("message_echoes")):
        message_id = text(message.get("id"))
        common |= {
            "at": unix_time(message.get("timestamp")) or common["at"],
            "chat": "group" if text(message.get("group_id")) else "person",
            "direction": "outbound",
            "author": "phone",
            "message_ref": message_id and message_ref(message_id),
            "contact_ref": addresses.contact(message.get("to"), message.get("to_user_id")),
            "event_id": accepted_id(message_id),
        }
        kinds = {"edit": MessageEdited, "revoke": MessageRevoked, "reaction": ReactionChanged}
        yield kinds.get(word(message.get("type")), MessageAccepted)(**common)


def _history(value: Mapping[str, Any], common: dict[str, Any], addresses: Addresses) -> Iterator[Event]:
    metadata = mapping(value.get("metadata"))
    common = {**common, "session": addresses.note_number(metadata), "is_live": False}
    own = addresses.plain(metadata.get("display_phone_number"))
    for chunk in objects(value.get("history")):
        for error in objects(chunk.get("errors")):
            yield ProviderNotice(**common, error_type=_code_text(error.get("code")))
        for thread in objects(chunk.get("threads")):
            for message in objects(thread.get("messages")):
                yield _past(message, common, addresses, is_ours=addresses.plain(message.get("from")) == own)


def _past(message: Mapping[str, Any], common: dict[str, Any], addresses: Addresses, *, is_ours: bool) -> Event:
    message_id = text(message.get("id"))
    common = {
        **common,
        "at": unix_time(message.get("timestamp")),
        "chat": "person",
        "direction": "outbound" if is_ours else "inbound",
        "author": "phone" if is_ours else "contact",
        "message_ref": message_id and message_ref(message_id),
        "contact_ref": addresses.contact(message.get("to") if is_ours else message.get("from")),
    }
    if is_ours:
        return MessageAccepted(**common, event_id=accepted_id(message_id))
    content = CONTENTS.get(word(message.get("type")), "other")
    event_id = message_id and event_ref("message", common["session"], message_id)
    return MessageReceived(**common, content=content, event_id=event_id)


def _calls(value: Mapping[str, Any], common: dict[str, Any], addresses: Addresses) -> Iterator[Event]:
    common = {**common, "session": addresses.note_number(mapping(value.get("metadata"))), "chat": "person"}
    for call in objects(value.get("calls")):
        is_outbound = word(call.get("direction")) == "business_initiated"
        party = call.get("to") if is_outbound else call.get("from")
        event = word(call.get("event"))
        outcome = _CALLS.get(word(call.get("status")) or event, _CALLS.get(event))
        yield _call(call, common, outcome, addresses.contact(party), is_outbound=is_outbound)
    for status in objects(value.get("statuses")):  # only of calls that the business makes
        outcome = _CALLS.get(word(status.get("status")))
        yield _call(status, common, outcome, addresses.contact(status.get("recipient_id")), is_outbound=True)


def _call(
    call: Mapping[str, Any], common: dict[str, Any], outcome: str | None, contact: str | None, *, is_outbound: bool
) -> Event:
    call_id = text(call.get("id"))
    common = {
        **common,
        "at": unix_time(call.get("timestamp")) or common["at"],
        "direction": "outbound" if is_outbound else "inbound",
        "author": "api" if is_outbound else "contact",
        "contact_ref": contact,
        "error_type": _code_text(at_path(next(objects(call.get("errors")), None), "code")),
    }
    if outcome is None:
        return ProviderNotice(**common)
    return CallEvent(**common, outcome=outcome, event_id=call_id and event_ref("call", outcome, call_id))


def _preferences(value: Mapping[str, Any], common: dict[str, Any], addresses: Addresses) -> Iterator[Event]:
    common = {**common, "session": addresses.note_number(mapping(value.get("metadata")))}
    for each in objects(value.get("user_preferences")):
        contact = addresses.contact(each.get("wa_id"), each.get("user_id"))
        at = unix_time(each.get("timestamp")) or common["at"]
        found = {**common, "at": at, "contact_ref": contact, "author": "contact", "direction": "inbound"}
        action = {"stop": "opt_out", "resume": "opt_in", "signup": "opt_in"}.get(word(each.get("value")))
        if action is None:
            yield WebhookUnknown(**found)
        else:
            yield ConsentChanged(**found, action=action, event_id=event_ref("consent", contact, action, at))


def _template_status(value: Mapping[str, Any], common: dict[str, Any], _: Addresses) -> Iterator[Event]:
    state = TEMPLATE_STATES.get(word(value.get("event")))
    if state is None:
        yield WebhookUnknown(**common)
        return
    common["event_id"] = event_ref("template", common["account"], _template(value), state, common["at"])
    yield TemplateStatusChanged(**common, template=_template(value), state=state)


def _template_quality(value: Mapping[str, Any], common: dict[str, Any], _: Addresses) -> Iterator[Event]:
    rating = _RATINGS.get(word(value.get("new_quality_score")), "unknown")
    common["event_id"] = event_ref("quality", common["account"], _template(value), rating, common["at"])
    yield QualityChanged(**common, rating=rating, template=_template(value))


def _number_quality(value: Mapping[str, Any], common: dict[str, Any], addresses: Addresses) -> Iterator[Event]:
    event = word(value.get("event"))
    common = {**common, "session": addresses.number_id(value.get("display_phone_number"))}
    if event in {"flagged", "unflagged"}:
        event_id = event_ref("rating", common["account"], event, common["at"])
        yield QualityChanged(**common, rating="red" if event == "flagged" else "green", event_id=event_id)
    limit = _limit(value.get("max_daily_conversations_per_business") or value.get("current_limit"))
    if limit is not None:
        event_id = event_ref("limit", common["account"], limit, common["at"])
        yield LimitChanged(**common, per_day=limit, event_id=event_id)
    elif event not in {"flagged", "unflagged"}:
        yield ProviderNotice(**common)


def _capability(value: Mapping[str, Any], common: dict[str, Any], _: Addresses) -> Iterator[Event]:
    limit = _limit(value.get("max_daily_conversations_per_business") or value.get("max_daily_conversation_per_phone"))
    if limit is None:
        yield ProviderNotice(**common)
        return
    yield LimitChanged(**common, per_day=limit, event_id=event_ref("limit", common["account"], limit, common["at"]))


def _account(value: Mapping[str, Any], common: dict[str, Any], _: Addresses) -> Iterator[Event]:
    event = word(value.get("event"))
    common["author"] = "system"
    state = _account_state(event, value)
    common["event_id"] = event_ref("account", common["account"], event, state, common["at"])
    if event in {"partner_removed", "account_offboarded", "account_deleted"}:
        yield SessionChanged(**common, state="logged_out", reason="logged_out")
    elif event == "account_reconnected":
        yield SessionChanged(**common, state="connected")
    elif state is not None:
        yield AccountRestricted(**common, state=state, error_type=event)
    else:
        yield ProviderNotice(**common)


def _account_state(event: str, value: Mapping[str, Any]) -> str | None:
    if event == "account_violation":
        return "warned"
    if event == "disabled_update":
        return _BANS.get(word(at_path(value, "ban_info", "waba_ban_state")))
    if event != "account_restriction":
        return None
    kinds = [word(each.get("restriction_type")) for each in objects(value.get("restriction_info"))]
    if not kinds:
        return "connected"
    return "restricted" if any("messaging" in kind or "template" in kind for kind in kinds) else "warned"


def _alerts(value: Mapping[str, Any], common: dict[str, Any], _: Addresses) -> Iterator[Event]:
    if word(value.get("alert_severity")) in {"warning", "critical"}:
        yield AccountRestricted(**common, state="warned", error_type="account_alert", author="system")
    else:
        yield ProviderNotice(**common)


def _review(value: Mapping[str, Any], common: dict[str, Any], _: Addresses) -> Iterator[Event]:
    if word(value.get("decision")) == "rejected":
        yield AccountRestricted(**common, state="restricted", error_type="review_rejected", author="system")
    else:
        yield ProviderNotice(**common)


_FIELDS: Final[Mapping[str, Callable[[Mapping[str, Any], dict[str, Any], Addresses], Iterator[Event]]]] = {
    "messages": _messages,
    "smb_message_echoes": _echoes,
    "history": _history,
    "calls": _calls,
    "user_preferences": _preferences,
    "message_template_status_update": _template_status,
    "message_template_quality_update": _template_quality,
    "phone_number_quality_update": _number_quality,
    "business_capability_update": _capability,
    "account_update": _account,
    "account_alerts": _alerts,
    "account_review_update": _review,
}
NAMES: Final = frozenset({*_FIELDS, *_NOTICES, "statuses", "errors"})
"""Webhook names that this adapter knows."""


def _account_id(value: object) -> str | None:
    found = text(value)
    return found if found is not None and found.isdecimal() and len(found) <= 20 else None


def _code_text(value: object) -> str | None:
    code = error_code(value)
    return None if code is None else str(code)


def _limit(value: object) -> float | None:
    tier = _TIERS.get(word(value))
    found = tier if tier is not None else number(value)
    return float(found) if found is not None and (0 <= found <= _MAX_LIMIT or found == -1) else None


def _template(value: Mapping[str, Any]) -> str:
    name, language = text(value.get("message_template_name")), text(value.get("message_template_language"))
    known = name is not None and _TEMPLATE_NAME.fullmatch(name) is not None
    if name is None or not known:
        return "unknown"
    return f"{name}/{language}" if language is not None and _LANGUAGE.fullmatch(language) else name


def _category(value: object) -> str | None:
    found = word(value).removeprefix("group_")
    if not found:
        return None
    known = ("marketing", "utility", "authentication", "service")
    return next((each for each in known if found.startswith(each)), "other")
