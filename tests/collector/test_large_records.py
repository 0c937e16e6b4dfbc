"""A record that no backend takes goes alone: those beside it arrive, and it is counted."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from binaries import Collector, post_otlp, run_collector
from fault_cases import wait_until
from fault_rig import QUICK, own_metric
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from whatsself_otel import TelemetryConfig

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
    """Add a note, and many notes to a large item: a single one would be cut."""
    for number in range(100 if is_large else 1):
        attributes.add(key=f"note{number}").value.string_value = LARGE[:25_000] if is_large else "small"


def spans_with_events(large: int) -> ExportTraceServiceRequest:
    """Events of which each alone would be taken."""
    request = spans(-1)
    for _ in range(10):
        event = request.resource_spans[0].scope_spans[0].spans[large].events.add(name="exception")
        event.attributes.add(key="note").value.string_value = LARGE[:250_000]
    return request


def named_spans(large: int) -> ExportTraceServiceRequest:
    request = spans(-1)
    request.resource_spans[0].scope_spans[0].spans[large].status.message = LARGE
    return request


def described_points(large: int) -> ExportMetricsServiceRequest:
    request = points(-1)
    request.resource_metrics[0].scope_metrics[0].metrics[large].description = LARGE
    return request


REQUESTS: dict[str, tuple[str, Callable[[int], Any]]] = {
    "traces": ("traces", spans),
    "metrics": ("metrics", points),
    "logs": ("logs", records),
    "events": ("traces", spans_with_events),
    "status": ("traces", named_spans),
    "description": ("metrics", described_points),
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


@pytest.mark.parametrize("signal", ["traces", "metrics", "logs"])
def test_one_large_value_is_cut_once_it_is_masked_and_its_record_arrives(
    collector: Collector, sink: Sink, signal: str
) -> None:
    request = REQUESTS[signal][1](-1)
    resource = next(iter(request.ListFields()[0][1]))
    items = next(iter(resource.ListFields()[0][1])).ListFields()[0][1]
    holder = items[7] if signal != "metrics" else items[7].gauge.data_points[0]
    # The limit, 32,768, lies in the middle of the number.
    holder.attributes[0].value.string_value = f"{'x ' * 16_379}+55 11 98765-4321{LARGE}"

    post_otlp(f"{collector.http_url}/v1/{signal}", request)

    wait_until(lambda: arrived(sink) == COUNT)
    came = "".join(str(each.message) for each in sink.received)
    assert (came.count(" (cut)"), "98765" in came, "+55" in came) == (1, False, False)


def test_a_request_of_long_values_takes_less_than_its_sender_waits(collector: Collector, sink: Sink) -> None:
    """By the collector's CPU: what takes longer is sent again while it is still in hand, and arrives twice."""
    item = '{"id": "msg_1763898000123_k3j9x2", "to": "+55********4321", "status": "sent", "tags": ["a", "b"]}, '
    request = spans(-1)
    for span in request.resource_spans[0].scope_spans[0].spans:
        span.attributes[0].value.string_value = item * 300
    before_s = cpu_s(collector)

    post_otlp(f"{collector.http_url}/v1/traces", request)

    wait_until(lambda: arrived(sink) == COUNT)
    megabytes = request.ByteSize() / 1e6
    assert 3 * (cpu_s(collector) - before_s) / megabytes < TelemetryConfig().export_timeout_s


def test_32_large_senders_at_once_are_all_served(collector: Collector, sink: Sink) -> None:
    """Opaque text: the server closes what it has not answered in 30 s."""
    request = spans(-1)
    for span in request.resource_spans[0].scope_spans[0].spans:
        for number in range(50):
            span.attributes.add(key=f"run{number}").value.string_value = "x" * 1000

    with ThreadPoolExecutor(32) as senders:
        list(senders.map(lambda _: post_otlp(f"{collector.http_url}/v1/traces", request), range(32)))

    wait_until(lambda: arrived(sink) == 32 * COUNT)


def cpu_s(collector: Collector) -> float:
    """Return what all threads of *collector* have used."""
    tasks = Path(f"/proc/{collector.process.pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text("utf-8").split()[0]) for task in tasks) / 1e9


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


@pytest.mark.parametrize("position", [0, 1], ids=["first", "last"])
def test_a_scope_that_no_backend_takes_goes_alone(collector: Collector, sink: Sink, position: int) -> None:
    request = spans(-1)
    scopes = request.resource_spans[0].scope_spans
    scopes.add().CopyFrom(scopes[0])
    scopes[position].scope.name = LARGE

    post_otlp(f"{collector.http_url}/v1/traces", request)

    wait_until(lambda: len(sink.spans()) == COUNT)
    assert own_metric(collector, "otelcol_processor_filter_spans_filtered") == COUNT


def test_a_span_with_events_and_words_of_the_collector_in_it_is_taken(collector: Collector, sink: Sink) -> None:
    """Nothing that a sender puts in the place of the size note is refused, and none of it stays."""
    request = spans(-1)
    span = request.resource_spans[0].scope_spans[0].spans[0]
    span.attributes.add(key="masking.bytes").value.string_value = "many"
    span.events.add(name="exception").attributes.add(key="note").value.string_value = "small"

    post_otlp(f"{collector.http_url}/v1/traces", request)

    wait_until(lambda: len(sink.spans()) == COUNT)
    assert not any("masking" in key for each in sink.spans() for key in each.attributes)


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
