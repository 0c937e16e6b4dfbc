"""Which attributes traces are found by, and the text that log lines are searched in."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Any, Final

from whatsself_otel.catalogue import CONTACT_ID, MESSAGE_ID, REQUEST_ID

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

IDS: Final = (REQUEST_ID, CONTACT_ID, MESSAGE_ID)
DOCTOR: Final = "whatsself-otel-doctor"
"""Service whose traces are probes, not messages."""
SERVICE: Final = "service"
SPAN: Final = "span"
ROUTE: Final = "route"
STATUS: Final = "http.response.status_code"
MOST_CHARACTERS: Final = 200
_NOISE: Final = (
    "client.",
    "code.",
    "db.query",
    "db.statement",
    "exception.stacktrace",
    "network.",
    "process.",
    "server.",
    "telemetry.sdk.",
    "thread.",
    "url.",
    "user_agent",
)
"""Attributes that do not help to find a trace, or that differ in each span."""


def fields(found: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the searchable names and values among the attributes of one span or log line."""
    for name, value in found.items():
        if isinstance(value, str | int | float) and not name.startswith(_NOISE):
            text = str(value).lower() if isinstance(value, bool) else str(value)
            if 0 < len(text) <= MOST_CHARACTERS:
                yield (ROUTE if name == "http.route" else name), text


def searched(text: str, found: Mapping[str, Any], service: str) -> str:
    """Return the searchable text of a log line: its message, then each field on a separate line."""
    pairs = [f"{name}={value}" for name, value in found.items()]
    return fold("\n".join([text, *pairs, f"{SERVICE}={service}", ""]))


def fold(text: str) -> str:
    """Return *text* without case and accents: ``Preço`` is found by ``preco``."""
    if text.isascii():
        return text.lower()
    return "".join(each for each in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(each))
