"""Gauges of the process: its uptime and the delay of its event loops."""

from __future__ import annotations

import asyncio
import time
import weakref
from collections import deque
from typing import TYPE_CHECKING, Final

from opentelemetry.metrics import Observation

from whatsself_otel.catalogue import EVENT_LOOP_LAG, PROCESS_UPTIME, MetricSpec
from whatsself_otel.processes.forks import run_in_child

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from opentelemetry.metrics import CallbackOptions, Meter

SAMPLE_INTERVAL_S: Final = 0.1
"""Each blockage longer than this is seen, with this precision."""

LAG_WINDOW_S: Final = 60.0
"""The gauge shows the worst delay of this window, so that readers with different intervals all see it."""


class EventLoopSampler:
    """
    Measures how late one event loop runs its callbacks.

    The sample is a timer of the loop itself: it does nothing but read a clock. What the loop is late at this moment is
    read from outside, so a blocked loop shows while it is blocked.

    Args:
        loop: A running loop; the caller is on its thread.
        clock: Monotonic seconds.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._loop = loop
        self._clock = clock
        self._worst: deque[tuple[float, float]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._due_s = 0.0
        self._arm()

    @property
    def is_alive(self) -> bool:
        """Whether the loop runs."""
        return self._loop.is_running()

    def watches(self, loop: asyncio.AbstractEventLoop) -> bool:
        """Whether it samples this loop."""
        return self._loop is loop

    def lag_s(self) -> float:
        """Return the worst delay of the last minute in seconds, including one that still lasts."""
        now_s = self._clock()
        under_way_s = now_s - self._due_s
        past_s = max((lag_s for seen_s, lag_s in tuple(self._worst) if seen_s > now_s - LAG_WINDOW_S), default=0.0)
        return max(0.0, under_way_s, past_s)

    def stop(self) -> None:
        """Take the timer off the loop. Any thread may call it."""
        if self._timer is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._timer.cancel)
        self._timer = None

    def _arm(self) -> None:
        self._due_s = self._clock() + SAMPLE_INTERVAL_S
        self._timer = self._loop.call_later(SAMPLE_INTERVAL_S, self._sample)

    def _sample(self) -> None:
        if self._timer is None:
            return
        now_s = self._clock()
        self._note(now_s, max(0.0, now_s - self._due_s))
        self._arm()

    def _note(self, now_s: float, lag_s: float) -> None:
        """Keep only falling maxima: an earlier, smaller lag can never be the worst again."""
        while self._worst and self._worst[-1][1] <= lag_s:
            self._worst.pop()
        self._worst.append((now_s, lag_s))
        while self._worst[0][0] <= now_s - LAG_WINDOW_S:
            self._worst.popleft()


class RuntimeMetrics:
    """
    Gauges of this process. A forked child restarts its uptime.

    Args:
        meter: Where the instruments are created, once.
        clock: Monotonic seconds.
    """

    def __init__(self, meter: Meter, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._started_s = clock()
        self._samplers: weakref.WeakSet[EventLoopSampler] = weakref.WeakSet()  # a loop's own timer keeps its sampler
        _observe(meter, PROCESS_UPTIME, self._uptime)
        _observe(meter, EVENT_LOOP_LAG, self._lag)
        run_in_child(self._restart)

    def watch_event_loop(self) -> None:
        """Sample the running event loop. A second call, or one without a loop, does nothing."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return
        if not any(sampler.watches(loop) for sampler in list(self._samplers)):
            self._samplers.add(EventLoopSampler(loop, clock=self._clock))

    def close(self) -> None:
        """Take the samplers off their loops."""
        for sampler in list(self._samplers):
            sampler.stop()
        self._samplers.clear()

    def _restart(self) -> None:
        self._started_s = self._clock()
        self._samplers.clear()

    def _uptime(self, _: CallbackOptions) -> Iterable[Observation]:
        return [Observation(self._clock() - self._started_s)]

    def _lag(self, _: CallbackOptions) -> Iterable[Observation]:
        lags_s = [sampler.lag_s() for sampler in list(self._samplers) if sampler.is_alive]
        return [Observation(max(lags_s))] if lags_s else []


def _observe(meter: Meter, spec: MetricSpec, callback: Callable[[CallbackOptions], Iterable[Observation]]) -> None:
    meter.create_observable_gauge(spec.name, [callback], spec.unit, spec.description.en)
