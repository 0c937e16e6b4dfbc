"""The files that promtool runs: one a rule file and step."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from whatsself_otel.operations import (
    backend_cases,
    ban_cases,
    base_cases,
    bridge,
    collector_cases,
    contacts,
    delivery,
    http_cases,
    own_telemetry,
    queue_cases,
    sending_cases,
    service_cases,
    session_cases,
)
from whatsself_otel.operations.cases import VALUE, Case
from whatsself_otel.operations.derived_cases import derived
from whatsself_otel.operations.model import Record, dump
from whatsself_otel.operations.rules import HEADING, alerts, rule_groups, written
from whatsself_otel.operations.slo_cases import slo_cases
from whatsself_otel.operations.slos import SLOS

if TYPE_CHECKING:
    from whatsself_otel.operations.model import Source

EVALUATION_S = 30
SEPARATOR = " | "
LASTING = frozenset(
    {"WhatsSelfGaugeMissing", "WhatsSelfCollectorReplicaDown", "WhatsSelfStorageFilling", "WhatsSelfInboundSilent"}
)
"""Warnings that last longer than their cause."""


def cases(source: Source) -> dict[str, list[Case]]:
    """Return the tests of every rule file, by its name without the ending."""
    # Of an objective's warnings each tier has its own; one is enough, and those of targets remember for a day anyway.
    warnings = {alert.name for alert in alerts(source) if alert.severity == "warning"} - LASTING
    return {name: [*some, *derived(some, warnings)] for name, some in _cases(source).items()}


def _cases(source: Source) -> dict[str, list[Case]]:
    return {
        "service": list(service_cases.cases()),
        "telemetry": list(own_telemetry.cases()),
        "session": list(session_cases.cases()),
        "base": list(base_cases.cases()),
        "queue": list(queue_cases.cases()),
        "bridge": list(bridge.cases()),
        "sending": [*sending_cases.cases(), *contacts.cases(), *ban_cases.cases()],
        "delivery": list(delivery.cases()),
        "http": list(http_cases.cases()),
        **{f"slo-{slo}": list(slo_cases(source, slo)) for slo in SLOS},
        "machinery": [*collector_cases.cases(), *backend_cases.cases()],
    }


def test_files(source: Source) -> dict[str, str]:
    """Return the text of every test file, by file name."""
    files = {}
    for name, all_cases in cases(source).items():
        by_pace: dict[int, list[Case]] = defaultdict(list)
        for case in all_cases:
            by_pace[_evaluation_s(case)].append(case)
        for every_s, some in by_pace.items():
            suffix = "" if every_s == EVALUATION_S else f"-{every_s}s"
            files[f"{name}{suffix}.yml"] = dump(_file(source, name, every_s, some), HEADING)
    return files


def _evaluation_s(case: Case) -> int:
    return case.every_s or max(case.step_s, EVALUATION_S)


def _file(source: Source, name: str, every_s: int, some: list[Case]) -> dict[str, Any]:
    needed = _needed(source, name)
    groups = rule_groups(source)
    return {
        "rule_files": [f"../rules/{each}.yml" for each in needed],
        "evaluation_interval": f"{every_s}s",
        # Of groups that read each other; without it promtool's own order changes from run to run.
        "group_eval_order": [group.name for each in needed for group in groups[each]],
        "tests": [_test(case) for case in some],
    }


def _needed(source: Source, name: str) -> list[str]:
    """Return the rule files that *name* reads, those first that are read."""
    groups = rule_groups(source)
    made = {
        rule.name: file for file in groups for group in groups[file] for rule in group.rules if isinstance(rule, Record)
    }
    found, asked = {name}, [name]
    while asked:
        text = " ".join(written(rule) for group in groups[asked.pop()] for rule in group.rules)
        for other in {made[record] for record in re.findall(r"\b\w+:[\w:]+", text) if record in made} - found:
            found.add(other)
            asked.append(other)
    return [file for file in groups if file in found]


def _test(case: Case) -> dict[str, Any]:
    evaluation_s = _evaluation_s(case)
    return {
        "name": SEPARATOR.join((case.rule, case.kind, case.title)),
        "interval": f"{case.step_s}s",
        "input_series": [{"series": series, "values": values} for series, values in case.series.items()],
        "promql_expr_test": [
            *(
                _expectation(_firing(case.rule, case.matchers), minute, count, evaluation_s)
                for minute, count in case.at.items()
            ),
            *(
                _expectation(_near(expr, value), minute, 1, evaluation_s)
                for (expr, minute), value in case.values.items()
            ),
        ],
    }


def _expectation(expr: str, minute: float, value: int, evaluation_s: int) -> dict[str, Any]:
    # Rules are evaluated at multiples of the interval; a moment between two would show the one before.
    seconds = round(minute * 60 / evaluation_s) * evaluation_s
    return {"expr": expr, "eval_time": f"{seconds}s", "exp_samples": [{"labels": "{}", "value": value}]}


def _firing(rule: str, more: str = "") -> str:
    name, *labels = re.findall(r"^\w+|\w+=[\w-]+", rule)
    matchers = "".join(f', {label.replace("=", "=" + chr(34), 1)}"' for label in labels)
    return f'count(ALERTS{{alertname="{name}", alertstate="firing"{matchers}{more and ", " + more}}}) or vector(0)'


def _near(expr: str, value: float) -> str:
    """Return an expression that is 1 where *expr* is *value* but for the extrapolation at a window's ends."""
    slack = max(0.03 * abs(value), 0.01)
    return f"sum(abs(({expr}) - {value:g}) < bool {slack:g})"


def coverage(source: Source) -> dict[str, set[str]]:
    """Return the kinds of tests of every rule."""
    kinds: dict[str, set[str]] = defaultdict(set)
    for some in cases(source).values():
        for case in some:
            if case.kind != VALUE:
                kinds[case.rule].add(case.kind)
    return kinds
