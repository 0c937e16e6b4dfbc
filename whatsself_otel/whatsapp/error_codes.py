"""
Error codes of each provider, with reason and fault.

An operator can change ``ours``, WhatsApp or the gateway must mend ``provider``, and ``recipient`` lies with the
contact. docs/whatsapp/error-codes.md is generated from this table.

Sources, read on 2026-11-30: Meta's page "WhatsApp error codes" (updated 2026-06-18) and the classes of pywa 4.5.0 for
the Cloud API; Twilio's error and warning dictionary; Baileys at 78e7e4e2cf for statuses of a socket and of a refused
message; HTTP for answers of gateways.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

OURS: Final = "ours"
PROVIDER: Final = "provider"
RECIPIENT: Final = "recipient"

FAULTS: Final[Mapping[str, str]] = {
    "rate_limited": OURS,
    "breaker_open": OURS,
    "session_down": OURS,
    "not_on_whatsapp": RECIPIENT,
    "blocked": RECIPIENT,
    "opted_out": RECIPIENT,
    "media": OURS,
    "timeout": PROVIDER,
    "network": OURS,
    "provider_error": PROVIDER,
    "outside_window": OURS,
    "marketing_limit": RECIPIENT,
    "template": OURS,
    "payment": OURS,
    "auth": OURS,
    "account_restricted": OURS,
    "recipient_identity": RECIPIENT,
    "undeliverable": RECIPIENT,
    "maintenance": PROVIDER,
    "group": OURS,
    "experiment": PROVIDER,
    "registration": OURS,
    "invalid_request": OURS,
    "flow": OURS,
    "call": OURS,
    "other": OURS,
}
"""The party at fault for each reason, unless a code overrides it. Unknown reasons count as ours, so somebody looks."""


@dataclass(frozen=True, slots=True)
class ErrorCode:
    """The meaning of one code."""

    reason: str
    fault: str


def _table(*rows: tuple[Iterable[int], str] | tuple[Iterable[int], str, str]) -> dict[int, ErrorCode]:
    found: dict[int, ErrorCode] = {}
    for codes, reason, *fault in rows:
        meaning = ErrorCode(reason, fault[0] if fault else FAULTS[reason])
        found.update(dict.fromkeys(codes, meaning))
    return found


CLOUD_API: Final[Mapping[int, ErrorCode]] = _table(
    # Tokens and permissions.
    ((0, 3, 10, 190, *range(200, 300), 131005), "auth"),
    # Graph API in general: 1 and 2 are its own failures, 33 and 100 a wrong request.
    ((1, 2), "provider_error"),
    ((33, 100), "invalid_request"),
    # Pace.
    ((4, 613, 80007, 130429, 131048, 131056, 131064, 133016), "rate_limited"),
    # What Meta holds against the account.
    ((368, 130497, 131031), "account_restricted"),
    # One message.
    ((130472,), "experiment"),
    ((131000, 131016, 135000), "provider_error"),
    ((131008, 131009, 131051, 131062, 131063, 131055), "invalid_request"),
    ((131021, 131030), "invalid_request"),
    ((131026,), "undeliverable"),
    ((131037, 131045), "registration"),
    ((131042, 131044, 134011), "payment"),
    ((131047,), "outside_window"),
    ((131049,), "marketing_limit"),
    ((131050,), "opted_out"),
    ((131052, 131053), "media"),
    ((131057, 2494100), "maintenance"),
    ((137000,), "recipient_identity"),
    # Templates, sent and created.
    ((132000, 132001, 132005, 132007, 132008, 132012, 132015, 132016), "template"),
    ((2388019, 2388040, 2388047, 2388072, 2388073, 2388293, 2388299), "template"),
    # Flows.
    ((132068, 132069, 139000, 139001, 139002, 139003, 139004), "flow"),
    # Registration and migration of the number, username and sign-up.
    ((133000, 133005, 133006, 133008, 133009, 133010, 133015), "registration"),
    ((133004,), "registration", PROVIDER),
    ((2388012, 2388091, 2388093, 2388103), "registration"),
    ((147001, 147002, 147003, 147004, 147005), "registration"),
    ((2494164, 2494165, 2494166, 2494167, 2494168, 2494176, 2494177, 2494179), "registration"),
    ((2593107, 2593108), "registration"),
    # Calls.
    ((138000, 138002, 138003, 138005, 138006, 138009, 138012, 138013, 138018), "call"),
    ((138001,), "call", RECIPIENT),
    ((138004, 138007), "call", PROVIDER),
    # Lists of blocked users.
    ((139100, 139101, 139102), "invalid_request"),
    ((139103,), "provider_error"),
    # Groups.
    ((131020, 131041, 131059, 131201, 131202, 131204, 131207, 131208, 131209), "group"),
    ((131210, 131211, 131212, 131213, 131214, 131215), "group"),
)
"""Codes of ``errors[].code`` and ``error.code``."""

BAILEYS: Final[Mapping[int, ErrorCode]] = _table(
    ((401, 411, 440, 428, 515), "session_down"),
    ((402, 403, 406, 463), "account_restricted"),
    ((404,), "not_on_whatsapp"),
    ((408,), "timeout"),
    ((400, 421, 475, 479, 487), "invalid_request"),
    ((429,), "rate_limited"),
    ((500, 503), "provider_error"),
)
"""
Why WhatsApp refused a message of a linked device: ``messageStubParameters`` of a message whose status is ERROR.

Evolution API and WAHA (NOWEB) pass these on.
"""

TWILIO: Final[Mapping[int, ErrorCode]] = _table(
    ((20003, 63001, 63002), "auth"),
    ((20429, 63018, 63038), "rate_limited"),
    ((21211, 63003, 63015, 63024), "not_on_whatsapp"),
    ((21610,), "opted_out"),
    ((63004, 63009, 63012, 63026), "provider_error"),
    ((63005, 63013, 63021, 63030, 63031, 63035), "invalid_request"),
    ((63007, 63008, 63020, 63022), "registration"),
    ((63010, 63017), "provider_error"),
    ((63014, 63033), "blocked"),
    ((63016,), "outside_window"),
    ((63019, 63029), "media"),
    ((63027, 63028, 63040, 63041, 63042), "template"),
    ((63032,), "experiment"),
    ((63036,), "undeliverable"),
    ((63049,), "marketing_limit"),
    ((63051,), "account_restricted"),
)
"""``ErrorCode`` of Twilio, where its channel is WhatsApp."""

HTTP: Final[Mapping[int, ErrorCode]] = _table(
    ((400, 404, 405, 409, 411, 415, 422), "invalid_request"),
    ((401, 403, 407), "auth"),
    ((408, 504), "timeout"),
    ((413,), "media"),
    ((429,), "rate_limited"),
    ((500, 501, 502), "provider_error"),
    ((503,), "maintenance"),
)
"""Meanings of a gateway's HTTP status when the answer gives no code."""

TABLES: Final[Mapping[str, Mapping[int, ErrorCode]]] = {
    "cloud_api": CLOUD_API,
    "baileys": BAILEYS,
    "twilio": TWILIO,
    "http": HTTP,
}

DISCONNECTS: Final[Mapping[int, tuple[str, str]]] = {
    401: ("logged_out", "logged_out"),
    402: ("banned", "banned"),
    403: ("banned", "banned"),
    406: ("banned", "banned"),
    408: ("disconnected", "transient"),
    411: ("logged_out", "logged_out"),
    428: ("disconnected", "transient"),
    440: ("disconnected", "replaced"),
    500: ("expired", "other"),
    503: ("disconnected", "transient"),
    515: ("starting", "restart"),
}
"""Meanings of a closed Baileys socket's status: the session's state, and the reason of the loss."""


def explain(table: str, code: int | None) -> ErrorCode:
    """Return the meaning of *code* in the table of that name; ``other`` for an unknown code."""
    found = None if code is None else TABLES[table].get(code)
    return found if found is not None else ErrorCode("other", FAULTS["other"])
