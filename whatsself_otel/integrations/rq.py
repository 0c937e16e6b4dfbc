"""
RQ: a job carries trace and ids in its ``meta``; its forked work-horse hands its data over to the worker.

RQ has no hooks around a job, so its public methods are wrapped while telemetry runs.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Final

from whatsself_otel.handle import HANDLE
from whatsself_otel.integrations.jobs import CARRIER, carry, finish, put_back, run_job
from whatsself_otel.integrations.patching import telemetry_for, wrap

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

_LATE: Final = (
    "instrument_rq() was called inside a job: this job has no span, and each work-horse is an instance of its own. "
    "Call it in the worker's own process, in the module that rq worker -c names; see docs/several-processes.md."
)


def instrument_rq(*, replies: Collection[str] | None = None) -> None:
    """
    Let RQ's jobs carry trace and ids, and lose nothing at the end of a work-horse. A second call does nothing.

    Call it after `setup_telemetry`, where jobs are queued and in the worker's own process: in the module that
    ``rq worker -c`` names, or before ``Worker.work()``.

    Args:
        replies: Names of the functions whose jobs answer contacts, as RQ has them; only these take a contact's wait
            along. Default: the first job that is queued for a message.

    Raises:
        ConfigError: If no telemetry runs.
    """
    telemetry = telemetry_for("instrument_rq")
    if telemetry is None:
        return
    from rq import Worker, get_current_job
    from rq.job import Job

    wraps: list[tuple[type, str, Callable[..., Any]]] = [
        (Job, "create", functools.partial(_create, replies)),
        (Job, "perform", _perform),
        (Worker, "fork_work_horse", _fork_work_horse),
        (Worker, "monitor_work_horse", _monitor_work_horse),
        (Worker, "perform_job", _perform_job),
    ]
    if get_current_job() is not None:
        telemetry.note_problem(_LATE)
        wraps += [(Worker, "handle_job_success", _end_late), (Worker, "handle_job_failure", _end_late)]
    for owner, name, around in wraps:
        telemetry.on_shutdown(wrap(owner, name, around))


def _create(
    replies: Collection[str] | None, call: Callable[[], Any], _class: type, /, *_args: object, **_options: object
) -> Any:
    job = call()
    if carrier := carry(job.func_name, replies):
        job.meta = {**job.meta, CARRIER: carrier}
    return job


def _perform(call: Callable[[], Any], job: Any) -> Any:
    from rq import Retry

    carrier = job.meta.get(CARRIER)
    with run_job(job.func_name, carrier, system="rq", queue=job.origin, job_id=job.id):
        try:
            result = call()
        except BaseException:
            if job.should_retry:
                job.meta = {**job.meta, CARRIER: put_back(carrier)}
            raise
        if isinstance(result, Retry):
            job.meta = {**job.meta, CARRIER: put_back(carrier)}
        return result


def _fork_work_horse(call: Callable[[], Any], _worker: object, *_args: object) -> Any:
    if HANDLE.running is not None and (children := HANDLE.running.children) is not None:
        children.expect()
    return call()


def _monitor_work_horse(call: Callable[[], Any], _worker: object, *_args: object) -> Any:
    result = call()
    if HANDLE.running is not None and (children := HANDLE.running.children) is not None:
        children.settle()
    return result


def _perform_job(call: Callable[[], Any], worker: Any, *_args: object) -> Any:
    """Run a job in RQ's work-horse, which then ends by ``os._exit``. SimpleWorker runs it in its own process."""
    if not worker.is_horse:
        return call()
    if HANDLE.running is not None and (children := HANDLE.running.children) is not None:
        children.hand_over()
    try:
        return call()
    finally:
        finish()


def _end_late(call: Callable[[], Any], _worker: object, *_args: object, **_options: object) -> Any:
    try:
        return call()
    finally:
        finish()
