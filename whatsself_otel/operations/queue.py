"""The queue: do waiting messages leave."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from whatsself_otel.catalogue import (
    CB_STATE_GLOBAL,
    MESSAGES_INBOUND,
    MESSAGES_OUTBOUND,
    QUEUE_DEPTH,
    QUEUE_OLDEST_AGE,
    WHATSAPP_SESSION_CONNECTED,
)
from whatsself_otel.operations.model import Alert, Check, Group, Page, Record, Words, duration
from whatsself_otel.operations.promql import SERVICE, SESSION, UP, highest, increase, or_zero, series

if TYPE_CHECKING:
    from whatsself_otel.operations.model import Source

QUEUE_STUCK: Final = Words(
    en=Page(
        summary="Queue stuck: at least {{ $value | humanize }} messages wait and the next one does not leave",
        description=(
            "In <queue.stuck_window> the queue was never empty and no attempt to send was finished, or one message has "
            "been the oldest for <queue.head_window>, and the others pass it or wait behind it."
        ),
        impact="Customers get no answer. A slow but moving queue does not fire this alert.",
        fix=(
            "Check session and breaker first: each stops the queue on purpose. If both are fine, restart the worker; "
            "its messages are taken up again. Others leave but the oldest stays: set that message aside."
        ),
    ),
    pt=Page(
        summary="Fila parada: ao menos {{ $value | humanize }} mensagens esperam e a próxima não sai",
        description=(
            "Em <queue.stuck_window> a fila nunca ficou vazia e nenhuma tentativa de envio terminou, ou uma mensagem é "
            "a mais antiga há <queue.head_window>, e as outras passam à frente ou esperam atrás dela."
        ),
        impact="Clientes ficam sem resposta. Uma fila lenta que anda não dispara este alerta.",
        fix=(
            "Verifique antes a sessão e o disjuntor: ambos param a fila de propósito. Se estão bem, reinicie o worker; "
            "as mensagens são retomadas. Se outras saem e a mais antiga fica: ponha essa mensagem de lado."
        ),
    ),
    checks=(
        Check(
            en="Messages that wait",
            pt="Mensagens à espera",
            promql="max by (job, session) (queue_depth{<job>})",
        ),
        Check(
            en="Finished attempts a minute",
            pt="Tentativas concluídas por minuto",
            promql="60 * sum by (job, session) (rate(messages_outbound_total{<job>}[5m]))",
        ),
        Check(
            en="Age of the oldest",
            pt="Idade da mais antiga",
            promql="max by (job, session) (queue_oldest_age_seconds{<job>})",
        ),
    ),
)
QUEUE_BACKLOG: Final = Words(
    en=Page(
        summary="The queue needs {{ $value | humanizeDuration }} to drain",
        description=(
            "At the pace of the last <queue.backlog_window> the queue takes more than <queue.backlog_s> s to empty, "
            "and that pace is below <%queue.backlog_pace> of <limits.per_minute> a minute."
        ),
        impact="What waits leaves slower than allowed. A broadcast at full pace does not fire this alert.",
        fix=(
            "See what slows it down: failures, the breaker, a worker that is missing. Do not raise the pace above "
            "<limits.per_minute> a minute: that risks a ban."
        ),
    ),
    pt=Page(
        summary="A fila precisa de {{ $value | humanizeDuration }} para esvaziar",
        description=(
            "No ritmo de <queue.backlog_window> a fila leva mais de <queue.backlog_s> s para esvaziar, e esse ritmo "
            "está abaixo de <%queue.backlog_pace> de <limits.per_minute> por minuto."
        ),
        impact="O que espera sai mais devagar do que é permitido. Um disparo no ritmo máximo não dispara este alerta.",
        fix=(
            "Veja o que a atrasa: falhas, o disjuntor, um worker que falta. Não suba o ritmo acima de "
            "<limits.per_minute> por minuto: isso arrisca um banimento."
        ),
    ),
    checks=(
        Check(
            en="Minutes to drain",
            pt="Minutos para esvaziar",
            promql=(
                "max by (job) (queue_depth{<job>}) / clamp_min(60 * sum by (job) "
                "(rate(messages_outbound_total{<job>}[15m])), 0.1)"
            ),
        ),
        Check(
            en="What is sent",
            pt="O que é enviado",
            promql="sum by (origin) (rate(messages_outbound_total{<job>}[15m])) * 60",
        ),
        Check(
            en="Failures by reason",
            pt="Falhas por motivo",
            promql="sum by (reason) (increase(messages_outbound_failed_total{<job>}[1h])) > 0",
        ),
    ),
)
OUTBOUND_LAGS_INBOUND: Final = Words(
    en=Page(
        summary="Only {{ $value | humanize }} replies to what came in",
        description=(
            "In <queue.lag_window> at least <queue.lag_min_inbound> messages came in and replies were below "
            "<%queue.lag_ratio> of them, with session and breaker fine."
        ),
        impact="Customers write and nobody answers: triggers do not match, or the worker hangs.",
        fix=(
            "See whether triggers are switched on and match; look for errors in the flow. Outside business hours "
            "silence may be wanted."
        ),
    ),
    pt=Page(
        summary="Só {{ $value | humanize }} respostas ao que chegou",
        description=(
            "Em <queue.lag_window> chegaram ao menos <queue.lag_min_inbound> mensagens e as respostas ficaram abaixo "
            "de <%queue.lag_ratio> delas, com sessão e disjuntor em ordem."
        ),
        impact="Clientes escrevem e ninguém responde: gatilhos não casam ou o worker travou.",
        fix=(
            "Veja se os gatilhos estão ligados e casam; procure erros no fluxo. Fora do horário comercial o silêncio "
            "pode ser desejado."
        ),
    ),
    checks=(
        Check(
            en="In and out",
            pt="Entrada",
            promql="sum by (kind) (increase(messages_inbound_total{<job>}[15m])) > 0",
        ),
        Check(
            en="Trigger hits",
            pt="Acionamentos de gatilhos",
            promql="sum by (triggerId) (increase(trigger_hits_total{<job>}[15m])) > 0",
        ),
        Check(
            en="Work that failed",
            pt="Trabalho que falhou",
            traceql='{ resource.service.name = "<service>" && status = error }',
        ),
    ),
)


WAITING: Final = "whatsself:queue_depth:max"
"""Messages that wait, by queue: of one session, or of the whole service."""
PACE: Final = "whatsself:outbound_pace:rate"
"""Messages that leave a second, of each session and of the whole service."""


def both(of_sessions: str, of_service: str) -> str:
    """Return both expressions joined: a queue belongs to one session, or to the whole service."""
    return f"({of_sessions} or {of_service})"


def rules(source: Source) -> Group:
    """Return the rules about the queue: do waiting messages leave."""
    return Group(
        name="whatsself-queue",
        rules=(
            Record(name=WAITING, expr=highest(source, QUEUE_DEPTH, by=SESSION)),
            Record(name=PACE, expr=_pace(source)),
            _stuck(source),
            _backlog(source),
            _lag(source),
        ),
    )


def _stuck(source: Source) -> Alert:
    at, head = source["queue.stuck_window"], source["queue.head_window"]
    waiting = f"min_over_time({WAITING}[{at}]) > 0"
    sent = both(
        f"increase({series(source, MESSAGES_OUTBOUND)}[{at}])", increase(source, MESSAGES_OUTBOUND, at, by=SERVICE)
    )
    age = highest(source, QUEUE_OLDEST_AGE, by=SESSION)
    before = f"max by ({SESSION}) ({series(source, QUEUE_OLDEST_AGE)} offset {head})"
    breaker = f"max_over_time({series(source, CB_STATE_GLOBAL)}[{source['breaker.lookback']}])"
    # The age of one message grows as the clock goes; that of a queue which moves does not, unless all came at once.
    stays = f"{WAITING} > 0 and on ({SESSION}) {age} - {before} > 0.95 * {head}"
    blocked = f"({stays}\nand on ({SESSION}) ({_passed(head)} or resets({WAITING}[{head}]) == 0))"
    return Alert(
        name="WhatsSelfQueueStuck",
        words=QUEUE_STUCK,
        # An open breaker stops the queue on purpose, and has alerts of its own.
        expr=(
            f"(({waiting} unless on ({SESSION}) {sent} > 0)\nor {blocked})"
            f"\nunless on ({SERVICE}) {breaker} > 0\nand on ({SERVICE}) {UP} == 1"
        ),
        wait=source["queue.stuck_for"],
        keep=source["queue.stuck_keep"],
        severity="critical",
        component="queue",
    )


def _passed(head: str) -> str:
    """
    Return what is there where others passed the oldest message in the window *head*.

    A broadcast may take hours, and all of its messages are of one age. So more than waited must have left, and have
    come.
    """
    left, waited = f"{PACE} * {head}", f"{WAITING} offset {head}"
    return f"({left} > on ({SESSION}) {waited} and on ({SESSION}) {WAITING} + on ({SESSION}) {left} > 2 * {waited})"


def _pace(source: Source) -> str:
    sent = f"rate({series(source, MESSAGES_OUTBOUND)}[{source['queue.backlog_window']}])"
    return both(*(f"sum by ({by}) ({sent})" for by in (SESSION, SERVICE)))


def _backlog(source: Source) -> Alert:
    allowed = f"{source['queue.backlog_pace'] * source['limits.per_minute']:g} / 1m"
    return Alert(
        name="WhatsSelfQueueBacklog",
        words=QUEUE_BACKLOG,
        expr=(
            f"{WAITING} / on ({SESSION}) clamp_min({PACE} or 0 * {WAITING}, 1 / 1h)"
            f" > {duration(source['queue.backlog_s'])}\nunless on ({SESSION}) {PACE} >= {allowed}"
        ),
        wait=source["queue.backlog_for"],
        severity="warning",
        component="queue",
    )


def _lag(source: Source) -> Alert:
    window, least = source["queue.lag_window"], source["queue.lag_min_inbound"]
    inbound = increase(source, MESSAGES_INBOUND, window)
    # A person who answers by hand answers, too.
    replies = or_zero(increase(source, MESSAGES_OUTBOUND, window, 'origin=~"reply|manual"'), source)
    return Alert(
        name="WhatsSelfOutboundLagsInbound",
        words=OUTBOUND_LAGS_INBOUND,
        expr=(
            f"{replies}\n< {source['queue.lag_ratio']} * ({inbound} >= {least - 0.5})"
            f"\nunless on ({SERVICE}) {series(source, CB_STATE_GLOBAL)} == 2"
            f"\nunless on ({SERVICE}) {highest(source, WHATSAPP_SESSION_CONNECTED)} == 0"
        ),
        wait=source["queue.lag_for"],
        severity="warning",
        component="queue",
    )
