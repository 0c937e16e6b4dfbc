"""Celery with a real Redis: its pool processes end by `os._exit`, and nothing that they recorded is lost."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import celery_shop
import pytest
from celery import Celery, signals  # type: ignore[import-untyped]
from celery_shop import WORKER
from job_queue import instances, trail
from opentelemetry import trace

from whatsself_otel.integrations import instrument_celery

if TYPE_CHECKING:
    from collections.abc import Callable

    from job_queue import Shop
    from otlp_sink import Sink

    from whatsself_otel import Telemetry

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the pool forks")


@pytest.fixture(autouse=True)
def application(shop: Shop) -> None:
    celery_shop.write(shop)


def run(shop: Shop, *jobs: list[str], options: tuple[str, ...] = ()) -> None:
    """Let a worker do *jobs*, each a chain of tasks, and end it as a service is ended."""
    with shop.running(*WORKER, *options):
        shop.run("producer.py", json.dumps(jobs))


class TestTasks:
    def test_of_a_pool_lose_nothing_when_the_worker_ends(self, shop: Shop, sink: Sink) -> None:
        run(shop, *(10 * [["answer"]]))
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

    def test_of_processes_that_live_for_one_are_counted_in_one_series(self, shop: Shop, sink: Sink) -> None:
        run(shop, *(10 * [["answer"]]), options=("--max-tasks-per-child", "1"))
        sent = [span for span in sink.spans() if span.name == "send"]

        assert len(sent) == 10
        assert sink.total("messages.outbound", origin="reply") == 10
        assert sink.total("first_response.latency") == 10
        (worker,) = instances(sink, "messages.outbound")
        assert {span.resource["service.instance.id"] for span in sent} == {worker}

    @pytest.mark.parametrize("pool", ["solo", "threads"])
    def test_of_other_pools_are_the_same(self, shop: Shop, sink: Sink, pool: str) -> None:
        run(shop, ["answer"], ["answer"], options=("--pool", pool))

        assert sink.total("messages.outbound", origin="reply") == 2
        assert [trail(sink, span)[:2] for span in sink.spans() if span.name == "send"] == 2 * [
            ["receive", "process tasks.answer"]
        ]

    def test_that_follow_each_other_are_one_trace_and_a_wait_goes_to_the_attempt_that_answers(
        self, shop: Shop, sink: Sink
    ) -> None:
        run(shop, ["answer", "answer"], ["answer_at_last"], ["fail"])
        trails = sorted(trail(sink, span) for span in sink.spans() if span.name.startswith("process"))
        (failed,) = (span for span in sink.spans() if span.name == "process tasks.fail")

        assert trails == [
            ["receive", "process tasks.answer"],
            ["receive", "process tasks.answer", "process tasks.answer"],
            ["receive", "process tasks.answer_at_last"],
            ["receive", "process tasks.answer_at_last", "process tasks.answer_at_last"],
            ["receive", "process tasks.fail"],
        ]
        assert sink.total("first_response.latency") == 2
        assert (failed.status_code, failed.attributes["error.type"]) == (2, "ValueError")
        assert [name for name, _ in failed.events] == ["exception"]
        assert failed.attributes["messaging.system"] == "celery"
        assert failed.attributes["messaging.destination.name"] == "celery"
        assert failed.attributes["messaging.message.id"]


class TestInstrumentation:
    def test_an_eager_task_goes_on_with_the_trace_of_its_caller(self, start: Callable[..., Telemetry]) -> None:
        telemetry = start()
        instrument_celery()
        app = Celery("eager", set_as_current=False)
        app.conf.task_always_eager = True
        traces: list[int] = []

        @app.task(name="work")  # type: ignore[untyped-decorator]
        def work() -> None:
            traces.append(trace.get_current_span().get_span_context().trace_id)

        with telemetry.tracer.start_as_current_span("caller") as span:
            work.delay()

        assert traces == [span.get_span_context().trace_id]

    def test_shutdown_disconnects_every_receiver(self, start: Callable[..., Telemetry]) -> None:
        before = len(signals.task_prerun.receivers)
        telemetry = start()
        instrument_celery()
        instrument_celery()
        assert len(signals.task_prerun.receivers) == before + 1
        telemetry.shutdown()

        assert len(signals.task_prerun.receivers) == before
