"""The collector's own telemetry: every metric that an alert uses, under exactly that name, and its log."""

from __future__ import annotations

import re
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

import pytest
import yaml
from binaries import ROOT, Collector, post_otlp, run_collector
from fault_cases import wait_until
from fault_rig import QUICK, numbered, own_metric
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from otlp_sink import run_sink

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from otlp_sink import Sink

pytestmark = pytest.mark.collector

RULES = ROOT / "backends/prometheus/rules"
# What Prometheus asks for, and what a person's program asks for.
ACCEPT = ("application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5", "text/plain;version=0.0.4")
SAMPLING = "otelcol_processor_tail_sampling_new_trace_id_received"
SET_ASIDE = 'otelcol_receiver_accepted_log_records{receiver="file_log/set_aside"}'


def asked_for() -> set[str]:
    """Return every metric of the collector that a rule names, with the matcher of its receiver where it has one."""
    rules = [
        rule
        for path in RULES.glob("*.yml")
        for group in yaml.safe_load(path.read_text("utf-8"))["groups"]
        for rule in group["rules"]
    ]
    found = {name for rule in rules for name in re.findall(r'otelcol_\w+(?:\{receiver="[^"]+"\})?', rule["expr"])}
    # Without a sampling file there is none of it: tests/collector/test_sampling.py asks for it.
    return found - {SAMPLING}


def requests() -> Iterator[tuple[str, object]]:
    """One request of each signal, of 90 kB: what fills the smallest queue that the files allow."""
    now_ns, text = time.time_ns(), "x" * 90_000
    yield "traces", numbered(0, 1, text)
    metrics, logs = ExportMetricsServiceRequest(), ExportLogsServiceRequest()
    metric = metrics.resource_metrics.add().scope_metrics.add().metrics.add(name="queue.depth")
    metric.gauge.data_points.add(as_int=1, time_unix_nano=now_ns).attributes.add(key="note").value.string_value = text
    yield "metrics", metrics
    logs.resource_logs.add().scope_logs.add().log_records.add(time_unix_nano=now_ns).body.string_value = text
    yield "logs", logs


def too_large() -> Iterator[tuple[str, object]]:
    """One request of each signal with an item that no backend takes."""
    text = "x" * 700_000
    traces = numbered(0, 1)
    traces.resource_spans[0].scope_spans[0].spans[0].status.message = text
    yield "traces", traces
    metrics, logs = ExportMetricsServiceRequest(), ExportLogsServiceRequest()
    metric = metrics.resource_metrics.add().scope_metrics.add().metrics.add(name="queue.depth", description=text)
    metric.gauge.data_points.add(as_int=1)
    yield "metrics", metrics
    logs.resource_logs.add().scope_logs.add().log_records.add().body.string_value = text
    yield "logs", logs


def send(collector: Collector) -> None:
    for signal, request in (*requests(), *too_large()):
        try:
            post_otlp(f"{collector.http_url}/v1/{signal}", request)
        except urllib.error.HTTPError as refusal:  # wanted, once a queue is full
            refusal.close()


def counted(collector: Collector, accept: str) -> set[str]:
    """Return what of the rules' names is above zero on the collector's own page."""
    asked = urllib.request.Request(collector.metrics_url, headers={"accept": accept})
    with urllib.request.urlopen(asked, timeout=30) as answer:
        page = answer.read().decode()
    lines = re.findall(r"^(otelcol_\w+)\{([^}]*)\} (\S+)$", page, re.MULTILINE)
    above = [(name, labels) for name, labels, value in lines if float(value) > 0]
    return {name for name, _ in above} | {
        f"{name}{{{found[0]}}}" for name, labels in above if (found := re.findall(r'receiver="[^"]+"', labels))
    }


class TestMetrics:
    """Trouble of every kind on one collector; no rule may ask for a name that never comes."""

    @pytest.mark.parametrize("accept", ACCEPT)
    def test_every_name_of_a_rule_is_counted_when_its_trouble_happens(self, accept: str, tmp_path: Path) -> None:
        (tmp_path / "queue").mkdir()
        (tmp_path / "queue" / "exporter_otlp_http_x_traces.1.backup").write_text("corrupt")
        settings = (*QUICK, "receivers::file_log/set_aside::poll_interval: 100ms")
        with run_sink() as sink:
            environ = {"OTLP_ENDPOINT": sink.url, "OTELCOL_QUEUE_BYTES": "200000"}
            sink.status = 400
            with run_collector("otlp", environ=environ, folder=tmp_path, settings=settings) as it:
                wait_for(it, accept, {name for name in asked_for() if "send_failed" in name})
                sink.status = 200
                wait_for(it, accept, {name for name in asked_for() if "_sent_" in name})
                sink.status = 503
                wait_for(it, accept, asked_for())

    def test_the_rules_ask_for_the_collectors_names(self) -> None:
        assert len(asked_for()) > 10
        assert SET_ASIDE in asked_for()


class TestLog:
    """A person who reads it learns the dropped data, the place and the reason."""

    def test_names_the_exporter_the_signal_and_the_answer_of_what_it_drops(self, tmp_path: Path) -> None:
        with run_sink() as sink:
            sink.status = 400
            with run_collector("otlp", environ={"OTLP_ENDPOINT": sink.url}, folder=tmp_path, settings=QUICK) as it:
                post_otlp(f"{it.http_url}/v1/traces", numbered(0, 3))
                deadline_s = time.monotonic() + 30
                while "Dropping data" not in (log := it.log.read_text()):
                    assert time.monotonic() < deadline_s, log[-2000:]
                    time.sleep(0.05)

        line = next(line for line in log.splitlines() if "Dropping data" in line)
        for part in ("error", '"otlp_http/otlp"', '"otelcol.signal": "traces"', '"dropped_items": 3', "400"):
            assert part in line


OWN_LOG = str(ROOT / "collector/own-log.yaml")


class TestOwnLogExported:
    """With ``own-log.yaml`` it lies where logs lie."""

    def test_comes_masked_to_the_backend_of_logs(self, tmp_path: Path) -> None:
        with run_sink() as sink:
            environ = {"OTLP_ENDPOINT": sink.url}
            with run_collector("otlp", environ=environ, folder=tmp_path, settings=QUICK, files=[OWN_LOG]) as it:
                sink.wait_for(lambda sink: any("Everything is ready" in str(log.body) for log in sink.logs()), 30)
                sink.status = 400
                post_otlp(f"{it.http_url}/v1/traces", numbered(0, 3))
                wait_until(lambda: "Dropping data" in it.log.read_text())
                sink.status = 200
                sink.wait_for(lambda sink: any("Dropping data" in str(log.body) for log in sink.logs()), 30)

        dropping = next(log for log in sink.logs() if "Dropping data" in str(log.body))
        assert (dropping.level, dropping.attributes["dropped_items"]) == ("error", 3)
        assert {name for name in resources(sink) if "service.name" in name} == {"service.name=otelcol"}

    def test_a_backend_of_logs_that_is_away_makes_few_lines(self, tmp_path: Path) -> None:
        """Each refusal writes a line, and that line is refused: upstream's limit on equal lines must end the loop."""
        with run_sink() as sink:
            sink.status = 503
            environ = {"OTLP_ENDPOINT": sink.url}
            with run_collector("otlp", environ=environ, folder=tmp_path, settings=QUICK, files=[OWN_LOG]) as it:
                time.sleep(15)
                accepted = own_metric(it, "otelcol_receiver_accepted_log_records", receiver="otlp")
                sink.status = 200
                sink.wait_for(lambda sink: any("Everything is ready" in str(log.body) for log in sink.logs()), 60)

        assert 10 < accepted < 100  # 46 were seen, and 161 without upstream's limit


def resources(sink: Sink) -> set[str]:
    return {
        f"{pair.key}={pair.value.string_value}"
        for each in sink.received
        if each.path == "/v1/logs"
        for batch in each.message.resource_logs
        for pair in batch.resource.attributes
    }


def wait_for(collector: Collector, accept: str, wanted: set[str]) -> None:
    """Send on until all that is *wanted* was counted."""
    deadline_s = time.monotonic() + 60
    while absent := wanted - counted(collector, accept):
        assert time.monotonic() < deadline_s, f"never counted: {sorted(absent)}"
        send(collector)
        time.sleep(0.1)
