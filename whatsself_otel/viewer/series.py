"""Metrics as a page draws them, and sums over stored points."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from whatsself_otel.catalogue import METRICS, Aggregation, Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from whatsself_otel.viewer.store import Store

_SHOWN_METRICS: Final = 200
_SHOWN_SERIES: Final = 8
_BINS: Final = 60
_SPECS: Final = {spec.prometheus_name: spec for spec in METRICS}
_AREAS: Final = (
    ("messages", ("message", "delivery_", "first_response")),
    ("queue", ("queue_", "rate_", "cb_")),
    ("whatsapp", ("whatsapp_", "webhook_", "calls_")),
    ("flows", ("trigger_", "flow_", "contact_", "business_")),
    ("bridge", ("bridge_",)),
    ("application", ("http_", "process_", "event_loop", "db_", "nodejs_")),
    ("telemetry", ("telemetry_",)),
)
_ORDER: Final = {name: number for number, name in enumerate(_SPECS)}


class Point(NamedTuple):
    """One value of one series."""

    time_s: float
    value: float
    total: float | None
    buckets: str | None


@dataclass(slots=True, kw_only=True)
class Series:
    """One series of one instance, with the points of the window."""

    id: int
    name: str
    kind: str
    unit: str
    labels: dict[str, str]
    points: list[Point] = field(default_factory=list)
    """In order of time."""

    def increase(self) -> float:
        """Return how much a counter has grown, over restarts too; the value it was born with is not counted."""
        return sum(_grown(earlier.value, later.value) for earlier, later in pairwise(self.points))

    def increase_within(self, bound: float) -> float:
        """Return how many observations of a histogram were at most *bound*."""
        counts = [_within(json.loads(point.buckets), bound) for point in self.points if point.buckets]
        return sum(_grown(earlier, later) for earlier, later in pairwise(counts))


class MetricSource(Protocol):
    """Where series can be read."""

    @property
    def kept_s(self) -> float:
        """How far back they reach, in seconds."""

    def load(self, since_s: float, name: str | None = None) -> list[Series]:
        """
        Return every series with its points, in order of time.

        Args:
            since_s: Unix time of the first point.
            name: Only of this metric, as Prometheus has it.
        """

    def exemplars(self) -> dict[int, list[str]]:
        """Return the traces that each series leads to, newest first, as far as they are kept."""

    def firing(self) -> list[dict[str, Any]] | None:
        """Return the alerts that fire (name, severity, session, since_s); None in a store without alerts."""


class StoredMetrics:
    """
    The series of the viewer's own store.

    Args:
        store: Where to look.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    @property
    def kept_s(self) -> float:
        """How far back they reach, in seconds."""
        return self._store.retention.age_s

    def load(self, since_s: float, name: str | None = None) -> list[Series]:
        """Return every series with its points; see `MetricSource`."""
        found = {
            row["id"]: Series(
                id=row["id"], name=row["name"], kind=row["kind"], unit=row["unit"], labels=json.loads(row["labels"])
            )
            for row in self._store.read("SELECT * FROM series WHERE ?1 IS NULL OR name = ?1", (name,))
        }
        columns = "series, time_s, value, total, buckets"
        where = "time_s >= ?1 AND (?2 IS NULL OR series IN (SELECT id FROM series WHERE name = ?2))"
        statement = f"SELECT {columns} FROM points WHERE {where} ORDER BY time_s"  # noqa: S608 - constants
        for row in self._store.read(statement, (since_s, name)):
            if row["series"] in found:
                found[row["series"]].points.append(Point(*row[1:]))
        return [series for series in found.values() if series.points]

    def exemplars(self) -> dict[int, list[str]]:
        """Return the traces that each series leads to; see `MetricSource`."""
        found: dict[int, list[str]] = defaultdict(list)
        known = "trace_id IN (SELECT trace_id FROM traces)"
        statement = f"SELECT series, trace_id FROM exemplars WHERE {known} ORDER BY time_s DESC"  # noqa: S608
        for row in self._store.read(statement):
            found[row["series"]].append(row["trace_id"])
        return found

    def firing(self) -> None:
        """Return None: this store has no alerts."""
        return


def metrics(source: MetricSource, now_s: float, window_s: float) -> list[dict[str, Any]]:
    """
    Return every metric ready to be drawn, the catalogue's own first.

    Instances are brought together as the catalogue says: sums, or the largest or smallest. Counters and histograms are
    drawn as what came in each bin, gauges as what they were at its end.
    """
    by_name: dict[str, list[Series]] = defaultdict(list)
    for series in source.load(now_s - window_s - window_s / _BINS):
        by_name[series.name].append(series)
    names = sorted(by_name, key=lambda name: (_ORDER.get(name, len(_ORDER)), name))
    traces = source.exemplars()
    return [_metric(name, by_name[name], now_s, window_s, traces) for name in names[:_SHOWN_METRICS]]


def area_of(name: str) -> str:
    """Return the area of a metric, by its name in Prometheus."""
    return next((area for area, beginnings in _AREAS if name.startswith(beginnings)), "other")


def quantile(found: Sequence[Series], share: float) -> float | None:
    """Return what *share* of a histogram's observations within the points' time did not exceed; None without any."""
    bounds: list[float] = []
    counts: list[float] = []
    for series in found:
        for earlier, later in pairwise(series.points):
            if not (earlier.buckets and later.buckets):
                continue
            before, (bounds, after) = json.loads(earlier.buckets)[1], json.loads(later.buckets)
            grown = [b - a if later.value >= earlier.value else b for a, b in zip(before, after, strict=False)]
            counts = [a + b for a, b in zip(counts or [0.0] * len(grown), grown, strict=False)]
    total, reached, lower = sum(counts), 0.0, 0.0
    if not total:
        return None
    for upper, count in zip(bounds, counts, strict=False):
        if count and reached + count >= share * total:
            return lower + (upper - lower) * (share * total - reached) / count
        reached, lower = reached + count, upper
    return lower


def _metric(
    name: str, found: list[Series], now_s: float, window_s: float, traces: Mapping[int, list[str]]
) -> dict[str, Any]:
    spec, first = _SPECS.get(name), found[0]
    groups: dict[str, list[Series]] = defaultdict(list)
    for series in found:
        groups[json.dumps(series.labels)].append(series)
    aggregation = spec.aggregation if spec else (Aggregation.MAX if first.kind == Kind.GAUGE else Aggregation.SUM)
    rows = [_row(group, aggregation, now_s, window_s) for group in groups.values()]
    rows.sort(key=lambda row: (-row["now"], str(row["labels"])))
    return {
        "name": name,
        "area": area_of(name),
        "kind": first.kind,
        "unit": first.unit,
        "across": aggregation if aggregation is not Aggregation.RECOMPUTE else Aggregation.MAX,
        "description": {"en": spec.description.en, "pt": spec.description.pt} if spec else None,
        "series": rows[:_SHOWN_SERIES],
        "more": max(0, len(rows) - _SHOWN_SERIES),
        "traceIds": list(dict.fromkeys(trace for series in found for trace in traces.get(series.id, [])))[:3],
    }


def _row(group: list[Series], aggregation: Aggregation, now_s: float, window_s: float) -> dict[str, Any]:
    is_gauge = group[0].kind == Kind.GAUGE
    bins = [_binned(series, now_s, window_s, is_gauge=is_gauge) for series in group]
    merged = [_merge((each[number] for each in bins), aggregation) for number in range(_BINS)]
    last = [series.points[-1] for series in group if now_s - series.points[-1].time_s < window_s]
    row: dict[str, Any] = {"labels": group[0].labels, "bins": merged}
    row["now"] = _merge((point.value for point in last), aggregation) or 0.0
    if group[0].kind == Kind.HISTOGRAM:
        row["sum"] = sum(point.total or 0.0 for point in last)
        row["p50"], row["p95"] = quantile(group, 0.5), quantile(group, 0.95)
    return row


def _binned(series: Series, now_s: float, window_s: float, *, is_gauge: bool) -> list[float | None]:
    width_s, start_s = window_s / _BINS, now_s - window_s
    bins: list[float | None] = [None] * _BINS
    before: float | None = None
    for time_s, value, *_ in series.points:
        number = min(_BINS - 1, int((time_s - start_s) // width_s))
        grown = None if before is None else _grown(before, value)
        before = value
        if number < 0:
            continue
        if is_gauge:
            bins[number] = value
        elif grown is not None:
            bins[number] = (bins[number] or 0.0) + grown
    return bins


def _merge(values: Iterable[float | None], aggregation: Aggregation) -> float | None:
    there = [value for value in values if value is not None]
    if not there:
        return None
    if aggregation is Aggregation.SUM:
        return sum(there)
    return min(there) if aggregation is Aggregation.MIN else max(there)


def _grown(earlier: float, later: float) -> float:
    # A counter that is smaller than before has begun anew.
    return later - earlier if later >= earlier else later


def _within(buckets: list[list[float]], bound: float) -> float:
    bounds, counts = buckets
    return sum(count for upper, count in zip(bounds, counts, strict=False) if upper <= bound)
