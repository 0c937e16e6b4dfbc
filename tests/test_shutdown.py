"""Real servers and real signals: all queued items leave, and the process ends in time."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from children import environment
from otlp_sink import Sink

APPLICATION = """
import contextlib, logging, pathlib
from fastapi import FastAPI
from whatsself_otel import message_context, setup_telemetry

@contextlib.asynccontextmanager
async def lifespan(_app):
    with pathlib.Path(__file__).with_name("started").open("a") as started:
        started.write("a worker takes requests and signals\\n")
    yield

app = FastAPI(lifespan=lifespan)
telemetry = setup_telemetry(app)

@app.get("/work/{number}")
async def work(number: int) -> dict[str, int]:
    with message_context(contact_id=f"c{number}", message_id=f"m{number}"):
        logging.getLogger("shop").info("working")
        telemetry.metrics.message_sent(origin="reply", contact_id=f"c{number}")
    return {"number": number}
"""
REQUESTS = 60
SLOW_BATCHES = {"OTEL_BSP_SCHEDULE_DELAY": "30000", "OTEL_BLRP_SCHEDULE_DELAY": "30000"}
"""Settings with which only the shutdown sends during the test."""


@contextmanager
def serve(command: list[str], folder: Path, **variables: str) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    (folder / "shop.py").write_text(APPLICATION)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    filled = [word.format(port=port) for word in command]
    with (folder / "output").open("wb") as output:
        server = subprocess.Popen(
            [sys.executable, "-m", *filled],
            env=environment(variables, PYTHONPATH=str(folder)),
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        wait_for_workers(folder / "started", 2 if "--workers" in command else 1, server)
        wait_for_port(port, server)
        yield server, f"http://127.0.0.1:{port}"
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)  # its workers too
        server.wait()


def wait_for_workers(started: Path, workers: int, server: subprocess.Popen[bytes]) -> None:
    """Wait for all: one that still starts when the signal comes loses it, and gunicorn waits for that one for 30 s."""
    deadline_s = time.monotonic() + 30
    while time.monotonic() < deadline_s and server.poll() is None:
        if started.exists() and len(started.read_text().splitlines()) == workers:
            return
        time.sleep(0.05)
    raise AssertionError("the workers never started")


def wait_for_port(port: int, server: subprocess.Popen[bytes]) -> None:
    deadline_s = time.monotonic() + 30
    while time.monotonic() < deadline_s and server.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError("the server never listened")


def end(process: subprocess.Popen[bytes], ending: signal.Signals) -> None:
    """SIGTERM goes to the main process, as from Docker; SIGINT to the whole group, as from a terminal."""
    if ending is signal.SIGINT:
        os.killpg(process.pid, ending)
    else:
        process.send_signal(ending)


def request_all(url: str) -> None:
    for number in range(REQUESTS):
        with urllib.request.urlopen(f"{url}/work/{number}", timeout=10) as answer:
            assert answer.status == 200


SERVERS = {
    "uvicorn": ["uvicorn", "shop:app", "--port", "{port}"],
    "uvicorn with two workers": ["uvicorn", "shop:app", "--port", "{port}", "--workers", "2"],
    "gunicorn": ["gunicorn", "shop:app", "-k", "uvicorn_worker.UvicornWorker", "-b", "127.0.0.1:{port}"],
    "gunicorn with two preloaded workers": [
        *["gunicorn", "shop:app", "-k", "uvicorn_worker.UvicornWorker", "-b", "127.0.0.1:{port}"],
        *["--workers", "2", "--preload"],
    ],
    "hypercorn": ["hypercorn", "shop:app", "-b", "127.0.0.1:{port}"],
}


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
@pytest.mark.parametrize("server", SERVERS)
class TestDelivery:
    def test_every_span_log_and_count_leaves_before_the_process_ends(
        self, server: str, ending: signal.Signals, sink: Sink, tmp_path: Path
    ) -> None:
        variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": sink.url, **SLOW_BATCHES}
        with serve(SERVERS[server], tmp_path, **variables) as (process, url):
            request_all(url)
            end(process, ending)
            process.wait(timeout=15)

        expected = {f"m{number}" for number in range(REQUESTS)}
        assert {span.attributes["messageId"] for span in sink.spans() if span.kind == 2} == expected
        assert {log.attributes.get("messageId") for log in sink.logs() if log.scope == "shop"} == expected
        assert sent(sink) == REQUESTS


@pytest.mark.parametrize("server", SERVERS)
class TestDeadline:
    def test_a_silent_collector_delays_the_end_by_five_seconds_at_most(self, server: str, tmp_path: Path) -> None:
        bare_s = time_end(SERVERS[server], tmp_path / "bare", OTEL_SDK_DISABLED="true")
        with socket.socket() as silent:
            silent.bind(("127.0.0.1", 0))
            silent.listen(128)
            endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
            took_s = time_end(SERVERS[server], tmp_path / "silent", OTEL_EXPORTER_OTLP_ENDPOINT=endpoint)

        assert took_s - bare_s < 5.0


def test_what_was_recorded_leaves_when_a_program_ends_without_a_word(sink: Sink) -> None:
    program = (
        "from whatsself_otel import setup_telemetry\n"
        "with setup_telemetry().tracer.start_as_current_span('last'):\n"
        "    pass\n"
    )
    variables = environment(SLOW_BATCHES, OTEL_EXPORTER_OTLP_ENDPOINT=sink.url, WHATSSELF_OTEL_LOG_TO_STDOUT="false")

    subprocess.run([sys.executable, "-c", program], env=variables, check=True, timeout=60)

    assert [span.name for span in sink.spans()] == ["last"]


def time_end(command: list[str], folder: Path, **variables: str) -> float:
    """Return the seconds from SIGTERM to the end of a server that has served requests."""
    folder.mkdir()
    with serve(command, folder, **variables) as (process, url):
        request_all(url)
        start_s = time.monotonic()
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)
        return time.monotonic() - start_s


def sent(sink: Sink) -> int:
    """Messages counted, over all worker processes: the last value of each series."""
    last: dict[tuple[int, str], int] = {}
    for metric in sink.metrics()["messages.outbound"]:
        for point in metric.sum.data_points:
            origin = point.attributes[0].value.string_value
            last[point.start_time_unix_nano, origin] = max(
                last.get((point.start_time_unix_nano, origin), 0), point.as_int
            )
    return sum(last.values())
