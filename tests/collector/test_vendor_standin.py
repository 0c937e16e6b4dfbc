"""
A stand-in for each vendor that takes OTLP over HTTP or Prometheus remote write, in front of the real collector.

Nobody here has an account with all of them; the stand-in refuses what the vendor's own page says it would refuse.
"""

from __future__ import annotations

import gzip
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any

import pytest
import sigv4
import snappy
from binaries import post_otlp, run_collector
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from otlp_sink import Server
from rows import for_each
from vendor_files import VENDORS, header, listed, read
from vendor_intakes import AWS_KEYS, INTAKES, Intake

from whatsself_otel.stack.vendor_files import EXTENSIONS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

REQUESTS: dict[str, Any] = {
    "traces": ExportTraceServiceRequest,
    "metrics": ExportMetricsServiceRequest,
    "logs": ExportLogsServiceRequest,
}
DELTA = 1
SENT_METRICS = ("messages.outbound", "first_response.latency")
"""A sum and a histogram."""
WRITTEN_METRICS = (b"messages_outbound_total", b"first_response_latency_bucket")
"""Series of theirs, as Prometheus has them."""
LARGE_RECORDS, LARGE_TEXT = 1_500, "the queue is moving " * 50
"""Records of 1 kB each: more than the smallest request of a vendor may hold."""


def complaints(intake: Intake, signal: str, headers: Mapping[str, str], body: bytes) -> list[str]:
    """Return the vendor's objections to one request of *signal*."""
    if signal == "metrics" and intake.remote_write:
        sent_as = {"content-encoding": "snappy", "x-prometheus-remote-write-version": "0.1.0"}
    else:
        sent_as = {"content-encoding": "gzip"}
    wanted = {"content-type": "application/x-protobuf", **sent_as, **intake.wanted(signal)}
    found = [f"{name} is {headers.get(name)!r}" for name, value in wanted.items() if headers.get(name) != value]
    plain = gzip.decompress(body) if headers.get("content-encoding") == "gzip" else body
    if len(plain) > intake.limit(signal):
        found.append(f"{len(plain)} bytes are more than {intake.limit(signal)}")
    if signal == "metrics" and intake.remote_write:
        return found
    message = REQUESTS[signal].FromString(plain)
    if signal == "metrics":
        wrong = [name for name, kind, temporality in temporalities(message) if not fits(intake, kind, temporality)]
        found += [f"{name} has the wrong temporality" for name in wrong]
    return found


def fits(intake: Intake, kind: str, temporality: int) -> bool:
    """Whether the vendor keeps a metric of this *kind*, a sum or a histogram."""
    delta = intake.temporality == "delta" or (intake.temporality == "delta histograms" and kind == "histogram")
    return not delta or temporality == DELTA


def temporalities(message: ExportMetricsServiceRequest) -> Iterator[tuple[str, str, int]]:
    for resource in message.resource_metrics:
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                if kind := next((kind for kind in ("sum", "histogram") if metric.HasField(kind)), None):
                    yield metric.name, kind, getattr(metric, kind).aggregation_temporality


@dataclass
class StandIn:
    """The arrived requests and their faults."""

    intake: Intake
    url: str = ""
    taken: dict[str, int] = field(default_factory=dict)
    """Signal -> items taken."""
    refused: list[str] = field(default_factory=list)
    counting: threading.Lock = field(default_factory=threading.Lock)

    def take(self, path: str, headers: Mapping[str, str], body: bytes) -> int:
        """Take one request and return its status."""
        signal = next((name for name, below in self.intake.paths.items() if path == self.intake.base + below), None)
        found = complaints(self.intake, signal, headers, body) if signal else [f"nothing is at {path}"]
        if signal and signal in self.intake.signed_for:
            wrong = sigv4.complaint(path, headers, body, AWS_KEYS, self.intake.signed_for[signal])
            found += [wrong] if wrong else []
        self.refused += found
        if signal and not found:
            arrived = self.counted(signal, body)
            with self.counting:  # requests come at the same time, each in a thread
                self.taken[signal] = self.taken.get(signal, 0) + arrived
        return 400 if found else 200

    def counted(self, signal: str, body: bytes) -> int:
        """Return how many items a request has that nothing is wrong with."""
        if signal == "metrics" and self.intake.remote_write:
            plain = snappy.decompress(body)
            return sum(name in plain for name in WRITTEN_METRICS)
        return items(REQUESTS[signal].FromString(gzip.decompress(body)))


def items(message: Any) -> int:
    if isinstance(message, ExportTraceServiceRequest):
        return sum(len(scope.spans) for each in message.resource_spans for scope in each.scope_spans)
    if isinstance(message, ExportLogsServiceRequest):
        return sum(len(scope.log_records) for each in message.resource_logs for scope in each.scope_logs)
    return sum(len(scope.metrics) for each in message.resource_metrics for scope in each.scope_metrics)


@contextmanager
def stand_in(intake: Intake) -> Iterator[StandIn]:
    """Serve a stand-in of *intake* until the block ends."""
    standing = StandIn(intake)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", "0")))
            status = standing.take(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
            self.send_response(status)
            self.send_header("content-type", "application/x-protobuf")
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            pass

    server = Server(("127.0.0.1", 0), Handler)
    standing.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield standing
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def payload(records: int, text: str) -> dict[str, Any]:
    """Return a span and counter, and *records* logs of *text*, as an application sends them."""
    now_ns = time.time_ns()
    traces, metrics, logs = ExportTraceServiceRequest(), ExportMetricsServiceRequest(), ExportLogsServiceRequest()
    span = (
        traces.resource_spans.add()
        .scope_spans.add()
        .spans.add(name="send", trace_id=bytes(range(1, 17)), span_id=b"\x07" * 8)
    )
    span.start_time_unix_nano, span.end_time_unix_nano = now_ns, now_ns + 1_000_000
    scope = metrics.resource_metrics.add().scope_metrics.add()
    total, latency = (scope.metrics.add(name=name) for name in SENT_METRICS)
    total.sum.aggregation_temporality, total.sum.is_monotonic = 2, True
    total.sum.data_points.add(as_int=5, start_time_unix_nano=now_ns, time_unix_nano=now_ns + 1)
    latency.histogram.aggregation_temporality = 2
    latency.histogram.data_points.add(
        start_time_unix_nano=now_ns,
        time_unix_nano=now_ns + 1,
        count=1,
        sum=3,
        bucket_counts=[0, 1],
        explicit_bounds=[1],
    )
    batch = logs.resource_logs.add().scope_logs.add()
    for _ in range(records):
        batch.log_records.add(time_unix_nano=now_ns).body.string_value = text
    return {"traces": traces, "metrics": metrics, "logs": logs}


STOOD_IN_FOR = ("otlp_http/", "prometheus_remote_write/")
"""Kinds of exporter that speak HTTP; what speaks gRPC has a real receiver, in test_vendor_grpc.py."""


def headers_of(name: str) -> list[tuple[str, str]]:
    """Return setting and name of each header that the file of *name* sets; two files leave them to a variable."""
    if name == "otlp":
        return [("otlp_http/otlp::headers", "x-tenant")]
    if name == "prometheus-remote-write":
        return [("prometheus_remote_write/any::http::headers", "x-scope-orgid")]
    found = []
    for exporter, settings in read(name)["exporters"].items():
        found += [(f"{exporter}::headers", key) for key in settings.get("headers", {})]
        found += [(f"{exporter}::http::headers", key) for key in settings.get("http", {}).get("headers", {})]
    return found


WITH_HEADERS = tuple(name for name in INTAKES if headers_of(name))
"""The vendors that want a header; the others ask for no key, have it in the URL, or want a signature."""


def run(
    name: str,
    standing: StandIn,
    *,
    records: int = 1,
    text: str = "sent",
    settings: tuple[str, ...] = (),
    environ: Mapping[str, str] | None = None,
) -> None:
    """Send *records* logs, a span and two metrics through the collector with vendor *name*, until all has arrived."""
    stated = {key: value.replace("{url}", standing.url) for key, value in standing.intake.environ.items()}
    if extensions := listed(header(name)["extensions"]):
        stated["OTELCOL_EXTENSIONS"] = f"[{', '.join((*EXTENSIONS, *extensions))}]"
    environ = {**stated, **(environ or {})}
    wanted = {"traces": 1, "metrics": 2, "logs": records}
    with run_collector(name, environ=environ, settings=settings) as collector:
        for signal, message in payload(records, text).items():
            post_otlp(f"{collector.http_url}/v1/{signal}", message)
        deadline_s = time.monotonic() + 180
        while not standing.refused and any(
            standing.taken.get(signal, 0) < wanted[signal] for signal in standing.intake.paths
        ):
            assert time.monotonic() < deadline_s, f"only {standing.taken} arrived"
            time.sleep(0.02)


class TestTable:
    """The table and the files tell of the same vendors."""

    def test_has_every_vendor_that_is_sent_to_over_http_and_can_be_run(self) -> None:
        over_http = {
            name
            for name in VENDORS
            if header(name)["lacking"] == "none"
            and any(exporter.startswith(STOOD_IN_FOR) for exporter in read(name)["exporters"])
        }
        # The local backends are real ones: tests/e2e.
        assert over_http - {"local", "victorialogs"} == set(INTAKES)

    @for_each("name", INTAKES)
    def test_agrees_with_the_header_about_signals_and_temporality(self, name: str) -> None:
        assert set(listed(header(name)["signals"])) == set(INTAKES[name].paths)
        assert header(name)["temporality"].startswith("delta") == (INTAKES[name].temporality != "any")
        assert INTAKES[name].temporality in {header(name)["temporality"], "any"}

    @for_each("name", INTAKES)
    def test_cites_the_vendor(self, name: str) -> None:
        assert INTAKES[name].page.startswith("https://")
        assert INTAKES[name].page in listed(header(name)["source"])
        assert header(name)["checked"] >= INTAKES[name].checked


@pytest.mark.collector
class TestVendor:
    """The real collector with the vendor's file."""

    @pytest.mark.parametrize("name", INTAKES)
    def test_takes_every_signal(self, name: str) -> None:
        with stand_in(INTAKES[name]) as standing:
            run(name, standing)

        assert standing.refused == []

    def test_splits_what_is_larger_than_one_request(self) -> None:
        """Of the vendor with the smallest; that no file goes above 2 MB is seen in test_validate.py."""
        with stand_in(INTAKES["new-relic"]) as standing:
            run("new-relic", standing, records=LARGE_RECORDS, text=LARGE_TEXT)

        assert standing.refused == []

    @pytest.mark.parametrize("name", WITH_HEADERS)
    def test_a_changed_header_is_seen(self, name: str) -> None:
        """The last of the file is changed."""
        setting, key = next(reversed(headers_of(name)))
        with stand_in(INTAKES[name]) as standing:
            run(name, standing, settings=(f"exporters::{setting}: {{{key}: other}}",))

        assert f"{key} is 'other'" in standing.refused

    @pytest.mark.parametrize(
        ("name", "signer", "said"),
        [
            (
                "aws",
                "sigv4auth/aws-traces: {region: us-east-1, service: xray}",
                "it is signed for us-east-1",
            ),
            ("aws-prometheus", "sigv4auth/aws-prometheus: {region: sa-east-1, service: es}", "it is signed for es"),
        ],
    )
    def test_a_signature_for_another_region_or_service_is_seen(self, name: str, signer: str, said: str) -> None:
        with stand_in(INTAKES[name]) as standing:
            run(name, standing, settings=(f"extensions: {{{signer}}}",))

        assert said in standing.refused

    def test_a_signature_by_another_secret_is_seen(self) -> None:
        with stand_in(INTAKES["aws-prometheus"]) as standing:
            run("aws-prometheus", standing, environ={"AWS_SECRET_ACCESS_KEY": "another"})

        assert "its signature is wrong" in standing.refused

    def test_a_larger_batch_is_seen(self) -> None:
        larger = "exporters::otlp_http/new-relic::sending_queue::batch::max_size: 9000000"
        with stand_in(INTAKES["new-relic"]) as standing:
            run("new-relic", standing, records=LARGE_RECORDS, text=LARGE_TEXT, settings=(larger,))

        assert "bytes are more than 1000000" in standing.refused[0]

    def test_cumulative_for_a_vendor_of_delta_is_seen(self) -> None:
        as_it_comes = "service::pipelines::metrics/dynatrace::processors: []"
        with stand_in(INTAKES["dynatrace"]) as standing:
            run("dynatrace", standing, settings=(as_it_comes,))

        assert standing.refused == [f"{name} has the wrong temporality" for name in SENT_METRICS]

    def test_cumulative_histograms_for_elastic_are_seen(self) -> None:
        as_it_comes = "service::pipelines::metrics/elastic::processors: []"
        with stand_in(INTAKES["elastic"]) as standing:
            run("elastic", standing, settings=(as_it_comes,))

        assert standing.refused == [f"{SENT_METRICS[1]} has the wrong temporality"]
