"""The four objectives: events, error ratios, burn-rate alerts and budgets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from whatsself_otel.catalogue import (
    FIRST_RESPONSE_FAILED,
    FIRST_RESPONSE_LATENCY,
    FIRST_RESPONSE_UNANSWERED,
    HTTP_SERVER_REQUEST_DURATION,
    MESSAGES_OUTBOUND,
    MESSAGES_OUTBOUND_FAILED,
)
from whatsself_otel.operations.base import (
    ANSWERED_IN_TIME,
    DOWN_SHARE,
    FAILED,
    OUTBOUND,
    RECOVERED_IN_TIME,
    RECOVERIES,
    REQUESTS,
    REQUESTS_FAILED,
    TAKEN_BACK,
    UNANSWERED,
    over,
    stepped,
)
from whatsself_otel.operations.model import Alert, Check, Group, Inhibition, Page, Record, Words
from whatsself_otel.operations.promql import (
    ANSWERED,
    DOWN,
    ENVIRONMENT,
    SERVICE,
    SESSION,
    SINCE,
    bound,
    increase,
    minutes,
    series,
)
from whatsself_otel.operations.sending import OURS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from whatsself_otel.operations.model import Source

API: Final = "api-availability"
FIRST_RESPONSE: Final = "first-response"
SEND: Final = "send-success"
RECOVERY: Final = "session-recovery"
SLOS: Final = (API, FIRST_RESPONSE, SEND, RECOVERY)

BURN: Final = "WhatsSelfSloBurn"
EXHAUSTED: Final = "WhatsSelfSloBudgetExhausted"

SLO_BURN: Final = Words(
    en=Page(
        summary=(
            "Objective {{ $labels.slo }}: budget burns too fast ({{ $value | humanizePercentage }} bad in {{ "
            "$labels.long }})"
        ),
        description=(
            "Bad events exceed the allowed speed over {{ $labels.long }} and {{ $labels.short }}, with enough events "
            "to tell."
        ),
        impact="If it goes on, the objective is missed before its period ends.",
        fix=(
            "Look for the alert that fires beside this one and follow its runbook; alone it means a slow leak: compare "
            "with the last release and the last change of configuration."
        ),
    ),
    pt=Page(
        summary=(
            "Objetivo {{ $labels.slo }}: a margem acaba rápido demais ({{ $value | humanizePercentage }} ruins em {{ "
            "$labels.long }})"
        ),
        description=(
            "Eventos ruins passam da velocidade permitida em {{ $labels.long }} e {{ $labels.short }}, com eventos "
            "suficientes para julgar."
        ),
        impact="Se continuar, o objetivo é perdido antes do fim do período.",
        fix=(
            "Procure o alerta que dispara junto e siga o runbook dele; sozinho indica um vazamento lento: compare com "
            "a última versão e a última mudança de configuração."
        ),
    ),
    checks=(
        Check(
            en="Error ratio of the last hour or two",
            pt="Taxa de erro da última hora ou duas",
            promql="slo:error_ratio:1h or slo:error_ratio:2h",
        ),
        Check(
            en="Bad events of six hours",
            pt="Eventos ruins em seis horas",
            promql="slo:bad_events:6h",
        ),
        Check(
            en="Budget left",
            pt="Margem restante",
            promql="slo:budget_remaining:ratio",
        ),
    ),
)
SLO_BUDGET_EXHAUSTED: Final = Words(
    en=Page(
        summary="Objective {{ $labels.slo }}: the budget of its period is used up",
        description="{{ $value | humanizePercentage }} of the bad events that its period allows have happened.",
        impact="The objective is missed until bad events grow old.",
        fix="No risky change until the budget is positive; use the time for the cause that cost most.",
    ),
    pt=Page(
        summary="Objetivo {{ $labels.slo }}: a margem do período acabou",
        description="Já houve {{ $value | humanizePercentage }} dos eventos ruins que o período permite.",
        impact="O objetivo está perdido até os eventos ruins envelhecerem.",
        fix="Nenhuma mudança arriscada até a margem ser positiva; use o tempo na causa que mais custou.",
    ),
    checks=(
        Check(
            en="Budget left",
            pt="Margem restante",
            promql="slo:budget_remaining:ratio",
        ),
        Check(
            en="Bad events of the period",
            pt="Eventos ruins do período",
            promql="slo:bad_events:30d or slo:bad_events:1d",
        ),
        Check(
            en="Minutes without a heartbeat in a day",
            pt="Minutos sem heartbeat em um dia",
            promql="1440 * (1 - avg_over_time(whatsself:up[1d]))",
        ),
    ),
)


def slos(source: Source, slo: str) -> list[Group]:
    """Return the groups of one objective."""
    named, period = windows(source, slo), source[f"slos.{slo}.period"]
    quick = [rule for window in named for rule in _window(source, slo, window)]
    slow = [] if period in named else list(_window(source, slo, period))
    fast = [Group(name=f"{slo}-burn", interval="1m", rules=(*quick, *_burns(source, slo)))] if quick else []
    # A month is read seldom, yet more often than the 5 minutes after which a recorded value is no longer shown.
    return [*fast, Group(name=f"{slo}-budget", interval="4m", rules=(*slow, *_budget(source, slo)))]


def windows(source: Source, slo: str) -> list[str]:
    """Return the windows of the burn rates of *slo*, shortest first."""
    tiers = source[f"slos.{slo}"]["tiers"]
    return sorted({tier[end] for tier in tiers for end in ("long", "short")}, key=minutes)


RAW_MINUTES: Final = 120
"""Windows up to this are read from the raw series, to the second; longer ones from the sums of five minutes."""


def _events(source: Source, slo: str, window: str) -> tuple[str, str]:
    """Return the expressions of bad and of all events."""
    if minutes(window) > RAW_MINUTES:
        return _summed(slo, window)
    if slo == API:
        server = HTTP_SERVER_REQUEST_DURATION
        wrong = increase(source, server, window, 'http_response_status_code=~"5.."', suffix="_count")
        return wrong, increase(source, server, window, ANSWERED, suffix="_count")
    if slo == SEND:
        failed = increase(source, MESSAGES_OUTBOUND_FAILED, window, OURS, by=SESSION)
        return failed, increase(source, MESSAGES_OUTBOUND, window, by=SESSION)
    late, failed = (
        f"increase({series(source, spec)}[{window}])" for spec in (FIRST_RESPONSE_UNANSWERED, FIRST_RESPONSE_FAILED)
    )
    within = series(source, FIRST_RESPONSE_LATENCY, bound(source[f"slos.{slo}.seconds"]), suffix="_bucket")
    return _first_response(late, failed, f"increase({within}[{window}])")


def _summed(slo: str, window: str) -> tuple[str, str]:
    if slo == API:
        return over(REQUESTS_FAILED, window), over(REQUESTS, window)
    if slo == SEND:
        return over(FAILED, window, OURS, by=SESSION), over(OUTBOUND, window)
    if slo == FIRST_RESPONSE:
        late, failed, within = (over(name, window) for name in (UNANSWERED, TAKEN_BACK, ANSWERED_IN_TIME))
        return _first_response(late, failed, within)
    total = over(RECOVERIES, window)
    return f"({total} - ({over(RECOVERED_IN_TIME, window)} or 0 * {total}))", total


def _first_response(late: str, failed: str, within: str) -> tuple[str, str]:
    """
    Return bad and all waits.

    One past the deadline is counted when that passes; a late reply is in the histogram and must not count twice. One
    that failed after it was recorded stays in the histogram, which takes nothing back.
    """
    return _added(late, failed), _added(late, within)


def _added(one: str, other: str) -> str:
    return f'sum by ({SERVICE}) ({one} or label_replace({other}, "added", "yes", "", ""))'


def _window(source: Source, slo: str, window: str) -> Iterator[Record]:
    bad, total = _events(source, slo, window)
    labels, match = {"slo": slo}, f'{{slo="{slo}"}}'
    all_, wrong = f"slo:total_events:{window}", f"slo:bad_events:{window}"
    yield Record(name=all_, labels=labels, expr=total)
    if slo != API:
        yield Record(name=wrong, labels=labels, expr=bad if slo == RECOVERY else f"{bad} or 0 * {total}")
        yield Record(name=f"slo:error_ratio:{window}", labels=labels, expr=f"{wrong}{match} / ({all_}{match} > 0)")
        return
    # A dead application has no requests: each minute without its heartbeat is unavailable time. What was before the
    # service was first seen counts as available, else a minute of the first hour would be more than a month allows.
    down = f"{DOWN}:ratio_{window}"
    short = minutes(window) <= RAW_MINUTES
    read, step = stepped(DOWN_SHARE, window)
    away = f"avg_over_time({DOWN}[{window}])" if short else f"avg_over_time({read}[{window}:{step}])"
    yield Record(name=down, expr=f"{away}\n* clamp_max((time() - {SINCE}) / {window}, 1)")
    lost = f"{minutes(window)} * {down}"
    yield Record(name=wrong, labels=labels, expr=f"({bad} or 0 * {down})\n+ {lost}")
    failing = f"(({wrong}{match} - ignoring (slo) group_left () {lost}) / ({all_}{match} > 0) or 0 * {wrong}{match})"
    # Of the time that it was up, so much failed.
    yield Record(
        name=f"slo:error_ratio:{window}",
        labels=labels,
        expr=f"1 - (1 - {failing}) * ignoring (slo) group_left () (1 - {down})",
    )


_TOLD: Final = {
    API: (SERVICE, 'ALERTS{alertname="WhatsSelfServiceAway", alertstate="firing"}'),
    SEND: (SESSION, 'ALERTS{alertname="WhatsSelfSendFailureHigh", alertstate="firing"}'),
}
"""What people were told of the same events. The short window of a warning remembers them long after their end."""


def _unless_told(slo: str, tier: Mapping[str, str]) -> str:
    if tier["severity"] != "warning" or slo not in _TOLD:
        return ""
    labels, told = _TOLD[slo]
    return f"\nunless on ({labels}) count_over_time({told}[{tier['short']}])"


def _burns(source: Source, slo: str) -> Iterator[Alert]:
    config = source[f"slos.{slo}"]
    for tier in config["tiers"]:
        threshold = round(tier["factor"] * (1 - config["objective"]), 6)
        matcher = f'{{slo="{slo}"}}'
        long, short = tier["long"], tier["short"]
        yield Alert(
            name=BURN,
            words=SLO_BURN,
            inhibits=(
                Inhibition(
                    targets=('component="slo"', 'severity="warning"'),
                    sources=('component="slo"', 'severity="critical"'),
                    equal=(ENVIRONMENT, "job", "session", "slo"),
                ),
            ),
            expr=(
                f"slo:error_ratio:{long}{matcher} > {threshold:g}"
                f"\nand slo:error_ratio:{short}{matcher} > {threshold:g}"
                f"\nand slo:bad_events:{long}{matcher} >= {config['min_events'] - 0.5}"
                f"{_unless_told(slo, tier)}"
            ),
            wait=tier["for"],
            severity=tier["severity"],
            component="slo",
            labels={"slo": slo, "long": long, "short": short},
            dashboard="quality",
        )


def _budget(source: Source, slo: str) -> Iterator[Record | Alert]:
    config = source[f"slos.{slo}"]
    matcher, period = f'{{slo="{slo}"}}', config["period"]
    yield Record(
        name="slo:budget_remaining:ratio",
        labels={"slo": slo},
        expr=f"1 - slo:error_ratio:{period}{matcher} / {round(1 - config['objective'], 6):g}",
    )
    yield Alert(
        name=EXHAUSTED,
        words=SLO_BUDGET_EXHAUSTED,
        expr=(
            f"1 - slo:budget_remaining:ratio{matcher} > 1"
            f"\nand slo:bad_events:{period}{matcher} >= {config['min_events'] - 0.5}"
        ),
        wait=source["budget_for"],
        severity="warning",
        component="slo",
        labels={"slo": slo},
        dashboard="quality",
    )
