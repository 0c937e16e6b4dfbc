"""``/metrics``: the names of the OTLP way, exemplars, a guarded door, and no scrape that can hurt the application."""

from __future__ import annotations

import asyncio
import dataclasses
import importlib
import logging
import sys
import threading
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from opentelemetry.metrics import Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricsData
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text
from rows import for_each

from whatsself_otel.catalogue import FIRST_RESPONSE_LATENCY, METRICS
from whatsself_otel.errors import ConfigError
from whatsself_otel.masking import Masker
from whatsself_otel.metrics.metric_masking import Losses, MetricMasker, MetricNames
from whatsself_otel.metrics.prometheus import (
    MAX_RENDERS,
    MetricsApp,
    PrometheusReader,
    several_workers_problem,
)
from whatsself_otel.metrics.recording import WhatsSelfMetrics

RIGHT = "s3cret"
OPENMETRICS = "application/openmetrics-text; version=1.0.0"


class Bench:
    def __init__(self, *views: View, masker: MetricMasker | None = None) -> None:
        self.reader = PrometheusReader(masker or MetricMasker(Masker(), MetricNames()))
        self.provider = MeterProvider([self.reader], shutdown_on_exit=False, views=views)
        self.meter = self.provider.get_meter("m")

    def samples(self, accept: str = OPENMETRICS) -> dict[tuple[str, tuple[tuple[str, str], ...]], Any]:
        parse: Any = parse_openmetrics if accept == OPENMETRICS else parse_text
        body, _ = self.reader.render(accept)
        return {
            (sample.name, tuple(sorted(sample.labels.items()))): sample
            for family in parse(body.decode())
            for sample in family.samples
        }

    def value(self, name: str, **labels: str) -> float | None:
        sample = self.samples().get((name, tuple(sorted(labels.items()))))
        return None if sample is None else sample.value


@pytest.fixture
def bench() -> Bench:
    return Bench()


def serve(app: Any, path: str = "/metrics", method: str = "GET", **headers: str) -> httpx.Response:
    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as client:
            return await client.request(method, path, headers=headers)

    return asyncio.run(ask())


class TestTheExposition:
    @for_each("accept", ["", OPENMETRICS])
    def test_shows_the_catalogues_names_with_values(self, accept: str) -> None:
        bench = Bench()
        metrics = WhatsSelfMetrics(bench.meter)
        metrics.message_sent(origin="reply")
        metrics.first_response(100)
        samples = bench.samples(accept)
        assert samples["messages_outbound_total", (("origin", "reply"), ("session", "main"))].value == 1
        assert samples["first_response_latency_seconds_bucket", (("le", "90.0"),)].value == 0
        assert samples["first_response_latency_seconds_bucket", (("le", "120.0"),)].value == 1
        assert samples["first_response_latency_seconds_count", ()].value == 1
        known = {spec.prometheus_name for spec in METRICS}
        shown = {name for name, _ in samples}
        families = {name.removesuffix("_bucket").removesuffix("_count").removesuffix("_sum") for name in shown}
        assert families <= known | {"target_info"}

    def test_has_every_bucket_of_the_catalogue(self, bench: Bench) -> None:
        WhatsSelfMetrics(bench.meter).first_response(1)
        bounds = {dict(labels)["le"] for name, labels in bench.samples() if name.endswith("latency_seconds_bucket")}
        assert {float(bound) for bound in bounds} == {*FIRST_RESPONSE_LATENCY.buckets, float("inf")}

    def test_shows_a_sum_that_may_fall_as_a_gauge(self, bench: Bench) -> None:
        bench.meter.create_up_down_counter("open.files").add(-3)
        assert bench.value("open_files") == -3

    def test_of_no_metrics_is_empty(self, bench: Bench) -> None:
        assert bench.samples() == {}

    def test_survives_an_exponential_histogram(self) -> None:
        bench = Bench(View(instrument_name="h", aggregation=ExponentialBucketHistogramAggregation()))
        bench.meter.create_histogram("h", "s").record(2.5)
        assert bench.value("h_seconds_count") == 1
        assert bench.value("h_seconds_sum") == 2.5
        assert bench.value("h_seconds_bucket", le="+Inf") == 1

    def test_escapes_what_labels_may_hold(self, bench: Bench) -> None:
        nasty = 'a"b\\c\nd\u2028é'
        bench.meter.create_counter("c").add(1, {"weird.tag-1": nasty, "flag": True})
        assert bench.value("c_total", weird_tag_1=nasty, flag="true") == 1

    def test_joins_attributes_whose_names_become_one(self, bench: Bench) -> None:
        bench.meter.create_counter("c").add(1, {"a.b": "x", "a_b": "y"})
        assert bench.value("c_total", a_b="x;y") == 1

    def test_masks(self, bench: Bench) -> None:
        bench.meter.create_counter("c", description="of +5511987654321").add(1, {"note": "+5511987654321"})
        body, _ = bench.reader.render()
        assert b"98765" not in body
        assert bench.value("c_total", note="+55********4321") == 1


class TestNamesOfTwo:
    def test_meters_are_told_apart_by_the_second_ones_name(self, bench: Bench) -> None:
        bench.meter.create_counter("c").add(1)
        bench.provider.get_meter("other").create_counter("c").add(5)
        assert bench.value("c_total") == 1
        assert bench.value("c_total", otel_scope_name="other") == 5

    def test_of_two_types_the_first_stays_and_the_other_is_said(
        self, bench: Bench, caplog: pytest.LogCaptureFixture
    ) -> None:
        other = bench.provider.get_meter("other")
        bench.meter.create_gauge("x").set(2)
        other.create_histogram("x").record(1)
        bench.meter.create_counter("y").add(3)
        other.create_gauge("y").set(4)
        bench.meter.create_histogram("z").record(1)
        other.create_gauge("z.count").set(4)
        for _ in range(2):
            assert {name for name, _ in bench.samples()} == {
                "target_info",
                "x",
                "y_total",
                "z_bucket",
                "z_count",
                "z_sum",
            }
        assert sum("left 3 points out of /metrics" in line for line in caplog.messages) == 1


class TestOneBadPoint:
    def test_costs_itself_only(self, caplog: pytest.LogCaptureFixture) -> None:
        """Today's SDK refuses values that are no numbers; a later one may accept them."""

        class Careless(MetricMasker):
            def mask(self, data: MetricsData, losses: Losses) -> MetricsData:
                points: Any = data.resource_metrics[0].scope_metrics[0].metrics[0].data.data_points
                points.append(dataclasses.replace(points[0], value="seven", attributes={"k": "bad"}))
                return super().mask(data, losses)

        bench = Bench(masker=Careless(Masker(), MetricNames()))
        bench.meter.create_gauge("g").set(1, {"k": "good"})
        assert bench.value("g", k="good") == 1
        assert bench.value("g", k="bad") is None
        assert sum("left 1 points out of /metrics: ValueError in g" in line for line in caplog.messages) == 1

    def test_half_a_character_is_replaced(self, bench: Bench) -> None:
        bench.meter.create_counter("c", description="a\ud800b").add(1, {"k": "\udfff"})
        assert bench.value("c_total", k="?") == 1


class TestTheTarget:
    def test_has_the_resource(self) -> None:
        reader = PrometheusReader(MetricMasker(Masker(), MetricNames()))
        resource = Resource({"service.name": "whatsself", "service.version": "1.2", "tags": ["a", "b"], "имя": "x"})
        provider = MeterProvider([reader], shutdown_on_exit=False, resource=resource)
        provider.get_meter("m").create_counter("c").add(1)
        for accept, parse in ((OPENMETRICS, parse_openmetrics), ("", parse_text)):
            parsed: Any = parse
            (family,) = [each for each in parsed(reader.render(accept)[0].decode()) if each.name.startswith("target")]
            (sample,) = family.samples
            assert (sample.name, sample.value) == ("target_info", 1)
            assert sample.labels == {
                "service_name": "whatsself",
                "service_version": "1.2",
                "tags": '["a","b"]',
                "key_u438_u43c_u44f_": "x",
            }


class TestExemplars:
    def test_lead_to_the_trace_from_counters_and_buckets(self, bench: Bench) -> None:
        counter = bench.meter.create_counter("c")
        histogram = bench.meter.create_histogram("h", explicit_bucket_boundaries_advisory=[1, 2])
        with TracerProvider(shutdown_on_exit=False).get_tracer("t").start_as_current_span("s") as span:
            counter.add(1)
            histogram.record(1.5)
        context = span.get_span_context()
        expected = {"trace_id": f"{context.trace_id:032x}", "span_id": f"{context.span_id:016x}"}
        samples = bench.samples()
        assert samples["c_total", ()].exemplar.labels == expected
        assert samples["h_bucket", (("le", "2.0"),)].exemplar.labels == expected
        assert samples["h_bucket", (("le", "1.0"),)].exemplar is None

    def test_are_absent_from_the_older_format_which_has_no_place_for_them(self, bench: Bench) -> None:
        counter = bench.meter.create_counter("c")
        with TracerProvider(shutdown_on_exit=False).get_tracer("t").start_as_current_span("s"):
            counter.add(1)
        body, content_type = bench.reader.render("text/plain")
        assert content_type.startswith("text/plain; version=0.0.4")
        assert b"trace_id" not in body


class TestTheDoor:
    @pytest.mark.parametrize("kind", ["lifespan", "websocket"])
    async def test_gives_no_answer_to_what_is_no_request(self, bench: Bench, kind: str) -> None:
        sent: list[Any] = []

        async def receive() -> Any:
            raise AssertionError

        async def send(message: Any) -> None:
            sent.append(message)

        await MetricsApp(bench.reader)({"type": kind}, receive, send)

        assert sent == []

    def test_is_open_without_a_token(self, bench: Bench) -> None:
        bench.meter.create_counter("c").add(1)
        answer = serve(MetricsApp(bench.reader), accept=OPENMETRICS)
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("application/openmetrics-text")
        assert answer.headers["cache-control"] == "no-store"
        assert "c_total 1.0" in answer.text

    @for_each(
        "authorization", [None, "", "Bearer", "Bearer ", "Bearer wrong", "bearer s3cret", "Basic s3cret", "s3cret"]
    )
    def test_stays_shut_without_the_right_token(self, authorization: str | None) -> None:
        bench = Bench()
        headers = {} if authorization is None else {"authorization": authorization}
        answer = serve(MetricsApp(bench.reader, bearer_token=RIGHT), **headers)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
        assert "s3cret" not in answer.text

    def test_opens_to_the_right_one(self, bench: Bench) -> None:
        app = MetricsApp(bench.reader, bearer_token=RIGHT)
        assert serve(app, authorization="Bearer s3cret").status_code == 200

    def test_compares_in_constant_time(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        compared: list[tuple[bytes, bytes]] = []

        def compare(given: bytes, right: bytes) -> bool:
            compared.append((given, right))
            return False

        monkeypatch.setattr("hmac.compare_digest", compare)
        serve(MetricsApp(bench.reader, bearer_token=RIGHT), authorization="Bearer x")
        assert compared == [(b"Bearer x", b"Bearer s3cret")]

    def test_answers_reading_methods_only(self, bench: Bench) -> None:
        assert serve(MetricsApp(bench.reader), method="POST").status_code == 405
        head = serve(MetricsApp(bench.reader), method="HEAD")
        assert (head.status_code, head.content) == (200, b"")

    def test_stands_in_an_application_without_a_redirect(self, bench: Bench) -> None:
        app = FastAPI()
        app.add_route("/metrics", MetricsApp(bench.reader), include_in_schema=False)  # type: ignore[arg-type]
        bench.meter.create_counter("c").add(1)
        assert "c_total 1.0" in serve(app).text
        assert "/metrics" not in app.openapi()["paths"]


class TestAScrapeNeverHurts:
    async def test_it_does_not_block_the_loop_nor_take_more_than_its_threads(self, bench: Bench) -> None:
        entered, release = threading.Event(), threading.Event()

        def slow(_: object) -> list[Observation]:
            entered.set()
            release.wait(10)
            return [Observation(1)]

        bench.meter.create_observable_gauge("slow", [slow])
        app = MetricsApp(bench.reader)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as client:
            waiting = [asyncio.create_task(client.get("/metrics")) for _ in range(MAX_RENDERS)]
            assert await asyncio.to_thread(entered.wait, 10)
            refused = await client.get("/metrics")
            release.set()
            answered = await asyncio.gather(*waiting)
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        assert [answer.status_code for answer in answered] == [200] * MAX_RENDERS
        assert app._renders == 0

    def test_a_failure_is_an_answer_of_500(self, caplog: pytest.LogCaptureFixture) -> None:
        def broken(_: object) -> Any:
            raise ValueError

        reader = PrometheusReader(broken)  # type: ignore[arg-type]
        MeterProvider([reader], shutdown_on_exit=False).get_meter("m").create_counter("c").add(1)
        with caplog.at_level(logging.ERROR):
            answer = serve(MetricsApp(reader))
        assert answer.status_code == 500
        assert "ValueError" not in answer.text


class TestConfiguration:
    @for_each("token", ["", "  "])
    def test_an_empty_token_is_refused(self, token: str) -> None:
        bench = Bench()
        with pytest.raises(ConfigError, match="must not be empty"):
            MetricsApp(bench.reader, bearer_token=token)

    def test_a_missing_extra_is_named(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "prometheus_client", None)
        with pytest.raises(ConfigError, match=r"whatsself-otel\[prometheus\]"):
            MetricsApp(bench.reader)

    def test_importing_it_needs_no_extra(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "prometheus_client", None)
        monkeypatch.delitem(sys.modules, "whatsself_otel.metrics.prometheus")
        module = importlib.import_module("whatsself_otel.metrics.prometheus")
        assert module.PrometheusReader is not PrometheusReader


class TestSeveralWorkers:
    def test_are_a_problem_said_with_its_remedy(self) -> None:
        problem = several_workers_problem({"WEB_CONCURRENCY": "4"})
        assert problem is not None
        assert "collector" in problem

    @for_each("environ", [{}, {"WEB_CONCURRENCY": "1"}, {"WEB_CONCURRENCY": "many"}])
    def test_one_is_none(self, environ: dict[str, str]) -> None:
        assert several_workers_problem(environ) is None
