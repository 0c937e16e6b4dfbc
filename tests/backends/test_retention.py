"""What is past its time is deleted: personal data is kept no longer than needed (LGPD art. 15 and 16)."""

from __future__ import annotations

import json
import time
import urllib.parse
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from binaries import ROOT, Program, free_ports, get, need, post_otlp, running
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

HOUR_S = 3600
QUICK = (
    "-log.level=info",
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
        request = ExportLogsServiceRequest()
        owner = request.resource_logs.add()
        owner.resource.attributes.add(key="service.name").value.string_value = "whatsself"
        record = owner.scope_logs.add().log_records.add(time_unix_nano=time.time_ns() - int(age_s * 1e9))
        record.body.string_value = line
        post_otlp(f"{self.url}/otlp/v1/logs", request)

    def lines(self) -> set[str]:
        """Return every line of the last week."""
        now_s = time.time()
        query = {"query": '{service_name="whatsself"}', "start": now_s - 168 * HOUR_S, "end": now_s + 60, "limit": 1000}
        answer = get(f"{self.url}/loki/api/v1/query_range?{urllib.parse.urlencode(query)}")
        streams = json.loads(answer or b"{}").get("data", {}).get("result", [])
        return {line for stream in streams for _, line in stream["values"]}

    def flush(self) -> None:
        """Write what is in memory to disk."""
        request = urllib.request.Request(f"{self.url}/flush", method="POST")
        with urllib.request.urlopen(request, timeout=30) as answer:
            assert answer.status < 300


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
            for line, age_s in (("two days old", 48 * HOUR_S), ("fresh", 0)):
                loki.push(line, age_s)
                loki.flush()
            assert loki.lines() == {"two days old", "fresh"}

        # Loki ships its index every quarter of an hour, and when it stops.
        with run_loki(tmp_path, *QUICK) as loki:
            wait_until(lambda: loki.lines() == {"fresh"}, "only the old line is gone", 300)
            chunks = tmp_path / "loki/chunks/fake"
            wait_until(lambda: len(files(chunks)) == 1, "the old chunk has left the disk", 60)
