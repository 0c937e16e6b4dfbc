"""
Limits on the content of one span or log record.

The SDK limits counts. Lengths are cut here, after masking, because no detector finds a phone cut in half.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.sdk._logs import LogRecordLimits
from opentelemetry.sdk.trace import SpanLimits

if TYPE_CHECKING:
    from whatsself_otel.config import LimitsConfig


MAX_ITEM_BYTES: Final = 500_000
"""Most bytes of a span, record or data point: no backend takes a larger one, and some refuse what came with it too."""
MAX_REQUEST_BYTES: Final = 3 * 1024 * 1024
"""Most bytes of one request: the collector answers 400 to more than 4 MiB."""


def span_limits(limits: LimitsConfig) -> SpanLimits:
    """Return the SDK's limits of a span. Each is given, because the SDK reads a variable for a missing one."""
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
    """Return the SDK's limits of a log record, all given, as in `span_limits`."""
    return LogRecordLimits(
        max_attributes=limits.count(limits.attributes),
        max_attribute_length=LogRecordLimits.UNSET,
        max_log_record_attributes=limits.count(limits.log_attributes),
        max_log_record_attribute_length=LogRecordLimits.UNSET,
    )


def cut(value: Any, length: int | None) -> Any:
    """Return *value* with each text and bytes in it cut to *length*; None leaves it unchanged."""
    if length is None:
        return value
    if isinstance(value, str | bytes):
        return value[:length]
    if isinstance(value, Mapping):
        return {key: cut(item, length) for key, item in value.items()}
    return [cut(item, length) for item in value] if isinstance(value, list | tuple) else value
