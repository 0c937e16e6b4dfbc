"""The store stays within its limits, and reading goes on while it is written."""

from __future__ import annotations

import stat
import sys
from typing import TYPE_CHECKING

import pytest
from parts import counter, histogram, logs, spans, trace_id

from whatsself_otel.masking import message_ref
from whatsself_otel.viewer import log_queries, queries, rows
from whatsself_otel.viewer.objectives import measured
from whatsself_otel.viewer.query import LogQuery
from whatsself_otel.viewer.series import StoredMetrics
from whatsself_otel.viewer.store import FullError, Retention, Store
from whatsself_otel.whatsapp.references import as_message_ref

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

MIB = 1024 * 1024


class Clock:
    def __init__(self) -> None:
        self.now_s = 1_000_000.0

    def __call__(self) -> float:
        self.now_s += 1.1  # so that every batch is followed by a sweep
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def open_store(tmp_path: Path, clock: Clock) -> Iterator[Callable[..., Store]]:
    opened: list[Store] = []

    def make(**limits: float) -> Store:
        store = Store(tmp_path / f"{len(opened)}.db", Retention(**limits), clock=clock)  # type: ignore[arg-type]
        opened.append(store)
        return store

    yield make
    for store in opened:
        store.close()


def texts(store: Store) -> list[str]:
    return [line["text"] for line in log_queries.logs(store, LogQuery()).rows]


class TestRetention:
    def test_by_count_whole_traces_go_the_oldest_first(self, open_store: Callable[..., Store]) -> None:
        store = open_store(spans=1000)
        for number in range(500):
            store.add(rows.traces(spans(number, count=5)))
        store.sweep()

        kept = queries.recent(store, "all", 200)
        assert queries.usage(store)["spans"] <= 1000
        assert kept[0]["traceId"] == trace_id(499)
        assert {trace["spans"] for trace in kept} == {5}
        assert queries.find(store, "contact-0") == []
        assert store.read("SELECT count(DISTINCT trace) FROM trace_fields")[0][0] <= 1000 / 5
        assert store.read("SELECT count(*) FROM fields WHERE name = 'contactId'")[0][0] <= 1000 / 5

    def test_by_count_of_log_lines(self, open_store: Callable[..., Store]) -> None:
        store = open_store(logs=10)
        for number in range(30):
            store.add(rows.logs(logs(None, f"line {number}")))
        store.sweep()

        assert texts(store) == [f"line {number}" for number in range(29, 19, -1)]

    def test_by_age(self, open_store: Callable[..., Store], clock: Clock) -> None:
        store = open_store(age_s=60)
        store.add(rows.traces(spans(1)))
        store.add(rows.logs(logs(None, "old")))
        store.add(rows.metrics(counter("old", 1)))
        clock.now_s += 100
        store.add(rows.traces(spans(2)))
        store.sweep()

        assert [trace["traceId"] for trace in queries.recent(store, "all")] == [trace_id(2)]
        assert texts(store) == []
        assert StoredMetrics(store).load(0) == []

    def test_by_size_the_file_never_outgrows_its_limit(self, open_store: Callable[..., Store]) -> None:
        store = open_store(size_bytes=4 * MIB)
        for number in range(60):
            store.add(rows.logs(logs(number, *["x" * 10_000] * 20)))
            store.add(rows.traces(spans(number, count=200)))
            assert store.path.stat().st_size <= 4 * MIB

        (newest,) = queries.find(store, "contact-59")
        assert newest["logs"] == len(queries.log_rows(store, trace_id(59))) == 20
        assert queries.usage(store)["bytes"] <= 4 * MIB

    def test_a_trace_that_is_kept_keeps_its_log_lines(self, open_store: Callable[..., Store]) -> None:
        store = open_store(size_bytes=4 * MIB)
        for number in range(3000):
            store.add(rows.traces(spans(number, count=5)))
            store.add(rows.logs(logs(number, "one", "two")))

        kept = queries.recent(store, "all", 200)
        assert queries.find(store, "contact-0") == []
        assert {len(queries.log_rows(store, trace["traceId"])) for trace in kept} == {2}
        oldest = store.read("SELECT trace_id FROM traces ORDER BY id LIMIT 1")[0][0]
        assert len(queries.log_rows(store, oldest)) == 2

    def test_a_batch_that_can_never_fit_is_refused_and_the_store_goes_on(
        self, open_store: Callable[..., Store]
    ) -> None:
        store = open_store(size_bytes=4 * MIB)
        with pytest.raises(FullError):
            store.add(rows.logs(logs(None, "x" * 6 * MIB)))

        store.add(rows.logs(logs(None, "small")))
        assert texts(store) == ["small"]

    def test_series_beyond_the_limit_are_rejected_and_said(self, open_store: Callable[..., Store]) -> None:
        store = open_store(series=3)

        rejected = [store.add(rows.metrics(counter("many", 1, who=str(number)))) for number in range(5)]

        assert rejected == [0, 0, 0, 1, 1]

    def test_resources_that_nothing_refers_to_go(self, open_store: Callable[..., Store]) -> None:
        store = open_store(spans=10)
        for number in range(1100):
            request = spans(number, count=1)
            request.resource_spans[0].resource.attributes.add(key="n").value.int_value = number
            store.add(rows.traces(request))
        store.sweep()

        assert store.read("SELECT count(*) FROM resources")[0][0] < 1000


class TestFile:
    @pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such permissions")
    def test_is_its_owners_alone(self, open_store: Callable[..., Store]) -> None:
        assert stat.S_IMODE(open_store().path.stat().st_mode) == 0o600

    def test_is_read_again_by_the_next_viewer(self, tmp_path: Path) -> None:
        with Store(tmp_path / "kept.db") as store:
            store.add(rows.traces(spans(1)))
        with Store(tmp_path / "kept.db") as again:
            assert queries.find(again, "message-1")


class TestObjectives:
    def test_are_counted_as_the_rules_for_prometheus_count_them(
        self, open_store: Callable[..., Store], clock: Clock
    ) -> None:
        import time

        store, now_s = open_store(), time.time()
        for age_s, value in ((60, 0), (40, 6), (20, 2), (1, 10)):  # begun anew in between: 6 + 2 + 8
            store.add(rows.metrics(counter("messages.outbound", value, at_s=now_s - age_s, origin="reply")))
        for age_s, value in ((60, 0), (1, 4)):
            store.add(rows.metrics(counter("messages.outbound.failed", value, at_s=now_s - age_s, reason="timeout")))
        for age_s, counts in ((60, [0, 0, 0]), (1, [3, 1, 2])):
            store.add(rows.metrics(histogram("whatsapp.session.recovery", counts, [30.0, 300.0], at_s=now_s - age_s)))

        found = {each["name"]: (each["bad"], each["total"]) for each in measured(StoredMetrics(store))}

        assert found["send-success"] == (4, 16)
        assert found["session-recovery"] == (2, 6)
        assert found["api-availability"] == (0, 0)

    def test_too_few_events_are_not_judged(self, open_store: Callable[..., Store]) -> None:
        import time

        store, now_s = open_store(), time.time()
        for age_s, value in ((60, 0), (1, 2)):
            store.add(rows.metrics(counter("messages.outbound", value, at_s=now_s - age_s, origin="reply")))

        (found,) = [each for each in measured(StoredMetrics(store)) if each["name"] == "send-success"]
        assert (found["total"], found["ratio"], found["budget"]) == (2, 1, None)


class TestFind:
    def test_a_message_is_found_by_the_id_that_the_provider_gave_it(self, open_store: Callable[..., Store]) -> None:
        store = open_store()
        wamid = "wamid.HBgNNTUxMTk4NzY1NDMyMRUCABIYFjNFQjBDNzY3RDI2QTFCMkM0RAA="
        serial = "false_5511987654321@c.us_3EB0C767D26A1B2C"
        store.add(rows.traces(spans(1, messageId=message_ref(wamid))))
        store.add(rows.traces(spans(2, messageId=as_message_ref(serial))))
        store.sweep()

        assert [trace["traceId"] for trace in queries.find(store, wamid)] == [trace_id(1)]
        assert [trace["traceId"] for trace in queries.find(store, serial)] == [trace_id(2)]
