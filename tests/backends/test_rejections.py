"""Items that a real backend refuses for good are counted by the collector one by one; the rest continues."""

from __future__ import annotations

import json
import re
import time
import urllib.parse
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from binaries import get, post_otlp, run_collector
from fault_rig import own_metric
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from shipped_backends import run_shipped_loki, run_shipped_prometheus, run_shipped_tempo, run_shipped_victorialogs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from binaries import Collector

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


def test_loki_keeps_what_a_queue_gives_it_all_at_once(tmp_path: Path) -> None:
    """After an outage. It answers 429 to more than its rate, which the collector heeds."""
    count = 30_000
    with run_shipped_loki(tmp_path) as url:
        environ = {"LOKI_OTLP_ENDPOINT": f"{url}/otlp"}
        with run_collector("local", environ=environ, folder=tmp_path, settings=QUICK) as it:
            for first in range(0, count, 500):
                post_otlp(f"{it.http_url}/v1/logs", logs(range(first, first + 500)))
            wait_until(lambda: counted_lines(url) == count, timeout_s=120)
            failed = own_metric(it, "otelcol_exporter_send_failed_log_records")

    assert failed == 0


def logs(numbers: Iterable[int]) -> ExportLogsServiceRequest:
    """Return a line of 1 kB for each of *numbers*."""
    request = log("first")
    records = request.resource_logs[0].scope_logs[0].log_records
    now_ns = records.pop().time_unix_nano
    for number in numbers:
        records.add(time_unix_nano=now_ns + number).body.string_value = "words of a line " * 64
    return request


def counted_lines(url: str) -> int:
    """Return how many lines Loki has."""
    query = urllib.parse.urlencode({"query": 'sum(count_over_time({service_name="whatsself"}[1h]))'})
    found = json.loads(get(f"{url}/loki/api/v1/query?{query}", timeout_s=60) or b'{"data": {"result": []}}')
    return sum(int(each["value"][1]) for each in found["data"]["result"])


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


@contextmanager
def tempo_behind_a_collector(folder: Path) -> Iterator[tuple[str, Collector]]:
    """Run Tempo as it is shipped, and a collector that sends to it; yield Tempo's address and the collector."""
    with (
        run_shipped_tempo(folder) as (url, otlp),
        run_collector("local", environ={"TEMPO_OTLP_ENDPOINT": otlp}, folder=folder, settings=QUICK) as it,
    ):
        yield url, it


def discarded(url: str) -> list[str]:
    """Return the lines of the page of *url* that say what Tempo answered well to and threw away."""
    page = (get(f"{url}/metrics") or b"").decode()
    return [line for line in page.splitlines() if line.startswith("tempo_discarded_spans_total")]


def test_what_tempo_finds_too_large_is_counted_by_tempo(tmp_path: Path) -> None:
    small, large = b"\x01" * 16, b"\x02" * 16
    with tempo_behind_a_collector(tmp_path) as (url, it):
        for _ in range(4):
            post_otlp(f"{it.http_url}/v1/traces", trace(large, 1_600_000))
            time.sleep(1.5)
        post_otlp(f"{it.http_url}/v1/traces", trace(small, 100))
        wait_until(lambda: get(f"{url}/api/v2/traces/{small.hex()}"))
        failed = own_metric(it, "otelcol_exporter_send_failed_spans", exporter="otlp_grpc/tempo")
        lines = discarded(url)

    assert failed == 0
    assert any("trace_too_large" in line for line in lines)


def test_tempo_keeps_what_a_queue_gives_it_all_at_once(tmp_path: Path) -> None:
    """After an outage. By default it holds 10,000 unfinished traces, answers well to more, and throws them away."""
    count = 30_000
    with tempo_behind_a_collector(tmp_path) as (url, it):
        for first in range(1, count, 1000):
            post_otlp(f"{it.http_url}/v1/traces", traces(range(first, first + 1000)))
        wait_until(lambda: is_there(url, count))
        sample = [number for number in range(1, count + 1, 97) if not is_there(url, number)]
        lines = discarded(url)

    assert (sample, lines) == ([], [])


def traces(numbers: Iterable[int]) -> ExportTraceServiceRequest:
    """Return a trace of one span for each of *numbers*."""
    request = ExportTraceServiceRequest()
    scope = request.resource_spans.add().scope_spans.add()
    now_ns = time.time_ns()
    for number in numbers:
        span = scope.spans.add(name="send", trace_id=number.to_bytes(16, "big"), span_id=b"\x01" * 8)
        span.start_time_unix_nano, span.end_time_unix_nano = now_ns, now_ns + 1000
    return request


def is_there(url: str, number: int) -> bool:
    """Say whether Tempo gives trace *number* back."""
    found = get(f"{url}/api/v2/traces/{number.to_bytes(16, 'big').hex()}")
    return found is not None and b"send" in found  # of a trace that it does not have it says so with 200
