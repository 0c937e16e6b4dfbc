"""Sliding windows: exact at both edges, cheap to feed, bounded in memory."""

from __future__ import annotations

import math
from array import array
from bisect import bisect_right
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class SteadyClock:
    """
    A clock that never goes back, made from one that may.

    A step back counts as no time passed, and time goes on from there. A step forward cannot be told from real waiting.

    Args:
        clock: Seconds from any origin.
    """

    __slots__ = ("_clock", "_last_s", "_offset_s")

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._last_s = -math.inf
        self._offset_s = 0.0

    def __call__(self) -> float:
        """Return seconds that never decrease. Callers in several threads must hold their own lock."""
        now_s = self._clock() + self._offset_s
        if now_s < self._last_s:
            self._offset_s += self._last_s - now_s
            now_s = self._last_s
        self._last_s = now_s
        return now_s


class EventLog:
    """
    Counts events, and returns their number in any window up to a horizon.

    One append for each event serves every window: the log holds running totals, and a reading is the difference of two.
    Past its capacity, the newer half stays exact. In the older half, events less than ``4 * horizon_s / capacity``
    seconds apart share a time, so an event may leave a window that much late.

    Args:
        horizon_s: The longest window asked for, in seconds.
        capacity: Distinct times kept, 16 bytes each.
    """

    __slots__ = ("_before", "_capacity", "_cell_s", "_horizon_s", "_times_s", "_totals")

    def __init__(self, *, horizon_s: float, capacity: int = 32_768) -> None:
        self._horizon_s = horizon_s
        self._capacity = capacity
        self._cell_s = 4 * horizon_s / capacity
        self._before = 0
        self._times_s = array("d")
        self._totals = array("q")

    def __len__(self) -> int:
        return len(self._times_s)

    def add(self, now_s: float, amount: int = 1) -> None:
        """Count *amount* events at *now_s*; a time before the last one counts as the last one."""
        times_s, totals = self._times_s, self._totals
        if not times_s:
            totals.append(self._before + amount)
            times_s.append(now_s)
        elif now_s <= times_s[-1]:
            totals[-1] += amount
        else:
            totals.append(totals[-1] + amount)
            times_s.append(now_s)
            if len(times_s) > self._capacity:
                self._shrink(now_s)

    def count(self, now_s: float, window_s: float) -> int:
        """Return how many events lie in ``(now_s - window_s, now_s]``, left open as Prometheus' ranges are."""
        if not self._times_s:
            return 0
        first = bisect_right(self._times_s, now_s - window_s)
        return self._totals[-1] - (self._totals[first - 1] if first else self._before)

    def _shrink(self, now_s: float) -> None:
        self._forget(bisect_right(self._times_s, now_s - self._horizon_s))
        if len(self._times_s) > self._capacity * 3 // 4:
            self._thin(len(self._times_s) - self._capacity // 2)

    def _forget(self, expired: int) -> None:
        if expired:
            self._before = self._totals[expired - 1]
            del self._times_s[:expired]
            del self._totals[:expired]

    def _thin(self, older: int) -> None:
        """Keep the last of the *older* entries in each cell of a fixed grid: thinning again then loses nothing more."""
        cells = [int(time_s / self._cell_s) for time_s in self._times_s[: older + 1]]
        kept = [index for index in range(older) if cells[index] != cells[index + 1]]
        self._times_s = array("d", [self._times_s[index] for index in kept]) + self._times_s[older:]
        self._totals = array("q", [self._totals[index] for index in kept]) + self._totals[older:]


class LateLog:
    """
    Counts events that arrive late, by the minute in which they happened.

    Args:
        horizon_s: The longest window asked for, in seconds.
    """

    __slots__ = ("_horizon_s", "_minutes")

    def __init__(self, *, horizon_s: float) -> None:
        self._horizon_s = horizon_s
        self._minutes: dict[int, int] = {}

    def add(self, then_s: float, now_s: float) -> None:
        """Count one event of *then_s*."""
        self._forget(now_s)
        if then_s > now_s - self._horizon_s:
            minute = int(then_s // 60)
            self._minutes[minute] = self._minutes.get(minute, 0) + 1

    def count(self, now_s: float, window_s: float) -> int:
        """Return how many events lie in the window, to the minute."""
        edge = (now_s - window_s) / 60
        return sum(count for minute, count in self._minutes.items() if minute >= edge) if self._minutes else 0

    def _forget(self, now_s: float) -> None:
        edge = (now_s - self._horizon_s) // 60
        if len(self._minutes) > self._horizon_s // 60:
            self._minutes = {minute: count for minute, count in self._minutes.items() if minute >= edge}


class KeyedWindow:
    """
    Counts events by key over one window, to find the key with most events.

    Args:
        window_s: Length of the window in seconds.
        max_keys: Keys told apart at one time.
        max_events: Events held at one time, about 90 bytes each.
    """

    __slots__ = ("_counts", "_events", "_max_events", "_max_keys", "_window_s")

    def __init__(self, *, window_s: float, max_keys: int, max_events: int) -> None:
        self._window_s = window_s
        self._max_keys = max_keys
        self._max_events = max_events
        self._events: deque[tuple[float, str]] = deque()
        self._counts: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._events)

    def add(self, now_s: float, key: str) -> bool:
        """Count one event of *key*; return whether there was room for it."""
        events, counts = self._events, self._counts
        if events and events[0][0] <= now_s - self._window_s:
            self._expire(now_s)
        count = counts.get(key)
        if len(events) >= self._max_events or (count is None and len(counts) >= self._max_keys):
            return False
        events.append((now_s, key))
        counts[key] = 1 if count is None else count + 1
        return True

    def highest(self, now_s: float) -> int:
        """Return the highest count of any key in ``(now_s - window_s, now_s]``; 0 without events."""
        self._expire(now_s)
        return max(self._counts.values(), default=0)

    def _expire(self, now_s: float) -> None:
        edge_s = now_s - self._window_s
        events, counts = self._events, self._counts
        while events and events[0][0] <= edge_s:
            _, key = events.popleft()
            left = counts[key] - 1
            if left:
                counts[key] = left
            else:
                del counts[key]
