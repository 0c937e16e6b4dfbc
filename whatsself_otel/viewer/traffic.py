"""How much there was when, and how long it took."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from whatsself_otel.viewer.query import Span

_BINS: Final = 60
_SHARES: Final = (0.5, 0.95, 0.99)
_BOUNDS_MS: Final = (10, 30, 100, 300, 1_000, 3_000, 10_000, 30_000, 100_000, 300_000)


def summed(events: Sequence[tuple[float, float, bool]], span: Span) -> dict[str, Any]:
    """
    Return a histogram over time, one over duration, and percentiles.

    Args:
        events: Unix time in seconds, duration in milliseconds, whether it failed.
        span: From when to when; where it has no bound, from the first or to the last.
    """
    times = [at_s for at_s, _, _ in events]
    # Whole milliseconds around the first and the last, so that whoever asks for just that time finds both.
    from_s = span.from_s if span.from_s is not None else math.floor(min(times, default=0.0) * 1e3) / 1e3
    last_s = math.floor(max(times, default=0.0) * 1e3 + 2) / 1e3
    to_s = span.to_s if span.to_s is not None else max(last_s, time.time() if span.from_s is not None else 0.0)
    width_s = max((to_s - from_s) / _BINS, 1e-3)
    counts, failed = [0] * _BINS, [0] * _BINS
    for at_s, _, has_failed in events:
        number = max(0, min(_BINS - 1, int((at_s - from_s) / width_s)))
        counts[number] += 1
        failed[number] += has_failed
    took = sorted(took_ms for _, took_ms, _ in events)
    return {
        "from_s": from_s,
        "to_s": from_s + width_s * _BINS,
        "first_s": min(times, default=0.0),
        "counts": counts,
        "failed": failed,
        "is_cut": False,
        "total": len(events),
        "total_failed": sum(failed),
        "percentiles_ms": {f"p{share * 100:g}": _at(took, share) for share in _SHARES} if took else {},
        "durations": _durations(took),
    }


def _at(ordered: Sequence[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def _durations(took: Sequence[float]) -> list[dict[str, Any]]:
    found = [{"to_ms": bound, "count": 0} for bound in (*_BOUNDS_MS, None)]
    for each in took:
        number = next((number for number, bound in enumerate(_BOUNDS_MS) if each <= bound), len(_BOUNDS_MS))
        found[number]["count"] = int(found[number]["count"] or 0) + 1
    return found
