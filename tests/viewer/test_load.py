"""A thousand spans a second: the page still answers, and the store stays within its limit."""

from __future__ import annotations

import statistics
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from parts import Client, counter, logs, spans, trace_id

from whatsself_otel.viewer.server import Viewer, ViewerConfig
from whatsself_otel.viewer.store import Retention

if TYPE_CHECKING:
    from pathlib import Path

MIB = 1024 * 1024
PER_S = 1000
TRACE = 25
"""Spans of one message, as the demo makes them."""
PATHS = ("traces", "traces/{trace}", "logs", "metrics?window_s=300", "health", "find?id=contact-{number}")


@pytest.mark.parametrize("seconds", [5, pytest.param(300, marks=pytest.mark.proof)])
def test_a_thousand_spans_a_second(tmp_path: Path, seconds: int) -> None:
    """Judged by the store's limits in the short form, and by the clock in the proof."""
    limits = Retention(size_bytes=32 * MIB, spans=100_000)
    took_s: list[float] = []
    file = tmp_path / "load.db"
    with Viewer(ViewerConfig(store=file, retention=limits)) as viewer, Client(viewer) as client:
        start_s, sent = time.monotonic(), 0
        with ThreadPoolExecutor(1) as pool:
            while (now_s := time.monotonic() - start_s) < seconds:
                asking = pool.submit(_ask, viewer, sent // TRACE, took_s)
                batch = int((now_s + 0.25) * PER_S - sent) // TRACE
                client.send(*_exports(sent // TRACE, batch))
                sent += batch * TRACE
                asking.result()
                time.sleep(max(0.0, start_s + now_s + 0.25 - time.monotonic()))
        lasted_s = time.monotonic() - start_s
        held = client.get("/api/health")["store"]
        newest = client.get(f"/api/find?id=contact-{sent // TRACE - 1}")["traces"]
        size, log_size = file.stat().st_size, file.with_name("load.db-wal").stat().st_size
    p95_ms = statistics.quantiles(took_s, n=20)[-1] * 1000
    sys.stdout.write(
        f"{sent / lasted_s:.0f} spans/s for {lasted_s:.0f} s, p95 {p95_ms:.0f} ms of {len(took_s)} answers\n"
    )
    sys.stdout.write(f"file {size / MIB:.1f} MiB, write-ahead log {log_size / MIB:.1f} MiB, {held}\n")

    assert newest
    assert size <= limits.size_bytes
    assert log_size <= 16 * MIB
    assert held["spans"] <= limits.spans + TRACE * PER_S
    if seconds > 60:
        assert sent / lasted_s > 0.95 * PER_S
        assert p95_ms < 200


def _exports(first: int, count: int) -> tuple[Any, Any, Any]:
    """Return the exports of an application's batch processors: many traces at once, and their log lines."""
    traces, lines = ExportTraceServiceRequest(), ExportLogsServiceRequest()
    for number in range(first, first + count):
        traces.MergeFrom(spans(number, count=TRACE))
        lines.MergeFrom(logs(number, "Message received", "Message sent"))
    return traces, lines, counter("messages.inbound", first, kind="text")


def _ask(viewer: Viewer, number: int, took_s: list[float]) -> None:
    with Client(viewer) as client:
        for path in PATHS:
            start_s = time.monotonic()
            client.ask("/api/" + path.format(trace=trace_id(max(0, number - 1)), number=max(0, number - 1)))
            took_s.append(time.monotonic() - start_s)
