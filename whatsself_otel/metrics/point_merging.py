"""Merge two data points of one series: add their values, or keep the newer one."""

from __future__ import annotations

import dataclasses
from collections import Counter
from typing import Any, Final

from opentelemetry.sdk.metrics.export import (
    ExponentialHistogramDataPoint,
    HistogramDataPoint,
    NumberDataPoint,
)

MAX_BUCKETS: Final = 160
"""Buckets of one sign that an exponential histogram may have, the SDK's default."""


def merge_points(first: Any, second: Any, *, is_gauge: bool) -> Any:
    """
    Return one point for two points of the same series.

    Args:
        first: A data point; its attributes stay.
        second: Another of the same metric.
        is_gauge: The value of the newer point counts, instead of the sum of both.

    Raises:
        ValueError: If the points are of two kinds, or their buckets have other bounds.
    """
    if type(first) is not type(second):
        raise ValueError("two kinds of points")
    if is_gauge:
        newer = first if first.time_unix_nano > second.time_unix_nano else second
        return dataclasses.replace(newer, attributes=first.attributes)
    if isinstance(first, NumberDataPoint):
        return _both(first, second, value=first.value + second.value)
    if isinstance(first, HistogramDataPoint):
        return _merge_histograms(first, second)
    return _merge_exponential(first, second)


def _both(first: Any, second: Any, **changes: Any) -> Any:
    """Return *first* with the common fields of both, and with *changes*."""
    return dataclasses.replace(
        first,
        start_time_unix_nano=min(first.start_time_unix_nano, second.start_time_unix_nano),
        time_unix_nano=max(first.time_unix_nano, second.time_unix_nano),
        exemplars=[*first.exemplars, *second.exemplars],
        **changes,
    )


def _totals(first: Any, second: Any) -> dict[str, Any]:
    return {
        "count": first.count + second.count,
        "sum": first.sum + second.sum,
        "min": _least(first.min, second.min),
        "max": _most(first.max, second.max),
    }


def _least(first: float | None, second: float | None) -> float | None:
    return second if first is None else first if second is None else min(first, second)


def _most(first: float | None, second: float | None) -> float | None:
    return second if first is None else first if second is None else max(first, second)


def _merge_histograms(first: HistogramDataPoint, second: HistogramDataPoint) -> Any:
    if list(first.explicit_bounds) != list(second.explicit_bounds):
        raise ValueError("other bounds")
    counts = [one + other for one, other in zip(first.bucket_counts, second.bucket_counts, strict=True)]
    return _both(first, second, bucket_counts=counts, **_totals(first, second))


def _merge_exponential(first: ExponentialHistogramDataPoint, second: ExponentialHistogramDataPoint) -> Any:
    """Bring both to one scale, as coarse as needed: bucket ``i`` lies in ``i >> 1`` of the next coarser scale."""
    scale = min(first.scale, second.scale)
    shifts = first.scale - scale, second.scale - scale
    positive = _add_buckets((first.positive, second.positive), shifts)
    negative = _add_buckets((first.negative, second.negative), shifts)
    while max(_width(positive), _width(negative)) > MAX_BUCKETS:
        scale -= 1
        positive, negative = _coarser(positive), _coarser(negative)
    return _both(
        first,
        second,
        scale=scale,
        zero_count=first.zero_count + second.zero_count,
        positive=_listed(first.positive, positive),
        negative=_listed(first.negative, negative),
        **_totals(first, second),
    )


def _add_buckets(both: tuple[Any, Any], shifts: tuple[int, int]) -> Counter[int]:
    counts: Counter[int] = Counter()
    for buckets, shift in zip(both, shifts, strict=True):
        for position, count in enumerate(buckets.bucket_counts):
            if count:
                counts[(buckets.offset + position) >> shift] += count
    return counts


def _width(counts: Counter[int]) -> int:
    return max(counts) - min(counts) + 1 if counts else 0


def _coarser(counts: Counter[int]) -> Counter[int]:
    coarse: Counter[int] = Counter()
    for index, count in counts.items():
        coarse[index >> 1] += count
    return coarse


def _listed(buckets: Any, counts: Counter[int]) -> Any:
    """Return *counts* in the form of *buckets*."""
    first = min(counts, default=0)
    listed = [counts[first + position] for position in range(_width(counts))]
    return dataclasses.replace(buckets, offset=first, bucket_counts=listed)
