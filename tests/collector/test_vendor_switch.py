"""The application stays as it is; one more --config and the same data arrives somewhere else as well."""

from __future__ import annotations

import json
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from binaries import Program, free_ports, get, need, post_otlp, run_collector, running
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from otlp_sink import Sink, run_sink

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.collector

TRACE_ID = bytes(range(1, 17))
PATHS = {"/v1/traces", "/v1/metrics", "/v1/logs"}


def send_as_the_application(http_url: str, *, total: int = 5, started_ns: int | None = None) -> None:
    """Send a span, a log and a counter by OTLP, as an application does for any vendor."""
    now_ns = time.time_ns()
    started_ns = started_ns or now_ns
    traces, logs, metrics = ExportTraceServiceRequest(), ExportLogsServiceRequest(), ExportMetricsServiceRequest()
    span = traces.resource_spans.add().scope_spans.add().spans.add(name="send", trace_id=TRACE_ID, span_id=b"\x07" * 8)
    span.start_time_unix_nano, span.end_time_unix_nano = now_ns, now_ns + 1_000_000
    span.attributes.add(key="messageId").value.string_value = "msg_1"
    traces.resource_spans[0].resource.attributes.add(key="service.name").value.string_value = "whatsself"
    logs.resource_logs.add().scope_logs.add().log_records.add(trace_id=TRACE_ID).body.string_value = "sent"
    metric = metrics.resource_metrics.add().scope_metrics.add().metrics.add(name="messages.outbound")
    metric.sum.aggregation_temporality, metric.sum.is_monotonic = 2, True
    metric.sum.data_points.add(as_int=total, start_time_unix_nano=started_ns, time_unix_nano=now_ns + 1)
    for path, request in (("traces", traces), ("logs", logs), ("metrics", metrics)):
        post_otlp(f"{http_url}/v1/{path}", request)


@dataclass(frozen=True, slots=True)
class Vendor:
    """Requirements of a vendor's file."""

    endpoint: str
    """The variable that names its endpoint."""
    secrets: dict[str, str]
    headers: dict[str, str]


VENDORS = {
    "datadog": Vendor("DD_OTLP_ENDPOINT", {"DD_API_KEY": "dd-secret"}, {"dd-api-key": "dd-secret"}),
    "elastic": Vendor("ELASTIC_OTLP_ENDPOINT", {"ELASTIC_API_KEY": "es=="}, {"authorization": "ApiKey es=="}),
    "grafana-cloud": Vendor(
        "GRAFANA_CLOUD_OTLP_ENDPOINT",
        {"GRAFANA_CLOUD_BASIC_AUTH": "aWQ6dG9rZW4="},
        {"authorization": "Basic aWQ6dG9rZW4="},
    ),
    "honeycomb": Vendor("HONEYCOMB_ENDPOINT", {"HONEYCOMB_API_KEY": "hny"}, {"x-honeycomb-team": "hny"}),
    "otlp": Vendor(
        "OTLP_ENDPOINT",
        {"OTLP_HEADERS": '{authorization: "Bearer abc=", x-tenant: shop}'},
        {"authorization": "Bearer abc=", "x-tenant": "shop"},
    ),
}


@pytest.fixture
def sink() -> Iterator[Sink]:
    with run_sink() as running_sink:
        yield running_sink


@pytest.mark.parametrize("name", VENDORS)
class TestSaasVendor:
    """A stand-in for a vendor that we have no account with: it checks what the vendor would check."""

    def test_gets_all_signals_with_its_headers(self, name: str, sink: Sink) -> None:
        vendor = VENDORS[name]

        with run_collector(name, environ={vendor.endpoint: sink.url, **vendor.secrets}) as collector:
            send_as_the_application(collector.http_url)
            sink.wait_for(lambda sink: {each.path for each in sink.received} == PATHS)

        assert sink.spans()[0].attributes == {"messageId": "msg_1"}
        assert sink.logs()[0].body == "sent"
        assert "messages.outbound" in sink.metrics()
        for each in sink.received:
            expected = {"content-encoding": "gzip", "content-type": "application/x-protobuf", **vendor.headers}
            assert {key: each.headers.get(key) for key in expected} == expected

    def test_no_secret_is_in_the_log_of_the_collector(self, name: str, sink: Sink, tmp_path: Path) -> None:
        vendor = VENDORS[name]

        with run_collector(name, folder=tmp_path, environ={vendor.endpoint: sink.url, **vendor.secrets}) as collector:
            sink.status = 401
            send_as_the_application(collector.http_url)
            wait_for_text(collector.log, "401")

        assert not any(secret in collector.log.read_text() for secret in vendor.secrets.values())


class TestTemporality:
    """A vendor that takes only delta gets only delta; the others still get cumulative."""

    def test_datadog_gets_delta(self, sink: Sink) -> None:
        with run_collector("datadog", environ={"DD_OTLP_ENDPOINT": sink.url, "DD_API_KEY": "k"}) as collector:
            started_ns = time.time_ns()
            send_as_the_application(collector.http_url, total=5, started_ns=started_ns)
            send_as_the_application(collector.http_url, total=8, started_ns=started_ns)
            sink.wait_for(lambda sink: sum(points(sink, "messages.outbound")) == 8)

        assert points(sink, "messages.outbound") == [5, 3]
        assert {metric.sum.aggregation_temporality for metric in sink.metrics()["messages.outbound"]} == {1}

    def test_honeycomb_gets_metrics_in_a_data_set_of_their_own(self, sink: Sink) -> None:
        with run_collector(
            "honeycomb", environ={"HONEYCOMB_ENDPOINT": sink.url, "HONEYCOMB_API_KEY": "k"}
        ) as collector:
            send_as_the_application(collector.http_url)
            sink.wait_for(lambda sink: {each.path for each in sink.received} == PATHS)

        data_sets = {each.path: each.headers.get("x-honeycomb-dataset") for each in sink.received}
        assert data_sets == {"/v1/traces": None, "/v1/logs": None, "/v1/metrics": "whatsself-metrics"}


class TestSecondBackend:
    """Two vendors at once, and one of them away."""

    def test_jaeger_shows_the_trace_that_the_first_backend_got_too(self, sink: Sink, tmp_path: Path) -> None:
        with run_jaeger(tmp_path) as (otlp_address, query_url):
            environ = {"OTLP_ENDPOINT": sink.url, "JAEGER_OTLP_ENDPOINT": otlp_address}
            with run_collector("otlp", "jaeger", environ=environ) as collector:
                send_as_the_application(collector.http_url)
                sink.wait_for(lambda sink: sink.spans())
                trace = wait_for_trace(query_url, TRACE_ID.hex())

        assert [span["operationName"] for span in trace["spans"]] == ["send"]

    def test_one_backend_that_is_away_holds_up_no_other_and_gets_its_part_later(self, tmp_path: Path) -> None:
        (away,) = free_ports(1)
        environ = {"DD_OTLP_ENDPOINT": f"http://127.0.0.1:{away}", "DD_API_KEY": "k"}
        with (
            run_sink() as first,
            run_collector("otlp", "datadog", environ={**environ, "OTLP_ENDPOINT": first.url}, folder=tmp_path) as it,
        ):
            send_as_the_application(it.http_url)
            first.wait_for(lambda sink: sink.spans())

        # The collector has stopped; what Datadog's stand-in missed is on disk.
        with run_sink(away) as second, run_collector("datadog", environ=environ, folder=tmp_path):
            second.wait_for(lambda sink: sink.spans(), timeout_s=30)

        assert second.spans()[0].attributes == {"messageId": "msg_1"}


class TestScrape:
    """The page for a Prometheus that scrapes."""

    def test_shows_the_names_of_the_catalogue(self) -> None:
        (port,) = free_ports(1)

        with run_collector("prometheus-scrape", environ={"OTELCOL_SCRAPE_PORT": str(port)}) as collector:
            send_as_the_application(collector.http_url)
            page = (get(f"http://127.0.0.1:{port}/metrics") or b"").decode()

        assert "messages_outbound_total{" in page


def points(sink: Sink, name: str) -> list[int]:
    return [point.as_int for metric in sink.metrics().get(name, []) for point in metric.sum.data_points]


def wait_for_text(log: Path, text: str, timeout_s: float = 15.0) -> None:
    deadline_s = time.monotonic() + timeout_s
    while text not in log.read_text():
        assert time.monotonic() < deadline_s, f"{text!r} is not in the log:\n{log.read_text()[-2000:]}"
        time.sleep(0.1)


def wait_for_trace(query_url: str, trace_id: str, timeout_s: float = 20.0) -> Any:
    deadline_s = time.monotonic() + timeout_s
    while (found := get(f"{query_url}/api/traces/{trace_id}")) is None:
        assert time.monotonic() < deadline_s, "Jaeger does not know the trace"
        time.sleep(0.1)
    return json.loads(found)["data"][0]


@contextmanager
def run_jaeger(folder: Path) -> Iterator[tuple[str, str]]:
    """Run a real Jaeger; gives its OTLP gRPC address and the URL of its queries."""
    query, otlp, admin = free_ports(3)
    unused = ("collector.grpc-server", "collector.http-server", "query.grpc-server", "http-server")
    processors = (
        "processor.jaeger-binary.server",
        "processor.jaeger-compact.server",
        "processor.zipkin-compact.server",
    )
    program = Program(
        command=[
            need("jaeger"),
            f"--collector.otlp.grpc.host-port=127.0.0.1:{otlp}",
            f"--query.http-server.host-port=127.0.0.1:{query}",
            f"--admin.http.host-port=127.0.0.1:{admin}",
            "--collector.otlp.http.host-port=127.0.0.1:0",
            *(f"--{name}.host-port=127.0.0.1:0" for name in unused),
            *(f"--{name}-host-port=127.0.0.1:0" for name in processors),
        ],
        ready_url=f"http://127.0.0.1:{admin}/",
        environ={},
        log=folder / "jaeger.log",
    )
    with running(program):
        yield f"127.0.0.1:{otlp}", f"http://127.0.0.1:{query}"
