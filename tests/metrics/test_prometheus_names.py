"""The names of Prometheus' OTLP receiver; tests/backends/test_names_in_prometheus.py asks the receiver itself."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from rows import for_each

from whatsself_otel.catalogue import Kind
from whatsself_otel.metrics.prometheus_names import (
    prometheus_label,
    prometheus_labels,
    prometheus_name,
    safe_attribute,
    safe_metric,
)


class TestMetrics:
    @for_each(
        "name, unit, kind, expected",
        [
            ("messages.outbound", "{message}", Kind.COUNTER, "messages_outbound_total"),
            ("requests.total", "1", Kind.COUNTER, "requests_total"),
            ("queue.depth", "1", Kind.GAUGE, "queue_depth_ratio"),
            ("queue.depth", "1", None, "queue_depth"),
            ("queue.depth", "{message}", Kind.GAUGE, "queue_depth"),
            ("http.server.request.duration", "s", Kind.HISTOGRAM, "http_server_request_duration_seconds"),
            ("lag_seconds", "s", Kind.GAUGE, "lag_seconds"),
            ("response.size", "By", Kind.HISTOGRAM, "response_size_bytes"),
            ("cpu", "%", Kind.GAUGE, "cpu_percent"),
            ("5xx.answers", "", Kind.COUNTER, "_5xx_answers_total"),
            ("a..b__c", "", Kind.GAUGE, "a_b_c"),
            ("disk.read", "By/s", Kind.GAUGE, "disk_read_bytes_per_second"),
            ("room", "Cel", Kind.GAUGE, "room_celsius"),
            ("age", "d", Kind.GAUGE, "age_days"),
            ("sent", "{message}/min", Kind.GAUGE, "sent_per_min"),
            ("sent", "By/{message}", Kind.GAUGE, "sent_bytes"),
            ("yard", "m²", Kind.GAUGE, "yard_m_"),
            ("area", "m²/s", Kind.GAUGE, "area_m_per_second"),
        ],
    )
    def test_are_called_as_by_the_receiver(self, name: str, unit: str, kind: Kind | None, expected: str) -> None:
        assert expected == prometheus_name(name, unit=unit, kind=kind)

    def test_of_no_latin_letter_get_one(self) -> None:
        assert safe_metric("заказы") == "metric_u437_u430_u43a_u430_u437_u44b_"
        assert safe_metric("queue.depth") == "queue.depth"


class TestLabels:
    @for_each(
        "name, expected",
        [
            ("http.route", "http_route"),
            ("triggerId", "triggerId"),
            ("9lives", "key_9lives"),
            ("a-b", "a_b"),
            ("_own", "key_own"),
            ("situação", "situa__o"),
        ],
    )
    def test_are_called_as_by_the_receiver(self, name: str, expected: str) -> None:
        assert expected == prometheus_label(name)

    @for_each(
        "attributes, expected",
        [
            ({"a.b": "x", "a_b": "y"}, {"a_b": "x;y"}),
            ({"k": ""}, {}),
            ({"k": None}, {}),
            ({"k": True}, {"k": "true"}),
            ({"k": 1.0}, {"k": "1"}),
            ({"k": 1e21}, {"k": "1e+21"}),
            ({"k": 1.5e-7}, {"k": "1.5e-7"}),
            ({"k": 123456789012345680.0}, {"k": "123456789012345680"}),
            ({"k": b"abc"}, {"k": "YWJj"}),
            ({"k": ("a", 1, 2.0, True, None)}, {"k": '["a",1,2,true,null]'}),
            ({"k": ("<b>\u2028",)}, {"k": '["<b>\\u2028"]'}),
            ({"k": "\ud800"}, {"k": "?"}),
        ],
    )
    def test_hold_what_the_receiver_puts_into_them(self, attributes: dict[str, Any], expected: dict[str, str]) -> None:
        assert prometheus_labels(attributes) == expected


class TestSafeNames:
    @for_each(
        "name, expected",
        [
            ("http.route", "http.route"),
            ("situação", "situação"),
            ("имя", "key_u438_u43c_u44f_"),
            ("имя.a", "key_u438_u43c_u44f_.a"),
            ("__name__", "key___name__"),
            ("..x", "key_..x"),
            ("job", "exported_job"),
            ("instance", "exported_instance"),
            ("le", "exported_le"),
        ],
    )
    def test_are_others_only_where_prometheus_would_refuse_or_overwrite_them(self, name: str, expected: str) -> None:
        assert safe_attribute(name) == expected

    @given(st.text(st.characters(exclude_categories=["Cs"]), max_size=8))
    def test_are_always_labels_that_prometheus_takes(self, name: str) -> None:
        label = prometheus_label(safe_attribute(name))
        assert label.strip("_")
        assert not label.startswith("__")
        assert label not in {"job", "instance", "le"}

    @given(st.lists(st.text("имя год.", min_size=1, max_size=4), min_size=2, max_size=2, unique=True))
    def test_of_different_foreign_names_are_different(self, names: list[str]) -> None:
        first, second = map(safe_attribute, names)
        assert first != second
