"""One message's story, out of the viewer's own store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from whatsself_otel.viewer.console_view import MessageStory, MetricPoint
from whatsself_otel.viewer.queries import log_rows, span_rows
from whatsself_otel.viewer.series import StoredMetrics

if TYPE_CHECKING:
    from whatsself_otel.viewer.store import Store


def tell(store: Store, trace_id: str) -> MessageStory:
    """
    Return one trace with its log lines.

    Args:
        store: Where everything arrived.
        trace_id: 32 hexadecimal digits.
    """
    return MessageStory(
        trace_id=trace_id,
        spans=[Span.FromString(row["body"]) for row in span_rows(store, trace_id)],
        logs=[LogRecord.FromString(row["body"]) for row in log_rows(store, trace_id)],
        points=[point for point in _last_points(store) if point.value],
    )


def _last_points(store: Store) -> list[MetricPoint]:
    """Return the last value of every series, sorted by name and labels."""
    metrics = StoredMetrics(store)
    traces = metrics.exemplars()
    points = [
        MetricPoint(
            name=series.name,
            labels=series.labels,
            value=series.points[-1].value,
            sum=series.points[-1].total,
            trace_ids=tuple(traces.get(series.id, ())),
        )
        for series in metrics.load(0)
    ]
    return sorted(points, key=lambda point: (point.name, sorted(point.labels.items())))
