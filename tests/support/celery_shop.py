"""An application whose tasks Celery does."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from job_queue import Shop

TASKS = """
import logging, os
from celery import Celery
from whatsself_otel import setup_telemetry
from whatsself_otel.integrations import instrument_celery

telemetry = setup_telemetry()
instrument_celery()
app = Celery("shop", broker=os.environ["REDIS"], backend=os.environ["REDIS"])
app.conf.worker_hijack_root_logger = False
logger = logging.getLogger("shop")

@app.task
def answer(contact):
    with telemetry.tracer.start_as_current_span("send"):
        logger.info("answered")
    telemetry.metrics.message_sent(origin="reply", contact_id=contact)
    return contact

@app.task(bind=True, default_retry_delay=0)
def answer_at_last(self, contact):
    if self.request.retries == 0:
        raise self.retry()
    return answer(contact)

@app.task
def fail(contact):
    raise ValueError("no such contact")
"""
PRODUCER = """
import json, sys
import tasks
from whatsself_otel import message_context

results = []
for number, names in enumerate(json.loads(sys.argv[1])):
    contact = f"contact-{number}"
    ids = message_context(contact_id=contact, message_id=f"message-{number}")
    with ids, tasks.telemetry.tracer.start_as_current_span("receive"):
        tasks.telemetry.metrics.message_inbound(contact_id=contact)
        first, *others = (getattr(tasks, name) for name in names)
        chain = first.s(contact)
        for other in others:
            chain |= other.s()
        results.append(chain.apply_async())
for result in results:
    result.get(timeout=60, propagate=False)
"""
WORKER = ("-m", "celery", "--app", "tasks", "worker", "--concurrency", "2", "--loglevel", "info")


def write(shop: Shop) -> None:
    """Write its modules."""
    shop.write("tasks", TASKS)
    shop.write("producer", PRODUCER)
