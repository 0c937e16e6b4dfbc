"""
Test doubles for applications: telemetry in memory, masked as it would leave, with predictable ids.

    with record_telemetry() as recorded:
        ...
        assert recorded.counter("messages.outbound", origin="reply") == 1
        recorded.assert_no_pii()

As a pytest fixture: ``pytest_plugins = ["whatsself_otel.pytest_plugin"]`` and an argument ``recorded_telemetry``.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from opentelemetry.sdk.metrics.export import MetricsData
from opentelemetry.sdk.trace.id_generator import IdGenerator

from whatsself_otel.config import TelemetryConfig
from whatsself_otel.export.exporters import Exporters
from whatsself_otel.export.otlp import ExportResult
from whatsself_otel.handle import HANDLE
from whatsself_otel.masking.audit import Leak, PiiError, assert_no_pii, find_pii
from whatsself_otel.setup import Telemetry, run

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Sequence

    from opentelemetry.sdk._logs import ReadableLogRecord
    from opentelemetry.sdk.trace import ReadableSpan

    from whatsself_otel.export.metric_exporter import Preferences
    from whatsself_otel.metrics.metric_masking import Losses

__all__ = [
    "Leak",
    "PiiError",
    "RecordedTelemetry",
    "SequentialIds",
    "assert_no_pii",
    "find_pii",
    "record_telemetry",
]

_T = TypeVar("_T")


class SequentialIds(IdGenerator):
    """Trace and span ids 1, 2, 3, …, so that whole records can be compared."""

    def __init__(self) -> None:
        self._spans = 0
        self._traces = 0

    def generate_span_id(self) -> int:
        """Return the next span id."""
        self._spans += 1
        return self._spans

    def generate_trace_id(self) -> int:
        """Return the next trace id."""
        self._traces += 1
        return self._traces


class RecordedTelemetry:
    """
    The spans, logs and metrics that an application emitted, masked as a collector would receive them.

    Each property flushes first, so that a test sees what happened up to this line.

    Args:
        telemetry: The running telemetry.
        items: What it has sent.
    """

    def __init__(self, telemetry: Telemetry, items: _Memory) -> None:
        self.telemetry = telemetry
        self._items = items

    @property
    def spans(self) -> list[ReadableSpan]:
        """The finished spans, in order of their end."""
        self._flush()
        return list(self._items.spans.items)

    @property
    def logs(self) -> list[ReadableLogRecord]:
        """The log records, in the order of writing."""
        self._flush()
        return list(self._items.logs.items)

    @property
    def metrics(self) -> MetricsData:
        """The latest values of all metrics."""
        self._flush()
        return self._items.metrics.latest

    def counter(self, name: str, **attributes: str) -> float:
        """
        Return the value of a counter or gauge, summed over the series that have all of *attributes*.

        Args:
            name: OpenTelemetry name, as in ``docs/metrics.md``.
            attributes: Attributes a series must have.
        """
        return float(sum(point.value for point in self._points(name, attributes)))

    def count(self, name: str, **attributes: str) -> int:
        """
        Return how many values a histogram holds, summed over the series that have all of *attributes*.

        Args:
            name: OpenTelemetry name, as in ``docs/metrics.md``.
            attributes: Attributes a series must have.
        """
        return sum(point.count for point in self._points(name, attributes))

    def assert_no_pii(self, canaries: Iterable[str] = ()) -> None:
        """
        Fail if anything personal was emitted.

        Args:
            canaries: Texts of your own that must not appear either.

        Raises:
            PiiError: With class and place of each find, never the value.
        """
        assert_no_pii([*self.spans, *self.logs, self.metrics], canaries=canaries)

    def _points(self, name: str, attributes: dict[str, str]) -> list[Any]:
        latest: dict[Any, Any] = {}  # the zero point of a new series stands before its first value
        for metric in self._metrics_called(name):
            latest |= {frozenset((point.attributes or {}).items()): point for point in metric.data.data_points}
        return [point for key, point in latest.items() if attributes.items() <= dict(key).items()]

    def _metrics_called(self, name: str) -> list[Any]:
        scopes = [scope for resource in self.metrics.resource_metrics for scope in resource.scope_metrics]
        return [metric for scope in scopes for metric in scope.metrics if metric.name == name]

    def _flush(self) -> None:
        self.telemetry.force_flush(10)


@contextmanager
def record_telemetry(**settings: Any) -> Generator[RecordedTelemetry, None, None]:
    """
    Run telemetry that stays in memory; `setup_telemetry` of the application returns it, whatever its settings.

    Args:
        settings: Fields of `TelemetryConfig`.

    Raises:
        RuntimeError: If telemetry already runs in this process: shut it down first.
    """
    if HANDLE.running is not None:
        raise RuntimeError("Telemetry already runs in this process; call its shutdown() before record_telemetry().")
    items = _Memory()
    config = TelemetryConfig(**{"log_to_stdout": False, "environ": {}, **settings})
    telemetry = run(Telemetry(config, Exporters(items.spans, items.logs, items.metrics), SequentialIds()))
    try:
        yield RecordedTelemetry(telemetry, items)
    finally:
        telemetry.shutdown()


class _List(Generic[_T]):
    """An exporter that keeps every item."""

    def __init__(self) -> None:
        self.items: list[_T] = []

    def send(self, batch: Sequence[_T]) -> ExportResult:
        self.items.extend(batch)
        return ExportResult()

    def close(self) -> None:
        """Do nothing: no connection is open."""


class _Latest:
    """A sender that keeps the last collection."""

    def __init__(self) -> None:
        self.preferences: Preferences = ({}, {})
        self.latest = MetricsData([])

    def encode(self, data: MetricsData, losses: Losses) -> MetricsData:
        del losses
        return data

    def post(self, encoded: MetricsData, on_retry: Callable[[str], object]) -> ExportResult:
        del on_retry
        self.latest = encoded
        return ExportResult()

    def close(self) -> None:
        """Do nothing: no connection is open."""


class _Memory:
    def __init__(self) -> None:
        self.spans: _List[ReadableSpan] = _List()
        self.logs: _List[ReadableLogRecord] = _List()
        self.metrics = _Latest()
