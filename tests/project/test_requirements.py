"""Every row of docs/evidence/requirements.md is served by something that exists, or says which topic will bring it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from markdown_pages import ROOT, is_a_test, table_rows
from rows import for_each

from whatsself_otel.catalogue import METRICS

PAGE = "docs/evidence/requirements.md"
METRIC_NAMES = {spec.prometheus_name for spec in METRICS}

ASKED = [
    "one call",
    "five packages",
    "correlation",
    "fan-out",
    "traces in Tempo",
    "vendors",
    "outbound",
    "outbound failed",
    "success ratio",
    "first response",
    "queue depth",
    "global pace",
    "pace per contact",
    "global breaker",
    "breaker per contact",
    "breaker fail rate",
    "triggers",
    "flow steps",
    "uptime",
    "event loop",
    "pool",
    "scrape",
    "log shape",
    "log privacy",
    "log stores",
    "log origin",
    "session events",
    "alert: session",
    "alert: queue",
    "alert: failures",
    "alert: 5xx",
    "alert: abuse",
    "notification",
    "dashboard: overview",
    "dashboard: quality",
    "dashboard: flows",
    "SLO: API",
    "SLO: first response",
    "SLO: deliveries",
    "SLO: recovery",
]
"""Counted against the operators' own document: no row goes away by being deleted."""


@dataclass(frozen=True)
class Row:
    name: str
    asked: str
    served_by: tuple[str, ...]
    state: str


ROWS = [
    Row(name, asked, tuple(re.findall(r"`([^`]+)`", served_by)), state)
    for name, asked, served_by, state in table_rows(PAGE)
]


def exists(reference: str) -> bool:
    if "::" in reference:
        return is_a_test(reference)
    if "/" in reference or "." in reference:
        return (ROOT / reference).exists()
    return reference in METRIC_NAMES


class TestRows:
    def test_all_that_was_asked_for_is_there_once_and_in_order(self) -> None:
        assert [row.name for row in ROWS] == ASKED

    @for_each("row", ROWS, ids=lambda row: row.name)
    def test_what_serves_it_exists(self, row: Row) -> None:
        assert row.served_by
        assert [reference for reference in row.served_by if not exists(reference)] == []

    @for_each("row", ROWS, ids=lambda row: row.name)
    def test_is_done_or_says_what_will_bring_it(self, row: Row) -> None:
        assert re.fullmatch(r"done|open: #\d+, .+", row.state)

    def test_a_part_that_was_asked_for_by_a_metrics_name_is_served_by_it(self) -> None:
        served = {reference for row in ROWS for reference in row.served_by}

        assert BY_NAME - served == set()


BY_NAME = {
    "messages_outbound_total",
    "messages_outbound_failed_total",
    "delivery_success_ratio",
    "first_response_latency_seconds",
    "queue_depth",
    "rate_global_per_min",
    "rate_per_contact_per_5min",
    "cb_state_global",
    "cb_state_contact",
    "cb_fail_rate_window",
    "trigger_hits_total",
    "flow_auto_steps_total",
    "process_uptime_seconds",
    "db_pool_in_use",
}
"""Names that the operators' document spells; nodejs_event_loop_lag_seconds is a recording rule."""


class TestExists:
    @for_each(
        "reference",
        [
            "messages_outbund_total",
            "collector/vendors/nobody.yaml",
            "tests/logs/test_logs.py::TestShape::test_nothing",
            "tests/test_nothing.py::TestShape",
        ],
    )
    def test_a_wrong_name_is_seen(self, reference: str) -> None:
        assert not exists(reference)
