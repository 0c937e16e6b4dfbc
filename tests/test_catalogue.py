"""The catalogue is the single source of names: complete, consistent, and equal to the documentation."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any

import pytest
from rows import for_each

from whatsself_otel import catalogue
from whatsself_otel.catalogue import (
    LOG_FIELDS,
    METRICS,
    OTHER,
    Exposition,
    Kind,
    MetricSpec,
    Pii,
    Text,
    bucket_label,
)

ROOT = Path(__file__).parent.parent

DOCUMENTED_NAMES = [
    "messages_outbound_total",
    "messages_outbound_failed_total",
    "messages_inbound_total",
    "messages_delivered_total",
    "message_delivery_latency_seconds",
    "messages_billable_total",
    "delivery_success_ratio",
    "first_response_latency_seconds",
    "first_response_unanswered_total",
    "first_response_failed_total",
    "queue_depth",
    "queue_oldest_age_seconds",
    "rate_global_per_min",
    "rate_per_contact_per_5min",
    "cb_state_global",
    "cb_state_contact",
    "cb_contacts",
    "cb_fail_rate_window",
    "trigger_hits_total",
    "flow_started_total",
    "flow_auto_steps_total",
    "flow_step_entered_total",
    "flow_step_completed_total",
    "contact_consent_total",
    "contact_inbound_max_5m",
    "whatsapp_session_state",
    "whatsapp_session_connected",
    "whatsapp_session_down_since_timestamp_seconds",
    "whatsapp_qr_issued_timestamp_seconds",
    "whatsapp_session_disconnects_total",
    "whatsapp_session_recovery_seconds",
    "whatsapp_template_state",
    "whatsapp_quality_rating",
    "whatsapp_messaging_limit",
    "webhook_events_total",
    "webhook_duplicates_total",
    "webhook_rejected_total",
    "webhook_lag_seconds",
    "business_open",
    "calls_total",
    "bridge_requests_total",
    "bridge_forward_duration_seconds",
    "bridge_queue_depth",
    "bridge_queue_oldest_age_seconds",
    "bridge_queue_settled_total",
    "process_uptime_seconds",
    "event_loop_lag_seconds",
    "db_pool_in_use",
    "db_pool_max",
    "db_pool_overflow",
    "db_pool_wait_seconds",
    "http_server_request_duration_seconds",
    "telemetry_dropped_items_total",
    "telemetry_retried_items_total",
    "telemetry_masked_values_total",
    "telemetry_errors_total",
]
"""The design's table, spelled by hand on purpose: dashboards and alerts live by these names."""


@pytest.fixture
def generator(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    return importlib.import_module("generate_docs")


class TestNames:
    def test_prometheus_shows_exactly_the_documented_names(self) -> None:
        assert sorted(DOCUMENTED_NAMES) == sorted(spec.prometheus_name for spec in METRICS)

    def test_every_metric_constant_is_listed(self) -> None:
        constants = [value for value in vars(catalogue).values() if isinstance(value, MetricSpec)]
        assert {spec.name for spec in constants} == {spec.name for spec in METRICS}
        assert len(METRICS) == len({spec.name for spec in METRICS})

    def test_no_unit_changes_a_name_behind_our_back(self) -> None:
        assert {spec.unit for spec in METRICS if not re.fullmatch(r"\{[a-z]+\}", spec.unit)} == {"", "s"}

    def test_no_attribute_is_overwritten_by_the_resource(self) -> None:
        names = {attribute.name for spec in METRICS for attribute in spec.attributes}
        assert not names & {"instance", "job"}


class TestBuckets:
    @for_each("bound, otlp, scrape", [(120, "120", "120.0"), (0.005, "0.005", "0.005"), (float("inf"), "+Inf", "+Inf")])
    def test_are_spelled_as_each_way_spells_them(self, bound: float, otlp: str, scrape: str) -> None:
        assert (otlp, scrape) == (bucket_label(bound, Exposition.OTLP), bucket_label(bound, Exposition.SCRAPE))

    def test_objectives_lie_on_a_bound(self) -> None:
        assert {120, 300} <= set(catalogue.FIRST_RESPONSE_LATENCY.buckets)
        assert 300 in catalogue.WHATSAPP_SESSION_RECOVERY.buckets

    def test_every_histogram_has_rising_ones_and_nothing_else_has_any(self) -> None:
        for spec in METRICS:
            assert (spec.kind is Kind.HISTOGRAM) == bool(spec.buckets), spec.name
            assert list(spec.buckets) == sorted(set(spec.buckets)), spec.name


class TestEntries:
    def test_speak_both_languages(self) -> None:
        texts = [spec.description for spec in METRICS]
        texts += [attribute.description for spec in METRICS for attribute in spec.attributes]
        texts += [field.description for field in LOG_FIELDS]
        for text in texts:
            assert isinstance(text, Text)
            assert text.en.endswith(".")
            assert text.pt.endswith(".")
            assert text.en != text.pt

    def test_closed_sets_hold_other_unless_foreign_values_are_refused(self) -> None:
        refused = {catalogue.BREAKER_STATE, catalogue.HTTP_METHOD, catalogue.PROTOCOL_VERSION}
        refused |= {catalogue.FAILURE_FAULT, catalogue.FAILURE_STAGE}
        closed = {attribute for spec in METRICS for attribute in spec.attributes if attribute.values}
        assert {attribute for attribute in closed if OTHER not in attribute.values} == refused

    def test_identifiers_are_metric_attributes_in_the_two_stated_places_only(self) -> None:
        identifiers = {
            (spec.name, attribute.name)
            for spec in METRICS
            for attribute in spec.attributes
            if attribute.pii is not Pii.NONE
        }
        assert ("cb.state.contact", "contactId") in identifiers
        assert {name for _, name in identifiers} == {"contactId", "session"}
        assert [metric for metric, name in identifiers if name == "contactId"] == ["cb.state.contact"]

    def test_no_attribute_carries_content(self) -> None:
        assert not [a for spec in METRICS for a in spec.attributes if a.pii is Pii.CONTENT]


class TestDocumentation:
    def test_is_what_the_catalogue_says(self, generator: Any, capsys: pytest.CaptureFixture[str]) -> None:
        assert generator.main(["--check"]) == 0, capsys.readouterr().out

    def test_is_found_stale_when_it_is(
        self, generator: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert generator.main([], tmp_path) == 0
        assert generator.main(["--check"], tmp_path) == 0
        page = tmp_path / "metrics.md"
        page.write_text(page.read_text(encoding="utf-8").replace("queue_depth", "queue_length"), encoding="utf-8")
        assert generator.main(["--check"], tmp_path) == 1
        assert f"{tmp_path.name}/metrics.md is out of date" in capsys.readouterr().out
