"""The viewer's own store, asked as every other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, LogsData
from opentelemetry.proto.trace.v1.trace_pb2 import Span, TracesData

from whatsself_otel.viewer import log_queries, queries
from whatsself_otel.viewer.series import StoredMetrics

if TYPE_CHECKING:
    from whatsself_otel.viewer.query import LogQuery, Page, TraceQuery
    from whatsself_otel.viewer.series import MetricSource
    from whatsself_otel.viewer.store import Store


class OwnSource:
    """
    The viewer's own store.

    Args:
        store: Where everything arrived.
    """

    name = "viewer"

    def __init__(self, store: Store) -> None:
        self._store = store
        self.metrics: MetricSource = StoredMetrics(store)

    @property
    def version(self) -> int:
        """Grows with everything that arrives."""
        return self._store.version

    def traces(self, query: TraceQuery) -> Page:
        """Return the traces that *query* asks for."""
        return queries.traces(self._store, query)

    def traffic(self, query: TraceQuery) -> dict[str, Any]:
        """Return when there were how many of them, and how long they took."""
        return queries.traffic(self._store, query)

    def choices(self) -> dict[str, list[str]]:
        """Return what traces can be narrowed down by."""
        return queries.choices(self._store)

    def find(self, value: str) -> list[dict[str, Any]]:
        """Return the traces that have the id *value*, newest first."""
        return queries.find(self._store, value)

    def trace(self, trace_id: str) -> dict[str, Any] | None:
        """Return one trace with its log lines; None when it is unknown."""
        return queries.trace(self._store, trace_id)

    def raw(self, trace_id: str) -> tuple[TracesData, LogsData]:
        """Return one trace and its log lines as they came."""
        traces, logs = TracesData(), LogsData()
        for row in queries.span_rows(self._store, trace_id):
            owner = traces.resource_spans.add()
            owner.resource.ParseFromString(row["resource"])
            scope = owner.scope_spans.add()
            scope.scope.name = row["scope"]
            scope.spans.append(Span.FromString(row["body"]))
        for row in queries.log_rows(self._store, trace_id):
            holder = logs.resource_logs.add()
            holder.resource.ParseFromString(row["resource"])
            lines = holder.scope_logs.add()
            lines.scope.name = row["scope"]
            lines.log_records.append(LogRecord.FromString(row["body"]))
        return traces, logs

    def logs(self, query: LogQuery) -> Page:
        """Return the log lines that *query* asks for."""
        return log_queries.logs(self._store, query)

    def usage(self) -> dict[str, Any] | None:
        """Return the store's size and its limits."""
        return queries.usage(self._store)
