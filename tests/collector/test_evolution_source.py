"""Evolution's own /metrics, scraped by the real collector, become the metrics of sessions that a bridge records."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml
from binaries import COLLECTOR, need, run_collector
from fault_rig import QUICK
from otlp_sink import Sink

pytestmark = pytest.mark.collector

# As `src/api/routes/index.router.ts` of 2.3.6 writes them; Evolution itself needs Postgres and a phone.
PAGE = """\
# HELP evolution_environment_info Environment information
# TYPE evolution_environment_info gauge
evolution_environment_info{version="2.3.6",clientName="shop",serverUrl="https://evolution.example.com"} 1
# HELP evolution_instances_total Total number of instances
# TYPE evolution_instances_total gauge
evolution_instances_total 2
# HELP evolution_instance_up 1 if instance state is open, else 0
# TYPE evolution_instance_up gauge
# HELP evolution_instance_state Instance state as a labelled metric
# TYPE evolution_instance_state gauge
evolution_instance_up{instance="loja-centro",integration="WHATSAPP-BAILEYS"} 1
evolution_instance_state{instance="loja-centro",integration="WHATSAPP-BAILEYS",state="open"} 1
evolution_instance_up{instance="loja-norte",integration="WHATSAPP-BAILEYS"} 0
evolution_instance_state{instance="loja-norte",integration="WHATSAPP-BAILEYS",state="close"} 1
"""


@contextmanager
def evolution() -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
            self.end_headers()
            self.wfile.write(PAGE.encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join(10)


@pytest.fixture
def scraping_collector() -> None:
    listed = subprocess.run([need(COLLECTOR), "components"], capture_output=True, text=True, check=True, timeout=60)
    if "prometheus" not in {each["name"] for each in yaml.safe_load(listed.stdout)["receivers"]}:
        pytest.skip("this collector has no Prometheus receiver; set OTELCOL_BIN to one that has, such as contrib's")


@pytest.mark.usefixtures("scraping_collector")
def test_states_become_the_metrics_of_sessions(tmp_path: Path, sink: Sink) -> None:
    with evolution() as target:
        environ = {"OTLP_ENDPOINT": sink.url, "EVOLUTION_METRICS_TARGET": target}
        settings = QUICK
        with run_collector("otlp", sources=["evolution"], environ=environ, folder=tmp_path, settings=settings):
            sink.wait_for(lambda sink: "whatsapp.session.state" in sink.metrics(), timeout_s=60)

    found = {name: sink.metrics()[name] for name in sink.metrics() if name.startswith(("whatsapp", "evolution"))}
    points = {
        (name, frozenset((each.key, each.value.string_value) for each in point.attributes)): point.as_double
        for name, metrics in found.items()
        for metric in metrics
        for point in metric.gauge.data_points
    }
    assert points == {
        ("whatsapp.session.connected", frozenset({("session", "loja-centro")})): 1,
        ("whatsapp.session.connected", frozenset({("session", "loja-norte")})): 0,
        ("whatsapp.session.state", frozenset({("session", "loja-centro"), ("state", "connected")})): 1,
        ("whatsapp.session.state", frozenset({("session", "loja-norte"), ("state", "disconnected")})): 1,
    }
