"""The latency that the bridge adds to a request, beside a plain httpx reverse proxy, in turns within one run."""

from __future__ import annotations

import datetime as dt
import http.client
import os
import random
import socket
import statistics
import subprocess
import sys
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from binaries import ROOT, free_ports
from bridge_load import numbered
from otlp_sink import Sink
from recording_target import recording_target
from running_bridge import start_bridge

PAGE = ROOT / "docs/evidence/bridge-latency.md"
SUPPORT = Path(__file__).parent.parent / "support"
ROUNDS, REQUESTS = 20, 100


def measure(port: int, first: int) -> list[float]:
    """Return the seconds that each of one round's requests took, on one connection."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    took_s = []
    for number in range(first, first + REQUESTS):
        body = numbered(number)
        began_s = time.perf_counter()
        connection.request("POST", "/webhook", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        answer.read()
        took_s.append(time.perf_counter() - began_s)
        assert answer.status == 200
    connection.close()
    return took_s


def row(name: str, took_s: list[float], plain_s: list[float]) -> str:
    ordered = sorted(took_s)
    middle, tail = statistics.median(ordered), ordered[int(0.99 * len(ordered))]
    times = statistics.median(took_s) / statistics.median(plain_s)
    return f"| {name} | {len(ordered)} | {1000 * middle:.2f} | {1000 * tail:.2f} | {times:.2f} |"


@pytest.mark.proof
def test_the_bridge_beside_a_plain_reverse_proxy(sink: Sink, tmp_path: Path) -> None:
    (proxy_port,) = free_ports(1)
    proxy = [sys.executable, "-m", "uvicorn", "httpx_proxy:app", f"--port={proxy_port}", "--no-access-log"]
    with recording_target() as target, ExitStack() as stack:
        environ = {**os.environ, "PROXY_TARGET": target.url}
        server = stack.enter_context(subprocess.Popen(proxy, cwd=SUPPORT, env=environ, stderr=subprocess.DEVNULL))
        stack.callback(server.terminate)
        queue = ("--queue", str(tmp_path / "q"))
        bridge = start_bridge(
            *("--provider", "evolution", "--forward", target.url, *queue),
            environ={"OTEL_EXPORTER_OTLP_ENDPOINT": sink.url},
        )
        stack.callback(bridge.end)
        subjects = {"target alone": target.port, "plain httpx proxy": proxy_port, "bridge": bridge.port}
        took_s: dict[str, list[float]] = {name: [] for name in subjects}
        for name, port in subjects.items():
            _wait(port, name)
            measure(port, 10**9)
        for turn in range(ROUNDS):
            for place, name in enumerate(random.sample(list(subjects), len(subjects))):
                took_s[name] += measure(subjects[name], 1000 * turn + 300 * place)

    rows = "\n".join(row(name, found, took_s["plain httpx proxy"]) for name, found in took_s.items())
    today, load = dt.datetime.now(dt.UTC).date(), os.getloadavg()[0]
    PAGE.write_text(
        "# Latency of the bridge\n\nWritten by `tests/bridge/test_bridge_latency.py`: one request at a time on one "
        "connection, the three in turns\nwithin one run. The plain proxy is Starlette and httpx under uvicorn and "
        "records nothing; the bridge observes, traces and\nlogs each webhook.\n\n"
        f"Run on {today}, two cores, load {load:.0f}: compare the lines, not their milliseconds.\n\n"
        "| | Requests | Median, ms | 99th percentile, ms | Median, times the plain proxy's |\n"
        f"| --- | ---: | ---: | ---: | ---: |\n{rows}\n",
        "utf-8",
    )
    assert statistics.median(took_s["bridge"]) < 2 * statistics.median(took_s["plain httpx proxy"])


def _wait(port: int, name: str) -> None:
    deadline_s = time.monotonic() + 60
    while time.monotonic() < deadline_s:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5):
            return
        time.sleep(0.2)
    raise AssertionError(f"{name} does not listen")
