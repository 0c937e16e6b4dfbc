"""Contacts: does one contact write as no person does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from whatsself_otel.catalogue import CONTACT_INBOUND_MAX
from whatsself_otel.operations.cases import BOUNDARY, FIRING, HEALTHY, Case, flat, named, while_closed
from whatsself_otel.operations.model import Alert, Check, Group, Page, Record, Words
from whatsself_otel.operations.promql import INBOUND_MAX, highest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from whatsself_otel.operations.model import Source

HOUR = 1800

CONTACT_FLOOD: Final = Words(
    en=Page(
        summary="One contact sent {{ $value | humanize }} messages in five minutes",
        description=(
            "More than <flood.messages>, and over <flood.times_usual> times what is usual in <flood.usual_window>: "
            "abuse, or a bot that answers our bot."
        ),
        impact="A loop of two bots fills the queue and can cost the number.",
        fix="Find the contact by its id in the logs, stop its flow, block it if it is abuse.",
    ),
    pt=Page(
        summary="Um contato enviou {{ $value | humanize }} mensagens em cinco minutos",
        description=(
            "Mais de <flood.messages>, e acima de <flood.times_usual> vezes o comum em <flood.usual_window>: abuso, ou "
            "um robô respondendo ao nosso."
        ),
        impact="Um laço de dois robôs enche a fila e pode custar o número.",
        fix="Ache o contato pelo id nos logs, pare o fluxo dele, bloqueie-o se for abuso.",
    ),
    checks=(
        Check(
            en="Largest number from one contact",
            pt="Maior número de um contato",
            promql="whatsself:contact_inbound_max:5m",
        ),
        Check(
            en="Messages received",
            pt="Mensagens recebidas",
            promql="sum by (job) (increase(messages_inbound_total{<job>}[5m]))",
        ),
        Check(
            en="Who it is",
            pt="Quem é",
            logql='topk(5, sum by (contactId) (count_over_time({service_name="<service>"} | contactId!="" [5m])))',
            logsql='{service.name="<service>"} _time:5m contactId:* | top 5 by (contactId)',
        ),
    ),
)


def rules(source: Source) -> Group:
    """Does one contact write as no person does."""
    usual = f"quantile_over_time(0.95, {INBOUND_MAX}[{source['flood.usual_window']}] offset 1h)"
    return Group(
        name="whatsself-contacts",
        # The usual is read over a week: once a minute is enough.
        interval="1m",
        rules=(
            Record(name=INBOUND_MAX, expr=highest(source, CONTACT_INBOUND_MAX)),
            Alert(
                name="WhatsSelfContactFlood",
                words=CONTACT_FLOOD,
                expr=(
                    f"{INBOUND_MAX} > {source['flood.messages']}\nand {INBOUND_MAX}"
                    f" > {source['flood.times_usual']} * ({usual} or 0 * {INBOUND_MAX})"
                ),
                wait=source["flood.flood_for"],
                keep=source["flood.flood_keep"],
                severity="warning",
                component="contacts",
            ),
        ),
    )


def cases() -> Iterator[Case]:
    """A flood."""
    rule, most = "WhatsSelfContactFlood", named("contact_inbound_max_5m")
    quiet = {most: flat((20, 3), (10, 25), (40, 3)), named("contact_inbound_max_5m", instance="b"): flat((70, 2))}
    yield Case(rule=rule, kind=FIRING, title="25 messages, with no history", series=quiet, at={19: 0, 28: 1, 60: 0})
    yield Case(rule=rule, kind=BOUNDARY, title="begins and ends", series=quiet, at={24.5: 0, 26: 1, 44: 1, 46: 0})
    yield while_closed(rule, {most: flat((20, 3), (45, 25), (115, 3))}, closes=60, opens=120)
    for messages, fires in ((20, 0), (21, 1)):
        yield Case(
            rule=rule,
            kind=BOUNDARY,
            title=f"{messages} messages, as two workers see them",
            series={most: flat((40, messages)), named("contact_inbound_max_5m", instance="b"): flat((40, messages))},
            at={30: fires},
        )
    for messages, fires in ((23, 0), (27, 1)):
        yield Case(
            rule=rule,
            kind=BOUNDARY,
            title=f"{messages} messages where 5 are usual, for 50 minutes",
            series={most: flat((120, 5), (60, messages))},
            at={170: fires},
        )
    yield Case(rule=rule, kind=HEALTHY, title="a busy shop", series={most: flat((120, 10), (60, 30))}, at={150: 0})
    day = 24 * 60
    for title, segments, fires in (
        ("usual five days ago", ((2 * day, 1), (day, 10), (4 * day, 1)), 0),
        ("usual nine days ago", ((day, 1), (2 * day, 10), (8 * day, 1)), 1),
        ("once in five days, for an hour", ((2 * day, 1), (60, 30), (5 * day, 1)), 1),
    ):
        minutes = sum(length for length, _ in segments)
        yield Case(
            rule=rule,
            kind=BOUNDARY,
            title=title,
            series={most: flat(*segments, (120, 40), step_s=HOUR)},
            at={minutes + 60: fires},
            step_s=HOUR,
        )
