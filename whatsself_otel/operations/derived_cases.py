"""Tests that every alert has, made from its own: without its metric, and with a healthy staging beside production."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final

from whatsself_otel.operations.cases import ABSENT, ENVIRONMENT, FIRING, HEALTHY, VALUE, Case, service
from whatsself_otel.operations.promql import ENVIRONMENT as LABEL

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

ALWAYS: Final = "WhatsSelfWatchdog"
"""Fires whatever there is."""


def derived(cases: Iterable[Case]) -> Iterator[Case]:
    """Return two more cases for every rule that *cases* are about."""
    by_rule: dict[str, list[Case]] = defaultdict(list)
    for case in cases:
        if case.kind != VALUE:
            by_rule[case.rule].append(case)
    for rule, some in by_rule.items():
        fires = int(rule == ALWAYS)
        yield Case(
            rule=rule, kind=ABSENT, title="a heartbeat and nothing else", series=service(), at={60: fires, 180: fires}
        )
        yield _beside_staging(rule, some)


def _beside_staging(rule: str, some: list[Case]) -> Case:
    """Production is in trouble, staging of the same name is not: one is told, the other is not."""
    trouble = next(case for case in some if case.kind == FIRING and (case.series or rule == ALWAYS))
    well = next((case for case in some if _pace(case) == _pace(trouble) and case.kind == HEALTHY), None)
    calm = service(step_s=trouble.step_s) if well is None or rule == ALWAYS else well.series
    times = {minute: count for minute, count in trouble.at.items() if count}
    staging = (
        f'count(ALERTS{{alertname="{rule.partition("{")[0]}", alertstate="firing", {LABEL}="staging"}}) or vector(0)'
    )
    return Case(
        rule=rule,
        kind=ENVIRONMENT,
        title="production, beside a staging that is well",
        series={**_in("production", trouble.series), **_in("staging", calm)},
        at=times,
        values={(staging, minute): 0 for minute in (well.at if well else times)},
        matchers="" if rule == ALWAYS else f'{LABEL}="production"',
        step_s=trouble.step_s,
        every_s=trouble.every_s,
    )


def _pace(case: Case) -> tuple[int, int]:
    return case.step_s, case.every_s


def _in(environment: str, series: Mapping[str, str]) -> dict[str, str]:
    return {name.replace("{", f'{{{LABEL}="{environment}",', 1): values for name, values in series.items()}
