"""Payloads of the providers, each with its source, and a short form of their events."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from whatsself_otel.whatsapp import (
    AccountRestricted,
    CallEvent,
    ConsentChanged,
    DeliveryStatus,
    Event,
    LimitChanged,
    MessageAccepted,
    MessageReceived,
    QualityChanged,
    ReactionChanged,
    SessionChanged,
    TemplateStatusChanged,
)

if TYPE_CHECKING:
    from collections.abc import Callable

FOLDER = Path(__file__).parents[2] / "registry" / "vectors" / "payloads"
PROVIDERS = ("cloud_api", "evolution", "waha", "baileys", "zapi", "wppconnect", "twilio")


@dataclass(frozen=True, slots=True)
class Fixture:
    """One payload, and what its events are to be, in words written by hand."""

    provider: str
    name: str
    source: str
    date: str
    payload: dict[str, Any]
    expect: list[str]


def load(provider: str) -> list[Fixture]:
    found = json.loads((FOLDER / f"{provider}.json").read_text(encoding="utf-8"))
    return [Fixture(provider, name, **each) for name, each in found.items()]


ALL = [fixture for provider in PROVIDERS for fixture in load(provider)]


def fixture(provider: str, name: str) -> dict[str, Any]:
    """Return a copy of one payload, for a test to change."""
    found = next(each.payload for each in ALL if (each.provider, each.name) == (provider, name))
    copy: dict[str, Any] = json.loads(json.dumps(found))
    return copy


def short(event: Event) -> str:
    """Return an event in the short form of the fixtures."""
    words = [event.kind, *_details(event)]
    if event.error_type is not None and not isinstance(event, AccountRestricted):
        words.append(event.error_type)
    return " ".join([*words, *([] if event.is_live else ["history"])])


def _details(event: Event) -> list[str]:
    return next((words(event) for kind, words in _DETAILS.items() if isinstance(event, kind)), [])


_DETAILS: dict[type[Event], Callable[[Any], list[str]]] = {
    MessageReceived: lambda it: [it.content],
    MessageAccepted: lambda it: [it.author],
    DeliveryStatus: lambda it: [it.status, *(each for each in (it.reason, it.fault) if each)],
    SessionChanged: lambda it: [it.state, *([it.reason] if it.reason else [])],
    ReactionChanged: lambda it: ["removed"] if it.is_removed else [],
    AccountRestricted: lambda it: [it.state],
    TemplateStatusChanged: lambda it: [it.state],
    QualityChanged: lambda it: [it.rating],
    LimitChanged: lambda it: [f"{it.per_day:g}"],
    ConsentChanged: lambda it: [it.action],
    CallEvent: lambda it: [it.outcome, it.direction],
}
