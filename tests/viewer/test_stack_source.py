"""What the viewer asks the stores of a stack, and what it says when they give but a part."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from telling import message

from whatsself_otel.viewer.query import TraceQuery
from whatsself_otel.viewer.series import StoredMetrics
from whatsself_otel.viewer.stack_source import Backends, StackSource
from whatsself_otel.viewer.store import Store
from whatsself_otel.viewer.trace_stores import FoundTrace

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

    from whatsself_otel.stack.log_stores import LogSearch

KEPT = 250
"""More than a first list asks for."""


class Traces:
    """A store that keeps many traces and gives the newest of them; it notes what it was asked for."""

    name = "traces"

    def __init__(self) -> None:
        self.asked: list[Mapping[str, str]] = []

    def find(self, _wanted: str) -> list[str]:
        return []

    def search(self, _from_s: float, _to_s: float, tags: Mapping[str, str], limit: int) -> list[FoundTrace]:
        self.asked.append(tags)
        return [_trace(number) for number in range(KEPT)][:limit]

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
    owner = message(number, ago_s=number)[0].resource_spans[0]
    spans = [({"service.name": "whatsself"}, "tests", span) for span in owner.scope_spans[0].spans]
    return FoundTrace(trace_id=spans[0][2].trace_id.hex(), spans=spans)


@pytest.fixture
def traces() -> Traces:
    return Traces()


@pytest.fixture
def source(tmp_path: Path, traces: Traces) -> Iterator[StackSource]:
    with Store(tmp_path / "scratch.db") as store:
        yield StackSource(Backends(traces=traces, logs=Logs(), metrics=StoredMetrics(store)), store)


def test_what_is_cut_is_said_and_more_is_asked_for(source: StackSource) -> None:
    first = source.traces(TraceQuery())
    assert (len(first.rows), first.is_cut, first.said) == (50, True, ("newest",))
    assert (source.traffic(TraceQuery())["total"], source.traffic(TraceQuery())["is_cut"]) == (200, True)

    more = source.traces(TraceQuery(limit=1000))

    assert (len(more.rows), more.is_cut, more.said) == (KEPT, False, ())


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

    assert traces.asked == [tags]


def test_the_same_question_is_not_asked_twice_at_once(source: StackSource, traces: Traces) -> None:
    now_s = time.time()
    query = TraceQuery.of({"from": f"{now_s - 60:.0f}", "to": f"{now_s:.0f}"}, [])
    source.traces(query)
    source.traffic(query)

    assert len(traces.asked) == 1
