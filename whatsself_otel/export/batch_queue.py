"""
A bounded queue between the application and the network. It keeps its deadlines and counts every lost item.

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
from whatsself_otel.export.limits import MAX_ITEM_BYTES, MAX_REQUEST_BYTES
from whatsself_otel.export.otlp import ExportResult, drop_reason, retry_reason
from whatsself_otel.processes.forks import run_in_child

if TYPE_CHECKING:
    from collections.abc import Callable

_T = TypeVar("_T")

MAX_BACKOFF_S: Final = 15.0
_PAUSE_AFTER_DEATH_S: Final = 1.0
"""Pause before a dead sender restarts: the same cause may end it again at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueLimits:
    """
    Bounds of one queue.

    Args:
        items: Most items held; the oldest go first.
        bytes: Most bytes held, as `prepare` of the queue has them; the oldest go first.
        batch_items: Most items in one export.
        batch_bytes: Most bytes in one export.
        item_bytes: Most bytes of one item.
        delay_s: Seconds an item waits at most for its batch to fill.
        age_s: Seconds an item is tried again at most, while there is room for it.
    """

    items: int = 8192
    bytes: int = 64 * 1024 * 1024
    batch_items: int = 512
    batch_bytes: int = MAX_REQUEST_BYTES
    item_bytes: int = MAX_ITEM_BYTES
    delay_s: float = 1.0
    age_s: float = 3600.0


_Entry = tuple[int, Any, float]
"""Bytes of the item, the prepared item, and the monotonic second in which it was queued."""


class Deadline:
    """
    Time limit of a flush or shutdown of all signals together.

    It ends early if nothing arrives anywhere for half of the time: then no receiver answers.

    Args:
        timeout_s: Seconds from now.
    """

    def __init__(self, timeout_s: float) -> None:
        self.patience_s = timeout_s / 2
        self._end_s = time.monotonic() + timeout_s
        self._progress_s = time.monotonic()

    def note_progress(self) -> None:
        """Note that an export arrived."""
        self._progress_s = time.monotonic()

    def left_s(self) -> float:
        """Return the seconds left to wait, 0 at the end."""
        return max(min(self._end_s, self._progress_s + self.patience_s) - time.monotonic(), 0.0)


@dataclass(frozen=True, slots=True)
class Loss:
    """Time of the last loss on the monotonic clock, and its reason."""

    reason: str
    moment_s: float


@dataclass(slots=True)
class ExportCounts:
    """Counts of one signal's items in this process, by their fate."""

    exported: int = 0
    dropped: int = 0
    retried: int = 0
    restarts: int = 0
    last_success_s: float | None = None
    last_error: str | None = None
    last_loss: Loss | None = None


class _Preparing(threading.local):
    busy: bool = False
    """Whether this thread prepares an item."""


class BatchQueue(Generic[_T]):
    """
    A bounded queue with one background sender.

    `put` never blocks and never raises. A batch that could not be sent is tried again while it is young and there is
    room, so a collector may be away for long without loss. A batch that is refused for good is not tried again. A batch
    that is too large is sent in parts.

    Args:
        send: Sends one batch and says what became of it; may block, runs on the queue's own thread.
        limits: Bounds of the queue.
        on_dropped: Told the reason and the number of items lost.
        prepare: Returns the bytes an item takes, and what is sent of it; `put` calls it, and drops what it raises for.
        on_retried: Told the reason and the number of items that will be sent again.
    """

    def __init__(
        self,
        send: Callable[[list[Any]], ExportResult],
        limits: QueueLimits,
        on_dropped: Callable[[str, int], None],
        *,
        prepare: Callable[[_T], tuple[int, Any]] = lambda item: (0, item),
        on_retried: Callable[[str, int], None] = lambda _reason, _count: None,
    ) -> None:
        self.counts = ExportCounts()
        self.limits = limits
        self.send = send
        self._on_dropped = on_dropped
        self._prepare = prepare
        self._preparing = _Preparing()
        self._on_retried = on_retried
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._reset()
        run_in_child(self._reset)  # the parent still holds, and sends, what was queued before the fork

    def put(self, item: _T) -> None:
        """Queue *item*. If the queue is full or closed, or the item too large, one item is dropped and counted."""
        if self._closed:
            self._drop("shutdown", 1)
            return
        ready = self._ready(item)
        if ready is None:
            self._drop("not_encodable", 1)
            return
        (weight, prepared), items, limits = ready, self._items, self.limits
        if weight > limits.item_bytes:
            self._drop("too_large", 1)
            return
        with self._lock:  # the condition's own: to enter that costs two calls more
            is_full = len(items) >= limits.items or self._bytes + weight > limits.bytes
            lost = self._make_room(weight) if is_full else 0
            items.append((weight, prepared, time.monotonic()))
            self._bytes += weight
            if self._thread is None:
                self._start()
            # The sender sleeps without a limit while the queue is empty, so the first item has to wake it; and so does
            # the one that fills a batch. While it is awake, it looks for itself.
            if len(items) in (1, limits.batch_items):
                self._changed.notify_all()
        if lost:
            self._drop("queue_full", lost)

    def take_in(self, weight: int, prepared: Any) -> None:
        """
        Queue an item that the queue of a child process has prepared.

        Args:
            weight: Bytes that it takes.
            prepared: As `prepare` returns it.
        """
        with self._changed:
            lost = 1 if self._closed else self._make_room(weight)
            reason = "shutdown" if self._closed else "queue_full"
            if not self._closed:
                self._items.append((weight, prepared, time.monotonic()))
                self._bytes += weight
                if self._thread is None:
                    self._start()
                self._changed.notify_all()
        if lost:
            self._drop(reason, lost)

    def flush(self, limit: Deadline) -> bool:
        """Send all queued items; return whether all of them left within *limit*."""
        return self._drain(limit, close=False)

    def close(self) -> None:
        """Take nothing more and let the sender drain; `join` waits for it."""
        with self._changed:
            self._closed = True
            self._asked += 1
            self._changed.notify_all()

    def join(self, limit: Deadline) -> bool:
        """Wait for a closed queue to drain. Items still queued after *limit* are dropped and counted."""
        drained = self._drain(limit, close=True)
        with self._changed:
            self._abandoned = True
            left = len(self._items) + len(self._in_flight)
            self._items.clear()
            self._bytes = 0
            self._changed.notify_all()
            thread = self._thread
        if left:
            self._drop("shutdown", left)
        elif thread is not None and thread is not threading.current_thread():
            thread.join(limit.left_s())  # it has nothing left to do; it ends before this returns
        return drained

    def __len__(self) -> int:
        return len(self._items) + len(self._in_flight)

    def _reset(self) -> None:
        self._items: deque[_Entry] = deque()
        self._bytes = 0
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._thread: threading.Thread | None = None
        self._in_flight: list[_Entry] = []
        self._sending_since_s = 0.0
        self._failures = 0
        """Consecutive sends that failed for now."""
        self._most_items = self.limits.batch_items
        """Greatest number of items in the next batch; smaller after a batch that was too large."""
        self._flushing = 0
        self._asked = 0
        """Flushes and closes so far: each ends a pause, because a caller waits."""
        self._closed = False
        self._abandoned = False

    @property
    def queued_bytes(self) -> int:
        """Estimated bytes in the queue."""
        return self._bytes

    @property
    def is_stranded(self) -> bool:
        """Whether items wait and nothing sends them."""
        return bool(self._items) and self._thread is None

    @property
    def sending_s(self) -> float:
        """Seconds since the current send began; 0 between two sends."""
        return time.monotonic() - self._sending_since_s if self._in_flight else 0.0

    def _ready(self, item: _T) -> tuple[int, Any] | None:
        """Return *item* prepared, or None. Items made while preparing one are ignored, else they would loop."""
        preparing = self._preparing
        if preparing.busy:
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
        """Drop the oldest items until one of *weight* fits; return their number."""
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
            if self._items and self._thread is None:
                self._start()
            self._changed.notify_all()
            try:
                if self._thread is None:
                    return not self._items
                return self._wait_until_empty(limit)
            finally:
                self._flushing -= 1

    def _wait_until_empty(self, limit: Deadline) -> bool:
        """Wait while batches arrive. If the collector takes nothing for the whole patience, give up."""
        while self._items or self._in_flight:
            seen = self.counts.exported
            if not self._changed.wait_for(lambda: self.counts.exported != seen, limit.left_s()):  # noqa: B023 - waited for here
                return False
            limit.note_progress()
        return True

    def _run(self) -> None:
        quiet = dict.fromkeys((EXPORTING, *_sdk.suppression_keys()), True)
        otel_context.attach(Context({**otel_context.get_current(), **quiet}))
        try:
            while self._goes_on():
                pass
        finally:
            self._thread = None  # the next `put` or flush starts another

    def _goes_on(self) -> bool:
        """Send the next batch; return False when the queue is closed and empty."""
        try:
            return self._send_next()
        except BaseException as error:  # noqa: BLE001 - a log handler that calls sys.exit() must not end all exports
            self._recover(error)
            return True

    def _send_next(self) -> bool:
        batch = self._next_batch()
        if not batch:
            return False
        result = self._try_to_send([item for _, item, _ in batch])
        if result.accepted:
            self._note_accepted(batch, result)
        elif result.too_large and len(batch) > 1:
            self._most_items = len(batch) // 2
            self._keep(batch, result, pause_s=0.0)
        elif result.retry:
            self.counts.retried += 1
            self._on_retried(retry_reason(result.error), len(batch))
            self._keep(batch, result, pause_s=result.retry_after_s or self._next_backoff_s())
        else:
            self._give_up(batch, result)
        return True

    def _next_backoff_s(self) -> float:
        self._failures += 1
        return float(min(2.0 ** min(self._failures, 10) / 4, MAX_BACKOFF_S))

    def _next_batch(self) -> list[_Entry]:
        with self._changed:
            self._changed.wait_for(lambda: self._items or self._closed)
            self._changed.wait_for(self._is_due, self.limits.delay_s)
            batch = self._take()
            self._in_flight, self._sending_since_s = batch, time.monotonic()
            self._changed.notify_all()
            return batch

    def _take(self) -> list[_Entry]:
        batch: list[_Entry] = []
        weight = 0
        while self._items and len(batch) < self._most_items:
            weight += self._items[0][0]
            if batch and weight > self.limits.batch_bytes:
                break
            batch.append(self._items.popleft())
            self._bytes -= batch[-1][0]
        return batch

    def _is_due(self) -> bool:
        return len(self._items) >= self._most_items or self._closed or self._flushing > 0

    def _try_to_send(self, batch: list[Any]) -> ExportResult:
        try:
            return self.send(batch)
        except Exception as error:  # noqa: BLE001 - an exporter that raises must not end the sender
            return ExportResult(error=type(error).__name__, retry=True)

    def _note_accepted(self, batch: list[_Entry], result: ExportResult) -> None:
        rejected = min(result.rejected, len(batch))
        with self._changed:
            self._in_flight = []
            self._failures = 0
            self._most_items = min(self._most_items * 2, self.limits.batch_items)
            self.counts.exported += len(batch) - rejected
            self.counts.last_success_s = time.time()
            self.counts.last_error = f"{rejected} items were rejected" if rejected else None
            self._changed.notify_all()
        if rejected:
            self._drop("rejected", rejected)

    def _keep(self, batch: list[_Entry], result: ExportResult, *, pause_s: float) -> None:
        """Put *batch* back without the items that are too old or find no room, and wait before the next send."""
        oldest_s = time.monotonic() - self.limits.age_s
        young = [entry for entry in batch if entry[2] > oldest_s]
        with self._changed:
            self.counts.last_error = result.error
            abandoned = self._abandoned  # then `join` has counted it
            lost = self._give_back(young)
            self._pause(pause_s)
        if not abandoned and len(young) < len(batch):
            self._drop(drop_reason(result), len(batch) - len(young))
        if lost:
            self._drop("queue_full", lost)

    def _give_up(self, batch: list[_Entry], result: ExportResult) -> None:
        with self._changed:
            self._in_flight = []
            self._failures = 0
            self.counts.last_error = result.error
            abandoned = self._abandoned  # as above
            self._changed.notify_all()
        if not abandoned:
            self._drop(drop_reason(result), len(batch))

    def _recover(self, error: BaseException) -> None:
        """Put the batch in flight back after *error* ended the sender, and start the sender again."""
        with self._changed:
            self.counts.last_error = f"the export thread was ended by {type(error).__name__}"
            self.counts.restarts += 1
            lost = self._give_back(self._in_flight)
            self._pause(_PAUSE_AFTER_DEATH_S)
        if lost:
            self._drop("queue_full", lost)

    def _give_back(self, batch: list[_Entry]) -> int:
        """Put *batch* back in front, newest first, while there is room; return the number of items without room."""
        self._in_flight = []
        if self._abandoned:
            return 0
        for kept, entry in enumerate(reversed(batch)):
            if len(self._items) >= self.limits.items or self._bytes + entry[0] > self.limits.bytes:
                return len(batch) - kept
            self._items.appendleft(entry)
            self._bytes += entry[0]
        return 0

    def _pause(self, pause_s: float) -> None:
        """Wait, under the lock. A flush or a shutdown ends the pause, because a caller waits."""
        self._changed.notify_all()
        asked = self._asked
        self._changed.wait_for(lambda: self._abandoned or self._asked != asked, pause_s)

    def _drop(self, reason: str, count: int) -> None:
        self.counts.dropped += count
        self.counts.last_loss = Loss(reason, time.monotonic())
        self._on_dropped(reason, count)
