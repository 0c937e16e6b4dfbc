"""The collector: is it up, and does it lose anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from whatsself_otel.operations import unaccounted
from whatsself_otel.operations.model import Alert, Check, Group, Inhibition, Page, Record, Words
from whatsself_otel.operations.promql import COLLECTOR_UP, ENVIRONMENT, MACHINE, counted, or_gone

if TYPE_CHECKING:
    from collections.abc import Iterator

    from whatsself_otel.operations.model import Source


COLLECTOR_DOWN: Final = Words(
    en=Page(
        summary="The collector does not answer",
        description="Prometheus has not reached the collector's own metrics for <telemetry.collector_for>.",
        impact="No new telemetry. Applications keep a little in memory, then drop it and count it.",
        fix=(
            "Start it, read its log. What it had queued on disk is sent after the start. A queue that it cannot "
            "read is put aside, which WhatsSelfCollectorQueueSetAside tells."
        ),
    ),
    pt=Page(
        summary="O collector não responde",
        description="O Prometheus não alcança as métricas do próprio collector há <telemetry.collector_for>.",
        impact="Nenhuma telemetria nova. As aplicações guardam um pouco na memória, depois descartam e contam.",
        fix=(
            "Inicie-o, leia seu log. O que estava na fila em disco é enviado após o início. Uma fila "
            "ilegível é posta de lado, o que WhatsSelfCollectorQueueSetAside avisa."
        ),
    ),
    checks=(
        Check(
            en="Is it reached",
            pt="Ele é alcançado",
            promql='up{job="otelcol"}',
        ),
        Check(
            en="Its memory",
            pt="Sua memória",
            promql="otelcol_process_memory_rss",
        ),
        Check(
            en="What the applications lose",
            pt="O que as aplicações perdem",
            promql="sum by (signal, reason) (increase(telemetry_dropped_items_total{<job>}[15m])) > 0",
        ),
    ),
)
COLLECTOR_REPLICA_DOWN: Final = Words(
    en=Page(
        summary="Collector {{ $labels.instance }} does not answer, another one does",
        description="Prometheus has not reached it for <telemetry.replica_for>, or it is no target any more.",
        impact="What only it receives is lost; the others carry more, and the next failure is an outage.",
        fix="Start it, read its log. If it was taken away on purpose, the alert ends within a day.",
    ),
    pt=Page(
        summary="O collector {{ $labels.instance }} não responde, outro responde",
        description="O Prometheus não o alcança há <telemetry.replica_for>, ou ele deixou de ser um alvo.",
        impact="O que só ele recebe se perde; os outros levam mais, e a próxima falha será uma parada.",
        fix="Inicie-o, leia seu log. Se foi retirado de propósito, o alerta acaba em até um dia.",
    ),
    checks=COLLECTOR_DOWN.checks,
)
COLLECTOR_QUEUE_FILLING: Final = Words(
    en=Page(
        summary="Queue of {{ $labels.exporter }} is {{ $value | humanizePercentage }} full",
        description=(
            "Above <%telemetry.queue_fill> for <telemetry.queue_for>: the backend does not take what the collector has."
        ),
        impact="When full, new telemetry is refused.",
        fix=(
            "Bring the backend back or make it faster; the queue then drains by itself. What could not be "
            "read of a queue is told by WhatsSelfCollectorQueueSetAside."
        ),
    ),
    pt=Page(
        summary="A fila de {{ $labels.exporter }} está {{ $value | humanizePercentage }} cheia",
        description=(
            "Acima de <%telemetry.queue_fill> há <telemetry.queue_for>: o backend não recebe o que o collector tem."
        ),
        impact="Quando cheia, telemetria nova é recusada.",
        fix=(
            "Traga o backend de volta ou deixe-o mais rápido; a fila então esvazia sozinha. O que não pôde "
            "ser lido de uma fila é avisado por WhatsSelfCollectorQueueSetAside."
        ),
    ),
    checks=(
        Check(
            en="Fill of each queue",
            pt="Ocupação de cada fila",
            promql="otelcol_exporter_queue_size / otelcol_exporter_queue_capacity",
        ),
        Check(
            en="Which backends answer",
            pt="Que backends respondem",
            promql='up{job=~"prometheus|loki|victorialogs|tempo"}',
        ),
        Check(
            en="What is sent on",
            pt="O que segue adiante",
            promql="sum by (exporter) (rate(otelcol_exporter_sent_metric_points[5m]))",
        ),
    ),
)
COLLECTOR_REFUSING: Final = Words(
    en=Page(
        summary="The collector refuses {{ $labels.signal }}",
        description=(
            "In <telemetry.items_window> about {{ $value | humanize }} items were refused: memory limit, a full queue "
            "or disk, or masking that failed closed."
        ),
        impact="Senders try again for a while, then lose it.",
        fix=(
            "Give it more memory (OTELCOL_MEMORY_LIMIT_MIB) or send less; bring the backend with the full queue back; "
            "read its log for a failed masking statement."
        ),
    ),
    pt=Page(
        summary="O collector recusa {{ $labels.signal }}",
        description=(
            "Em <telemetry.items_window> cerca de {{ $value | humanize }} itens foram recusados: limite de memória, "
            "fila ou disco cheio, ou mascaramento que falhou fechado."
        ),
        impact="Os remetentes tentam de novo por um tempo, depois perdem.",
        fix=(
            "Dê mais memória (OTELCOL_MEMORY_LIMIT_MIB) ou envie menos; traga de volta o backend com a fila cheia; "
            "procure no log uma instrução de mascaramento que falhou."
        ),
    ),
    checks=(
        Check(
            en="Refused by signal",
            pt="Recusados por sinal",
            promql="whatsself:collector_receiver_refused:increase10m > 0",
        ),
        Check(
            en="Its memory",
            pt="Sua memória",
            promql="otelcol_process_memory_rss",
        ),
        Check(
            en="Items that come in",
            pt="Itens que chegam",
            promql="sum by (processor) (rate(otelcol_processor_incoming_items[5m]))",
        ),
    ),
)
COLLECTOR_LOSING: Final = Words(
    en=Page(
        summary="The collector loses {{ $labels.signal }}",
        description=(
            "In <telemetry.items_window> about {{ $value | humanize }} items were rejected by a backend for good, "
            "dropped at the gate of a backend whose queue is full, or too large for any backend."
        ),
        impact="They are gone.",
        fix="Read the collector's log for the backend's answer: away, too old, too large, wrong credentials.",
    ),
    pt=Page(
        summary="O collector perde {{ $labels.signal }}",
        description=(
            "Em <telemetry.items_window> cerca de {{ $value | humanize }} itens foram rejeitados em definitivo por um "
            "backend, descartados na porta de um backend com a fila cheia, ou grandes demais para qualquer um."
        ),
        impact="Estão perdidos.",
        fix="Leia no log do collector a resposta do backend: ausente, velho ou grande demais, credenciais erradas.",
    ),
    checks=(
        Check(
            en="Rejected by signal",
            pt="Rejeitados por sinal",
            promql="whatsself:collector_exporter_send_failed:increase10m > 0",
        ),
        Check(
            en="Too large for any backend, by signal",
            pt="Grandes demais para qualquer backend, por sinal",
            promql="whatsself:collector_too_large:increase10m > 0",
        ),
        Check(
            en="Fill of each queue",
            pt="Ocupação de cada fila",
            promql="otelcol_exporter_queue_size / otelcol_exporter_queue_capacity",
        ),
    ),
)
COLLECTOR_QUEUE_SET_ASIDE: Final = Words(
    en=Page(
        summary="A queue of the collector was corrupt and is set aside",
        description=(
            "At its start the collector of {{ $labels.instance }} could not read a queue. It renamed the file to "
            "`*.backup` and went on with an empty one."
        ),
        impact="What that queue held was accepted and is not sent. What came after it flows.",
        fix=(
            "Look at the disk: its log of errors, its free space, how the machine went down. Move the `*.backup` files "
            "out of the queue directory (OTELCOL_QUEUE_DIR) and restart the collector: that ends the alert. Keep them "
            "if the loss must be examined, but not where others can read: they hold telemetry."
        ),
    ),
    pt=Page(
        summary="Uma fila do collector estava corrompida e foi posta de lado",
        description=(
            "Ao iniciar, o collector de {{ $labels.instance }} não conseguiu ler uma fila. Renomeou o arquivo para "
            "`*.backup` e seguiu com uma vazia."
        ),
        impact="O que essa fila guardava foi aceito e não será enviado. O que chegou depois segue normalmente.",
        fix=(
            "Examine o disco: seu log de erros, o espaço livre, como a máquina caiu. Mova os arquivos `*.backup` para "
            "fora do diretório da fila (OTELCOL_QUEUE_DIR) e reinicie o collector: isso encerra o alerta. Guarde-os se "
            "a perda precisa ser investigada, mas não onde outros possam ler: eles contêm telemetria."
        ),
    ),
    checks=(
        Check(
            en="How many files, by collector",
            pt="Quantos arquivos, por collector",
            promql='otelcol_receiver_accepted_log_records{receiver="file_log/set_aside"}',
        ),
        Check(
            en="Which files",
            pt="Quais arquivos",
            logql='{service_name="otelcol"} |= "set aside"',
            logsql='{service.name="otelcol"} "set aside"',
        ),
        Check(
            en="What waits now",
            pt="O que espera agora",
            promql="otelcol_exporter_queue_size",
        ),
    ),
)


COLLECTORS: Final = 'up{job="otelcol"}'
ITEMS: Final = {"traces": "spans", "metrics": "metric_points", "logs": "log_records"}


# Each file is read, and so counted, once a start: the alert stands until the file is gone and the collector restarted.
SET_ASIDE: Final = 'otelcol_receiver_accepted_log_records{receiver="file_log/set_aside"}'


TROUBLES: Final = ("receiver_refused", "exporter_send_failed", "exporter_enqueue_failed")
TOO_LARGE: Final = {"traces": "spans", "metrics": "datapoints", "logs": "logs"}
"""How the filter of the base calls them."""

# A gate is tried again and again; its sender is this collector itself.
SELECTED: Final = {"receiver_refused": '{receiver!~".+_gate"}'}


def rules(source: Source) -> Group:
    """Return the rules about the collector."""
    window = source["telemetry.items_window"]
    return Group(
        name="whatsself-collector",
        rules=(
            *_records(window),
            *_reached(source),
            *_queues(source, window),
            *unaccounted.rules(window, ITEMS),
            _set_aside(),
        ),
    )


def _reached(source: Source) -> Iterator[Alert]:
    yield Alert(
        name="WhatsSelfCollectorDown",
        words=COLLECTOR_DOWN,
        inhibits=(
            # A collector of no environment is everybody's. What still arrives by another way is told all the
            # same: only silence is explained by it.
            *(
                Inhibition(targets=targets, sources=('alertname="WhatsSelfCollectorDown"', *more), equal=equal)
                for targets in (('component="telemetry"',), ('slo="api-availability"',))
                for more, equal in (((f'{ENVIRONMENT}=""',), ()), ((), (ENVIRONMENT,)))
            ),
        ),
        expr=f"{COLLECTOR_UP} == 0",
        wait=source["telemetry.collector_for"],
        severity="critical",
        component="collector",
        dashboard="collector",
    )
    yield Alert(
        name="WhatsSelfCollectorReplicaDown",
        words=COLLECTOR_REPLICA_DOWN,
        expr=f"{or_gone(COLLECTORS)} == 0\nand on ({ENVIRONMENT}) {COLLECTOR_UP} == 1",
        wait=source["telemetry.replica_for"],
        severity="warning",
        component="collector",
        dashboard="collector",
    )


def _queues(source: Source, window: str) -> Iterator[Alert]:
    of_exporter = f"{MACHINE}, exporter, data_type"
    filled = f"max by ({of_exporter}) (otelcol_exporter_queue_size / otelcol_exporter_queue_capacity)"
    yield Alert(
        name="WhatsSelfCollectorQueueFilling",
        words=COLLECTOR_QUEUE_FILLING,
        inhibits=(Inhibition(targets=('alertname="WhatsSelfTelemetryDropped"',), equal=(ENVIRONMENT,)),),
        expr=f"{filled} > {source['telemetry.queue_fill']}",
        wait=source["telemetry.queue_for"],
        severity="warning",
        component="collector",
        dashboard="collector",
    )
    yield Alert(
        name="WhatsSelfCollectorRefusing",
        words=COLLECTOR_REFUSING,
        expr=f"whatsself:collector_{TROUBLES[0]}:increase{window} > 0",
        severity="warning",
        component="collector",
        dashboard="collector",
    )
    yield Alert(
        name="WhatsSelfCollectorLosing",
        words=COLLECTOR_LOSING,
        # Who finds a queue full is refused, which is no loss; a gate counts what it drops as failed.
        expr="\nor ".join(
            f"whatsself:collector_{trouble}:increase{window} > 0" for trouble in (TROUBLES[1], "too_large")
        ),
        severity="critical",
        component="collector",
        dashboard="collector",
    )


def _set_aside() -> Alert:
    return Alert(
        name="WhatsSelfCollectorQueueSetAside",
        words=COLLECTOR_QUEUE_SET_ASIDE,
        # A collector that no longer has the series is seen for what it is: where Prometheus was started again too, no
        # end of it was written, and it would be shown for the five minutes of a look back.
        expr=f"max by ({MACHINE}, instance) (last_over_time({SET_ASIDE}[2m])) > 0",
        severity="critical",
        component="collector",
        dashboard="collector",
    )


def _records(window: str) -> Iterator[Record]:
    for trouble in TROUBLES:
        for signal, items in ITEMS.items():
            yield Record(
                name=f"whatsself:collector_{trouble}:increase{window}",
                labels={"signal": signal},
                expr=counted(f"otelcol_{trouble}_{items}{SELECTED.get(trouble, '')}", window),
            )
    for signal, items in TOO_LARGE.items():
        yield Record(
            name=f"whatsself:collector_too_large:increase{window}",
            labels={"signal": signal},
            expr=counted(f"otelcol_processor_filter_{items}_filtered", window),
        )
