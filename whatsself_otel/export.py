"""
Getting telemetry out without hurting the application: bounded queues with real deadlines around the official exporters.

The SDK's batch processor ignores flush timeouts (opentelemetry-python#4568), drops a batch after one failed export and
counts neither that nor a full queue; `BatchQueue` replaces it for spans and log records.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from opentelemetry import context as otel_context
from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.sdk._logs.export import LogRecordExporter
    from opentelemetry.sdk.metrics.export import MetricExporter
    from opentelemetry.sdk.trace.export import SpanExporter

    from whatsself_otel.config import TelemetryConfig

_T = TypeVar("_T")

MAX_ATTEMPTS: Final = 6
"""Exports of one batch before it is dropped and counted; each already retries inside its own timeout."""

MAX_BACKOFF_S: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueLimits:
    """
    Bounds of one queue.

    Args:
        items: Most items held; the oldest go first.
        batch_items: Most items in one export.
        delay_s: Seconds an item waits at most for its batch to fill.
    """

    items: int = 8192
    batch_items: int = 512
    delay_s: float = 1.0


class Deadline:
    """
    How long a flush or shutdown of all signals together may take.

    It ends early when nothing arrives anywhere for half of the time: nobody listens.

    Args:
        timeout_s: Seconds from now.
    """

    def __init__(self, timeout_s: float) -> None:
        self.patience_s = timeout_s / 2
        self._end_s = time.monotonic() + timeout_s
        self._progress_s = time.monotonic()

    def note_progress(self) -> None:
        """Say that something arrived."""
        self._progress_s = time.monotonic()

    def left_s(self) -> float:
        """Return the seconds that are left to wait, 0 when there are none."""
        return max(min(self._end_s, self._progress_s + self.patience_s) - time.monotonic(), 0.0)


@dataclass(slots=True)
class ExportCounts:
    """What became of one signal's items in this process."""

    exported: int = 0
    dropped: int = 0
    last_success_s: float | None = None
    last_error: str | None = None


class BatchQueue(Generic[_T]):
    """
    A bounded queue with one background sender.

    `put` never blocks and never raises. A batch that could not be sent is tried again while there is room, so a
    collector may be away for about a minute without loss.

    Args:
        send: Sends one batch and says whether it arrived; may block, runs on the queue's own thread.
        limits: Bounds of the queue.
        on_dropped: Told the reason and the number of items lost.
    """

    def __init__(
        self, send: Callable[[list[_T]], bool], limits: QueueLimits, on_dropped: Callable[[str, int], None]
    ) -> None:
        self.counts = ExportCounts()
        self._send = send
        self._limits = limits
        self._on_dropped = on_dropped
        self._reset()
        _reset_in_child(self)

    def put(self, item: _T) -> None:
        """Queue *item*; when the queue is full or closed an item is dropped and counted."""
        if self._closed:
            self._drop("shutdown", 1)
            return
        with self._changed:
            full = len(self._items) >= self._limits.items
            if full:
                self._items.popleft()
            self._items.append(item)
            if self._thread is None:
                self._start()
            # The sender sleeps without a limit while the queue is empty, so the first item has to wake it.
            if len(self._items) == 1 or len(self._items) >= self._limits.batch_items:
                self._changed.notify_all()
        if full:
            self._drop("queue_full", 1)

    def flush(self, limit: Deadline) -> bool:
        """Send what is queued; return whether all of it left within *limit*."""
        return self._drain(limit, close=False)

    def close(self) -> None:
        """Take nothing more and let the sender drain; `join` waits for it."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def join(self, limit: Deadline) -> bool:
        """Wait for a closed queue to drain; what has not left within *limit* is dropped and counted."""
        drained = self._drain(limit, close=True)
        with self._changed:
            self._abandoned = True
            left = len(self._items) + self._in_flight
            self._items.clear()
            self._changed.notify_all()
        if left:
            self._drop("shutdown", left)
        return drained

    def __len__(self) -> int:
        return len(self._items) + self._in_flight

    def _reset(self) -> None:
        self._items: deque[_T] = deque()
        self._changed = threading.Condition(threading.Lock())
        self._thread: threading.Thread | None = None
        self._in_flight = 0
        self._flushing = 0
        self._closed = False
        self._abandoned = False

    def _start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="whatsself-otel-export", daemon=True)
        try:
            self._thread.start()
        except RuntimeError:  # the interpreter is shutting down
            self._thread = None

    def _drain(self, limit: Deadline, *, close: bool) -> bool:
        with self._changed:
            self._closed = self._closed or close
            self._flushing += 1
            self._changed.notify_all()
            try:
                if self._thread is None:
                    return not self._items
                return self._wait_until_empty(limit)
            finally:
                self._flushing -= 1

    def _wait_until_empty(self, limit: Deadline) -> bool:
        """Wait while batches arrive; a collector that takes nothing for the whole patience is given up on."""
        while self._items or self._in_flight:
            seen = self.counts.exported
            if not self._changed.wait_for(lambda: self.counts.exported != seen, limit.left_s()):  # noqa: B023 - waited for here
                return False
            limit.note_progress()
        return True

    def _run(self) -> None:
        otel_context.attach(otel_context.set_value(_SUPPRESS_INSTRUMENTATION_KEY, True))
        attempts = 0
        while batch := self._next_batch():
            sent = self._try_to_send(batch)
            attempts = 0 if sent else attempts + 1
            self._settle(batch, sent=sent, attempts=attempts)
            if attempts >= MAX_ATTEMPTS:
                attempts = 0

    def _next_batch(self) -> list[_T]:
        with self._changed:
            self._changed.wait_for(lambda: self._items or self._closed)
            self._changed.wait_for(self._is_due, self._limits.delay_s)
            batch = [self._items.popleft() for _ in range(min(len(self._items), self._limits.batch_items))]
            self._in_flight = len(batch)
            self._changed.notify_all()
            return batch

    def _is_due(self) -> bool:
        return len(self._items) >= self._limits.batch_items or self._closed or self._flushing > 0

    def _try_to_send(self, batch: list[_T]) -> bool:
        try:
            return self._send(batch)
        except Exception as error:  # noqa: BLE001 - an exporter that raises must not end the sender
            self.counts.last_error = type(error).__name__
            return False

    def _settle(self, batch: list[_T], *, sent: bool, attempts: int) -> None:
        lost = 0
        with self._changed:
            self._in_flight = 0
            self.counts.last_error = None if sent else self.counts.last_error or "not delivered"
            if sent:
                self.counts.exported += len(batch)
                self.counts.last_success_s = time.time()
            elif attempts < MAX_ATTEMPTS and not self._abandoned:
                lost = self._give_back(batch)
            elif not self._abandoned:
                lost = len(batch)
            self._changed.notify_all()
            if not sent and not self._abandoned:
                self._changed.wait_for(lambda: self._abandoned, min(2.0**attempts / 4, MAX_BACKOFF_S))
        if lost:
            self._drop("export_failed", lost)

    def _give_back(self, batch: list[_T]) -> int:
        room = max(self._limits.items - len(self._items), 0)
        kept = batch[len(batch) - room :] if room < len(batch) else batch
        self._items.extendleft(reversed(kept))
        return len(batch) - len(kept)

    def _drop(self, reason: str, count: int) -> None:
        self.counts.dropped += count
        self._on_dropped(reason, count)


def _reset_in_child(queue: BatchQueue[Any]) -> None:
    """Give a forked child its own queue: the parent still holds, and sends, what was queued before the fork."""
    if hasattr(os, "register_at_fork"):
        reset = weakref.WeakMethod(queue._reset)  # noqa: SLF001 - the hook belongs to the class above
        os.register_at_fork(after_in_child=lambda: (method := reset()) and method())


def build_span_exporter(config: TelemetryConfig) -> SpanExporter | None:
    """Return the exporter of spans that *config* asks for, or None."""
    if config.exporter("traces") == "console":
        from opentelemetry.sdk.trace.export import ConsoleSpanExporter

        return ConsoleSpanExporter()
    if config.exporter("traces") == "none":
        return None
    if config.protocol == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import (
            OTLPSpanExporter as GrpcSpanExporter,
        )

        return GrpcSpanExporter(**_grpc_options(config, "traces"))
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    return OTLPSpanExporter(**_http_options(config, "traces"))


def build_metric_exporter(config: TelemetryConfig) -> MetricExporter | None:
    """Return the exporter of metrics that *config* asks for, or None."""
    if config.exporter("metrics") == "console":
        from opentelemetry.sdk.metrics.export import ConsoleMetricExporter

        return ConsoleMetricExporter()
    if config.exporter("metrics") == "none":
        return None
    if config.protocol == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import (
            OTLPMetricExporter as GrpcMetricExporter,
        )

        return GrpcMetricExporter(**_grpc_options(config, "metrics"))
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter

    return OTLPMetricExporter(**_http_options(config, "metrics"))


def build_log_exporter(config: TelemetryConfig) -> LogRecordExporter | None:
    """Return the exporter of log records that *config* asks for, or None."""
    if config.exporter("logs") == "console":
        from opentelemetry.sdk._logs.export import ConsoleLogRecordExporter

        return ConsoleLogRecordExporter()
    if config.exporter("logs") == "none":
        return None
    if config.protocol == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc._log_exporter import (
            OTLPLogExporter as GrpcLogExporter,
        )

        return GrpcLogExporter(**_grpc_options(config, "logs"))
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter

    return OTLPLogExporter(**_http_options(config, "logs"))


def _http_options(config: TelemetryConfig, signal: str) -> dict[str, Any]:
    from opentelemetry.exporter.otlp.proto.http import Compression

    return {
        "endpoint": config.target(signal),
        "headers": dict(config.headers) or None,
        "timeout": config.export_timeout_s,
        "compression": Compression.Gzip if config.compression == "gzip" else Compression.NoCompression,
        "certificate_file": str(config.certificate_file) if config.certificate_file else None,
    }


def _grpc_options(config: TelemetryConfig, signal: str) -> dict[str, Any]:
    import grpc  # type: ignore[import-untyped]

    options: dict[str, Any] = {
        "endpoint": config.target(signal),
        "insecure": config.target(signal).startswith("http://"),
        "headers": tuple(config.headers.items()) or None,
        "timeout": config.export_timeout_s,
        "compression": grpc.Compression.Gzip if config.compression == "gzip" else grpc.Compression.NoCompression,
    }
    if config.certificate_file:
        options["credentials"] = grpc.ssl_channel_credentials(config.certificate_file.read_bytes())
    return options


def is_success(result: object) -> bool:
    """Return whether an SDK export result (an enumeration per signal) means success."""
    return getattr(result, "name", "") == "SUCCESS"
