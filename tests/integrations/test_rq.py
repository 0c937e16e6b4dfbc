"""RQ with a real Redis: each job is forked and ends by `os._exit`, and nothing that it recorded is lost."""

from __future__ import annotations

import json
import os
import signal
import socket
from typing import TYPE_CHECKING, Any

import pytest
import rq_shop
from job_queue import instances, trail
from redis import Redis
from rq_shop import SET_UP, TASKS, WORKER

from whatsself_otel import ConfigError
from whatsself_otel.integrations import instrument_rq

if TYPE_CHECKING:
    from collections.abc import Callable

    from job_queue import Shop
    from otlp_sink import Sink

    from whatsself_otel import Telemetry

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="RQ forks")

PHONE = "+5511987654321"


@pytest.fixture(autouse=True)
def application(shop: Shop) -> None:
    rq_shop.write(shop)


def enqueue(shop: Shop, *jobs: tuple[str, str] | tuple[str, str, dict[str, Any]]) -> None:
    shop.run("producer.py", json.dumps([job if len(job) == 3 else (*job, {}) for job in jobs]))


def work(shop: Shop, *options: str, **variables: str) -> None:
    """Run a worker until the queue is empty."""
    shop.run(*WORKER, "--burst", "--url", shop.redis, *options, **variables)


class TestJobs:
    def test_of_a_worker_keep_their_spans_logs_and_counts_in_one_series(self, shop: Shop, sink: Sink) -> None:
        enqueue(shop, *(("answer", f"contact-{number}") for number in range(10)))
        work(shop)
        sent = [span for span in sink.spans() if span.name == "send"]
        answered = [log for log in sink.logs() if log.body == "answered"]

        assert [trail(sink, span) for span in sent] == 10 * [["receive", "process tasks.answer", "send"]]
        assert {(span.attributes["contactId"], span.attributes["messageId"]) for span in sent} == {
            (f"contact-{number}", f"message-{number}") for number in range(10)
        }
        assert {log.span_id for log in answered} == {span.span_id for span in sent}
        assert sink.total("messages.outbound", origin="reply") == 10
        assert sink.total("first_response.latency") == 10
        assert sink.total("first_response.unanswered") == 0
        assert list(sink.series("reply.size").values()) == [(10, 420)]
        (worker,) = instances(sink, "messages.outbound")
        assert {span.resource["service.instance.id"] for span in sent} == {worker}
        assert {log.resource["service.instance.id"] for log in answered} == {worker}

    def test_that_are_done_in_the_worker_itself_are_the_same(self, shop: Shop, sink: Sink) -> None:
        enqueue(shop, ("answer", "contact-1"), ("answer", "contact-2"))
        work(shop, "--worker-class", "rq.SimpleWorker")

        assert sink.total("messages.outbound", origin="reply") == 2
        assert len([span for span in sink.spans() if span.name == "process tasks.answer"]) == 2

    def test_the_span_says_what_it_was_and_by_what_it_failed(self, shop: Shop, sink: Sink) -> None:
        enqueue(shop, ("fail", "contact-1"))
        work(shop)
        (span,) = (span for span in sink.spans() if span.name == "process tasks.fail")

        assert (span.kind, span.status_code) == (5, 2)
        assert span.attributes["error.type"] == "ValueError"
        assert span.attributes["messaging.system"] == "rq"
        assert span.attributes["messaging.destination.name"] == "default"
        assert span.attributes["messaging.message.id"]
        assert [name for name, _ in span.events] == ["exception"]
        assert sink.total("messages.outbound.failed", reason="network") == 1

    def test_a_job_that_runs_out_of_time_keeps_what_it_did(self, shop: Shop, sink: Sink) -> None:
        enqueue(shop, ("hang", "contact-1", {"job_timeout": 1}))
        work(shop)
        (span,) = (span for span in sink.spans() if span.name == "process tasks.hang")

        assert span.attributes["error.type"] == "JobTimeoutException"
        assert sink.total("messages.outbound", origin="reply") == 1

    def test_a_job_that_is_killed_has_handed_over_what_it_counted(self, shop: Shop, sink: Sink) -> None:
        enqueue(shop, ("wait_for_key", "contact-1"), ("answer", "contact-2"))
        options = {"OTEL_METRIC_EXPORT_INTERVAL": "100", "OTEL_BSP_SCHEDULE_DELAY": "100"}
        with shop.running(*WORKER, "--url", shop.redis, **options), Redis.from_url(shop.redis) as redis:
            sink.wait_for(lambda sink: sink.total("messages.outbound", origin="reply") == 1, 60)
            sink.wait_for(lambda sink: [span.name for span in sink.spans() if span.name == "send"] == ["send"])
            os.kill(int(redis.get("pid") or 0), signal.SIGKILL)
            sink.wait_for(lambda sink: sink.total("messages.outbound", origin="reply") == 2, 30)

        assert len(instances(sink, "messages.outbound")) == 1


class TestWait:
    def test_goes_to_the_attempt_that_answers(self, shop: Shop, sink: Sink) -> None:
        enqueue(shop, ("fail_once", "contact-1", {"retry": True}))
        work(shop, "--max-jobs", "1")
        assert (sink.total("first_response.latency"), sink.total("messages.outbound")) == (0, 0)
        work(shop)

        assert sink.total("first_response.latency") == 1

    def test_that_no_job_ends_is_the_workers(self, shop: Shop, sink: Sink) -> None:
        shop.write("set_up", SET_UP.replace("setup_telemetry()", DEADLINE).replace("import setup", f"import {NAMES}"))
        enqueue(shop, ("ignore", "contact-1"))
        with shop.running(*WORKER, "--url", shop.redis, OTEL_METRIC_EXPORT_INTERVAL="100"):
            sink.wait_for(lambda sink: sink.total("first_response.unanswered") == 1, 60)


NAMES = "MetricsConfig, TelemetryConfig, setup"
DEADLINE = "setup_telemetry(config=TelemetryConfig(metrics=MetricsConfig(first_response_deadline_s=1)))"


class TestCollectorAway:
    def test_no_job_waits_for_it(self, shop: Shop) -> None:
        """It accepts connections and never answers; a job that sent alone would wait for seconds."""
        enqueue(shop, *(("answer", f"contact-{number}") for number in range(5)))
        shop.write("timed", TIMED.replace("REDIS", repr(shop.redis)))
        with socket.create_server(("127.0.0.1", 0)) as silent:
            took_s = float(shop.run("timed.py", OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{port_of(silent)}"))

        assert took_s < 5 * 15  # half of the time that a shutdown may take, each


TIMED = """
import time
import set_up, tasks
from redis import Redis
from rq import Queue, Worker

connection = Redis.from_url(REDIS)
worker = Worker([Queue(connection=connection)], connection=connection)
start_s = time.monotonic()
worker.work(burst=True)
print(time.monotonic() - start_s)
set_up.telemetry.shutdown(0.1)
"""


def port_of(server: socket.socket) -> int:
    port: int = server.getsockname()[1]
    return port


class TestCarrier:
    def test_holds_no_phone_and_leaves_the_callers_meta_alone(
        self, shop: Shop, start: Callable[..., Telemetry]
    ) -> None:
        from rq import Queue

        from whatsself_otel import message_context

        start()
        instrument_rq()
        meta = {"mine": 1}
        with Redis.from_url(shop.redis) as connection, message_context(contact_id=PHONE):
            job = Queue(connection=connection).enqueue("tasks.answer", meta=meta)
            stored = b"".join(connection.hgetall(job.key).values())

        assert meta == {"mine": 1}
        assert job.meta["mine"] == 1
        assert job.meta["whatsself_otel"]["contactId"] == "+55********4321"
        assert PHONE.encode() not in stored

    def test_of_a_job_that_answers_nobody_leaves_the_wait_here(
        self, shop: Shop, start: Callable[..., Telemetry]
    ) -> None:
        from rq import Queue

        from whatsself_otel import message_context

        telemetry = start()
        instrument_rq(replies=["tasks.answer"])
        with Redis.from_url(shop.redis) as connection, message_context(contact_id="contact-1"):
            telemetry.metrics.message_inbound(contact_id="contact-1")
            jobs = [Queue(connection=connection).enqueue(f"tasks.{name}") for name in ("report", "answer", "answer")]

        assert ["waitingSince" in job.meta["whatsself_otel"] for job in jobs] == [False, True, False]


class TestInstrumentation:
    def test_without_telemetry_is_an_error_with_its_remedy(self) -> None:
        with pytest.raises(ConfigError, match=r"call setup_telemetry\(\) first"):
            instrument_rq()

    def test_twice_is_once_and_shutdown_puts_everything_back(self, start: Callable[..., Telemetry]) -> None:
        from rq import Worker
        from rq.job import Job

        places = [(Job, "create"), (Job, "perform"), (Worker, "fork_work_horse"), (Worker, "perform_job")]
        before = [vars(owner).get(name) for owner, name in places]
        telemetry = start()
        instrument_rq()
        once = [vars(owner).get(name) for owner, name in places]
        instrument_rq()

        assert [vars(owner).get(name) for owner, name in places] == once != before
        telemetry.shutdown()
        assert [vars(owner).get(name) for owner, name in places] == before

    def test_inside_a_job_loses_nothing_and_is_a_problem_that_is_said(self, shop: Shop, sink: Sink) -> None:
        """As when only the jobs' module sets up, which each work-horse imports again."""
        shop.write("tasks", f"{SET_UP}{TASKS.replace('from set_up import telemetry', '')}")
        enqueue(shop, ("answer", "contact-1"), ("answer", "contact-2"))
        said = shop.run("-m", "rq.cli", "worker", "--burst", "--url", shop.redis, WHATSSELF_OTEL_LOG_TO_STDOUT="true")

        assert len([span for span in sink.spans() if span.name == "send"]) == 2
        assert sink.total("messages.outbound", origin="reply") == 2
        assert said.count("instrument_rq() was called inside a job") == 2
