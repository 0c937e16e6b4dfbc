"""Business hours: one setting for reply waits, alert routes and displays."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Final, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterator

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY_MINUTES: Final = 1440
FORM: Final = "mon-fri 09:00-18:00; sat 09:00-13:00"
_TIME: Final = r"([01]\d|2[0-3]):([0-5]\d)|(24):(00)"
_SPAN: Final = re.compile(rf"(?:(\w{{3}})(?:-(\w{{3}}))? )?((?:{_TIME}))-((?:{_TIME}))")


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenSpan:
    """Some minutes of one day of the week; a night that crosses midnight is two of them."""

    day: int
    """0 is Monday."""
    start: int
    """Minutes since midnight."""
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BusinessHours:
    """When a business answers. Make one by `parse`."""

    spans: tuple[OpenSpan, ...]
    time_zone: str
    holidays: frozenset[date] = frozenset()

    @classmethod
    def parse(cls, hours: str, time_zone: str, holidays: str = "") -> Self:
        """
        Read the three settings.

        Args:
            hours: Times, for Monday to Friday or for the days before them: ``09:00-18:00`` or
                ``mon-fri 09:00-18:00; sat 09:00-13:00``. ``fri-sat 20:00-02:00`` ends on the next day.
            time_zone: An IANA name, for example ``America/Sao_Paulo``.
            holidays: Days on which the business is closed: ``2026-12-25,2027-01-01``.

        Raises:
            ValueError: One of them is wrong; the text names it.
        """
        try:
            ZoneInfo(time_zone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError(f"TIMEZONE must be like America/Sao_Paulo, got {time_zone!r}.") from error
        try:
            closed = frozenset(date.fromisoformat(day.strip()) for day in holidays.split(",") if day.strip())
        except ValueError as error:
            raise ValueError(f"HOLIDAYS must be days like 2026-12-25, by commas, got {holidays!r}.") from error
        spans = tuple(span for part in hours.split(";") for span in _read(part.strip(), hours))
        return cls(spans=spans, time_zone=time_zone, holidays=closed)

    def is_open(self, at: float) -> bool:
        """Return whether the business is open at that moment, in seconds since the epoch."""
        now = datetime.fromtimestamp(at, UTC).astimezone(ZoneInfo(self.time_zone))
        minute = now.hour * 60 + now.minute
        return now.date() not in self.holidays and any(
            span.day == now.weekday() and span.start <= minute < span.end for span in self.spans
        )


def _read(part: str, hours: str) -> Iterator[OpenSpan]:
    match = _SPAN.fullmatch(part.lower())
    first, last = (match[1] or "mon", match[2] or match[1] or "fri") if match else ("", "")
    if match is None or first not in DAYS or last not in DAYS:
        raise ValueError(f"BUSINESS_HOURS must be like {FORM!r}, got {hours!r}.")
    start, end = (60 * int(text[:2]) + int(text[3:]) for text in (match[3], match[8]))
    if start in {end, DAY_MINUTES}:
        raise ValueError(f"BUSINESS_HOURS must not begin and end at once, got {hours!r}.")
    count = (DAYS.index(last) - DAYS.index(first)) % 7 + 1
    for day in ((DAYS.index(first) + more) % 7 for more in range(count)):
        if start < end:
            yield OpenSpan(day=day, start=start, end=end)
            continue
        yield OpenSpan(day=day, start=start, end=DAY_MINUTES)
        if end:
            yield OpenSpan(day=(day + 1) % 7, start=0, end=end)


def clock(minutes: int) -> str:
    """Return minutes since midnight as a time of day."""
    return f"{minutes // 60:02}:{minutes % 60:02}"
