"""The metric exporter never raises, one bad point costs only itself, and every loss is counted and reported."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest
from opentelemetry import metrics
from opentelemetry.metrics import Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, MetricExportResult, MetricsData
from otlp_sink import Sink

from whatsself_otel import Telemetry
from whatsself_otel.export.metric_exporter import GuardedMetricExporter, Preferences
from whatsself_otel.export.otlp import ExportResult
from whatsself_otel.masking import Masker
from whatsself_otel.metrics.metric_masking import Losses, MetricMasker, MetricNames

Start = Callable[..., Telemetry]
TOO_LARGE = 2**63


def meter() -> Any:
    return metrics.get_meter("shop")


class TestAnIntegerBeyond64Bits:
    @pytest.mark.parametrize("kind", ["observed gauge", "observed counter", "sum of a counter"])
    def test_costs_its_own_point_only_and_is_counted(self, sink: Sink, start: Start, kind: str) -> None:
        telemetry = start(endpoint=sink.url, metric_interval_s=600)
        if kind == "sum of a counter":
            meter().create_counter("shop.total").add(TOO_LARGE, {"k": "bad"})
            meter().create_counter("shop.total").add(1, {"k": "good"})
        else:
            create = meter().create_observable_gauge if "gauge" in kind else meter().create_observable_counter
            both = [Observation(TOO_LARGE, {"k": "bad"}), Observation(1, {"k": "good"})]
            create("shop.total", [lambda _: both])
        telemetry.metrics.message_inbound()
        telemetry.force_flush(10)
        received = sink.metrics()
        points = [*received["shop.total"][0].gauge.data_points, *received["shop.total"][0].sum.data_points]
        assert [point.attributes[0].value.string_value for point in points if point.as_int] == ["good"]
        assert "messages.inbound" in received
        health = telemetry.health()
        status = health.signals["metrics"]
        assert status["dropped"] >= 1
        assert status["exported"] > 10
        assert status["last_error"] == "not encodable: error in shop.total"
        assert not health.ok

    def test_is_counted_with_its_reason(self, sink: Sink, start: Start) -> None:
        telemetry = start(endpoint=sink.url, metric_interval_s=600)
        meter().create_observable_gauge("shop.total", [lambda _: [Observation(TOO_LARGE)]])
        for _ in range(2):
            telemetry.force_flush(10)
        points = sink.metrics()["telemetry.dropped_items"][-1].sum.data_points
        counted = {
            tuple(pair.value.string_value for pair in point.attributes): point.as_int
            for point in points
            if point.as_int
        }
        assert counted == {("metrics", "not_encodable"): 1}

    def test_and_one_that_is_too_large_leave_the_rest(self, sink: Sink, start: Start) -> None:
        telemetry = start(endpoint=sink.url, metric_interval_s=600)
        meter().create_counter("shop.total").add(1, {str(number): "x" * 50_000 for number in range(11)})
        telemetry.force_flush(10)
        telemetry.force_flush(10)
        assert "shop.total" not in sink.metrics()
        assert sink.total("telemetry.dropped_items", signal="metrics", reason="too_large") >= 1
        assert telemetry.health().signals["metrics"]["last_error"] == "1 points were too large"

    def test_in_an_exemplar_costs_the_exemplar_only(self, sink: Sink, start: Start) -> None:
        telemetry = start(endpoint=sink.url, metric_interval_s=600)
        counter = meter().create_counter("shop.total")
        with telemetry.tracer.start_as_current_span("s"):
            counter.add(TOO_LARGE)
        histogram = meter().create_histogram("shop.size")
        with telemetry.tracer.start_as_current_span("s"):
            histogram.record(TOO_LARGE)
        telemetry.force_flush(10)
        (point, *_) = [each for each in sink.metrics()["shop.size"][0].histogram.data_points if each.count]
        assert (point.count, len(point.exemplars)) == (1, 0)
        assert telemetry.health().signals["metrics"]["dropped"] >= 1


class TestWhenNothingLeaves:
    def test_health_is_red_and_the_flush_false(self, sink: Sink, start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
        from whatsself_otel.export.encoding import Encoder

        def fail(*_: object) -> bytes:
            raise ZeroDivisionError

        monkeypatch.setattr(Encoder, "_metric", fail)
        telemetry = start(endpoint=sink.url, metric_interval_s=600)
        telemetry.metrics.message_inbound()
        assert not telemetry.force_flush(10)
        health = telemetry.health()
        status = health.signals["metrics"]
        assert (health.ok, status["exported"], status["last_success_age_s"]) == (False, 0, None)
        assert status["dropped"] > 10
        assert status["last_error"] == "not encodable: ZeroDivisionError"
        assert any("metrics" in problem for problem in health.problems)

    def test_a_collector_that_is_away_makes_the_flush_false(self, start: Start) -> None:
        telemetry = start(endpoint="http://127.0.0.1:9", metric_interval_s=600, traces_exporter="none")
        telemetry.metrics.message_inbound()
        assert not telemetry.force_flush(10)


class Partly:
    """Refuses what its test says."""

    preferences: Preferences = ({}, {})

    def __init__(self, *results: ExportResult) -> None:
        self.results = list(results)
        self.posted: list[MetricsData] = []

    def encode(self, data: MetricsData, losses: Losses) -> MetricsData:
        del losses
        return data

    def post(self, encoded: MetricsData, on_retry: Callable[[str], object]) -> ExportResult:
        self.on_retry = on_retry
        self.posted.append(encoded)
        return self.results.pop(0)

    def close(self) -> None:
        self.results.clear()


class Long(Partly):
    """Makes 2 MB of each metric."""

    def encode(self, data: MetricsData, losses: Losses) -> Any:
        del losses
        return bytes(
            2_000_000 * sum(len(scope.metrics) for each in data.resource_metrics for scope in each.scope_metrics)
        )

    @property
    def sizes(self) -> list[int]:
        """How long each request was."""
        return [len(cast("bytes", each)) for each in self.posted]


def collect(*names: str) -> MetricsData:
    reader = InMemoryMetricReader()
    of_test = MeterProvider([reader], shutdown_on_exit=False).get_meter("m")
    for name in names:
        of_test.create_gauge(name).set(1)
    data = reader.get_metrics_data()
    assert data is not None
    return data


def exporter(sender: Partly) -> tuple[GuardedMetricExporter, list[tuple[str, int]], list[tuple[str, int]]]:
    dropped: list[tuple[str, int]] = []
    retried: list[tuple[str, int]] = []
    made = GuardedMetricExporter(
        sender,
        MetricMasker(Masker(), MetricNames()),
        lambda reason, count: dropped.append((reason, count)),
        lambda reason, count: retried.append((reason, count)),
    )
    return made, dropped, retried


class TestCounting:
    def test_what_a_partial_success_rejects_is_lost_and_the_rest_delivered(self) -> None:
        made, dropped, _ = exporter(Partly(ExportResult(rejected=1)))
        assert made.export(collect("a", "b", "c")) is MetricExportResult.SUCCESS
        assert (made.counts.exported, dropped, made.counts.last_error) == (
            2,
            [("rejected", 1)],
            "1 points were rejected",
        )

    def test_a_second_try_is_counted(self) -> None:
        sender = Partly(ExportResult())
        made, dropped, retried = exporter(sender)
        assert made.export(collect("a", "b")) is MetricExportResult.SUCCESS
        sender.on_retry("unavailable")
        assert (made.counts.exported, made.counts.retried, dropped, retried) == (2, 1, [], [("unavailable", 2)])

    def test_what_is_too_large_is_sent_in_halves(self) -> None:
        sender = Partly(ExportResult(error="HTTP 413", too_large=True), ExportResult(), ExportResult())
        made, dropped, _ = exporter(sender)
        assert made.export(collect("a", "b", "c")) is MetricExportResult.SUCCESS
        assert (made.counts.exported, dropped, len(sender.posted)) == (3, [], 3)

    def test_what_is_long_is_sent_in_halves_at_once(self) -> None:
        """The collector answers 400 to what it finds too long, and so does not ask for less."""
        sender = Long(ExportResult(), ExportResult())
        made, dropped, _ = exporter(sender)
        assert made.export(collect("a", "b")) is MetricExportResult.SUCCESS
        assert (made.counts.exported, dropped, sender.sizes) == (2, [], [2_000_000, 2_000_000])

    def test_halves_that_are_all_refused_are_no_success(self) -> None:
        results = [ExportResult(error="HTTP 413", too_large=True)] * 3
        made, dropped, _ = exporter(Partly(*results))
        assert made.export(collect("a", "b")) is MetricExportResult.FAILURE
        assert (made.counts.exported, dropped, made.force_flush()) == (0, [("too_large", 2)], False)
        assert made.counts.last_success_s is None

    def test_a_sender_that_raises_loses_its_points_and_says_so(self) -> None:
        made, dropped, _ = exporter(Partly())
        assert made.export(collect("a", "b")) is MetricExportResult.FAILURE
        assert (dropped, made.counts.last_error) == ([("not_encodable", 2)], "not encodable: IndexError")

    def test_shutdown_closes_the_sender(self) -> None:
        sender = Partly(ExportResult())
        exporter(sender)[0].shutdown()
        assert sender.results == []
