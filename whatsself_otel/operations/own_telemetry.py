"""The application's own telemetry: does it lose anything, and is every gauge there that an alert reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from whatsself_otel.catalogue import (
    CB_STATE_GLOBAL,
    CONTACT_INBOUND_MAX,
    DB_POOL_IN_USE,
    EVENT_LOOP_LAG,
    QUEUE_DEPTH,
    TELEMETRY_DROPPED,
    TELEMETRY_ERRORS,
)
from whatsself_otel.operations.cases import BOUNDARY, FIRING, HEALTHY, Case, flat, named, service, while_closed
from whatsself_otel.operations.model import Alert, Check, Group, Page, Record, Words
from whatsself_otel.operations.promql import REPORTED, SERVICE, SESSION, UP, increase, series

if TYPE_CHECKING:
    from collections.abc import Iterator

    from whatsself_otel.operations.model import Source

PRESENT: Final = "whatsself:gauge:present"
PAGED: Final = (QUEUE_DEPTH, CB_STATE_GLOBAL)
"""Gauges that the pages depend on."""
WATCHED: Final = (*PAGED, CONTACT_INBOUND_MAX, EVENT_LOOP_LAG, DB_POOL_IN_USE)

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
TELEMETRY_FAILING: Final = Words(
    en=Page(
        summary="The telemetry of {{ $labels.job }} has errors: {{ $labels.part }}",
        description=(
            "About {{ $value | humanize }} errors in <telemetry.dropped_window>, none of which reached the application."
        ),
        impact="A number may be missing or wrong: an alert that reads it may be blind.",
        fix=(
            "callback: the application's own callback raised; see its logs. unknown_value: a value outside its closed "
            "set is counted as other. The rest: health() names the error."
        ),
    ),
    pt=Page(
        summary="A telemetria de {{ $labels.job }} tem erros: {{ $labels.part }}",
        description="Cerca de {{ $value | humanize }} erros em <telemetry.dropped_window>; nenhum chegou à aplicação.",
        impact="Um número pode faltar ou estar errado: um alerta que o lê pode estar cego.",
        fix=(
            "callback: a função da própria aplicação falhou; veja seus logs. unknown_value: um valor fora do conjunto "
            "fechado é contado como other. O resto: health() diz o erro."
        ),
    ),
    checks=(
        Check(
            en="Errors by part",
            pt="Erros por parte",
            promql="sum by (component) (increase(telemetry_errors_total{<job>}[1h])) > 0",
        ),
        Check(
            en="Gauges that are there",
            pt="Medidores presentes",
            promql="whatsself:gauge:present",
        ),
        Check(
            en="Warnings and errors",
            pt="Avisos e erros",
            logql='{service_name="<service>"} | detected_level=~"warn|error"',
            logsql='{service.name="<service>"} severity_text:in(warn, error)',
        ),
    ),
)
GAUGE_MISSING: Final = Words(
    en=Page(
        summary="{{ $labels.gauge }} is not reported any more",
        description=(
            "It was reported within <telemetry.gauge_memory>; the service lives and says nothing of it for "
            "<telemetry.gauge_for>."
        ),
        impact="Every alert that reads it is blind.",
        fix=(
            "The callback raises (see WhatsSelfTelemetryFailing), or the process that reported it is gone: start the "
            "worker. After a wanted change the alert ends by itself within <telemetry.gauge_memory>."
        ),
    ),
    pt=Page(
        summary="{{ $labels.gauge }} não é mais informado",
        description=(
            "Foi informado nas últimas <telemetry.gauge_memory>; o serviço está vivo e não o informa há "
            "<telemetry.gauge_for>."
        ),
        impact="Todo alerta que o lê está cego.",
        fix=(
            "A função falha (veja WhatsSelfTelemetryFailing), ou o processo que o informava terminou: inicie o worker. "
            "Após uma mudança desejada o alerta acaba sozinho em até <telemetry.gauge_memory>."
        ),
    ),
    checks=TELEMETRY_FAILING.checks,
)


def rules(source: Source) -> Group:
    """Does the application's telemetry lose anything, and is every gauge there that an alert reads."""
    window = source["telemetry.dropped_window"]
    dropped = increase(source, TELEMETRY_DROPPED, window, by=f"{SERVICE}, signal, reason")
    errors = increase(source, TELEMETRY_ERRORS, window, by=f"{SERVICE}, component")
    return Group(
        name="whatsself-telemetry",
        interval="1m",
        rules=(
            Alert(
                name="WhatsSelfTelemetryDropped",
                words=ITEMS_DROPPED,
                expr=f"{dropped} > 0",
                severity="warning",
                component="dropped",
                dashboard="collector",
            ),
            Alert(
                name="WhatsSelfTelemetryFailing",
                words=TELEMETRY_FAILING,
                # The rule's own label is called so, too.
                expr=f'max without (component) (label_replace({errors} > 0, "part", "$1", "component", "(.+)"))',
                severity="warning",
                component="worker",
                dashboard="collector",
            ),
            *_gauges(source),
        ),
    )


def _gauges(source: Source) -> Iterator[Record | Alert]:
    for spec in WATCHED:
        yield Record(
            name=PRESENT,
            labels={"gauge": spec.prometheus_name},
            expr=f"group by ({SESSION}) ({series(source, spec)})",
        )
    paged = "|".join(spec.prometheus_name for spec in PAGED)
    for severity, matcher in (("critical", f'gauge=~"{paged}"'), ("warning", f'gauge!~"{paged}"')):
        memory = source["telemetry.gauge_memory"]
        was, of_session = (
            f'present_over_time({PRESENT}{{{matcher}, session{operator}""}}[{memory}:15m])' for operator in ("=", "!=")
        )
        # A session that was retired takes its queue along.
        known = f"({was} or {of_session} and on ({SESSION}) {REPORTED})"
        yield Alert(
            name="WhatsSelfVitalGaugeMissing" if severity == "critical" else "WhatsSelfGaugeMissing",
            words=GAUGE_MISSING,
            expr=f"{known}\nunless {PRESENT}\nand on ({SERVICE}) {UP} == 1",
            wait=source["telemetry.gauge_for"],
            severity=severity,
            component="worker",
        )


def cases() -> Iterator[Case]:
    """Return every test of these rules."""
    dropped, failing = "WhatsSelfTelemetryDropped", "WhatsSelfTelemetryFailing"
    lost = named("telemetry_dropped_items_total", 'signal="logs",reason="queue_full"')
    other = named("telemetry_dropped_items_total", 'signal="logs",reason="queue_full"', instance="b")
    once = {lost: flat((10, 0), (60, 1)), other: flat((70, 0))}
    yield Case(rule=dropped, kind=FIRING, title="one item", series=once, at={9: 0, 12: 1})
    yield Case(rule=dropped, kind=HEALTHY, title="nothing is lost", series={lost: flat((60, 0))}, at={30: 0})
    yield Case(rule=dropped, kind=BOUNDARY, title="forgotten after 15 minutes", series=once, at={24: 1, 26: 0})
    failed, failed_too = (
        named("telemetry_errors_total", 'component="callback"', instance=worker) for worker in ("a", "b")
    )
    once = {failed: flat((10, 0), (60, 1)), failed_too: flat((70, 0))}
    yield Case(rule=failing, kind=FIRING, title="a callback raised", series=once, at={9: 0, 12: 1})
    yield Case(rule=failing, kind=BOUNDARY, title="forgotten after 15 minutes", series=once, at={24: 1, 26: 0})
    yield Case(rule=failing, kind=HEALTHY, title="no error", series={failed: flat((60, 0))}, at={30: 0})
    yield from _gauge_cases()


def _gauge_cases() -> Iterator[Case]:
    for spec in WATCHED:
        rule = "WhatsSelfVitalGaugeMissing" if spec in PAGED else "WhatsSelfGaugeMissing"
        gone = {**service(), named(spec.prometheus_name): flat((20, 0))}
        yield Case(rule=rule, kind=FIRING, title=spec.prometheus_name, series=gone, at={19: 0, 34: 1})
        other = "WhatsSelfGaugeMissing" if spec in PAGED else "WhatsSelfVitalGaugeMissing"
        yield Case(rule=other, kind=HEALTHY, title=f"{spec.prometheus_name} is the other's", series=gone, at={34: 0})
    for rule, name in (("WhatsSelfVitalGaugeMissing", "queue_depth"), ("WhatsSelfGaugeMissing", "db_pool_in_use")):
        gone = {**service(), named(name): flat((20, 3))}
        yield Case(
            rule=rule, kind=BOUNDARY, title="five minutes after the last is shown", series=gone, at={29: 0, 31: 1}
        )
        two = gone | {named(name, instance="b"): flat((90, 3))}
        yield Case(rule=rule, kind=HEALTHY, title="one of two workers tells", series=two, at={34: 0})
        dead = {named(name): flat((20, 3)), **service(20)}
        yield Case(rule=rule, kind=HEALTHY, title="the service is silent", series=dead, at={34: 0, 60: 0})
        day = 24 * 60
        old = {
            named("process_uptime_seconds"): flat((day + 60, 1), step_s=60),
            named(name): flat((20, 3), step_s=60),
        }
        yield Case(rule=rule, kind=BOUNDARY, title="for a day", series=old, at={day + 10: 1, day + 31: 0}, step_s=60)
    back = {**service(), named("db_pool_in_use"): flat((20, 3), (60, None), (120, 3))}
    yield while_closed("WhatsSelfGaugeMissing", back, closes=60, opens=120)
    rule, main = "WhatsSelfVitalGaugeMissing", 'session="main"'
    queue = {named("process_uptime_seconds"): "0+15x400", named("queue_depth", main): flat((20, 3))}
    known = {named("whatsapp_session_connected", main): flat((90, 1))}
    yield Case(rule=rule, kind=FIRING, title="the queue of a session", series=queue | known, at={34: 1})
    retired = {named("whatsapp_session_connected", main): flat((20, 1))}
    yield Case(
        rule=rule, kind=HEALTHY, title="the queue of a retired session", series=queue | retired, at={40: 0, 60: 0}
    )
