"""Questions of the page, read from its address; the same for every store."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Self

from whatsself_otel.errors import WhatsSelfOtelError
from whatsself_otel.viewer.signs import DIRECTIONS, OUTCOMES

if TYPE_CHECKING:
    from collections.abc import Mapping

WHICH: Final = ("messages", "errors", "all")
SORTS: Final = ("newest", "oldest", "slowest", "errors")
SEVERITIES: Final = {"all": 0, "info": 9, "warn": 13, "error": 17}
RANGES_S: Final = {"5m": 300, "15m": 900, "1h": 3600, "6h": 21600, "24h": 86400, "7d": 604800, "all": 0}
MOST_LISTED: Final = 1_000
REACH: Final = 1_000
MOST_REACH: Final = 16_000
LISTED: Final = 50
LISTED_LINES: Final = 200
_MOST_CHARACTERS: Final = 200
_MOST_FIELDS: Final = 10
_COLUMNS: Final = ("outcome", "direction", "kind", "session", "provider", "reason")
_FACETS: Final = ("service", "route", "status")


class QueryError(WhatsSelfOtelError):
    """An invalid question; its text names the allowed values."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """From when to when, in Unix seconds; None for no bound."""

    from_s: float | None = None
    to_s: float | None = None

    @classmethod
    def of(cls, asked: Mapping[str, str], now_s: float) -> Self:
        """Read ``range``, or ``from`` and ``to``."""
        if name := asked.get("range"):
            if name not in RANGES_S:
                raise QueryError(f"range must be one of {', '.join(RANGES_S)}")
            return cls(from_s=now_s - RANGES_S[name] if RANGES_S[name] else None)
        return cls(from_s=_number(asked, "from"), to_s=_number(asked, "to"))

    def holds(self, at_s: float) -> bool:
        """Return whether *at_s* is within."""
        return (self.from_s is None or at_s >= self.from_s) and (self.to_s is None or at_s < self.to_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceQuery:
    """Which traces, in which order, how many."""

    which: str = "messages"
    """One of `WHICH`."""
    text: str = ""
    """A part of a log line, or the beginning of an id or of any other value."""
    span: Span = field(default_factory=Span)
    columns: Mapping[str, str] = field(default_factory=dict)
    """Wanted outcome, direction, kind, session, provider or reason of the message."""
    fields: tuple[tuple[str, str], ...] = ()
    """Name and value that a span or log line of the trace has, service and route included."""
    least_ms: float | None = None
    most_ms: float | None = None
    sort: str = "newest"
    """One of `SORTS`."""
    limit: int = LISTED
    reach: int = REACH
    """Through how many traces a store that cannot narrow down itself is looked, from the newest back."""

    @classmethod
    def of(cls, asked: Mapping[str, str], fields: list[str], now_s: float | None = None) -> Self:
        """
        Read an address.

        Args:
            asked: Its parameters.
            fields: Values of its parameter ``field``: each ``name=value``.
            now_s: Unix time; the present one when None.

        Raises:
            QueryError: Something is not allowed.
        """
        which, sort = _one_of(asked, "which", WHICH), _one_of(asked, "sort", SORTS)
        columns = {name: asked[name][:_MOST_CHARACTERS] for name in _COLUMNS if asked.get(name)}
        if columns.get("outcome", OUTCOMES[0]) not in OUTCOMES:
            raise QueryError(f"outcome must be one of {', '.join(OUTCOMES)}")
        if columns.get("direction", DIRECTIONS[0]) not in DIRECTIONS:
            raise QueryError(f"direction must be one of {', '.join(DIRECTIONS)}")
        names = {"status": "http.response.status_code"}
        facets = [(names.get(name, name), asked[name]) for name in _FACETS if asked.get(name)]
        return cls(
            which=which,
            text=_text(asked),
            span=Span.of(asked, time.time() if now_s is None else now_s),
            columns=columns,
            fields=(*facets, *_fields(fields)),
            least_ms=_number(asked, "min_ms"),
            most_ms=_number(asked, "max_ms"),
            sort=sort,
            limit=_limit(asked, LISTED),
            reach=_whole(asked, "reach", REACH, MOST_REACH),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LogQuery:
    """Which log lines, newest first by their own time."""

    severity: int = 0
    """OTLP's number from which on a line counts."""
    text: str = ""
    """A part of the message or of a field, in any case and with or without accents."""
    span: Span = field(default_factory=Span)
    service: str = ""
    fields: tuple[tuple[str, str], ...] = ()
    limit: int = LISTED_LINES

    @classmethod
    def of(cls, asked: Mapping[str, str], fields: list[str], now_s: float | None = None) -> Self:
        """Read an address; see `TraceQuery.of`."""
        level = _one_of(asked, "level", tuple(SEVERITIES))
        return cls(
            severity=SEVERITIES[level],
            text=_text(asked),
            span=Span.of(asked, time.time() if now_s is None else now_s),
            service=asked.get("service", "")[:_MOST_CHARACTERS],
            fields=_fields(fields),
            limit=_limit(asked, LISTED_LINES),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """The newest part of a store, looked through so far."""

    traces: int
    back_to_s: float
    """Unix time."""
    is_full: bool
    """Whether the viewer can hold no more of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """The rows of one answer."""

    rows: list[dict[str, Any]]
    is_cut: bool = False
    """Whether there is more."""
    looked: Looked | None = None
    """How far back a store was looked through; None if that is all it keeps."""


def _one_of(asked: Mapping[str, str], name: str, allowed: tuple[str, ...]) -> str:
    value = asked.get(name) or allowed[0]
    if value not in allowed:
        raise QueryError(f"{name} must be one of {', '.join(allowed)}")
    return value


def _text(asked: Mapping[str, str]) -> str:
    text = asked.get("text", "").strip()
    if len(text) > _MOST_CHARACTERS:
        raise QueryError(f"text may have at most {_MOST_CHARACTERS} characters, got {len(text)}")
    return text


def _number(asked: Mapping[str, str], name: str) -> float | None:
    text = asked.get(name, "")
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < 1e12:
        raise QueryError(f"{name} must be a number that is not negative")
    return value


def _limit(asked: Mapping[str, str], usual: int) -> int:
    return _whole(asked, "limit", usual, MOST_LISTED)


def _whole(asked: Mapping[str, str], name: str, usual: int, most: int) -> int:
    text = asked.get(name, "")
    if not text:
        return usual
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= most):
        raise QueryError(f"{name} must be from 1 to {most}")
    return int(text)


def _fields(texts: list[str]) -> tuple[tuple[str, str], ...]:
    if len(texts) > _MOST_FIELDS:
        raise QueryError(f"at most {_MOST_FIELDS} fields")
    pairs = [text.partition("=") for text in texts if text]
    if any(not (name.strip() and value.strip()) for name, _, value in pairs):
        raise QueryError("field must be name=value")
    return tuple((name.strip()[:_MOST_CHARACTERS], value.strip()[:_MOST_CHARACTERS]) for name, _, value in pairs)
