"""SQLAlchemy's connection pools: in use, limit, overflow, and the wait for a connection."""

from __future__ import annotations

import threading
import time
import weakref
from typing import TYPE_CHECKING, Any

from opentelemetry.metrics import Observation

from whatsself_otel.catalogue import DB_POOL_IN_USE, DB_POOL_MAX, DB_POOL_OVERFLOW, DB_POOL_WAIT, POOL, MetricSpec
from whatsself_otel.integrations.sqlalchemy import root_of
from whatsself_otel.messages import OwnLogger
from whatsself_otel.metrics.bound_instruments import BoundInstrument
from whatsself_otel.metrics.recording import create_histogram

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from opentelemetry.metrics import CallbackOptions, Meter

_logger = OwnLogger(__name__)


class PoolMetrics:
    """
    Watches any number of pools, each once, and keeps none of them alive.

    Args:
        meter: Where the instruments are created, once.
        clock: Monotonic seconds.
    """

    def __init__(self, meter: Meter, *, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._watched: weakref.WeakKeyDictionary[Any, _WatchedPool] = weakref.WeakKeyDictionary()
        self._wait = create_histogram(meter, DB_POOL_WAIT)
        self._observe(meter, DB_POOL_IN_USE, _in_use)
        self._observe(meter, DB_POOL_MAX, _limit)
        self._observe(meter, DB_POOL_OVERFLOW, _overflow)

    def watch(self, engine: Any, name: str = "default") -> bool:
        """
        Watch one engine's pool; return False if it is already watched, for this engine or one that shares it.

        Args:
            engine: A SQLAlchemy ``Engine`` or ``AsyncEngine``.
            name: Value of the attribute ``pool``; a second pool of the same name gets a number appended.
        """
        pool = root_of(engine).pool
        if pool in self._watched:
            return False
        self._watched[pool] = watched = self._new_watched(name)
        watched.attach(pool)
        return True

    def unwatch(self, engine: Any) -> None:
        """Restore the engine's pool. A pool that is not watched stays unchanged."""
        pool = root_of(engine).pool
        watched = self._watched.pop(pool, None)
        if watched is not None:
            watched.detach(pool)

    def _free_name(self, name: str) -> str:
        taken = {watched.name for watched in self._watched.values()}
        number = 1
        free = name
        while free in taken:
            number += 1
            free = f"{name}-{number}"
        return free

    def _new_watched(self, name: str) -> _WatchedPool:
        free = self._free_name(name)
        return _WatchedPool(free, BoundInstrument(self._wait, {POOL.name: free}).record, self._clock, self._move)

    def _move(self, pool: Any, renewed: Any) -> None:
        """Continue with the pool that replaces another."""
        if (watched := self._watched.pop(pool, None)) is not None:
            self._watched[renewed] = watched

    def _observe(self, meter: Meter, spec: MetricSpec, read: Callable[[Any, _WatchedPool], int | None]) -> None:
        def callback(_: CallbackOptions) -> Iterable[Observation]:
            pairs = list(self._watched.items())
            values = [(watched.name, read(pool, watched)) for pool, watched in pairs]
            return [Observation(value, {POOL.name: name}) for name, value in values if value is not None]

        meter.create_observable_gauge(spec.name, [callback], spec.unit, spec.description.en)


class _WatchedPool:
    """
    State of one watched pool. It holds no reference to the pool.

    Args:
        name: Value of the attribute ``pool``.
        record: Records a wait, in seconds.
        clock: Monotonic seconds.
        move: Told when another pool takes its place.
    """

    def __init__(
        self, name: str, record: Callable[[float], None], clock: Callable[[], float], move: Callable[[Any, Any], None]
    ) -> None:
        self.name = name
        self.checked_out = 0
        self._record = record
        self._clock = clock
        self._move = move
        self._lock = threading.Lock()

    def attach(self, pool: Any) -> None:
        """
        Watch *pool*; one that replaces it inherits its listeners.

        Its engine is not listened to: with one listener it joins those of every event for each connection.
        """
        from sqlalchemy import event

        if not hasattr(pool, "checkedout"):
            for name, listener in self._pool_listeners():
                event.listen(pool, name, listener)
        self._time(pool)

    def detach(self, pool: Any) -> None:
        """Undo `attach`."""
        from sqlalchemy import event

        for name, listener in self._pool_listeners():
            if event.contains(pool, name, listener):
                event.remove(pool, name, listener)
        for name in ("connect", "recreate"):
            vars(pool).pop(name, None)

    def _pool_listeners(self) -> list[tuple[str, Callable[..., None]]]:
        return [("checkout", self._on_checkout), ("checkin", self._on_return), ("detach", self._on_return)]

    def _on_checkout(self, *_: object) -> None:
        with self._lock:
            self.checked_out += 1

    def _on_return(self, *_: object) -> None:
        with self._lock:
            self.checked_out = max(0, self.checked_out - 1)

    def _time(self, pool: Any) -> None:
        """Shadow two methods on the instance: SQLAlchemy has no event for the start of a checkout."""
        untimed, renew = pool.connect, pool.recreate

        def connect() -> Any:
            started_s = self._clock()
            try:
                return untimed()
            finally:
                self._end_wait(started_s)

        def recreate() -> Any:
            renewed = renew()
            self._time(renewed)
            self._move(pool, renewed)
            return renewed

        pool.connect, pool.recreate = connect, recreate

    def _end_wait(self, started_s: float) -> None:
        try:
            self._record(self._clock() - started_s)
        except Exception:  # noqa: BLE001 - the connection is the application's
            _logger.debug("the wait for a connection was not recorded")


def _in_use(pool: Any, watched: _WatchedPool) -> int:
    checked_out = getattr(pool, "checkedout", None)
    return int(checked_out()) if checked_out else watched.checked_out


def _limit(pool: Any, _: _WatchedPool) -> int | None:
    max_overflow = getattr(pool, "_max_overflow", -1)
    return None if max_overflow < 0 else int(pool.size()) + int(max_overflow)


def _overflow(pool: Any, _: _WatchedPool) -> int | None:
    overflow = getattr(pool, "overflow", None)
    return max(0, int(overflow())) if overflow else None
