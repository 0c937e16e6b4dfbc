"""The pipeline dashboard: the collector, the backends, and the application's losses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dashboards.model import (
    BAD,
    BLUE,
    CAUTION,
    GOOD,
    GREEN,
    ORANGE,
    VERMILION,
    Choice,
    Dashboard,
    Panel,
    Query,
    Row,
    State,
    Store,
    both,
)
from dashboards.panels import bars, lines, stat
from dashboards.promql import increase, machine
from dashboards.variables import place_choices
from whatsself_otel.catalogue import PROCESS_UPTIME, TELEMETRY_DROPPED, TELEMETRY_ERRORS, TELEMETRY_MASKED
from whatsself_otel.operations.collector import ITEMS, TROUBLES

if TYPE_CHECKING:
    from whatsself_otel.catalogue import Text
    from whatsself_otel.operations.model import Source

UP: Final = (
    State(value=0, words=both("✖ down", "✖ fora"), colour=BAD),
    State(value=1, words=both("✔ up", "✔ no ar"), colour=GOOD),
)
OWN_UPTIME: Final = "otelcol_process_uptime"
OWN_MEMORY: Final = "otelcol_process_memory_rss"
QUEUE_SIZE: Final = "otelcol_exporter_queue_size"
QUEUE_CAPACITY: Final = "otelcol_exporter_queue_capacity"
_COLOURS: Final = {"traces": BLUE, "metrics": ORANGE, "logs": GREEN}
_RANGE: Final = "$__range"
_NOTHING: Final = both("nothing", "nada")
_NO_COLLECTOR: Final = both("no collector", "nenhum collector")
_TROUBLE_NAMES: Final = dict(
    zip(
        TROUBLES,
        (
            both("Refused on arrival", "Recusados na chegada"),
            both("Rejected by a backend", "Rejeitados por um backend"),
            both("Lost because a queue was full", "Perdidos por fila cheia"),
        ),
        strict=True,
    )
)


def collector(source: Source) -> Dashboard:
    """Return the page; nothing on it is of one session, and its jobs are others than those of the logs."""
    known = f'{{__name__=~"{OWN_UPTIME}|{PROCESS_UPTIME.prometheus_name}"'
    return Dashboard(
        key="collector",
        title=both("WhatsSelf collector", "WhatsSelf coletor"),
        description=both(
            "What arrives, what leaves, what waits and what is lost on the way of the telemetry.",
            "O que chega, o que sai, o que espera e o que se perde no caminho da telemetria.",
        ),
        stores=(Store.PROMETHEUS,),
        choices=(
            *place_choices(known),
            Choice(name="job", label=both("Job", "Serviço"), query=f"label_values({known}}}, job)"),
            Choice(
                name="instance",
                label=both("Instance", "Worker"),
                query=f'label_values({known}, job=~"$job"}}, instance)',
            ),
        ),
        carries_choices=False,
        rows=(
            Row(title=both("State", "Estado"), panels=_state(source)),
            Row(title=both("In and out", "Entrada e saída"), panels=_traffic(source)),
            Row(title=both("In the application", "Na aplicação"), panels=_application()),
        ),
    )


def _state(source: Source) -> tuple[Panel, ...]:
    limit = source["telemetry.queue_fill"]
    return (
        stat(
            both("Programs", "Programas"),
            both("Whether Prometheus reaches each of them.", "Se o Prometheus alcança cada um."),
            Query(expr=f"max by (job) ({machine('up')})", legend="{{job}}", instant=True),
            states=UP,
            width=8,
            height=7,
        ),
        stat(
            both("Collector up for", "Collector no ar há"),
            both(
                "Since its last start. What it has queued outlives a restart.",
                "Desde o último início. O que está na fila sobrevive a um reinício.",
            ),
            Query(expr=f"min({machine(OWN_UPTIME)})", instant=True),
            unit="s",
            decimals=0,
            no_value=_NO_COLLECTOR,
            width=4,
        ),
        bars(
            both(f"Queues filled (alert above {limit:.0%})", f"Filas ocupadas (alerta > {limit:.0%})"),
            both(
                "A queue that fills means a backend that does not take what the collector has.",
                "Uma fila que enche é um backend que não recebe o que o collector tem.",
            ),
            Query(
                expr=f"max by (exporter, data_type) ({machine(QUEUE_SIZE)} / {machine(QUEUE_CAPACITY)})",
                legend="{{exporter}} · {{data_type}}",
                instant=True,
            ),
            unit="percentunit",
            decimals=0,
            limits=((limit, CAUTION),),
            maximum=1,
            height=7,
        ),
    )


def _traffic(source: Source) -> tuple[Panel, ...]:
    window = source["telemetry.items_window"]
    return (
        _by_signal(both("Received a second", "Recebidos por segundo"), "otelcol_receiver_accepted", "receiver"),
        _by_signal(both("Sent a second", "Enviados por segundo"), "otelcol_exporter_sent", "exporter"),
        *(_trouble(trouble, name, window) for trouble, name in _TROUBLE_NAMES.items()),
        lines(
            both("Waiting in queues", "À espera nas filas"),
            both("Bytes on disk for each backend.", "Bytes em disco para cada backend."),
            Query(expr=f"sum by (exporter) ({machine(QUEUE_SIZE)})", legend="{{exporter}}"),
            unit="bytes",
        ),
        lines(
            both("Memory", "Memória"),
            both("Of the collector's process.", "Do processo do collector."),
            Query(expr=f"max({machine(OWN_MEMORY)})", legend=both("resident", "residente")),
            unit="bytes",
        ),
    )


def _by_signal(title: Text, metric: str, whose: str) -> Panel:
    """A gate sends to this collector itself, and is left out."""
    gates = f'{whose}!~".+_gate"'
    return lines(
        title,
        both("Spans, metric points and log records.", "Spans, pontos de métrica e registros de log."),
        *(
            Query(
                expr=f"sum(rate({machine(f'{metric}_{items}', gates)}[$__rate_interval]))",
                legend=signal,
                colour=_COLOURS[signal],
                dashed=signal == "metrics",
            )
            for signal, items in ITEMS.items()
        ),
        unit="cps",
    )


def _trouble(trouble: str, name: Text, window: str) -> Panel:
    own, refused = (
        f"max by (signal) (whatsself:collector_{each}:increase{window}{{}})" for each in (trouble, TROUBLES[0])
    )
    return stat(
        both(f"{name.en}, {window} (alert from 1)", f"{name.pt}, {window} (alerta ≥ 1)"),
        both(
            "Items of each signal. Anything above 0 is telemetry lost or sent again.",
            "Itens de cada sinal. Acima de 0, telemetria foi perdida ou reenviada.",
        ),
        Query(
            # A collector counts what it refuses from its start, the rest from the first event: until then it is 0.
            expr=own if own == refused else f"{own} or 0 * {refused}",
            legend="{{signal}}",
            instant=True,
        ),
        no_value=_NO_COLLECTOR,
        limits=((1, VERMILION),),
        decimals=0,
        width=8,
        height=6,
    )


def _application() -> tuple[Panel, ...]:
    return (
        bars(
            both("Telemetry the application dropped", "Telemetria descartada pela aplicação"),
            both(
                "By signal and reason, in the chosen time range. Dropping is how the application stays unharmed.",
                "Por sinal e motivo, no período escolhido. Descartar é como a aplicação não sofre.",
            ),
            Query(
                expr=f"round({increase(TELEMETRY_DROPPED, _RANGE, by='signal, reason')}) > 0",
                legend="{{signal}} · {{reason}}",
                instant=True,
            ),
            no_value=_NOTHING,
            decimals=0,
            width=8,
        ),
        bars(
            both("Values masked by rule", "Valores mascarados por regra"),
            both(
                "In the chosen time range, in the application, before anything left.",
                "No período escolhido, na aplicação, antes de qualquer saída.",
            ),
            Query(
                expr=f"topk(10, round({increase(TELEMETRY_MASKED, _RANGE, by='rule')}))",
                legend="{{rule}}",
                instant=True,
            ),
            no_value=_NOTHING,
            decimals=0,
            width=8,
        ),
        bars(
            both("Errors inside the telemetry", "Erros dentro da telemetria"),
            both(
                "By component, in the chosen time range. None of them reached the application.",
                "Por componente, no período escolhido. Nenhum chegou à aplicação.",
            ),
            Query(
                expr=f"round({increase(TELEMETRY_ERRORS, _RANGE, by='component')}) > 0",
                legend="{{component}}",
                instant=True,
            ),
            no_value=_NOTHING,
            decimals=0,
            width=8,
        ),
    )
