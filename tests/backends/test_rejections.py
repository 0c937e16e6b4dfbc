"""Items that a real backend refuses for good are counted by the collector one by one; the rest continues."""

from __future__ import annotations

import json
import re
import time
import urllib.parse
from typing import TYPE_CHECKING

import pytest
from binaries import ROOT, Program, free_ports, get, need, post_otlp, run_collector, running
from fault_rig import own_metric
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from shipped_backends import run_shipped_loki, run_shipped_prometheus, run_shipped_victorialogs

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = [pytest.mark.backend, pytest.mark.collector]

HOUR_S = 3600
QUICK = ("connectors::span_metrics::metrics_flush_interval: 1h",)


def gauge(value: int, age_s: float) -> ExportMetricsServiceRequest:
    request = ExportMetricsServiceRequest()
    metric = request.resource_metrics.add().scope_metrics.add().metrics.add(name="queue.depth")
    metric.gauge.data_points.add(as_int=value, time_unix_nano=time.time_ns() - int(age_s * 1e9))
    return request


def log(text: str, age_s: float = 0) -> ExportLogsServiceRequest:
    request = ExportLogsServiceRequest()
    owner = request.resource_logs.add()
    owner.resource.attributes.add(key="service.name").value.string_value = "whatsself"
    record = owner.scope_logs.add().log_records.add(time_unix_nano=time.time_ns() - int(age_s * 1e9))
    record.body.string_value = text
    return request


def trace(trace_id: bytes, note_bytes: int) -> ExportTraceServiceRequest:
    request = ExportTraceServiceRequest()
    scope = request.resource_spans.add().scope_spans.add()
    now_ns = time.time_ns()
    for number in range(8):
        span = scope.spans.add(name="send", trace_id=trace_id, span_id=bytes([number + 1]) * 8)
        span.start_time_unix_nano, span.end_time_unix_nano = now_ns, now_ns + 1000
        for part in range(max(1, note_bytes // 8000)):
            span.attributes.add(key=f"note {part}").value.string_value = "x" * min(note_bytes, 1000)
    return request


def wait_until(condition: Callable[[], object], timeout_s: float = 40.0) -> None:
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline_s, f"it never came to be within {timeout_s} s"
        time.sleep(0.2)


def lines(url: str, days: int = 1) -> list[str]:
    start = time.time() - days * 24 * HOUR_S
    query = urllib.parse.urlencode({"query": '{service_name="whatsself"}', "start": start, "limit": 100})
    # Loki asks hour by hour, and 20 days took 5.6 s on a busy machine.
    found = get(f"{url}/loki/api/v1/query_range?{query}", timeout_s=60)
    answer = json.loads(found or b'{"data": {"result": []}}')
    return [line for stream in answer["data"]["result"] for _, line in stream["values"]]


def test_what_prometheus_finds_too_old_is_counted(tmp_path: Path) -> None:
    with run_shipped_prometheus(tmp_path) as url:
        environ = {"PROMETHEUS_OTLP_ENDPOINT": f"{url}/api/v1/otlp"}
        with run_collector("local", environ=environ, folder=tmp_path, settings=QUICK) as it:

            def failed() -> float:
                return own_metric(it, "otelcol_exporter_send_failed_metric_points", exporter="otlp_http/prometheus")

            def now() -> list[str]:
                found = json.loads(get(f"{url}/api/v1/query?query=queue_depth") or b'{"data": {"result": []}}')
                return [series["value"][1] for series in found["data"]["result"]]

            post_otlp(f"{it.http_url}/v1/metrics", gauge(1, 0))
            wait_until(lambda: now() == ["1"])
            post_otlp(f"{it.http_url}/v1/metrics", gauge(2, 30 * HOUR_S))
            wait_until(lambda: failed() == 1)
            post_otlp(f"{it.http_url}/v1/metrics", gauge(3, 0))
            wait_until(lambda: now() == ["3"])

            assert failed() == 1


def test_what_loki_finds_too_long_is_cut_and_what_it_finds_too_old_is_counted(tmp_path: Path) -> None:
    with run_shipped_loki(tmp_path) as url:
        environ = {"LOKI_OTLP_ENDPOINT": f"{url}/otlp"}
        with run_collector("local", environ=environ, folder=tmp_path, settings=QUICK) as it:
            for record in (log("before"), log("x" * 300_000), log("too old", age_s=8 * 24 * HOUR_S)):
                post_otlp(f"{it.http_url}/v1/logs", record)
                time.sleep(1.5)  # each in a request of its own
            wait_until(lambda: own_metric(it, "otelcol_exporter_send_failed_log_records") == 1)
            post_otlp(f"{it.http_url}/v1/logs", log("after"))
            wait_until(lambda: "after" in lines(url))

        whole = [line for line in lines(url, days=20) if len(line) < 10]
        cut = [len(line) for line in lines(url, days=20) if len(line) >= 10]
        page = (get(f"{url}/metrics") or b"").decode()
        counted = re.findall(r"^loki_mutated_samples_total\{.*line_too_long.*\} (\S+)$", page, re.MULTILINE)
        assert (sorted(whole), cut, counted) == (["after", "before"], [256 * 1024], ["1"])


def test_what_victorialogs_finds_too_large_or_too_old_is_seen_at_victorialogs_alone(tmp_path: Path) -> None:
    """It answers 200 to both, so that the collector has nothing to count."""
    with run_shipped_victorialogs(tmp_path) as victorialogs:
        environ = {"VICTORIALOGS_OTLP_ENDPOINT": victorialogs.otlp}
        with run_collector("victorialogs", environ=environ, folder=tmp_path, settings=QUICK) as it:
            for record in (log("x" * 300_000), log("too old", age_s=31 * 24 * HOUR_S), log("z")):
                post_otlp(f"{it.http_url}/v1/logs", record)
            # The collector sends no record of that size.
            post_otlp(f"{victorialogs.otlp}/v1/logs", log("y" * 2_200_000))
            wait_until(lambda: victorialogs.rows("z"))
            failed = own_metric(it, "otelcol_exporter_send_failed_log_records")
        kept = sorted(len(row["_msg"]) for row in victorialogs.rows("*"))
        too_old = victorialogs.metric('vl_rows_dropped_total{reason="too_small_timestamp"}')

    assert (kept, failed, too_old) == ([1, 300_000], 0, 1)
    assert "ignoring too long log entry" in victorialogs.log.read_text()


def test_what_tempo_finds_too_large_is_counted_by_tempo(tmp_path: Path) -> None:
    http, grpc, otlp = free_ports(3)
    url = f"http://127.0.0.1:{http}"
    environ = {
        "TEMPO_DATA": str(tmp_path / "tempo"),
        "TEMPO_HTTP_PORT": str(http),
        "TEMPO_GRPC_PORT": str(grpc),
        "TEMPO_OTLP_PORT": str(otlp),
    }
    program = Program(
        command=[need("tempo"), "-config.expand-env=true", f"-config.file={ROOT / 'backends/tempo/tempo.yaml'}"],
        ready_url=f"{url}/ready",
        environ=environ,
        log=tmp_path / "tempo.log",
    )
    small, large = b"\x01" * 16, b"\x02" * 16
    with running(program):
        tempo = {"TEMPO_OTLP_ENDPOINT": f"127.0.0.1:{otlp}"}
        with run_collector("local", environ=tempo, folder=tmp_path, settings=QUICK) as it:
            for _ in range(4):
                post_otlp(f"{it.http_url}/v1/traces", trace(large, 1_600_000))
                time.sleep(1.5)
            post_otlp(f"{it.http_url}/v1/traces", trace(small, 100))
            wait_until(lambda: get(f"{url}/api/v2/traces/{small.hex()}"))
            page = (get(f"{url}/metrics") or b"").decode()
            failed = own_metric(it, "otelcol_exporter_send_failed_spans", exporter="otlp_grpc/tempo")

    discarded = [line for line in page.splitlines() if line.startswith("tempo_discarded_spans_total")]
    assert failed == 0
    assert any("trace_too_large" in line for line in discarded)
