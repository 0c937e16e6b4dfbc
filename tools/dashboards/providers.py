"""What WhatsApp and the provider say: acknowledgements, faults, templates, the number's rating, cost, webhooks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dashboards.logs import of_levels
from dashboards.model import BAD, BLUE, CAUTION, GOOD, GREY, ORANGE, SKY, Dashboard, Panel, Query, Row, State, both
from dashboards.panels import bars, lines, log_lines, stat, states_over_time
from dashboards.promql import EACH_SESSION, SESSION_LEGEND, equal, increase, quantile, ratio, series
from dashboards.variables import service_choices
from whatsself_otel.catalogue import (
    CALLS,
    MESSAGE_DELIVERY_LATENCY,
    MESSAGES_BILLABLE,
    MESSAGES_DELIVERED,
    MESSAGES_OUTBOUND,
    MESSAGES_OUTBOUND_FAILED,
    WEBHOOK_DUPLICATES,
    WEBHOOK_EVENTS,
    WEBHOOK_LAG,
    WEBHOOK_REJECTED,
    WHATSAPP_MESSAGING_LIMIT,
    WHATSAPP_QUALITY_RATING,
    WHATSAPP_TEMPLATE_STATE,
)

if TYPE_CHECKING:
    from whatsself_otel.catalogue import MetricSpec
    from whatsself_otel.operations.model import Source

_RANGE: Final = "$__range"
_WINDOW: Final = "1h"
"""Long enough for a quiet number to have acknowledgements in it."""
_NO_TRAFFIC: Final = both("no traffic", "sem tráfego")
_NO_WEBHOOK: Final = both("no webhook", "nenhum webhook")
# Of several workers' states the highest counts: the last is the worst.
_TEMPLATES: Final = (
    ("other", State(value=1, words=both("? other", "? outro"), colour=GREY)),
    ("approved", State(value=2, words=both("✔ approved", "✔ aprovado"), colour=GOOD)),
    ("pending", State(value=3, words=both("… pending", "… em análise"), colour=SKY)),
    ("flagged", State(value=4, words=both("▣ flagged", "▣ sinalizado"), colour=CAUTION)),
    ("paused", State(value=5, words=both("✖ paused", "✖ pausado"), colour=BAD)),
    ("rejected", State(value=6, words=both("✖ rejected", "✖ rejeitado"), colour=BAD)),
    ("disabled", State(value=7, words=both("✖ disabled", "✖ desativado"), colour=BAD)),
    ("deleted", State(value=8, words=both("✖ deleted", "✖ apagado"), colour=GREY)),
)
_RATINGS: Final = (
    ("other", State(value=1, words=both("? other", "? outra"), colour=GREY)),
    ("unknown", State(value=2, words=both("? unknown", "? desconhecida"), colour=GREY)),
    ("green", State(value=3, words=both("✔ green", "✔ verde"), colour=GOOD)),
    ("yellow", State(value=4, words=both("▣ yellow", "▣ amarela"), colour=CAUTION)),
    ("red", State(value=5, words=both("✖ red", "✖ vermelha"), colour=BAD)),
)
_UNLIMITED: Final = State(value=-1, words=both("no limit", "sem limite"), colour=GOOD)


def providers(source: Source) -> Dashboard:
    """Return the page."""
    return Dashboard(
        key="providers",
        title=both("WhatsSelf provider", "WhatsSelf provedor"),
        description=both(
            "Acknowledgements, whose fault a failure is, templates, the number's rating, cost, webhooks, calls.",
            "Confirmações, de quem é a falha, modelos, a nota do número, custo, webhooks, chamadas.",
        ),
        since="now-24h",
        choices=service_choices(source),
        rows=(
            Row(title=both("Delivery", "Entrega"), panels=_delivery()),
            Row(title=both("The number and its templates", "O número e seus modelos"), panels=_account()),
            Row(title=both("Webhooks and calls", "Webhooks e chamadas"), panels=_webhooks()),
        ),
    )


def _code(metric: MetricSpec, label: str, states: tuple[tuple[str, State], ...], *, by: str) -> str:
    terms = (f"{state.value} * ({series(metric, equal(label, name))} == 1)" for name, state in states)
    return f"max by ({by}) ({' or '.join(terms)})"


def _delivery() -> tuple[Panel, ...]:
    sent, failed = increase(MESSAGES_OUTBOUND, _RANGE), increase(MESSAGES_OUTBOUND_FAILED, _RANGE, by="fault")
    read = increase(MESSAGES_DELIVERED, _RANGE, 'status="read"')
    return (
        stat(
            both("Read, of what was sent", "Lidas, do que foi enviado"),
            both(
                "In the chosen time range. A contact may hide that it reads.",
                "No período escolhido. Um contato pode ocultar a leitura.",
            ),
            Query(
                expr=f"clamp_max({ratio(read, sent)}, 1)",
                legend=both("read", "lidas"),
                instant=True,
                unit="percentunit",
            ),
            Query(expr=f"round({sent})", legend=both("sent (n)", "enviadas (n)"), instant=True, colour=GREY),
            no_value=_NO_TRAFFIC,
            height=8,
        ),
        lines(
            both(f"Time to the acknowledgement, of {_WINDOW}", f"Tempo até a confirmação, em {_WINDOW}"),
            both(
                "From acceptance by the provider: P95 delivered, median and P95 read.",
                "Da aceitação pelo provedor: P95 até a entrega, mediana e P95 até a leitura.",
            ),
            Query(
                expr=quantile(0.95, MESSAGE_DELIVERY_LATENCY, _WINDOW, 'status="delivered"'),
                legend=both("delivered, P95", "entregue, P95"),
                colour=BLUE,
            ),
            Query(
                expr=quantile(0.5, MESSAGE_DELIVERY_LATENCY, _WINDOW, 'status="read"'),
                legend=both("read, P50", "lida, P50"),
                colour=SKY,
            ),
            Query(
                expr=quantile(0.95, MESSAGE_DELIVERY_LATENCY, _WINDOW, 'status="read"'),
                legend=both("read, P95", "lida, P95"),
                colour=ORANGE,
                dashed=True,
            ),
            unit="s",
            no_value=_NO_TRAFFIC,
            width=10,
        ),
        bars(
            both("Failures by whose fault", "Falhas por culpa"),
            both(
                "Ours is what an operator can change; in the chosen time range.",
                "Nossa (ours) é o que o operador pode mudar; no período escolhido.",
            ),
            Query(expr=f"round({failed}) > 0", legend="{{fault}}", instant=True),
            no_value=both("no failure", "nenhuma falha"),
            decimals=0,
            width=8,
        ),
        bars(
            both("Failures by reason and fault", "Falhas por motivo e culpa"),
            both("In the chosen time range.", "No período escolhido."),
            Query(
                expr=f"topk(15, round({increase(MESSAGES_OUTBOUND_FAILED, _RANGE, by='fault, reason')}) > 0)",
                legend="{{fault}} · {{reason}}",
                instant=True,
            ),
            no_value=both("no failure", "nenhuma falha"),
            decimals=0,
            width=16,
        ),
        bars(
            both("Billed by category", "Cobradas por categoria"),
            both("Messages that the provider bills, in the chosen time range.", "Mensagens cobradas no período."),
            Query(
                expr=f"round({increase(MESSAGES_BILLABLE, _RANGE, by='category')})", legend="{{category}}", instant=True
            ),
            no_value=both("nothing billed", "nada cobrado"),
            decimals=0,
            width=8,
        ),
    )


def _account() -> tuple[Panel, ...]:
    template = "deployment_environment_name, template"
    return (
        states_over_time(
            both("Templates over time", "Modelos ao longo do tempo"),
            both(
                "State of each message template, as the provider tells.", "Estado de cada modelo, segundo o provedor."
            ),
            Query(
                expr=_code(WHATSAPP_TEMPLATE_STATE, "state", _TEMPLATES, by=template),
                legend="{{template}} · {{deployment_environment_name}}",
            ),
            states=tuple(state for _, state in _TEMPLATES),
            no_value=both("no template told of", "nenhum modelo informado"),
        ),
        states_over_time(
            both("Rating of each number", "Nota de cada número"),
            both(
                "WhatsApp's own; red comes before a restriction.", "Do WhatsApp; vermelha vem antes de uma restrição."
            ),
            Query(expr=_code(WHATSAPP_QUALITY_RATING, "rating", _RATINGS, by=EACH_SESSION), legend=SESSION_LEGEND),
            states=tuple(state for _, state in _RATINGS),
            no_value=both("no rating told of", "nenhuma nota informada"),
        ),
        bars(
            both("New contacts a day, at most", "Contatos novos por dia, no máximo"),
            both(
                "Whom a number may write to first in a day: the provider's messaging limit.",
                "A quantos um número pode escrever primeiro em um dia: o limite do provedor.",
            ),
            Query(
                expr=f"max by ({EACH_SESSION}) ({series(WHATSAPP_MESSAGING_LIMIT)})",
                legend=SESSION_LEGEND,
                instant=True,
            ),
            unit="none",
            states=(_UNLIMITED,),
            no_value=both("no limit told of", "nenhum limite informado"),
            decimals=0,
            width=24,
            height=6,
        ),
    )


def _webhooks() -> tuple[Panel, ...]:
    return (
        bars(
            both("Webhook events", "Eventos de webhook"),
            both("By provider and event, in the chosen time range.", "Por provedor e evento, no período escolhido."),
            Query(
                expr=f"topk(15, round({increase(WEBHOOK_EVENTS, _RANGE, by='provider, event')}))",
                legend="{{provider}} · {{event}}",
                instant=True,
            ),
            no_value=_NO_WEBHOOK,
            decimals=0,
        ),
        lines(
            both(f"Webhook delay of {_WINDOW}, P95", f"Atraso dos webhooks em {_WINDOW}, P95"),
            both(
                "From the event, by the provider's clock, to its receipt.",
                "Do evento, no relógio do provedor, à chegada.",
            ),
            Query(expr=quantile(0.95, WEBHOOK_LAG, _WINDOW, by="provider"), legend="{{provider}}"),
            unit="s",
            no_value=_NO_WEBHOOK,
        ),
        bars(
            both("Webhooks not read, and repeats", "Webhooks não lidos, e repetições"),
            both(
                "A signature that is refused is a wrong secret, or somebody else. Repeats change nothing.",
                "Assinatura recusada é um segredo errado, ou outra pessoa. Repetições não alteram nada.",
            ),
            Query(
                expr=f"round({increase(WEBHOOK_REJECTED, _RANGE, by='provider, reason')}) > 0",
                legend="{{provider}} · {{reason}}",
                instant=True,
                colour=BAD,
            ),
            Query(
                expr=f"round({increase(WEBHOOK_DUPLICATES, _RANGE, by='provider')}) > 0",
                legend=both("{{provider}} · repeats", "{{provider}} · repetições"),
                instant=True,
                colour=GREY,
            ),
            no_value=both("none", "nenhum"),
            decimals=0,
        ),
        bars(
            both("Calls", "Chamadas"),
            both(
                "By direction and outcome, in the chosen time range.", "Por direção e desfecho, no período escolhido."
            ),
            Query(
                expr=f"round({increase(CALLS, _RANGE, by='direction, outcome')}) > 0",
                legend="{{direction}} · {{outcome}}",
                instant=True,
            ),
            no_value=both("no call", "nenhuma chamada"),
            decimals=0,
        ),
        log_lines(
            both("Warnings and errors", "Avisos e erros"),
            both("A line opens to its trace.", "Uma linha abre o seu trace."),
            of_levels("warn", "error", "fatal").chosen(),
        ),
    )
