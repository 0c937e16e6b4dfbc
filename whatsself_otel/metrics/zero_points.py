"""
Export a zero point at the start of each new cumulative series, so that its first event is not lost.

Prometheus computes an increase from two samples. A new series that starts with a value has only one, so its first event
would never show (prometheus/prometheus#14600, opentelemetry-specification#4184).
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    ExponentialHistogram,
    ExponentialHistogramDataPoint,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)

from whatsself_otel.messages import OwnLogger
from whatsself_otel.metrics.metric_masking import with_points
from whatsself_otel.metrics.prometheus_names import prometheus_labels
from whatsself_otel.processes.forks import run_in_child
from whatsself_otel.remembered import ByIdentity

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_logger: Final = OwnLogger(__name__)

_MILLISECOND_NS: Final = 1_000_000
"""Prometheus' resolution: the zero point must lie at least this far before the first value."""

Point = NumberDataPoint | HistogramDataPoint | ExponentialHistogramDataPoint


class ZeroPoints:
    """
    Adds a zero point before the first value of each cumulative series.

    A series gets it with the first export that may have reached the receiver, whatever the answer was. A second zero
    point, after a value that arrived, would make Prometheus count all events again.

    Args:
        max_series: Series remembered, about 100 bytes each; those past it get no zero point, which is said once.
        max_age_s: How far before the first value a zero point may lie, well inside a backend's out-of-order window.
    """

    def __init__(self, *, max_series: int = 50_000, max_age_s: float = 60.0) -> None:
        self._max_series = max_series
        self._max_age_ns = int(max_age_s * 1e9)
        self._is_full = False
        self._series = ByIdentity[Any, int](_hash_of)
        self._begin()
        run_in_child(self._begin)

    def _begin(self) -> None:
        self._born: set[int] = set()
        self._newborn: set[int] = set()
        self._newest_ns = 0
        self._last_export_ns = 0

    def add(self, data: MetricsData) -> MetricsData:
        """Return *data* with a zero point for each new series."""
        self._series.begin_round()
        self._newborn = set()
        self._newest_ns = 0
        zero_points = {
            id(metric): points
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if (points := list(self._of_metric(metric, scope)))
        }
        return _with_more_points(data, zero_points) if zero_points else data

    def settle(self, *, may_have_arrived: bool) -> None:
        """Take the result of the export of the last `add`'s data."""
        if may_have_arrived:
            self._born |= self._newborn
            self._last_export_ns = self._newest_ns
        self._newborn = set()

    def _of_metric(self, metric: Metric, scope: ScopeMetrics) -> Iterator[Point]:
        points: Any = metric.data.data_points
        if not points:
            return
        self._newest_ns = max(self._newest_ns, points[0].time_unix_nano)
        if not _is_cumulative(metric.data):
            return
        of_metric = hash((scope.scope.name, scope.scope.version, metric.name))
        for point in points:
            key = hash((of_metric, self._series.get(point.attributes)))
            if key not in self._born and self._has_room():
                self._newborn.add(key)
                if not _is_zero(point) and (zero := self._zero_point(point)) is not None:
                    yield zero

    def _has_room(self) -> bool:
        if len(self._born) + len(self._newborn) < self._max_series:
            return True
        if not self._is_full:
            self._is_full = True
            _logger.warning(
                "whatsself_otel exports more than %d metric series; the first event of further ones may not show as an "
                "increase. Look for an identifier among metric attributes.",
                self._max_series,
            )
        return False

    def _zero_point(self, point: Point) -> Point | None:
        """Return the zero point before *point*, or None if the last export was later: the clock was set back."""
        if self._last_export_ns > point.time_unix_nano:
            return None
        birth_ns = max(point.start_time_unix_nano or 0, self._last_export_ns, point.time_unix_nano - self._max_age_ns)
        time_ns = min(birth_ns, point.time_unix_nano - _MILLISECOND_NS)
        start_ns = min(point.start_time_unix_nano or time_ns, time_ns)
        return dataclasses.replace(
            point, time_unix_nano=time_ns, start_time_unix_nano=start_ns, exemplars=[], **_zero_values(point)
        )


def _with_more_points(data: MetricsData, more: Mapping[int, list[Any]]) -> MetricsData:
    def of_metric(metric: Metric) -> Metric:
        if id(metric) not in more:
            return metric
        points = [*more[id(metric)], *metric.data.data_points]
        return Metric(metric.name, metric.description, metric.unit, with_points(metric.data, points))

    def of_scope(scope: ScopeMetrics) -> ScopeMetrics:
        return ScopeMetrics(scope.scope, [of_metric(metric) for metric in scope.metrics], scope.schema_url)

    def of_resource(resource: ResourceMetrics) -> ResourceMetrics:
        scopes = [of_scope(scope) for scope in resource.scope_metrics]
        return ResourceMetrics(resource.resource, scopes, resource.schema_url)

    return MetricsData([of_resource(resource) for resource in data.resource_metrics])


def _is_cumulative(data: Any) -> bool:
    if isinstance(data, Sum) and not data.is_monotonic:
        return False
    cumulative = AggregationTemporality.CUMULATIVE
    return isinstance(data, Sum | Histogram | ExponentialHistogram) and data.aggregation_temporality is cumulative


def _is_zero(point: Point) -> bool:
    return (point.value if isinstance(point, NumberDataPoint) else point.count) == 0


def _hash_of(attributes: Mapping[str, Any] | None) -> int:
    return hash(frozenset(prometheus_labels(attributes or {}).items()))


def _zero_values(point: Point) -> dict[str, Any]:
    if isinstance(point, NumberDataPoint):
        return {"value": 0}
    empty: dict[str, Any] = {"count": 0, "sum": 0, "min": None, "max": None}
    if isinstance(point, HistogramDataPoint):
        return {**empty, "bucket_counts": [0] * len(point.bucket_counts)}
    none = dataclasses.replace(point.positive, offset=0, bucket_counts=[])
    return {**empty, "zero_count": 0, "positive": none, "negative": none}
