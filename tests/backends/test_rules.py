"""The rules are generated, valid and tested, and name only metrics that exist."""

from __future__ import annotations

import re
import subprocess
import sys
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from binaries import ROOT, need, run_once
from markdown_pages import read
from rows import for_each
from rule_cuts import TestFile
from runbook_pages import BOTH, ENGLISH, PORTUGUESE, checks, sections

from whatsself_otel.catalogue import METRICS, Kind, Pii
from whatsself_otel.cli.prove_alerts import KINDS, WORDS, alert_rules, rule_name
from whatsself_otel.metrics.prometheus_names import prometheus_label
from whatsself_otel.operations.promql import EXPECTED_SESSION, EXPECTED_WORKERS
from whatsself_otel.stack.alerting import rules_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PROMETHEUS = ROOT / "backends" / "prometheus"
RULES = sorted((PROMETHEUS / "rules").glob("*.yml"))
LONG = {"slo-api-availability-150s", "slo-first-response-150s", "delivery-150s"}
"""Days and weeks in steps of 150 s: over a million evaluations of a rule each, run by `make proof`."""
TESTS = sorted((PROMETHEUS / "tests").glob("*.yml"))

MACHINERY = frozenset({
    "ALERTS",
    "ALERTS_FOR_STATE",
    "alertmanager_config_last_reload_successful",
    "alertmanager_notification_requests_failed_total",
    "alertmanager_notifications_failed_total",
    "alertmanager_notifications_total",
    "node_filesystem_avail_bytes",
    "otelcol_exporter_enqueue_failed_log_records",
    "otelcol_exporter_enqueue_failed_metric_points",
    "otelcol_exporter_enqueue_failed_spans",
    "otelcol_exporter_queue_capacity",
    "otelcol_exporter_queue_size",
    "otelcol_exporter_send_failed_log_records",
    "otelcol_exporter_send_failed_metric_points",
    "otelcol_exporter_send_failed_spans",
    *(f"otelcol_exporter_sent_{items}" for items in ("log_records", "metric_points", "spans")),
    "otelcol_process_memory_rss",
    "otelcol_processor_incoming_items",
    "otelcol_processor_outgoing_items",
    "otelcol_processor_tail_sampling_new_trace_id_received",
    *(f"otelcol_processor_filter_{items}_filtered" for items in ("datapoints", "logs", "spans")),
    "otelcol_receiver_accepted_log_records",
    "otelcol_receiver_accepted_metric_points",
    "otelcol_receiver_accepted_spans",
    "otelcol_receiver_refused_log_records",
    "otelcol_receiver_refused_metric_points",
    "otelcol_receiver_refused_spans",
    "prometheus_config_last_reload_success_timestamp_seconds",
    "prometheus_config_last_reload_successful",
    "prometheus_notifications_alertmanagers_discovered",
    "prometheus_notifications_dropped_total",
    "prometheus_rule_evaluation_failures_total",
    "prometheus_rule_group_interval_seconds",
    "prometheus_rule_group_iterations_missed_total",
    "prometheus_rule_group_last_duration_seconds",
    *(f"prometheus_tsdb_{name}_failed_total" for name in ("compactions", "wal_writes")),
    "prometheus_tsdb_retention_limit_bytes",
    "prometheus_tsdb_storage_blocks_bytes",
    "prometheus_tsdb_wal_storage_size_bytes",
    "tempo_discarded_spans_total",
    "up",
    "vl_rows_dropped_total",
})  # fmt: skip
"""Metrics of the collector, of Prometheus, of Alertmanager and of the stores."""

LABELS = frozenset(
    {"alertname", "alertstate", "data_type", "exporter", "instance", "integration", "job", "le", "processor"}
    | {"receiver", "risk"}
    | {"deployment_environment_name", "service_name", "service_namespace"}
    | {"gauge", "long", "rule_group", "severity", "short", "signal", "slo"}
)
"""Labels that are not of the catalogue."""

ALLOWED_IDENTIFIERS = frozenset({"session"})
"""Identifiers a rule may group by: the name the operator gave the session, needed to say which one is down."""

_FUNCTIONS = frozenset(
    {"histogram_quantile", "label_replace", "last_over_time", "min", "predict_linear", "resets", "sum_over_time"}
    | {
        "abs",
        "absent",
        "and",
        "avg_over_time",
        "bool",
        "by",
        "clamp",
        "clamp_max",
        "clamp_min",
        "count",
        "count_over_time",
        "exp",
        "group",
        "present_over_time",
    }
    | {"increase", "ln", "max", "max_over_time", "min_over_time", "offset", "on", "or", "quantile_over_time", "rate"}
    | {"sum", "time", "timestamp", "unless", "vector"}
)


_LISTS = "by|without|on|ignoring|group_left"
"""Words before a list of labels."""


def every_rule() -> Iterator[dict[str, Any]]:
    for path in RULES:
        for group in yaml.safe_load(path.read_text("utf-8"))["groups"]:
            yield from group["rules"]


def metric_names(expr: str) -> set[str]:
    """Return the metrics of an expression: the words that are no function, label, value or duration."""
    bare = re.sub(rf"\b({_LISTS})\s*\([^)]*\)", " ", re.sub(r'\{[^}]*\}|\[[^]]*\]|"[^"]*"', " ", expr))
    return set(re.findall(r"(?<![\w.])[a-zA-Z_][\w:]*", re.sub(r"\boffset \w+", " ", bare))) - _FUNCTIONS


def label_names(expr: str) -> set[str]:
    """Return the labels that an expression matches or groups by."""
    grouped = [name for _, group in re.findall(rf"\b({_LISTS})\s*\(([^)]*)\)", expr) for name in group.split(",")]
    matched = re.findall(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"", expr)
    return {name.strip() for name in [*grouped, *matched]} - {""}


@cache
def known_metrics() -> set[str]:
    """Return the names that exist; the rules are read once."""
    names = {*MACHINERY, EXPECTED_SESSION, EXPECTED_WORKERS} | {
        str(rule["record"]) for rule in every_rule() if "record" in rule
    }
    for spec in METRICS:
        histogram = spec.kind is Kind.HISTOGRAM
        names |= {spec.prometheus_name + suffix for suffix in (("_bucket", "_count", "_sum") if histogram else ("",))}
    return names


def catalogue_labels(pii: Pii) -> set[str]:
    return {prometheus_label(each.name) for spec in METRICS for each in spec.attributes if each.pii is pii}


def identifiers(expr: str) -> set[str]:
    """Return the labels of an expression that tell who somebody is."""
    return (label_names(expr) & (catalogue_labels(Pii.IDENTIFIER) | {"messageId", "requestId"})) - ALLOWED_IDENTIFIERS


def promql_blocks(page: str) -> list[str]:
    return [block.strip() for block in re.findall(r"```promql\n(.*?)```", page, re.DOTALL)]


@cache
def names_of_tests() -> list[str]:
    """Return the name of every test; the files are read once."""
    return [test["name"] for path in TESTS for test in yaml.load(path.read_text("utf-8"), yaml.CSafeLoader)["tests"]]


EXPRESSIONS = [str(rule["expr"]) for rule in every_rule()]
ALERTS = list(alert_rules(PROMETHEUS / "rules"))
SECTIONS = {page: sections(page) for page in BOTH}


def test_generated_files_are_current() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / "generate_rules.py", "--check"], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.backend
class TestPromtool:
    """Prometheus' own checker and test runner."""

    def test_finds_nothing_to_complain_about(self) -> None:
        done = run_once([need("promtool"), "check", "rules", "--lint-fatal", *RULES])

        assert done.returncode == 0, done.stderr

    @pytest.mark.parametrize(
        "path",
        [pytest.param(path, marks=pytest.mark.proof) if path.stem in LONG else path for path in TESTS],
        ids=lambda path: path.stem,
    )
    def test_passes(self, path: Path, tmp_path: Path) -> None:
        """Each case beside only the rules that it needs: the same outcome in a fraction of the time."""
        cuts = TestFile.load(path).write(tmp_path)

        done = subprocess.run([need("promtool"), "test", "rules", *cuts], capture_output=True, text=True, check=False)

        assert done.returncode == 0, done.stdout + done.stderr

    def test_passes_as_it_is_shipped(self) -> None:
        path = PROMETHEUS / "tests" / "bridge.yml"

        done = subprocess.run([need("promtool"), "test", "rules", path], capture_output=True, text=True, check=False)

        assert done.returncode == 0, done.stdout + done.stderr

    def test_a_wrong_expectation_is_noticed(self, tmp_path: Path) -> None:
        text = (PROMETHEUS / "tests" / "bridge.yml").read_text("utf-8").replace("value: 1", "value: 2", 1)
        wrong = tmp_path / "tests" / "bridge.yml"
        wrong.parent.mkdir()
        wrong.write_text(text.replace("../rules", str(PROMETHEUS / "rules")), "utf-8")
        cuts = TestFile.load(wrong).write(tmp_path)

        done = subprocess.run([need("promtool"), "test", "rules", *cuts], capture_output=True, text=True, check=False)

        assert done.returncode != 0

    def test_parses_every_query_of_a_runbook(self, tmp_path: Path) -> None:
        queries = [query for page in BOTH for query in promql_blocks(read(page))]
        rules = [{"record": f"query:{number}", "expr": query} for number, query in enumerate(queries)]
        path = tmp_path / "queries.yml"
        path.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}), "utf-8")

        done = run_once([need("promtool"), "check", "rules", path])

        assert len(queries) > 4 * len(SECTIONS[ENGLISH])
        assert done.returncode == 0, done.stderr


class TestNames:
    """What rules and runbooks speak of exists."""

    @for_each("expr", EXPRESSIONS)
    def test_of_metrics_in_a_rule(self, expr: str) -> None:
        assert set() == metric_names(expr) - known_metrics()

    @for_each("expr", EXPRESSIONS)
    def test_of_labels_in_a_rule(self, expr: str) -> None:
        known = LABELS | catalogue_labels(Pii.NONE) | ALLOWED_IDENTIFIERS

        assert set() == label_names(expr) - known

    @for_each("page", BOTH)
    def test_of_metrics_in_a_runbook(self, page: str) -> None:
        for query in promql_blocks(read(page)):
            assert set() == metric_names(query) - known_metrics()

    def test_an_invented_metric_is_noticed(self) -> None:
        assert {"messages_sent_total"} == metric_names('sum by (job) (rate(messages_sent_total{job="x"}[5m])) > 1')

    def test_an_invented_label_is_noticed(self) -> None:
        assert {"customer", "phone"} == label_names('sum by (customer) (x{phone="1"})')


class TestPrivacy:
    """No rule shows a person's identity."""

    @for_each("expr", EXPRESSIONS)
    def test_no_identifier_is_a_label(self, expr: str) -> None:
        assert set() == identifiers(expr)

    def test_a_contact_would_be_noticed(self) -> None:
        assert {"contactId"} == identifiers("sum by (contactId) (cb_state_contact)")

    @for_each("rule", ALERTS, ids=rule_name)
    def test_no_annotation_shows_one(self, rule: dict[str, Any]) -> None:
        shown = set(re.findall(r"\$labels\.(\w+)", " ".join(rule["annotations"].values())))

        assert set() == shown & (catalogue_labels(Pii.IDENTIFIER) - ALLOWED_IDENTIFIERS)


@for_each("rule", ALERTS, ids=rule_name)
class TestAlert:
    """Each alert has words, a runbook and tests."""

    def test_has_words_in_both_languages(self, rule: dict[str, Any]) -> None:
        words = rule["annotations"]

        assert all(words[word] for word in WORDS)
        assert words["summary"] != words["summary_pt"]
        assert words["description"] != words["description_pt"]

    def test_has_a_runbook_in_both_languages(self, rule: dict[str, Any]) -> None:
        name = rule["alert"]

        assert rule["annotations"]["runbook_url"] == f"{ENGLISH}#{name.lower()}"
        assert rule["annotations"]["runbook_url_pt"] == f"{PORTUGUESE}#{name.lower()}"
        for page in BOTH:
            assert len(re.findall(r"^\d\. ", checks(SECTIONS[page][name]), re.MULTILINE)) == 3

    def test_has_firing_healthy_and_boundary_tests(self, rule: dict[str, Any]) -> None:
        assert all(
            any(name.startswith(f"{rule_name(rule)} | {kind} | ") for name in names_of_tests()) for kind in KINDS
        )

    def test_has_no_value_in_a_label(self, rule: dict[str, Any]) -> None:
        assert "$value" not in str(rule["labels"])


class TestService:
    """The selectors follow the configured service name."""

    def test_no_rule_names_the_service_in_another_way(self) -> None:
        text = "".join(path.read_text("utf-8") for path in RULES)

        assert 'job="whatsself"' not in text

    def test_another_name_takes_its_place(self) -> None:
        text = rules_for((PROMETHEUS / "rules" / "queue.yml").read_text("utf-8"), "shop.bot")

        assert 'job=~"(.+/)?shop\\\\.bot"' in text
        assert '"(.+/)?whatsself"' not in text

    @pytest.mark.backend
    def test_rules_for_another_name_are_valid(self, tmp_path: Path) -> None:
        path = tmp_path / "queue.yml"
        path.write_text(rules_for((PROMETHEUS / "rules" / "queue.yml").read_text("utf-8"), "shop.bot"), "utf-8")

        done = run_once([need("promtool"), "check", "rules", path])

        assert done.returncode == 0, done.stderr
