"""
Disk and memory of the native stack's stores, for the messages of benchmarks/load.py.

Each is started empty, gets its items by OTLP, and is asked to write them down; then its folder and its memory are
read. Prometheus' samples are measured in a snapshot, which is a block as it is kept. Loki and Tempo are measured where
they are on PATH or named by LOKI_BIN and TEMPO_BIN.

    python benchmarks/backends.py [--messages 25000] [--series 20000] [--markdown benchmarks/backends.md]
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "support"))
sys.path.insert(0, str(Path(__file__).parent))

import grpc  # type: ignore[import-untyped]
import load
from binaries import Program, find, free_ports, need, post_otlp, running
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub
from tables import circumstances

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent
STEP_S = 15
POINTS = 240
"""Points of a series: an hour."""
FEW_SERIES = 2_000
"""How many have all these points; for memory there are more series, of one point each."""
HEAD = """\
# What stores need

Written by `benchmarks/backends.py` on {date}; {machine}; load {load}.
Items are those of `benchmarks/load.py`, whose ids, times and texts differ as they do in life. Memory is the process at
the end, beside what it had when empty.

| Store | Items | Bytes on disk an item | Memory when empty (MiB) | Memory at the end (MiB) |
| --- | ---: | ---: | ---: | ---: |
"""


@dataclass(frozen=True)
class Measured:
    """What one store needed."""

    store: str
    items: int
    disk_bytes: float | None
    """An item; None where nothing is written down."""
    empty_mib: float
    full_mib: float

    def row(self) -> str:
        """Return it as a line of the table."""
        disk = "in memory" if self.disk_bytes is None else f"{self.disk_bytes:.1f}"
        return f"| {self.store} | {self.items:,} | {disk} | {self.empty_mib:.0f} | {self.full_mib:.0f} |"


@dataclass(frozen=True)
class Store:
    """A running store."""

    url: str
    pid: int

    def rss_mib(self) -> float:
        """Return how much memory it has now."""
        status = Path(f"/proc/{self.pid}/status").read_text("utf-8")
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024


@contextmanager
def started(name: str, folder: Path, ready: str, *words: str, **environ: str) -> Iterator[Store]:
    """Run program *name* with *words* and *environ*, in which ``{port}`` is the port that *ready* is asked at."""
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    command: list[str | Path] = [need(name), *(word.replace("{port}", str(port)) for word in words)]
    given = {name: value.replace("{port}", str(port)) for name, value in environ.items()}
    program = Program(command=command, ready_url=url + ready, environ=given, log=folder / f"{name}.log")
    with running(program) as process:
        time.sleep(2)
        yield Store(url, process.pid)


def size(folder: Path) -> int:
    """Return the bytes of all files below *folder*."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def ask(url: str, method: str = "GET") -> bytes:
    """Return what *url* answers."""
    with urllib.request.urlopen(urllib.request.Request(url, method=method), timeout=120) as answer:  # noqa: S310
        body: bytes = answer.read()
    return body


def victorialogs(folder: Path, messages: int) -> Measured:
    """Measure log records in VictoriaLogs."""
    data = folder / "victorialogs"
    words = ("-httpListenAddr=127.0.0.1:{port}", f"-storageDataPath={data}", "-retentionPeriod=30d")
    numbers = random.Random(1)
    with started("victorialogs", folder, "/health", *words) as store:
        empty = store.rss_mib()
        for first in range(0, messages, 250):
            post_otlp(f"{store.url}/insert/opentelemetry/v1/logs", load.requests(first, 250, numbers)[1])
        full = store.rss_mib()
        ask(f"{store.url}/internal/force_flush")
        ask(f"{store.url}/internal/force_merge")
        time.sleep(20)
    items = messages * load.LOGS_A_MESSAGE
    return Measured("VictoriaLogs", items, size(data) / items, empty, full)


def jaeger(folder: Path, messages: int) -> Measured:
    """Measure spans in Jaeger, which keeps them in memory."""
    otlp, query, grpc, admin = free_ports(4)
    listening = {
        "collector.otlp.http.host-port": otlp,
        "collector.otlp.grpc.host-port": grpc,
        "query.http-server.host-port": query,
        **dict.fromkeys(("collector.grpc-server.host-port", "collector.http-server.host-port"), 0),
        **dict.fromkeys(("query.grpc-server.host-port", "http-server.host-port"), 0),
        **{f"processor.{kind}.server-host-port": 0 for kind in ("jaeger-binary", "jaeger-compact", "zipkin-compact")},
    }
    words = [f"--{name}=127.0.0.1:{port}" for name, port in listening.items()]
    words += [f"--memory.max-traces={messages}", "--admin.http.host-port=127.0.0.1:{port}"]
    numbers = random.Random(1)
    del admin
    with started("jaeger", folder, "/", *words) as store:
        empty = store.rss_mib()
        for first in range(0, messages, 100):
            post_otlp(f"http://127.0.0.1:{otlp}/v1/traces", load.requests(first, 100, numbers)[0])
        time.sleep(5)
        full = store.rss_mib()
    return Measured("Jaeger", messages * load.SPANS_A_MESSAGE, None, empty, full)


def loki(folder: Path, messages: int) -> Measured:
    """Measure log records in Loki, with its shipped configuration; its write-ahead log goes and is left out."""
    data = folder / "loki"
    (grpc_port,) = free_ports(1)
    environ = {"LOKI_DATA": str(data), "LOKI_GRPC_PORT": str(grpc_port), "LOKI_HTTP_PORT": "{port}"}
    numbers = random.Random(1)
    with started("loki", folder, "/ready", *_shipped("loki"), **environ) as store:
        empty = store.rss_mib()
        for first in range(0, messages, 250):
            post_otlp(f"{store.url}/otlp/v1/logs", load.requests(first, 250, numbers)[1])
        full = store.rss_mib()
        ask(f"{store.url}/flush", "POST")
    items = messages * load.LOGS_A_MESSAGE
    return Measured("Loki", items, (size(data) - size(data / "wal")) / items, empty, full)


def tempo(folder: Path, messages: int) -> Measured:
    """Measure spans in Tempo, with its shipped configuration, in the blocks that it has finished."""
    data = folder / "tempo"
    grpc_port, otlp = free_ports(2)
    environ = {"TEMPO_DATA": str(data), "TEMPO_HTTP_PORT": "{port}"}
    environ |= {"TEMPO_GRPC_PORT": str(grpc_port), "TEMPO_OTLP_PORT": str(otlp)}
    numbers = random.Random(1)
    with started("tempo", folder, "/ready", *_shipped("tempo"), **environ) as store:
        empty = store.rss_mib()
        with grpc.insecure_channel(f"127.0.0.1:{otlp}") as channel:
            export = TraceServiceStub(channel).Export  # type: ignore[no-untyped-call]
            for first in range(0, messages, 100):
                export(load.requests(first, 100, numbers)[0], timeout=60)
        full = store.rss_mib()
        give_up_s = time.monotonic() + 300
        while objects(data / "blocks") < messages:
            if time.monotonic() > give_up_s:
                raise TimeoutError(f"Tempo has written {objects(data / 'blocks')} of {messages} traces in 300 s")
            time.sleep(1)
    items = messages * load.SPANS_A_MESSAGE
    return Measured("Tempo", items, size(data / "blocks") / items, empty, full)


def objects(blocks: Path) -> int:
    """Return how many traces the finished blocks below *blocks* hold."""
    found = [json.loads(path.read_text("utf-8")) for path in blocks.rglob("meta.json")]
    return sum(int(each["totalObjects"]) for each in found)


def _shipped(name: str) -> tuple[str, str]:
    return f"-config.file={ROOT / 'backends' / name / f'{name}.yaml'}", "-config.expand-env=true"


def points(series: int, at_ns: int, value: int) -> ExportMetricsServiceRequest:
    """Return one point of each of *series* counters, as a scrape would have them."""
    request = ExportMetricsServiceRequest()
    resource = request.resource_metrics.add()
    resource.resource.attributes.add(key="service.name").value.string_value = "load"
    metric = resource.scope_metrics.add().metrics.add(name="messages.outbound")
    metric.sum.aggregation_temporality, metric.sum.is_monotonic = 2, True
    for number in range(series):
        point = metric.sum.data_points.add(as_int=value + number % 7, time_unix_nano=at_ns)
        point.attributes.add(key="session").value.string_value = f"session-{number // 50}"
        point.attributes.add(key="triggerId").value.string_value = f"trigger-{number % 50}"
    return request


def prometheus(folder: Path, series: int) -> tuple[Measured, Measured]:
    """Measure samples on disk, and series in memory, in Prometheus."""
    data = folder / "prometheus"
    (folder / "prometheus.yml").write_text("{}", "utf-8")
    words = (
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={data}",
        "--web.listen-address=127.0.0.1:{port}",
        *("--web.enable-otlp-receiver", "--web.enable-admin-api"),
    )
    begin_ns = time.time_ns() - POINTS * STEP_S * 1_000_000_000
    with started("prometheus", folder, "/-/ready", *words) as store:
        empty = store.rss_mib()
        for turn in range(POINTS):
            post_otlp(
                f"{store.url}/api/v1/otlp/v1/metrics",
                points(FEW_SERIES, begin_ns + turn * STEP_S * 1_000_000_000, turn * 3),
            )
        made = json.loads(ask(f"{store.url}/api/v1/admin/tsdb/snapshot", "POST"))["data"]["name"]
        few = store.rss_mib()
        for part in range(0, series, FEW_SERIES):
            request = points(FEW_SERIES, time.time_ns(), 1)
            request.resource_metrics[0].scope_metrics[0].metrics[0].name = f"messages.of.{part}"
            post_otlp(f"{store.url}/api/v1/otlp/v1/metrics", request)
        full = store.rss_mib()
    samples = FEW_SERIES * POINTS
    written = size(data / "snapshots" / made) / samples
    return (
        Measured("Prometheus, samples", samples, written, empty, few),
        Measured("Prometheus, series", FEW_SERIES + series, None, empty, full),
    )


def main() -> int:
    """Measure, and print or write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=25_000)
    parser.add_argument("--series", type=int, default=20_000)
    parser.add_argument("--markdown", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        results = [victorialogs(folder, arguments.messages), jaeger(folder, arguments.messages)]
        results += prometheus(folder, arguments.series)
        results += [each(folder, arguments.messages) for each in (loki, tempo) if find(each.__name__)]
    text = HEAD.format(**circumstances()) + "\n".join(each.row() for each in results) + "\n"
    print(text)
    if arguments.markdown:
        arguments.markdown.write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
