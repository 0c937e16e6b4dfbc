"""Which triggers and flows answer, and where people leave."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dashboards.links import traces_link
from dashboards.model import BAD, BLUE, GREY, ORANGE, Choice, Dashboard, Panel, Query, Row, both
from dashboards.panels import bars, lines, stat
from dashboards.promql import increase, rate, ratio, series
from dashboards.variables import service_choices
from whatsself_otel.catalogue import (
    FLOW,
    FLOW_AUTO_STEPS,
    FLOW_ID,
    FLOW_STARTED,
    FLOW_STEP_COMPLETED,
    FLOW_STEP_ENTERED,
    STEP_KEY,
    TRIGGER_HITS,
    TRIGGER_ID,
)
from whatsself_otel.demo.flows import MAX_AUTO_STEPS

if TYPE_CHECKING:
    from whatsself_otel.operations.model import Source

_RANGE: Final = "$__range"
_CHOSEN_FLOW: Final = f'{FLOW_ID}=~"$flow"'
_STEP: Final = f"{FLOW_ID}, {STEP_KEY}"
_STEP_NAME: Final = f"{{{{{FLOW_ID}}}}} · {{{{{STEP_KEY}}}}}"
_NO_RUN: Final = both("no flow ran", "nenhum fluxo executado")


def flows(source: Source) -> Dashboard:
    """Return the page."""
    flow = Choice(
        name="flow",
        label=both("Flow", "Fluxo"),
        query=f"label_values({series(FLOW_STARTED)}, {FLOW.name})",
    )
    return Dashboard(
        key="flows",
        title=both("WhatsSelf triggers and flows", "WhatsSelf gatilhos e fluxos"),
        description=both(
            "Top triggers, automatic steps of each flow, and the share of people that leave at each step.",
            "Gatilhos mais usados, etapas automáticas de cada fluxo, e a parcela de pessoas que sai em cada etapa.",
        ),
        since="now-24h",
        choices=(*service_choices(source), flow),
        rows=(
            Row(title=both("Triggers", "Gatilhos"), panels=_triggers()),
            Row(title=both("Flows", "Fluxos"), panels=_flows()),
            Row(title=both("Steps", "Etapas"), panels=_steps()),
        ),
    )


def _triggers() -> tuple[Panel, ...]:
    hits = f"round({increase(TRIGGER_HITS, _RANGE, by=TRIGGER_ID)})"
    return (
        bars(
            both("Top 10 triggers", "Os 10 gatilhos mais usados"),
            both("Messages that matched, in the chosen time range.", "Mensagens que acionaram, no período escolhido."),
            Query(expr=f"topk(10, {hits})", legend=f"{{{{{TRIGGER_ID}}}}}", instant=True),
            no_value=both("no trigger was hit", "nenhum gatilho acionado"),
            decimals=0,
        ),
        lines(
            both("Trigger hits a minute", "Acionamentos por minuto"),
            both("All triggers together.", "Todos os gatilhos juntos."),
            Query(expr=f"60 * {rate(TRIGGER_HITS)}", legend=both("hits", "acionamentos")),
            no_value=both("no trigger was hit", "nenhum gatilho acionado"),
        ),
    )


def _flows() -> tuple[Panel, ...]:
    runs = increase(FLOW_STARTED, _RANGE, _CHOSEN_FLOW, by=FLOW_ID)
    automatic = increase(FLOW_AUTO_STEPS, _RANGE, _CHOSEN_FLOW, by=FLOW_ID)
    name = f"{{{{{FLOW_ID}}}}}"
    return (
        bars(
            both("Runs of each flow (n)", "Execuções de cada fluxo (n)"),
            both("Started in the chosen time range.", "Iniciadas no período escolhido."),
            Query(expr=f"round({runs})", legend=name, instant=True),
            no_value=_NO_RUN,
            decimals=0,
            width=8,
        ),
        bars(
            both("Automatic steps of each flow", "Etapas automáticas de cada fluxo"),
            both(
                "Steps that a flow took by itself, in the chosen time range.",
                "Etapas que um fluxo deu sozinho, no período escolhido.",
            ),
            Query(expr=f"round({automatic})", legend=name, instant=True),
            no_value=_NO_RUN,
            decimals=0,
            width=8,
        ),
        bars(
            both(
                f"Automatic steps a run (limit {MAX_AUTO_STEPS})",
                f"Etapas automáticas por execução (limite {MAX_AUTO_STEPS})",
            ),
            both(
                "Average of the runs counted beside it. WhatsSelf ends a run at the limit: a circle, most likely.",
                "Média das execuções ao lado. O WhatsSelf encerra a que chega ao limite: um círculo.",
            ),
            Query(expr=ratio(automatic, runs), legend=name, instant=True),
            limits=((MAX_AUTO_STEPS * 0.75, ORANGE), (MAX_AUTO_STEPS, BAD)),
            maximum=MAX_AUTO_STEPS,
            no_value=_NO_RUN,
            decimals=1,
            width=8,
        ),
    )


def _steps() -> tuple[Panel, ...]:
    entered = increase(FLOW_STEP_ENTERED, _RANGE, _CHOSEN_FLOW, by=_STEP)
    completed = increase(FLOW_STEP_COMPLETED, _RANGE, _CHOSEN_FLOW, by=_STEP)
    all_entered = increase(FLOW_STEP_ENTERED, _RANGE, _CHOSEN_FLOW)
    all_completed = increase(FLOW_STEP_COMPLETED, _RANGE, _CHOSEN_FLOW)
    return (
        bars(
            both("Drop-off at each step", "Abandono em cada etapa"),
            both(
                "Share of those that entered a step and did not complete it; the entries stand beside it.",
                "Parcela de quem entrou numa etapa e não a concluiu; as entradas estão ao lado.",
            ),
            Query(expr=f"clamp_min(1 - {ratio(completed, entered)}, 0)", legend=_STEP_NAME, instant=True),
            unit="percentunit",
            maximum=1,
            no_value=_NO_RUN,
        ),
        bars(
            both("Entries into each step (n)", "Entradas em cada etapa (n)"),
            both("How many people the drop-off is counted over.", "Sobre quantas pessoas o abandono é contado."),
            Query(expr=f"round({entered})", legend=_STEP_NAME, instant=True),
            no_value=_NO_RUN,
            decimals=0,
        ),
        stat(
            both("Drop-off over all steps", "Abandono em todas as etapas"),
            both(
                "Of the chosen flows, with the number of entries.", "Dos fluxos escolhidos, com o número de entradas."
            ),
            Query(
                expr=f"clamp_min(1 - {ratio(all_completed, all_entered)}, 0)",
                legend=both("left", "saíram"),
                instant=True,
                unit="percentunit",
            ),
            Query(expr=f"round({all_entered})", legend=both("entries (n)", "entradas (n)"), instant=True, colour=GREY),
            no_value=_NO_RUN,
            width=8,
            height=8,
        ),
        lines(
            both("Steps a minute", "Etapas por minuto"),
            both("Entered and completed, of the chosen flows.", "Iniciadas e concluídas, dos fluxos escolhidos."),
            Query(
                expr=f"60 * {rate(FLOW_STEP_ENTERED, _CHOSEN_FLOW)}", legend=both("entered", "iniciadas"), colour=BLUE
            ),
            Query(
                expr=f"60 * {rate(FLOW_STEP_COMPLETED, _CHOSEN_FLOW)}",
                legend=both("completed", "concluídas"),
                colour=ORANGE,
                dashed=True,
            ),
            width=16,
            no_value=_NO_RUN,
            links=(traces_link(both("Runs of this time", "Execuções deste período"), f"{{ span.{FLOW_ID} != nil }}"),),
        ),
    )
