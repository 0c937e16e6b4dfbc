"""A record that no backend takes goes alone: those beside it arrive, and it is counted."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from binaries import Collector, post_otlp, run_collector
from fault_cases import wait_until
from fault_rig import QUICK, own_metric
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from otlp_sink import Sink

    from whatsself_otel import Telemetry

pytestmark = pytest.mark.collector

COUNT = 41
LARGE = "x" * 2_500_000
COUNTERS = {"traces": "spans", "metrics": "datapoints", "logs": "logs"}


@pytest.fixture
def collector(sink: Sink) -> Iterator[Collector]:
    with run_collector("otlp", environ={"OTLP_ENDPOINT": sink.url}, settings=QUICK) as running:
        yield running


def spans(large: int) -> ExportTraceServiceRequest:
    request = ExportTraceServiceRequest()
    scope = request.resource_spans.add().scope_spans.add()
    for number in range(COUNT):
        span = scope.spans.add(name=f"n{number}", trace_id=b"\1" * 16, span_id=number.to_bytes(8, "big", signed=False))
        span.span_id = (number + 1).to_bytes(8, "big")
        fill(span.attributes, large == number)
    return request


def points(large: int) -> ExportMetricsServiceRequest:
    request = ExportMetricsServiceRequest()
    scope = request.resource_metrics.add().scope_metrics.add()
    for number in range(COUNT):
        point = scope.metrics.add(name=f"n{number}").gauge.data_points.add(as_int=1, time_unix_nano=time.time_ns())
        fill(point.attributes, large == number)
    return request


def records(large: int, *, body: bool = False) -> ExportLogsServiceRequest:
    request = ExportLogsServiceRequest()
    scope = request.resource_logs.add().scope_logs.add()
    for number in range(COUNT):
        record = scope.log_records.add(time_unix_nano=time.time_ns())
        record.body.string_value = LARGE if body and large == number else f"n{number}"
        fill(record.attributes, large == number and not body)
    return request


def fill(attributes: Any, is_large: bool) -> None:  # noqa: FBT001 - of the three above only
    attributes.add(key="note").value.string_value = LARGE if is_large else "small"


REQUESTS: dict[str, tuple[str, Callable[[int], Any]]] = {
    "traces": ("traces", spans),
    "metrics": ("metrics", points),
    "logs": ("logs", records),
    "bodies": ("logs", lambda large: records(large, body=True)),
}


def arrived(sink: Sink) -> int:
    metrics = [name for name in sink.metrics() if name.startswith("n")]
    return len(sink.spans()) + len(metrics) + len(sink.logs())


@pytest.mark.parametrize("kind", REQUESTS)
@pytest.mark.parametrize("position", [0, COUNT // 2, COUNT - 1], ids=["first", "middle", "last"])
def test_goes_alone_in_every_position_and_is_counted(
    collector: Collector, sink: Sink, kind: str, position: int
) -> None:
    signal, make = REQUESTS[kind]

    post_otlp(f"{collector.http_url}/v1/{signal}", make(position))

    wait_until(lambda: arrived(sink) == COUNT - 1)
    assert own_metric(collector, f"otelcol_processor_filter_{COUNTERS[signal]}_filtered") == 1


def test_a_record_without_a_body_is_not_too_large(collector: Collector, sink: Sink) -> None:
    request = ExportLogsServiceRequest()
    request.resource_logs.add().scope_logs.add().log_records.add(event_name="connected")

    post_otlp(f"{collector.http_url}/v1/logs", request)

    wait_until(lambda: len(sink.logs()) == 1)
    assert "error" not in collector.log.read_text("utf-8")


def test_a_resource_that_no_backend_takes_goes_alone(collector: Collector, sink: Sink) -> None:
    request = spans(-1)
    request.resource_spans.add().CopyFrom(request.resource_spans[0])
    fill(request.resource_spans[0].resource.attributes, is_large=True)

    post_otlp(f"{collector.http_url}/v1/traces", request)

    wait_until(lambda: len(sink.spans()) == COUNT)


def test_of_the_package_goes_alone_in_the_application_and_is_counted(
    collector: Collector, sink: Sink, start: Callable[..., Telemetry]
) -> None:
    telemetry = start(endpoint=collector.http_url)
    for number in range(COUNT):
        # Masking cuts a single text long before; it is the whole that no backend takes.
        attributes = {f"note{n}": "x" * 50_000 if number == 7 else "small" for n in range(50)}
        telemetry.tracer.start_span(f"n{number}", attributes=attributes).end()

    assert telemetry.force_flush(timeout_s=30)
    wait_until(lambda: len(sink.spans()) == COUNT - 1)
    assert telemetry.health().signals["traces"]["dropped"] == 1
    wait_until(lambda: sink.total("telemetry.dropped_items", signal="traces", reason="too_large") == 1)
