"""The viewer's questions to the stores of a stack, and its words when they give only a part."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from telling import message

from whatsself_otel.viewer import reaching, stack_source
from whatsself_otel.viewer.query import TraceQuery
from whatsself_otel.viewer.series import StoredMetrics
from whatsself_otel.viewer.stack_source import Backends, StackSource
from whatsself_otel.viewer.store import Retention, Store
from whatsself_otel.viewer.trace_stores import FoundTrace, FoundTraces

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

    from whatsself_otel.stack.log_stores import LogSearch

KEPT = 250
REACH = 100
STEP = 20
APART_S = 10.0


class Traces:
    """A store that keeps many traces, gives the newest of a window, and notes every question."""

    name = "traces"

    def __init__(self) -> None:
        self.asked: list[Mapping[str, str]] = []
        self.kept = [_trace(number) for number in range(KEPT)]

    def find(self, _wanted: str) -> list[str]:
        return []

    def search(self, from_s: float, to_s: float, tags: Mapping[str, str], limit: int) -> FoundTraces:
        self.asked.append(tags)
        fits = [trace for trace in self.kept if from_s <= _start_s(trace) < to_s]
        found = fits[:limit]
        return FoundTraces(since_s=from_s if len(fits) < limit else _start_s(found[-1]), traces=found)

    def trace(self, _trace_id: str) -> FoundTrace | None:
        return None

    def traces(self, _trace_ids: Sequence[str]) -> list[FoundTrace]:
        return []


class Logs:
    """A store without lines."""

    def lines(self, _trace_id: str) -> list[LogRecord]:
        return []

    def search(self, _wanted: LogSearch) -> list[LogRecord]:
        return []


def _trace(number: int) -> FoundTrace:
    owner = message(number, ago_s=APART_S * (number + 1))[0].resource_spans[0]
    spans = [({"service.name": "whatsself"}, "tests", span) for span in owner.scope_spans[0].spans]
    return FoundTrace(trace_id=spans[0][2].trace_id.hex(), spans=spans)


def _start_s(trace: FoundTrace) -> float:
    return trace.spans[0][2].start_time_unix_nano / 1e9


@pytest.fixture
def traces() -> Traces:
    return Traces()


@pytest.fixture
def source(tmp_path: Path, traces: Traces, monkeypatch: pytest.MonkeyPatch) -> Iterator[StackSource]:
    monkeypatch.setattr(stack_source, "_TRACES", STEP)
    monkeypatch.setattr(reaching, "_PATIENCE_S", 60.0)
    with Store(tmp_path / "scratch.db") as store:
        yield StackSource(Backends(traces=traces, logs=Logs(), metrics=StoredMetrics(store)), store)


def test_a_list_takes_no_more_windows_than_it_needs(source: StackSource, traces: Traces) -> None:
    first = source.traces(TraceQuery(limit=15))
    assert (len(first.rows), first.is_cut, first.looked, len(traces.asked)) == (15, True, None, 1)

    longer = source.traces(TraceQuery(limit=30))

    assert (len(longer.rows), longer.is_cut, longer.looked, len(traces.asked)) == (30, True, None, 2)


def test_how_far_back_was_looked_is_said_and_leads_further(source: StackSource) -> None:
    slowest = source.traces(TraceQuery(sort="slowest", reach=REACH))
    assert slowest.looked is not None
    assert REACH <= slowest.looked.traces < REACH + STEP  # windows meet at one of them
    assert slowest.looked.back_to_s == pytest.approx(time.time() - REACH * APART_S, abs=200)
    assert source.traffic(TraceQuery(reach=REACH))["is_cut"] is True

    further = source.traces(TraceQuery(sort="slowest"))

    assert further.looked is None
    assert source.traffic(TraceQuery())["total"] == KEPT


def test_a_message_far_behind_is_found_by_what_no_store_can_be_asked_for(source: StackSource, traces: Traces) -> None:
    for _, _, span in traces.kept[220].spans:
        for pair in span.attributes:
            pair.value.string_value = pair.value.string_value.replace("read", "delivered")

    assert source.traces(TraceQuery(columns={"outcome": "delivered"}, reach=REACH)).rows == []
    (found,) = source.traces(TraceQuery(columns={"outcome": "delivered"})).rows
    assert found["traceId"] == traces.kept[220].trace_id


def test_what_the_viewer_cannot_hold_is_said_and_makes_room_for_the_next_question(
    tmp_path: Path, traces: Traces, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stack_source, "_TRACES", STEP)
    with Store(tmp_path / "small.db", Retention(spans=400)) as store:
        source = StackSource(Backends(traces=traces, logs=Logs(), metrics=StoredMetrics(store)), store)
        found = source.traces(TraceQuery(sort="slowest"))
        assert found.looked is not None
        assert found.looked.is_full

        assert len(source.traces(TraceQuery(which="all", limit=15)).rows) == 15


@pytest.mark.parametrize(
    ("query", "tags"),
    [
        (TraceQuery(columns={"outcome": "failed"}), {"error": "true"}),
        (TraceQuery(columns={"outcome": "failed", "reason": "blocked"}), {"error.type": "blocked"}),
        (TraceQuery(which="errors"), {"error": "true"}),
        (TraceQuery(fields=(("service", "a"), ("route", "/x"))), {"http.route": "/x"}),
        (TraceQuery(columns={"outcome": "read"}), {}),
    ],
)
def test_what_is_rare_is_asked_for_by_name(
    source: StackSource, traces: Traces, query: TraceQuery, tags: dict[str, str]
) -> None:
    source.traces(query)

    assert {tuple(each.items()) for each in traces.asked} == {tuple(tags.items())}


def test_the_same_question_is_not_asked_twice_at_once(source: StackSource, traces: Traces) -> None:
    now_s = time.time()
    query = TraceQuery.of({"from": f"{now_s - 60:.0f}", "to": f"{now_s:.0f}"}, [])
    source.traces(query)
    asked = len(traces.asked)
    source.traffic(query)

    assert len(traces.asked) == asked
