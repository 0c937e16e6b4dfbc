"""The bridge between a gateway and its target: does the target take the webhooks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from whatsself_otel.catalogue import BRIDGE_QUEUE_OLDEST_AGE
from whatsself_otel.operations.cases import BOUNDARY, FIRING, HEALTHY, Case, flat, named, service
from whatsself_otel.operations.model import Alert, Check, Group, Page, Words
from whatsself_otel.operations.promql import highest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from whatsself_otel.operations.model import Source

BRIDGE_TARGET_AWAY: Final = Words(
    en=Page(
        summary="The bridge's target is away: a webhook waits for {{ $value | humanizeDuration }}",
        description="The oldest request in the bridge's queue is older than <bridge.oldest_s> s.",
        impact="n8n, Typebot or another target hears nothing: contacts get no answer. Nothing is lost.",
        fix=(
            "Start the target, or make its workflow active; the queue then drains in order. `whatsself-otel doctor "
            "--bridge-url http://127.0.0.1:8085` tells what the bridge sees. Past --queue-max-age "
            "requests are given up."
        ),
    ),
    pt=Page(
        summary="O destino da bridge está fora do ar: um webhook espera há {{ $value | humanizeDuration }}",
        description="A requisição mais antiga na fila da bridge tem mais de <bridge.oldest_s> s.",
        impact=("O n8n, o Typebot ou outro destino não ouve nada: contatos ficam sem resposta. Nada se perde."),
        fix=(
            "Inicie o destino, ou ative o workflow; a fila então esvazia em ordem. `whatsself-otel doctor "
            "--bridge-url http://127.0.0.1:8085` diz o que a bridge vê. Passado "
            "--queue-max-age, requisições são descartadas."
        ),
    ),
    checks=(
        Check(
            en="Requests that wait",
            pt="Requisições à espera",
            promql="sum by (job) (bridge_queue_depth{<job>})",
        ),
        Check(
            en="What becomes of requests",
            pt="O que acontece com as requisições",
            promql="sum by (provider, outcome) (rate(bridge_requests_total{<job>}[5m])) > 0",
        ),
        Check(
            en="What left the queue",
            pt="O que saiu da fila",
            promql="sum by (outcome) (increase(bridge_queue_settled_total{<job>}[1h]))",
        ),
    ),
)


def rules(source: Source) -> Group:
    """Return the rules about the bridge."""
    return Group(
        name="whatsself-bridge",
        rules=(
            Alert(
                name="WhatsSelfBridgeTargetAway",
                words=BRIDGE_TARGET_AWAY,
                expr=f"{highest(source, BRIDGE_QUEUE_OLDEST_AGE)} > {source['bridge.oldest_s']}",
                wait=source["bridge.away_for"],
                keep=source["bridge.away_keep"],
                severity="critical",
                component="http",
            ),
        ),
    )


def cases() -> Iterator[Case]:
    """Return every test of these rules."""
    away = "WhatsSelfBridgeTargetAway"
    oldest, other = (named("bridge_queue_oldest_age_seconds", instance=instance) for instance in ("a", "b"))
    waits = {**service(), oldest: flat((10, 0), (30, 301), (30, 0))}
    yield Case(rule=away, kind=FIRING, title="a request waits for over five minutes", series=waits, at={20: 1})
    yield Case(rule=away, kind=BOUNDARY, title="holds for two minutes", series=waits, at={11.5: 0, 12.5: 1})
    yield Case(rule=away, kind=BOUNDARY, title="outlives the drain by two minutes", series=waits, at={41.5: 1, 43: 0})
    each = {**service(), oldest: flat((40, 200)), other: flat((40, 200))}
    yield Case(rule=away, kind=HEALTHY, title="over three minutes at each of two bridges", series=each, at={30: 0})
    brief = {**service(), oldest: flat((40, 300)), other: flat((40, 0))}
    yield Case(rule=away, kind=HEALTHY, title="five minutes, and another bridge is well", series=brief, at={30: 0})
    two = {**service(), oldest: flat((40, 400)), other: flat((40, 0))}
    yield Case(rule=away, kind=BOUNDARY, title="one of two bridges waits", series=two, at={30: 1})
