"""An application beside its twin with a healthy collector: no request fails or is slower, and each loss is reported."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from children import unmeasured_environment
from otlp_sink import Sink, run_sink

APPLICATION = """
import logging
from fastapi import FastAPI
from whatsself_otel import setup_telemetry
app = FastAPI()
telemetry = setup_telemetry(app)
app.add_route("/telemetry/health", telemetry.health_app)
@app.get("/work/{number}")
async def work(number: int):
    logging.getLogger("shop").info("working")
    return {"number": number}
"""
MOST_EXTRA_MS = 1.0
WINDOWS = 5
PER_S = 40


@contextmanager
def serve(folder: Path, endpoint: str) -> Iterator[tuple[subprocess.Popen[str], HTTPConnection]]:
    folder.mkdir()
    (folder / "shop.py").write_text(APPLICATION)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with (folder / "output").open("w") as output:
        server = subprocess.Popen(
            [sys.executable, "-m", "uvicorn", "shop:app", "--port", str(port), "--no-access-log"],
            env=unmeasured_environment(PYTHONPATH=str(folder), OTEL_EXPORTER_OTLP_ENDPOINT=endpoint),
            stdout=output,
            stderr=output,
            text=True,
        )
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        wait_for(connection)
        yield server, connection
    finally:
        server.kill()
        server.wait()
        connection.close()


def wait_for(connection: HTTPConnection) -> None:
    deadline_s = time.monotonic() + 30
    while time.monotonic() < deadline_s:
        with contextlib.suppress(OSError):
            connection.connect()
            return
        time.sleep(0.05)
    raise AssertionError("the server never listened")


def get(connection: HTTPConnection, path: str) -> tuple[int, Any, float]:
    start_s = time.perf_counter()
    connection.request("GET", path)
    answer = connection.getresponse()
    body = json.loads(answer.read())
    return answer.status, body, time.perf_counter() - start_s


@contextmanager
def bad_collector(kind: str) -> Iterator[tuple[str, Sink | None]]:
    if kind in {"refused", "silent"}:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            if kind == "silent":
                listener.listen(128)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}", None
        return
    with run_sink() as sink, ExitStack() as stack:
        stack.enter_context(flapping(sink) if kind == "flapping" else slow(sink))
        yield sink.url, sink


@contextmanager
def flapping(sink: Sink, period_s: float = 3.0) -> Iterator[None]:
    stop = threading.Event()

    def flap() -> None:
        while not stop.wait(period_s):
            sink.status = 503 if sink.status == 200 else 200

    thread = threading.Thread(target=flap, daemon=True)
    thread.start()
    yield
    stop.set()
    thread.join()


@contextmanager
def slow(sink: Sink) -> Iterator[None]:
    sink.delay_s = 9.0
    yield


def quantile_ms(times_s: list[float], share: float) -> float:
    return sorted(times_s)[int(len(times_s) * share)] * 1000


@pytest.mark.parametrize(
    ("kind", "seconds"),
    [
        *(pytest.param(kind, 12, marks=pytest.mark.e2e) for kind in ("refused", "silent", "slow", "flapping")),
        *(pytest.param(kind, 60, marks=pytest.mark.proof) for kind in ("refused", "silent", "slow")),
        pytest.param("flapping", 600, marks=pytest.mark.proof),
    ],
)
def test_the_application_does_not_notice(kind: str, seconds: float, tmp_path: Path) -> None:
    with run_sink() as good, bad_collector(kind) as (endpoint, sink), ExitStack() as servers:
        server, tested = servers.enter_context(serve(tmp_path / "tested", endpoint))
        _, healthy = servers.enter_context(serve(tmp_path / "healthy", good.url))
        times: dict[str, list[float]] = {"tested": [], "healthy": []}
        end_s = time.monotonic() + seconds
        number = 0
        while time.monotonic() < end_s:
            # One after the other, now this first and now that: what else the machine does hits both.
            pair = [("tested", tested), ("healthy", healthy)]
            for name, connection in pair if number % 2 else pair[::-1]:
                status, _, took_s = get(connection, f"/work/{number}")
                assert status == 200
                times[name].append(took_s)
            number += 1
            time.sleep(1 / PER_S)
        counts = get(tested, "/telemetry/health")[1]["signals"]
        start_s = time.monotonic()
        server.send_signal(signal.SIGTERM)
        server.wait(timeout=15)
        exit_s = time.monotonic() - start_s
        said = (tmp_path / "tested" / "output").read_text()

    share = 0.99 if seconds >= 60 else 0.5  # a 99th percentile of some hundred requests is chance
    pairs = zip(*map(windows, times.values()), strict=True)
    extra_ms = sorted(quantile_ms(a, share) - quantile_ms(b, share) for a, b in pairs)[WINDOWS // 2]
    lost = {signal: counts[signal]["dropped"] + left(said, signal) for signal in ("traces", "logs")}
    measured = f"{kind} {seconds:g} s: {number} requests, {extra_ms:.2f} ms more at {share}, end {exit_s:.1f} s, {lost}"
    print(measured)  # noqa: T201 - the proof is read by people
    assert exit_s < 5.0
    assert extra_ms < MOST_EXTRA_MS
    arrived = {
        "traces": sum(span.kind == 2 and span.name.startswith("GET /work") for span in sink.spans()) if sink else 0,
        "logs": sum(record.body == "working" for record in sink.logs()) if sink else 0,
    }
    assert arrived["logs"] + lost["logs"] >= number
    assert arrived["traces"] + lost["traces"] >= number
    if kind == "flapping":
        assert arrived == {"traces": number, "logs": number} or lost != {"traces": 0, "logs": 0}


def windows(times_s: list[float]) -> list[list[float]]:
    size = len(times_s) // WINDOWS
    return [times_s[part * size : (part + 1) * size] for part in range(WINDOWS)]


def left(said: str, signal_name: str) -> int:
    """The items that the application reported as undelivered at its end."""
    found = re.search(r"not delivered at the end: .*?'" + signal_name + r"': (\d+)", said)
    return int(found[1]) if found else 0
