"""What masking makes of metrics: nothing personal, no two points of one series, and names that a backend takes."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from opentelemetry.metrics import Observation
from opentelemetry.sdk.metrics import AlwaysOnExemplarFilter, MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, Metric, MetricsData
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from rows import for_each

from whatsself_otel.masking import Masker
from whatsself_otel.metrics import metric_masking
from whatsself_otel.metrics.metric_masking import Losses, MetricMasker, MetricNames
from whatsself_otel.traces import processors

PHONES = ("+5511987654321", "+5521912344321")
MASKED = "+55********4321"


class Shop:
    """Instruments of an application, read and masked."""

    def __init__(self, *views: View, names: MetricNames | None = None, **options: Any) -> None:
        self.reader = InMemoryMetricReader()
        self.provider = MeterProvider([self.reader], shutdown_on_exit=False, views=views, **options)
        self.meter = self.provider.get_meter("shop")
        self.masker = MetricMasker(Masker(), names or MetricNames())
        self.losses = Losses()

    def masked(self) -> MetricsData:
        data = self.reader.get_metrics_data()
        assert data is not None
        return self.masker.mask(data, self.losses)

    def metrics(self) -> list[Metric]:
        return [metric for scope in self.masked().resource_metrics[0].scope_metrics for metric in scope.metrics]

    def series(self, name: str) -> list[tuple[dict[str, Any], Any]]:
        """Return attributes and value, or count, of every point of the metric *name*."""
        return [
            (dict(point.attributes or {}), getattr(point, "value", getattr(point, "count", None)))
            for metric in self.metrics()
            if metric.name == name
            for point in metric.data.data_points
        ]


@pytest.fixture
def shop() -> Shop:
    return Shop()


class TestSeriesThatMaskingMakesEqual:
    def test_of_a_counter_are_one_with_the_sum(self, shop: Shop) -> None:
        counter = shop.meter.create_counter("sent")
        for amount, phone in enumerate(PHONES, start=3):
            counter.add(amount, {"note": phone})
        assert shop.series("sent") == [({"note": MASKED}, 7)]
        counter.add(10, {"note": PHONES[1]})
        assert shop.series("sent") == [({"note": MASKED}, 17)]

    def test_of_a_histogram_are_one_with_all_counts(self) -> None:
        shop = Shop(View(instrument_name="e", aggregation=ExponentialBucketHistogramAggregation()))
        for name in ("h", "e"):
            histogram = shop.meter.create_histogram(name)
            for phone in PHONES:
                histogram.record(5, {"note": phone})
        assert shop.series("h") == shop.series("e") == [({"note": MASKED}, 2)]

    def test_of_a_gauge_are_one_with_one_value(self, shop: Shop) -> None:
        gauge = shop.meter.create_gauge("g")
        for value, phone in enumerate(PHONES):
            gauge.set(value, {"note": phone})
        assert shop.series("g") == [({"note": MASKED}, 1)]

    def test_of_a_sum_that_may_fall_are_added(self, shop: Shop) -> None:
        counter = shop.meter.create_up_down_counter("u")
        for value, phone in zip((5, -2), PHONES, strict=True):
            counter.add(value, {"note": phone})
        assert shop.series("u") == [({"note": MASKED}, 3)]

    def test_by_their_keys_are_one_too(self, shop: Shop) -> None:
        counter = shop.meter.create_counter("sent")
        for phone in PHONES:
            counter.add(1, {phone: "x"})
        ((_, total),) = shop.series("sent")
        assert total == 2

    def test_of_one_value_by_two_types_are_one(self, shop: Shop) -> None:
        counter = shop.meter.create_counter("answers")
        for code in (200, "200", 404):
            counter.add(1, {"code": code})
        assert shop.series("answers") == [({"code": 200}, 2), ({"code": 404}, 1)]

    def test_of_an_empty_attribute_and_of_none_are_one(self, shop: Shop) -> None:
        counter = shop.meter.create_counter("answers")
        counter.add(1, {"reason": ""})
        counter.add(1)
        assert [total for _, total in shop.series("answers")] == [2]

    def test_stay_apart_where_masking_changes_nothing(self, shop: Shop) -> None:
        counter = shop.meter.create_counter("sent")
        for reason in ("a", "b"):
            counter.add(1, {"reason": reason})
        data = shop.reader.get_metrics_data()
        assert data is not None
        (original,) = data.resource_metrics[0].scope_metrics[0].metrics
        (masked,) = shop.masker.mask(data, shop.losses).resource_metrics[0].scope_metrics[0].metrics
        assert masked is original


class TestOneNameInPrometheus:
    def test_of_two_meters_keeps_the_firsts_series_and_tells_the_seconds_apart(
        self, shop: Shop, caplog: pytest.LogCaptureFixture
    ) -> None:
        shop.meter.create_counter("sent").add(1)
        shop.provider.get_meter("other").create_counter("sent").add(5, {"k": "v"})
        for _ in range(2):
            assert shop.series("sent") == [({}, 1), ({"k": "v", "otel.scope.name": "other"}, 5)]
        assert [record.levelno for record in caplog.records] == [logging.WARNING]
        assert "sent of the meter other" in caplog.text

    def test_of_two_versions_of_a_meter_is_told_apart_by_the_version(self, shop: Shop) -> None:
        for version in ("1", "2", "3"):
            shop.provider.get_meter("library", version).create_counter("sent").add(int(version))
        assert [attributes.get("otel.scope.version") for attributes, _ in shop.series("sent")] == [None, None, "3"]
        assert len({frozenset(attributes.items()) for attributes, _ in shop.series("sent")}) == 3

    def test_of_two_metrics_of_a_meter_is_told_apart_too(self, shop: Shop) -> None:
        names = ("a.b", "a_b", "a-b")
        for name in names:
            shop.meter.create_counter(name).add(1)
        found = [frozenset(attributes.items()) for name in names for attributes, _ in shop.series(name)]
        assert len(set(found)) == 3

    def test_that_a_histogram_takes_for_its_count_is_taken(self, shop: Shop) -> None:
        shop.meter.create_histogram("wait").record(1)
        shop.meter.create_gauge("wait.count").set(5)
        ((attributes, _),) = shop.series("wait.count")
        assert attributes

    def test_is_told_apart_alike_by_all_readers(self, shop: Shop) -> None:
        names = MetricNames()
        first, second = MetricMasker(Masker(), names), MetricMasker(Masker(), names)
        shop.meter.create_counter("sent").add(1)
        shop.provider.get_meter("other").create_counter("sent").add(5)
        for shop.masker in (first, second, first):
            assert [attributes for attributes, _ in shop.series("sent")] == [{}, {"otel.scope.name": "other"}]

    def test_of_one_instrument_made_twice_is_one_metric(self, shop: Shop) -> None:
        shop.meter.create_counter("sent", description="a").add(1)
        shop.meter.create_counter("sent", description="b").add(2)
        assert shop.series("sent") == [({}, 3)]


class TestNames:
    def test_that_prometheus_refuses_or_overwrites_are_replaced(self, shop: Shop) -> None:
        found = {"имя": "a", "__type__": "b", "job": "c", "http.route": "/d"}
        shop.meter.create_counter("sent").add(1, found)
        ((attributes, _),) = shop.series("sent")
        expected = {"key_u438_u43c_u44f_": "a", "key___type__": "b", "exported_job": "c", "http.route": "/d"}
        assert attributes == expected

    def test_do_not_overwrite_one_another(self, shop: Shop) -> None:
        shop.meter.create_counter("sent").add(1, {"job": "a", "exported_job": "b"})
        ((attributes, _),) = shop.series("sent")
        assert attributes == {"exported_exported_job": "a", "exported_job": "b"}

    def test_of_metrics_and_of_the_resource_are_replaced_too(self) -> None:
        shop = Shop(View(instrument_name="sent", name="заказы"), resource=Resource({"город": "x", "service.name": "s"}))
        shop.meter.create_counter("sent").add(1)
        (resource,) = shop.masked().resource_metrics
        assert dict(resource.resource.attributes) == {"key_u433_u43e_u440_u43e_u434_": "x", "service.name": "s"}
        assert [metric.name for metric in shop.metrics()] == ["metric_u437_u430_u43a_u430_u437_u44b_"]


class TestPersonalData:
    def test_of_every_place_is_masked(self) -> None:
        shop = Shop(
            View(instrument_name="sent", attribute_keys={"kept"}),
            exemplar_filter=AlwaysOnExemplarFilter(),
        )
        meter = shop.provider.get_meter(f"meter of {PHONES[0]}", attributes={"note": PHONES[0]})
        counter = meter.create_counter("sent", description=f"of {PHONES[0]}")
        with TracerProvider(shutdown_on_exit=False).get_tracer("t").start_as_current_span("s"):
            counter.add(1, {"kept": PHONES[0], "gone": PHONES[1]})
        meter.create_counter(f"of.{PHONES[0][1:]}").add(1)
        masked = shop.masked()
        assert "98765" not in repr(masked)
        assert "91234" not in repr(masked)
        point: Any = masked.resource_metrics[0].scope_metrics[0].metrics[0].data.data_points[0]
        assert point.exemplars[0].filtered_attributes == {"gone": MASKED}


class TestOneBadPoint:
    def test_costs_itself_only_where_masking_fails(self, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
        mask = processors.mask_attributes

        def fail(attributes: Any, masker: Masker) -> Any:
            if attributes == {"k": "bad"}:
                raise RuntimeError
            return mask(attributes, masker)

        monkeypatch.setattr(metric_masking, "mask_attributes", fail)
        counter = shop.meter.create_counter("sent")
        for value in ("good", "bad"):
            counter.add(1, {"k": value})
        shop.meter.create_counter("other").add(1)
        assert shop.series("sent") == [({"k": "good"}, 1)]
        assert (shop.losses.points, shop.losses.last) == (1, "RuntimeError in sent")
        assert shop.series("other") == [({}, 1)]

    @for_each("failing, lost", [("safe_metric", 3), ("mask_scope", 3)])
    def test_costs_its_metric_or_meter_where_their_names_fail(
        self, failing: str, lost: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        shop = Shop()

        def fail(*_: object) -> Any:
            raise RuntimeError

        shop.meter.create_counter("a").add(1)
        assert shop.series("a")
        monkeypatch.setattr(metric_masking, failing, fail)
        observed = [Observation(1, {"k": number}) for number in range(3)]
        shop.provider.get_meter("other").create_observable_gauge("b", [lambda _: observed])
        assert shop.series("a") == [({}, 1)]
        assert shop.losses.points == lost
