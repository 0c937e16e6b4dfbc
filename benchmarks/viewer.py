"""
How long the viewer's page waits for each of its questions, over a store of a given size.

    python benchmarks/viewer.py --spans 100000
    python benchmarks/viewer.py --spans 1000000 --size-mib 4096

Each message has 25 spans and 3 log lines, one of ten fails. Every question goes over HTTP, as the page asks it.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import sqlite3
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import httpx
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from whatsself_otel.viewer import rows
from whatsself_otel.viewer.server import Viewer, ViewerConfig
from whatsself_otel.viewer.store import Retention

PER_MESSAGE: Final = 25
AT_ONCE: Final = 100
"""Messages in one export."""
REASONS: Final = ("timeout", "blocked", "rate_limited")
WARM_UP: Final = 2
QUESTIONS: Final = {
    "first page of messages": "traces",
    "its histogram and percentiles": "traffic",
    "what can be narrowed down by": "choices",
    "all traces, slowest first": "traces?which=all&sort=slowest",
    "those that failed": "traces?outcome=failed",
    "for one reason, in the last hour": "traces?outcome=failed&reason=blocked&range=1h",
    "of one route": "traces?route=/webhook/messages",
    "with one field": "traces?field=flowId=flow_3",
    "beginning of an id": "traces?text=contact-77",
    "part of a log line, frequent": "traces?text=message received",
    "part of a log line, rare": "traces?text=number 1777 hung",
    "one id, whole": "find?id=message-{middle}",
    "one trace": "traces/{trace}",
    "newest log lines": "logs",
    "log lines, errors": "logs?level=error",
    "log lines, frequent text": "logs?text=received",
    "log lines, rare text": "logs?text=number 1777 hung",
    "log lines, text that no line has": "logs?text=there is no such text",
    "log lines, two letters that no line has": "logs?text=zq",
    "log lines, one field": "logs?field=reason=blocked",
    "1,000 messages": "traces?limit=1000",
    "one contact, day by day": "traces?field=contactId=contact-{contact}&limit=200",
    "overview": "overview",
    "metrics of 5 minutes": "metrics?window_s=300",
    "health": "health",
}


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spans", type=int, default=100_000, help="spans in the store (default: 100000)")
    parser.add_argument("--size-mib", type=int, default=1024, help="most that the file may have (default: 1024)")
    parser.add_argument("--times", type=int, default=20, help="how often each question is asked (default: 20)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="viewer-benchmark-") as folder:
        limits = Retention(
            spans=2 * arguments.spans, logs=2 * arguments.spans, size_bytes=arguments.size_mib * 2**20, age_s=1e6
        )
        config = ViewerConfig(store=Path(folder) / "viewer.db", retention=limits)
        with Viewer(config) as viewer:
            took_s = fill(viewer, arguments.spans // PER_MESSAGE)
            print_heading(viewer, arguments.spans, took_s)
            ask_all(viewer, arguments.spans // PER_MESSAGE, arguments.times)
    return 0


def fill(viewer: Viewer, messages: int) -> float:
    """Put *messages* into the store; return the seconds that it took."""
    start_s = time.perf_counter()
    for first in range(0, messages, AT_ONCE):
        traces, logs = ExportTraceServiceRequest(), ExportLogsServiceRequest()
        for number in range(first, min(messages, first + AT_ONCE)):
            add(traces, logs, number, messages)
        viewer.store.add(rows.traces(traces))
        viewer.store.add(rows.logs(logs))
    return time.perf_counter() - start_s


def add(traces: Any, logs: Any, number: int, messages: int) -> None:
    """Add one message of the last 24 hours."""
    start_ns = time.time_ns() - int((messages - number) / messages * 86_400e9)
    reason = REASONS[number // 10 % len(REASONS)] if number % 10 == 0 else ""
    owners = (traces.resource_spans.add(), logs.resource_logs.add())
    for owner in owners:
        put(owner.resource.attributes, {"service.name": "whatsself", "service.instance.id": f"worker-{number % 4}"})
    spans, lines = owners[0].scope_spans.add(), owners[1].scope_logs.add()
    ids = {"contactId": f"contact-{number // 3}", "messageId": f"message-{number}", "flowId": f"flow_{number % 7}"}
    trace_id = (number + 1).to_bytes(16, "big")
    for index in range(PER_MESSAGE):
        name, kind = ("POST /webhook/messages", 2) if index == 0 else (f"SELECT table_{index}", 3)
        span = spans.spans.add(name="send whatsapp" if index == 20 else name, kind=kind, trace_id=trace_id)
        span.span_id = (number * 100 + index + 1).to_bytes(8, "big")
        if index:
            span.parent_span_id = (number * 100 + 1).to_bytes(8, "big")
        span.start_time_unix_nano = start_ns + index * 1_000_000
        span.end_time_unix_nano = start_ns + (PER_MESSAGE + number % 500 if index == 0 else index + 1) * 1_000_000
        put(span.attributes, {**ids, "db.query.text": "SELECT a, b, c FROM tables WHERE id = ? ORDER BY a LIMIT 10"})
        if index == 0:
            put(span.attributes, {"http.route": "/webhook/messages", "http.response.status_code": "200"})
        if index == 20 and reason:
            span.status.code, span.status.message = 2, reason
            put(span.attributes, {"error.type": reason})
    said = f"Message number {number} hung at the provider" if reason else "Message sent"
    for index, (text, fields) in enumerate(
        (("Message received", {"kind": "text"}), ("Message queued", {}), (said, {"reason": reason} if reason else {}))
    ):
        line = lines.log_records.add(severity_number=17 if "reason" in fields else 9, trace_id=trace_id)
        line.time_unix_nano = start_ns + index * 10_000_000
        line.span_id = (number * 100 + (21 if index == 2 else 1)).to_bytes(8, "big")
        line.body.string_value = text
        put(line.attributes, {**ids, "requestId": f"request-{number}", **fields})


def put(pairs: Any, values: dict[str, str]) -> None:
    """Add attributes."""
    for key, value in values.items():
        pairs.add(key=key).value.string_value = value


def print_heading(viewer: Viewer, spans: int, took_s: float) -> None:
    """Print the machine and the versions of the run."""
    size_mib = viewer.store.path.stat().st_size / 2**20
    held = viewer.store.read("SELECT (SELECT count(*) FROM spans), (SELECT count(*) FROM logs)")[0]
    print(f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {os.cpu_count()} cores")
    print(
        f"{held[0]:,} spans and {held[1]:,} log lines in {size_mib:.0f} MiB, put there at {spans / took_s:,.0f} spans/s"
    )
    print("\n| Question | median ms | P95 ms |\n|---|---|---|")


def ask_all(viewer: Viewer, messages: int, times: int) -> None:
    """Print the duration of each query, and the process's memory at the end."""
    middle = messages // 2
    headers = {"authorization": f"Bearer {viewer.token}"}
    with httpx.Client(base_url=viewer.url, trust_env=False, timeout=120, headers=headers) as client:
        for what, path in QUESTIONS.items():
            asked = "/api/" + path.format(middle=middle, contact=middle // 3, trace=f"{middle + 1:032x}")
            took_ms = [ask(client, asked) for _ in range(times + WARM_UP)][WARM_UP:]
            p95 = statistics.quantiles(took_ms, n=20)[-1]
            print(f"| {what} | {statistics.median(took_ms):.1f} | {p95:.1f} |", flush=True)
    most_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
    print(f"\nThe process held {most_mib:.0f} MiB at most, this program's own making of spans included.")


def ask(client: httpx.Client, path: str) -> float:
    """Return the milliseconds that an answer takes."""
    start_s = time.perf_counter()
    client.get(path).raise_for_status()
    return (time.perf_counter() - start_s) * 1000


if __name__ == "__main__":
    raise SystemExit(main())
