"""How much there was when, and how long it took."""

from __future__ import annotations

import math
import time
from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from whatsself_otel.viewer.query import Span

_BINS: Final = 60
_SHARES: Final = (0.5, 0.95, 0.99)
_BOUNDS_MS: Final = (10, 30, 100, 300, 1_000, 3_000, 10_000, 30_000, 100_000, 300_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Events:
    """What there was: column by column, because one list of numbers is read far faster than many rows."""

    times_s: Sequence[float]
    """Unix time."""
    took_ms: Sequence[float]
    failed: Sequence[int]
    """1 for each that failed, else 0."""


def summed(events: Events, span: Span) -> dict[str, Any]:
    """
    Return a histogram over time, one over duration, and percentiles.

    Args:
        events: What to sum up.
        span: From when to when; where it has no bound, from the first or to the last.
    """
    times = events.times_s
    # Whole milliseconds around the first and the last, so that whoever asks for just that time finds both.
    from_s = span.from_s if span.from_s is not None else math.floor(min(times, default=0.0) * 1e3) / 1e3
    last_s = math.floor(max(times, default=0.0) * 1e3 + 2) / 1e3
    to_s = span.to_s if span.to_s is not None else max(last_s, time.time() if span.from_s is not None else 0.0)
    width_s = max((to_s - from_s) / _BINS, 1e-3)
    bins = [max(0, min(_BINS - 1, int((at_s - from_s) / width_s))) for at_s in times]
    took = sorted(events.took_ms)
    return {
        "from_s": from_s,
        "to_s": from_s + width_s * _BINS,
        "first_s": min(times, default=0.0),
        "counts": _counts(bins),
        "failed": _counts([number for number, failed in zip(bins, events.failed, strict=True) if failed]),
        "is_cut": False,
        "total": len(times),
        "total_failed": sum(events.failed),
        "percentiles_ms": {f"p{share * 100:g}": _at(took, share) for share in _SHARES} if took else {},
        "durations": _durations(took),
    }


def _counts(bins: Sequence[int]) -> list[int]:
    found = Counter(bins)
    return [found[number] for number in range(_BINS)]


def _at(ordered: Sequence[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def _durations(ordered: Sequence[float]) -> list[dict[str, Any]]:
    ends = [0, *(bisect_right(ordered, bound) for bound in _BOUNDS_MS), len(ordered)]
    counts = (end - begin for begin, end in pairwise(ends))
    return [{"to_ms": bound, "count": count} for bound, count in zip((*_BOUNDS_MS, None), counts, strict=True)]
