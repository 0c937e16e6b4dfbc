"""One masked log record, and the OpenTelemetry record made from it."""

from __future__ import annotations

import functools
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import trace
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.context import Context
from opentelemetry.sdk._logs import LoggerProvider, LogRecordProcessor, ReadWriteLogRecord
from opentelemetry.sdk.resources import Resource

from whatsself_otel import _sdk
from whatsself_otel.catalogue import EVENT
from whatsself_otel.export.limits import DEFAULT_LOG_LIMITS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.sdk._logs import Logger, LogRecordLimits

    from whatsself_otel.logs.format import LogSettings


@dataclass(slots=True, kw_only=True)  # not frozen, which takes a call for each field
class LogEntry:
    """One masked record: the only form that is written or exported."""

    timestamp_ns: int
    level: str
    severity: SeverityNumber
    message: str
    logger: str
    ids: Mapping[str, str]
    extra: Mapping[str, Any]
    error: Mapping[str, str] | None
    span_context: trace.SpanContext

    def as_dict(self, settings: LogSettings) -> dict[str, Any]:
        """Return the JSON object of the line, its fields in reading order."""
        line: dict[str, Any] = {
            "level": self.level,
            "ts": iso_time(self.timestamp_ns),
            "msg": self.message,
            "logger": self.logger,
            **self.ids,
        }
        if self.span_context.is_valid:
            line["traceId"] = trace.format_trace_id(self.span_context.trace_id)
            line["spanId"] = trace.format_span_id(self.span_context.span_id)
        line |= {"service": settings.service, "environment": settings.environment, **self.extra}
        if self.error:
            line["err"] = self.error
        return line

    def attributes(self) -> dict[str, Any]:
        """Return the attributes of the exported record."""
        attributes: dict[str, Any] = {**self.ids, **self.extra}
        if self.error:
            attributes["exception.type"] = self.error["type"]
            attributes["exception.message"] = self.error["message"]
            attributes["exception.stacktrace"] = self.error["stack"]
        return attributes


class MaskedLogRecord(LogRecord):
    """
    An OpenTelemetry log record with masked contents.

    Args:
        entry: Where they come from.
    """

    def __init__(self, entry: LogEntry) -> None:
        event = entry.extra.get(EVENT)
        super().__init__(
            timestamp=entry.timestamp_ns,
            context=trace.set_span_in_context(trace.NonRecordingSpan(entry.span_context), Context()),
            severity_text=entry.level,
            severity_number=entry.severity,
            body=entry.message,
            attributes=entry.attributes(),
            event_name=event if isinstance(event, str) else None,
        )


class QuickLogRecord(MaskedLogRecord):
    """The same without the lookups of LogRecord's ``__init__``: the entry has the results."""

    def __init__(self, entry: LogEntry) -> None:
        event = entry.extra.get(EVENT)
        self.timestamp = entry.timestamp_ns
        self.observed_timestamp = time.time_ns()
        self.context = None  # type: ignore[assignment]  # what the exporter empties anyway
        self.trace_id = entry.span_context.trace_id
        self.span_id = entry.span_context.span_id
        self.trace_flags = entry.span_context.trace_flags
        self.severity_text = entry.level
        self.severity_number = entry.severity
        self.body = entry.message
        self.attributes = entry.attributes()
        self.event_name = event if isinstance(event, str) else None
        self.exception = None


class ReadyLogRecord(ReadWriteLogRecord):
    """
    A record for the SDK's processors. Its attributes are clean, so they are not copied or validated again.

    Args:
        record: What was logged.
        logger: Who emits it.
        limits: What they may hold.
    """

    def __init__(self, record: LogRecord, logger: Logger, limits: LogRecordLimits) -> None:
        self.log_record = record
        self.resource = logger.resource
        self.instrumentation_scope = logger.instrumentation_scope
        self.limits = limits


def needs_no_cut(record: LogRecord, limits: Any) -> bool:
    """Return whether the limits of the ``OTEL_*`` variables leave *record* unchanged."""
    most = limits.max_log_record_attributes
    return limits.max_log_record_attribute_length is None and (most is None or len(record.attributes or ()) <= most)


def iso_time(timestamp_ns: int) -> str:
    """Return the time in ISO 8601, to the millisecond."""
    seconds, nanoseconds = divmod(timestamp_ns, 1_000_000_000)
    return f"{_second(seconds)}.{nanoseconds // 1_000_000:03d}Z"


@functools.lru_cache(maxsize=4)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _check_records() -> bool:
    """Emit one record our way and one the SDK's way, and compare them at a processor."""
    seen: list[Any] = []

    class Processor(LogRecordProcessor):
        def on_emit(self, log_record: Any) -> None:
            seen.append(log_record)

        def shutdown(self) -> None:
            """Do nothing."""

        def force_flush(self, timeout_millis: int = 30_000) -> bool:
            return timeout_millis > 0

    provider = LoggerProvider(Resource({}), shutdown_on_exit=False, log_record_limits=DEFAULT_LOG_LIMITS)
    provider.add_log_record_processor(Processor())
    logger: Any = provider.get_logger("check")
    entry = LogEntry(
        timestamp_ns=1,
        level="info",
        severity=SeverityNumber.INFO,
        message="checked",
        logger="check",
        ids={},
        extra={"kind": "text"},
        error=None,
        span_context=trace.SpanContext(1, 2, is_remote=False, trace_flags=trace.TraceFlags(1)),
    )
    logger.emit(ReadyLogRecord(QuickLogRecord(entry), logger, DEFAULT_LOG_LIMITS))
    logger.emit(MaskedLogRecord(entry))
    ours, theirs = map(_described_record, seen)
    return ours == theirs


def _described_record(emitted: Any) -> list[Any]:
    names = (
        "timestamp",
        "trace_id",
        "span_id",
        "trace_flags",
        "severity_text",
        "severity_number",
        "body",
        "event_name",
    )
    record = emitted.log_record
    about = (emitted.resource, emitted.instrumentation_scope, emitted.dropped_attributes)
    return [*(getattr(record, name) for name in names), dict(record.attributes), *about]


RECORDS: Final = _sdk.Part(
    names=(),
    check=_check_records,
    lost="The SDK makes the exported log records, which takes longer.",
)
