"""Counters kept outside the SDK, for events that are counted far more often than exported."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final, TypeAlias

from opentelemetry.metrics import Observation

from whatsself_otel.catalogue import OVERFLOW, MetricSpec

if TYPE_CHECKING:
    from collections.abc import Iterable

    from opentelemetry.metrics import CallbackOptions, Meter

_OVERFLOW_KEY: Final = (OVERFLOW,)
Totals: TypeAlias = list[tuple[tuple[str, ...], int]]
"""Counts by attribute values."""


class ObservableTotals:
    """
    A counter that costs one dictionary update a call and is read at export.

    Args:
        meter: Where the observable counter is created.
        spec: The catalogue's entry.
        limit: Attribute sets told apart; the rest share the overflow series.
    """

    def __init__(self, meter: Meter, spec: MetricSpec, *, limit: int = 200) -> None:
        self._names = tuple(attribute.name for attribute in spec.attributes)
        self._limit = limit
        self._counts: dict[tuple[str, ...], int] = {}
        self._lock = threading.RLock()  # a finalizer may log, be masked and count here while this thread holds it
        meter.create_observable_counter(spec.name, [self._observe], spec.unit, spec.description.en)

    def add(self, count: int, *values: str) -> None:
        """Count under the attributes' *values*, in the catalogue's order; negative counts are ignored."""
        if count < 0:
            return
        with self._lock:
            key = values if values in self._counts or len(self._counts) < self._limit else _OVERFLOW_KEY
            self._counts[key] = self._counts.get(key, 0) + count

    def clear(self) -> None:
        """Reset to zero in a forked child. The lock is replaced, because the parent may never release the old one."""
        self._lock = threading.RLock()
        self._counts = {}

    def take(self) -> Totals:
        """Return the counts since the last call, and reset them."""
        with self._lock:
            counts, self._counts = self._counts, {}
        return [(values, count) for values, count in counts.items() if count]

    def _observe(self, _: CallbackOptions) -> Iterable[Observation]:
        with self._lock:
            counts = list(self._counts.items())
        return [Observation(count, self._attributes(values)) for values, count in counts]

    def _attributes(self, values: tuple[str, ...]) -> dict[str, str | bool]:
        return {OVERFLOW: True} if values == _OVERFLOW_KEY else dict(zip(self._names, values, strict=True))
