"""One masked log record, and the OpenTelemetry record made from it."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import trace
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.context import Context
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk.resources import Resource

from whatsself_otel import _sdk
from whatsself_otel.catalogue import EVENT
from whatsself_otel.context import CORRELATION_KEYS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from whatsself_otel.logs.format import LogSettings


MAX_EXTRAS: Final = 64
MOST_ATTRIBUTES: Final = MAX_EXTRAS + len(CORRELATION_KEYS) + 1 + 3
"""Attributes of an entry at most: its extras, its ids and route, and three of an exception."""


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

    @property
    def event_name(self) -> str | None:
        """The name of the event that it is, if it is one."""
        event = self.extra.get(EVENT)
        return event if isinstance(event, str) else None

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
        super().__init__(
            timestamp=entry.timestamp_ns,
            context=trace.set_span_in_context(trace.NonRecordingSpan(entry.span_context), Context()),
            severity_text=entry.level,
            severity_number=entry.severity,
            body=entry.message,
            attributes=entry.attributes(),
            event_name=entry.event_name,
        )


def iso_time(timestamp_ns: int) -> str:
    """Return the time in ISO 8601, to the millisecond."""
    seconds, nanoseconds = divmod(timestamp_ns, 1_000_000_000)
    return f"{_second(seconds)}.{nanoseconds // 1_000_000:03d}Z"


@functools.lru_cache(maxsize=4)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _check_records() -> bool:
    return bool(_sdk.switch_of(LoggerProvider(Resource({}), shutdown_on_exit=False).get_logger("check"))())


RECORDS: Final = _sdk.Part(
    names=_sdk.SWITCH,
    check=_check_records,
    lost="The SDK makes the exported log records, which takes longer.",
)
