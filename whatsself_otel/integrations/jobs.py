"""One job of a queue: its span, its trace and ids, and the data that its process holds at the end."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.trace import Span, SpanKind, Status, StatusCode, get_current_span

from whatsself_otel.context import WAITING_SINCE, capture_context, resume_context
from whatsself_otel.handle import HANDLE

if TYPE_CHECKING:
    from collections.abc import Collection, Generator, Mapping

CARRIER: Final = "whatsself_otel"
"""Key under which a job holds the result of `capture_context`."""


@contextmanager
def run_job(
    name: str, carrier: object = None, *, system: str = "other", queue: str | None = None, job_id: str | None = None
) -> Generator[Span, None, None]:
    """
    Run one job in a span, within the trace and with the ids that *carrier* holds.

    Use it for queues without an integration here: taskiq, dramatiq, APScheduler, a table. An exception is recorded on
    the span and raised again.

    Args:
        name: What the job does, in few different words: the name of its function.
        carrier: What `capture_context` returned where the job was queued; without it the job goes on with the trace
            of this place, or begins one.
        system: Name of the queue's software.
        queue: Name of the queue.
        job_id: Id of the job.
    """
    telemetry = HANDLE.running
    if telemetry is None:
        yield get_current_span()
        return
    attributes = {
        "messaging.system": system,
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": queue,
        "messaging.message.id": job_id,
        "code.function.name": name,
    }
    known: Mapping[str, str] = {key: value for key, value in attributes.items() if value}
    with (
        resume_context(carrier) if carrier else nullcontext(),
        telemetry.tracer.start_as_current_span(f"process {name}", kind=SpanKind.CONSUMER, attributes=known) as span,
    ):
        try:
            yield span
        except BaseException as error:
            _note_failure(span, error)
            raise


def _note_failure(span: Span, error: BaseException) -> None:
    span.set_attribute("error.type", type(error).__qualname__)
    if not isinstance(error, Exception):  # others are recorded by the SDK
        span.record_exception(error)
        span.set_status(Status(StatusCode.ERROR, type(error).__qualname__))


def carry(name: str, replies: Collection[str] | None) -> dict[str, str]:
    """
    Return the carrier of a job: its trace context and ids. Without telemetry it is empty.

    Args:
        name: Of the job's function.
        replies: Names of the functions that answer contacts; None: any may.
    """
    if HANDLE.running is None:
        return {}
    return capture_context(hand_over=replies is None or name in replies)


def put_back(carrier: Any) -> Any:
    """Return *carrier* for another attempt at this job, with the wait that this attempt has not ended."""
    if not isinstance(carrier, dict):
        return carrier
    kept = {key: value for key, value in carrier.items() if key != WAITING_SINCE}
    wait = capture_context().get(WAITING_SINCE)
    return kept if wait is None else {**kept, WAITING_SINCE: wait}


def finish(timeout_s: float | None = None) -> None:
    """
    Send, or hand over, all data of this process: for processes that end without Python's exit.

    Args:
        timeout_s: Seconds that it may take; default: ``shutdown_timeout_s`` of the configuration.
    """
    telemetry = HANDLE.running
    if telemetry is not None:
        telemetry.force_flush(telemetry.config.shutdown_timeout_s if timeout_s is None else timeout_s)
