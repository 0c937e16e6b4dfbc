"""The files that promtool runs: one a rule file and step."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from operations import backends, ban, collector, contacts, http, queue, sending, service, session
from operations.cases import STEP_S, VALUE, Case
from operations.model import dump
from operations.rules import HEADING
from operations.slo_cases import slo_cases
from operations.slos import API, RECOVERY, SLOS

if TYPE_CHECKING:
    from operations.model import Source

EVALUATION_S = 30
SEPARATOR = " | "


def cases(source: Source) -> dict[str, list[Case]]:
    """Return the tests of every rule file, by its name without the ending."""
    return {
        "service": list(service.cases()),
        "session": list(session.cases()),
        "queue": list(queue.cases()),
        "sending": [*sending.cases(), *contacts.cases(), *ban.cases()],
        "http": list(http.cases()),
        **{f"slo-{slo}": list(slo_cases(source, slo)) for slo in SLOS},
        "machinery": [*collector.cases(), *backends.cases()],
    }


def test_files(source: Source) -> dict[str, str]:
    """Return the text of every test file, by file name."""
    files = {}
    for name, all_cases in cases(source).items():
        by_step: dict[int, list[Case]] = defaultdict(list)
        for case in all_cases:
            by_step[case.step_s].append(case)
        for step_s, some in by_step.items():
            suffix = "" if step_s == STEP_S else f"-{step_s}s"
            files[f"{name}{suffix}.yml"] = dump(_file(name, step_s, some), HEADING)
    return files


def _file(name: str, step_s: int, some: list[Case]) -> dict[str, Any]:
    # A dead application counts as unavailable, which the service's rules tell.
    needed = ["service", name] if name == f"slo-{API}" else [name]
    return {
        "rule_files": [f"../rules/{each}.yml" for each in needed],
        "evaluation_interval": f"{max(step_s, EVALUATION_S)}s",
        **_order(name),
        "tests": [_test(case) for case in some],
    }


def _order(name: str) -> dict[str, list[str]]:
    """Return the order of groups that read each other: without it promtool's own changes from run to run."""
    slo = name.removeprefix("slo-")
    if slo not in SLOS or slo == RECOVERY:
        return {}
    first = ["whatsself-service"] if slo == API else []
    return {"group_eval_order": [*first, f"{slo}-burn", f"{slo}-budget"]}


def _test(case: Case) -> dict[str, Any]:
    evaluation_s = max(case.step_s, EVALUATION_S)
    return {
        "name": SEPARATOR.join((case.rule, case.kind, case.title)),
        "interval": f"{case.step_s}s",
        "input_series": [{"series": series, "values": values} for series, values in case.series.items()],
        "promql_expr_test": [
            *(_expectation(_firing(case.rule), minute, count, evaluation_s) for minute, count in case.at.items()),
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


def _firing(rule: str) -> str:
    name, *labels = re.findall(r"^\w+|\w+=[\w-]+", rule)
    matchers = "".join(f', {label.replace("=", "=" + chr(34), 1)}"' for label in labels)
    return f'count(ALERTS{{alertname="{name}", alertstate="firing"{matchers}}}) or vector(0)'


def _near(expr: str, value: float) -> str:
    """Return an expression that is 1 where *expr* is *value* but for the extrapolation at a window's ends."""
    slack = max(0.03 * abs(value), 0.01)
    return f"sum(abs({expr} - {value:g}) < bool {slack:g})"


def coverage(source: Source) -> dict[str, set[str]]:
    """Return the kinds of tests of every rule."""
    kinds: dict[str, set[str]] = defaultdict(set)
    for some in cases(source).values():
        for case in some:
            if case.kind != VALUE:
                kinds[case.rule].add(case.kind)
    return kinds
