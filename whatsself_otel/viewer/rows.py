"""Rows that the store keeps of each span, log record and metric point."""

from __future__ import annotations

import json
import math
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from whatsself_otel.catalogue import MESSAGE_ID, Kind
from whatsself_otel.metrics.prometheus_names import prometheus_labels, prometheus_name
from whatsself_otel.viewer import signs
from whatsself_otel.viewer.fields import IDS, MOST_CHARACTERS, SERVICE, SPAN, fields, searched
from whatsself_otel.viewer.signs import Signs
from whatsself_otel.viewer.values import as_text, attributes, time_ns

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from opentelemetry.proto.common.v1.common_pb2 import KeyValue
    from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
    from opentelemetry.proto.resource.v1.resource_pb2 import Resource
    from opentelemetry.proto.trace.v1.trace_pb2 import Span

ERROR: Final = 2
"""Status code of a span that failed."""
ERROR_SEVERITY: Final = 17
"""OTLP's severity number from which on a log line counts as an error."""
_KINDS: Final = {"sum": Kind.COUNTER, "gauge": Kind.GAUGE, "histogram": Kind.HISTOGRAM}


@dataclass(slots=True, kw_only=True)
class TraceNews:
    """What one batch adds to one trace."""

    start_ns: int
    end_ns: int
    name: str = ""
    service: str = ""
    ids: dict[str, str] = field(default_factory=dict)
    """Of the root span."""
    fields: set[tuple[str, str]] = field(default_factory=set)
    """Name and value, of every span and log line."""
    signs: dict[str, Signs] = field(default_factory=dict)
    """By messageId; the empty one stands for lines and spans without it."""

    def note(self, found: Mapping[str, Any], told: Signs) -> None:
        """Remember the attributes and signs of one span or log line."""
        self.fields.update(fields(found))
        message_id = found.get(MESSAGE_ID)
        known = self.signs.setdefault(message_id[:MOST_CHARACTERS] if isinstance(message_id, str) else "", Signs())
        known.merge(told)


@dataclass(slots=True, kw_only=True)
class SpanRow:
    """One span."""

    trace_id: str
    span_id: str
    parent_id: str
    start_ns: int
    is_error: bool
    scope: str
    resource: bytes
    body: bytes


@dataclass(slots=True, kw_only=True)
class LogRow:
    """One log record."""

    time_ns: int
    trace_id: str
    span_id: str
    severity: int
    text: str
    """The searchable text."""
    scope: str
    resource: bytes
    body: bytes


@dataclass(slots=True, kw_only=True)
class PointRow:
    """One value of one series."""

    name: str
    kind: str
    unit: str
    labels: str
    service: str
    instance: str
    time_s: float
    value: float
    total: float | None = None
    buckets: str | None = None
    exemplars: Sequence[tuple[str, float, float]] = ()
    """Trace id, time in seconds, value."""


@dataclass(slots=True, kw_only=True)
class Batch:
    """Everything of one export request, ready for the store."""

    traces: dict[str, TraceNews] = field(default_factory=dict)
    spans: list[SpanRow] = field(default_factory=list)
    logs: list[LogRow] = field(default_factory=list)
    points: list[PointRow] = field(default_factory=list)
    services: dict[bytes, str] = field(default_factory=dict)
    """Resource -> name of the service."""
    rejected: int = 0

    def resource(self, resource: Resource) -> bytes:
        """Remember whose data this is."""
        body: bytes = resource.SerializeToString(deterministic=True)
        if body not in self.services:
            self.services[body] = str(attributes(resource.attributes).get("service.name") or "")
        return body

    def news(self, trace_id: str, start_ns: int, end_ns: int) -> TraceNews:
        """Return what this batch adds to a trace, stretched to *start_ns* and *end_ns*."""
        news = self.traces.get(trace_id)
        if news is None:
            news = self.traces[trace_id] = TraceNews(start_ns=start_ns, end_ns=end_ns)
        news.start_ns = min(news.start_ns, start_ns)
        news.end_ns = max(news.end_ns, end_ns)
        return news


def traces(request: Any) -> Batch:
    """Return the rows of an export of spans; one without valid ids is rejected."""
    batch = Batch()
    for owner in request.resource_spans:
        resource = batch.resource(owner.resource)
        for scope in owner.scope_spans:
            for span in scope.spans:
                _add_span(batch, span, resource, scope.scope.name)
    return batch


def logs(request: Any) -> Batch:
    """Return the rows of an export of log records; one whose trace id is not one stands alone."""
    batch = Batch()
    for owner in request.resource_logs:
        resource = batch.resource(owner.resource)
        for scope in owner.scope_logs:
            for record in scope.log_records:
                _add_log(batch, record, resource, scope.scope.name)
    return batch


def metrics(request: Any) -> Batch:
    """Return the rows of an export of metrics; kinds that are not shown are rejected."""
    batch = Batch()
    for owner in request.resource_metrics:
        service = batch.services[batch.resource(owner.resource)]
        instance = str(attributes(owner.resource.attributes).get("service.instance.id") or "")
        for scope in owner.scope_metrics:
            for metric in scope.metrics:
                found = list(_points(metric, service, instance))
                batch.points += found
                batch.rejected += _size(metric) - len(found)
    return batch


def _add_span(batch: Batch, span: Span, resource: bytes, scope: str) -> None:
    if not (_is_id(span.trace_id, 16) and _is_id(span.span_id, 8)):
        batch.rejected += 1
        return
    trace_id, start_ns = span.trace_id.hex(), time_ns(span.start_time_unix_nano)
    is_error, found = span.status.code == ERROR, attributes(span.attributes)
    row = SpanRow(
        trace_id=trace_id,
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        start_ns=start_ns,
        is_error=is_error,
        scope=scope,
        resource=resource,
        body=span.SerializeToString(),
    )
    batch.spans.append(row)
    end_ns = time_ns(span.end_time_unix_nano)
    news, service = batch.news(trace_id, start_ns, end_ns), batch.services[resource]
    news.note(found, signs.of_span(span.name, span.kind, found, end_ns, span.status.message if is_error else None))
    news.fields |= {(SERVICE, service), (SPAN, span.name[:MOST_CHARACTERS])}
    if not span.parent_span_id:
        news.name, news.service, news.ids = span.name[:MOST_CHARACTERS], service, _ids(span.attributes)


def _add_log(batch: Batch, record: Any, resource: bytes, scope: str) -> None:
    at_ns = time_ns(record.time_unix_nano or record.observed_time_unix_nano) or time.time_ns()
    trace_id = record.trace_id.hex() if _is_id(record.trace_id, 16) else ""
    found, text, service = attributes(record.attributes), as_text(record.body), batch.services[resource]
    batch.logs.append(
        LogRow(
            time_ns=at_ns,
            trace_id=trace_id,
            span_id=record.span_id.hex(),
            severity=record.severity_number,
            text=searched(text, found, service),
            scope=scope,
            resource=resource,
            body=record.SerializeToString(),
        )
    )
    if trace_id:
        news = batch.news(trace_id, at_ns, at_ns)
        news.note(found, signs.of_log(text, record.severity_number, found, at_ns))
        news.fields.add((SERVICE, service))


def _ids(pairs: Sequence[KeyValue]) -> dict[str, str]:
    return {
        pair.key: pair.value.string_value[:MOST_CHARACTERS]
        for pair in pairs
        if pair.key in IDS and pair.value.string_value
    }


def _is_id(value: bytes, size: int) -> bool:
    return len(value) == size and any(value)


def _size(metric: Metric) -> int:
    kind = metric.WhichOneof("data")
    return len(getattr(metric, kind).data_points) if kind else 0


def _points(metric: Metric, service: str, instance: str) -> Iterator[PointRow]:
    kind = _KINDS.get(metric.WhichOneof("data") or "")
    if kind is None:
        return
    may_fall = kind is Kind.COUNTER and not metric.sum.is_monotonic
    name = prometheus_name(metric.name, unit=metric.unit, kind=None if may_fall else kind)
    for point in (*metric.sum.data_points, *metric.gauge.data_points, *metric.histogram.data_points):
        value, total, buckets = _measured(point)
        if math.isfinite(value) and (total is None or math.isfinite(total)):
            yield PointRow(
                name=name,
                kind=Kind.GAUGE if may_fall else kind,
                unit=metric.unit,
                labels=_labels(point.attributes),
                service=service,
                instance=instance,
                time_s=time_ns(point.time_unix_nano) / 1e9 or time.time(),
                value=value,
                total=total,
                buckets=buckets,
                exemplars=[_exemplar(each) for each in point.exemplars if _is_id(each.trace_id, 16)],
            )


def _measured(point: Any) -> tuple[float, float | None, str | None]:
    if hasattr(point, "bucket_counts"):
        buckets = json.dumps([list(point.explicit_bounds), list(point.bucket_counts)])
        return float(point.count), float(point.sum), buckets
    return float(point.as_int if point.HasField("as_int") else point.as_double), None, None


def _labels(pairs: Sequence[KeyValue]) -> str:
    return json.dumps(prometheus_labels(attributes(pairs)), sort_keys=True)


def _exemplar(exemplar: Any) -> tuple[str, float, float]:
    value = exemplar.as_int if exemplar.HasField("as_int") else exemplar.as_double
    return exemplar.trace_id.hex(), time_ns(exemplar.time_unix_nano) / 1e9, value if math.isfinite(value) else 0.0
