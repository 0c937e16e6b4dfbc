"""The demo on a real PostgreSQL server of the test's own."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from protobuf_sink import OtlpSink

from whatsself_otel.cli.console_view import last_points
from whatsself_otel.cli.demo import demo_app
from whatsself_otel.demo.traffic import TrafficPlan, send_traffic

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAMS = next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), None)
"""Debian keeps the server's programs off PATH."""


def find(program: str) -> str | None:
    return shutil.which(program) or (shutil.which(program, path=str(PROGRAMS)) if PROGRAMS else None)


INITDB, POSTGRES = find("initdb"), find("postgres")

pytestmark = [
    pytest.mark.skipif(INITDB is None or POSTGRES is None, reason="PostgreSQL's server is not on this machine"),
    pytest.mark.skipif(importlib.util.find_spec("asyncpg") is None, reason="asyncpg (extra [postgres]) is missing"),
    pytest.mark.skipif(sys.platform == "win32", reason="starts the server in the manner of POSIX"),
]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    # The server refuses to run as root, and its folder must be its own.
    owner: dict[str, Any] = {"user": "postgres"} if os.geteuid() == 0 else {}
    with tempfile.TemporaryDirectory() as folder:
        if owner:
            shutil.chown(folder, "postgres")
        data = f"{folder}/data"
        subprocess.run(
            [str(INITDB), "-D", data, "-A", "trust", "-U", "demo"],
            check=True,
            stdout=subprocess.DEVNULL,
            cwd=folder,
            **owner,
        )
        port = free_port()
        server = subprocess.Popen(
            [str(POSTGRES), "-D", data, "-p", str(port), "-k", folder, "-c", "listen_addresses=127.0.0.1"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=folder,
            **owner,
        )
        wait_for_port(port)
        yield f"postgresql://demo@127.0.0.1:{port}/postgres"
        server.terminate()
        server.wait(timeout=30)


class TestPostgres:
    def test_two_workers_answer_every_message_and_count_it_once(self, url: str) -> None:
        with OtlpSink() as sink:
            with demo_app(sink.endpoint, workers=2, environment={"DATABASE_URL": url, "DEMO_BREAKER": "off"}) as app:
                journal = asyncio.run(send_traffic(TrafficPlan(url=app.url, messages=40, failing=0.1)))
            counts: Counter[str] = Counter()
            for metrics in sink.received.metrics_by_instance.values():
                for point in last_points(metrics):
                    counts[point.name] += int(point.value)

        assert journal.summary()["settled"] == 40
        assert counts["messages_outbound_total"] == 40
        assert counts["messages_outbound_failed_total"] == 4
        assert counts["messages_delivered_total"] == 2 * 36


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port


def wait_for_port(port: int) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            assert time.monotonic() < deadline, "PostgreSQL did not start"
            time.sleep(0.1)
        else:
            return
