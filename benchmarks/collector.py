"""
What masking costs the collector: the base beside the same collector with receivers and exporters only, in one run.

Each signal is sent to three collectors in turns: bare (receiver to nop), the base without its masking processors, and
the base. Items are 1,000 a request, alike in all; what is compared is the CPU time that each process used.

    python benchmarks/collector.py [--rounds 8] [--requests 20] [--markdown benchmarks/collector.md] [--beside FOLDER]

Long and opaque texts (long_texts.py) are sent too, a megabyte a request, each as an attribute of a log record.

With ``--beside`` the base of another checkout takes its turns too: whether this one is dearer is told in one run.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import json
import os
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from unittest import mock

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "support"))
sys.path.insert(0, str(Path(__file__).parent))  # tools/scale_figures.py reads this file from elsewhere

import binaries
import long_texts
from binaries import COLLECTOR, Collector, Program, free_ports, need, post_otlp, run_collector, running
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ITEMS = 1000
LONG_BYTES = 1_000_000
"""In one request of long texts."""
AIM_US = 40.0
"""Microseconds of CPU a span for the whole rule set: 25,000 spans a second and core."""
ATTRIBUTES = {
    "http.request.method": "POST",
    "url.path": "/api/send",
    "http.route": "/api/send",
    "requestId": "0b8e7c1e-5a5e-4a8e-9d5b-3f1e8a7c9d10",
    "contactId": "clx3k2j9h0000qzrm8f2d1a7b",
    "messageId": "msg_1763898000123_k3j9x2",
    "user_agent.original": "WhatsSelf/1.4 (Linux x86_64)",
    "db.query.text": "SELECT id FROM messages WHERE id = ? LIMIT 100",
}
HEAD = """\
# Masking in the collector

Written by `benchmarks/collector.py` on {today}; {cores} shared cores, load {load:.0f}, medians of rounds in turns.
Spans and records have 8 attributes, points 2. `bare` is receiver to `nop`, `unmasked` the base without its masking
processors, `beside` the base of another checkout (`--beside`). Aim: {aim:.0f} us a span.

"""
SETTINGS = {
    "unmasked": (
        "service::pipelines::traces/in::processors: [memory_limiter]",
        "service::pipelines::metrics/in::processors: [memory_limiter]",
        "service::pipelines::logs/in::processors: [memory_limiter]",
    ),
    "base": (),
}


def main() -> int:
    """Run the benchmark and print, or write, its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--requests", type=int, default=20)
    parser.add_argument("--markdown", type=Path)
    parser.add_argument("--beside", type=Path, metavar="FOLDER", help="another checkout, whose base is measured too")
    arguments = parser.parse_args()
    long_rounds = max(1, arguments.rounds // 2)
    results = measure(arguments.rounds, arguments.requests, arguments.beside)
    text = table(results) + "\n" + long_table(measure_long(long_rounds, arguments.beside))
    print(text)
    if arguments.markdown:
        arguments.markdown.write_text(text, "utf-8")
    return 0


@dataclass
class Measured:
    """CPU of one collector for one signal, a figure a round, and its memory at the end."""

    item_us: list[float] = field(default_factory=list)
    rss_mib: float = 0.0


def measure(rounds: int, requests: int, beside: Path | None = None) -> dict[tuple[str, str], Measured]:
    """Send every signal to every collector, in turns, and return what each used."""
    with collectors(beside) as started:
        results = {(kind, signal): Measured() for kind in started for signal in PAYLOADS}
        for _ in range(rounds + 1):  # the first warms up
            for signal, make in PAYLOADS.items():
                message = make()
                for kind, it in started.items():
                    results[kind, signal].item_us.append(cpu_us(it, signal, message, requests) / (requests * ITEMS))
                    results[kind, signal].rss_mib = rss_mib(it)
    for each in results.values():
        del each.item_us[0]
    return results


def measure_long(rounds: int, beside: Path | None = None) -> dict[tuple[str, str], list[float]]:
    """Send every long text to the base, without and with its masking, in turns; return CPU seconds a megabyte."""
    with collectors(beside) as started:
        kinds = [kind for kind in started if kind != "bare"]
        results: dict[tuple[str, str], list[float]] = {(kind, name): [] for kind in kinds for name in long_texts.TEXTS}
        for name, text in long_texts.TEXTS.items():
            message = long_logs(text)
            for _ in range(rounds):
                for kind in kinds:
                    used_us = cpu_us(started[kind], "logs", message, 1)
                    results[kind, name].append(used_us / message.ByteSize())
    return results


@contextlib.contextmanager
def collectors(beside: Path | None = None) -> Iterator[dict[str, Collector]]:
    """Run one collector of each kind, all at once; that of the checkout *beside* too."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        started = {"bare": stack.enter_context(bare(folder))}
        for kind, settings in SETTINGS.items():
            (folder / kind).mkdir()
            quiet = "connectors::span_metrics::metrics_flush_interval: 1h"
            started[kind] = stack.enter_context(run_collector(folder=folder / kind, settings=(quiet, *settings)))
        if beside is not None:
            (folder / "beside").mkdir()
            base = tuple(
                str(path) for name in ("config", "masking") if (path := beside / f"collector/{name}.yaml").is_file()
            )
            with mock.patch.object(binaries, "config_arguments", return_value=[f"--config={path}" for path in base]):
                started["beside"] = stack.enter_context(run_collector(folder=folder / "beside", settings=(quiet,)))
        yield started


@contextlib.contextmanager
def bare(folder: Path) -> Iterator[Collector]:
    """Run a collector that receives and throws away."""
    http, health = free_ports(2)
    config = {
        "receivers": {"otlp": {"protocols": {"http": {"endpoint": f"127.0.0.1:{http}"}}}},
        "exporters": {"nop": {}},
        "extensions": {"health_check": {"endpoint": f"127.0.0.1:{health}"}},
        "service": {
            "extensions": ["health_check"],
            "telemetry": {"metrics": {"level": "none"}},
            "pipelines": {signal: {"receivers": ["otlp"], "exporters": ["nop"]} for signal in PAYLOADS},
        },
    }
    command: list[str | Path] = [need(COLLECTOR), f"--config=yaml:{json.dumps(config)}"]
    ready = f"http://127.0.0.1:{health}/"
    with running(Program(command=command, ready_url=ready, environ={}, log=folder / "bare.log")) as process:
        url = f"http://127.0.0.1:{http}"
        yield Collector(http_url=url, grpc_address="", metrics_url="", log=folder / "bare.log", process=process)


def cpu_us(it: Collector, signal: str, message: object, requests: int) -> float:
    """Return the CPU time the collector used to take *requests* times *message*."""
    before_s = cpu_s(it)
    for _ in range(requests):
        post_otlp(f"{it.http_url}/v1/{signal}", message)
    time.sleep(0.2)
    return (cpu_s(it) - before_s) * 1e6


def cpu_s(it: Collector) -> float:
    """The CPU time of every thread, by the scheduler's nanoseconds: `stat` counts hundredths of a second."""
    tasks = Path(f"/proc/{it.process.pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text("utf-8").split()[0]) for task in tasks) / 1e9


def rss_mib(it: Collector) -> float:
    pages = int(Path(f"/proc/{it.process.pid}/statm").read_text("utf-8").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def _fill(attributes: object) -> None:
    for key, value in ATTRIBUTES.items():
        attributes.add(key=key).value.string_value = value  # type: ignore[attr-defined]


def traces() -> ExportTraceServiceRequest:
    """1,000 spans of 8 attributes, as a request of WhatsSelf makes them."""
    request = ExportTraceServiceRequest()
    scope = request.resource_spans.add().scope_spans.add()
    now_ns = time.time_ns()
    for number in range(ITEMS):
        span = scope.spans.add(name="POST /api/send", trace_id=os.urandom(16), span_id=number.to_bytes(8, "big"))
        span.start_time_unix_nano, span.end_time_unix_nano = now_ns, now_ns + 1_000_000
        _fill(span.attributes)
    return request


def logs() -> ExportLogsServiceRequest:
    """1,000 records of 8 attributes and a line of text."""
    request = ExportLogsServiceRequest()
    scope = request.resource_logs.add().scope_logs.add()
    for _ in range(ITEMS):
        record = scope.log_records.add(time_unix_nano=time.time_ns(), severity_text="info", severity_number=9)
        record.body.string_value = "message msg_1763898000123_k3j9x2 sent in 412 ms, attempt 1 of 3"
        _fill(record.attributes)
    return request


def long_logs(text: str) -> ExportLogsServiceRequest:
    """A megabyte of records with *text* in an attribute that nobody knows."""
    request = ExportLogsServiceRequest()
    scope = request.resource_logs.add().scope_logs.add()
    for _ in range(max(1, LONG_BYTES // len(text))):
        record = scope.log_records.add(time_unix_nano=time.time_ns())
        record.body.string_value = "failed"
        record.attributes.add(key="detail").value.string_value = text
    return request


def metrics() -> ExportMetricsServiceRequest:
    """1,000 points of two attributes."""
    request = ExportMetricsServiceRequest()
    metric = request.resource_metrics.add().scope_metrics.add().metrics.add(name="messages.outbound")
    metric.sum.aggregation_temporality, metric.sum.is_monotonic = 2, True
    for number in range(ITEMS):
        point = metric.sum.data_points.add(as_int=number, time_unix_nano=time.time_ns())
        point.attributes.add(key="origin").value.string_value = "reply"
        point.attributes.add(key="triggerId").value.string_value = f"trigger-{number}"
    return request


PAYLOADS: dict[str, Callable[[], object]] = {"traces": traces, "logs": logs, "metrics": metrics}


def table(results: dict[tuple[str, str], Measured]) -> str:
    """Return the results as a dated page."""
    rows = [
        "| Signal | Collector | CPU an item (us) | Items a second and core | RSS (MiB) | Masking's share |",
        "| --- | --- | ---: | ---: | ---: | ---: |",
    ]
    for signal in PAYLOADS:
        kinds = [kind for kind, own in results if own == signal]
        median = {kind: statistics.median(results[kind, signal].item_us) for kind in kinds}
        for kind in kinds:
            share = f"{median['base'] - median['unmasked']:.1f} us" if kind == "base" else ""
            rate = f"{1e6 / median[kind]:,.0f}" if median[kind] else "too fast to tell"
            rss = results[kind, signal].rss_mib
            rows.append(f"| {signal} | {kind} | {median[kind]:.1f} | {rate} | {rss:.0f} | {share} |")
    today, load = dt.datetime.now(dt.UTC).date(), os.getloadavg()[0]
    return HEAD.format(today=today, cores=os.cpu_count(), load=load, aim=AIM_US) + "\n".join([*rows, ""])


def long_table(results: dict[tuple[str, str], list[float]]) -> str:
    """Return what a megabyte of each long text costs."""
    kinds = list(dict.fromkeys(kind for kind, _ in results))
    rows = [
        "Seconds of CPU for a megabyte of a long or opaque text:",
        "",
        f"| Text | {' | '.join(kinds)} |",
        f"| --- | {' | '.join('---:' for _ in kinds)} |",
    ]
    for name in long_texts.TEXTS:
        figures = " | ".join(f"{statistics.median(results[kind, name]):.2f}" for kind in kinds)
        rows.append(f"| {name} | {figures} |")
    return "\n".join([*rows, ""])


if __name__ == "__main__":
    sys.exit(main())
