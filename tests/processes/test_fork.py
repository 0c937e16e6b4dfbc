"""A child forked at any moment exports all three signals, as itself, and never waits for a lock of its parent."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from children import environment, unmeasured_environment
from job_queue import SLOW
from otlp_sink import Sink

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")

FORKS = 50
SCRIPT = """
import logging, os, random, sys, threading, time
from whatsself_otel import TelemetryConfig, message_context, setup_telemetry

config = TelemetryConfig(prometheus=True, metric_interval_s=0.05, span_delay_s=0.01, log_delay_s=0.01)
telemetry = setup_telemetry(config=config)
log = logging.getLogger("shop")
stop = threading.Event()

def work() -> None:
    while not stop.is_set():
        with telemetry.tracer.start_as_current_span("parent"):
            log.info("parent")
            telemetry.metrics.message_sent(origin="reply", contact_id="parent")

def scrape() -> None:
    while not stop.is_set():
        telemetry._providers.prometheus.render()

def flush() -> None:
    while not stop.is_set():
        telemetry.force_flush(1)

for target in (work, work, scrape, flush):
    threading.Thread(target=target, daemon=True).start()

for number in range(FORKS):
    time.sleep(random.random() / 50)
    child = os.fork()
    if child == 0:
        with message_context(message_id=f"child-{number}"), telemetry.tracer.start_as_current_span("child"):
            log.info("child")
        telemetry.metrics.flow_started(flow_id=f"child-{number}")
        telemetry._providers.prometheus.render()
        os._exit(0 if telemetry.force_flush(10) else 3)
    end_s = time.monotonic() + 15
    while (done := os.waitpid(child, os.WNOHANG)) == (0, 0):
        if time.monotonic() > end_s:
            os.kill(child, 9)
            os.waitpid(child, 0)
            sys.exit(f"child {number} hangs")
        time.sleep(0.01)
    if done[1]:
        sys.exit(f"child {number} ended with {done[1]}")
stop.set()
"""


class TestFork:
    def test_every_child_delivers_a_span_a_log_and_a_count_of_its_own(self, sink: Sink) -> None:
        code = f"FORKS = {FORKS}\n{SCRIPT}"
        variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": sink.url, "WHATSSELF_OTEL_LOG_TO_STDOUT": "false"}
        done = subprocess.run(
            [sys.executable, "-W", "ignore::DeprecationWarning", "-c", code],
            env=unmeasured_environment(variables),
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )

        assert (done.returncode, done.stderr) == (0, "")
        expected = {f"child-{number}" for number in range(FORKS)}
        spans = [span for span in sink.spans() if span.name == "child"]
        assert {span.attributes["messageId"] for span in spans} == expected
        assert {log.attributes["messageId"] for log in sink.logs() if log.body == "child"} == expected
        assert len({span.resource["service.instance.id"] for span in spans}) == FORKS
        assert counts_of_children(sink) == dict.fromkeys(expected, 1)


IDS = """
import asyncio, os
from fastapi import FastAPI
from whatsself_otel import setup_telemetry

app = FastAPI()
setup_telemetry(app)

async def ask():
    scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": [], "http_version": "1.1"}

    async def send(message):
        if message["type"] == "http.response.start":
            os.write(1, dict(message["headers"])[b"x-request-id"] + b" ")

    await app(scope, None, send)

asyncio.run(ask())
for _ in range(3):
    if os.fork() == 0:
        asyncio.run(ask())
        os._exit(0)
    os.wait()
"""


class TestRequestIds:
    def test_of_workers_that_were_forked_from_a_running_application_differ(self) -> None:
        done = subprocess.run(
            [sys.executable, "-W", "ignore::DeprecationWarning", "-c", IDS],
            env=unmeasured_environment({"WHATSSELF_OTEL_LOG_TO_STDOUT": "false", "OTEL_TRACES_EXPORTER": "none"}),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

        assert done.returncode == 0, done.stderr
        assert len(set(done.stdout.split())) == 4


MULTIPROCESSING = """
import logging, multiprocessing, sys
from whatsself_otel import message_context, setup_telemetry

def work(number):
    telemetry = setup_telemetry()
    with message_context(message_id=f"child-{number}"), telemetry.tracer.start_as_current_span("child"):
        logging.getLogger("shop").info("child")
    telemetry.metrics.flow_started(flow_id=f"child-{number}")

if __name__ == "__main__":
    setup_telemetry()
    context = multiprocessing.get_context(METHOD)
    children = [context.Process(target=work, args=(number,)) for number in range(3)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    sys.exit(max(child.exitcode for child in children))
"""


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
class TestMultiprocessing:
    def test_a_child_delivers_when_its_work_ends(self, method: str, sink: Sink, tmp_path: Path) -> None:
        script = tmp_path / "shop.py"
        script.write_text(f"METHOD = {method!r}\n{MULTIPROCESSING}")
        variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": sink.url, "WHATSSELF_OTEL_LOG_TO_STDOUT": "false"}
        slow = {"OTEL_BSP_SCHEDULE_DELAY": "30000", "OTEL_BLRP_SCHEDULE_DELAY": "30000"}
        done = subprocess.run(
            [sys.executable, str(script)],
            env=environment(variables, **slow),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

        assert (done.returncode, done.stderr) == (0, "")
        expected = {f"child-{number}" for number in range(3)}
        assert {span.attributes["messageId"] for span in sink.spans() if span.name == "child"} == expected
        assert {log.attributes["messageId"] for log in sink.logs() if log.body == "child"} == expected
        assert counts_of_children(sink) == dict.fromkeys(expected, 1)


POOL = """
import logging, multiprocessing
from whatsself_otel import message_context, setup_telemetry

def work(number):
    telemetry = setup_telemetry()
    with message_context(message_id=f"child-{number}"), telemetry.tracer.start_as_current_span("child"):
        logging.getLogger("shop").info("child")
    telemetry.metrics.flow_started(flow_id=f"child-{number}")

if __name__ == "__main__":
    setup_telemetry()
    with multiprocessing.get_context(METHOD).Pool(2) as pool:  # terminates its children at the end
        pool.map(work, range(10))
        children = list(pool._pool)
    print({child.exitcode for child in children} <= {0, -15})
"""


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
class TestPool:
    def test_a_child_that_is_terminated_delivers_and_dies_by_its_signal(
        self, method: str, sink: Sink, tmp_path: Path
    ) -> None:
        script = tmp_path / "shop.py"
        script.write_text(f"METHOD = {method!r}\n{POOL}")
        variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": sink.url, "WHATSSELF_OTEL_LOG_TO_STDOUT": "false", **SLOW}
        done = subprocess.run(
            [sys.executable, str(script)],
            env=unmeasured_environment(variables),
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )

        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout == "True\n"  # one that has just read the pool's end ends by itself
        expected = {f"child-{number}" for number in range(10)}
        assert {span.attributes["messageId"] for span in sink.spans() if span.name == "child"} == expected
        assert {log.attributes["messageId"] for log in sink.logs() if log.body == "child"} == expected
        assert counts_of_children(sink) == dict.fromkeys(expected, 1)


TERMINATED = """
import multiprocessing, os, signal, sys, time
from whatsself_otel import setup_telemetry

def in_c(ready):
    lock = multiprocessing.Lock()
    lock.acquire()
    ready.send(None)
    lock.acquire()  # for ever, in C

def own_handler(ready):
    signal.signal(signal.SIGTERM, lambda *_: os._exit(7))
    ready.send(None)
    time.sleep(60)

def child_of_a_child(ready):
    for _ in range(50):  # some get it before they have run a line
        pid = os.fork()
        if pid == 0:
            time.sleep(60)
            os._exit(1)
        os.kill(pid, signal.SIGTERM)
        assert os.WTERMSIG(os.waitpid(pid, 0)[1]) == signal.SIGTERM
    ready.send(None)
    time.sleep(60)

if __name__ == "__main__":
    setup_telemetry()
    here, there = multiprocessing.Pipe()
    child = multiprocessing.get_context("fork").Process(target=globals()[sys.argv[1]], args=(there,))
    child.start()
    here.recv()
    child.terminate()
    child.join(30)
    print(child.exitcode)
    child.kill()
"""


class TestTerminated:
    @pytest.mark.parametrize(("work", "code"), [("in_c", -15), ("own_handler", 7), ("child_of_a_child", -15)])
    def test_a_child_always_ends_and_as_it_would(self, work: str, code: int, sink: Sink, tmp_path: Path) -> None:
        script = tmp_path / "shop.py"
        script.write_text(TERMINATED)
        variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": sink.url, "WHATSSELF_OTEL_LOG_TO_STDOUT": "false", **SLOW}
        done = subprocess.run(
            [sys.executable, "-W", "ignore::DeprecationWarning", str(script), work],
            env=unmeasured_environment(variables),
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )

        assert (done.returncode, done.stdout, done.stderr) == (0, f"{code}\n", "")


def counts_of_children(sink: Sink) -> dict[str, int]:
    """Highest value of each child's counter: more than 1 would be a count it had from its parent."""
    counts: dict[str, int] = {}
    for metric in sink.metrics().get("flow.started", []):
        for point in metric.sum.data_points:
            flow = point.attributes[0].value.string_value
            counts[flow] = max(counts.get(flow, 0), point.as_int)
    return counts


HELD = """
import logging, os, sys, threading, time
from whatsself_otel import TelemetryConfig, setup_telemetry

class SlowOutput:
    # Standard output that stays inside its own lock while it writes, as the buffer of a terminal or pipe may.
    def __init__(self):
        self.lock = threading.Lock()
        self.writing = threading.Event()

    def write(self, text):
        with self.lock:
            self.writing.set()
            time.sleep(0.2)
        return len(text)

    def flush(self):
        pass

    def isatty(self):
        return False

sys.stdout = output = SlowOutput()
telemetry = setup_telemetry(config=TelemetryConfig(
    log_format="json", traces_exporter="none", metrics_exporter="none", logs_exporter="none"))
log = logging.getLogger("shop")
threading.Thread(target=lambda: log.info("parent"), daemon=True).start()
output.writing.wait(5)
child = os.fork()
if child == 0:
    log.info("child")
    os._exit(0)
end_s = time.monotonic() + 5
while os.waitpid(child, os.WNOHANG) == (0, 0):
    if time.monotonic() > end_s:
        os.kill(child, 9)
        os.waitpid(child, 0)
        sys.exit("the child waits for ever for the lock of standard output")
    time.sleep(0.01)
"""


class TestOutput:
    def test_a_fork_waits_for_the_line_that_is_being_written(self) -> None:
        done = subprocess.run(
            [sys.executable, "-W", "ignore::DeprecationWarning", "-c", HELD],
            env=environment(),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

        assert (done.returncode, done.stderr) == (0, "")
