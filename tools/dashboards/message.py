"""What happened to one message: its traces, its spans in order of time, its log lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dashboards.logs import Lines
from dashboards.model import VERMILION, Dashboard, Entry, Panel, Query, Row, Store, both
from dashboards.panels import found_traces, lines, log_lines
from dashboards.promql import of_each_session, rate
from dashboards.variables import service_choices
from whatsself_otel.catalogue import (
    CONTACT_ID,
    MESSAGE_ID,
    MESSAGES_OUTBOUND,
    MESSAGES_OUTBOUND_FAILED,
    QUEUE_DEPTH,
    REQUEST_ID,
)

if TYPE_CHECKING:
    from whatsself_otel.operations.model import Source

IDS: Final = (REQUEST_ID, CONTACT_ID, MESSAGE_ID)
TRACE: Final = "traceId"
_NOTHING: Final = both("nothing found: type one of the ids above", "nada encontrado: digite um dos ids acima")
# An empty box finds nothing: no span has an empty id, and a line without the field is left out by the first half.
_SPANS: Final = " || ".join(f'span.{name} = "${{{name}}}"' for name in IDS)
_LINES: Final = Lines(
    logql="| " + " or ".join(f'({name} != "" and {name} = "${{{name}}}")' for name in IDS),
    logsql="(" + " or ".join(f'({name}:* {name}:="${{{name}}}")' for name in IDS) + ")",
)


def message(source: Source) -> Dashboard:
    """Return the page."""
    return Dashboard(
        key="message",
        title=both("WhatsSelf one message", "WhatsSelf uma mensagem"),
        description=both(
            "Type a requestId, contactId or messageId; never a phone, which is in no trace and no log.",
            "Digite um requestId, contactId ou messageId; nunca um telefone, que não está em nenhum trace nem log.",
        ),
        choices=service_choices(source),
        entries=tuple(Entry(name=name, label=name) for name in (*IDS, TRACE)),
        stores=(Store.PROMETHEUS, Store.LOKI, Store.TEMPO),
        rows=(
            Row(title=both("Traces", "Traces"), panels=_traces()),
            Row(title=both("Timeline", "Linha do tempo"), panels=_timeline()),
            Row(title=both("Around that time", "Naquele momento"), panels=_around()),
        ),
    )


def _traces() -> tuple[Panel, ...]:
    return (
        found_traces(
            both("Traces", "Traces"),
            both(
                "One a message. A trace id opens the trace; typed above, it shows below.",
                "Um por mensagem. Um id abre o trace; digitado acima, aparece abaixo.",
            ),
            f"{{ {_SPANS} }}",
            lists="traces",
            no_value=_NOTHING,
        ),
        Panel(
            kind="traces",
            title=both("The trace", "O trace"),
            description=both(
                "The trace whose traceId is typed above. Each span leads to its log lines and to its metrics.",
                "O trace cujo traceId está digitado acima. Cada span leva às suas linhas de log e às suas métricas.",
            ),
            queries=(Query(expr=f"${{{TRACE}}}", store=Store.TEMPO),),
            no_value=both("no traceId typed", "nenhum traceId digitado"),
            width=24,
            height=14,
        ),
    )


def _timeline() -> tuple[Panel, ...]:
    return (
        found_traces(
            both("Spans", "Spans"),
            both(
                "What was done, when it began and how long it took: from the webhook to the acknowledgement.",
                "O que foi feito, quando começou e quanto durou: do webhook à confirmação.",
            ),
            f"{{ {_SPANS} }} | select(status, span.{MESSAGE_ID})",
            lists="spans",
            no_value=_NOTHING,
        ),
        log_lines(
            both("Log lines, oldest first", "Linhas de log, da mais antiga à mais nova"),
            both(
                "Of every process that worked on it. A line opens to its trace.",
                "De todo processo que trabalhou nela. Uma linha abre o seu trace.",
            ),
            _LINES.chosen(),
            oldest_first=True,
            no_value=_NOTHING,
            height=12,
        ),
    )


def _around() -> tuple[Panel, ...]:
    return (
        lines(
            both("Queue", "Fila"),
            both("Messages waiting to be sent.", "Mensagens à espera de envio."),
            Query(expr=f"sum({of_each_session(QUEUE_DEPTH)})", legend=both("waiting", "na fila")),
            decimals=0,
        ),
        lines(
            both("Sends and failures a minute", "Envios e falhas por minuto"),
            both("Was it this message alone?", "Foi só esta mensagem?"),
            Query(expr=f"60 * {rate(MESSAGES_OUTBOUND)}", legend=both("sent or failed", "enviadas ou com falha")),
            Query(
                expr=f"60 * {rate(MESSAGES_OUTBOUND_FAILED)}",
                legend=both("failed", "com falha"),
                colour=VERMILION,
                dashed=True,
            ),
            no_value=both("no traffic", "sem tráfego"),
        ),
    )
