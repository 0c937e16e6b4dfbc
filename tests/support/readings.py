"""Read an SDK reader's collection in the form that tests compare."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader, MetricsData

Labels = tuple[tuple[str, Any], ...]


def labels(**attributes: Any) -> Labels:
    return tuple(sorted(attributes.items()))


def read_points(data: MetricsData | None) -> dict[str, dict[Labels, Any]]:
    """Metric name -> attributes -> last data point."""
    return {
        metric.name: {tuple(sorted((point.attributes or {}).items())): point for point in metric.data.data_points}
        for resource in (data.resource_metrics if data else ())
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }


def read_values(reader: InMemoryMetricReader) -> dict[str, dict[Labels, Any]]:
    """Metric name -> attributes -> value, a histogram's being (count, sum)."""
    return {
        name: {
            key: point.value if hasattr(point, "value") else (point.count, point.sum) for key, point in series.items()
        }
        for name, series in read_points(reader.get_metrics_data()).items()
    }
