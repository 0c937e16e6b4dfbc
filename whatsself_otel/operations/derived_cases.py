"""Tests that every alert has, made from its own: without its metric, and with a healthy staging beside production."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING, Final

from whatsself_otel.operations.cases import ABSENT, ENVIRONMENT, FIRING, HEALTHY, VALUE, Case, flat, service
from whatsself_otel.operations.promql import ENVIRONMENT as LABEL

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Mapping

ALWAYS: Final = "WhatsSelfWatchdog"
"""Fires whatever there is."""


def derived(cases: Iterable[Case], warnings: Container[str]) -> Iterator[Case]:
    """Return more cases for every rule of *cases*, and for each of *warnings* one with the business closed."""
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
        if rule in warnings and (held := _held(rule, some)):
            yield held


def _beside_staging(rule: str, some: list[Case]) -> Case:
    """Return a case of production in trouble beside a healthy staging; only production fires."""
    trouble = next(case for case in some if case.kind == FIRING and (case.series or rule == ALWAYS))
    calm_cases = (case for case in some if case.kind == HEALTHY and not any(case.at.values()))
    well = next((case for case in calm_cases if _pace(case) == _pace(trouble)), None)
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


def _held(rule: str, some: list[Case]) -> Case | None:
    """Return a case whose cause ends while the business is closed; the warning ends when it opens."""
    ends = (case for case in some if case.kind == FIRING and _fires_last(case) and not case.every_s)
    trouble = next(ends, None)
    if trouble is None:
        return None
    closes = max(trouble.at)
    over = closes + 60
    hours = flat((closes, 1), (60, 0), (60, 1), step_s=trouble.step_s)
    opens = {'business_open{job="whatsself",instance="a"}': hours}
    # Another service keeps other hours.
    opens |= {'business_open{job="other",instance="b"}': flat((over + 60, 0), step_s=trouble.step_s)}
    short = {name: _cut(values, closes, trouble.step_s) for name, values in trouble.series.items()}
    count = trouble.at[closes]
    return Case(
        rule=rule,
        kind=HEALTHY,
        title="over while the business is closed: told when it opens",
        series=short | opens,
        at={over - 5: count, over + 45: 0},
        step_s=trouble.step_s,
    )


def _fires_last(case: Case) -> bool:
    return bool(case.at) and case.at[max(case.at)] > 0


def _cut(values: str, minutes: float, step_s: int) -> str:
    """Return *values* up to *minutes*, without the later samples."""
    left, parts = round(minutes * 60 / step_s), []
    for part in values.split():
        begin, sign, more = re.fullmatch(r"(_|-?[\d.e+]+?)(?:([+-][\d.e]+))?(?:x(\d+))?", part).groups()  # type: ignore[union-attr]
        count = int(more or 0) + (begin != "_")
        taken = min(count, left)
        left -= taken
        if taken:
            parts.append(f"_x{taken}" if begin == "_" else f"{begin}{sign or '+0'}x{taken - 1}")
    return " ".join(parts)
