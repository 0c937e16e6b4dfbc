"""The service: is there an application at all, and are its workers complete."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from operations.cases import BOUNDARY, FIRING, HEALTHY, VALUE, Case, flat, named, service
from operations.model import APPLICATION, Alert, Check, Group, Inhibition, Page, Record, Words
from operations.promql import UP, WORKERS, series
from whatsself_otel.catalogue import (
    EVENT_LOOP_LAG,
    PROCESS_UPTIME,
    TELEMETRY_DROPPED,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from operations.model import Source

UPTIME = "process_uptime_seconds"
HOUR = 1800

TELEMETRY_ABSENT: Final = Words(
    en=Page(
        summary='No sign of life from {{ or $labels.job "the application" }}',
        description=(
            "No heartbeat for <heartbeat.window>, and that for <heartbeat.absent_for>. Either the application is down "
            "or its telemetry does not arrive."
        ),
        impact="Customers may get no answer, and no other alert about the application can fire.",
        fix=(
            "Start the application. If it runs, see that it can reach the collector (`whatsself-otel doctor`) and that "
            "the service name of the rules is its own (`OTEL_SERVICE_NAME`)."
        ),
    ),
    pt=Page(
        summary='Nenhum sinal de vida de {{ or $labels.job "a aplicação" }}',
        description=(
            "Sem heartbeat há <heartbeat.window>, e isso por <heartbeat.absent_for>. A aplicação caiu ou sua "
            "telemetria não chega."
        ),
        impact="Clientes podem ficar sem resposta, e nenhum outro alerta da aplicação consegue disparar.",
        fix=(
            "Inicie a aplicação. Se ela está rodando, veja se alcança o collector (`whatsself-otel doctor`) e se o "
            "nome de serviço das regras é o dela (`OTEL_SERVICE_NAME`)."
        ),
    ),
    checks=(
        Check(
            en="Which services were seen lately, and which live",
            pt="Que serviços foram vistos e quais estão vivos",
            promql="whatsself:up",
        ),
        Check(
            en="Does anything reach the collector",
            pt="Algo chega ao collector",
            promql="sum(rate(otelcol_receiver_accepted_metric_points[5m]))",
        ),
        Check(
            en="The last lines it logged",
            pt="As últimas linhas de log",
            logql='{service_name="<service>"}',
            logsql='{service.name="<service>"}',
        ),
    ),
)
WORKER_VANISHED: Final = Words(
    en=Page(
        summary="Fewer workers than usual: {{ $value | humanize }}",
        description=(
            "For <heartbeat.worker_for> fewer workers of {{ $labels.job }} report than in most of the last "
            "<heartbeat.worker_window>."
        ),
        impact="Less capacity; what the lost worker held waits until another takes it.",
        fix=(
            "See why it ended (memory, crash) and start it again. After a wanted change the alert ends by itself "
            "within <heartbeat.worker_window>."
        ),
    ),
    pt=Page(
        summary="Menos workers que o normal: {{ $value | humanize }}",
        description=(
            "Há <heartbeat.worker_for> menos workers de {{ $labels.job }} se reportam do que na maior parte de "
            "<heartbeat.worker_window>."
        ),
        impact="Menos capacidade; o que o worker perdido segurava espera até outro assumir.",
        fix=(
            "Veja por que ele terminou (memória, falha) e reinicie-o. Após uma mudança desejada o alerta acaba sozinho "
            "em até <heartbeat.worker_window>."
        ),
    ),
    checks=(
        Check(
            en="Workers over time",
            pt="Workers ao longo do tempo",
            promql="whatsself:workers:count",
        ),
        Check(
            en="Age of each",
            pt="Idade de cada um",
            promql="process_uptime_seconds{<job>}",
        ),
        Check(
            en="Errors in the logs",
            pt="Erros nos logs",
            logql='{service_name="<service>"} | detected_level=~"error|fatal"',
            logsql='{service.name="<service>"} severity_text:in(error, fatal)',
        ),
    ),
)
ITEMS_DROPPED: Final = Words(
    en=Page(
        summary="{{ $labels.signal }} are being lost: {{ $labels.reason }}",
        description=(
            "About {{ $value | humanize }} items in <telemetry.dropped_window> were dropped in the application."
        ),
        impact="Traces, logs or metrics have holes; the application itself is not affected.",
        fix=(
            "queue_full or export_failed: bring the collector back or give it room. tracking_limit or "
            "cardinality_limit: fewer distinct ids, or raise the limit. too_large: shorten what is recorded. "
            "not_encodable: health() names the error, and the metric that has it."
        ),
    ),
    pt=Page(
        summary="Perda de {{ $labels.signal }}: {{ $labels.reason }}",
        description=(
            "Cerca de {{ $value | humanize }} itens em <telemetry.dropped_window> foram descartados na aplicação."
        ),
        impact="Traces, logs ou métricas têm lacunas; a aplicação em si não é afetada.",
        fix=(
            "queue_full ou export_failed: traga o collector de volta ou dê espaço a ele. tracking_limit ou "
            "cardinality_limit: menos ids distintos, ou aumente o limite. too_large: encurte o que é registrado. "
            "not_encodable: health() diz o erro e a métrica que o tem."
        ),
    ),
    checks=(
        Check(
            en="What was dropped, and why",
            pt="O que foi descartado e por quê",
            promql="sum by (signal, reason) (increase(telemetry_dropped_items_total{<job>}[1h])) > 0",
        ),
        Check(
            en="Is the collector up",
            pt="O collector está de pé",
            promql='up{job="otelcol"}',
        ),
        Check(
            en="Errors inside the telemetry",
            pt="Erros dentro da telemetria",
            promql="sum by (component) (increase(telemetry_errors_total{<job>}[1h])) > 0",
        ),
    ),
)


def rules(source: Source) -> Group:
    """Is there an application at all, and are its workers complete."""
    beat = source["heartbeat.window"]
    alive = f"count by (job) (count_over_time({series(source, PROCESS_UPTIME)}[{beat}]))"
    dropped = f"sum by (job, signal, reason) (increase({series(source, TELEMETRY_DROPPED)}"
    return Group(
        name="whatsself-service",
        rules=(
            Record(name=WORKERS, expr=alive),
            Record(
                name=UP,
                expr=f"({WORKERS} > bool 0)\nor 0 * max_over_time({WORKERS}[{source['heartbeat.forget_after']}])",
            ),
            Record(name="nodejs_event_loop_lag_seconds", expr=series(source, EVENT_LOOP_LAG)),
            Alert(
                name="WhatsSelfTelemetryAbsent",
                words=TELEMETRY_ABSENT,
                inhibits=(
                    # There is no news of a silent application.
                    Inhibition(targets=(f'component=~"{APPLICATION}"',), equal=("job",)),
                ),
                expr=f"{UP} == 0\nor absent({UP})",
                wait=source["heartbeat.absent_for"],
                severity="critical",
                component="telemetry",
            ),
            Alert(
                name="WhatsSelfWorkerVanished",
                words=WORKER_VANISHED,
                expr=f"{WORKERS}\n< quantile_over_time(0.5, {WORKERS}[{source['heartbeat.worker_window']}])",
                wait=source["heartbeat.worker_for"],
                severity="warning",
                component="worker",
            ),
            Alert(
                name="WhatsSelfTelemetryDropped",
                words=ITEMS_DROPPED,
                expr=f"{dropped}[{source['telemetry.dropped_window']}])) > 0.5",
                severity="warning",
                component="dropped",
                dashboard="collector",
            ),
        ),
    )


def cases() -> Iterator[Case]:
    """Heartbeat, workers, dropped telemetry."""
    absent, vanished, dropped = "WhatsSelfTelemetryAbsent", "WhatsSelfWorkerVanished", "WhatsSelfTelemetryDropped"
    dies = {named(UPTIME): flat((30, 1), (60, None))}
    yield Case(rule=absent, kind=FIRING, title="a total outage pages within 8 minutes", series=dies, at={38: 1})
    yield Case(rule=absent, kind=FIRING, title="nothing was ever seen", series={}, at={2.5: 0, 3.5: 1})
    yield Case(rule=absent, kind=HEALTHY, title="one worker lives", series=service(), at={5: 0, 60: 0})
    yield Case(
        rule=absent,
        kind=HEALTHY,
        title="restarted as a new instance, in a namespace",
        series={
            named(UPTIME): flat((30, 1)),
            'process_uptime_seconds{job="shop/whatsself",instance="b"}': flat((30, None), (60, 1)),
            named(UPTIME, instance="b"): flat((31, None), (60, 1)),
        },
        at={31: 0, 40: 0, 60: 0},
    )
    yield Case(
        rule=absent,
        kind=BOUNDARY,
        title="silence of 5 minutes",
        series=dies,
        at={34: 0, 35.5: 1},
    )
    yield Case(
        rule=absent,
        kind=BOUNDARY,
        title="one of two namespaces is silent",
        series=dies | {'process_uptime_seconds{job="shop/whatsself",instance="b"}': flat((90, 1))},
        at={34: 0, 35.5: 1},
    )
    yield Case(
        rule=absent,
        kind=BOUNDARY,
        title="a service is remembered for a week",
        series={
            named(UPTIME): flat((60 * 24, 1), step_s=HOUR),
            'process_uptime_seconds{job="shop/whatsself"}': flat((60 * 24 * 20, 1), step_s=HOUR),
        },
        at={60 * 24 * 7: 1, 60 * 24 * 9: 0},
        step_s=HOUR,
    )
    two = {named(UPTIME): flat((200, 1)), named(UPTIME, instance="b"): flat((60, 1))}
    yield Case(rule=vanished, kind=FIRING, title="one of two is gone", series=two, at={60: 0, 80: 1})
    yield Case(rule=vanished, kind=BOUNDARY, title="for five minutes", series=two, at={66: 0, 67.5: 1, 85: 1, 95: 0})
    yield Case(
        rule=vanished,
        kind=HEALTHY,
        title="both restart as new instances, one of them for a moment beside its successor",
        series={
            named(UPTIME): flat((60, 1)),
            named(UPTIME, instance="b"): flat((62, 1)),
            named(UPTIME, instance="c"): flat((61, None), (60, 1)),
            named(UPTIME, instance="d"): flat((61, None), (60, 1)),
        },
        at={60: 0, 68: 0, 75: 0, 100: 0},
    )
    yield Case(
        rule=vanished,
        kind=VALUE,
        title="the loop's lag goes by its old name too",
        series={named("event_loop_lag_seconds"): flat((10, 0.2))},
        values={("nodejs_event_loop_lag_seconds", 5): 0.2},
    )
    lost = named("telemetry_dropped_items_total", 'signal="logs",reason="queue_full"')
    other = named("telemetry_dropped_items_total", 'signal="logs",reason="queue_full"', instance="b")
    once = {lost: flat((10, 0), (60, 1)), other: flat((70, 0))}
    yield Case(rule=dropped, kind=FIRING, title="one item", series=once, at={9: 0, 12: 1})
    yield Case(rule=dropped, kind=HEALTHY, title="nothing is lost", series={lost: flat((60, 0))}, at={30: 0})
    yield Case(rule=dropped, kind=BOUNDARY, title="forgotten after 15 minutes", series=once, at={24: 1, 26: 0})
