"""Delivery: do messages come in, and does WhatsApp say that what was sent has arrived."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from whatsself_otel.catalogue import WEBHOOK_LAG, WHATSAPP_SESSION_CONNECTED
from whatsself_otel.operations.base import DELIVERED, FAILED, INBOUND, OUTBOUND, STEP, over
from whatsself_otel.operations.model import Alert, Check, Group, Page, Words
from whatsself_otel.operations.promql import SERVICE, SESSION, bound, highest, increase

if TYPE_CHECKING:
    from whatsself_otel.operations.model import Source

NOT_ACKNOWLEDGED: Final = Words(
    en=Page(
        summary='No send of {{ or $labels.session "the service" }} was acknowledged in <delivery.ack_window>',
        description=(
            "At least <delivery.ack_min> sends were accepted and none was delivered, though acknowledgements came in "
            "the days before. So for <delivery.ack_for>."
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
            "Ao menos <delivery.ack_min> envios foram aceitos e nenhum foi entregue, embora houvesse confirmações nos "
            "dias anteriores. Isso há <delivery.ack_for>."
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
    """Do messages come in, and does WhatsApp say that what was sent has arrived."""
    return Group(
        name="whatsself-delivery",
        interval="1m",
        rules=(_not_acknowledged(source), _silent(source), _late(source)),
    )


def _not_acknowledged(source: Source) -> Alert:
    window = source["delivery.ack_window"]
    sent, failed = over(OUTBOUND, window), over(FAILED, window, by=SESSION)
    return Alert(
        name="WhatsSelfNotAcknowledged",
        words=NOT_ACKNOWLEDGED,
        expr=(
            f"{sent} - ({failed} or 0 * {sent}) >= {source['delivery.ack_min'] - 0.5}"
            f"\nunless on ({SESSION}) {over(DELIVERED, window)} >= 0.5"
            f"\nand on ({SESSION}) {over(DELIVERED, source['delivery.ack_known'])} >= 0.5"
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
            f"{connected}\nunless on ({SESSION}) {over(INBOUND, window)} >= 0.5"
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
