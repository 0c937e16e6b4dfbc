"""The real Prometheus shows one name for a metric, by OTLP and from ``/metrics``: the name in `prometheus_names`."""

from __future__ import annotations

import asyncio
import math
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import uvicorn
from binaries import free_ports
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, MetricExportResult
from opentelemetry.sdk.metrics.view import View
from opentelemetry.sdk.resources import Resource
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from prometheus_server import Prometheus, run_prometheus, wait_until

from whatsself_otel import TelemetryConfig
from whatsself_otel.catalogue import Kind
from whatsself_otel.export.exporters import build_metric_sender
from whatsself_otel.export.metric_exporter import GuardedMetricExporter
from whatsself_otel.masking import Masker
from whatsself_otel.metrics.cardinality import BoundedMeterProvider
from whatsself_otel.metrics.metric_masking import MetricMasker, MetricNames
from whatsself_otel.metrics.prometheus import MetricsApp, PrometheusReader
from whatsself_otel.metrics.prometheus_names import prometheus_labels, prometheus_name, safe_attribute

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.backend

UNITS = [
    *(
        "",
        "1",
        "s",
        "ms",
        "d",
        "By",
        "KiBy",
        "MBy",
        "Cel",
        "Hz",
        "%",
        "{message}",
        "By/s",
        "{message}/s",
        "By/{x}",
        "/min",
    ),
    *("m^", "m^/s", "W.h", "a/b/c", "furlong", "{a}/{b}", "km/h", "_x_", "/-"),
]
KINDS = {"counter": Kind.COUNTER, "up_down_counter": None, "gauge": Kind.GAUGE, "histogram": Kind.HISTOGRAM}
ATTRIBUTES: list[dict[str, Any]] = [
    {"http.route": "/a"},
    {"имя": "a", "город": "b"},
    {"имя.a": "a", "год.a": "b"},
    {"situação": "ativa"},
    {"__type__": "a", "__unit__": "b", "__x": "c"},
    {"..x": "a", "_own": "b", "9lives": "c"},
    {"job": "import", "instance": "i", "le": "5"},
    {"a.b": "x", "a_b": "y", "a-b": ""},
    {"whole": 1.0, "part": 0.5, "small": 1.5e-7, "large": 1e21, "long": 1e17, "int": 7, "flag": True},
    {"list": ("a", 1, 2.0, True, None), "html": ("<b>&\u2028",), "map": {"b": 1, "a": "x"}, "bytes": b"abc"},
    {"beyond": 2**70, "empty": "", "none": None, "half": "\ud800"},
    {"quantile": "0.5", "otel_scope_version": "x"},
]
OF_THE_SENDER = {"service_name", "service_namespace", "service_version", "deployment_environment_name"}
TYPES = {"__type__", "__unit__"}


@dataclass(frozen=True)
class Stage:
    """What arrived by both ways."""

    prometheus: Prometheus
    page: str

    def series(self, job: str) -> set[tuple[tuple[str, str], ...]]:
        """Return the labels of every series of *job*, the name among them, less those of the sender."""
        found = self.prometheus.query(f'{{job="{job}",__name__!~"up|scrape_.*"}}')
        return {self._key(series["metric"]) for series in found}

    @staticmethod
    def _key(labels: dict[str, str]) -> tuple[tuple[str, str], ...]:
        drop = {"job", "instance"} | TYPES | (OF_THE_SENDER if labels["__name__"] != "target_info" else set())
        kept = {name: value for name, value in labels.items() if name not in drop}
        if "le" in kept:
            kept["le"] = str(float(kept["le"].replace("+Inf", "inf")))
        return tuple(sorted(kept.items()))


def measure(provider: BoundedMeterProvider) -> None:
    """Record on instruments of every kind, unit and odd attribute, and on two meters with one metric name."""
    meter = provider.get_meter("names", "1")
    for number, unit in enumerate(UNITS):
        for kind in KINDS:
            record(meter, kind, f"shop.unit.{number}.{kind}", unit, {})
    for number, attributes in enumerate(ATTRIBUTES):
        for kind in KINDS:
            record(meter, kind, f"shop.attribute.{number}.{kind}", "", attributes)
    for value in (200, "200", 200.0):
        meter.create_counter("shop.answers").add(1, {"code": value})
    for owner in ("first", "second", "third"):
        record(provider.get_meter(owner), "counter", "shop.shared", "", {"k": "v"})
        record(provider.get_meter(owner), "histogram", "shop.shared.wait", "s", {})
    meter.create_counter("renamed").add(1)


def record(meter: Any, kind: str, name: str, unit: str, attributes: dict[str, Any]) -> None:
    instrument = getattr(meter, f"create_{kind}")(name, unit)
    write = getattr(instrument, "add", None) or getattr(instrument, "set", None) or instrument.record
    write(1, attributes)


@contextmanager
def serving(app: Any, port: int) -> Iterator[None]:
    server = uvicorn.Server(uvicorn.Config(app, "127.0.0.1", port, log_config=None, lifespan="off"))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()), daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(10)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    names, (port,) = MetricNames(), free_ports(1)
    pushed = InMemoryMetricReader()
    scraped = PrometheusReader(MetricMasker(Masker(), names))
    provider = BoundedMeterProvider(
        [pushed, scraped],
        resource=Resource({"service.name": "names", "service.version": "1", "город": "x", "job": "y", "list": ["a"]}),
        views=[View(instrument_name="renamed", name="заказы")],
        shutdown_on_exit=False,
    )
    measure(provider)
    folder = tmp_path_factory.mktemp("names")
    with serving(MetricsApp(scraped), port), run_prometheus(folder, scrape=f"127.0.0.1:{port}") as prometheus:
        sender = build_metric_sender(TelemetryConfig(metrics_endpoint=f"{prometheus.url}/api/v1/otlp/v1/metrics"))
        assert sender is not None
        exporter = GuardedMetricExporter(sender, MetricMasker(Masker(), names))
        data = pushed.get_metrics_data()
        assert data is not None
        result = exporter.export(data)
        exporter.shutdown()
        assert result is MetricExportResult.SUCCESS, (folder / "prometheus.log").read_text()[-2000:]
        wait_until(lambda: prometheus.value('up{job="scraped"}') == 1)
        wait_until(lambda: bool(prometheus.query('target_info{job="scraped"}')))
        body, _ = scraped.render("application/openmetrics-text; version=1.0.0")
        yield Stage(prometheus, body.decode())


def test_both_ways_give_the_same_series(stage: Stage) -> None:
    pushed, scraped = stage.series("names"), stage.series("scraped")
    assert sorted(pushed - scraped) == []
    assert sorted(scraped - pushed) == []
    assert len(pushed) > 800


def test_every_metric_is_called_as_we_say(stage: Stage) -> None:
    missing = []
    for number, unit in enumerate(UNITS):
        for kind, of_catalogue in KINDS.items():
            name = prometheus_name(f"shop.unit.{number}.{kind}", unit=unit, kind=of_catalogue)
            if len(stage.prometheus.query(f"{_shown(name, kind)}{{job='names'}}")) != 1:
                missing.append((unit, kind, name))
    assert missing == []


def test_every_attribute_is_the_label_that_we_say(stage: Stage) -> None:
    for number, given in enumerate(ATTRIBUTES):
        expected = prometheus_labels({safe_attribute(key): value for key, value in given.items()})
        for kind, of_catalogue in KINDS.items():
            name = prometheus_name(f"shop.attribute.{number}.{kind}", unit="", kind=of_catalogue)
            (series,) = stage.prometheus.query(f"{_shown(name, kind)}{{job='names'}}")
            drop = OF_THE_SENDER | TYPES | {"__name__", "job", "instance"}
            assert {label: value for label, value in series["metric"].items() if label not in drop} == expected


def _shown(name: str, kind: str) -> str:
    return f"{name}_count" if kind == "histogram" else name


def test_no_meter_loses_what_another_has_a_name_for(stage: Stage) -> None:
    for job in ("names", "scraped"):
        found = stage.prometheus.query(f'shop_shared_total{{job="{job}"}}')
        assert sorted(series["metric"].get("otel_scope_name", "") for series in found) == ["", "second", "third"]
        assert stage.prometheus.value(f'sum(shop_shared_wait_seconds_count{{job="{job}"}})') == 3


def test_equal_series_are_added(stage: Stage) -> None:
    for job in ("names", "scraped"):
        (series,) = stage.prometheus.query(f'shop_answers_total{{job="{job}"}}')
        assert (series["metric"]["code"], series["value"][1]) == ("200", "3")


def test_a_metric_without_a_latin_letter_arrives(stage: Stage) -> None:
    for job in ("names", "scraped"):
        assert stage.prometheus.query(f'metric_u437_u430_u43a_u430_u437_u44b_total{{job="{job}"}}')


def test_the_resource_is_in_target_info(stage: Stage) -> None:
    for job in ("names", "scraped"):
        (series,) = stage.prometheus.query(f'target_info{{job="{job}"}}')
        labels = series["metric"]
        assert (labels["service_name"], labels["exported_job"], labels["list"]) == ("names", "y", '["a"]')
        assert labels["key_u433_u43e_u440_u43e_u434_"] == "x"


def test_the_page_is_read_by_the_strict_parser(stage: Stage) -> None:
    families = list(text_string_to_metric_families(stage.page))  # type: ignore[no-untyped-call]
    assert len(families) > 100
    assert all(math.isfinite(sample.value) for family in families for sample in family.samples)
