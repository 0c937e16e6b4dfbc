"""A bound series records the same as the instrument."""

from __future__ import annotations

import logging
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.metrics import NoOpMeter
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.metrics.view import DropAggregation, View
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import set_span_in_context
from readings import labels, read_points, read_values
from rows import for_each

from whatsself_otel.catalogue import OVERFLOW
from whatsself_otel.metrics.bound_instruments import BoundInstrument
from whatsself_otel.metrics.cardinality import BoundedMeterProvider

KIND = {"kind": "text"}


class Bench:
    """One provider and its reader."""

    def __init__(self, **options: Any) -> None:
        self.reader = InMemoryMetricReader()
        self.provider = BoundedMeterProvider([self.reader], shutdown_on_exit=False, **options)
        self.meter = self.provider.get_meter("m")

    def points(self) -> dict[str, Any]:
        """Return the recorded points without the times of this run."""
        found = read_points(self.reader.get_metrics_data())
        return {name: {key: _timeless(point) for key, point in series.items()} for name, series in found.items()}


def _timeless(point: Any) -> dict[str, Any]:
    known = {name: getattr(point, name, None) for name in ("value", "count", "sum", "min", "max", "bucket_counts")}
    exemplars = [(each.value, each.span_id, each.trace_id, each.filtered_attributes) for each in point.exemplars]
    return {**known, "exemplars": exemplars}


@given(
    measured=st.lists(
        st.tuples(st.sampled_from(["text", "audio"]), st.floats(0, 100, allow_subnormal=False)), max_size=20
    ),
    collect_after=st.integers(0, 20),
)
def test_a_series_records_what_the_instrument_would_record(
    measured: list[tuple[str, float]], collect_after: int
) -> None:
    tracer = TracerProvider(shutdown_on_exit=False).get_tracer("t")
    around = set_span_in_context(tracer.start_span("around"))
    by_series, by_instrument = Bench(), Bench()
    histograms = [bench.meter.create_histogram("h") for bench in (by_series, by_instrument)]
    series = {kind: BoundInstrument(histograms[0], {"kind": kind}) for kind in ("text", "audio")}
    seen: list[list[Any]] = [[], []]
    for number, (kind, value) in enumerate(measured):
        series[kind].record(value, around)
        histograms[1].record(value, {"kind": kind}, around)
        if number == collect_after:
            seen = [[bench.points()] for bench in (by_series, by_instrument)]
    for bench, points in zip((by_series, by_instrument), seen, strict=True):
        points.append(bench.points())

    assert seen[0] == seen[1]


class TestCounters:
    def test_are_counted_on(self) -> None:
        bench = Bench()
        counter = bench.meter.create_counter("c")
        series = BoundInstrument(counter, KIND)
        for _ in range(3):
            series.record(1)
        counter.add(4, KIND)

        assert read_values(bench.reader)["c"] == {labels(kind="text"): 7}

    @for_each("value", [-1, math.inf, -math.inf, math.nan])
    def test_refuse_what_the_sdk_refuses(self, value: float, caplog: pytest.LogCaptureFixture) -> None:
        bench = Bench()
        series = BoundInstrument(bench.meter.create_counter("c"), KIND)
        series.record(1)
        with caplog.at_level(logging.WARNING):
            series.record(value)

        assert read_values(bench.reader)["c"] == {labels(kind="text"): 1}
        assert len(caplog.records) == 1

    def test_without_telemetry_are_nothing(self) -> None:
        BoundInstrument(NoOpMeter("m").create_counter("c"), KIND).record(1)


class TestWhatIsFoundIsFoundAgain:
    def test_in_a_forked_child_which_begins_at_zero(self) -> None:
        bench = Bench()
        series = BoundInstrument(bench.meter.create_counter("c"), KIND)
        series.record(5)
        bench.provider._begin_at_zero()
        series.record(1)
        series.record(1)

        assert read_values(bench.reader)["c"] == {labels(kind="text"): 2}

    def test_for_a_reader_that_comes_later(self) -> None:
        bench, late = Bench(), InMemoryMetricReader()
        series = BoundInstrument(bench.meter.create_counter("c"), KIND)
        series.record(1)
        bench.provider.add_metric_reader(late)
        series.record(1)
        series.record(1)

        assert read_values(bench.reader)["c"] == {labels(kind="text"): 3}
        assert read_values(late)["c"] == {labels(kind="text"): 2}


class TestTheLimitOfSeries:
    def test_sends_one_that_found_no_room_to_the_overflow_each_time(self) -> None:
        told: list[str] = []
        bench = Bench(cardinality_limit=3)
        bench.provider.on_overflow = told.append
        counter = bench.meter.create_counter("c")
        series = [BoundInstrument(counter, {"k": number}) for number in range(5)]
        for _ in range(2):
            for each in series:
                each.record(1)

        values = read_values(bench.reader)["c"]
        assert values == {labels(k=0): 2, labels(k=1): 2, ((OVERFLOW, True),): 6}
        assert told == ["c"] * 6


@for_each(
    "view, expected",
    [
        (View(instrument_name="c", attribute_keys=set()), {"c": {(): 2}}),
        (View(instrument_name="c", name="renamed"), {"renamed": {labels(kind="text"): 2}}),
        (View(instrument_name="c", aggregation=DropAggregation()), {}),
    ],
    ids=["attributes taken away", "renamed", "dropped"],
)
def test_views_hold(view: View, expected: dict[str, Any]) -> None:
    bench = Bench(views=[view])
    series = BoundInstrument(bench.meter.create_counter("c"), KIND)
    series.record(1)
    series.record(1)

    assert read_values(bench.reader) == expected
