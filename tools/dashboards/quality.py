"""Are customers answered in time, and are the objectives kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from dashboards.links import traces_link
from dashboards.model import (
    BAD,
    BLUE,
    GOOD,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    SKY,
    Dashboard,
    Panel,
    Query,
    Row,
    both,
)
from dashboards.panels import bars, lines, stat
from dashboards.promql import equal, increase, quantile, ratio, recorded, within
from dashboards.variables import service_choices
from whatsself_otel.catalogue import (
    CONTACT_CONSENT,
    FIRST_RESPONSE_LATENCY,
    FIRST_RESPONSE_UNANSWERED,
    MESSAGES_DELIVERED,
    MESSAGES_INBOUND,
    MESSAGES_OUTBOUND,
    MESSAGES_OUTBOUND_FAILED,
)
from whatsself_otel.operations.slos import API, FIRST_RESPONSE, RECOVERY, SEND, SLOS

if TYPE_CHECKING:
    from whatsself_otel.catalogue import Text
    from whatsself_otel.operations.model import Source

BUDGET: Final = "slo:budget_remaining:ratio"
SLO: Final = "slo"
_RANGE: Final = "$__range"
_WINDOW: Final = "6h"
"""Long enough for a business of some messages an hour to have tens of first responses in it."""
_NOBODY: Final = both("nobody wrote", "ninguém escreveu")
_NO_EVENTS: Final = both("no events yet", "ainda sem eventos")
_SLO_COLOURS: Final = {API: BLUE, FIRST_RESPONSE: ORANGE, SEND: GREEN, RECOVERY: PURPLE}


def quality(source: Source) -> Dashboard:
    """Return the page."""
    return Dashboard(
        key="quality",
        title=both("WhatsSelf quality and objectives", "WhatsSelf qualidade e objetivos"),
        description=both(
            "First response, deliveries, consent, and how much of each objective's budget is left.",
            "Primeira resposta, entregas, consentimento, e quanto resta da margem de cada objetivo.",
        ),
        since="now-7d",
        choices=service_choices(source),
        rows=(
            Row(title=both("Objectives", "Objetivos"), panels=_objectives(source)),
            Row(title=both("First response", "Primeira resposta"), panels=_first_response(source)),
            Row(title=both("Deliveries and consent", "Entregas e consentimento"), panels=_deliveries()),
        ),
    )


def _objective_names(source: Source) -> dict[str, Text]:
    share = {slo: f"{source[f'slos.{slo}']['objective'] * 100:g} %" for slo in SLOS}
    first, recovery = (source[f"slos.{slo}"]["seconds"] for slo in (FIRST_RESPONSE, RECOVERY))
    return {
        API: both(f"API available, {share[API]}", f"API disponível, {share[API]}"),
        FIRST_RESPONSE: both(
            f"First response within {first} s, {share[FIRST_RESPONSE]}",
            f"Primeira resposta em até {first} s, {share[FIRST_RESPONSE]}",
        ),
        SEND: both(f"Sends succeed, {share[SEND]}", f"Envios com sucesso, {share[SEND]}"),
        RECOVERY: both(
            f"Session back within {recovery} s, {share[RECOVERY]}",
            f"Sessão de volta em até {recovery} s, {share[RECOVERY]}",
        ),
    }


def burn_window(source: Source, slo: str) -> str:
    """Return the window of the burn rate that pages first; the whole period where none does."""
    config: dict[str, Any] = source[f"slos.{slo}"]
    window: str = config["tiers"][0]["long"] if config["tiers"] else config["period"]
    return window


def _objectives(source: Source) -> tuple[Panel, ...]:
    names = _objective_names(source)
    budget = lines(
        both("Budget left (exhausted below 0 %)", "Margem restante (esgotada abaixo de 0 %)"),
        both(
            "What may still go wrong in each objective's period.",
            "O que ainda pode dar errado no período de cada objetivo.",
        ),
        *(
            Query(
                expr=f"min({recorded(BUDGET, equal(SLO, slo))})",
                legend=names[slo],
                colour=_SLO_COLOURS[slo],
                dashed=slo in {SEND, RECOVERY},
            )
            for slo in SLOS
        ),
        unit="percentunit",
        limits=((0, BAD),),
        minimum=None,
        maximum=1,
        width=24,
        no_value=_NO_EVENTS,
    )
    return (*(_objective(source, slo, names[slo]) for slo in SLOS), budget)


def _objective(source: Source, slo: str, name: Text) -> Panel:
    config, match = source[f"slos.{slo}"], equal(SLO, slo)
    period, window = config["period"], burn_window(source, slo)
    allowed = round(1 - config["objective"], 6)
    return stat(
        name,
        both(
            f"Over {period}: share of the errors still allowed (alert below 0 %), speed of use over {window} "
            "(1 uses the budget up exactly in the period), and the number of events.",
            f"Em {period}: parcela dos erros ainda permitidos (alerta abaixo de 0 %), velocidade de uso em {window} "
            "(1 gasta a margem exatamente no período), e o número de eventos.",
        ),
        Query(
            expr=f"min({recorded(BUDGET, match)})",
            legend=both("budget left", "margem restante"),
            instant=True,
            unit="percentunit",
        ),
        Query(
            expr=f"max({recorded(f'slo:error_ratio:{window}', match)}) / {allowed:g}",
            legend=both(f"burn in {window}", f"uso em {window}"),
            instant=True,
            colour=ORANGE,
        ),
        Query(
            expr=f"round(sum({recorded(f'slo:total_events:{period}', match)}))",
            legend=both("events (n)", "eventos (n)"),
            instant=True,
            colour=GREY,
        ),
        below=BAD,
        limits=((0, GOOD),),
        no_value=_NO_EVENTS,
        height=6,
    )


def _first_response(source: Source) -> tuple[Panel, ...]:
    seconds = source[f"slos.{FIRST_RESPONSE}.seconds"]
    objective = source[f"slos.{FIRST_RESPONSE}.objective"]
    met = within(FIRST_RESPONSE_LATENCY, seconds, _RANGE)
    late = increase(FIRST_RESPONSE_UNANSWERED, _RANGE)
    waits = f"(({met} or 0 * {late}) + ({late} or 0 * {met}))"
    return (
        stat(
            both(
                f"Answered within {seconds} s (objective {objective:.0%})",
                f"Respondidos em até {seconds} s (objetivo {objective:.0%})",
            ),
            both(
                "Of the contacts that waited for a first response; those that got none in time count as not answered.",
                "Dos contatos à espera da primeira resposta; quem não a teve a tempo conta como não respondido.",
            ),
            Query(expr=ratio(met, waits), legend=both("in time", "a tempo"), instant=True, unit="percentunit"),
            Query(expr=f"round({waits})", legend=both("contacts (n)", "contatos (n)"), instant=True, colour=GREY),
            below=BAD,
            limits=((objective, GOOD),),
            no_value=_NOBODY,
        ),
        stat(
            both(f"First response, P95 (objective {seconds} s)", f"Primeira resposta, P95 (objetivo {seconds} s)"),
            both(
                "19 of 20 first responses were at least as fast. An estimate; the share in time is exact.",
                "19 de 20 primeiras respostas foram ao menos tão rápidas. Estimativa; a parcela a tempo é exata.",
            ),
            Query(expr=quantile(0.95, FIRST_RESPONSE_LATENCY, _RANGE), legend="P95", instant=True, unit="s"),
            Query(
                expr=f"round({increase(FIRST_RESPONSE_LATENCY, _RANGE, suffix='_count')})",
                legend=both("responses (n)", "respostas (n)"),
                instant=True,
                colour=GREY,
            ),
            limits=((seconds, BAD),),
            no_value=_NOBODY,
        ),
        lines(
            both(
                f"First response of {_WINDOW}, P95 (objective {seconds} s)",
                f"Primeira resposta em {_WINDOW}, P95 (objetivo {seconds} s)",
            ),
            both(
                f"Of the {_WINDOW} before each point: of the few first responses of an hour a percentile is noise. "
                "Dots are traces: click one to open that conversation's trace.",
                f"Das {_WINDOW} antes de cada ponto: das poucas primeiras respostas de uma hora, um percentil é ruído. "
                "Os pontos são traces: clique para abrir o trace da conversa.",
            ),
            Query(expr=quantile(0.5, FIRST_RESPONSE_LATENCY, _WINDOW), legend="P50", colour=SKY),
            Query(expr=quantile(0.95, FIRST_RESPONSE_LATENCY, _WINDOW), legend="P95", exemplars=True),
            unit="s",
            limits=((seconds, ORANGE),),
            no_value=_NOBODY,
            links=(
                traces_link(
                    both("Slow responses of this time", "Respostas lentas deste período"),
                    f'{{ name = "wait in queue" && duration > {seconds}s }}',
                ),
            ),
        ),
    )


def _deliveries() -> tuple[Panel, ...]:
    total = increase(MESSAGES_OUTBOUND, "1d")
    # Grafana asks for midnights: each bar is of the day that begins there, not of the one that ends.
    day = "1d offset -1d"
    day_failed, day_total = increase(MESSAGES_OUTBOUND_FAILED, day), increase(MESSAGES_OUTBOUND, day)
    opted_in = increase(CONTACT_CONSENT, _RANGE, 'action="opt_in"')
    opted_out = increase(CONTACT_CONSENT, _RANGE, 'action="opt_out"')
    return (
        lines(
            both("Deliveries a day", "Entregas por dia"),
            both(
                "Finished attempts that did not fail; each bar stands over its own day, the last over today so far.",
                "Tentativas concluídas sem falha; cada barra fica sobre o próprio dia, a última sobre o de hoje.",
            ),
            Query(expr=f"round({day_total} - ({day_failed} or 0 * {day_total}))", legend=both("sent", "enviadas")),
            custom={"drawStyle": "bars", "barAlignment": 1, "fillOpacity": 60, "lineWidth": 1},
            interval="1d",
            decimals=0,
        ),
        stat(
            both("Sends that succeeded, 24 h", "Envios com sucesso, 24 h"),
            both(
                "Recomputed from the counters of all workers, with the number of attempts.",
                "Recalculado dos contadores de todos os workers, com o número de tentativas.",
            ),
            Query(
                expr=f"min({recorded('whatsself:delivery_success:ratio_1d')})",
                legend=both("succeeded", "com sucesso"),
                instant=True,
                unit="percentunit",
            ),
            Query(expr=f"round({total})", legend=both("attempts (n)", "tentativas (n)"), instant=True, colour=GREY),
        ),
        stat(
            both("Consent", "Consentimento"),
            both(
                "Contacts that opted in and out in the chosen time range, and the difference.",
                "Contatos que aceitaram e recusaram no período escolhido, e a diferença.",
            ),
            Query(expr=f"round({opted_in})", legend=both("opted in", "aceitaram"), instant=True),
            Query(expr=f"round({opted_out})", legend=both("opted out", "recusaram"), instant=True, colour=ORANGE),
            Query(expr=f"round({opted_in} - {opted_out})", legend=both("net", "saldo"), instant=True, colour=GREY),
            decimals=0,
        ),
        bars(
            both("What WhatsApp acknowledged", "O que o WhatsApp confirmou"),
            both("Delivered and read, in the chosen time range.", "Entregues e lidas, no período escolhido."),
            Query(
                expr=f"round({increase(MESSAGES_DELIVERED, _RANGE, by='status')})", legend="{{status}}", instant=True
            ),
            decimals=0,
            width=8,
        ),
        bars(
            both("Attempts to send by origin", "Tentativas de envio por origem"),
            both("In the chosen time range.", "No período escolhido."),
            Query(expr=f"round({increase(MESSAGES_OUTBOUND, _RANGE, by='origin')})", legend="{{origin}}", instant=True),
            no_value=both("nothing sent", "nada enviado"),
            decimals=0,
            width=8,
        ),
        bars(
            both("Messages received by kind", "Mensagens recebidas por tipo"),
            both("In the chosen time range.", "No período escolhido."),
            Query(expr=f"round({increase(MESSAGES_INBOUND, _RANGE, by='kind')}) > 0", legend="{{kind}}", instant=True),
            no_value=_NOBODY,
            decimals=0,
            width=8,
        ),
    )
