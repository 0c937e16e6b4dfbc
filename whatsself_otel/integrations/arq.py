"""
arq: a job carries trace and ids beside its arguments, where a worker without telemetry ignores them.

arq's hooks do not get the message, but its serializers do: one extension point on each side.
"""

from __future__ import annotations

import asyncio
import functools
import pickle
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

from whatsself_otel.integrations.jobs import CARRIER, carry, put_back, run_job
from whatsself_otel.integrations.patching import telemetry_for, wrap

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

_CARRIER: Final[ContextVar[Any]] = ContextVar("whatsself_otel_arq_carrier", default=None)
"""The carrier of this task's job. arq reads a message in the task that then runs its job."""


def instrument_arq(*, replies: Collection[str] | None = None) -> None:
    """
    Let arq's jobs carry trace and ids. A second call does nothing.

    Call it after `setup_telemetry`, where jobs are queued and in the module of the ``WorkerSettings``.

    Args:
        replies: Names of the functions whose jobs answer contacts; only these take a contact's wait along. Default:
            the first job that is queued for a message.

    Raises:
        ConfigError: If no telemetry runs.
    """
    telemetry = telemetry_for("instrument_arq")
    if telemetry is None:
        return
    from arq.connections import ArqRedis
    from arq.worker import Worker

    telemetry.on_shutdown(wrap(ArqRedis, "enqueue_job", functools.partial(_enqueue_job, replies)))
    telemetry.on_shutdown(wrap(Worker, "__init__", _make_worker))


def _enqueue_job(
    replies: Collection[str] | None, call: Callable[[], Any], pool: Any, /, *_args: object, **_options: object
) -> Any:
    """Have the pool write by a serializer that adds the carrier."""
    if not isinstance(pool.job_serializer, _Serializer):
        pool.job_serializer = _Serializer(pool.job_serializer or pickle.dumps, replies)
    return call()


def _make_worker(call: Callable[[], Any], worker: Any, /, *_args: object, **_options: object) -> None:
    call()
    worker.job_deserializer = _Deserializer(worker.job_deserializer or pickle.loads)
    for function in worker.functions.values():
        function.coroutine = _in_job(function.coroutine, function.name, worker)


class _Serializer:
    """Writes a job together with its carrier."""

    def __init__(self, dumps: Callable[[Any], bytes], replies: Collection[str] | None) -> None:
        self._dumps = dumps
        self._replies = replies

    def __call__(self, job: Any) -> bytes:
        carrier = carry(job["f"], self._replies) if _is_job(job) else {}
        return self._dumps({**job, CARRIER: carrier} if carrier else job)


class _Deserializer:
    """Reads a job and keeps its carrier for the function that runs."""

    def __init__(self, loads: Callable[[bytes], Any]) -> None:
        self._loads = loads

    def __call__(self, message: bytes) -> Any:
        job = self._loads(message)
        _CARRIER.set(job.get(CARRIER) if _is_job(job) else None)
        return job


def _is_job(value: object) -> bool:
    """Return whether *value* is a job that arq writes, not its result."""
    return isinstance(value, dict) and "f" in value and "r" not in value


def _in_job(coroutine: Callable[..., Any], name: str, worker: Any) -> Callable[..., Any]:
    @functools.wraps(coroutine)
    async def run(ctx: dict[Any, Any], /, *args: Any, **kwargs: Any) -> Any:
        from arq.worker import RetryJob

        carrier = _CARRIER.get()
        with run_job(name, carrier, system="arq", queue=worker.queue_name, job_id=ctx.get("job_id")):
            try:
                return await coroutine(ctx, *args, **kwargs)
            except (RetryJob, asyncio.CancelledError):  # then arq runs the same message again
                put_back(carrier)
                raise

    return run
