"""Where the signals go when it is not OTLP over HTTP as usual: to the console, and in parts."""

from __future__ import annotations

import gzip
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from children import environment
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from otlp_sink import Sink

from whatsself_otel import Telemetry, TelemetryConfig
from whatsself_otel.export.exporters import target_of

Start = Callable[..., Telemetry]

SHOP = """
import logging
from whatsself_otel import setup_telemetry

with setup_telemetry() as telemetry:
    with telemetry.tracer.start_as_current_span("answer", attributes={"to": "+55 11 98765-4321"}):
        logging.getLogger("shop").warning("written to %s", "+55 11 98765-4321")
    telemetry.metrics.message_inbound()
    assert telemetry.force_flush(30)
    print(telemetry.health().ok)
"""


def run_shop(exporter: str, endpoint: str) -> subprocess.CompletedProcess[str]:
    """Run the shop in a separate process, with all signals by *exporter*."""
    return subprocess.run(
        [sys.executable, "-c", SHOP],
        env=environment(
            OTEL_TRACES_EXPORTER=exporter,
            OTEL_LOGS_EXPORTER=exporter,
            OTEL_METRICS_EXPORTER=exporter,
            OTEL_EXPORTER_OTLP_ENDPOINT=endpoint,
            WHATSSELF_OTEL_LOG_TO_STDOUT="false",
        ),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


class TestConsole:
    def test_every_signal_is_shown_masked_and_nothing_is_sent(self) -> None:
        done = run_shop("console", "http://127.0.0.1:9")

        assert (done.returncode, done.stderr) == (0, "")
        assert '"name": "answer"' in done.stdout
        assert '"to": "+55********4321"' in done.stdout
        assert '"body": "written to +55********4321"' in done.stdout
        assert '"name": "messages.inbound"' in done.stdout
        assert "98765" not in done.stdout
        assert "\nTrue\n" in done.stdout


class TestNothing:
    def test_no_signal_leaves_that_is_switched_off(self, sink: Sink) -> None:
        done = run_shop("none", sink.url)

        assert (done.returncode, done.stdout, done.stderr) == (0, "True\n", "")
        assert sink.received == []


class Narrow:
    """A receiver that refuses larger requests, with the requests that it took."""

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes = most_bytes
        self.sizes: list[int] = []
        self.names: list[str] = []

    @contextmanager
    def listening(self) -> Iterator[str]:
        taken = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if self.headers.get("content-encoding") == "gzip":
                    body = gzip.decompress(body)
                fits = len(body) <= taken.most_bytes
                if fits and self.path == "/v1/metrics":
                    taken.take(body)
                self.send_response_only(200 if fits else 413)
                self.send_header("content-length", "0")
                self.end_headers()

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            server.daemon_threads = True
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
            try:
                yield f"http://127.0.0.1:{server.server_address[1]}"
            finally:
                server.shutdown()

    def take(self, body: bytes) -> None:
        self.sizes.append(len(body))
        for resource in ExportMetricsServiceRequest.FromString(body).resource_metrics:
            self.names += [metric.name for scope in resource.scope_metrics for metric in scope.metrics]


class TestMetricsInParts:
    def test_what_a_receiver_finds_too_large_arrives_whole_in_smaller_requests(self, start: Start) -> None:
        receiver = Narrow(4_000)
        with receiver.listening() as url:
            telemetry = start(endpoint=url, metric_interval_s=600)
            telemetry.metrics.message_inbound()
            assert telemetry.force_flush(30)
            names = list(receiver.names)

        assert len(receiver.sizes) > 2
        assert len(names) == len(set(names))
        assert {"messages.inbound", "messages.outbound", "process.uptime"} <= set(names)

    def test_one_metric_that_is_too_large_costs_only_itself_and_is_counted(self, start: Start) -> None:
        receiver = Narrow(2_000)
        with receiver.listening() as url:
            telemetry = start(endpoint=url, metric_interval_s=600)
            for number in range(60):
                telemetry.metrics.trigger_hit(trigger_id=f"trigger-{number}")
            telemetry.metrics.message_inbound()
            telemetry.force_flush(20)
            names, status = set(receiver.names), telemetry.health().signals["metrics"]

        assert "messages.inbound" in names
        assert "trigger.hits" not in names
        assert status["dropped"] >= 60


class TestPacking:
    """Bytes are packed for a network, not for the loopback; whoever says how is obeyed."""

    def test_only_what_leaves_this_machine_is_packed(self) -> None:
        packed = {
            (endpoint, said): target_of(TelemetryConfig(endpoint=endpoint, compression=said), "traces").compress
            for endpoint in (
                "http://localhost:4318",
                "http://127.0.0.2:4318",
                "http://[::1]:4318",
                "http://collector:4318",
            )
            for said in (None, "gzip", "none")
        }
        expected = {pair: pair[1] == "gzip" or pair == ("http://collector:4318", None) for pair in packed}
        assert packed == expected
