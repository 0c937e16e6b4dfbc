"""
A queue between the application and the network: bounded, true to its deadlines, and honest about what it loses.

The SDK's batch processor ignores flush timeouts (opentelemetry-python#4568), drops a batch after one failed export and
counts neither that nor a full queue; `BatchQueue` replaces it for spans and log records.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from opentelemetry import context as otel_context
from opentelemetry.context import Context

from whatsself_otel import _sdk
from whatsself_otel.context import EXPORTING
from whatsself_otel.forks import run_in_child
from whatsself_otel.otlp import SendResult, drop_reason, retry_reason

if TYPE_CHECKING:
    from collections.abc import Callable

_T = TypeVar("_T")

MAX_ATTEMPTS: Final = 9
"""Sends of one batch before it is dropped and counted: about 60 s of a collector that refuses at once."""

MAX_BACKOFF_S: Final = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueLimits:
    """
    Bounds of one queue.

    Args:
        items: Most items held; the oldest go first.
        bytes: Most bytes held, as `prepare` of the queue has them; the oldest go first.
        batch_items: Most items in one export.
        batch_bytes: Most bytes in one export; a single item may be larger.
        delay_s: Seconds an item waits at most for its batch to fill.
    """

    items: int = 8192
    bytes: int = 64 * 1024 * 1024
    batch_items: int = 512
    batch_bytes: int = 3 * 1024 * 1024
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
    retried: int = 0
    last_success_s: float | None = None
    last_error: str | None = None


class BatchQueue(Generic[_T]):
    """
    A bounded queue with one background sender.

    `put` never blocks and never raises. A batch that could not be sent is tried again while there is room, so a
    collector may be away for about a minute without loss; one that is refused for good, or too large, is not.

    Args:
        send: Sends one batch and says what became of it; may block, runs on the queue's own thread.
        limits: Bounds of the queue.
        on_dropped: Told the reason and the number of items lost.
        prepare: Returns the bytes an item takes, and what is sent of it; `put` calls it, and drops what it raises for.
        on_retried: Told the reason and the number of items that will be sent again.
    """

    def __init__(
        self,
        send: Callable[[list[Any]], SendResult],
        limits: QueueLimits,
        on_dropped: Callable[[str, int], None],
        *,
        prepare: Callable[[_T], tuple[int, Any]] = lambda item: (0, item),
        on_retried: Callable[[str, int], None] = lambda _reason, _count: None,
    ) -> None:
        self.counts = ExportCounts()
        self.limits = limits
        self._send = send
        self._on_dropped = on_dropped
        self._prepare = prepare
        self._preparing = threading.local()
        self._on_retried = on_retried
        self._in_flight = self._asked = 0
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._reset()
        run_in_child(self._reset)  # the parent still holds, and sends, what was queued before the fork

    def put(self, item: _T) -> None:
        """Queue *item*; when the queue is full or closed an item is dropped and counted."""
        if self._closed:
            self._drop("shutdown", 1)
            return
        ready = self._ready(item)
        if ready is None:
            self._drop("rejected", 1)
            return
        weight, items, limits = ready[0], self._items, self.limits
        with self._lock:  # the condition's own: to enter that costs two calls more
            is_full = len(items) >= limits.items or self._bytes + weight > limits.bytes
            lost = self._make_room(weight) if is_full else 0
            items.append(ready)
            self._bytes += weight
            if self._thread is None:
                self._start()
            # The sender sleeps without a limit while the queue is empty, so the first item has to wake it; and so does
            # the one that fills a batch. While it is awake, it looks for itself.
            if len(items) in (1, limits.batch_items):
                self._changed.notify_all()
        if lost:
            self._drop("queue_full", lost)

    def flush(self, limit: Deadline) -> bool:
        """Send what is queued; return whether all of it left within *limit*."""
        return self._drain(limit, close=False)

    def close(self) -> None:
        """Take nothing more and let the sender drain; `join` waits for it."""
        with self._changed:
            self._closed = True
            self._asked += 1
            self._changed.notify_all()

    def join(self, limit: Deadline) -> bool:
        """Wait for a closed queue to drain; what has not left within *limit* is dropped and counted."""
        drained = self._drain(limit, close=True)
        with self._changed:
            self._abandoned = True
            left = len(self._items) + self._in_flight
            self._items.clear()
            self._bytes = 0
            self._changed.notify_all()
        if left:
            self._drop("shutdown", left)
        return drained

    def __len__(self) -> int:
        return len(self._items) + self._in_flight

    def _reset(self) -> None:
        self._items: deque[tuple[int, Any]] = deque()
        self._bytes = 0
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._thread: threading.Thread | None = None
        self._in_flight = 0
        self._flushing = 0
        self._asked = 0
        """Flushes and closes so far: each ends a pause, for somebody waits."""
        self._closed = False
        self._abandoned = False

    @property
    def queued_bytes(self) -> int:
        """Estimated bytes that wait."""
        return self._bytes

    def _ready(self, item: _T) -> tuple[int, Any] | None:
        """Return *item* prepared, or None; a masking rule that itself makes items would go round for ever."""
        preparing = self._preparing
        if getattr(preparing, "busy", False):
            return None
        preparing.busy = True
        try:
            return self._prepare(item)
        except Exception as error:  # noqa: BLE001 - any value an application puts into telemetry may break the encoder
            self.counts.last_error = f"not encodable: {type(error).__name__}"
            return None
        finally:
            preparing.busy = False

    def _make_room(self, weight: int) -> int:
        """Let the oldest go until an item of *weight* fits; return how many went."""
        lost = 0
        while self._items and (len(self._items) >= self.limits.items or self._bytes + weight > self.limits.bytes):
            self._bytes -= self._items.popleft()[0]
            lost += 1
        return lost

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
            self._asked += 1
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
        quiet = dict.fromkeys((EXPORTING, *_sdk.suppression_keys()), True)
        otel_context.attach(Context({**otel_context.get_current(), **quiet}))
        attempts = 0
        while weighed := self._next_batch():
            batch = [item for _, item in weighed]
            result = self._try_to_send(batch)
            if result.accepted:
                attempts = 0
                self._note_accepted(batch, result)
            elif result.too_large and len(batch) > 1:
                self._send_in_halves(batch)
            elif result.retry and attempts + 1 < MAX_ATTEMPTS:
                attempts += 1
                self._keep(weighed, result, pause_s=result.retry_after_s or min(2.0**attempts / 4, MAX_BACKOFF_S))
            else:
                attempts = 0
                self._give_up(batch, result)

    def _next_batch(self) -> list[tuple[int, Any]]:
        with self._changed:
            self._changed.wait_for(lambda: self._items or self._closed)
            self._changed.wait_for(self._is_due, self.limits.delay_s)
            batch = self._take()
            self._in_flight = len(batch)
            self._changed.notify_all()
            return batch

    def _take(self) -> list[tuple[int, Any]]:
        batch: list[tuple[int, Any]] = []
        weight = 0
        while self._items and len(batch) < self.limits.batch_items:
            weight += self._items[0][0]
            if batch and weight > self.limits.batch_bytes:
                break
            batch.append(self._items.popleft())
            self._bytes -= batch[-1][0]
        return batch

    def _is_due(self) -> bool:
        return len(self._items) >= self.limits.batch_items or self._closed or self._flushing > 0

    def _try_to_send(self, batch: list[Any]) -> SendResult:
        try:
            return self._send(batch)
        except Exception as error:  # noqa: BLE001 - an exporter that raises must not end the sender
            return SendResult(error=type(error).__name__, retry=True)

    def _note_accepted(self, batch: list[Any], result: SendResult) -> None:
        rejected = min(result.rejected, len(batch))
        with self._changed:
            self._in_flight = 0
            self.counts.exported += len(batch) - rejected
            self.counts.last_success_s = time.time()
            self.counts.last_error = f"{rejected} items were rejected" if rejected else None
            self._changed.notify_all()
        if rejected:
            self._drop("rejected", rejected)

    def _send_in_halves(self, batch: list[Any]) -> None:
        """Send what was too large in smaller requests, down to the single item that alone is to blame."""
        middle = len(batch) // 2
        for half in (batch[:middle], batch[middle:]):
            result = self._try_to_send(half)
            if result.accepted:
                self._note_accepted(half, result)
            elif result.too_large and len(half) > 1:
                self._send_in_halves(half)
            else:
                self._give_up(half, result)

    def _keep(self, batch: list[tuple[int, Any]], result: SendResult, *, pause_s: float) -> None:
        self._on_retried(retry_reason(result.error), len(batch))
        with self._changed:
            self._in_flight = 0
            self.counts.last_error = result.error
            self.counts.retried += 1
            lost = 0 if self._abandoned else self._give_back(batch)
            self._changed.notify_all()
            asked = self._asked
            self._changed.wait_for(lambda: self._abandoned or self._asked != asked, pause_s)
        if lost:
            self._drop("queue_full", lost)

    def _give_up(self, batch: list[Any], result: SendResult) -> None:
        with self._changed:
            self._in_flight = 0
            self.counts.last_error = result.error
            abandoned = self._abandoned  # then `join` has counted it
            self._changed.notify_all()
        if not abandoned:
            self._drop(drop_reason(result), len(batch))

    def _give_back(self, batch: list[tuple[int, Any]]) -> int:
        """Put *batch* back in front, its newest first, as far as there is room; return how many found none."""
        for kept, (weight, item) in enumerate(reversed(batch)):
            if len(self._items) >= self.limits.items or self._bytes + weight > self.limits.bytes:
                return len(batch) - kept
            self._items.appendleft((weight, item))
            self._bytes += weight
        return 0

    def _drop(self, reason: str, count: int) -> None:
        self.counts.dropped += count
        self._on_dropped(reason, count)
