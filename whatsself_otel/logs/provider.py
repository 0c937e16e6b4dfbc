"""The logger provider: a record of our handler skips the SDK's logger while only our queue listens."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.sdk._logs import Logger, LoggerProvider, LogRecordProcessor
from opentelemetry.sdk._logs import SynchronousMultiLogRecordProcessor as Processors
from opentelemetry.sdk.environment_variables import OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED

from whatsself_otel import _sdk
from whatsself_otel.logs.record import MOST_ATTRIBUTES, RECORDS, LogEntry
from whatsself_otel.remembered import Remembered
from whatsself_otel.traces.processors import ExportLogProcessor

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.sdk._logs import LogRecordLimits
    from opentelemetry.sdk.resources import Resource

    from whatsself_otel.export.batch_queue import BatchQueue

_MAX_LOGGERS: Final = 1024


class DirectLoggerProvider(LoggerProvider):
    """
    The SDK's logger provider, with a way past its loggers.

    Args:
        resource: What its records are about.
        limits: What a record may hold.
        queue: Takes a logger with its `LogEntry`; None: every record goes the SDK's way.
    """

    def __init__(self, resource: Resource, limits: LogRecordLimits, queue: BatchQueue[Any] | None) -> None:
        self._listeners = _Listeners()
        super().__init__(resource, False, self._listeners, log_record_limits=limits)
        counts_records = os.environ.get(OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED, "").strip().lower() == "true"
        self._queue = queue if RECORDS.works and not counts_records else None
        most = limits.max_log_record_attributes
        self._most = math.inf if most is None or most >= MOST_ATTRIBUTES else most
        self._found: Remembered[str, tuple[Any, Callable[[], bool]]] = Remembered(_MAX_LOGGERS)

    def take(self, entry: LogEntry) -> bool:
        """Queue *entry*; return False if its record must go the SDK's way: somebody else listens, or it is cut."""
        queue = self._queue
        if queue is None or self._listeners.has_foreign:
            return False
        logger, is_enabled = self._found.get(entry.logger) or self._find(entry.logger)
        if self._most is not math.inf and len(entry.attributes()) > self._most:
            return False
        if is_enabled():
            queue.put((logger, entry))
        return True

    def _find(self, name: str) -> tuple[Any, Callable[[], bool]]:
        logger = self.get_logger(name)
        is_enabled = _sdk.switch_of(logger) if type(logger) is Logger else bool  # else the SDK is disabled
        return self._found.keep(name, (logger, is_enabled))


class _Listeners(Processors):
    """The processors of log records; knows whether one is not ours."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.has_foreign = False

    def add_log_record_processor(self, log_record_processor: LogRecordProcessor) -> None:
        """Add *log_record_processor*."""
        self.has_foreign = self.has_foreign or not isinstance(log_record_processor, ExportLogProcessor)
        super().add_log_record_processor(log_record_processor)
