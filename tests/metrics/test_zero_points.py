"""Every new cumulative series is exported with a zero point before its first value, once."""

from __future__ import annotations

import logging
import math
import os
import time
from dataclasses import replace
from typing import Any

import pytest
from opentelemetry.metrics import Observation
from opentelemetry.sdk.metrics import Counter, MeterProvider
from opentelemetry.sdk.metrics import Histogram as HistogramInstrument
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    InMemoryMetricReader,
    Metric,
    MetricExportResult,
    MetricsData,
    PeriodicExportingMetricReader,
)
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View
from otlp_sink import run_sink
from rows import for_each

from whatsself_otel import TelemetryConfig
from whatsself_otel.export.exporters import build_metric_sender
from whatsself_otel.export.metric_exporter import GuardedMetricExporter, Preferences
from whatsself_otel.export.otlp import ExportResult
from whatsself_otel.masking import Masker
from whatsself_otel.metrics.cardinality import BoundedMeterProvider
from whatsself_otel.metrics.metric_masking import Losses, MetricMasker, MetricNames
from whatsself_otel.metrics.zero_points import ZeroPoints

MILLISECOND_NS = 1_000_000


def metrics_of(data: MetricsData) -> list[Metric]:
    return [
        metric for resource in data.resource_metrics for scope in resource.scope_metrics for metric in scope.metrics
    ]


def at(line: Line, name: str, start_ns: int, time_ns: int) -> MetricsData:
    """Collect, with other times on the points of the metric *name*."""
    data = line.reader.get_metrics_data()
    assert data is not None
    for metric in metrics_of(data):
        if metric.name == name:
            points: Any = metric.data.data_points
            points[:] = [replace(point, start_time_unix_nano=start_ns, time_unix_nano=time_ns) for point in points]
    return data


class Recorder:
    """Keeps the exported data at the edge of the process, where a network would only cost time."""

    def __init__(self, temporality: dict[type, AggregationTemporality] | None = None) -> None:
        self.preferences: Preferences = (temporality or {}, {})
        self.exports: list[MetricsData] = []
        self.results: list[ExportResult] = []
        """Of the next posts; then all arrive."""

    def encode(self, data: MetricsData, losses: Losses) -> MetricsData:
        del losses
        return data

    def post(self, encoded: MetricsData, on_retry: object) -> ExportResult:
        del on_retry
        self.exports.append(encoded)
        return self.results.pop(0) if self.results else ExportResult()

    def close(self) -> None:
        """Nothing to close."""


class Line:
    """From an instrument to the sender, one export at a time."""

    def __init__(
        self,
        views: tuple[View, ...] = (),
        temporality: dict[type, AggregationTemporality] | None = None,
        **options: Any,
    ) -> None:
        self.reader = InMemoryMetricReader(preferred_temporality=temporality)
        self.provider = BoundedMeterProvider([self.reader], shutdown_on_exit=False, views=views)
        self.meter = self.provider.get_meter("test")
        self.recorder = Recorder(temporality)
        self.exporter = GuardedMetricExporter(self.recorder, MetricMasker(Masker(), MetricNames()))
        self.exporter._zero_points = self.zero_points = ZeroPoints(**options)

    def export(self) -> dict[str, list[Any]]:
        """Export once; return the data points sent, by metric."""
        data = self.reader.get_metrics_data()
        assert data is not None
        return self.export_data(data)

    def export_data(self, data: MetricsData) -> dict[str, list[Any]]:
        """Export *data*; return the data points sent, by metric."""
        self.exporter.export(data)
        return {metric.name: list(metric.data.data_points) for metric in metrics_of(self.recorder.exports[-1])}


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

    def test_gets_one_for_attribute_values_that_prometheus_takes_for_one(self, line: Line) -> None:
        counter = line.meter.create_counter("c")
        exports = []
        for value in (1, "1", 1.0):
            counter.add(1, {"k": value})
            exports.append([point.value for point in line.export()["c"]])
        assert exports == [[0, 1], [2], [3]]

    def test_observed_by_a_callback_gets_one_too(self, line: Line) -> None:
        line.meter.create_observable_counter("c", [lambda _: [Observation(7)]])
        assert [point.value for point in line.export()["c"]] == [0, 7]
        assert [point.value for point in line.export()["c"]] == [7]

    @for_each(
        "error",
        [
            "ConnectionRefusedError while connecting",
            "TimeoutError while connecting",
            "ConnectionResetError while sending",
            "ConnectionRefusedError",
            "TLS: expired",
            "HTTP 401",
            "gRPC UNAUTHENTICATED",
        ],
    )
    def test_is_not_born_with_an_export_that_cannot_have_arrived(self, error: str) -> None:
        line = Line()
        line.meter.create_counter("c").add(3)
        line.recorder.results = [ExportResult(error=error)]
        line.export()
        assert [point.value for point in line.export()["c"]] == [0, 3]
        assert [point.value for point in line.export()["c"]] == [3]

    @for_each(
        "result",
        [
            ExportResult(rejected=1),
            ExportResult(error="TimeoutError while waiting for the answer"),
            ExportResult(error="RemoteDisconnected while waiting for the answer"),
            ExportResult(error="HTTP 503"),
            ExportResult(error="gRPC DEADLINE_EXCEEDED"),
        ],
        ids=lambda result: result.error or "one point rejected",
    )
    def test_is_born_once_with_an_export_that_may_have_arrived(self, result: ExportResult) -> None:
        line = Line()
        line.meter.create_counter("c").add(3)
        line.recorder.results = [result] * 10
        assert [[point.value for point in line.export()["c"]] for _ in range(10)] == [[0, 3]] + 9 * [[3]]

    def test_is_born_with_the_first_of_two_tries_that_may_have_arrived(self, line: Line) -> None:
        line.meter.create_counter("c").add(3)
        refused = ExportResult(error="ConnectionRefusedError while connecting", may_have_arrived_before=True)
        line.recorder.results = [refused]
        assert [point.value for point in line.export()["c"]] == [0, 3]
        assert [point.value for point in line.export()["c"]] == [3]

    def test_that_is_gone_for_a_while_is_not_born_again(self, line: Line) -> None:
        present = [True]
        line.meter.create_counter("other").add(1)
        line.meter.create_observable_counter("c", [lambda _: [Observation(7)] if present[0] else []])
        assert [point.value for point in line.export()["c"]] == [0, 7]
        present[0] = False
        assert "c" not in line.export()
        present[0] = True
        assert [point.value for point in line.export()["c"]] == [7]


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

    def test_can_be_sent(self) -> None:
        line = Line(views=(View(instrument_name="e", aggregation=ExponentialBucketHistogramAggregation()),))
        line.meter.create_histogram("e").record(1.5)
        line.meter.create_histogram("h").record(1.5)
        line.meter.create_counter("c").add(1)
        data = line.reader.get_metrics_data()
        assert data is not None
        with run_sink() as sink:
            sender = build_metric_sender(TelemetryConfig(endpoint=sink.url))
            assert sender is not None
            exporter = GuardedMetricExporter(sender, MetricMasker(Masker(), MetricNames()))
            assert exporter.export(data) is MetricExportResult.SUCCESS
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

    def test_lies_no_earlier_than_the_last_export(self, line: Line) -> None:
        """Its series may be older: the SDK's clock is not ours."""
        line.meter.create_counter("other").add(1)
        last_ns = line.export()["other"][-1].time_unix_nano
        line.meter.create_counter("c").add(1)
        sent = line.export_data(at(line, "c", last_ns - 50 * MILLISECOND_NS, last_ns + 50 * MILLISECOND_NS))
        assert [point.time_unix_nano - last_ns for point in sent["c"]] == [0, 50 * MILLISECOND_NS]

    def test_is_left_out_when_the_clock_was_set_back(self, line: Line) -> None:
        line.meter.create_counter("other").add(1)
        last_ns = line.export()["other"][-1].time_unix_nano
        line.meter.create_counter("c").add(1)
        sent = line.export_data(at(line, "c", last_ns - 90 * MILLISECOND_NS, last_ns - 50 * MILLISECOND_NS))
        assert [point.value for point in sent["c"]] == [1]


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
        assert len(line.zero_points._born) == 10

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
    @pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
    def test_a_forked_child_has_series_of_its_own(self, line: Line) -> None:
        counter = line.meter.create_counter("c")
        counter.add(1)
        line.export()
        pid = os.fork()
        if pid == 0:
            counter.add(1)
            os._exit(0 if [point.value for point in line.export()["c"]] == [0, 1] else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_the_senders_temporality_is_kept() -> None:
    recorder = Recorder({Counter: AggregationTemporality.DELTA})
    exporter = GuardedMetricExporter(recorder, MetricMasker(Masker(), MetricNames()))
    reader = PeriodicExportingMetricReader(exporter, export_interval_millis=math.inf)
    MeterProvider([reader], shutdown_on_exit=False).get_meter("m").create_counter("c").add(1)
    reader.collect()
    (metric,) = metrics_of(recorder.exports[0])
    data: Any = metric.data
    assert data.aggregation_temporality is AggregationTemporality.DELTA
