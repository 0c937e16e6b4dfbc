"""Every new cumulative series is exported with a zero point before its first value, once."""

from __future__ import annotations

import logging
import math
import os
import time
from typing import Any

import pytest
from opentelemetry.sdk.metrics import Counter, MeterProvider
from opentelemetry.sdk.metrics import Histogram as HistogramInstrument
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    InMemoryMetricReader,
    MetricExporter,
    MetricExportResult,
    MetricsData,
    PeriodicExportingMetricReader,
)
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View
from otlp_sink import run_sink

from whatsself_otel.birth import BirthExporter
from whatsself_otel.export import build_metric_exporter
from whatsself_otel.masking import Masker
from whatsself_otel.metric_export import Preferences

MILLISECOND_NS = 1_000_000


class Recorder(MetricExporter):
    """Keeps what it is given: the edge of the process, where a network exporter would only make it slower."""

    def __init__(self, temporality: dict[type, AggregationTemporality] | None = None) -> None:
        super().__init__(preferred_temporality=temporality)
        self.preferences: Preferences = temporality or {}, {}
        self.exports: list[MetricsData] = []
        self.result = MetricExportResult.SUCCESS
        self.calls: list[str] = []

    def export(self, metrics_data: MetricsData, timeout_millis: float = 10_000, **_: Any) -> MetricExportResult:
        del timeout_millis
        self.exports.append(metrics_data)
        return self.result

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        del timeout_millis
        self.calls.append("force_flush")
        return True

    def shutdown(self, timeout_millis: float = 30_000, **_: Any) -> None:
        del timeout_millis
        self.calls.append("shutdown")


class Line:
    """From an instrument to the exporter, one export at a time."""

    def __init__(
        self,
        views: tuple[View, ...] = (),
        temporality: dict[type, AggregationTemporality] | None = None,
        **options: Any,
    ) -> None:
        self.reader = InMemoryMetricReader(preferred_temporality=temporality)
        self.provider = MeterProvider([self.reader], shutdown_on_exit=False, views=views)
        self.meter = self.provider.get_meter("test")
        self.recorder = Recorder()
        self.exporter = BirthExporter(self.recorder, **options)

    def export(self) -> dict[str, list[Any]]:
        """Export once; return the data points sent, by metric."""
        data = self.reader.get_metrics_data()
        assert data is not None
        self.exporter.export(data)
        (resource,) = self.recorder.exports[-1].resource_metrics
        return {
            metric.name: list(metric.data.data_points) for scope in resource.scope_metrics for metric in scope.metrics
        }


@pytest.fixture
def line() -> Line:
    return Line()


class TestACounter:
    def test_born_with_a_value_gets_a_zero_point_before_it(self, line: Line) -> None:
        line.meter.create_counter("c").add(3, {"k": "v"})
        zero, first = line.export()["c"]
        assert (zero.value, first.value) == (0, 3)
        assert zero.attributes == first.attributes == {"k": "v"}
        assert zero.time_unix_nano <= first.time_unix_nano - MILLISECOND_NS
        assert zero.start_time_unix_nano <= zero.time_unix_nano

    def test_gets_it_once(self, line: Line) -> None:
        counter = line.meter.create_counter("c")
        counter.add(3)
        line.export()
        counter.add(1)
        assert [point.value for point in line.export()["c"]] == [4]

    def test_born_at_zero_needs_none(self, line: Line) -> None:
        counter = line.meter.create_counter("c")
        counter.add(0)
        assert [point.value for point in line.export()["c"]] == [0]
        counter.add(1)
        assert [point.value for point in line.export()["c"]] == [1]

    def test_gets_one_for_each_new_attribute_set(self, line: Line) -> None:
        counter = line.meter.create_counter("c")
        counter.add(1, {"k": "a"})
        line.export()
        counter.add(1, {"k": "b"})
        points = [(dict(point.attributes), point.value) for point in line.export()["c"]]
        assert points == [({"k": "b"}, 0), ({"k": "a"}, 1), ({"k": "b"}, 1)]

    def test_attribute_values_of_different_types_are_different_series(self, line: Line) -> None:
        counter = line.meter.create_counter("c")
        births = []
        for value in (1, "1", True):
            counter.add(1, {"k": value})
            births.append([point.value for point in line.export()["c"]].count(0))
        assert births == [1, 1, 1]

    def test_observed_by_a_callback_gets_one_too(self, line: Line) -> None:
        from opentelemetry.metrics import Observation

        line.meter.create_observable_counter("c", [lambda _: [Observation(7)]])
        assert [point.value for point in line.export()["c"]] == [0, 7]
        assert [point.value for point in line.export()["c"]] == [7]

    def test_an_export_that_failed_gave_no_birth(self, line: Line) -> None:
        line.meter.create_counter("c").add(3)
        line.recorder.result = MetricExportResult.FAILURE
        line.export()
        line.recorder.result = MetricExportResult.SUCCESS
        assert [point.value for point in line.export()["c"]] == [0, 3]
        assert [point.value for point in line.export()["c"]] == [3]


class TestAHistogram:
    def test_gets_empty_buckets(self, line: Line) -> None:
        histogram = line.meter.create_histogram("h", explicit_bucket_boundaries_advisory=[1, 2])
        histogram.record(1.5)
        zero, first = line.export()["h"]
        assert (zero.count, zero.sum, list(zero.bucket_counts), list(zero.explicit_bounds)) == (0, 0, [0, 0, 0], [1, 2])
        assert (first.count, list(first.bucket_counts)) == (1, [0, 1, 0])

    def test_of_exponential_buckets_too(self) -> None:
        line = Line(views=(View(instrument_name="h", aggregation=ExponentialBucketHistogramAggregation()),))
        line.meter.create_histogram("h").record(1.5)
        zero, first = line.export()["h"]
        assert (zero.count, zero.zero_count, list(zero.positive.bucket_counts)) == (0, 0, [])
        assert first.count == 1

    def test_the_official_exporter_can_send_it(self) -> None:
        from whatsself_otel import TelemetryConfig

        line = Line(views=(View(instrument_name="e", aggregation=ExponentialBucketHistogramAggregation()),))
        line.meter.create_histogram("e").record(1.5)
        line.meter.create_histogram("h").record(1.5)
        line.meter.create_counter("c").add(1)
        data = line.reader.get_metrics_data()
        assert data is not None
        with run_sink() as sink:
            exporter = build_metric_exporter(TelemetryConfig(endpoint=sink.url), Masker())
            assert exporter is not None
            assert BirthExporter(exporter).export(data) is MetricExportResult.SUCCESS
            received = sink.metrics()
            exporter.shutdown()
        assert [point.count for point in received["h"][0].histogram.data_points] == [0, 1]
        assert not received["h"][0].histogram.data_points[0].HasField("min")
        assert [point.count for point in received["e"][0].exponential_histogram.data_points] == [0, 1]
        assert [point.as_int for point in received["c"][0].sum.data_points] == [0, 1]


class TestOthersAreLeftAlone:
    def test_gauges_and_sums_that_may_fall(self, line: Line) -> None:
        line.meter.create_gauge("g").set(5)
        line.meter.create_up_down_counter("u").add(5)
        points = line.export()
        assert [point.value for point in points["g"]] == [5]
        assert [point.value for point in points["u"]] == [5]

    def test_deltas(self) -> None:
        delta = AggregationTemporality.DELTA
        line = Line(temporality={Counter: delta, HistogramInstrument: delta})
        line.meter.create_counter("c").add(5)
        line.meter.create_histogram("h").record(5)
        points = line.export()
        assert [point.value for point in points["c"]] == [5]
        assert [point.count for point in points["h"]] == [1]


class TestTheZeroPoint:
    def test_lies_at_the_birth_of_the_series(self, line: Line) -> None:
        line.meter.create_counter("c").add(1)
        born_ns = time.time_ns()
        time.sleep(0.02)
        zero, first = line.export()["c"]
        assert zero.time_unix_nano <= born_ns < first.time_unix_nano
        assert born_ns - zero.time_unix_nano < 1e9

    def test_lies_no_earlier_than_a_backend_takes(self) -> None:
        line = Line(max_age_s=0.005)
        line.meter.create_counter("c").add(1)
        time.sleep(0.05)
        zero, first = line.export()["c"]
        assert first.time_unix_nano - zero.time_unix_nano == 5 * MILLISECOND_NS


class TestBounds:
    def test_series_past_the_limit_are_exported_without_a_zero_point_which_is_said_once(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        line = Line(max_series=10)
        counter = line.meter.create_counter("c")
        for number in range(25):
            counter.add(1, {"k": number})
        with caplog.at_level(logging.WARNING):
            first = [point.value for point in line.export()["c"]]
            again = [point.value for point in line.export()["c"]]
        assert (first.count(0), first.count(1)) == (10, 25)
        assert again == [1] * 25
        assert len(caplog.records) == 1
        assert len(line.exporter._born) == 10

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
    @pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
    def test_a_forked_child_has_series_of_its_own(self, line: Line) -> None:
        line.meter.create_counter("c").add(1)
        line.export()
        pid = os.fork()
        if pid == 0:
            os._exit(0 if [point.value for point in line.export()["c"]] == [0, 1] else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_flush_and_shutdown_reach_the_exporter(line: Line) -> None:
    assert line.exporter.force_flush(5)
    line.exporter.shutdown()
    assert line.recorder.calls == ["force_flush", "shutdown"]


def test_the_exporters_temporality_is_kept() -> None:
    recorder = Recorder({Counter: AggregationTemporality.DELTA})
    reader = PeriodicExportingMetricReader(BirthExporter(recorder), export_interval_millis=math.inf)
    MeterProvider([reader], shutdown_on_exit=False).get_meter("m").create_counter("c").add(1)
    reader.collect()
    (metric,) = recorder.exports[0].resource_metrics[0].scope_metrics[0].metrics
    data: Any = metric.data
    assert data.aggregation_temporality is AggregationTemporality.DELTA
