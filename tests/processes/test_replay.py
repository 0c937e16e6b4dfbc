"""A child's measurements, recorded again, equal those of the worker's own instruments."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.metrics import Observation
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from readings import labels, read_points

from whatsself_otel.metrics.cardinality import BoundedMeterProvider
from whatsself_otel.processes.replay import Recorder, RecordingReader

if TYPE_CHECKING:
    from collections.abc import Sequence

BOUNDS = (0.5, 1.0, 5.0, 50.0)


class Pair:
    """A child with its own reader too, to compare with, and its worker."""

    def __init__(self) -> None:
        self.own, self.workers, self.recording = InMemoryMetricReader(), InMemoryMetricReader(), RecordingReader()
        self.child = BoundedMeterProvider([self.own], shutdown_on_exit=False)
        self.child.add_metric_reader(self.recording)
        self.worker = BoundedMeterProvider([self.workers], shutdown_on_exit=False)
        self.meter = self.child.get_meter("shop", "1.0")
        self._recorder = Recorder(self.worker)

    def hand_over(self) -> int:
        taken = pickle.loads(pickle.dumps(self.recording.take()))  # noqa: S301 - as the pipe does
        self._recorder.record(taken)
        return len(taken)

    def points(self) -> tuple[dict[str, Any], dict[str, Any]]:
        return read_points(self.own.get_metrics_data()), read_points(self.workers.get_metrics_data())


numbers = st.floats(0, 1000, allow_nan=False)


class TestHistogram:
    @given(st.lists(st.lists(numbers, min_size=1, max_size=20), min_size=1, max_size=3))
    def test_has_the_same_buckets_and_the_same_sum(self, batches: Sequence[Sequence[float]]) -> None:
        pair = Pair()
        histogram = pair.meter.create_histogram("size", "By", "Size.", explicit_bucket_boundaries_advisory=BOUNDS)
        for batch in batches:
            for value in batch:
                histogram.record(value, {"kind": "text"})
            pair.hand_over()
        own, workers = (points["size"][labels(kind="text")] for points in pair.points())

        assert workers.bucket_counts == own.bucket_counts
        assert workers.explicit_bounds == own.explicit_bounds
        assert workers.sum == pytest.approx(own.sum, rel=1e-9, abs=1e-9)

    @given(numbers)
    def test_of_one_value_is_that_value(self, value: float) -> None:
        pair = Pair()
        pair.meter.create_histogram("size").record(value)
        pair.hand_over()
        point = pair.points()[1]["size"][()]

        assert (point.min, point.max, point.sum) == (value, value, value)

    def test_without_boundaries_of_its_own_is_the_workers(self, caplog: pytest.LogCaptureFixture) -> None:
        pair = Pair()
        for provider in (pair.worker, pair.child):
            provider.get_meter("shop", "1.0").create_histogram("size", "By").record(7)
        pair.hand_over()

        assert pair.points()[1]["size"][()].count == 2
        assert caplog.messages == []

    def test_keeps_its_exemplar(self) -> None:
        pair = Pair()
        histogram = pair.meter.create_histogram("size", explicit_bucket_boundaries_advisory=BOUNDS)
        histogram.record(3.0)
        with TracerProvider(shutdown_on_exit=False).get_tracer("shop").start_as_current_span("send") as span:
            histogram.record(2.0)
        pair.hand_over()
        (exemplar,) = pair.points()[1]["size"][()].exemplars

        assert exemplar.value == 2.0
        assert exemplar.trace_id == span.get_span_context().trace_id
        assert trace.get_current_span() is trace.INVALID_SPAN


class TestOthers:
    @given(st.lists(st.tuples(st.integers(0, 9), st.booleans()), max_size=20))
    def test_counters_add_up_over_every_hand_over(self, events: Sequence[tuple[int, bool]]) -> None:
        pair = Pair()
        counter = pair.meter.create_counter("jobs")
        open_jobs = pair.meter.create_up_down_counter("jobs.open")
        for count, is_handed_over in events:
            counter.add(count, {"kind": "text"})
            open_jobs.add(-count)
            if is_handed_over:
                pair.hand_over()
        pair.hand_over()
        own, workers = pair.points()
        values = {name: sum(point.value for point in series.values()) for name, series in workers.items()}

        assert values.get("jobs", 0) == sum(point.value for point in own.get("jobs", {}).values())
        assert values.get("jobs.open", 0) == -sum(count for count, _ in events)

    def test_a_gauge_is_told_when_it_changes(self) -> None:
        pair = Pair()
        gauge = pair.meter.create_gauge("last.size")
        gauge.set(7)
        assert pair.hand_over() == 1
        assert pair.hand_over() == 0
        pair.worker.get_meter("shop", "1.0").create_gauge("last.size").set(8)

        assert pair.points()[1]["last.size"][()].value == 8

    def test_what_is_observed_stays_the_childs(self) -> None:
        pair = Pair()
        pair.meter.create_observable_counter("cpu.time", [lambda _: [Observation(1)]])
        pair.meter.create_observable_up_down_counter("open", [lambda _: [Observation(1)]])
        pair.meter.create_observable_gauge("load", [lambda _: [Observation(1)]])

        assert pair.hand_over() == 0
