"""
A phone in every field of OTLP that can hold text or bytes, through the real collector.

The fields are those of the official protobuf descriptors: one that a new version of OTLP adds is tried by itself.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import pytest
from binaries import Collector, post_otlp, run_collector
from google.protobuf.descriptor import FieldDescriptor  # type: ignore[import-untyped]  # has no types
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from otlp_sink import Sink, run_sink

if TYPE_CHECKING:
    from collections.abc import Iterator

    from google.protobuf.descriptor import Descriptor
    from google.protobuf.message import Message  # type: ignore[import-untyped]  # has no types

pytestmark = pytest.mark.collector

QUICK = (
    "exporters::otlp_http/otlp::sending_queue::batch::flush_timeout: 10ms",
    "connectors::span_metrics::metrics_flush_interval: 1h",
)
REQUESTS: dict[str, Any] = {
    "traces": ExportTraceServiceRequest,
    "metrics": ExportMetricsServiceRequest,
    "logs": ExportLogsServiceRequest,
}
IDS = {"trace_id", "span_id", "parent_span_id"}
"""Eight or sixteen bytes, else the receiver refuses them: an id of any value."""
OUT_OF_REACH = {"entity_refs"}
"""A row of docs/masking.md: names of attributes, which nothing in the collector can look into."""
Path = tuple[FieldDescriptor, ...]


def paths(descriptor: Descriptor, way: Path = ()) -> Iterator[Path]:
    """Every way from a request to a field of text or bytes; a message inside itself is entered once more."""
    for field in descriptor.fields:
        if field.name in IDS | OUT_OF_REACH:
            continue
        if field.message_type is None:
            if field.type in {FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES}:
                yield (*way, field)
        elif sum(each.message_type is field.message_type for each in way) < 2:
            yield from paths(field.message_type, (*way, field))


def place(message: Message, way: Path, text: str) -> None:
    """Put *text* at the end of *way*, in new messages."""
    *before, last = way
    for field in before:
        inner = getattr(message, field.name)
        if field.is_repeated:
            inner = inner.add()
        inner.SetInParent()
        message = inner
    value = text.encode() if last.type == FieldDescriptor.TYPE_BYTES else text
    if last.is_repeated:
        getattr(message, last.name).append(value)
    else:
        setattr(message, last.name, value)


def phone(number: int) -> str:
    return f"55219{76_000_000 + number * 7}"


def is_in(out: bytes, text: str) -> bool:
    return text.encode() in out or base64.b64encode(text.encode())[:12] in out


@pytest.fixture(scope="module")
def sink() -> Iterator[Sink]:
    with run_sink() as found:
        yield found


@pytest.fixture(scope="module")
def collector(sink: Sink) -> Iterator[Collector]:
    with run_collector("otlp", environ={"OTLP_ENDPOINT": sink.url}, settings=QUICK) as found:
        yield found


@pytest.mark.parametrize("signal", REQUESTS)
def test_no_field_lets_a_phone_pass(collector: Collector, sink: Sink, signal: str) -> None:
    sink.received.clear()
    request = REQUESTS[signal]()
    ways = list(paths(request.DESCRIPTOR))
    for number, way in enumerate(ways):
        place(request, way, phone(number))

    post_otlp(f"{collector.http_url}/v1/{signal}", request)
    sink.wait_for(lambda each: each.received, timeout_s=30)

    out = b"".join(each.body for each in sink.received)
    left = [".".join(field.name for field in way) for number, way in enumerate(ways) if is_in(out, phone(number))]
    assert left == []
    assert b"****" in out
    assert len(ways) > 20


@pytest.mark.parametrize("signal", REQUESTS)
def test_a_field_that_lets_one_pass_would_be_told(signal: str) -> None:
    request = REQUESTS[signal]()
    ways = list(paths(request.DESCRIPTOR))
    for number, way in enumerate(ways):
        place(request, way, phone(number))

    assert all(is_in(request.SerializeToString(), phone(number)) for number in range(len(ways)))


def test_every_field_is_on_the_way() -> None:
    ways = [way for each in REQUESTS.values() for way in paths(each.DESCRIPTOR)]

    ends = {f"{way[-1].containing_type.name}.{way[-1].name}" for way in ways}

    assert ends >= {
        *("Span.name", "Span.trace_state", "Status.message", "Event.name", "Link.trace_state", "KeyValue.key"),
        *("AnyValue.string_value", "AnyValue.bytes_value", "InstrumentationScope.name", "InstrumentationScope.version"),
        *("LogRecord.severity_text", "LogRecord.event_name", "Metric.name", "Metric.unit", "Metric.description"),
        *("ResourceSpans.schema_url", "ScopeSpans.schema_url", "ResourceLogs.schema_url", "ScopeMetrics.schema_url"),
    }
