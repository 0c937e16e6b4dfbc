"""An application whose jobs RQ does."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from job_queue import Shop

SET_UP = """
from whatsself_otel import setup_telemetry
from whatsself_otel.integrations import instrument_rq

telemetry = setup_telemetry()
instrument_rq()
"""
TASKS = """
import logging, os, time
from opentelemetry import metrics
from redis import Redis
from set_up import telemetry

logger = logging.getLogger("shop")
sizes = metrics.get_meter("shop").create_histogram("reply.size", "By", explicit_bucket_boundaries_advisory=[10, 100])

def answer(contact):
    with telemetry.tracer.start_as_current_span("send"):
        logger.info("answered")
        sizes.record(42, {"kind": "text"})
    telemetry.metrics.message_sent(origin="reply", contact_id=contact)

def ignore(contact):
    pass

def fail(contact):
    telemetry.metrics.message_failed(reason="network", contact_id=contact)
    raise ValueError("no such contact")

def fail_once(contact):
    if Redis.from_url(os.environ["REDIS"]).incr("tries") == 1:
        raise ValueError("not yet")
    answer(contact)

def hang(contact):
    answer(contact)
    time.sleep(60)

def wait_for_key(contact):
    answer(contact)
    Redis.from_url(os.environ["REDIS"]).set("pid", os.getpid())
    time.sleep(60)
"""
PRODUCER = """
import json, sys
import set_up, tasks
from redis import Redis
from rq import Queue, Retry
from whatsself_otel import message_context

queue = Queue(connection=Redis.from_url(REDIS))
for number, (name, contact, options) in enumerate(json.loads(sys.argv[1])):
    options = {"retry": Retry(max=1)} if options.pop("retry", False) else options
    ids = message_context(contact_id=contact, message_id=f"message-{number}")
    with ids, set_up.telemetry.tracer.start_as_current_span("receive"):
        set_up.telemetry.metrics.message_inbound(contact_id=contact)
        queue.enqueue(getattr(tasks, name), contact, **options)
"""
WORKER = ("-m", "rq.cli", "worker", "--config", "set_up")


def write(shop: Shop) -> None:
    """Write its modules."""
    shop.write("set_up", SET_UP)
    shop.write("tasks", TASKS)
    shop.write("producer", PRODUCER.replace("REDIS)", f"{shop.redis!r})"))
