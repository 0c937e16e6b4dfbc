"""Old data is deleted in time: personal data is kept only as long as needed (LGPD art. 15 and 16)."""

from __future__ import annotations

import json
import shutil
import time
import urllib.parse
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
import yaml
from binaries import ROOT, Program, free_ports, get, need, post_otlp, run_once, running
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from shipped_backends import VictoriaLogs, run_shipped_victorialogs
from vendor_files import merge

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

HOUR_S = 3600
QUICK = (
    "-compactor.compaction-interval=1s",
    "-compactor.retention-delete-delay=1s",
    "-ingester.flush-check-period=1s",
)
"""Loki does the same things sooner."""


@dataclass(frozen=True, slots=True)
class Loki:
    """A running Loki."""

    url: str

    def push(self, line: str, age_s: float) -> None:
        """Store *line* as if it had been written *age_s* ago."""
        push(f"{self.url}/otlp/v1/logs", line, age_s)

    def lines(self) -> set[str]:
        """Return every line of the last week."""
        now_s = time.time()
        query = {"query": '{service_name=~".+"}', "start": now_s - 168 * HOUR_S, "end": now_s + 60, "limit": 1000}
        answer = get(f"{self.url}/loki/api/v1/query_range?{urllib.parse.urlencode(query)}")
        streams = json.loads(answer or b"{}").get("data", {}).get("result", [])
        return {line for stream in streams for _, line in stream["values"]}


def push(url: str, line: str, age_s: float, **attributes: str) -> None:
    """Store *line* as if it had been written *age_s* ago; its stream, and Loki's chunk, are its own."""
    request = ExportLogsServiceRequest()
    owner = request.resource_logs.add()
    owner.resource.attributes.add(key="service.name").value.string_value = line
    record = owner.scope_logs.add().log_records.add(time_unix_nano=time.time_ns() - int(age_s * 1e9))
    record.body.string_value = line
    for key, value in attributes.items():
        record.attributes.add(key=key).value.string_value = value
    post_otlp(url, request)


@contextmanager
def run_loki(folder: Path, *flags: str) -> Iterator[Loki]:
    """Run a real Loki with the file that ships; *flags* stand over it."""
    port, grpc = free_ports(2)
    url = f"http://127.0.0.1:{port}"
    program = Program(
        command=[
            need("loki"),
            "-config.expand-env=true",
            f"-config.file={ROOT / 'backends/loki/loki.yaml'}",
            *flags,
        ],
        ready_url=f"{url}/ready",
        environ={
            "LOKI_DATA": str(folder / "loki"),
            "LOKI_GRPC_PORT": str(grpc),
            "LOKI_HTTP_PORT": str(port),
            "LOKI_RETENTION": "24h",
        },
        log=folder / "loki.log",
    )
    with running(program):
        yield Loki(url)


def wait_until(condition: Callable[[], bool], what: str, timeout_s: float) -> None:
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline_s, f"not within {timeout_s} s: {what}"
        time.sleep(0.5)


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.mark.backend
class TestLoki:
    """Loki's shortest retention is 24 h, so the lines are made old instead of the test long."""

    def test_deletes_what_is_past_its_retention_and_nothing_else(self, tmp_path: Path) -> None:
        with run_loki(tmp_path, *QUICK) as loki:
            loki.push("two days old", 48 * HOUR_S)
            loki.push("fresh", 0)
            assert loki.lines() == {"two days old", "fresh"}

        # Loki ships its index every quarter of an hour, and when it stops. Its write-ahead log has been flushed by
        # then, but would be read again: in 30 days it is long gone, here it has to go.
        shutil.rmtree(tmp_path / "loki/wal")
        chunks = tmp_path / "loki/chunks/fake"
        with run_loki(tmp_path, *QUICK):
            assert len(files(chunks)) == 2
            wait_until(lambda: len(files(chunks)) == 1, "the old chunk has left the disk", 180)

        with run_loki(tmp_path, *QUICK) as loki:
            assert loki.lines() == {"fresh"}


@pytest.mark.backend
class TestVictoriaLogs:
    """VictoriaLogs deletes whole days, and one contact's lines when it is asked to."""

    def test_deletes_what_is_past_its_retention_and_nothing_else(self, tmp_path: Path) -> None:
        days = tmp_path / "victorialogs/partitions"
        with run_shipped_victorialogs(tmp_path) as victorialogs:
            for line, age_days in (("20 days old", 20), ("a day old", 1), ("past 30 days", 31)):
                push(f"{victorialogs.otlp}/v1/logs", line, age_days * 24 * HOUR_S)
            wait_until(lambda: lines_of(victorialogs) == {"20 days old", "a day old"}, "both lines", 10)

        # Taken with 30 days and looked at with 10: the line is made old instead of the test long.
        with run_shipped_victorialogs(tmp_path, VICTORIALOGS_RETENTION="10d") as victorialogs:
            wait_until(lambda: len(list(days.iterdir())) == 1, "the old day has left the disk", 60)
            assert lines_of(victorialogs) == {"a day old"}

    def test_deletes_the_lines_of_one_contact_and_of_no_other(self, tmp_path: Path) -> None:
        with run_shipped_victorialogs(tmp_path) as victorialogs:
            for number in range(10):
                for contact in ("contact-1", "contact-2"):
                    push(f"{victorialogs.otlp}/v1/logs", f"{contact} {number}", HOUR_S, contactId=contact)
            wait_until(lambda: len(lines_of(victorialogs)) == 20, "every line", 10)

            victorialogs.get("/delete/run_task", filter='contactId:="contact-1"')
            wait_until(lambda: json.loads(victorialogs.get("/delete/active_tasks")) == [], "the task is done", 120)
            left = lines_of(victorialogs)

        assert left == {f"contact-2 {number}" for number in range(10)}

    def test_is_bounded_and_lets_no_page_of_a_browser_read_it(self, tmp_path: Path) -> None:
        with run_shipped_victorialogs(tmp_path) as victorialogs, urllib.request.urlopen(victorialogs.url) as answer:
            assert victorialogs.metric("vm_allowed_memory_bytes") == 256 * 1024 * 1024
            assert "Access-Control-Allow-Origin" not in answer.headers


def lines_of(victorialogs: VictoriaLogs) -> set[str]:
    """Return every line that it has."""
    return {row["_msg"] for row in victorialogs.rows("*")}


@pytest.mark.backend
class TestTempo:
    """Tempo's blocks are made and judged sooner; only the file's retention is shortened."""

    SOONER: ClassVar[dict[str, Any]] = {
        "storage": {"trace": {"blocklist_poll": "1s"}},
        "live_store": {
            "block_reclaim_grace": "1s",
            "flush_op_timeout": "1s",
            "commit_interval": "1s",
            "complete_block_timeout": "15s",
            "flush_check_period": "1s",
            "max_block_duration": "1s",
            "max_trace_idle": "1s",
            "max_trace_live": "1s",
        },
        "backend_scheduler": {"provider": {"retention": {"interval": "1s"}}},
        "backend_worker": {"compaction": {"compacted_block_retention": "1s"}},
    }

    def test_deletes_what_is_past_its_retention(self, tmp_path: Path) -> None:
        blocks = tmp_path / "tempo/blocks"
        with run_tempo(tmp_path, self.SOONER) as tempo:
            tempo.push(TRACE_ID)
            wait_until(lambda: tempo.has(TRACE_ID), "the trace is there", 20)
            wait_until(lambda: any(path.name == "data.parquet" for path in files(blocks)), "a block on disk", 60)

            wait_until(lambda: not any(path.name == "data.parquet" for path in files(blocks)), "no block left", 120)
            wait_until(lambda: not tempo.has(TRACE_ID), "the trace is gone", 60)


TRACE_ID = bytes(range(16, 32))


@dataclass(frozen=True, slots=True)
class Tempo:
    """A running Tempo."""

    url: str
    otlp_url: str

    def push(self, trace_id: bytes) -> None:
        request = ExportTraceServiceRequest()
        span = request.resource_spans.add().scope_spans.add().spans.add(name="send", trace_id=trace_id)
        span.span_id = b"\x09" * 8
        span.start_time_unix_nano = span.end_time_unix_nano = time.time_ns()
        post_otlp(f"{self.otlp_url}/v1/traces", request)

    def has(self, trace_id: bytes) -> bool:
        return get(f"{self.url}/api/traces/{trace_id.hex()}") is not None


@contextmanager
def run_tempo(folder: Path, sooner: dict[str, Any]) -> Iterator[Tempo]:
    """Run a real Tempo with the file that ships and what *sooner* changes of it."""
    http, grpc, otlp_grpc, otlp_http = free_ports(4)
    receiver = {"http": {"endpoint": f"127.0.0.1:{otlp_http}"}}
    config = merge(yaml.safe_load((ROOT / "backends/tempo/tempo.yaml").read_text("utf-8")), sooner)
    config = merge(config, {"distributor": {"receivers": {"otlp": {"protocols": receiver}}}})
    (folder / "tempo.yaml").write_text(yaml.safe_dump(config))
    program = Program(
        command=[need("tempo"), "-config.expand-env=true", f"-config.file={folder / 'tempo.yaml'}"],
        ready_url=f"http://127.0.0.1:{http}/ready",
        environ={
            "TEMPO_DATA": str(folder / "tempo"),
            "TEMPO_GRPC_PORT": str(grpc),
            "TEMPO_HTTP_PORT": str(http),
            "TEMPO_OTLP_PORT": str(otlp_grpc),
            "TEMPO_RETENTION": "30s",
        },
        log=folder / "tempo.log",
    )
    with running(program):
        yield Tempo(f"http://127.0.0.1:{http}", f"http://127.0.0.1:{otlp_http}")


@pytest.mark.backend
class TestPrometheus:
    """Prometheus decides by whole blocks, so it is given one that is too old and one that is not."""

    def test_deletes_what_is_past_40_days_and_nothing_else(self, tmp_path: Path) -> None:
        make_block(tmp_path, "too_old", age_days=60)
        make_block(tmp_path, "recent", age_days=10)
        data = tmp_path / "data"
        assert len(blocks_of(data)) == 2

        with run_prometheus(tmp_path) as url:
            wait_until(lambda: len(blocks_of(data)) == 1, "the old block has left the disk", 90)
            names = json.loads(get(f"{url}/api/v1/label/__name__/values?start=0") or b"{}")["data"]

        assert "recent" in names
        assert "too_old" not in names


def blocks_of(data: Path) -> list[Path]:
    return [path.parent for path in data.glob("*/meta.json")]


def make_block(folder: Path, metric: str, *, age_days: float) -> None:
    """Write one block with one sample of *metric*, by Prometheus' own tool."""
    source = folder / f"{metric}.txt"
    source.write_text(f"# TYPE {metric} gauge\n{metric} 1 {int(time.time() - age_days * 86400)}\n# EOF\n")
    done = run_once([need("promtool"), "tsdb", "create-blocks-from", "openmetrics", source, folder / "data"])
    assert done.returncode == 0, done.stderr


@contextmanager
def run_prometheus(folder: Path) -> Iterator[str]:
    """Run a real Prometheus with the file that ships; gives its URL."""
    (port,) = free_ports(1)
    program = Program(
        command=[
            need("prometheus"),
            f"--config.file={ROOT / 'backends/prometheus/prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
        ],
        ready_url=f"http://127.0.0.1:{port}/-/ready",
        environ={},
        log=folder / "prometheus.log",
    )
    with running(program):
        yield f"http://127.0.0.1:{port}"


class TestFiles:
    """The periods that ship."""

    def test_are_those_of_the_design(self) -> None:
        loki = (ROOT / "backends/loki/loki.yaml").read_text("utf-8")
        tempo = (ROOT / "backends/tempo/tempo.yaml").read_text("utf-8")
        prometheus = yaml.safe_load((ROOT / "backends/prometheus/prometheus.yml").read_text("utf-8"))

        assert "retention_period: ${LOKI_RETENTION:-720h}" in loki
        assert "block_retention: ${TEMPO_RETENTION:-336h}" in tempo
        assert prometheus["storage"]["tsdb"]["retention"] == {"time": "40d"}

    def test_loki_has_the_two_settings_without_which_it_never_deletes(self) -> None:
        compactor = yaml.safe_load((ROOT / "backends/loki/loki.yaml").read_text("utf-8"))["compactor"]

        assert (compactor["retention_enabled"], compactor["delete_request_store"]) == (True, "filesystem")
