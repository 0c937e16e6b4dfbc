"""Looks through stores from the newest trace back, window by window, and remembers how far it came."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

FRESH_S: Final = 8.0
"""After this many seconds the newest is asked for again."""
_LASTING_S: Final = 300.0
"""After this many seconds a window is looked through again: spans may have come late."""
_LATE_S: Final = 120.0
"""Overlap of the newest window with the known part."""
_PATIENCE_S: Final = 5.0
"""An answer is not held up longer; the next one goes on from there."""
_LEAST_S: Final = 1.0
"""A window is at least this much shorter than the one before."""


@dataclass(slots=True)
class Reach:
    """How far back one question's traces are known."""

    newest_s: float
    """Unix time up to which."""
    oldest_s: float
    """Unix time from which on."""
    traces: int = 0
    begun_s: float = 0.0
    """Begin, by the monotonic clock."""
    asked_s: float = 0.0
    """Last request for the newest traces, by the monotonic clock."""
    is_full: bool = False
    """Whether there was no room for more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """What one question is about."""

    key: Hashable
    """Equal for questions about the same traces."""
    from_s: float
    to_s: float
    most: int
    """Through how many traces to look."""


class Reaches:
    """
    Remembers reaches, and extends them.

    Args:
        is_full: Says whether there is no room for more traces.
    """

    def __init__(self, is_full: Callable[[], bool]) -> None:
        self._is_full = is_full
        self._known: dict[Hashable, Reach] = {}

    def forget(self) -> None:
        """Forget every reach, because the store was emptied."""
        self._known.clear()

    def extend(
        self, window: Window, step: Callable[[float, float], tuple[float, int]], is_enough: Callable[[Reach], bool]
    ) -> Reach:
        """
        Return how far back the traces of *window* are known, after looking further where that is wanted.

        Args:
            window: Which traces, and how many.
            step: Fetches the newest traces between two Unix times; returns the time back to which it got all of
                them, and how many they were.
            is_enough: Says whether a reach answers the question.
        """
        now_s = time.monotonic()
        self._drop_old(now_s)
        reach = self._known.get(window.key)
        if reach is None:
            reach = self._known[window.key] = Reach(window.to_s, window.to_s, begun_s=now_s, asked_s=now_s)
        elif now_s - reach.asked_s >= FRESH_S:
            self._renew(reach, window, step, now_s)
        end_s = now_s + _PATIENCE_S
        while reach.oldest_s > window.from_s and not is_enough(reach):
            if reach.traces >= window.most or time.monotonic() > end_s:
                break
            if reach.is_full or self._is_full():
                reach.is_full = True
                break
            since_s, count = step(window.from_s, reach.oldest_s)
            reach.oldest_s = max(window.from_s, min(since_s, reach.oldest_s - _LEAST_S))
            reach.traces += count
        return reach

    def _renew(
        self, reach: Reach, window: Window, step: Callable[[float, float], tuple[float, int]], now_s: float
    ) -> None:
        """Fetch the traces that came since; if one step cannot hold them, the older part counts as unknown."""
        known_s = max(window.from_s, reach.newest_s - _LATE_S)
        if known_s < window.to_s:
            since_s, count = step(known_s, window.to_s)
            if since_s > known_s:
                reach.oldest_s, reach.traces = since_s, count
            reach.newest_s = window.to_s
        reach.asked_s = now_s

    def _drop_old(self, now_s: float) -> None:
        for key in [key for key, reach in self._known.items() if now_s - reach.begun_s >= _LASTING_S]:
            del self._known[key]
