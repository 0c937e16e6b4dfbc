"""
A message that waits in a queue and is sent by another process, in one trace, and counts as answered in time.

    python examples/queue_worker.py receive jobs.jsonl    # what the web application does
    python examples/queue_worker.py send jobs.jsonl       # what the worker does, now or tomorrow
"""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path

from whatsself_otel import capture_context, message_context, resume_context, setup_telemetry

logger = logging.getLogger("example")


def receive(jobs: Path) -> None:
    """Queue one reply, with the trace, the ids and the contact's wait of this place."""
    with (
        setup_telemetry() as telemetry,
        message_context(contact_id="contact-1", message_id="message-1"),
        telemetry.tracer.start_as_current_span("receive message"),
        jobs.open("a", encoding="utf-8") as file,
    ):
        telemetry.metrics.message_inbound(kind="text", contact_id="contact-1")
        file.write(json.dumps({"to": "contact-1", "context": capture_context()}) + "\n")
        logger.info("Reply queued")


def send(jobs: Path) -> None:
    """Send the queued replies; each continues its message's trace."""
    with setup_telemetry() as telemetry:
        for line in jobs.read_text(encoding="utf-8").splitlines():
            job = json.loads(line)
            with resume_context(job["context"]), telemetry.tracer.start_as_current_span("send reply"):
                telemetry.metrics.message_sent(origin="reply", contact_id=job["to"])
                logger.info("Reply sent")


if __name__ == "__main__":
    {"receive": receive, "send": send}[sys.argv[1]](Path(sys.argv[2]))
