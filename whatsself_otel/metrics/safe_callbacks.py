"""Run callbacks of the application that may raise, block or return nonsense, without harm."""

from __future__ import annotations

import inspect
import math
import threading
from numbers import Real
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class SafeCallback:
    """
    Reads a number from the application's callback, in a separate thread and for a limited time.

    While one reading blocks, no other starts. So a callback that never returns costs one thread.

    Args:
        callback: Returns a finite number >= 0; a coroutine function is refused.
        timeout_s: Seconds that a reading may hold up the collection of metrics.
        on_error: Called when there is no reading; must not raise.
    """

    def __init__(self, callback: Callable[[], float], *, timeout_s: float, on_error: Callable[[], None]) -> None:
        self._callback = callback
        self._timeout_s = timeout_s
        self._on_error = on_error
        self._reading: threading.Thread | None = None

    def read(self) -> float | None:
        """Return the callback's number, or None if it gave none in time."""
        value = self._ask()
        if value is None:
            self._on_error()
        return value

    def _ask(self) -> float | None:
        if self._reading is not None and self._reading.is_alive():
            return None
        answers: list[float | None] = []
        self._reading = threading.Thread(
            target=lambda: answers.append(self._number()), name="whatsself-observer", daemon=True
        )
        try:
            self._reading.start()
        except RuntimeError:  # no new thread at interpreter exit, python/cpython#104690
            return None
        self._reading.join(self._timeout_s)
        return answers[0] if answers else None

    def _number(self) -> float | None:
        try:
            return _finite(self._callback())
        except Exception:  # noqa: BLE001 - whatever the application's callback raises
            return None


def _finite(value: object) -> float | None:
    if inspect.iscoroutine(value):
        value.close()  # else Python warns that it was never awaited
        return None
    if not isinstance(value, Real) or isinstance(value, bool):
        return None
    number = float(value)
    return number if math.isfinite(number) and number >= 0 else None
