"""A child hands over to its worker even if either dies, and no fork meets a lock that stays closed."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from children import unmeasured_environment
from job_queue import SLOW, instances
from otlp_sink import Sink

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")

WORKER = """
import logging, os, sys, threading, time
from whatsself_otel import message_context, setup_telemetry
from whatsself_otel.integrations import finish

telemetry = setup_telemetry()
children = telemetry.children

def record(name):
    with message_context(message_id=name), telemetry.tracer.start_as_current_span("job"):
        logging.getLogger("shop").info("call +5511987654321")
    telemetry.metrics.flow_started(flow_id="flow")

def child(work):
    children.expect()
    pid = os.fork()
    if pid == 0:
        children.hand_over()
        work()
        finish()
        os._exit(0)
    return pid

def wait(*pids):
    for pid in pids:
        os.waitpid(pid, 0)
"""


def run(sink: Sink, code: str, **variables: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", f"{WORKER}\n{code}"],
        env=unmeasured_environment(
            {"OTEL_EXPORTER_OTLP_ENDPOINT": sink.url, "WHATSSELF_OTEL_LOG_TO_STDOUT": "false", **SLOW, **variables}
        ),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def jobs(sink: Sink) -> int:
    return len([span for span in sink.spans() if span.name == "job"])


class TestManyChildren:
    def test_at_once_are_one_instance(self, sink: Sink) -> None:
        run(sink, "wait(*[child(lambda: record('m')) for _ in range(20)])")

        assert jobs(sink) == 20
        assert len([log for log in sink.logs() if log.body == "call +55********4321"]) == 20
        assert sink.total("flow.started") == 20
        assert sink.total("telemetry.masked_values", rule="phone") == 20
        assert len(instances(sink, "flow.started")) == 1

    def test_forked_at_any_moment_of_a_busy_worker_never_hang(self, sink: Sink) -> None:
        run(
            sink,
            """
def busy():
    while True:
        record("own")
        telemetry.force_flush(1)

def many():
    for _ in range(200):
        record("m")

for _ in range(2):
    threading.Thread(target=busy, daemon=True).start()
pids = [child(many) for _ in range(20)]
end_s = time.monotonic() + 60
for pid in pids:
    while os.waitpid(pid, os.WNOHANG) == (0, 0):
        if time.monotonic() > end_s:
            os.kill(pid, 9)
            sys.exit("a child hangs")
        time.sleep(0.01)
children.settle(30)
""",
        )

        assert len([span for span in sink.spans() if span.attributes["messageId"] == "m"]) == 4000


class TestStates:
    def test_of_jobs_are_the_workers(self, sink: Sink) -> None:
        run(
            sink,
            """
metrics = telemetry.metrics
wait(child(lambda: metrics.session_state(session="main", state="connected")))
children.settle()
wait(child(lambda: metrics.session_disconnected(session="main", reason="transient")))
children.settle()
wait(child(lambda: metrics.session_state(session="main", state="connected")))
wait(child(lambda: metrics.breaker_state("open", contact_id="contact-1")))
wait(child(lambda: [metrics.message_sent(contact_id="contact-1") for _ in range(3)]))
wait(child(lambda: metrics.message_failed(contact_id="contact-1")))
""",
        )

        assert list(sink.series("whatsapp.session.connected").values()) == [1]
        assert sink.total("whatsapp.session.recovery") == 1
        assert sink.total("cb.contacts", state="open") == 1
        assert list(sink.series("delivery.success_ratio").values()) == [0.75]
        assert list(sink.series("rate.per_contact_per_5min").values()) == [4]

    def test_a_wait_that_one_job_resumed_is_ended_by_the_next(self, sink: Sink) -> None:
        run(
            sink,
            """
from whatsself_otel import capture_context, resume_context

with message_context(contact_id="contact-1"):
    telemetry.metrics.message_inbound(contact_id="contact-1")
    carrier = capture_context()

def resume():
    with resume_context(carrier):
        pass

wait(child(resume))
children.settle()
wait(child(lambda: telemetry.metrics.message_sent(contact_id="contact-1")))
children.settle()
""",
        )

        assert sink.total("first_response.latency") == 1


class TestTrouble:
    def test_a_child_forked_while_a_pipe_is_closed_keeps_its_own(self, sink: Sink) -> None:
        run(
            sink,
            """
from multiprocessing.connection import Connection

def close_slowly(connection):
    os.close(connection._handle)
    time.sleep(0.05)

Connection._close = close_slowly
for number in range(6):
    wait(child(lambda: record(f"child {number}")))
    time.sleep(0.02)  # its reader has seen the end of the file, and closes
""",
        )

        assert sorted(span.attributes["messageId"] for span in sink.spans()) == [f"child {n}" for n in range(6)]

    def test_a_child_of_a_child_is_an_instance_of_its_own(self, sink: Sink) -> None:
        run(
            sink,
            """
def fork_again():
    record("child")
    pid = os.fork()
    if pid == 0:
        record("grandchild")
        finish()
        os._exit(0)
    os.waitpid(pid, 0)

wait(child(fork_again))
""",
        )
        by_message = {span.attributes["messageId"]: span for span in sink.spans()}

        assert sorted(by_message) == ["child", "grandchild"]
        assert len({span.resource["service.instance.id"] for span in by_message.values()}) == 2
        assert len(instances(sink, "flow.started")) == 2
        assert sink.total("flow.started") == 2

    def test_a_parcel_that_is_torn_or_of_an_unknown_kind_costs_no_other(self, sink: Sink) -> None:
        run(
            sink,
            """
def tear():
    end = telemetry._providers._outbox._to_worker
    end.send(("unknown", []))
    os.write(end.fileno(), b"\\0\\0\\1\\0 no more")
    os._exit(1)

wait(child(tear), child(lambda: record("m")))
""",
        )

        assert (jobs(sink), sink.total("flow.started")) == (1, 1)
        assert sink.total("telemetry.errors", component="metrics") == 1

    def test_a_child_that_outlives_its_worker_sends_for_itself(self, sink: Sink) -> None:
        pid = int(
            run(
                sink,
                """
worker = os.getpid()

def outlive():
    os.close(1)
    os.close(2)
    while os.getppid() == worker:
        time.sleep(0.01)
    record("orphan")

print(child(outlive), flush=True)
os._exit(0)
""",
            )
        )
        sink.wait_for(lambda sink: jobs(sink) == 1, 30)

        assert pid > 0

    def test_without_a_pipe_a_child_sends_for_itself(self, sink: Sink) -> None:
        run(
            sink,
            """
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (3, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
children.expect()
resource.setrlimit(resource.RLIMIT_NOFILE, (100, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
pid = os.fork()
if pid == 0:
    children.hand_over()
    record("alone")
    finish()
    os._exit(0)
wait(pid)
""",
        )

        assert jobs(sink) == 1

    def test_disabled_telemetry_has_no_children(self, sink: Sink) -> None:
        assert run(sink, "print(children)", OTEL_SDK_DISABLED="true") == "None\n"
