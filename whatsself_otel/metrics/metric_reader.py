"""
Collect metrics at an interval.

The SDK's periodic reader ends for ever at the first exception that is no timeout, and reports nothing. A log handler
that raises is enough, because the reader logs a failed export.
"""

from __future__ import annotations

import math
import threading
import time
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader

from whatsself_otel.processes.forks import run_in_child

if TYPE_CHECKING:
    from whatsself_otel.export.metric_exporter import GuardedMetricExporter


class IntervalReader(PeriodicExportingMetricReader):
    """
    Collects and exports at an interval, even if a callback, the exporter or a log handler raises.

    Args:
        exporter: Takes each collection, one at a time; raises nothing.
        interval_s: Seconds between two collections; above 0.
        timeout_s: Seconds that the callbacks of one collection may take together.
    """

    def __init__(self, exporter: GuardedMetricExporter, interval_s: float, timeout_s: float = 30.0) -> None:
        self.errors = 0
        self.last_error: str | None = None
        self._stopping = threading.Event()
        self._interval_s = interval_s
        self._timeout_s = timeout_s
        super().__init__(exporter, export_interval_millis=math.inf)  # the thread is ours
        self._begin()
        run_in_child(self._begin)

    def _begin(self) -> None:
        was_stopped, self._stopping = self._stopping.is_set(), threading.Event()
        self._since_s: float | None = None
        self._thread = threading.Thread(target=self._run, name="whatsself-otel-metrics", daemon=True)
        if was_stopped:  # before this fork
            self._stopping.set()
        else:
            self._thread.start()

    @property
    def stopped(self) -> bool:
        """Whether this package or other code has called `shutdown`."""
        return self._stopping.is_set()

    @property
    def is_alive(self) -> bool:
        """Whether the collecting thread runs."""
        return self._thread.is_alive()

    @property
    def collecting_s(self) -> float:
        """Seconds since the current collection began; 0 between two."""
        since_s = self._since_s
        return 0.0 if since_s is None else time.monotonic() - since_s

    def shutdown(self, timeout_millis: float = 30_000, **kwargs: Any) -> None:
        """Collect once more and end, within *timeout_millis*; a second call does nothing."""
        if self.stopped:
            return
        end_s = time.monotonic() + timeout_millis / 1000
        self._stopping.set()
        self._thread.join(timeout_millis / 1000)
        super().shutdown(max(end_s - time.monotonic(), 0.0) * 1000, **kwargs)

    def _run(self) -> None:
        while self._goes_on():
            pass

    def _goes_on(self) -> bool:
        """Wait for the next time and collect; return False after the last collection."""
        before, is_last = self.errors, False
        try:
            is_last = self._stopping.wait(self._interval_s)
            self._since_s = time.monotonic()
            self.collect(self._timeout_s * 1000)
            if self.errors == before:
                self.last_error = None
        except BaseException as error:  # noqa: BLE001 - a log handler that calls sys.exit() must not end all metrics
            self._note(error)
        finally:
            self._since_s = None
        return not is_last

    def _note(self, error: BaseException) -> None:
        self.errors += 1
        self.last_error = f"the collection was ended by {type(error).__name__}"
