"""First response over two processes: a wait goes with its message, and counts once, where it is resumed."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from binaries import Program, free_ports, running
from children import environment, unmeasured_environment
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from readings import read_values
from rows import for_each

from whatsself_otel import (
    ConfigError,
    Masker,
    MaskingConfig,
    MetricsConfig,
    TelemetryConfig,
    capture_context,
    message_context,
    resume_context,
)
from whatsself_otel.handle import HANDLE
from whatsself_otel.metrics.cardinality import BoundedMeterProvider
from whatsself_otel.metrics.recording import WhatsSelfMetrics

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from otlp_sink import Sink

    from whatsself_otel import Telemetry

PHONES = ("+5511987654321", "+5521912344321")
"""Invented numbers of two contacts that are masked alike."""
MASKER = Masker()


class Machine:
    """Two processes of one machine, whose clock stands until it is moved."""

    def __init__(self, masker: Masker | None = None, **options: Any) -> None:
        self.now_s = 1_795_000_000.0
        self.masker = masker or MASKER
        self.web, self.worker = (Process(self, MetricsConfig(**options)) for _ in range(2))

    def answered(self) -> tuple[int, float]:
        counts = [process.values().get("first_response.latency", {}).get((), (0, 0)) for process in self.processes]
        return sum(count for count, _ in counts), sum(seconds for _, seconds in counts)

    def unanswered(self) -> int:
        return sum(process.values()["first_response.unanswered"][()] for process in self.processes)

    @property
    def processes(self) -> tuple[Process, Process]:
        return self.web, self.worker


class Process:
    """The metrics of one process; inside `runs` they are this test's."""

    def __init__(self, machine: Machine, config: MetricsConfig) -> None:
        self._reader = InMemoryMetricReader()
        provider = BoundedMeterProvider([self._reader], shutdown_on_exit=False)
        self.masker = machine.masker
        self.metrics = WhatsSelfMetrics(
            provider.get_meter("whatsself_otel"),
            clock=lambda: machine.now_s,
            config=config,
            identifier=machine.masker.identifier,
        )

    def values(self) -> dict[str, Any]:
        return read_values(self._reader)

    @contextmanager
    def runs(self) -> Iterator[WhatsSelfMetrics]:
        """Let this process be the one that runs."""
        before = HANDLE.running
        HANDLE.running = SimpleNamespace(metrics=self.metrics, masker=self.masker)  # type: ignore[assignment]
        try:
            yield self.metrics
        finally:
            HANDLE.running = before


def receive(machine: Machine, contact_id: str, **options: Any) -> str:
    """Take in a message in the web process; return the job that answers it."""
    with machine.web.runs() as metrics, message_context(contact_id=contact_id, message_id="m1"):
        metrics.message_inbound(contact_id=contact_id)
        return json.dumps(capture_context(**options))


def answer(machine: Machine, job: str, contact_id: str) -> None:
    with machine.worker.runs() as metrics, resume_context(json.loads(job)):
        metrics.message_sent(contact_id=contact_id)


def skip(machine: Machine, job: str) -> None:
    """Take up a job that has no message to answer."""
    with machine.worker.runs(), resume_context(json.loads(job)):
        pass


class TestAnswered:
    def test_ten_contacts_are_answered_in_the_worker_and_in_vain_nowhere(self) -> None:
        machine = Machine()
        jobs = {f"c{number}": receive(machine, f"c{number}") for number in range(10)}
        machine.now_s += 30
        for contact, job in jobs.items():
            answer(machine, job, contact)
        machine.now_s += 1000

        assert machine.answered() == (10, 300)
        assert machine.unanswered() == 0

    @for_each("keys", [0, 1])
    def test_contacts_that_are_masked_alike_are_told_apart(self, keys: int, tmp_path: Path) -> None:
        key = tmp_path / "key"
        key.write_text("an-invented-key-of-this-test\n")
        machine = Machine(Masker(MaskingConfig(pseudonym_key_file=key if keys else None)))
        jobs = {phone: receive(machine, phone) for phone in PHONES}
        machine.now_s += 10
        for phone, job in jobs.items():
            answer(machine, job, phone)
        machine.now_s += 1000

        assert machine.answered() == (2, 20)
        assert machine.unanswered() == 0

    def test_by_another_part_of_the_worker_outside_the_job(self) -> None:
        machine = Machine()
        skip(machine, receive(machine, "c1"))
        machine.now_s += 5
        with machine.worker.runs() as metrics:
            metrics.message_sent(contact_id="c1")

        assert machine.answered() == (1, 5)

    def test_a_burst_of_messages_that_one_reply_answers_waits_for_no_more(self) -> None:
        machine = Machine()
        jobs = []
        for _ in range(3):
            jobs.append(receive(machine, "c1"))
            machine.now_s += 1
        answer(machine, jobs[0], "c1")
        for job in jobs[1:]:
            skip(machine, job)
        machine.now_s += 1000

        assert machine.answered() == (1, 3)
        assert machine.unanswered() == 0

    def test_a_job_that_is_done_twice_counts_once(self) -> None:
        machine = Machine()
        job = receive(machine, "c1")
        machine.now_s += 2
        for _ in range(2):
            answer(machine, job, "c1")
            machine.now_s += 1000

        assert machine.answered() == (1, 2)
        assert machine.unanswered() == 0

    def test_a_job_that_is_queued_again_by_the_worker_takes_the_wait_along(self) -> None:
        machine = Machine()
        job = receive(machine, "c1")
        with machine.worker.runs(), resume_context(json.loads(job)):
            again = json.dumps(capture_context())
        machine.now_s += 20
        with machine.web.runs() as metrics, resume_context(json.loads(again)):
            metrics.message_sent(contact_id="c1")
        machine.now_s += 1000

        assert machine.answered() == (1, 20)
        assert machine.unanswered() == 0

    def test_a_clock_that_is_behind_takes_nothing_off(self) -> None:
        machine = Machine()
        job = receive(machine, "c1")
        machine.now_s -= 5
        answer(machine, job, "c1")

        assert machine.answered() == (1, 0)


class TestUnanswered:
    def test_a_wait_that_is_resumed_and_not_answered_counts_once(self) -> None:
        machine = Machine()
        job = receive(machine, "c1")
        machine.now_s += 60
        skip(machine, job)
        assert machine.unanswered() == 0
        machine.now_s += 61

        assert machine.unanswered() == 1

    def test_an_answer_after_the_deadline_is_both(self) -> None:
        machine = Machine()
        job = receive(machine, "c1")
        machine.now_s += 500
        answer(machine, job, "c1")

        assert machine.answered() == (1, 500)
        assert machine.unanswered() == 1

    def test_a_wait_that_was_counted_before_it_was_handed_over_is_not_counted_again(self) -> None:
        machine = Machine()
        with machine.web.runs() as metrics:
            metrics.message_inbound(contact_id="c1")
        machine.now_s += 300
        with machine.web.runs(), message_context(contact_id="c1"):
            job = json.dumps(capture_context())
        answer(machine, job, "c1")
        machine.now_s += 1000

        assert machine.answered() == (1, 300)
        assert machine.unanswered() == 1

    def test_a_wait_that_is_not_handed_over_expires_as_ever(self) -> None:
        machine = Machine()
        job = receive(machine, "c1", hand_over=False)
        answer(machine, job, "c1")
        machine.now_s += 121

        assert machine.answered() == (0, 0)
        assert machine.unanswered() == 1

    def test_old_and_young_waits_expire_each_in_its_time(self) -> None:
        machine = Machine()
        old = receive(machine, "old")
        machine.now_s += 100
        with machine.worker.runs() as metrics:
            for number in range(3):
                metrics.message_inbound(contact_id=f"young{number}")
        skip(machine, old)
        machine.now_s += 21
        assert machine.unanswered() == 1
        machine.now_s += 100

        assert machine.unanswered() == 4

    def test_who_times_waits_himself_takes_none_over(self) -> None:
        machine = Machine(track_first_response=False)
        carrier = {"contactId": "c1", "waitingSince": str(machine.now_s)}
        skip(machine, json.dumps(carrier))
        machine.now_s += 1000

        assert machine.unanswered() == 0

    def test_waits_are_bounded_here_too(self) -> None:
        machine = Machine(tracked_contacts=3)
        for number in range(5):
            carrier = {"contactId": f"c{number}", "waitingSince": str(machine.now_s)}
            skip(machine, json.dumps(carrier))
        machine.now_s += 1000

        assert machine.unanswered() == 3


class TestCarrier:
    @for_each("phone", PHONES)
    def test_holds_no_phone(self, phone: str) -> None:
        machine = Machine()
        with (
            machine.web.runs() as metrics,
            message_context(contact_id=phone, message_id=f"false_{phone[1:]}@c.us_3EB0"),
        ):
            metrics.message_inbound(contact_id=phone)
            carrier = capture_context()

        assert phone[3:] not in json.dumps(carrier)
        assert carrier["waitingSince"]

    def test_holds_no_phone_without_telemetry(self) -> None:
        with message_context(contact_id=PHONES[0]):
            assert PHONES[0][3:] not in json.dumps(capture_context())

    @given(st.text())
    def test_with_any_other_wait_harms_nothing(self, wait: str) -> None:
        machine = Machine()
        skip(machine, json.dumps({"contactId": "c1", "waitingSince": wait}))

        assert machine.answered() == (0, 0)


EVENTS = st.lists(st.tuples(st.sampled_from(["in", "out", "wait"]), st.sampled_from("abc"), st.integers(0, 200)))


class TestAnyOrder:
    @given(EVENTS)
    def test_two_processes_count_what_one_would(self, events: list[tuple[str, str, int]]) -> None:
        """Each message is one job, started at once; jobs answer in any order."""
        apart, alone = Machine(), Machine()
        for what, contact, seconds in events:
            for machine in (apart, alone):
                machine.now_s += seconds
            if what == "in":
                skip(apart, receive(apart, contact))
                alone.web.metrics.message_inbound(contact_id=contact)
            elif what == "out":
                apart.worker.metrics.message_sent(contact_id=contact)
                alone.web.metrics.message_sent(contact_id=contact)
        for machine in (apart, alone):
            machine.now_s += 1000

        assert apart.answered() == pytest.approx(alone.answered(), abs=0.01)
        assert apart.unanswered() == alone.unanswered()


PROCESS = """
import json, sys
from whatsself_otel import (
    MetricsConfig, TelemetryConfig, capture_context, message_context, resume_context, setup_telemetry
)

def receive(contact):
    with message_context(contact_id=contact):
        telemetry.metrics.message_inbound(contact_id=contact)
        if contact != "forgotten":
            print(json.dumps({"to": contact, "context": capture_context()}), flush=True)

def answer(job):
    with resume_context(job["context"]):
        if job["to"] != "ignored":
            telemetry.metrics.message_sent(contact_id=job["to"])

with setup_telemetry(config=TelemetryConfig(metrics=MetricsConfig(first_response_deadline_s=5.0))) as telemetry:
    print("ready", flush=True)
    for line in sys.stdin:
        globals()[sys.argv[1]](json.loads(line))
"""


class TestTwoProcesses:
    def test_each_contact_is_counted_once_where_it_was_resumed(self, sink: Sink) -> None:
        contacts = [*(f"contact-{number}" for number in range(10)), "ignored", "forgotten"]
        with process("receive", sink) as web, process("answer", sink) as worker:
            for contact in contacts:
                print(json.dumps(contact), file=web.stdin, flush=True)
            for _ in contacts[:-1]:
                print(web.stdout.readline(), end="", file=worker.stdin, flush=True)
            sink.wait_for(lambda sink: sink.total("first_response.unanswered") >= 2)

        assert sink.total("first_response.latency") == 10
        assert sorted(sink.series("first_response.unanswered").values()) == [1, 1]


@contextmanager
def process(work: str, sink: Sink) -> Iterator[Any]:
    """Run one that does *work* for each line that it is given, until the block ends."""
    variables = environment(
        OTEL_EXPORTER_OTLP_ENDPOINT=sink.url, OTEL_METRIC_EXPORT_INTERVAL="100", WHATSSELF_OTEL_LOG_TO_STDOUT="false"
    )
    command = [sys.executable, "-c", PROCESS, work]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=variables, text=True) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "ready\n"
        yield running


SERVER = """
from fastapi import FastAPI
from whatsself_otel import capture_context, message_context, setup_telemetry

app = FastAPI()
telemetry = setup_telemetry(app)

@app.post("/messages")
def receive(hand_over: bool):
    with message_context(contact_id="contact-1"):
        telemetry.metrics.message_inbound(contact_id="contact-1")
        capture_context(hand_over=hand_over)
        return telemetry.health().problems

@app.get("/problems")
def problems():
    return telemetry.health().problems
"""


@pytest.fixture(params=["1", "2"])
def workers(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def server(sink: Sink, tmp_path: Path, workers: str) -> Iterator[str]:
    (tmp_path / "shop.py").write_text(SERVER)
    (port,) = free_ports(1)
    program = Program(
        command=[sys.executable, "-m", "uvicorn", "shop:app", "--port", str(port), "--workers", workers],
        ready_url=f"http://127.0.0.1:{port}/problems",
        environ=unmeasured_environment(OTEL_EXPORTER_OTLP_ENDPOINT=sink.url, PYTHONPATH=str(tmp_path)),
        log=tmp_path / "log",
    )
    with running(program):
        yield f"http://127.0.0.1:{port}"


class TestHealth:
    def test_of_one_of_two_workers_says_that_waits_are_counted_apart(self, server: str, workers: str) -> None:
        assert httpx.get(f"{server}/problems", trust_env=False).json() == []
        kept = httpx.post(f"{server}/messages", params={"hand_over": False}, trust_env=False).json()

        assert [problem.partition(":")[0] for problem in kept] == (
            ["Contacts wait for a reply in this process, and it may be one of several"] if workers == "2" else []
        )

    def test_has_nothing_to_say_where_waits_are_handed_over(self, server: str) -> None:
        assert httpx.post(f"{server}/messages", params={"hand_over": True}, trust_env=False).json() == []


class TestConfig:
    def test_is_part_of_the_configuration_and_shown(self, start: Callable[..., Telemetry]) -> None:
        telemetry = start(metrics=MetricsConfig(first_response_deadline_s=60))

        assert telemetry.metrics.config.first_response_deadline_s == 60
        assert telemetry.health().configuration["metrics"]["first_response_deadline_s"] == 60

    def test_of_another_kind_is_named_with_the_other_problems(self) -> None:
        with pytest.raises(ConfigError) as caught:
            TelemetryConfig(metrics={"tracked_contacts": 1}, mask_last=9)  # type: ignore[arg-type]

        assert len(caught.value.problems) == 2
        assert "metrics must be a MetricsConfig, got dict." in caught.value.problems

    @for_each("value", ["many", None, True, 1.5, float("nan"), object()])
    def test_a_value_of_any_kind_is_a_problem_that_is_told(self, value: Any) -> None:
        with pytest.raises(ConfigError, match="tracked_contacts must be a whole number of at least 1"):
            MetricsConfig(tracked_contacts=value)
        if not isinstance(value, float) or value != value:  # noqa: PLR0124 - NaN
            with pytest.raises(ConfigError, match="first_response_deadline_s must be a finite number"):
                MetricsConfig(first_response_deadline_s=value)
