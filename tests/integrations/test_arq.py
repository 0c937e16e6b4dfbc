"""arq with a real Redis: jobs carry trace, ids and waits, beside arguments that stay as they are."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from job_queue import SCRIPTS, trail

if TYPE_CHECKING:
    from collections.abc import Callable

    from job_queue import Shop
    from otlp_sink import Sink

    from whatsself_otel import Telemetry

JOBS = """
import asyncio, json, logging, os, sys
from arq import Retry, create_pool
from arq.connections import RedisSettings
from whatsself_otel import message_context, setup_telemetry
from whatsself_otel.integrations import instrument_arq

if INSTRUMENTED:
    telemetry = setup_telemetry()
    instrument_arq()
logger = logging.getLogger("shop")

async def answer(ctx, contact):
    await asyncio.sleep(0)
    with telemetry.tracer.start_as_current_span("send"):
        logger.info("answered")
    telemetry.metrics.message_sent(origin="reply", contact_id=contact)

async def answer_at_last(ctx, contact):
    if ctx["job_try"] == 1:
        raise Retry
    await answer(ctx, contact)

async def fail(ctx, contact):
    raise ValueError("no such contact")

async def show(ctx, *args, **options):
    print(args, options)

class WorkerSettings:
    functions = [answer, answer_at_last, fail, show]
    redis_settings = RedisSettings.from_dsn(os.environ["REDIS"])

async def main():
    pool = await create_pool(WorkerSettings.redis_settings)
    for number, name in enumerate(json.loads(sys.argv[1])):
        contact = f"contact-{number}"
        ids = message_context(contact_id=contact, message_id=f"message-{number}")
        with ids, telemetry.tracer.start_as_current_span("receive"):
            telemetry.metrics.message_inbound(contact_id=contact)
            await pool.enqueue_job(name, contact)
    await pool.aclose()

if __name__ == "__main__":
    asyncio.run(main())
"""


def run(shop: Shop, *names: str, instrumented_worker: bool = True) -> str:
    shop.write("jobs", f"INSTRUMENTED = True\n{JOBS}")
    shop.run("jobs.py", json.dumps(names))
    shop.write("jobs", f"INSTRUMENTED = {instrumented_worker}\n{JOBS}")
    return shop.run(str(SCRIPTS / "arq"), "jobs.WorkerSettings", "--burst")


class TestJobs:
    def test_go_on_with_trace_ids_and_waits(self, shop: Shop, sink: Sink) -> None:
        run(shop, *(10 * ["answer"]))
        sent = [span for span in sink.spans() if span.name == "send"]

        assert [trail(sink, span) for span in sent] == 10 * [["receive", "process answer", "send"]]
        assert {(span.attributes["contactId"], span.attributes["messageId"]) for span in sent} == {
            (f"contact-{number}", f"message-{number}") for number in range(10)
        }
        assert {log.span_id for log in sink.logs() if log.body == "answered"} == {span.span_id for span in sent}
        assert sink.total("messages.outbound", origin="reply") == 10
        assert sink.total("first_response.latency") == 10
        assert sink.total("first_response.unanswered") == 0

    def test_that_fail_or_are_tried_again_say_so(self, shop: Shop, sink: Sink) -> None:
        run(shop, "fail", "answer_at_last")
        (failed,) = (span for span in sink.spans() if span.name == "process fail")
        tries = [span for span in sink.spans() if span.name == "process answer_at_last"]

        assert (failed.status_code, failed.attributes["error.type"]) == (2, "ValueError")
        assert failed.attributes["messaging.destination.name"] == "arq:queue"
        assert [span.attributes.get("error.type") for span in tries] == ["Retry", None]
        assert sink.total("first_response.latency") == 1

    def test_are_done_by_a_worker_that_knows_nothing_of_telemetry(self, shop: Shop) -> None:
        assert run(shop, "show", instrumented_worker=False) == "('contact-0',) {}\n"


class TestInstrumentation:
    def test_shutdown_puts_everything_back(self, start: Callable[..., Telemetry]) -> None:
        from arq.connections import ArqRedis
        from arq.worker import Worker

        from whatsself_otel.integrations import instrument_arq

        before = ArqRedis.enqueue_job, Worker.__init__
        telemetry = start()
        instrument_arq()
        instrument_arq()
        assert (ArqRedis.enqueue_job, Worker.__init__) != before
        telemetry.shutdown()

        assert (ArqRedis.enqueue_job, Worker.__init__) == before


@pytest.fixture(autouse=True)
def _skip_without_redis(shop: Shop) -> None:
    """Every test here has a queue."""
