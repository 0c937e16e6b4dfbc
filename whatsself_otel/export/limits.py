"""
How much one span or log record may hold.

The SDK limits counts. Lengths are cut here, after masking: a phone cut in half is a phone that no detector finds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.sdk._logs import LogRecordLimits
from opentelemetry.sdk.trace import SpanLimits

if TYPE_CHECKING:
    from whatsself_otel.config import LimitsConfig


DEFAULT_LOG_LIMITS: Final = LogRecordLimits(
    max_attributes=128,
    max_attribute_length=LogRecordLimits.UNSET,
    max_log_record_attributes=128,
    max_log_record_attribute_length=LogRecordLimits.UNSET,
)


def span_limits(limits: LimitsConfig) -> SpanLimits:
    """Return the SDK's limits of a span; each is given, since for one that is not the SDK reads a variable."""
    return SpanLimits(
        max_attributes=limits.count(limits.attributes),
        max_events=128 if limits.span_events is None else limits.span_events,
        max_links=128 if limits.span_links is None else limits.span_links,
        max_span_attributes=limits.count(limits.span_attributes),
        max_event_attributes=limits.count(limits.event_attributes),
        max_link_attributes=limits.count(limits.link_attributes),
        max_attribute_length=SpanLimits.UNSET,
        max_span_attribute_length=SpanLimits.UNSET,
    )


def log_limits(limits: LimitsConfig) -> LogRecordLimits:
    """Return the SDK's limits of a log record, given as in `span_limits`."""
    return LogRecordLimits(
        max_attributes=limits.count(limits.attributes),
        max_attribute_length=LogRecordLimits.UNSET,
        max_log_record_attributes=limits.count(limits.log_attributes),
        max_log_record_attribute_length=LogRecordLimits.UNSET,
    )


def cut(value: Any, length: int | None) -> Any:
    """Return *value* with no text and no bytes in it longer than *length*; None: as it is."""
    if length is None:
        return value
    if isinstance(value, str | bytes):
        return value[:length]
    if isinstance(value, Mapping):
        return {key: cut(item, length) for key, item in value.items()}
    return [cut(item, length) for item in value] if isinstance(value, list | tuple) else value
