"""What every store answers, the viewer's own and those of the real stack, so that one page shows them all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from opentelemetry.proto.logs.v1.logs_pb2 import LogsData
    from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

    from whatsself_otel.viewer.query import LogQuery, Page, TraceQuery
    from whatsself_otel.viewer.series import MetricSource


class Source(Protocol):
    """
    Where telemetry can be read.

    Raises:
        SourceError: A store of it does not answer.
    """

    @property
    def name(self) -> str:
        """What to call it."""

    @property
    def version(self) -> int:
        """A number that changes when something may have arrived."""

    @property
    def metrics(self) -> MetricSource:
        """Its metrics."""

    def traces(self, query: TraceQuery) -> Page:
        """Return the traces that *query* asks for."""

    def traffic(self, query: TraceQuery) -> dict[str, Any]:
        """Return when there were how many of them, and how long they took."""

    def choices(self) -> dict[str, list[str]]:
        """Return what traces can be narrowed down by."""

    def find(self, value: str) -> list[dict[str, Any]]:
        """Return the traces that have the id *value*, newest first."""

    def trace(self, trace_id: str) -> dict[str, Any] | None:
        """Return one trace with its log lines; None when it is unknown."""

    def raw(self, trace_id: str) -> tuple[TracesData, LogsData]:
        """Return one trace and its log lines as OTLP."""

    def logs(self, query: LogQuery) -> Page:
        """Return the log lines that *query* asks for."""

    def usage(self) -> dict[str, Any] | None:
        """Return size and limits of the store; None for stores of the stack."""
