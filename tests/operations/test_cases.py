"""Every alert has the kinds of cases that an alert must have."""

from __future__ import annotations

from rows import for_each

from whatsself_otel.operations.cases import KINDS, ramp
from whatsself_otel.operations.model import Source
from whatsself_otel.operations.rule_tests import coverage
from whatsself_otel.operations.rules import alerts

SOURCE = Source.load()
NAMES = sorted({alert.name for alert in alerts(SOURCE)})


@for_each("name", NAMES)
def test_each_alert_has_every_kind_of_case(name: str) -> None:
    kinds = {rule: found for rule, found in coverage(SOURCE).items() if rule.partition("{")[0] == name}

    assert kinds
    assert {rule for rule, found in kinds.items() if found != set(KINDS)} == set()


def test_a_counter_that_falls_is_written_as_promtool_reads_it() -> None:
    assert ramp((1, -60), step_s=15, start=100) == "100-15x3"
