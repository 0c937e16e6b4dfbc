"""
Short-lived children hand their telemetry to their worker, which exports it as its own.

A child that ends by ``os._exit`` would lose it. A child that sent it itself would wait for an absent collector, and
would be an instance with series of its own. Each child gets a pipe before the fork. Spans and log records pass through
it encoded, counts as measurements. The worker queues the former and records the latter again.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from contextlib import suppress
from multiprocessing import Pipe
from typing import TYPE_CHECKING, Any, Final

from whatsself_otel.export.otlp import ExportResult
from whatsself_otel.processes.forks import hold_while_forking, run_after_fork
from whatsself_otel.processes.replay import Recorder, RecordingReader

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection

    from opentelemetry.sdk.metrics import MeterProvider

    from whatsself_otel.metrics.recording import WhatsSelfMetrics
    from whatsself_otel.processes.replay import Recording
    from whatsself_otel.providers import Providers

_logger: Final = logging.getLogger("whatsself_otel")
_COUNTS: Final = "counts"
_GATHER_S: Final = 0.02
"""Seconds that a change waits for others, to share one parcel."""


class Children:
    """
    The worker's side of its children's pipes; in a child, the link to its worker.

    Args:
        providers: Take in what children hand over.
        metrics: Take in what children note.
        interval_s: Seconds between two parcels of counts from a child, and what one that is killed may lose.
        on_error: Called for each parcel that cannot be taken in; must not raise.
    """

    def __init__(
        self, providers: Providers, metrics: WhatsSelfMetrics, interval_s: float, on_error: Callable[[], None]
    ) -> None:
        self._providers = providers
        self._interval_s = interval_s
        self._metrics = metrics
        self._on_error = on_error
        self._recorder = Recorder(providers.meter_provider)
        self._taking_in = threading.RLock()  # recording takes locks of the SDK, which no fork may find taken
        self._ends: tuple[Connection, Connection] | None = None
        self._to_worker: Connection | None = None
        self._readers: dict[threading.Thread, Connection] = {}
        hold_while_forking(self._taking_in)
        run_after_fork(in_parent=self._read_from_child, in_child=self._keep_own_end)

    def expect(self) -> None:
        """Make a pipe for the next forked child. If no file is left, the child sends for itself."""
        with suppress(OSError):
            self._ends = Pipe(duplex=False)

    def hand_over(self) -> None:
        """In a child: hand this process's telemetry over to the worker from now on. Without a pipe it does nothing."""
        if self._to_worker is not None:
            outbox = Outbox(self._to_worker, self._metrics)
            self._to_worker = None
            self._providers.hand_over(outbox)
            outbox.start(self._providers.meter_provider, self._interval_s)

    def settle(self, timeout_s: float = 1.0) -> None:
        """Wait until the data of ended children is taken in."""
        end_s = time.monotonic() + timeout_s
        for thread in list(self._readers):
            thread.join(max(end_s - time.monotonic(), 0.0))

    def _read_from_child(self) -> None:
        if self._ends is None:
            return
        (from_child, of_child), self._ends = self._ends, None
        of_child.close()
        thread = threading.Thread(target=self._read, args=(from_child,), name="whatsself-otel-children", daemon=True)
        self._readers = {alive: end for alive, end in self._readers.items() if alive.is_alive()} | {thread: from_child}
        try:
            thread.start()
        except RuntimeError:  # the interpreter is shutting down
            from_child.close()

    def _keep_own_end(self) -> None:
        for from_sibling in self._readers.values():
            with suppress(OSError):
                from_sibling.close()
        self._readers = {}
        self._to_worker = None
        if self._ends is not None:
            (from_child, self._to_worker), self._ends = self._ends, None
            from_child.close()

    def _read(self, from_child: Connection) -> None:
        """Take in a child's data until the child has ended. The last parcel may be torn."""
        while True:
            try:
                parcel = from_child.recv()
            except (EOFError, OSError):
                break
            except Exception:  # noqa: BLE001 - an application's class that cannot be made here
                self._on_error()
            else:
                self._take_in(*parcel)
        # A child forked half-way through would close the number again, which its own pipe may have by then.
        with self._taking_in:
            from_child.close()

    def _take_in(self, kind: str, content: Any) -> None:
        try:
            with self._taking_in:
                if kind == _COUNTS:
                    recordings, changes, counts = content
                    self._recorder.record(recordings)
                    self._metrics.take_in(changes, counts)
                else:
                    self._providers.take_in(kind, content)
        except Exception:  # noqa: BLE001 - one parcel must not stop the others
            self._on_error()


class Outbox:
    """
    The child's side: hands over the data of its queues and instruments.

    Args:
        to_worker: The pipe's end.
        metrics: The domain's instruments of this process.
    """

    def __init__(self, to_worker: Connection, metrics: WhatsSelfMetrics) -> None:
        self._to_worker = to_worker
        self._metrics = metrics
        self._pid = os.getpid()
        self._sending = threading.Lock()
        self._counting = threading.Lock()
        self._news = threading.Event()
        self._is_broken = False
        self._reader = RecordingReader()
        self._journal = metrics.keep_journal(self._news.set)

    def start(self, provider: MeterProvider, interval_s: float) -> None:
        """Hand over changes as they happen, and the counts of *provider* every *interval_s* seconds."""
        provider.add_metric_reader(self._reader)
        with suppress(RuntimeError):  # no thread can start: then once, at the end
            threading.Thread(target=self._run, args=(interval_s,), name="whatsself-otel-outbox", daemon=True).start()

    @property
    def is_of_this_process(self) -> bool:
        """Whether this process is the child that owns the pipe; a child of that child must not use it."""
        return self._pid == os.getpid()

    @property
    def leads_somewhere(self) -> bool:
        """Whether the worker still exists, as far as is known."""
        return self.is_of_this_process and not self._is_broken

    def send(self, signal: str, batch: list[Any]) -> ExportResult:
        """Hand over a *batch* of encoded items."""
        return ExportResult() if self._put(signal, batch) else ExportResult(error="the worker has ended", retry=True)

    def send_counts(self) -> bool:
        """Hand over changes and counts since the last time; return whether they left."""
        with self._counting:
            return self._send(self._reader.take())

    def _send_changes(self) -> None:
        with self._counting:
            self._send([])

    def _send(self, recordings: list[Recording]) -> bool:
        changes, counts = self._journal.take(), self._metrics.take_counts()
        has_any = bool(recordings or changes or any(counts))
        return self.leads_somewhere and (not has_any or self._put(_COUNTS, (recordings, changes, counts)))

    def _put(self, kind: str, content: Any) -> bool:
        with self._sending:
            try:
                self._to_worker.send((kind, content))
            except OSError:
                self._is_broken = True
        return not self._is_broken

    def _run(self, interval_s: float) -> None:
        due_s = time.monotonic() + interval_s
        while self.leads_somewhere:
            if self._news.wait(max(due_s - time.monotonic(), 0.0)):
                time.sleep(_GATHER_S)
                self._news.clear()
                self._send_changes()
            if time.monotonic() >= due_s:
                due_s += interval_s
                self.send_counts()
