"""Delivery: do messages come in, and does WhatsApp confirm the delivery of those sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from whatsself_otel.catalogue import (
    MESSAGES_DELIVERED,
    MESSAGES_INBOUND,
    MESSAGES_OUTBOUND,
    MESSAGES_OUTBOUND_FAILED,
    WEBHOOK_LAG,
    WHATSAPP_SESSION_CONNECTED,
)
from whatsself_otel.operations.base import DELIVERED, FAILED, INBOUND, OUTBOUND, STEP, over
from whatsself_otel.operations.cases import BOUNDARY, FIRING, HEALTHY, Case, flat, named, ramp, service, while_closed
from whatsself_otel.operations.model import Alert, Check, Group, Page, Words
from whatsself_otel.operations.promql import SERVICE, SESSION, bound, highest, increase

if TYPE_CHECKING:
    from collections.abc import Iterator

    from whatsself_otel.operations.model import Source

_NOT_ACKNOWLEDGED: Final = "WhatsSelfNotAcknowledged"

NOT_ACKNOWLEDGED: Final = Words(
    en=Page(
        summary='No send of {{ or $labels.session "the service" }} was acknowledged in <delivery.ack_window>',
        description=(
            "At least <delivery.ack_min> sends were accepted and none was delivered, though in the days before "
            "acknowledgements came, to this number or to another one. So for <delivery.ack_for>."
        ),
        impact="Customers get nothing although every send looks well: a restricted number, or a webhook that is away.",
        fix=(
            "Send one message to your own phone. It arrives: the webhook or listener of acknowledgements is broken. It "
            "does not: reconnect the session, and look for a notice of WhatsApp on the phone."
        ),
    ),
    pt=Page(
        summary='Nenhum envio de {{ or $labels.session "todo o serviço" }} foi confirmado em <delivery.ack_window>',
        description=(
            "Ao menos <delivery.ack_min> envios foram aceitos e nenhum foi entregue, embora nos dias anteriores "
            "houvesse confirmações, para este número ou para outro. Isso há <delivery.ack_for>."
        ),
        impact="Clientes não recebem nada embora todo envio pareça bom: número restrito, ou webhook fora.",
        fix=(
            "Envie uma mensagem ao seu próprio celular. Se chega: o webhook ou ouvinte de confirmações quebrou. Se não "
            "chega: reconecte a sessão e procure um aviso do WhatsApp no celular."
        ),
    ),
    checks=(
        Check(
            en="Accepted",
            pt="Aceitas",
            promql="sum by (session) (increase(messages_outbound_total{<job>}[3h]))",
        ),
        Check(
            en="Acknowledged",
            pt="Confirmadas",
            promql="sum by (session, status) (increase(messages_delivered_total{<job>}[3h]))",
        ),
        Check(
            en="Webhooks that came and that were refused",
            pt="Webhooks que chegaram e que foram recusados",
            promql="sum by (provider) (increase(webhook_events_total{<job>}[3h])) > 0",
        ),
    ),
)
INBOUND_SILENT: Final = Words(
    en=Page(
        summary="Nothing came in for session {{ $labels.session }} in <delivery.silent_window>",
        description=(
            "It counts as connected. At the same time a week before (or the day before, where that is all there is) at "
            "least <delivery.silent_usual> messages came in."
        ),
        impact="Customers write and nobody sees it.",
        fix=(
            "Write to the number from your own phone. Nothing arrives: reconnect the session, look whether webhooks "
            "come and are refused. On a holiday this may be as it should."
        ),
    ),
    pt=Page(
        summary="Nada chegou para a sessão {{ $labels.session }} em <delivery.silent_window>",
        description=(
            "Ela consta como conectada. No mesmo horário uma semana antes (ou no dia anterior, se só há esse) chegaram "
            "ao menos <delivery.silent_usual> mensagens."
        ),
        impact="Clientes escrevem e ninguém vê.",
        fix=(
            "Escreva para o número do seu próprio celular. Se nada chega: reconecte a sessão, veja se webhooks chegam "
            "e são recusados. Em um feriado isso pode ser normal."
        ),
    ),
    checks=(
        Check(
            en="What came in, hour by hour",
            pt="O que chegou, hora a hora",
            promql="sum by (session) (increase(messages_inbound_total{<job>}[1h]))",
        ),
        Check(
            en="Webhooks that came and that were refused",
            pt="Webhooks que chegaram e que foram recusados",
            promql="sum by (provider, reason) (increase(webhook_rejected_total{<job>}[3h])) > 0",
        ),
        Check(
            en="Session events",
            pt="Eventos da sessão",
            logql='{service_name="<service>"} | event!=""',
            logsql='{service.name="<service>"} event:*',
        ),
    ),
)
WEBHOOKS_LATE: Final = Words(
    en=Page(
        summary="{{ $value | humanizePercentage }} of the webhooks of {{ $labels.provider }} come too late",
        description=(
            "Over <%delivery.late_ratio> of at least <delivery.late_min> events in <delivery.late_window> were older "
            "than <delivery.late_s> s when they came."
        ),
        impact="Customers wait although replies are quick: the wait is before the message reaches us.",
        fix=(
            "See whether our answers to webhooks are slow or fail (the provider then tries later). Else it is the "
            "provider: look at its status page. Compare the clocks of both machines."
        ),
    ),
    pt=Page(
        summary="{{ $value | humanizePercentage }} dos webhooks de {{ $labels.provider }} chegam tarde demais",
        description=(
            "Mais de <%delivery.late_ratio> de ao menos <delivery.late_min> eventos em <delivery.late_window> tinham "
            "mais de <delivery.late_s> s ao chegar."
        ),
        impact="Clientes esperam embora as respostas sejam rápidas: a espera é antes de a mensagem chegar a nós.",
        fix=(
            "Veja se nossas respostas aos webhooks são lentas ou falham (o provedor então tenta depois). Senão é o "
            "provedor: veja a página de status. Compare os relógios das duas máquinas."
        ),
    ),
    checks=(
        Check(
            en="Lag, 95th percentile",
            pt="Atraso, percentil 95",
            promql="histogram_quantile(0.95, sum by (provider, le) (rate(webhook_lag_seconds_bucket{<job>}[15m])))",
        ),
        Check(
            en="Answers to webhooks",
            pt="Respostas aos webhooks",
            promql=(
                "sum by (http_route, http_response_status_code) "
                "(increase(http_server_request_duration_seconds_count{<job>}[15m])) > 0"
            ),
        ),
        Check(
            en="Events that came twice",
            pt="Eventos que chegaram duas vezes",
            promql="sum by (provider) (increase(webhook_duplicates_total{<job>}[1h])) > 0",
        ),
    ),
)


def rules(source: Source) -> Group:
    """Do messages come in, and does WhatsApp confirm the delivery of those sent."""
    return Group(
        name="whatsself-delivery",
        interval="1m",
        rules=(_not_acknowledged(source), _silent(source), _late(source)),
    )


def _not_acknowledged(source: Source) -> Alert:
    window = source["delivery.ack_window"]
    sent, failed = over(OUTBOUND, window), over(FAILED, window, by=SESSION)
    # A number whose first messages stay pending has no days before: another number of the service tells as well.
    known = f"\nand on ({SERVICE}) {over(DELIVERED, source['delivery.ack_known'], by=SERVICE)} > 0"
    return Alert(
        name=_NOT_ACKNOWLEDGED,
        words=NOT_ACKNOWLEDGED,
        expr=(
            f"{sent} - ({failed} or 0 * {sent}) >= {source['delivery.ack_min'] - 0.5}"
            f"\nunless on ({SESSION}) {over(DELIVERED, window)} > 0"
            f"{'' if source['expected.acknowledgements'] else known}"
        ),
        wait=source["delivery.ack_for"],
        severity="critical",
        component="sending",
    )


def _silent(source: Source) -> Alert:
    window = source["delivery.silent_window"]
    connected = f"min_over_time({highest(source, WHATSAPP_SESSION_CONNECTED, by=SESSION)}[{window}:{STEP}]) == 1"
    usual = " or ".join(over(INBOUND, window, offset=offset) for offset in ("7d", "1d"))
    return Alert(
        name="WhatsSelfInboundSilent",
        words=INBOUND_SILENT,
        expr=(
            f"{connected}\nunless on ({SESSION}) {over(INBOUND, window)} > 0"
            f"\nand on ({SESSION}) ({usual}) >= {source['delivery.silent_usual'] - 0.5}"
        ),
        wait=source["delivery.silent_for"],
        severity="warning",
        component="queue",
    )


def _late(source: Source) -> Alert:
    window, by = source["delivery.late_window"], f"{SERVICE}, provider"
    total = increase(source, WEBHOOK_LAG, window, suffix="_count", by=by)
    prompt = increase(source, WEBHOOK_LAG, window, bound(source["delivery.late_s"]), suffix="_bucket", by=by)
    return Alert(
        name="WhatsSelfWebhooksLate",
        words=WEBHOOKS_LATE,
        expr=(
            f"1 - ({prompt} or 0 * {total}) / ({total} > 0) > {source['delivery.late_ratio']}"
            f"\nand on ({by}) {total} >= {source['delivery.late_min'] - 0.5}"
        ),
        wait=source["delivery.late_for"],
        severity="warning",
        component="queue",
    )


_SENT, _FAILED, _DELIVERED, _CAME, _CONNECTED = (
    spec.prometheus_name
    for spec in (
        MESSAGES_OUTBOUND,
        MESSAGES_OUTBOUND_FAILED,
        MESSAGES_DELIVERED,
        MESSAGES_INBOUND,
        WHATSAPP_SESSION_CONNECTED,
    )
)
_MAIN = 'session="main"'
HOUR = 60.0
MINUTE_S = 60
DAY = 24 * HOUR
_STEP_S = 150
"""Seconds between two samples of several days."""


def cases() -> Iterator[Case]:
    """Return every test of these rules."""
    yield from _acknowledged()
    yield from _silent_cases()
    yield from _late_cases()


def _counter(name: str, labels: str, *segments: tuple[float, float], instance: str = "a") -> dict[str, str]:
    return {named(name, f"{labels},{_MAIN}", instance=instance): ramp(*segments, step_s=MINUTE_S)}


def _sends(*told: tuple[float, float], failing: float = 0, pace: float = 0.1) -> dict[str, str]:
    """Return a day of two workers' sends, and the acknowledgements a minute of each segment."""
    return {
        **_counter(_SENT, 'origin="reply"', (24 * HOUR, pace / 2)),
        **_counter(_SENT, 'origin="reply"', (24 * HOUR, pace / 2), instance="b"),
        **_counter(_FAILED, 'fault="ours"', (24 * HOUR, failing / 2)),
        **_counter(_FAILED, 'fault="provider"', (24 * HOUR, failing / 2)),
        **_counter(_DELIVERED, 'status="delivered"', *told),
    }


def _acknowledged() -> Iterator[Case]:
    stops = _sends((6 * HOUR, 0.1), (18 * HOUR, 0))
    yield _of_a_day(FIRING, "acknowledgements stop", stops, {5 * HOUR: 0, 10 * HOUR: 1, 20 * HOUR: 1})
    yield _of_a_day(BOUNDARY, "three hours after the last", stops, {9 * HOUR + 4: 0, 9 * HOUR + 6: 1})
    never = _sends((24 * HOUR, 0))
    yield _of_a_day(HEALTHY, "the application never tells of any", never, {10 * HOUR: 0})
    second = _counter(_DELIVERED, 'status="delivered"', (24 * HOUR, 0.1))
    told = {name.replace(_MAIN, 'session="other"'): values for name, values in second.items()}
    title = "a new number's never came, those of another number of the service do"
    yield _of_a_day(FIRING, title, never | told, {HOUR / 2: 0, 10 * HOUR: 1})
    refused = _sends((6 * HOUR, 0.1), (18 * HOUR, 0), failing=0.08)
    yield _of_a_day(HEALTHY, "most were refused", refused, {12 * HOUR: 0})
    rare = _sends((6 * HOUR, 0.1), *[(170, 0), (1, 1)] * 6)
    yield _of_a_day(HEALTHY, "one comes every three hours", rare, {12 * HOUR: 0})
    for pace, fires in ((0.024, 0), (0.026, 1)):
        few = _sends((6 * HOUR, 0.1), (18 * HOUR, 0), pace=pace)
        yield _of_a_day(BOUNDARY, f"{pace * 180:.1f} sends in three hours", few, {12 * HOUR: fires})
    yield _known_for_days()
    other = {named(_DELIVERED, 'status="read",session="other"'): ramp((24 * HOUR, 1), step_s=MINUTE_S)}
    yield _of_a_day(FIRING, "another session's arrive", stops | other, {10 * HOUR: 1})


def _of_a_day(kind: str, title: str, series: dict[str, str], at: dict[float, int]) -> Case:
    return Case(rule=_NOT_ACKNOWLEDGED, kind=kind, title=title, series=series, at=at, step_s=MINUTE_S)


def _known_for_days() -> Case:
    day, step_s = DAY, _STEP_S
    old = {
        named(_SENT, f'origin="reply",{_MAIN}'): ramp((6 * day, 0.1), step_s=step_s),
        named(_DELIVERED, f'status="read",{_MAIN}'): ramp((day, 0.1), (5 * day, 0), step_s=step_s),
    }
    at = {3 * day + 20 * HOUR: 1, 4 * day + HOUR: 0}
    title = "known for three days"
    return Case(rule=_NOT_ACKNOWLEDGED, kind=BOUNDARY, title=title, series=old, at=at, step_s=step_s)


def _traffic(*counts: tuple[float, float], up: float = 9 * DAY) -> dict[str, str]:
    """Return nine days of a session: messages a minute of each segment, and for how long it is connected."""
    connected = flat((up, 1), (9 * DAY - up, 0), step_s=_STEP_S) if up < 9 * DAY else flat((up, 1), step_s=_STEP_S)
    return {
        named(_CAME, f'kind="text",{_MAIN}'): ramp(*counts, step_s=_STEP_S),
        named(_CONNECTED, _MAIN): connected,
        named(_CONNECTED, _MAIN, instance="b"): flat((9 * DAY, 0), step_s=_STEP_S),
    }


def _told_twice(series: dict[str, str]) -> dict[str, str]:
    """Return the same series, with a second process that reports the session as connected."""
    connected = {name: values for name, values in series.items() if _CONNECTED in name and '"a"' in name}
    return series | {name.replace('"a"', '"c"'): values for name, values in connected.items()}


def _silent_cases() -> Iterator[Case]:
    rule, day, step_s = "WhatsSelfInboundSilent", DAY, _STEP_S
    stops = _traffic((8 * day, 0.2), (day, 0))
    at: dict[float, int] = {8 * day - HOUR: 0, 8 * day + 4 * HOUR: 1}
    yield Case(rule=rule, kind=FIRING, title="nothing for four hours", series=_told_twice(stops), at=at, step_s=step_s)
    at = {8 * day + 3 * HOUR + 2.5: 0, 8 * day + 3 * HOUR + 5: 1}
    yield Case(rule=rule, kind=BOUNDARY, title="three hours", series=stops, at=at, step_s=step_s)
    at = {8 * day + 4 * HOUR: 0}
    away = _traffic((8 * day, 0.2), (day, 0), up=8 * day + 2 * HOUR)
    yield Case(rule=rule, kind=HEALTHY, title="not connected, which is told", series=away, at=at, step_s=step_s)
    weekly = _traffic((day, 0.2), (6 * HOUR, 0), (7 * day - 6 * HOUR, 0.2), (day, 0))
    yield Case(
        rule=rule,
        kind=HEALTHY,
        title="as a week ago at this time",
        series=weekly,
        at={8 * day + 5 * HOUR: 0},
        step_s=step_s,
    )
    back = _traffic((8 * day, 0.2), (6 * HOUR, 0), (18 * HOUR, 0.2))
    yield while_closed(rule, back, closes=8 * day + 5 * HOUR, opens=8 * day + 11 * HOUR, step_s=step_s)
    young = _traffic((2 * day, 0.2), (7 * day, 0))
    at = {2 * day + 4 * HOUR: 1}
    yield Case(rule=rule, kind=FIRING, title="two days old: as the day before", series=young, at=at, step_s=step_s)
    for pace, fires in ((0.05, 0), (0.056, 1)):
        few = _traffic((8 * day, pace), (day, 0))
        title = f"{pace * 180:.0f} messages are usual"
        yield Case(rule=rule, kind=BOUNDARY, title=title, series=few, at={8 * day + 4 * HOUR: fires}, step_s=step_s)
    born = {named(_CONNECTED, _MAIN): flat((9 * day, 1), step_s=step_s)}
    yield Case(rule=rule, kind=HEALTHY, title="no message ever came", series=born, at={8 * day: 0}, step_s=step_s)


def _late_cases() -> Iterator[Case]:
    rule, lag = "WhatsSelfWebhooksLate", "webhook_lag_seconds"

    def events(prompt: float, late: float, *, instance: str = "a", le: str = "300") -> dict[str, str]:
        labels = 'provider="cloud_api"'
        return {
            named(f"{lag}_count", labels, instance=instance): ramp((30, 10), (60, prompt + late)),
            named(f"{lag}_bucket", f'{labels},le="{le}"', instance=instance): ramp((30, 10), (60, prompt)),
            named(f"{lag}_bucket", f'{labels},le="900"', instance=instance): ramp((90, 10)),
        }

    every = events(0, 10)
    yield Case(rule=rule, kind=FIRING, title="all come a quarter of an hour late", series=every, at={29: 0, 60: 1})
    yield Case(rule=rule, kind=BOUNDARY, title="half of 15 minutes, and five", series=every, at={42: 0, 43.5: 1})
    for share, fires in ((4.8, 0), (5.2, 1)):
        both = events(10 - share, share) | events(10 - share, share, instance="b")
        yield Case(rule=rule, kind=BOUNDARY, title=f"{share} of 10", series=both, at={70: fires})
    scraped = events(0, 10, le="300.0")
    yield Case(rule=rule, kind=FIRING, title="by scrape", series=scraped, at={70: 1})
    yield Case(rule=rule, kind=HEALTHY, title="prompt, by scrape", series=events(10, 0, le="300.0"), at={70: 0})
    for count, fires in ((4, 0), (5, 1)):
        few = {
            named(f"{lag}_count", 'provider="waha"'): flat((10, 0), (40, count - 1)),
            named(f"{lag}_count", 'provider="waha"', instance="b"): flat((10, 0), (40, 1)),
        }
        yield Case(rule=rule, kind=BOUNDARY, title=f"{count} events", series=service() | few, at={18: fires})
    again = {named(f"{lag}_count", 'provider="waha"'): flat((10, 0), (20, 3), (30, 7))}
    title = "four events in a quarter of an hour, seven in half an hour"
    yield Case(rule=rule, kind=BOUNDARY, title=title, series=service() | again, at={38: 0})
