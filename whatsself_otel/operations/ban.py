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
from whatsself_otel.operations.model import Alert, Check, Group, Page, Record, Words
from whatsself_otel.operations.promql import SERVICE, SESSION, highest, increase, or_zero, series

if TYPE_CHECKING:
    from collections.abc import Iterator

    from whatsself_otel.operations.model import Source

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


_FILLED: Final = ("disconnects", "rating")
"""Signals that are 0 by themselves where there is nothing to tell."""

_LIMITS: Final = {"pace": "limits.per_minute", "contact": "limits.per_contact"}
"""Signals whose ends are shares of a limit of the application."""


def _weighted(source: Source, name: str, expr: str) -> Record:
    signal = source[f"ban_risk.{name}"]
    unit = source[_LIMITS[name]] if name in _LIMITS else 1
    low, high = (round(signal[end] * unit, 6) for end in ("from", "to"))
    scaled = f"({expr} - {low:g}) / {round(high - low, 6):g}"
    return Record(
        name=WEIGHTED,
        labels={"risk": name},
        expr=f"{signal['weight']} * clamp({scaled if name in _FILLED else or_zero(scaled, source)}, 0, 1)",
    )
