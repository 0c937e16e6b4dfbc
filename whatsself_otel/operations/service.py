"""The service: is there an application at all, and are its workers complete."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from whatsself_otel.catalogue import BUSINESS_OPEN, EVENT_LOOP_LAG, PROCESS_UPTIME
from whatsself_otel.operations.model import APPLICATION, Alert, Check, Group, Inhibition, Page, Record, Words
from whatsself_otel.operations.promql import (
    COLLECTOR_UP,
    DOWN,
    ENVIRONMENT,
    EXPECTED_SESSION,
    EXPECTED_WORKERS,
    LAST,
    LAST_OPEN,
    SERVICE,
    SINCE,
    UP,
    USUAL_WORKERS,
    WORKERS,
    carried_on,
    series,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from whatsself_otel.operations.model import Source

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
            "For <heartbeat.worker_for> fewer workers of {{ $labels.job }} report than are expected or, where none "
            "are, than in most of the <heartbeat.worker_window> before."
        ),
        impact="Less capacity; what the lost worker held waits until another takes it.",
        fix=(
            "See why it ended (memory, crash) and start it again. After a wanted change: set expected.workers to the "
            "fewest that must live (`whatsself-otel rules build --set expected.workers=2`), else the alert ends after "
            "<heartbeat.worker_until>."
        ),
    ),
    pt=Page(
        summary="Menos workers que o normal: {{ $value | humanize }}",
        description=(
            "Há <heartbeat.worker_for> menos workers de {{ $labels.job }} se reportam do que o esperado ou, sem número "
            "esperado, do que na maior parte de <heartbeat.worker_window> antes disso."
        ),
        impact="Menos capacidade; o que o worker perdido segurava espera até outro assumir.",
        fix=(
            "Veja por que ele terminou (memória, falha) e reinicie-o. Após uma mudança desejada: ponha em "
            "expected.workers o mínimo que precisa viver (`whatsself-otel rules build --set expected.workers=2`), "
            "senão o alerta acaba após <heartbeat.worker_until>."
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
SERVICE_AWAY: Final = Words(
    en=Page(
        summary="Away, or answering with errors: {{ $labels.job }}",
        description=(
            "Nobody is told: it keeps silent the objective that a told outage costs, until its windows have passed it."
        ),
        impact="WhatsSelfTelemetryAbsent or WhatsSelfHttpErrorsHigh says what to do.",
        fix="Follow the runbook WhatsSelfTelemetryAbsent or WhatsSelfHttpErrorsHigh.",
    ),
    pt=Page(
        summary="Fora, ou respondendo com erros: {{ $labels.job }}",
        description=(
            "Ninguém é avisado: este alerta só cala o objetivo que uma queda já avisada custa, até suas janelas "
            "passarem."
        ),
        impact="WhatsSelfTelemetryAbsent ou WhatsSelfHttpErrorsHigh diz o que fazer.",
        fix="Siga o runbook WhatsSelfTelemetryAbsent ou WhatsSelfHttpErrorsHigh.",
    ),
    checks=TELEMETRY_ABSENT.checks,
)
CRASH_LOOP: Final = Words(
    en=Page(
        summary="Processes of {{ $labels.job }} die young: {{ $value | humanize }} in <heartbeat.crash_window>",
        description=(
            "At least <heartbeat.crash_deaths> processes ended before they were <heartbeat.crash_age> old, and that "
            "goes on for <heartbeat.crash_for>."
        ),
        impact="What they began is begun again and again; messages are late or sent twice.",
        fix=(
            "Read the last lines before each end. After a release: go back to the one before. Look at the memory limit."
        ),
    ),
    pt=Page(
        summary="Processos de {{ $labels.job }} morrem cedo: {{ $value | humanize }} em <heartbeat.crash_window>",
        description=(
            "Ao menos <heartbeat.crash_deaths> processos terminaram antes de completar <heartbeat.crash_age>, e isso "
            "continua há <heartbeat.crash_for>."
        ),
        impact="O que começaram recomeça sempre; mensagens atrasam ou saem duas vezes.",
        fix=(
            "Leia as últimas linhas antes de cada fim. Após uma versão nova: volte à anterior. Veja o limite de "
            "memória."
        ),
    ),
    checks=(
        Check(
            en="Age of each process",
            pt="Idade de cada processo",
            promql="process_uptime_seconds{<job>}",
        ),
        Check(
            en="Processes seen in ten minutes",
            pt="Processos vistos em dez minutos",
            promql="count by (job) (count_over_time(process_uptime_seconds{<job>}[10m]))",
        ),
        Check(
            en="Errors in the logs",
            pt="Erros nos logs",
            logql='{service_name="<service>"} | detected_level=~"error|fatal"',
            logsql='{service.name="<service>"} severity_text:in(error, fatal)',
        ),
    ),
)


# Pending ones too: the objective waits for a shorter time than they do, and one incident would be two pages.
ERRORS: Final = 'ALERTS{alertname="WhatsSelfHttpErrorsHigh"}'
MOVED_WITHIN: Final = "1h"
"""A service that is first seen so near another one's end, in a namespace or environment it lacked, is that one."""


def rules(source: Source) -> Group:
    """Is there an application at all, and are its workers complete."""
    return Group(
        name="whatsself-service",
        rules=(
            *_life(source),
            *_expected(source),
            Record(name=LAST_OPEN, expr=_last_open()),
            Record(name="nodejs_event_loop_lag_seconds", expr=series(source, EVENT_LOOP_LAG)),
            Alert(
                name="WhatsSelfTelemetryAbsent",
                words=TELEMETRY_ABSENT,
                inhibits=(
                    # There is no news of a silent application.
                    Inhibition(targets=(f'component=~"{APPLICATION}"',), equal=(ENVIRONMENT, "job")),
                ),
                expr=f"{UP} == 0\nor absent({UP})",
                wait=source["heartbeat.absent_for"],
                severity="critical",
                component="telemetry",
            ),
            Alert(
                name="WhatsSelfServiceAway",
                words=SERVICE_AWAY,
                inhibits=(Inhibition(targets=('slo="api-availability"',), equal=(ENVIRONMENT, "job")),),
                expr=f"{UP} == 0\nor group by ({SERVICE}) ({ERRORS})",
                keep=source["heartbeat.away_keep"],
                severity="none",
                component="telemetry",
            ),
            *_workers(source),
        ),
    )


def _life(source: Source) -> Iterator[Record]:
    """When each service was first and last seen, and whether it lives."""
    beat, forget = source["heartbeat.window"], source["heartbeat.forget_after"]
    yield Record(name=WORKERS, expr=f"count by ({SERVICE}) (count_over_time({series(source, PROCESS_UPTIME)}[{beat}]))")
    now = f"(0 * {WORKERS} + time())"
    # What carries itself on is looked up in the past only where it was interrupted.
    last = f"({carried_on(LAST)} or max_over_time({LAST}[{forget}:6h])) > time() - {forget}"
    yield Record(name=LAST, expr=f"{now}\nor ({last})")
    kept = f"{carried_on(SINCE)} or min_over_time({SINCE}[{source['heartbeat.remember']}:6h])"
    yield Record(name=SINCE, expr=f"({kept} or {now})\nand on ({SERVICE}) {LAST}")
    moved = "\nunless ".join(_moved())
    yield Record(name=UP, expr=f"({WORKERS} > bool 0)\nor 0 * ({LAST}\nunless {moved})")
    collector = 'up{job="otelcol"}'
    yield Record(
        name=COLLECTOR_UP,
        expr=f"max by ({ENVIRONMENT}) ({collector})\nor 0 * max_over_time({COLLECTOR_UP}[1d:15m])",
    )
    # While the collector is away, and until everybody had time to come back, nobody knows who lives.
    blind = f"min_over_time({COLLECTOR_UP}{{}}[{source['heartbeat.blind_for']}]) == 0"
    everywhere = blind.replace("{}", f'{{{ENVIRONMENT}=""}}')
    yield Record(
        name=DOWN,
        expr=f"1 - {UP}\nunless on ({ENVIRONMENT}) {blind.replace('{}', '')}\nunless on () {everywhere}",
    )


def _expected(source: Source) -> Iterator[Record]:
    """Return the expected sessions and workers of each living service, as the settings say."""
    lives = f'{UP}{{{ENVIRONMENT}=~"{source["expected.environments"]}"}} == 1'
    for name in source["expected.sessions"]:
        yield Record(name=EXPECTED_SESSION, labels={"session": name}, expr=lives)
    if source["expected.workers"]:
        yield Record(name=EXPECTED_WORKERS, expr=f"{source['expected.workers']} * ({lives})")


def _last_open() -> str:
    """Return when the business was open last, looked up in the past only where Prometheus was away."""
    now = f"0 * (max({BUSINESS_OPEN.prometheus_name}) == 1) + time()"
    return f"{now}\nor {carried_on(LAST_OPEN)}\nor max_over_time({LAST_OPEN}[4d:1h])"


def _moved() -> Iterator[str]:
    """Return services that got a namespace, or an environment in place of the default one."""
    for old, new, same in (
        ('service_namespace=""', 'service_namespace!=""', f"{ENVIRONMENT}, service_name"),
        (f'{ENVIRONMENT}=~"|development"', f'{ENVIRONMENT}!~"|development"', "service_namespace, service_name"),
    ):
        born = f'max by ({same}) ({SINCE}{{{new}, service_name!=""}})'
        yield f"abs({LAST}{{{old}}} - on ({same}) group_left () {born}) < {MOVED_WITHIN}"


def _workers(source: Source) -> Iterator[Record | Alert]:
    vanished = "WhatsSelfWorkerVanished"
    usual = f"quantile_over_time(0.5, {WORKERS}[{source['heartbeat.worker_window']}])"
    # While one is missed, what was usual stays so: else it would be over while the worker is still dead.
    missed = f'ALERTS_FOR_STATE{{alertname="{vanished}"}} > time() - {source["heartbeat.worker_until"]}'
    yield Record(name=USUAL_WORKERS, expr=f"({USUAL_WORKERS} and on ({SERVICE}) {missed})\nor {usual}")
    yield Alert(
        name=vanished,
        words=WORKER_VANISHED,
        expr=f"{WORKERS}\n< ({EXPECTED_WORKERS} or {USUAL_WORKERS})",
        wait=source["heartbeat.worker_for"],
        severity="warning",
        component="worker",
    )
    window, age = source["heartbeat.crash_window"], source["heartbeat.crash_age"]
    uptime = series(source, PROCESS_UPTIME)
    alive = f"count_over_time({uptime}[{source['heartbeat.window']}])"
    died = f"max_over_time({uptime}[{window}]) < {age} unless {alive}"
    # A scraped process keeps its name when it is started again.
    again = f"sum by ({SERVICE}) (resets({uptime}[{window}]))"
    yield Alert(
        name="WhatsSelfCrashLoop",
        words=CRASH_LOOP,
        expr=f"(count by ({SERVICE}) ({died}) or 0 * {again}) + {again} >= {source['heartbeat.crash_deaths'] - 0.5}",
        wait=source["heartbeat.crash_for"],
        severity="critical",
        component="worker",
    )
