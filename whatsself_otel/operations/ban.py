"""Ban risk: how near is a ban."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from whatsself_otel.catalogue import (
    CONTACT_CONSENT,
    MESSAGES_OUTBOUND,
    MESSAGES_OUTBOUND_FAILED,
    RATE_PER_CONTACT,
    WHATSAPP_QUALITY_RATING,
    WHATSAPP_SESSION_DISCONNECTS,
    WHATSAPP_SESSION_STATE,
)
from whatsself_otel.operations.cases import BOUNDARY, FIRING, HEALTHY, VALUE, Case, flat, named, ramp, service
from whatsself_otel.operations.model import Alert, Check, Group, Page, Record, Words
from whatsself_otel.operations.promql import SERVICE, SESSION, highest, increase, or_zero, series

if TYPE_CHECKING:
    from collections.abc import Iterator

    from whatsself_otel.operations.model import Source

SENT = MESSAGES_OUTBOUND.prometheus_name
FAILED = MESSAGES_OUTBOUND_FAILED.prometheus_name

BAN_RISK_HIGH: Final = Words(
    en=Page(
        summary="Ban risk is {{ $value | humanize }} of 100",
        description=(
            "Pace, load on one contact, failures, opt-outs, disconnects and WhatsApp's own rating together reached "
            "<ban_risk.score> or more."
        ),
        impact="WhatsApp may restrict or ban the number.",
        fix=(
            "See which signal is highest and lower that one: slow down below <limits.per_minute> a minute, at most "
            "<limits.per_contact> to a contact, only those who opted in, no broadcast today."
        ),
    ),
    pt=Page(
        summary="O risco de banimento é {{ $value | humanize }} de 100",
        description=(
            "Ritmo, carga em um contato, falhas, recusas, quedas e a nota do próprio WhatsApp somaram "
            "<ban_risk.score> ou mais."
        ),
        impact="O WhatsApp pode restringir ou banir o número.",
        fix=(
            "Veja qual sinal é o maior e reduza-o: menos de <limits.per_minute> por minuto, no máximo "
            "<limits.per_contact> por contato, só quem aceitou receber, nenhum disparo hoje."
        ),
    ),
    checks=(
        Check(
            en="Each signal with its weight",
            pt="Cada sinal com seu peso",
            promql="whatsself:ban_risk:weighted",
        ),
        Check(
            en="Opt-outs of the day",
            pt="Recusas do dia",
            promql="sum by (action) (increase(contact_consent_total{<job>}[1d]))",
        ),
        Check(
            en="Disconnects of the day",
            pt="Quedas do dia",
            promql="sum by (reason) (increase(whatsapp_session_disconnects_total{<job>}[1d])) > 0",
        ),
    ),
)


BAN_SIGNALS = ("pace", "contact", "failures", "opt_outs", "disconnects", "rating")


WEIGHTED = "whatsself:ban_risk:weighted"


def rules(source: Source) -> Group:
    """How near is a ban."""
    window = {name: source[f"ban_risk.{name}"].get("window") for name in BAN_SIGNALS}
    fails, outs = source["ban_risk.failures"], source["ban_risk.opt_outs"]
    attempts = increase(source, MESSAGES_OUTBOUND, window["failures"])
    failed = increase(source, MESSAGES_OUTBOUND_FAILED, window["failures"])
    left = increase(source, CONTACT_CONSENT, window["opt_outs"], 'action="opt_out"')
    sent = increase(source, MESSAGES_OUTBOUND, window["opt_outs"])
    lost = increase(source, WHATSAPP_SESSION_DISCONNECTS, window["disconnects"], 'reason=~"logged_out|replaced"')
    banned = increase(source, WHATSAPP_SESSION_DISCONNECTS, window["disconnects"], 'reason="banned"')
    sends = series(source, MESSAGES_OUTBOUND)
    signals = {
        # WhatsApp looks at each number for itself.
        "pace": f"1m * max by ({SERVICE}) (sum by ({SESSION}) (rate({sends}[{window['pace']}])))",
        "contact": highest(source, RATE_PER_CONTACT),
        "failures": f"(({failed} or 0 * {attempts}) / ({attempts} >= {fails['min'] - 0.5}))",
        "opt_outs": f"(({left} >= {outs['min'] - 0.5}) / clamp_min({or_zero(sent, source)}, 1))",
        "disconnects": f"({or_zero(lost, source)} + 3 * {or_zero(banned, source)})",
        "rating": " + ".join(_told(source)),
    }
    return Group(
        name="whatsself-ban-risk",
        interval="1m",
        rules=(
            *(_weighted(source, name, expr) for name, expr in signals.items()),
            Record(name="whatsself:ban_risk:score", expr=f"100 * (1 - exp(sum by ({SERVICE}) (ln(1 - {WEIGHTED}))))"),
            Alert(
                name="WhatsSelfBanRiskHigh",
                words=BAN_RISK_HIGH,
                expr=f"whatsself:ban_risk:score >= {source['ban_risk.score']}",
                wait=source["ban_risk.score_for"],
                keep=source["ban_risk.score_keep"],
                severity="warning",
                component="ban",
            ),
        ),
    )


def _told(source: Source) -> Iterator[str]:
    """What WhatsApp itself says of the number: a yellow rating counts 1, a red one and a restriction 2 each."""
    for factor, spec, told in (
        (1, WHATSAPP_QUALITY_RATING, 'rating="yellow"'),
        (2, WHATSAPP_QUALITY_RATING, 'rating="red"'),
        (2, WHATSAPP_SESSION_STATE, 'state="restricted"'),
    ):
        times = "" if factor == 1 else f"{factor} * "
        yield f"{times}{or_zero(highest(source, spec, told), source)}"


def _weighted(source: Source, name: str, expr: str) -> Record:
    signal = source[f"ban_risk.{name}"]
    low, high = signal["from"], signal["to"]
    scaled = f"({expr} - {low}) / {round(high - low, 6):g}"
    return Record(
        name=WEIGHTED,
        labels={"risk": name},
        expr=f"{signal['weight']} * clamp({or_zero(scaled, source)}, 0, 1)",
    )


def cases() -> Iterator[Case]:
    """The score."""
    rule, score = "WhatsSelfBanRiskHigh", "whatsself:ban_risk:score"
    base = service(200)
    sent, second = named(SENT, 'origin="broadcast"'), named(SENT, 'origin="broadcast"', instance="b")
    failed = named(FAILED, 'reason="blocked"')
    failed_too = named(FAILED, 'reason="blocked"', instance="b")
    left = named("contact_consent_total", 'action="opt_out"')
    yield from _pace_cases(rule, score, base, (sent, second))
    yield from _limit_cases(rule, score, base, (sent, failed, left))
    yield from _outside_cases(rule, score, base, (sent, second, failed, failed_too))
    yield from _opt_out_cases(rule, base, (sent, second, left))
    yield from _saturated(rule, base)
    yield from _told_cases(rule, score, base)
    yield from _loss_cases(rule, score, base)


LOSSES = "whatsapp_session_disconnects_total"
CONTACT = named("rate_per_contact_per_5min")
MAIN = 'session="main"'


def _pace_cases(rule: str, score: str, base: dict[str, str], names: tuple[str, str]) -> Iterator[Case]:
    sent, second = names
    fast = {**base, sent: ramp((90, 6)), second: ramp((90, 9)), CONTACT: flat((90, 8))}
    yield Case(rule=rule, kind=FIRING, title="too fast, and to one contact", series=fast, at={30: 1})
    yield Case(
        rule=rule,
        kind=VALUE,
        title="pace and contact",
        series=fast,
        values={(score, 30): 64, ('whatsself:ban_risk:weighted{risk="pace"}', 30): 0.4},
    )
    yield Case(
        rule=rule,
        kind=VALUE,
        title="half of each, and the pace of five minutes",
        series={
            **base,
            sent: ramp((30, 6.3), (60, 0)),
            second: ramp((30, 6), (60, 0)),
            CONTACT: flat((90, 5)),
            named("rate_per_contact_per_5min", instance="b"): flat((90, 2)),
        },
        values={
            ('whatsself:ban_risk:weighted{risk="pace"}', 29): 0.2,
            ('whatsself:ban_risk:weighted{risk="contact"}', 29): 0.2,
            ('whatsself:ban_risk:weighted{risk="pace"}', 30.5): 0.11,
            (score, 29): 36,
        },
    )


def _limit_cases(rule: str, score: str, base: dict[str, str], names: tuple[str, str, str]) -> Iterator[Case]:
    sent, failed, left = names
    yield Case(rule=rule, kind=HEALTHY, title="an idle service", series=base, at={30: 0}, values={(score, 30): 0})
    yield Case(
        rule=rule,
        kind=HEALTHY,
        title="at the limits, a day's three messages with one failure and one opt-out",
        series={
            **base,
            sent: flat((10, 0), (90, 3)),
            failed: flat((10, 0), (90, 1)),
            left: flat((10, 0), (90, 1)),
            CONTACT: flat((100, 2)),
        },
        at={30: 0, 60: 0},
    )


def _opt_out_cases(rule: str, base: dict[str, str], names: tuple[str, str, str]) -> Iterator[Case]:
    sent, second, left = names
    for outs, value in ((2, 0), (3, 0.3)):
        yield Case(
            rule=rule,
            kind=VALUE,
            title=f"{outs} opt-outs of 100 messages",
            series={
                **base,
                sent: flat((10, 0), (100, 60)),
                second: flat((10, 0), (100, 40)),
                left: flat((10, 0), (100, outs - 1)),
                named("contact_consent_total", 'action="opt_out"', instance="b"): flat((10, 0), (100, 1)),
                named("contact_consent_total", 'action="opt_in"'): flat((10, 0), (100, 50)),
            },
            values={('whatsself:ban_risk:weighted{risk="opt_outs"}', 40): value},
        )
    yield Case(
        rule=rule,
        kind=VALUE,
        title="opt-outs and disconnects of a day",
        series={
            **service(3200, step_s=600),
            sent: ramp((3200, 0.5), step_s=600),
            left: ramp((1440, 0), (600, 0.03), (1160, 0), step_s=600),
            named(LOSSES, f'{MAIN},reason="replaced"'): flat((1440, 0), (1760, 1), step_s=600),
        },
        values={
            ('whatsself:ban_risk:weighted{risk="opt_outs"}', 2440): 0.225,
            ('whatsself:ban_risk:weighted{risk="disconnects"}', 2440): 0.3,
            ('whatsself:ban_risk:weighted{risk="opt_outs"}', 3030): 0.131,
            ('whatsself:ban_risk:weighted{risk="disconnects"}', 3030): 0,
        },
        step_s=600,
    )


def _loss_cases(rule: str, score: str, base: dict[str, str]) -> Iterator[Case]:
    yield Case(
        rule=rule,
        kind=VALUE,
        title="a ban is remembered for a day",
        series={
            **service(3200, step_s=600),
            named(LOSSES, f'{MAIN},reason="banned"'): flat((1440, 0), (1760, 1), step_s=600),
        },
        values={
            ('whatsself:ban_risk:weighted{risk="disconnects"}', 2440): 0.9,
            ('whatsself:ban_risk:weighted{risk="disconnects"}', 3030): 0,
        },
        step_s=600,
    )
    for reason, times, value in (("logged_out", 1, 30), ("banned", 1, 90), ("transient", 9, 0)):
        yield Case(
            rule=rule,
            kind=VALUE,
            title=f"{reason} {times} times on two workers' session",
            series={
                **base,
                named(LOSSES, f'{MAIN},reason="{reason}"'): flat((10, 0), (100, times)),
                named(LOSSES, f'{MAIN},reason="{reason}"', instance="b"): flat((110, 0)),
            },
            values={(score, 40): value},
        )
    again = {
        **base,
        named(LOSSES, f'{MAIN},reason="logged_out"'): flat((10, 0), (100, 1)),
        named(LOSSES, f'{MAIN},reason="replaced"', instance="b"): flat((10, 0), (100, 1)),
    }
    yield Case(rule=rule, kind=FIRING, title="logged out and replaced", series=again, at={30: 1})
    yield Case(rule=rule, kind=BOUNDARY, title="for ten minutes", series=again, at={19: 0, 21: 1})


def _told_cases(rule: str, score: str, base: dict[str, str]) -> Iterator[Case]:
    """WhatsApp's own word: a red rating or a restriction alone is enough, a yellow rating is not."""
    rating, state = "whatsapp_quality_rating", "whatsapp_session_state"
    for title, kind, name, value in (
        ("a green rating", HEALTHY, named(rating, 'session="main",rating="green"'), 0),
        ("a yellow rating", HEALTHY, named(rating, 'session="main",rating="yellow"'), 30),
        ("a red rating of one of two numbers", FIRING, named(rating, 'session="two",rating="red"'), 60),
        ("a restricted account", FIRING, named(state, 'session="main",state="restricted"'), 60),
    ):
        yield Case(
            rule=rule,
            kind=kind,
            title=title,
            series={
                **base,
                named(rating, 'session="main",rating="red"'): flat((100, 0)),
                named(rating, 'session="main",rating="yellow"', instance="b"): flat((100, 0)),
                name: flat((100, 1)),
            },
            at={30: int(kind == FIRING)},
            values={(score, 30): value},
        )


def _saturated(rule: str, base: dict[str, str]) -> Iterator[Case]:
    """Far past its limit a risk weighs no more than at it."""
    past = {
        **base,
        named(SENT, 'origin="broadcast"'): ramp((100, 60)),
        named("rate_per_contact_per_5min"): flat((100, 40)),
    }
    yield Case(
        rule=rule,
        kind=VALUE,
        title="pace and load on one contact far past their limits",
        series=past,
        values={(f'whatsself:ban_risk:weighted{{risk="{risk}"}}', 40): 0.4 for risk in ("pace", "contact")},
    )
    yield Case(
        rule=rule,
        kind=VALUE,
        title="half of the contacts leave, and five bans",
        series={
            **base,
            named(SENT, 'origin="broadcast"'): flat((10, 0), (100, 40)),
            named("contact_consent_total", 'action="opt_out"'): flat((10, 0), (100, 20)),
            named("whatsapp_session_disconnects_total", 'session="main",reason="banned"'): flat((10, 0), (100, 5)),
        },
        values={
            ('whatsself:ban_risk:weighted{risk="opt_outs"}', 40): 0.6,
            ('whatsself:ban_risk:weighted{risk="disconnects"}', 40): 0.9,
        },
    )


def _outside_cases(rule: str, score: str, base: dict[str, str], names: tuple[str, str, str, str]) -> Iterator[Case]:
    sent, second, failed, failed_too = names
    for percent, fires in ((24, 0), (27, 1)):
        yield Case(
            rule=rule,
            kind=BOUNDARY,
            title=f"{percent} % of two workers' sends fail",
            series={
                **base,
                sent: ramp((150, 2)),
                second: ramp((150, 2)),
                failed: ramp((150, percent / 50)),
                failed_too: ramp((150, percent / 50)),
            },
            at={80: fires},
        )
    yield Case(
        rule=rule,
        kind=BOUNDARY,
        title="ends 15 minutes after its cause",
        series={**base, named("rate_per_contact_per_5min"): flat((40, 8), (60, 0)), sent: ramp((40, 15), (60, 0))},
        at={39: 1, 54: 1, 58: 0},
    )
    for attempts, value in ((9, 0), (10, 60)):
        yield Case(
            rule=rule,
            kind=VALUE,
            title=f"{attempts} attempts, all failed, and forgotten in an hour",
            series={
                **base,
                sent: flat((10, 0), (150, attempts - 1)),
                second: flat((10, 0), (150, 1)),
                failed: flat((10, 0), (150, attempts)),
            },
            values={(score, 68): value, (score, 72): 0},
        )
