"""Celery, by its signals: a task carries trace and ids in a header; a pool process loses nothing when it ends."""

from __future__ import annotations

import functools
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final

from whatsself_otel.handle import HANDLE
from whatsself_otel.integrations.jobs import CARRIER, carry, finish, run_job
from whatsself_otel.integrations.patching import telemetry_for

if TYPE_CHECKING:
    from collections.abc import Collection

SHORT_LIFE: Final = 100
"""A pool process that runs fewer tasks than this before it is replaced hands its data over to its worker."""


def instrument_celery(*, replies: Collection[str] | None = None) -> None:
    """
    Let Celery's tasks carry trace and ids, and lose nothing at the end of a pool process. A second call does nothing.

    Call it after `setup_telemetry` in the module that makes the Celery application, so that whoever queues tasks and
    the worker both do.

    Args:
        replies: Names of the tasks that answer contacts; only these take a contact's wait along. Default: the first
            task that is queued for a message.

    Raises:
        ConfigError: If no telemetry runs.
    """
    telemetry = telemetry_for("instrument_celery")
    if telemetry is None:
        return
    from celery import signals  # type: ignore[import-untyped]

    tasks = _Tasks(replies)
    for signal, receiver in (
        (signals.before_task_publish, tasks.publish),
        (signals.task_prerun, tasks.begin),
        (signals.task_failure, tasks.fail),
        (signals.task_postrun, tasks.end),
        (signals.celeryd_after_setup, tasks.note_worker),
        (signals.worker_before_create_process, tasks.expect_child),
        (signals.worker_process_init, _begin_process),
        (signals.worker_process_shutdown, _end_process),
    ):
        uid = f"whatsself_otel.{receiver.__name__}"
        signal.connect(receiver, weak=False, dispatch_uid=uid)
        telemetry.on_shutdown(functools.partial(signal.disconnect, dispatch_uid=uid))


class _Tasks:
    """
    The queued and running tasks of this process, and its worker's pool.

    Args:
        replies: Names of the tasks that answer contacts; None: any may.
    """

    def __init__(self, replies: Collection[str] | None) -> None:
        self._replies = replies
        self._running: dict[str, ExitStack] = {}
        self._errors: dict[str, BaseException] = {}
        self._hands_over = False

    def publish(self, sender: str, headers: dict[str, Any], **_: object) -> None:
        """Put trace and ids into a message's headers."""
        if carrier := carry(sender, self._replies):
            headers[CARRIER] = carrier

    def begin(self, task_id: str, task: Any, **_: object) -> None:
        """Open a task's span, in its trace."""
        queue = (task.request.delivery_info or {}).get("routing_key")
        stack = ExitStack()
        carrier = getattr(task.request, CARRIER, None)
        stack.enter_context(run_job(task.name, carrier, system="celery", queue=queue, job_id=task_id))
        self._running[task_id] = stack

    def fail(self, task_id: str, exception: BaseException, **_: object) -> None:
        """Keep the exception of a failed task until the task ends."""
        self._errors[task_id] = exception

    def end(self, task_id: str, **_: object) -> None:
        """Close a task's span."""
        error = self._errors.pop(task_id, None)
        if (stack := self._running.pop(task_id, None)) is not None:
            stack.__exit__(type(error) if error else None, error, error.__traceback__ if error else None)

    def note_worker(self, instance: Any, **_: object) -> None:
        """Read, before the pool starts, after how many tasks its processes end."""
        self._hands_over = 0 < (instance.max_tasks_per_child or 0) < SHORT_LIFE

    def expect_child(self, **_: object) -> None:
        """Prepare for the process that the pool forks next."""
        if self._hands_over and HANDLE.running is not None and (children := HANDLE.running.children) is not None:
            children.expect()


def _begin_process(**_: object) -> None:
    if HANDLE.running is not None and (children := HANDLE.running.children) is not None:
        children.hand_over()


def _end_process(**_: object) -> None:
    finish()
