"""
Write the three signals in OTLP's protobuf wire format.

The official encoder fills a tree of protobuf objects for each item, and hashes the resource as JSON once a span: most
of telemetry's cost. Here repeated parts are encoded once and cached: attributes, names, resources and scopes. An
attribute is cached only if masking left it unchanged. So no personal data is kept, and every mask is counted.

Source: https://github.com/open-telemetry/opentelemetry-proto. Field numbers stand as the tags of the wire format,
``number << 3 | type``.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from opentelemetry.sdk.metrics.export import Gauge, Histogram, Sum
from opentelemetry.trace.span import DEFAULT_TRACE_STATE

from whatsself_otel.context import CORRELATION_KEYS
from whatsself_otel.export.limits import MAX_ITEM_BYTES
from whatsself_otel.remembered import ByIdentity, Remembered
from whatsself_otel.traces import propagation
from whatsself_otel.traces.processors import mask_attributes, mask_scope, plain_dict
from whatsself_otel.traces.spans import OwnSpan

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.sdk._logs import Logger, ReadableLogRecord
    from opentelemetry.sdk.metrics import Exemplar
    from opentelemetry.sdk.metrics.export import (
        ExponentialHistogramDataPoint,
        HistogramDataPoint,
        Metric,
        MetricsData,
        NumberDataPoint,
    )
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import Event, ReadableSpan
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope
    from opentelemetry.trace import Link, SpanContext

    from whatsself_otel.logs import LogEntry
    from whatsself_otel.masking import Masker
    from whatsself_otel.metrics.metric_masking import Losses

MAX_REMEMBERED: Final = 4096
"""Attributes in the cache; beyond it, all are forgotten. An attribute takes about 300 bytes."""
MAX_REMEMBERED_CHARS: Final = 1024
_MAX_SOURCES: Final = 64

_IDS: Final = struct.Struct(">2sQQ2sQ")
_IDS_AND_PARENT: Final = struct.Struct(">2sQQ2sQ2sQ")
_TIMES: Final = struct.Struct("<cQcQ")
_FIXED64: Final = struct.Struct("<cQ")
_SIGNED64: Final = struct.Struct("<cq")
_DOUBLE: Final = struct.Struct("<cd")
_FLAGS: Final = struct.Struct("<I")
EncodedItem: TypeAlias = tuple[bytes, bytes, bytes]
"""One encoded item: its resource, its scope, itself."""
_SHORT_BYTES: Final = 0x7C
"""Sizes below this take one byte."""
_LOW_64: Final = 2**64 - 1
_KIND: Final = tuple(bytes((0x30, kind + 1)) for kind in range(5))
_BYTE: Final = tuple(bytes((number,)) for number in range(128))
_LOCAL_PARENT: Final = b"\x85\x01\x00\x01\x00\x00"
_REMOTE_PARENT: Final = b"\x85\x01\x00\x03\x00\x00"
"""The span's field 16: bit 8 says that bit 9, "the parent is remote", is known."""


class Encoder:
    """
    Encodes items of the three signals. Each sender has its own, which caches repeated parts. Threads may share it.

    Args:
        masker: Masks spans while they are written; None: they are masked already. Log records are masked where they are
            made, metrics by `MetricMasker`.
    """

    def __init__(self, masker: Masker | None = None) -> None:
        self._masker = masker
        self._attributes = _Attributes(masker)
        self._unmasked = _Attributes(None)
        self._names: Remembered[str, bytes] = Remembered(MAX_REMEMBERED)
        self._bodies: Remembered[str, bytes] = Remembered(MAX_REMEMBERED)
        self._severities: Remembered[tuple[int, str | None], bytes] = Remembered(_MAX_SOURCES)
        self._sources: Remembered[tuple[int, int], tuple[Any, bytes, bytes]] = Remembered(_MAX_SOURCES)
        """Resource and scope, by their identity; the first member keeps both alive."""
        self._resources: Remembered[int, tuple[Resource, bytes]] = Remembered(_MAX_SOURCES)
        self._scopes: Remembered[int, tuple[InstrumentationScope, bytes]] = Remembered(_MAX_SOURCES)
        self._series = {
            tag: ByIdentity[Any, bytes](partial(self._unmasked.write, tag)) for tag in (b"\x3a", b"\x4a", b"\x0a")
        }
        """Attributes of series, by field number."""

    def span(self, span: ReadableSpan) -> EncodedItem:
        """Return *span* for an ``ExportTraceServiceRequest``."""
        # Each call costs as much as writing a field, so this one and `entry` write most of theirs themselves.
        context: Any = span.context
        trace_id, span_id, _, _, trace_state, _ = context
        parent, status, name, kind = span.parent, span.status, span.name, span.kind
        high, low = trace_id >> 64, trace_id & _LOW_64
        if parent is None:
            ids = _IDS.pack(b"\x0a\x10", high, low, b"\x12\x08", span_id) + _LOCAL_PARENT
        else:
            ids = _IDS_AND_PARENT.pack(b"\x0a\x10", high, low, b"\x12\x08", span_id, b"\x22\x08", parent.span_id)
            ids += _REMOTE_PARENT if parent.is_remote else _LOCAL_PARENT
        parts = [
            ids,
            self._names.get(name) or self._name(name),
            _KIND[kind._value_],
            _TIMES.pack(b"\x39", span.start_time or 0, b"\x41", span.end_time or 0),
            self._attributes.write(b"\x4a", span.held if type(span) is OwnSpan else plain_dict(span.attributes)),
        ]
        if trace_state is not DEFAULT_TRACE_STATE and trace_state:
            parts.append(self._trace_state(context))
        if type(span) is not OwnSpan or not span.is_bare:
            parts += self._rarities(span)
        code = status.status_code._value_
        if code or status.description:
            parts.append(_field(b"\x7a", _count(b"\x18", code), self._masked_text(b"\x12", status.description)))
        else:
            parts.append(b"\x7a\x00")
        return *self._source(span.resource, span.instrumentation_scope), _item(parts)

    def log(self, record: ReadableLogRecord) -> EncodedItem:
        """Return the masked *record* for an ``ExportLogsServiceRequest``."""
        resource, scope = self._source(record.resource, record.instrumentation_scope)
        return resource, scope, self._log(record)

    def entry(self, logger: Logger, entry: LogEntry) -> EncodedItem:
        """Return *entry*, of our handler, as the record that *logger* would make of it."""
        resource, scope = self._source(logger.resource, logger.instrumentation_scope)
        trace_id, span_id, _, flags, *_ = entry.span_context
        severity = entry.severity._value_, entry.level
        parts = [
            _TIMES.pack(b"\x09", entry.timestamp_ns, b"\x59", time.time_ns()),
            self._severities.get(severity) or self._severity(*severity),
            self._bodies.get(entry.message) or self._body(entry.message),
            self._unmasked.write(b"\x32", entry.attributes()),
            _place(trace_id, span_id, flags),
        ]
        if event_name := entry.event_name:
            parts.append(_text(b"\x62", event_name))
        return resource, scope, _item(parts)

    def metrics(self, data: MetricsData, losses: Losses) -> bytes:
        """Return an ``ExportMetricsServiceRequest`` of the masked *data*; unencodable points go to *losses*."""
        for series in self._series.values():
            series.begin_round()
        return b"".join(
            _field(b"\x0a", self.resource(of_resource.resource), *scopes)
            for of_resource in data.resource_metrics
            if (scopes := [self._scope_metrics(scope, losses) for scope in of_resource.scope_metrics]) and any(scopes)
        )

    def _scope_metrics(self, of_scope: Any, losses: Losses) -> bytes:
        metrics = b"".join([self._metric(metric, losses) for metric in of_scope.metrics])
        return _field(b"\x12", self._scope(of_scope.scope), metrics) if metrics else b""

    def _source(self, resource: Resource, scope: InstrumentationScope | None) -> tuple[bytes, bytes]:
        key = id(resource), id(scope)
        known = self._sources.get(key)
        if known is None:
            known = (resource, scope), self.resource(resource), self._scope(scope)
            self._sources.keep(key, known)
        return known[1], known[2]

    def resource(self, resource: Resource) -> bytes:
        """Return *resource* as the beginning of each group of items."""
        known = self._resources.get(id(resource))
        if known is None:
            attributes = self._unmasked.write(b"\x0a", resource.attributes)
            known = resource, _field(b"\x0a", attributes) + self._masked_text(b"\x1a", resource.schema_url)
            self._resources.keep(id(resource), known)
        return known[1]

    def _scope(self, scope: InstrumentationScope | None) -> bytes:
        if scope is None:
            return b"\x0a\x00"
        known = self._scopes.get(id(scope))
        if known is None:
            masked = scope if self._masker is None else mask_scope(scope, self._masker)
            attributes = self._unmasked.write(b"\x1a", masked.attributes)
            body = _field(b"\x0a", _text(b"\x0a", masked.name), _text(b"\x12", masked.version), attributes)
            known = scope, body + _text(b"\x1a", masked.schema_url)
            self._scopes.keep(id(scope), known)
        return known[1]

    def _rarities(self, span: ReadableSpan) -> Iterable[bytes]:
        """Return the parts that few spans have: events, links, and counts of dropped items."""
        yield _count(b"\x50", span.dropped_attributes)
        yield from map(self._event, span.events)
        yield _count(b"\x60", span.dropped_events)
        yield from map(self._link, span.links)
        yield _count(b"\x70", span.dropped_links)

    def _event(self, event: Event) -> bytes:
        return _field(
            b"\x5a",
            _fixed64(b"\x09", event.timestamp),
            self._masked_text(b"\x12", event.name),
            self._attributes.write(b"\x1a", event.attributes),
            _count(b"\x20", event.dropped_attributes),
        )

    def _link(self, link: Link) -> bytes:
        flags = 0x300 if link.context.is_remote else 0x100
        return _field(
            b"\x6a",
            _IDS.pack(
                b"\x0a\x10",
                link.context.trace_id >> 64,
                link.context.trace_id & _LOW_64,
                b"\x12\x08",
                link.context.span_id,
            ),
            self._attributes.write(b"\x22", link.attributes),
            _count(b"\x28", link.dropped_attributes),
            b"\x35" + _FLAGS.pack(flags),
        )

    def _trace_state(self, context: SpanContext) -> bytes:
        clean = context if self._masker is None else propagation.clean_tracestate(context, self._masker)
        return _text(b"\x1a", ",".join(f"{key}={value}" for key, value in clean.trace_state.items()))

    def _name(self, name: str) -> bytes:
        known = self._names.get(name)
        if known is not None:
            return known
        masked = name if self._masker is None else self._masker.text(name)
        written = _text(b"\x2a", masked)
        if masked == name:
            self._names.keep(name, written)
        return written

    def _masked_text(self, tag: bytes, text: str | None) -> bytes:
        return _text(tag, text if text is None or self._masker is None else self._masker.text(text))

    def _log(self, item: ReadableLogRecord) -> bytes:
        record = item.log_record
        severity, text, body = record.severity_number, record.severity_text, record.body
        number = severity._value_ if severity is not None else 0
        parts = [
            _TIMES.pack(b"\x09", record.timestamp or 0, b"\x59", record.observed_timestamp or 0),
            self._severities.get((number, text)) or self._severity(number, text),
            (self._bodies.get(body) if type(body) is str else None) or self._body(body),
            self._unmasked.write(b"\x32", plain_dict(record.attributes)),
            _place(record.trace_id, record.span_id, record.trace_flags),
        ]
        if record.event_name:
            parts.append(_text(b"\x62", record.event_name))
        if dropped := item.dropped_attributes:
            parts.append(_count(b"\x38", dropped))
        return _item(parts)

    def _severity(self, number: int, text: str | None) -> bytes:
        written = _count(b"\x10", number) + _text(b"\x1a", text)
        return self._severities.keep((number, text), written)

    def _body(self, body: Any) -> bytes:
        written = _field(b"\x2a", _any_value(body))
        if type(body) is str and len(body) <= MAX_REMEMBERED_CHARS:
            self._bodies.keep(body, written)
        return written

    def _metric(self, metric: Metric, losses: Losses) -> bytes:
        """Return a metric, or nothing if it has no points: Prometheus refuses the whole request for one."""
        data: Any = metric.data
        tag, shape, write = self._shape(data)
        points = []
        for point in data.data_points:
            try:
                written = write(point, metric.name, losses)
            except Exception as error:  # noqa: BLE001 - whatever an application has measured
                losses.add(error, metric.name, points=1)
                continue
            if len(written) <= MAX_ITEM_BYTES:
                points.append(written)
            else:
                losses.too_large += 1
        if not points:
            return b""
        texts = _text(b"\x0a", metric.name), _text(b"\x12", metric.description), _text(b"\x1a", metric.unit)
        return _field(b"\x12", *texts, _field(tag, shape, *points))

    def _shape(self, data: Any) -> tuple[bytes, bytes, Callable[[Any, str, Losses], bytes]]:
        if isinstance(data, Gauge):
            return b"\x2a", b"", self._gauge_point
        temporality = _count(b"\x10", data.aggregation_temporality)
        if isinstance(data, Sum):
            return b"\x3a", temporality + _count(b"\x18", data.is_monotonic), self._sum_point
        if isinstance(data, Histogram):
            return b"\x4a", temporality, self._histogram_point
        return b"\x52", temporality, self._exponential_point

    def _gauge_point(self, point: NumberDataPoint, metric: str, losses: Losses) -> bytes:
        return _field(
            b"\x0a",
            _fixed64(b"\x19", point.time_unix_nano),
            _number(b"\x31", b"\x21", point.value),
            self._exemplars(b"\x2a", point, metric, losses),
            self._series[b"\x3a"].get(point.attributes),
        )

    def _sum_point(self, point: NumberDataPoint, metric: str, losses: Losses) -> bytes:
        return _field(
            b"\x0a",
            _fixed64(b"\x11", point.start_time_unix_nano),
            _fixed64(b"\x19", point.time_unix_nano),
            _number(b"\x31", b"\x21", point.value),
            self._exemplars(b"\x2a", point, metric, losses),
            self._series[b"\x3a"].get(point.attributes),
        )

    def _histogram_point(self, point: HistogramDataPoint, metric: str, losses: Losses) -> bytes:
        counts = point.bucket_counts
        bounds = point.explicit_bounds
        return _field(
            b"\x0a",
            _fixed64(b"\x11", point.start_time_unix_nano),
            _fixed64(b"\x19", point.time_unix_nano),
            _fixed64(b"\x21", point.count),
            _double(b"\x29", point.sum),
            _field(b"\x32", struct.pack(f"<{len(counts)}Q", *counts)) if counts else b"",
            _field(b"\x3a", struct.pack(f"<{len(bounds)}d", *bounds)) if bounds else b"",
            self._exemplars(b"\x42", point, metric, losses),
            self._series[b"\x4a"].get(point.attributes),
            _double(b"\x59", point.min),
            _double(b"\x61", point.max),
        )

    def _exponential_point(self, point: ExponentialHistogramDataPoint, metric: str, losses: Losses) -> bytes:
        return _field(
            b"\x0a",
            self._series[b"\x0a"].get(point.attributes),
            _fixed64(b"\x11", point.start_time_unix_nano),
            _fixed64(b"\x19", point.time_unix_nano),
            _fixed64(b"\x21", point.count),
            _double(b"\x29", point.sum),
            b"\x30" + _varint(_zigzag(point.scale)),
            _fixed64(b"\x39", point.zero_count),
            _buckets(b"\x42", point.positive),
            _buckets(b"\x4a", point.negative),
            _count(b"\x50", point.flags),
            self._exemplars(b"\x5a", point, metric, losses),
            _double(b"\x61", point.min),
            _double(b"\x69", point.max),
        )

    def _exemplars(self, tag: bytes, point: Any, metric: str, losses: Losses) -> bytes:
        if not point.exemplars:
            return b""
        written = []
        for exemplar in point.exemplars:
            try:
                written.append(self._exemplar(tag, exemplar))
            except Exception as error:  # noqa: BLE001 - an exemplar is not worth its point
                losses.add(error, metric, exemplars=1)
        return b"".join(written)

    def _exemplar(self, tag: bytes, exemplar: Exemplar) -> bytes:
        traced = exemplar.span_id is not None and exemplar.trace_id is not None
        return _field(
            tag,
            _fixed64(b"\x11", exemplar.time_unix_nano),
            _number(b"\x31", b"\x19", exemplar.value),
            b"\x22\x08" + int(exemplar.span_id or 0).to_bytes(8, "big") if traced else b"",
            b"\x2a\x10" + int(exemplar.trace_id or 0).to_bytes(16, "big") if traced else b"",
            self._attributes.write(b"\x3a", exemplar.filtered_attributes),
        )


class _PersonalKeyError(Exception):
    """The key of an attribute holds personal data, so masking may make two keys equal."""


class _Attributes:
    """Writes attributes, masked if there is a masker, and caches those that masking leaves unchanged."""

    def __init__(self, masker: Masker | None) -> None:
        self._masker = masker
        self._texts: Remembered[tuple[str, str], bytes] = Remembered(MAX_REMEMBERED)
        self._numbers: Remembered[tuple[str, int], bytes] = Remembered(MAX_REMEMBERED)
        self._keys: Remembered[str, bytes] = Remembered(MAX_REMEMBERED)

    def write(self, tag: bytes, attributes: Mapping[str, Any] | None) -> bytes:
        """Return *attributes* as repeated fields *tag*, without those that cannot be written."""
        if not attributes:
            return b""
        try:
            pairs: list[Any] = [*map(self._texts.get, attributes.items())]
        except Exception:  # noqa: BLE001 - a value that has no hash is no text
            pairs = [None] * len(attributes)
        return tag.join((b"", *(self._written(pairs, attributes) if None in pairs else pairs)))

    def _written(self, known: list[bytes | None], attributes: Mapping[str, Any]) -> list[bytes]:
        """Return the pairs of *attributes*, of which *known* has some."""
        every = zip(known, attributes.items(), strict=True)
        try:
            return [written for pair, item in every if (written := pair or self._pair(*item))]
        except _PersonalKeyError:
            masked = mask_attributes(attributes, self._masker) if self._masker is not None else attributes
            return [pair for key, value in masked.items() if (pair := _key_value(_text(b"\x0a", key), value))]

    def _pair(self, key: str, value: Any) -> bytes:
        kind = type(value)
        if kind is int and (known := self._numbers.get((key, value))):
            return known
        written_key = self._keys.get(key) or self._key(key)
        masked = value if self._masker is None else _mask(key, value, self._masker)
        pair = _key_value(written_key, masked)
        if masked == value and (kind is int or (kind is str and len(value) <= MAX_REMEMBERED_CHARS)):
            (self._texts if kind is str else self._numbers).keep((key, value), pair)
        return pair

    def _key(self, key: str) -> bytes:
        if self._masker is not None and self._masker.text(key) != key:
            raise _PersonalKeyError
        written = _text(b"\x0a", str(key))
        return self._keys.keep(key, written)


def _mask(key: str, value: Any, masker: Masker) -> Any:
    if key in CORRELATION_KEYS and type(value) is str:
        return masker.identifier(value)
    return next(iter(mask_attributes({key: value}, masker).values()))


def join(batch: Iterable[EncodedItem]) -> bytes:
    """Return the request with *batch*: all spans or all log records."""
    groups: dict[bytes, dict[bytes, list[bytes]]] = {}
    for resource, scope, item in batch:
        groups.setdefault(resource, {}).setdefault(scope, []).append(item)
    return b"".join(
        _field(b"\x0a", resource, *[_field(b"\x12", scope, *written) for scope, written in scopes.items()])
        for resource, scopes in groups.items()
    )


def _place(trace_id: int | None, span_id: int | None, flags: int | None) -> bytes:
    """Return a log record's ids and its span's flags."""
    if trace_id and span_id:
        ids = _IDS.pack(b"\x4a\x10", trace_id >> 64, trace_id & _LOW_64, b"\x52\x08", span_id)
    elif trace_id:
        ids = b"\x4a\x10" + trace_id.to_bytes(16, "big")
    else:
        ids = b"\x52\x08" + span_id.to_bytes(8, "big") if span_id else b""
    return ids + b"\x45" + _FLAGS.pack(flags) if flags else ids


def _key_value(key: bytes, value: Any) -> bytes:
    """Return a ``KeyValue`` after its size; empty if *value* cannot be written."""
    if type(value) is str and (size := len(data := _utf8(value))) + len(key) < _SHORT_BYTES:
        return b"%c%b\x12%c\x0a%c%b" % (len(key) + size + 4, key, size + 2, size, data)
    try:
        written = _any_value(value)
    except Exception:  # noqa: BLE001 - a value that no type of OTLP holds costs itself only
        return b""
    body = b"".join((key, b"\x12", _varint(len(written)), written))
    return _varint(len(body)) + body


def _any_value(value: Any) -> bytes:
    if isinstance(value, str):
        data = _utf8(value)
        return b"\x0a" + _varint(len(data)) + data
    if value is None:
        return b""
    if isinstance(value, int | float):
        return _any_number(value)
    return _field(b"\x3a", value) if isinstance(value, bytes) else _container(value)


def _any_number(value: float) -> bytes:
    if isinstance(value, bool):
        return b"\x10\x01" if value else b"\x10\x00"
    if isinstance(value, float):
        return _DOUBLE.pack(b"\x21", value)
    if -(2**63) <= value < 2**63:
        return b"\x18" + _varint(value & _LOW_64)
    return _text(b"\x0a", str(value))  # as the specification has it for a number that no field can hold


def _container(value: Any) -> bytes:
    if isinstance(value, Sequence):
        return _field(b"\x2a", *[_field(b"\x0a", _any_value(item)) for item in value])
    if isinstance(value, Mapping):
        pairs = [(_text(b"\x0a", str(key)), _field(b"\x12", _any_value(item))) for key, item in value.items()]
        return _field(b"\x32", *[_field(b"\x0a", *pair) for pair in pairs])
    raise TypeError(type(value).__name__)


def _field(tag: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return tag + _varint(len(body)) + body


def _item(parts: Iterable[bytes]) -> bytes:
    """Return a span or a log record as a field of its list."""
    body = b"".join(parts)
    size = len(body)
    if 0x80 <= size < 0x4000:  # as most are
        return b"\x12%c%c%b" % (size & 0x7F | 0x80, size >> 7, body)
    return b"\x12" + _varint(size) + body


def _text(tag: bytes, text: str | None) -> bytes:
    if not text:
        return b""
    data = _utf8(text)
    return tag + _varint(len(data)) + data


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:  # half a character costs itself, not the batch
        return text.encode(errors="replace")


def _varint(number: int) -> bytes:
    if number < 0x80:
        return _BYTE[number]
    if number < 0x4000:
        return bytes((number & 0x7F | 0x80, number >> 7))
    written = bytearray()
    while number >= 0x80:
        written.append(number & 0x7F | 0x80)
        number >>= 7
    written.append(number)
    return bytes(written)


def _zigzag(number: int) -> int:
    return number << 1 if number >= 0 else (-number << 1) - 1


def _count(tag: bytes, number: int) -> bytes:
    return tag + _varint(number) if number else b""


def _fixed64(tag: bytes, number: int | None) -> bytes:
    return _FIXED64.pack(tag, number) if number else b""


def _double(tag: bytes, number: float | None) -> bytes:
    return b"" if number is None else _DOUBLE.pack(tag, number)


def _number(tag_of_int: bytes, tag_of_double: bytes, value: float) -> bytes:
    return _SIGNED64.pack(tag_of_int, value) if isinstance(value, int) else _DOUBLE.pack(tag_of_double, value)


def _buckets(tag: bytes, buckets: Any) -> bytes:
    counts = buckets.bucket_counts
    if not counts:
        return b""
    return _field(tag, b"\x08", _varint(_zigzag(buckets.offset)), _field(b"\x12", *map(_varint, counts)))
