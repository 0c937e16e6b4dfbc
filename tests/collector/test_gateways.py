"""Deltas are right with one gateway and with three, and what cannot be right is refused with its reason."""

from __future__ import annotations

import itertools
import threading
import urllib.request
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING

import pytest
import yaml
from binaries import ROOT, run_collector
from otlp_sink import Server, Sink
from rows import for_each
from vendor_files import path

from whatsself_otel.cli import main
from whatsself_otel.stack import vendor_files
from whatsself_otel.stack.soundness import contradictions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from whatsself_otel import Telemetry

COUNT = 300
ROUNDS = 10
QUICK = (
    "exporters::otlp_http/datadog-metrics::sending_queue::batch::flush_timeout: 20ms",
    "connectors::span_metrics::metrics_flush_interval: 1h",
)
DELTA = str(ROOT / "collector/scale/agent-delta.yaml")


@contextmanager
def in_turns(urls: Sequence[str]) -> Iterator[str]:
    """Hand each request to the next of *urls*, as a balancer before gateways does, and give its own URL."""
    turns, lock = itertools.cycle(urls), threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            with lock:
                base = next(turns)
            kept = {name: self.headers[name] for name in ("content-type", "content-encoding") if self.headers[name]}
            with urllib.request.urlopen(urllib.request.Request(base + self.path, body, kept), timeout=60) as answer:
                self.send_response(answer.status)
            self.send_header("content-type", "application/x-protobuf")
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            """Say nothing."""

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def agent_file(folder: Path) -> str:
    """Write an agent that sends metrics by HTTP: its own exporter needs one address for all gateways."""
    otlp = yaml.safe_load(path("otlp").read_text("utf-8"))
    otlp["exporters"]["otlp_http/otlp"]["sending_queue"]["batch"]["flush_timeout"] = "20ms"
    pipeline = otlp["service"]["pipelines"]["metrics/otlp"]
    otlp["service"] = {"pipelines": {"metrics/gateway": pipeline}}
    file = folder / "agent.yaml"
    file.write_text(yaml.safe_dump(otlp), "utf-8")
    return str(file)


def sent_deltas(sink: Sink) -> float:
    """Return the sum of all increases that came."""
    points = [point for metric in sink.metrics().get("messages.outbound", []) for point in metric.sum.data_points]
    return float(sum(point.as_double or point.as_int for point in points))


def count_through(
    folder: Path, sink: Sink, start: Callable[..., Telemetry], *, gateways: int, files: Sequence[str]
) -> float:
    """Have the package count to 300 in ten exports through an agent with *files*, and return the vendor's data."""
    vendor = {"DD_API_KEY": "k", "DD_OTLP_ENDPOINT": sink.url}
    with ExitStack() as stack:
        running = [
            stack.enter_context(run_collector("datadog", environ=vendor, settings=QUICK)) for _ in range(gateways)
        ]
        balancer = stack.enter_context(in_turns([each.http_url for each in running]))
        environ = {"OTLP_ENDPOINT": balancer}
        quiet = ("connectors::span_metrics::metrics_flush_interval: 1h",)
        agent = stack.enter_context(run_collector(environ=environ, settings=quiet, files=[agent_file(folder), *files]))
        telemetry = start(endpoint=agent.http_url)
        for export in range(ROUNDS):
            for _ in range(COUNT // ROUNDS):
                telemetry.metrics.message_sent(origin="reply")
            assert telemetry.force_flush(timeout_s=30)
            sink.wait_for(lambda sink: len(sink.metrics().get("messages.outbound", [])) > export, 30)  # noqa: B023
        telemetry.shutdown()
        sink.wait_for(lambda sink: sent_deltas(sink) >= COUNT, 30)
    return sent_deltas(sink)


@pytest.mark.collector
class TestDeltas:
    """A counter of the package that went to 300, as a vendor of deltas adds it up."""

    @pytest.mark.parametrize("gateways", [1, 3])
    def test_are_right_when_the_agent_makes_them(
        self, tmp_path: Path, sink: Sink, start: Callable[..., Telemetry], gateways: int
    ) -> None:
        assert count_through(tmp_path, sink, start, gateways=gateways, files=[DELTA]) == COUNT

    def test_are_wrong_when_three_gateways_make_them(
        self, tmp_path: Path, sink: Sink, start: Callable[..., Telemetry]
    ) -> None:
        """Refused combinations, and the reasons."""
        assert count_through(tmp_path, sink, start, gateways=3, files=[]) > COUNT


class TestRefusals:
    """What cannot be right together."""

    @for_each(
        "vendors, scale, sampling, environ, said",
        [
            (["datadog"], ["gateway"], False, {}, "datadog takes deltas, and of several gateways none"),
            (["dynatrace"], ["gateway"], False, {}, "dynatrace takes deltas"),
            (["local"], ["gateway"], False, {"OTELCOL_AGENT_TEMPORALITY": "delta"}, "local takes cumulative metrics"),
            (["local"], ["agent"], True, {}, "--sampling at an agent decides on a part of each trace"),
            (["local"], ["agent-delta"], False, {}, "Give --scale agent too."),
            ([], ["kafka-producer-secure"], False, {}, "Give --scale kafka-producer too."),
            (["datadog"], ["gateway"], False, {"OTELCOL_AGENT_TEMPORALITY": "delta"}, ""),
            (["datadog"], [], True, {}, ""),
            (["local"], ["gateway"], True, {}, ""),
            (["jaeger", "victorialogs"], ["gateway"], True, {"OTELCOL_AGENT_TEMPORALITY": "delta"}, ""),
            ([], ["agent", "agent-delta"], False, {}, ""),
            (["datadog"], ["kafka-consumer"], False, {}, ""),
        ],
    )
    def test_are_told_with_the_reason(
        self,
        vendors: list[str],
        scale: list[str],
        sampling: bool,  # noqa: FBT001 - a row of the table
        environ: dict[str, str],
        said: str,
    ) -> None:
        files = [vendor_files.load(name) for name in vendors]

        found = list(contradictions(files, scale, sampling=sampling, environ=environ))

        assert len(found) == bool(said)
        assert all(said in each for each in found)

    def test_stop_the_start_with_status_2(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        for name in ("OTELCOL_TLS_CERT_FILE", "OTELCOL_TLS_KEY_FILE", "OTELCOL_TLS_CLIENT_CA_FILE"):
            (tmp_path / name).write_text("x", "utf-8")
            monkeypatch.setenv(name, str(tmp_path / name))
        monkeypatch.setenv("DD_API_KEY", "k1")

        assert main(["collector", "run", "--vendor", "datadog", "--scale", "gateway"]) == 2
        assert "--scale agent --scale agent-delta" in capsys.readouterr().err
