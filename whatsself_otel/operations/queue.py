"""The queue: does what waits get sent."""

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
from whatsself_otel.operations.cases import BOUNDARY, FIRING, HEALTHY, Case, flat, named, ramp, service
from whatsself_otel.operations.model import Alert, Check, Group, Page, Record, Words, duration
from whatsself_otel.operations.promql import SERVICE, SESSION, UP, highest, increase, or_zero, series

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from whatsself_otel.operations.model import Source

QUEUE_STUCK: Final = Words(
    en=Page(
        summary="Queue stuck: at least {{ $value | humanize }} messages wait and the next one does not leave",
        description=(
            "In <queue.stuck_window> the queue was never empty and no attempt to send was finished, or one message has "
            "been the oldest for <queue.head_window>."
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
            "a mais antiga há <queue.head_window>."
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


def both(of_sessions: str, of_service: str) -> str:
    """Return what is known of each session and of the whole service, which has no session: a queue is of either."""
    return f"({of_sessions} or {of_service})"


def rules(source: Source) -> Group:
    """Does what waits get sent."""
    return Group(
        name="whatsself-queue",
        rules=(
            Record(name=WAITING, expr=highest(source, QUEUE_DEPTH, by=SESSION)),
            _stuck(source),
            _backlog(source),
            _lag(source),
        ),
    )


def _stuck(source: Source) -> Alert:
    at, head = source["queue.stuck_window"], source["queue.head_window"]
    waiting = f"min_over_time({WAITING}[{at}]) > 0"
    sent = both(*(increase(source, MESSAGES_OUTBOUND, at, by=by) for by in (SESSION, SERVICE)))
    age = highest(source, QUEUE_OLDEST_AGE, by=SESSION)
    before = f"max by ({SESSION}) ({series(source, QUEUE_OLDEST_AGE)} offset {head})"
    breaker = highest(source, CB_STATE_GLOBAL, over=source["breaker.lookback"])
    # The age of one message grows as the clock goes; that of a queue which moves does not.
    blocked = f"({WAITING} > 0 and on ({SESSION}) {age} > {head} and on ({SESSION}) {age} - {before} > 0.95 * {head})"
    return Alert(
        name="WhatsSelfQueueStuck",
        words=QUEUE_STUCK,
        # An open breaker stops the queue on purpose, and has alerts of its own.
        expr=(
            f"(({waiting} unless on ({SESSION}) {sent} >= 0.5)\nor {blocked})"
            f"\nunless on ({SERVICE}) {breaker} > 0\nand on ({SERVICE}) {UP} == 1"
        ),
        wait=source["queue.stuck_for"],
        keep=source["queue.stuck_keep"],
        severity="critical",
        component="queue",
    )


def _backlog(source: Source) -> Alert:
    sent = f"rate({series(source, MESSAGES_OUTBOUND)}[{source['queue.backlog_window']}])"
    pace = both(*(f"sum by ({by}) ({sent})" for by in (SESSION, SERVICE)))
    allowed = f"{source['queue.backlog_pace'] * source['limits.per_minute']:g} / 1m"
    return Alert(
        name="WhatsSelfQueueBacklog",
        words=QUEUE_BACKLOG,
        expr=(
            f"{WAITING} / on ({SESSION}) clamp_min({pace} or 0 * {WAITING}, 1 / 1h)"
            f" > {duration(source['queue.backlog_s'])}\nunless on ({SESSION}) {pace} >= {allowed}"
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
            f"\nunless on ({SERVICE}) {highest(source, CB_STATE_GLOBAL)} == 2"
            f"\nunless on ({SERVICE}) {highest(source, WHATSAPP_SESSION_CONNECTED)} == 0"
        ),
        wait=source["queue.lag_for"],
        severity="warning",
        component="queue",
    )


UPTIME = "process_uptime_seconds"
SENT = MESSAGES_OUTBOUND.prometheus_name
CONNECTED = WHATSAPP_SESSION_CONNECTED.prometheus_name


def cases() -> Iterator[Case]:
    """Return every test of these rules."""
    yield from _new_stuck_cases()
    yield from _pace_cases()
    depth = named("queue_depth")
    reply, mass = named(SENT, 'origin="reply"'), named(SENT, 'origin="broadcast"')
    yield from _stopped_cases("WhatsSelfQueueStuck", depth, reply, mass)
    yield from _moving_cases("WhatsSelfQueueStuck", depth, reply, mass)
    yield from _backlog_cases("WhatsSelfQueueBacklog", depth, reply, mass)
    yield from _lag_cases("WhatsSelfOutboundLagsInbound", reply, mass)


def _stopped_cases(stuck: str, depth: str, reply: str, mass: str) -> Iterator[Case]:
    stops = {**service(), depth: flat((90, 1)), reply: ramp((20, 2), (70, 0)), mass: flat((90, 0))}
    yield Case(rule=stuck, kind=FIRING, title="one message waits, nothing leaves", series=stops, at={40: 1})
    yield Case(rule=stuck, kind=BOUNDARY, title="15 minutes after the last", series=stops, at={34: 0, 35.5: 1})
    yield Case(
        rule=stuck,
        kind=BOUNDARY,
        title="one of two workers no longer sees the queue",
        series={**stops, named("queue_depth", instance="b"): flat((90, 0))},
        at={34: 0, 35.5: 1},
    )
    yield Case(
        rule=stuck,
        kind=BOUNDARY,
        title="the counter was never born, the alert outlives the cause by five minutes",
        series={**service(), depth: flat((30, 3), (30, 0))},
        at={4: 0, 5.5: 1, 34: 1, 36: 0},
    )
    yield Case(
        rule=stuck,
        kind=BOUNDARY,
        title="the first message of the day waits",
        series={**service(), depth: flat((20, 0), (40, 1)), reply: flat((60, 0))},
        at={34: 0, 35.5: 1},
    )


def _moving_cases(stuck: str, depth: str, reply: str, mass: str) -> Iterator[Case]:
    yield Case(
        rule=stuck,
        kind=HEALTHY,
        title="a broadcast of 500 at 12 a minute",
        series={
            **service(),
            depth: "500-3x166 0x200",
            mass: ramp((41, 12), (40, 0)),
            reply: flat((81, 0)),
        },
        at={10: 0, 20: 0, 30: 0, 40: 0, 50: 0, 60: 0},
    )
    yield Case(
        rule=stuck,
        kind=HEALTHY,
        title="empty once in nine minutes, or always",
        series={**service(), depth: flat((1, 0), *[(9, 3), (0.5, 0)] * 3, (30, 0)), reply: flat((60, 0))},
        at={9: 0, 19: 0, 28: 0, 40: 0, 58: 0},
    )
    yield Case(
        rule=stuck,
        kind=HEALTHY,
        title="one message every eight minutes",
        series={**service(), depth: flat((60, 2)), reply: " ".join(f"{n}+0x31" for n in range(7))},
        at={20: 0, 35: 0, 50: 0},
    )


def _backlog_cases(backlog: str, depth: str, reply: str, mass: str) -> Iterator[Case]:
    pace = {**service(), mass: ramp((100, 3)), reply: ramp((100, 3))}
    yield Case(rule=backlog, kind=FIRING, title="hours to drain", series={**pace, depth: flat((90, 4000))}, at={40: 1})
    yield Case(
        rule=backlog,
        kind=HEALTHY,
        title="a broadcast of 500 at 12 a minute",
        series={**service(), depth: flat((20, 0)) + " 500-3x166 0x100", mass: flat((20, 0)) + " 0+3x166 500x100"},
        at=dict.fromkeys(range(5, 80, 5), 0),
    )
    near = {True: 370, False: 350}
    for fires, messages in near.items():
        yield Case(
            rule=backlog,
            kind=BOUNDARY,
            title=f"{messages} messages at 6 a minute, as both workers see them",
            series={**pace, depth: flat((90, messages)), named("queue_depth", instance="b"): flat((90, messages))},
            at={60: int(fires)},
        )
    yield Case(
        rule=backlog,
        kind=BOUNDARY,
        title="sending ends",
        series={**service(), depth: flat((90, 300)), mass: ramp((30, 12), (60, 0))},
        at={52.5: 0, 55.5: 1},
    )
    yield Case(
        rule=backlog,
        kind=BOUNDARY,
        title="the counter was never born",
        series={**service(), depth: flat((40, 2)), named("queue_depth", instance="b"): flat((40, 1))},
        at={14: 0, 16: 1},
    )
    yield Case(
        rule=backlog,
        kind=BOUNDARY,
        title="one message takes an hour at most",
        series={**service(), depth: flat((40, 1))},
        at={30: 0},
    )


def _new_stuck_cases() -> Iterator[Case]:
    rule = "WhatsSelfQueueStuck"
    one, two = 'session="one"', 'session="two"'
    queues = {named("queue_depth", one): flat((90, 5)), named("queue_depth", two): flat((90, 5))}
    flows = {named(SENT, f'origin="reply",{two}'): ramp((90, 10)), named(SENT, f'origin="reply",{one}'): flat((90, 0))}
    yield Case(rule=rule, kind=FIRING, title="one of two queues", series={**service(), **queues, **flows}, at={40: 1})
    whole = {named("queue_depth"): flat((90, 5)), **flows}
    yield Case(rule=rule, kind=HEALTHY, title="one queue for both sessions", series={**service(), **whole}, at={40: 0})
    moves = {**service(), named("queue_depth"): flat((90, 5)), named(SENT, 'origin="reply"'): ramp((90, 4))}
    age = named("queue_oldest_age_seconds")
    # The same message is the oldest from minute 10 on.
    poisoned = {**moves, age: flat((10, 30)) + " " + ramp((80, 60), start=30)}
    yield Case(rule=rule, kind=FIRING, title="one message stays, others pass it", series=poisoned, at={40: 1})
    yield Case(rule=rule, kind=BOUNDARY, title="15 minutes, and 5 more", series=poisoned, at={29: 0, 32: 1})
    slow = {**moves, age: ramp((90, 54), start=1000)}
    yield Case(rule=rule, kind=HEALTHY, title="an old queue that moves slowly", series=slow, at={40: 0, 80: 0})
    young = {**moves, age: flat((10, 0)) + " " + ramp((13, 60)) + " " + flat((60, 0))}
    yield Case(rule=rule, kind=HEALTHY, title="a message waits for 13 minutes", series=young, at={22: 0, 30: 0})
    left = {**poisoned, named("queue_depth"): flat((20, 5), (70, 0))}
    yield Case(rule=rule, kind=HEALTHY, title="an age is still shown of a queue that is empty", series=left, at={45: 0})
    open_ = {**service(), **whole, **flows, named("cb_state_global"): flat((90, 0))}
    open_ |= {named("queue_depth", one): flat((90, 5)), named("cb_state_global", instance="b"): flat((30, 0), (60, 2))}
    yield Case(rule=rule, kind=BOUNDARY, title="the breaker opens", series=open_, at={29: 1, 40: 0})
    split = {**poisoned, age.replace('instance="a"', 'instance="b"'): flat((90, 0))}
    yield Case(rule=rule, kind=FIRING, title="one of two workers tells of it", series=split, at={40: 1})


def _pace_cases() -> Iterator[Case]:
    rule = "WhatsSelfQueueBacklog"
    broadcast = {
        **service(800),
        named("queue_depth"): "5000-3x1600 0x300",
        named(SENT, 'origin="broadcast"'): ramp((400, 12), (100, 0)),
    }
    yield Case(rule=rule, kind=HEALTHY, title="a broadcast of 5,000 at full pace", series=broadcast, at={60: 0, 200: 0})
    for pace, fires in ((8.6, 1), (9.4, 0)):
        series = {
            **service(),
            named("queue_depth"): flat((90, 4000)),
            named(SENT, 'origin="broadcast"'): ramp((90, pace)),
        }
        yield Case(rule=rule, kind=BOUNDARY, title=f"{pace} a minute of 12", series=series, at={60: fires})
    one, two = 'session="one"', 'session="two"'
    sessions = {
        named("queue_depth", one): flat((90, 4000)),
        named("queue_depth", two): flat((90, 4000)),
        named(SENT, f'origin="broadcast",{one}'): ramp((90, 12)),
        named(SENT, f'origin="broadcast",{two}'): ramp((90, 2)),
    }
    yield Case(rule=rule, kind=FIRING, title="one of two queues", series={**service(), **sessions}, at={60: 1})


TEXT, IMAGE = (named("messages_inbound_total", f'kind="{kind}"') for kind in ("text", "image"))


def _lag_cases(lags: str, reply: str, mass: str) -> Iterator[Case]:
    comes = {TEXT: ramp((90, 60)), IMAGE: ramp((90, 40))}
    silent = {**service(), **comes, reply: ramp((30, 100), (60, 0)), mass: ramp((90, 100))}
    yield from _silent_cases(lags, comes, silent)
    yield from _counted_cases(lags, comes, reply)
    yield from _explained_cases(lags, comes, silent, reply)


def _silent_cases(lags: str, comes: Mapping[str, str], silent: Mapping[str, str]) -> Iterator[Case]:
    yield Case(rule=lags, kind=FIRING, title="replies stop, a broadcast goes on", series=silent, at={60: 1})
    yield Case(rule=lags, kind=BOUNDARY, title="17 minutes after the last", series=silent, at={46.5: 0, 48: 1})
    yield Case(rule=lags, kind=BOUNDARY, title="no reply was ever sent", series={**service(), **comes}, at={20: 1})
    three = {named(UPTIME, instance=worker): flat((70, 1)) for worker in ("a", "b", "c")}
    yield Case(
        rule=lags,
        kind=BOUNDARY,
        title="ten messages came in, and none of three workers ever replied",
        series={**three, TEXT: flat((10, 0), (60, 10))},
        at={20: 1},
    )


def _counted_cases(lags: str, comes: Mapping[str, str], reply: str) -> Iterator[Case]:
    for replies, fires in ((18, 1), (22, 0)):
        yield Case(
            rule=lags,
            kind=BOUNDARY,
            title=f"{replies} replies to 100, by two workers",
            series={
                **service(),
                **comes,
                reply: ramp((90, replies / 2)),
                named(SENT, 'origin="reply"', instance="b"): ramp((90, replies / 2)),
            },
            at={40: fires},
        )
    for messages, fires in ((9, 0), (10, 1)):
        yield Case(
            rule=lags,
            kind=BOUNDARY,
            title=f"{messages} messages came in",
            series={**service(), TEXT: flat((10, 0), (60, messages)), reply: flat((70, 0))},
            at={20: fires},
        )


def _explained_cases(lags: str, comes: Mapping[str, str], silent: Mapping[str, str], reply: str) -> Iterator[Case]:
    by_hand = {**service(), **comes, named(SENT, 'origin="manual"'): ramp((90, 60)), reply: flat((90, 0))}
    yield Case(rule=lags, kind=HEALTHY, title="a person answers by hand", series=by_hand, at={40: 0})
    good = named("whatsapp_session_connected", 'session="main"')
    yield Case(rule=lags, kind=HEALTHY, title="each is answered", series={**comes, reply: ramp((90, 90))}, at={40: 0})
    for title, state in (
        ("the breaker is open on one of two workers", {named("cb_state_global"): flat((90, 2))}),
        ("the session is down", {good: flat((90, 0))}),
    ):
        more = {named("cb_state_global", instance="b"): flat((90, 0))} if "breaker" in title else {}
        yield Case(rule=lags, kind=HEALTHY, title=title, series={**silent, **state, **more}, at={60: 0})
    up = {good: flat((90, 1)), named("whatsapp_session_connected", 'session="b"'): flat((90, 0))}
    half = {named("cb_state_global"): flat((90, 1)), named("cb_state_global", instance="b"): flat((90, 1))}
    yield Case(
        rule=lags, kind=FIRING, title="session up, breakers half-open", series={**silent, **up, **half}, at={60: 1}
    )
