"""
No first event is lost: every new cumulative series is exported with a zero point at its birth.

Prometheus computes an increase from two samples; a series born with a value has one, so its first event would never
show (prometheus/prometheus#14600, opentelemetry-specification#4184).
"""

from __future__ import annotations

import dataclasses
import os
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    ExponentialHistogram,
    ExponentialHistogramDataPoint,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricExporter,
    MetricExportResult,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)

from whatsself_otel.messages import OwnLogger
from whatsself_otel.metric_export import preferences_of

if TYPE_CHECKING:
    from collections.abc import Iterable

_logger: Final = OwnLogger(__name__)

_MILLISECOND_NS: Final = 1_000_000
"""Prometheus' resolution: the zero point must lie at least this far before the first value."""

Point = NumberDataPoint | HistogramDataPoint | ExponentialHistogramDataPoint


class BirthExporter(MetricExporter):
    """
    Adds a zero point to the first export of each cumulative series, then hands everything to *exporter*.

    A series counts as born once an export that held it has succeeded.

    Args:
        exporter: Who sends.
        max_series: Series remembered, about 100 bytes each; those past it get no zero point, which is said once.
        max_age_s: How far before the first value a zero point may lie, well inside a backend's out-of-order window.
    """

    def __init__(self, exporter: MetricExporter, *, max_series: int = 50_000, max_age_s: float = 60.0) -> None:
        super().__init__(*preferences_of(exporter))
        self.preferences = preferences_of(exporter)
        self._exporter = exporter
        self._max_series = max_series
        self._max_age_ns = int(max_age_s * 1e9)
        self._born: set[int] = set()
        self._pid = os.getpid()
        self._full = False

    def export(self, metrics_data: MetricsData, timeout_millis: float = 10_000, **kwargs: Any) -> MetricExportResult:
        """Export with the zero points of what is new."""
        if self._pid != os.getpid():
            self._born, self._pid = set(), os.getpid()
        newborn: set[int] = set()
        complete = self._with_zero_points(metrics_data, newborn)
        result = self._exporter.export(complete, timeout_millis=timeout_millis, **kwargs)
        if result is MetricExportResult.SUCCESS:
            self._born |= newborn
        return result

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        """Flush the exporter."""
        return self._exporter.force_flush(timeout_millis)

    def shutdown(self, timeout_millis: float = 30_000, **kwargs: Any) -> None:
        """End the exporter."""
        self._exporter.shutdown(timeout_millis, **kwargs)

    def _with_zero_points(self, data: MetricsData, newborn: set[int]) -> MetricsData:
        def in_scope(scope: ScopeMetrics) -> ScopeMetrics:
            prefix = (scope.scope.name, scope.scope.version)
            return dataclasses.replace(
                scope, metrics=[self._metric(metric, prefix, newborn) for metric in scope.metrics]
            )

        def in_resource(resource: ResourceMetrics) -> ResourceMetrics:
            return dataclasses.replace(resource, scope_metrics=[in_scope(scope) for scope in resource.scope_metrics])

        return MetricsData(resource_metrics=[in_resource(resource) for resource in data.resource_metrics])

    def _metric(self, metric: Metric, scope: tuple[str, str | None], newborn: set[int]) -> Metric:
        if not _is_cumulative(metric):
            return metric
        zero_points = []
        for point in metric.data.data_points:
            key = _key((*scope, metric.name), point)
            if key not in self._born and self._has_room(newborn):
                newborn.add(key)
                if not _is_zero(point):
                    zero_points.append(self._zero_point(point))
        if not zero_points:
            return metric
        points: Any = [*zero_points, *metric.data.data_points]
        return dataclasses.replace(metric, data=dataclasses.replace(metric.data, data_points=points))

    def _has_room(self, newborn: set[int]) -> bool:
        if len(self._born) + len(newborn) < self._max_series:
            return True
        if not self._full:
            self._full = True
            _logger.warning(
                "whatsself_otel exports more than %d metric series; the first event of further ones may not show as an "
                "increase. Look for an identifier among metric attributes.",
                self._max_series,
            )
        return False

    def _zero_point(self, point: Point) -> Point:
        earliest_ns = max(point.start_time_unix_nano or 0, point.time_unix_nano - self._max_age_ns)
        time_ns = min(earliest_ns, point.time_unix_nano - _MILLISECOND_NS)
        start_ns = min(point.start_time_unix_nano or time_ns, time_ns)
        return dataclasses.replace(
            point, time_unix_nano=time_ns, start_time_unix_nano=start_ns, exemplars=[], **_zero_values(point)
        )


def _is_cumulative(metric: Metric) -> bool:
    data = metric.data
    if isinstance(data, Sum) and not data.is_monotonic:
        return False
    cumulative = AggregationTemporality.CUMULATIVE
    return isinstance(data, Sum | Histogram | ExponentialHistogram) and data.aggregation_temporality is cumulative


def _is_zero(point: Point) -> bool:
    return (point.value if isinstance(point, NumberDataPoint) else point.count) == 0


def _key(metric: Iterable[str | None], point: Point) -> int:
    attributes = point.attributes or {}
    return hash((*metric, *sorted((name, type(value).__name__, str(value)) for name, value in attributes.items())))


def _zero_values(point: Point) -> dict[str, Any]:
    if isinstance(point, NumberDataPoint):
        return {"value": 0}
    empty: dict[str, Any] = {"count": 0, "sum": 0, "min": None, "max": None}
    if isinstance(point, HistogramDataPoint):
        return {**empty, "bucket_counts": [0] * len(point.bucket_counts)}
    none = dataclasses.replace(point.positive, offset=0, bucket_counts=[])
    return {**empty, "zero_count": 0, "positive": none, "negative": none}
