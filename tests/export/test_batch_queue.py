"""The export queue: bounded, honest about loss, and true to its deadlines."""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING

import pytest

from whatsself_otel.export.batch_queue import BatchQueue, Deadline, QueueLimits
from whatsself_otel.export.otlp import ExportResult

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Backend:
    """A sender that a test lets fail or hang."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.attempts = 0
        self.fails = False
        self.refuses = False
        self.rejects = 0
        self.most_items = 1_000_000
        self.poison = -1_000
        self.raises: BaseException | None = None
        self.gate = threading.Event()
        self.gate.set()

    def send(self, batch: list[int]) -> ExportResult:
        self.attempts += 1
        self.gate.wait()
        if self.raises is not None:
            raise self.raises
        if self.fails:
            return ExportResult(error="HTTP 503", retry=True)
        if self.refuses:
            return ExportResult(error="HTTP 401")
        if len(batch) > self.most_items or self.poison in batch:
            return ExportResult(error="HTTP 413", too_large=True)
        self.batches.append(batch)
        return ExportResult(rejected=self.rejects)

    @property
    def items(self) -> list[int]:
        return [item for batch in self.batches for item in batch]


@pytest.fixture
def backend() -> Iterator[Backend]:
    backend = Backend()
    yield backend
    backend.gate.set()


@pytest.fixture
def dropped() -> list[tuple[str, int]]:
    return []


def make_queue(
    backend: Backend, dropped: list[tuple[str, int]], *, weight: int = 0, **limits: float
) -> BatchQueue[int]:
    settings = QueueLimits(**{"delay_s": 0.01, **limits})  # type: ignore[arg-type]
    return BatchQueue(
        backend.send,
        settings,
        lambda reason, count: dropped.append((reason, count)),
        prepare=lambda item: (weight, item),
    )


def wait_for(happened: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + 20
    while not happened():
        assert time.monotonic() < deadline_s, "it did not happen"
        time.sleep(0.01)


class TestDelivery:
    def test_items_arrive_in_order_and_in_bounded_batches(
        self, backend: Backend, dropped: list[tuple[str, int]]
    ) -> None:
        queue = make_queue(backend, dropped, batch_items=10)
        for item in range(95):
            queue.put(item)

        assert queue.flush(Deadline(5))
        assert backend.items == list(range(95))
        assert max(map(len, backend.batches)) == 10
        assert (queue.counts.exported, queue.counts.dropped, dropped) == (95, 0, [])

    def test_items_put_after_a_pause_leave_without_a_flush(
        self, backend: Backend, dropped: list[tuple[str, int]]
    ) -> None:
        queue = make_queue(backend, dropped)
        for item in range(3):
            queue.put(item)
            deadline_s = time.monotonic() + 10
            while len(backend.items) <= item and time.monotonic() < deadline_s:
                time.sleep(0.01)

        assert backend.items == [0, 1, 2]

    def test_a_single_item_leaves_after_the_delay(self, backend: Backend, dropped: list[tuple[str, int]]) -> None:
        queue = make_queue(backend, dropped)
        queue.put(1)
        deadline_s = time.monotonic() + 5
        while not backend.items and time.monotonic() < deadline_s:
            time.sleep(0.01)

        assert backend.items == [1]

    def test_a_batch_that_is_full_does_not_wait_for_the_delay(
        self, backend: Backend, dropped: list[tuple[str, int]]
    ) -> None:
        queue = make_queue(backend, dropped, batch_items=5, delay_s=60)
        queue.put(0)
        time.sleep(0.1)  # the sender is awake, and waits for more
        for item in range(1, 12):
            queue.put(item)
        wait_for(lambda: len(backend.items) >= 10)

        assert backend.batches == [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]]

    def test_a_failed_batch_is_sent_again_once_and_in_order(
        self, backend: Backend, dropped: list[tuple[str, int]]
    ) -> None:
        queue = make_queue(backend, dropped)
        backend.fails = True
        for item in range(5):
            queue.put(item)
        while backend.attempts < 2:
            time.sleep(0.01)
        backend.fails = False

        assert queue.flush(Deadline(10))
        assert (sorted(backend.items), dropped) == (list(range(5)), [])

    def test_a_sender_that_raises_is_a_failed_send(self, backend: Backend, dropped: list[tuple[str, int]]) -> None:
        queue = make_queue(backend, dropped)
        backend.raises = RuntimeError()
        queue.put(1)
        while backend.attempts < 1:
            time.sleep(0.01)
        backend.raises = None

        assert queue.flush(Deadline(10))
        assert backend.items == [1]


class TestLoss:
    def test_a_full_queue_loses_the_oldest_and_says_so(self, backend: Backend, dropped: list[tuple[str, int]]) -> None:
        queue = make_queue(backend, dropped, items=10, batch_items=10)
        backend.gate.clear()
        queue.put(-1)
        while backend.attempts < 1:
            time.sleep(0.01)
        for item in range(25):
            queue.put(item)
        backend.gate.set()

        assert queue.flush(Deadline(5))
        assert backend.items == [-1, *range(15, 25)]
        assert (sum(count for _, count in dropped), {reason for reason, _ in dropped}) == (15, {"queue_full"})

    def test_a_batch_is_tried_again_for_as_long_as_there_is_room(
        self, backend: Backend, dropped: list[tuple[str, int]], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("whatsself_otel.export.batch_queue.MAX_BACKOFF_S", 0.001)
        queue = make_queue(backend, dropped)
        queue._failures = 2000  # more often than a pause can double
        backend.fails = True
        for item in range(5):
            queue.put(item)
        wait_for(lambda: backend.attempts > 20)
        backend.fails = False

        assert queue.flush(Deadline(10))
        assert (sorted(backend.items), dropped) == (list(range(5)), [])

    def test_what_nobody_takes_is_dropped_and_counted_when_it_is_too_old(
        self, backend: Backend, dropped: list[tuple[str, int]], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("whatsself_otel.export.batch_queue.MAX_BACKOFF_S", 0.01)
        queue = make_queue(backend, dropped, age_s=0.5)
        backend.fails = True
        queue.put(1)
        start_s = time.monotonic()
        wait_for(lambda: bool(dropped))
        took_s = time.monotonic() - start_s
        queue.put(2)
        backend.fails = False

        assert queue.flush(Deadline(10))
        assert (backend.items, dropped, took_s >= 0.5) == ([2], [("export_failed", 1)], True)

    def test_only_the_old_items_of_a_batch_are_dropped(
        self, backend: Backend, dropped: list[tuple[str, int]], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("whatsself_otel.export.batch_queue.MAX_BACKOFF_S", 0.01)
        queue = make_queue(backend, dropped, age_s=1.0, delay_s=0.6)
        backend.fails = True
        queue.put(1)
        time.sleep(0.5)  # the second item is that much younger, and both are in one batch
        queue.put(2)
        wait_for(lambda: bool(dropped))
        backend.fails = False

        assert queue.flush(Deadline(10))
        assert (backend.items, dropped) == ([2], [("export_failed", 1)])

    def test_a_refused_batch_is_not_sent_again(self, backend: Backend, dropped: list[tuple[str, int]]) -> None:
        queue = make_queue(backend, dropped)
        backend.refuses = True
        queue.put(1)
        queue.flush(Deadline(2))

        assert (dropped, backend.attempts, queue.counts.last_error) == ([("rejected", 1)], 1, "HTTP 401")

    def test_a_partial_success_counts_what_was_rejected(self, backend: Backend, dropped: list[tuple[str, int]]) -> None:
        queue = make_queue(backend, dropped)
        backend.rejects = 3
        for item in range(10):
            queue.put(item)
        queue.flush(Deadline(2))

        assert (queue.counts.exported, dropped) == (7, [("rejected", 3)])

    def test_a_batch_that_is_too_large_is_sent_in_parts(self, backend: Backend, dropped: list[tuple[str, int]]) -> None:
        queue = make_queue(backend, dropped)
        backend.most_items = 3
        for item in range(20):
            queue.put(item)
        queue.flush(Deadline(5))

        assert (backend.items, dropped) == (list(range(20)), [])

    def test_one_item_that_nobody_can_take_costs_only_itself(
        self, backend: Backend, dropped: list[tuple[str, int]]
    ) -> None:
        queue = make_queue(backend, dropped)
        backend.poison = 7
        for item in range(20):
            queue.put(item)
        queue.flush(Deadline(5))

        assert (backend.items, dropped) == ([item for item in range(20) if item != 7], [("too_large", 1)])

    def test_everything_is_either_exported_or_counted_as_dropped(
        self, backend: Backend, dropped: list[tuple[str, int]]
    ) -> None:
        queue = make_queue(backend, dropped, items=50, batch_items=7)

        def put_many() -> None:
            for item in range(500):
                queue.put(item)

        threads = [threading.Thread(target=put_many) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        queue.close()
        queue.join(Deadline(5))

        assert queue.counts.exported + sum(count for _, count in dropped) == 2000
        assert len(backend.items) == queue.counts.exported

    def test_what_finds_no_room_again_after_a_failure_is_counted(
        self, backend: Backend, dropped: list[tuple[str, int]]
    ) -> None:
        queue = make_queue(backend, dropped, items=2, batch_items=2)
        backend.gate.clear()
        backend.fails = True
        for item in (1, 2):
            queue.put(item)
        wait_for(lambda: backend.attempts == 1)
        queue.put(3)
        backend.gate.set()
        wait_for(lambda: bool(dropped))
        backend.fails = False

        assert queue.flush(Deadline(5))
        assert backend.items == [2, 3]
        assert dropped == [("queue_full", 1)]

    def test_what_a_shutdown_has_given_up_is_not_counted_again_when_it_is_refused(
        self, backend: Backend, dropped: list[tuple[str, int]]
    ) -> None:
        queue = make_queue(backend, dropped)
        backend.gate.clear()
        backend.refuses = True
        queue.put(1)
        wait_for(lambda: backend.attempts == 1)
        queue.close()
        assert not queue.join(Deadline(0.1))
        counted = list(dropped)
        backend.gate.set()
        wait_for(lambda: queue.counts.last_error == "HTTP 401")

        assert [count for _, count in counted] == [1]
        assert dropped == counted

    def test_a_part_of_a_large_batch_that_may_succeed_later_is_kept(
        self, backend: Backend, dropped: list[tuple[str, int]]
    ) -> None:
        queue = make_queue(backend, dropped)
        backend.most_items = 10
        backend.gate.clear()
        for item in range(20):
            queue.put(item)
        wait_for(lambda: backend.attempts == 1)

        def send(batch: list[int]) -> ExportResult:
            backend.fails = backend.attempts == 1
            return backend.send(batch)

        queue.send = send
        backend.gate.set()

        assert queue.flush(Deadline(10))
        assert (backend.items, dropped) == (list(range(20)), [])


class TestThread:
    @pytest.mark.parametrize("error", [SystemExit(1), KeyboardInterrupt()])
    def test_a_sender_that_is_ended_starts_again_with_what_it_had(
        self, backend: Backend, dropped: list[tuple[str, int]], error: BaseException
    ) -> None:
        queue = make_queue(backend, dropped)
        backend.raises = error
        for item in range(3):
            queue.put(item)
        wait_for(lambda: queue.counts.restarts > 0)
        said = queue.counts.last_error
        backend.raises = None

        assert queue.flush(Deadline(10))
        assert (backend.items, dropped) == ([0, 1, 2], [])
        assert said == f"the export thread was ended by {type(error).__name__}"

    def test_what_could_not_be_counted_does_not_end_the_sender(
        self, backend: Backend, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("whatsself_otel.export.batch_queue._PAUSE_AFTER_DEATH_S", 0.01)

        def on_dropped(reason: str, count: int) -> None:
            raise RuntimeError(reason, count)

        queue: BatchQueue[int] = BatchQueue(backend.send, QueueLimits(delay_s=0.01), on_dropped)
        backend.refuses = True
        queue.put(1)
        wait_for(lambda: queue.counts.dropped == 1)
        backend.refuses = False
        queue.put(2)

        assert queue.flush(Deadline(10))
        assert backend.items == [2]


class TestEnd:
    def test_no_thread_outlives_a_queue_that_has_drained(
        self, backend: Backend, dropped: list[tuple[str, int]], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def ends_slowly(queue: BatchQueue[int]) -> bool:
            goes_on = look(queue)
            if not goes_on:
                time.sleep(0.3)
            return goes_on

        look = BatchQueue._goes_on
        monkeypatch.setattr(BatchQueue, "_goes_on", ends_slowly)
        queue = make_queue(backend, dropped)
        queue.put(1)
        thread = queue._thread
        assert thread is not None
        queue.close()

        assert queue.join(Deadline(5))
        assert not thread.is_alive()


class TestBytes:
    def test_the_oldest_go_when_the_bytes_are_too_many(self, backend: Backend, dropped: list[tuple[str, int]]) -> None:
        queue = make_queue(backend, dropped, weight=10, bytes=100, batch_items=1)
        backend.gate.clear()
        queue.put(-1)
        while backend.attempts < 1:
            time.sleep(0.01)
        for item in range(25):
            queue.put(item)
        held = (len(queue), queue.queued_bytes)
        backend.gate.set()

        assert held == (11, 100)
        assert queue.flush(Deadline(5))
        assert backend.items == [-1, *range(15, 25)]
        assert (dropped, queue.queued_bytes) == ([("queue_full", 1)] * 15, 0)

    def test_a_batch_holds_no_more_bytes_than_it_may_unless_one_item_does(
        self, backend: Backend, dropped: list[tuple[str, int]]
    ) -> None:
        for weight, most in ((10, 3), (50, 1)):
            queue = make_queue(backend, dropped, weight=weight, batch_bytes=35, delay_s=30)
            for item in range(10):
                queue.put(item)
            assert queue.flush(Deadline(5))
            assert max(map(len, backend.batches)) == most
            assert backend.items == list(range(10))
            backend.batches.clear()

    def test_what_is_sent_again_is_counted_with_its_reason(self, backend: Backend) -> None:
        retried: list[tuple[str, int]] = []
        queue: BatchQueue[int] = BatchQueue(
            backend.send,
            QueueLimits(delay_s=0.01),
            lambda _reason, _count: None,
            on_retried=lambda *counted: retried.append(counted),
        )
        backend.fails = True
        for item in range(5):
            queue.put(item)
        while backend.attempts < 2:
            time.sleep(0.01)
        backend.fails = False

        assert queue.flush(Deadline(10))
        assert {reason for reason, _ in retried} == {"unavailable"}
        assert sum(count for _, count in retried) >= 5


class TestDeadlines:
    def test_a_slow_collector_gets_the_whole_time_and_a_dead_one_half_of_it(
        self, backend: Backend, dropped: list[tuple[str, int]]
    ) -> None:
        queue = make_queue(backend, dropped, batch_items=1)
        send = backend.send

        def send_slowly(batch: list[int]) -> ExportResult:
            time.sleep(0.1)
            return send(batch)

        queue.send = send_slowly
        for item in range(15):
            queue.put(item)

        assert queue.flush(Deadline(2.5))
        assert len(backend.items) == 15

    def test_a_flush_that_cannot_finish_returns_false_in_time(
        self, backend: Backend, dropped: list[tuple[str, int]]
    ) -> None:
        queue = make_queue(backend, dropped)
        backend.gate.clear()
        queue.put(1)
        start_s = time.monotonic()

        assert not queue.flush(Deadline(0.3))
        assert time.monotonic() - start_s < 1.5

    def test_a_shutdown_that_cannot_finish_counts_what_is_left(
        self, backend: Backend, dropped: list[tuple[str, int]]
    ) -> None:
        queue = make_queue(backend, dropped)
        backend.gate.clear()
        for item in range(3):
            queue.put(item)
        queue.close()

        assert not queue.join(Deadline(0.3))
        assert dropped == [("shutdown", 3)]

    def test_after_a_shutdown_items_are_dropped_and_counted(
        self, backend: Backend, dropped: list[tuple[str, int]]
    ) -> None:
        queue = make_queue(backend, dropped)
        queue.close()
        assert queue.join(Deadline(1))
        queue.put(1)

        assert (backend.items, dropped) == ([], [("shutdown", 1)])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
class TestFork:
    @pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
    def test_the_child_sends_its_own_items_and_not_the_parents(
        self, backend: Backend, dropped: list[tuple[str, int]]
    ) -> None:
        queue = make_queue(backend, dropped, delay_s=30)
        queue.put(1)
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            queue.put(2)
            done = queue.flush(Deadline(5))
            os.write(write, repr((done, backend.items)).encode())
            os._exit(0)
        os.waitpid(child, 0)

        assert os.read(read, 100) == b"(True, [2])"
        assert queue.flush(Deadline(5))
        assert backend.items == [1]
        os.close(read)
        os.close(write)
