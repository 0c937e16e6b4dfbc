"""The real Prometheus shows each catalogue method's record, by OTLP through the collector and from ``/metrics``."""

from __future__ import annotations

import asyncio
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from binaries import COLLECTOR, free_ports, need, run_collector
from fastapi import FastAPI
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from prometheus_server import Prometheus, run_prometheus, wait_until
from sqlalchemy import create_engine, text
from sqlalchemy.pool import QueuePool

from whatsself_otel import Telemetry, TelemetryConfig, setup_telemetry
from whatsself_otel.bridge.instruments import BridgeInstruments
from whatsself_otel.catalogue import METRICS, SCHEMA_URL, Kind, MetricSpec
from whatsself_otel.metrics.prometheus_names import prometheus_label

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.collector, pytest.mark.backend]

INTERVAL_S = 0.5
RESOURCE_LABELS = {
    "__name__",
    "__type__",
    "__unit__",
    "job",
    "instance",
    "service_name",
    "service_namespace",
    "service_version",
    "deployment_environment_name",
}
"""Labels of the sender, not of the metric."""

POSITIVE = object()
"""A value that is time: above zero is all that can be said."""


@dataclass(frozen=True, slots=True)
class Expected:
    """
    One series after the recording methods were called; a histogram's value is its count.

    The names are spelled by hand, so that a slip in the catalogue shows here.
    """

    name: str
    value: Any
    labels: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.name}{self.labels or ''}"

    @property
    def spec(self) -> MetricSpec:
        return next(spec for spec in METRICS if spec.prometheus_name == self.name)

    @property
    def sample_name(self) -> str:
        return f"{self.name}_count" if self.spec.kind is Kind.HISTOGRAM else self.name

    def matches(self, value: float) -> bool:
        return value > 0 if self.value is POSITIVE else value == self.value


def drive(telemetry: Telemetry, app: FastAPI) -> None:
    """Call every recording method of the catalogue once, as an application would."""
    metrics = telemetry.metrics
    metrics.message_inbound(kind="image", contact_id="c1")
    metrics.message_sent(origin="reply", contact_id="c1")
    metrics.message_sent(origin="manual", contact_id="c2")
    metrics.message_failed(reason="blocked", origin="broadcast", contact_id="c2")
    metrics.message_failed(reason="timeout", origin="broadcast", contact_id="c2")
    metrics.message_sent(origin="reply", contact_id="c3", session="second", message_id="wamid.1")
    metrics.message_delivered(status="read", message_id="wamid.1")
    metrics.message_failed(reason="experiment", stage="delivery", message_id="wamid.2")
    metrics.first_response_failed()
    metrics.provider.count_billable("utility")
    metrics.provider.set_template("order/pt_BR", "paused")
    metrics.provider.set_rating("main", "yellow")
    metrics.provider.set_limit("main", 250)
    metrics.provider.count_event("waha", "message")
    metrics.provider.count_duplicate("waha")
    metrics.provider.count_rejected("evolution", "signature")
    metrics.provider.record_lag("waha", 3)
    metrics.provider.count_call("inbound", "missed")
    bridge = BridgeInstruments(telemetry.meter_provider.get_meter("whatsself_otel", schema_url=SCHEMA_URL))
    bridge.count_request("waha", "queued")
    bridge.record_forward("waha", 0.1)
    bridge.count_settled("expired")
    bridge.observe_queue(lambda: 4, lambda: 2.5)
    metrics.first_response(120)
    metrics.first_response(300)
    metrics.first_response_unanswered()
    metrics.observe_queue(depth=lambda: 7, oldest_age=lambda: 12.5)
    metrics.breaker_state("half_open")
    metrics.breaker_state("open", contact_id="c9")
    metrics.trigger_hit(trigger_id="welcome")
    metrics.flow_started(flow_id="sale")
    metrics.flow_auto_step(flow_id="sale")
    metrics.flow_step_entered(flow_id="sale", step_key="ask")
    metrics.flow_step_completed(flow_id="sale", step_key="ask")
    metrics.consent(action="opt_out")
    metrics.session_state(session="main", state="connected")
    metrics.session_disconnected(session="main", reason="restart")
    metrics.session_state(session="main", state="connected")
    metrics.qr_issued(session="main")
    metrics.masked("e-mail", 3)
    metrics.dropped("traces", "rejected", 2)
    metrics.retried("logs", "unavailable", 5)
    metrics.error("context")
    asyncio.run(request(app, "/answer/5"))


EXPECTED = [
    Expected("messages_outbound_total", 1, {"origin": "reply", "session": "main"}),
    Expected("messages_outbound_total", 1, {"origin": "reply", "session": "second"}),
    Expected("messages_outbound_total", 1, {"origin": "manual", "session": "main"}),
    Expected("messages_outbound_total", 2, {"origin": "broadcast", "session": "main"}),
    Expected("messages_outbound_total", 0, {"origin": "other", "session": "main"}),
    Expected(
        "messages_outbound_failed_total",
        1,
        {"reason": "blocked", "fault": "recipient", "stage": "send", "session": "main"},
    ),
    Expected(
        "messages_outbound_failed_total",
        1,
        {"reason": "experiment", "fault": "provider", "stage": "delivery", "session": "main"},
    ),
    Expected("messages_inbound_total", 1, {"kind": "image", "session": "main"}),
    Expected("messages_delivered_total", 1, {"status": "read", "session": "main"}),
    Expected("message_delivery_latency_seconds", 1, {"status": "read"}),
    Expected("messages_billable_total", 1, {"category": "utility"}),
    Expected("first_response_failed_total", 1),
    Expected("whatsapp_template_state", 1, {"template": "order/pt_BR", "state": "paused"}),
    Expected("whatsapp_quality_rating", 1, {"session": "main", "rating": "yellow"}),
    Expected("whatsapp_messaging_limit", 250, {"session": "main"}),
    Expected("webhook_events_total", 1, {"provider": "waha", "event": "message"}),
    Expected("webhook_duplicates_total", 1, {"provider": "waha"}),
    Expected("webhook_rejected_total", 1, {"provider": "evolution", "reason": "signature"}),
    Expected("webhook_lag_seconds", 1, {"provider": "waha"}),
    Expected("calls_total", 1, {"direction": "inbound", "outcome": "missed"}),
    Expected("bridge_requests_total", 1, {"provider": "waha", "outcome": "queued"}),
    Expected("bridge_forward_duration_seconds", 1, {"provider": "waha"}),
    Expected("business_open", 1),
    Expected("bridge_queue_settled_total", 1, {"outcome": "expired"}),
    Expected("bridge_queue_depth", 4),
    Expected("bridge_queue_oldest_age_seconds", 2.5),
    Expected("delivery_success_ratio", 0.4),
    Expected("first_response_latency_seconds", 3),
    Expected("first_response_unanswered_total", 1),
    Expected("queue_depth", 7),
    Expected("queue_oldest_age_seconds", 12.5),
    Expected("rate_global_per_min", 5),
    Expected("rate_per_contact_per_5min", 3),
    Expected("cb_state_global", 1),
    Expected("cb_state_contact", 2, {"contactId": "c9"}),
    Expected("cb_contacts", 1, {"state": "open"}),
    Expected("cb_fail_rate_window", 0.6),
    Expected("trigger_hits_total", 1, {"triggerId": "welcome"}),
    Expected("flow_started_total", 1, {"flowId": "sale"}),
    Expected("flow_auto_steps_total", 1, {"flowId": "sale"}),
    Expected("flow_step_entered_total", 1, {"flowId": "sale", "stepKey": "ask"}),
    Expected("flow_step_completed_total", 1, {"flowId": "sale", "stepKey": "ask"}),
    Expected("contact_consent_total", 1, {"action": "opt_out"}),
    Expected("contact_inbound_max_5m", 1),
    Expected("whatsapp_session_state", 1, {"session": "main", "state": "qr_pending"}),
    Expected("whatsapp_session_state", 0, {"session": "main", "state": "connected"}),
    Expected("whatsapp_session_connected", 0, {"session": "main"}),
    Expected("whatsapp_session_down_since_timestamp_seconds", POSITIVE, {"session": "main"}),
    Expected("whatsapp_qr_issued_timestamp_seconds", POSITIVE, {"session": "main"}),
    Expected("whatsapp_session_disconnects_total", 1, {"session": "main", "reason": "restart"}),
    Expected("whatsapp_session_recovery_seconds", 1, {"session": "main"}),
    Expected("process_uptime_seconds", POSITIVE),
    Expected("event_loop_lag_seconds", POSITIVE),
    Expected("db_pool_in_use", 1, {"pool": "main"}),
    Expected("db_pool_max", 5, {"pool": "main"}),
    Expected("db_pool_overflow", 0, {"pool": "main"}),
    Expected("db_pool_wait_seconds", 1, {"pool": "main"}),
    Expected(
        "http_server_request_duration_seconds",
        1,
        {
            "http_route": "/answer/{number}",
            "http_request_method": "GET",
            "http_response_status_code": "200",
            "url_scheme": "http",
        },
    ),
    Expected("telemetry_dropped_items_total", 2, {"signal": "traces", "reason": "rejected"}),
    Expected("telemetry_retried_items_total", 5, {"signal": "logs", "reason": "unavailable"}),
    Expected("telemetry_masked_values_total", 3, {"rule": "e-mail"}),
    Expected("telemetry_errors_total", 1, {"component": "context"}),
]


def make_app() -> FastAPI:
    app = FastAPI()

    @app.get("/answer/{number}")
    async def answer(number: int) -> dict[str, int]:
        return {"number": number}

    return app


async def request(app: FastAPI, path: str, accept: str = "*/*") -> httpx.Response:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        return await client.get(path, headers={"accept": accept})


def find_series(prometheus: Prometheus, expected: Expected) -> dict[str, str] | None:
    """Return the labels and, as ``value``, the value of the one series expected."""
    matchers = ",".join(f'{name}="{value}"' for name, value in expected.labels.items())
    found = prometheus.query(f"{expected.sample_name}{{{matchers}}}")
    assert len(found) <= 1, found
    return {**found[0]["metric"], "value": found[0]["value"][1]} if found else None


@dataclass(frozen=True, slots=True)
class Stage:
    """Everything driven and arrived."""

    prometheus: Prometheus
    scraped: list[Any]


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    need(COLLECTOR)
    folder = tmp_path_factory.mktemp("contract")
    with run_prometheus(folder) as prometheus:
        nowhere = f"127.0.0.1:{free_ports(1)[0]}"
        environ = {
            "PROMETHEUS_OTLP_ENDPOINT": f"{prometheus.url}/api/v1/otlp",
            "LOKI_OTLP_ENDPOINT": f"http://{nowhere}/otlp",
            "TEMPO_OTLP_ENDPOINT": nowhere,
        }
        with run_collector("local", environ=environ, folder=folder) as collector:
            yield play(prometheus, collector.http_url)


def play(prometheus: Prometheus, collector_url: str) -> Stage:
    app = make_app()
    config = TelemetryConfig(
        endpoint=collector_url,
        metric_interval_s=INTERVAL_S,
        traces_exporter="none",
        logs_exporter="none",
        log_to_stdout=False,
        prometheus=True,
        business_hours="mon-sun 00:00-24:00",
    )
    engine = create_engine("sqlite://", poolclass=QueuePool, pool_size=2, max_overflow=3)
    with ExitStack() as held_until_the_last_export, setup_telemetry(app, config=config) as telemetry:
        telemetry.instrument_engine(engine, "main")
        wait_until(lambda: prometheus.value('messages_outbound_total{origin="reply"}') == 0)
        connection = held_until_the_last_export.enter_context(engine.connect())
        connection.execute(text("select 1"))
        drive(telemetry, app)
        scraped = asyncio.run(scrape(telemetry, app))
        wait_until(lambda: not [expected for expected in EXPECTED if not arrived(prometheus, expected)])
        time.sleep(3 * INTERVAL_S)
    engine.dispose()
    return Stage(prometheus, scraped)


async def scrape(telemetry: Telemetry, app: FastAPI) -> list[Any]:
    """Read ``/metrics`` from a running loop, for the measurement of its lag."""
    telemetry._runtime.watch_event_loop()
    await asyncio.sleep(4 * INTERVAL_S)
    answer = await request(app, "/metrics", "application/openmetrics-text; version=1.0.0")
    assert answer.status_code == 200
    return list(text_string_to_metric_families(answer.text))  # type: ignore[no-untyped-call]


def arrived(prometheus: Prometheus, expected: Expected) -> bool:
    series = find_series(prometheus, expected)
    return series is not None and expected.matches(float(series["value"]))


def test_every_entry_of_the_catalogue_is_driven() -> None:
    assert {expected.name for expected in EXPECTED} == {spec.prometheus_name for spec in METRICS}


@pytest.mark.parametrize("expected", EXPECTED, ids=str)
class TestThroughTheCollector:
    """Name, labels and value; the name carries unit and kind, and Prometheus' own labels confirm both."""

    def test_prometheus_shows_the_value(self, stage: Stage, expected: Expected) -> None:
        series = find_series(stage.prometheus, expected)
        assert series is not None
        assert expected.matches(float(series["value"])), series

    def test_under_the_catalogues_labels_and_no_other(self, stage: Stage, expected: Expected) -> None:
        series = find_series(stage.prometheus, expected)
        assert series is not None
        labels = set(series) - RESOURCE_LABELS - {"value"}
        allowed = {prometheus_label(attribute.name) for attribute in expected.spec.attributes}
        assert set(expected.labels) <= labels <= allowed

    def test_with_its_type_and_unit(self, stage: Stage, expected: Expected) -> None:
        series = find_series(stage.prometheus, expected)
        assert series is not None
        assert expected.spec.kind.value == series["__type__"]
        assert ({"s": "seconds"}.get(expected.spec.unit) or "") == series.get("__unit__", "")


@pytest.mark.parametrize("expected", EXPECTED, ids=str)
def test_metrics_of_the_application_say_the_same(stage: Stage, expected: Expected) -> None:
    found = [
        (family.type, sample.value, set(sample.labels))
        for family in stage.scraped
        for sample in family.samples
        if sample.name == expected.sample_name and expected.labels.items() <= sample.labels.items()
    ]
    assert len(found) == 1
    kind, value, labels = found[0]
    assert expected.spec.kind.value == kind
    assert expected.matches(value)
    assert labels <= {prometheus_label(attribute.name) for attribute in expected.spec.attributes}


class TestTheFirstEvent:
    """Prometheus sees it as an increase of one, for a series of any kind."""

    @pytest.mark.parametrize(
        "series",
        [
            'messages_outbound_total{origin="manual",session="main"}',
            'trigger_hits_total{triggerId="welcome"}',
            'flow_step_entered_total{stepKey="ask"}',
            'whatsapp_session_recovery_seconds_count{session="main"}',
            'http_server_request_duration_seconds_count{http_route="/answer/{number}"}',
            'first_response_latency_seconds_bucket{le="1"}',
        ],
        ids=["known at start", "unforeseen", "unforeseen, two labels", "histogram", "http histogram", "bucket"],
    )
    def test_is_an_increase_of_one(self, stage: Stage, series: str) -> None:
        (found,) = stage.prometheus.query(f"{series}[10m]")
        values = [float(value) for _, value in found["values"]]
        assert (values[0], values[-1]) == (0, 1)
        assert stage.prometheus.value(f"round(increase({series}[10m]))") == 1


class TestBuckets:
    def test_of_the_first_response_hold_both_objectives_exactly(self, stage: Stage) -> None:
        bucket = "first_response_latency_seconds_bucket"
        counts = {le: stage.prometheus.value(f'{bucket}{{le="{le}"}}') for le in ("90", "120", "180", "300", "+Inf")}
        assert counts == {"90": 1, "120": 2, "180": 2, "300": 3, "+Inf": 3}

    def test_are_the_catalogues(self, stage: Stage) -> None:
        for spec in METRICS:
            if spec.buckets:
                found = stage.prometheus.query(f"{spec.prometheus_name}_bucket")
                bounds = {float(series["metric"]["le"]) for series in found}
                assert bounds == {*spec.buckets, float("inf")}, spec.name


def test_each_process_is_one_instance(stage: Stage) -> None:
    assert stage.prometheus.value("count(count by (instance) (process_uptime_seconds))") == 1
    (series,) = stage.prometheus.query("process_uptime_seconds")
    assert series["metric"]["instance"]
    assert "service_instance_id" not in series["metric"]
