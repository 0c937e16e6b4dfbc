"""How long it will do: queues, disks, memory and series, and how fast each grows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dashboards.collector import OWN_MEMORY, QUEUE_CAPACITY, QUEUE_SIZE
from dashboards.http import SPAN_CALLS
from dashboards.model import BAD, BLUE, CAUTION, GOOD, ORANGE, Choice, Dashboard, Panel, Query, Row, State, Store, both
from dashboards.panels import bars, lines, stat
from dashboards.promql import machine
from dashboards.variables import place_choices

if TYPE_CHECKING:
    from whatsself_otel.operations.model import Source

DAY_S: Final = 86_400
FOREVER_S: Final = 3650 * DAY_S
"""Further nothing is foreseen: it does not fill."""
SHORT_DAYS: Final = 7
AHEAD_H: Final = 4
_RANGE: Final = "$__range"
SPAN_SERIES: Final = 2000
"""``aggregation_cardinality_limit`` of the collector's base: a service instance has no more."""
FREE_BYTES: Final = ("vl_free_disk_space_bytes", "node_filesystem_avail_bytes")
"""Free space: VictoriaLogs reports that of its disk, a node exporter that of each."""
ARRIVED_BYTES: Final = (
    "vl_bytes_ingested_total",
    "loki_distributor_bytes_received_total",
    "tempo_distributor_bytes_received_total",
)
STORED_BYTES: Final = ("prometheus_tsdb_storage_blocks_bytes", "prometheus_tsdb_wal_storage_size_bytes")
_NO_DISK: Final = both("no program tells", "nenhum programa informa")
_EXPORTER: Final = "{{exporter}} · {{data_type}}"
_BY_EXPORTER: Final = "max by (exporter, data_type)"


def capacity(source: Source) -> Dashboard:
    """Return the page; like the collector's, its jobs are others than those of the logs."""
    return Dashboard(
        key="capacity",
        title=both("WhatsSelf capacity", "WhatsSelf capacidade"),
        description=both(
            "What fills, how fast, and how long it will do: the trend of the chosen time range, carried on.",
            "O que enche, com que rapidez, e até quando dá: a tendência do período escolhido, levada adiante.",
        ),
        stores=(Store.PROMETHEUS,),
        choices=(
            *place_choices('up{job!=""'),
            Choice(name="job", label=both("Job", "Serviço"), query='label_values(up{job!=""}, job)'),
            Choice(name="instance", label=both("Instance", "Worker"), query='label_values(up{job=~"$job"}, instance)'),
        ),
        since="now-24h",
        carries_choices=False,
        rows=(
            Row(title=both("How long it will do", "Até quando dá"), panels=_foreseen(source)),
            Row(title=both("Disk", "Disco"), panels=_disk()),
            Row(title=both("Memory and series", "Memória e séries"), panels=_memory()),
        ),
    )


def _either(metrics: tuple[str, ...], call: str = "{}") -> str:
    """Return the series of whichever of *metrics* is there, each inside *call*."""
    return " or ".join(call.format(machine(each)) for each in metrics)


def _seconds_left(metric: str) -> str:
    """Return how long a shrinking gauge lasts at the pace of the chosen range."""
    free = machine(metric)
    # Of a gauge that does not shrink it would be a negative time; a byte a day is as good as none.
    return f"clamp_max({free} / clamp_min(-deriv({free}[{_RANGE}]), 0.00001), {FOREVER_S})"


def _foreseen(source: Source) -> tuple[Panel, ...]:
    limit = source["telemetry.queue_fill"]
    fill = f"{machine(QUEUE_SIZE)} / {machine(QUEUE_CAPACITY)}"
    ahead = f"predict_linear({machine(QUEUE_SIZE)}[{_RANGE}], {AHEAD_H * 3600}) / {machine(QUEUE_CAPACITY)}"
    return (
        stat(
            both(
                f"Time until a disk is full (bad below {SHORT_DAYS} days)",
                f"Tempo até encher um disco (ruim < {SHORT_DAYS} dias)",
            ),
            both(
                "Free space at the pace of the chosen range. Without VictoriaLogs it needs a node exporter.",
                "Espaço livre no ritmo do período escolhido. Sem VictoriaLogs, precisa de um node exporter.",
            ),
            Query(
                expr=f"min by (job, instance) ({' or '.join(map(_seconds_left, FREE_BYTES))})",
                legend="{{job}}",
                instant=True,
            ),
            unit="s",
            decimals=0,
            below=BAD,
            limits=((SHORT_DAYS * DAY_S, GOOD),),
            states=(State(value=FOREVER_S, words=both("does not fill", "não enche"), colour=GOOD),),
            no_value=_NO_DISK,
            width=8,
            height=9,
        ),
        bars(
            both(
                f"Queues now and in {AHEAD_H} h (alert above {limit:.0%})",
                f"Filas agora e em {AHEAD_H} h (alerta > {limit:.0%})",
            ),
            both(
                "As filled as they are, and as they will be if they grow as in the chosen range.",
                "Ocupação de agora, e a futura se crescerem como no período escolhido.",
            ),
            Query(expr=f"{_BY_EXPORTER} ({fill})", legend=_EXPORTER, instant=True),
            Query(expr=f"{_BY_EXPORTER} (clamp_min({ahead}, 0))", legend=f"+{AHEAD_H} h · {_EXPORTER}", instant=True),
            unit="percentunit",
            decimals=0,
            limits=((limit, CAUTION),),
            maximum=1,
            # Five exporters, twice: in less the last bar is cut.
            height=9,
        ),
        stat(
            both("Metrics held for", "Métricas guardadas há"),
            both("Age of the oldest sample in Prometheus.", "Idade da amostra mais antiga no Prometheus."),
            Query(expr=f"(time() - min({machine('prometheus_tsdb_lowest_timestamp_seconds')}))", instant=True),
            unit="s",
            decimals=0,
            width=4,
            height=9,
        ),
    )


def _disk() -> tuple[Panel, ...]:
    return (
        lines(
            both("Free space", "Espaço livre"),
            both("Of the disk of each store.", "Do disco de cada backend."),
            Query(expr=f"min by (job, instance) ({_either(FREE_BYTES)})", legend="{{job}}"),
            unit="bytes",
            no_value=_NO_DISK,
            width=8,
        ),
        lines(
            both("Stored", "Guardado"),
            both(
                "Blocks and write-ahead log of Prometheus; lines in VictoriaLogs.",
                "Blocos e WAL do Prometheus; linhas no VictoriaLogs.",
            ),
            Query(expr=" + ".join(f"sum({machine(each)})" for each in STORED_BYTES), legend="Prometheus", colour=BLUE),
            Query(expr=f"sum({machine('vl_data_size_bytes')})", legend="VictoriaLogs", colour=ORANGE, dashed=True),
            unit="bytes",
            width=8,
        ),
        lines(
            both("Arrives a day, at this pace", "Chega por dia, neste ritmo"),
            both("Logs and traces before the store compresses them.", "Logs e traces antes de o backend comprimir."),
            Query(
                expr=f"{DAY_S} * sum by (job) ({_either(ARRIVED_BYTES, 'rate({}[$__rate_interval])')})",
                legend="{{job}}",
            ),
            unit="bytes",
            width=8,
        ),
    )


def _memory() -> tuple[Panel, ...]:
    return (
        lines(
            both("Memory", "Memória"),
            both("Resident, of each program of the stack.", "Residente, de cada programa da pilha."),
            Query(expr=f"max by (job) ({_either((OWN_MEMORY, 'process_resident_memory_bytes'))})", legend="{{job}}"),
            unit="bytes",
            width=8,
        ),
        lines(
            both("Series in Prometheus", "Séries no Prometheus"),
            both(
                "Each costs memory; a steady rise means a label without end.",
                "Cada uma custa memória; se só crescem, há um label sem fim.",
            ),
            Query(expr=f"sum({machine('prometheus_tsdb_head_series')})", legend=both("series", "séries")),
            decimals=0,
            width=8,
        ),
        bars(
            both(f"Series of spans, of {SPAN_SERIES}", f"Séries de spans, de {SPAN_SERIES}"),
            both(
                "Of the instance with the most. Beyond this the collector counts the rest of one instance together.",
                "Da instância que tem mais. Além disso, o collector conta junto o resto de uma instância.",
            ),
            Query(
                # An instance's id is too long for the name of a bar.
                expr=f"max by (job) (count by (job, instance) (increase({machine(SPAN_CALLS)}[{_RANGE}])))",
                legend="{{job}}",
                instant=True,
            ),
            decimals=0,
            limits=((SPAN_SERIES, BAD),),
            maximum=SPAN_SERIES,
            width=8,
        ),
    )
