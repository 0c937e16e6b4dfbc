"""The queue: does what waits get sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from operations.cases import BOUNDARY, FIRING, HEALTHY, Case, flat, named, ramp, service
from operations.model import Alert, Check, Group, Page, Words, duration
from operations.promql import increase, or_zero, series
from whatsself_otel.catalogue import (
    CB_STATE_GLOBAL,
    MESSAGES_INBOUND,
    MESSAGES_OUTBOUND,
    QUEUE_DEPTH,
    WHATSAPP_SESSION_CONNECTED,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from operations.model import Source

UPTIME = "process_uptime_seconds"
SENT = "messages_outbound_total"

QUEUE_STUCK: Final = Words(
    en=Page(
        summary="Queue stuck: at least {{ $value | humanize }} messages wait and none leaves",
        description="In <queue.stuck_window> the queue was never empty and no attempt to send was finished.",
        impact="Customers get no answer. A slow but moving queue does not fire this alert.",
        fix=(
            "Check session and breaker first: each stops the queue on purpose. If both are fine, restart the worker; "
            "its messages are taken up again."
        ),
    ),
    pt=Page(
        summary="Fila parada: ao menos {{ $value | humanize }} mensagens esperam e nenhuma sai",
        description="Em <queue.stuck_window> a fila nunca ficou vazia e nenhuma tentativa de envio terminou.",
        impact="Clientes ficam sem resposta. Uma fila lenta que anda não dispara este alerta.",
        fix=(
            "Verifique antes a sessão e o disjuntor: ambos param a fila de propósito. Se estão bem, reinicie o worker; "
            "as mensagens são retomadas."
        ),
    ),
    checks=(
        Check(
            en="Messages that wait",
            pt="Mensagens à espera",
            promql="max by (job) (queue_depth{<job>})",
        ),
        Check(
            en="Finished attempts a minute",
            pt="Tentativas concluídas por minuto",
            promql="60 * sum by (job) (rate(messages_outbound_total{<job>}[5m]))",
        ),
        Check(
            en="Age of the oldest",
            pt="Idade da mais antiga",
            promql="max by (job) (queue_oldest_age_seconds{<job>})",
        ),
    ),
)
QUEUE_BACKLOG: Final = Words(
    en=Page(
        summary="The queue needs {{ $value | humanizeDuration }} to drain",
        description=(
            "At the pace of the last <queue.backlog_window> the queue takes more than <queue.backlog_s> s to empty."
        ),
        impact="Replies wait behind a broadcast; the first-response objective suffers.",
        fix="Pause or split the broadcast. Do not raise the pace above <limits.per_minute> a minute: that risks a ban.",
    ),
    pt=Page(
        summary="A fila precisa de {{ $value | humanizeDuration }} para esvaziar",
        description="No ritmo de <queue.backlog_window> a fila leva mais de <queue.backlog_s> s para esvaziar.",
        impact="Respostas esperam atrás de um disparo em massa; o objetivo de primeira resposta sofre.",
        fix=(
            "Pause ou divida o disparo. Não suba o ritmo acima de <limits.per_minute> por minuto: isso arrisca um "
            "banimento."
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


def rules(source: Source) -> Group:
    """Does what waits get sent."""
    at = source["queue.stuck_window"]
    waiting = f"max by (job) (min_over_time({series(source, QUEUE_DEPTH)}[{at}])) > 0"
    sent = or_zero(increase(source, MESSAGES_OUTBOUND, at), source)
    pace = f"sum by (job) (rate({series(source, MESSAGES_OUTBOUND)}[{source['queue.backlog_window']}]))"
    window, least = source["queue.lag_window"], source["queue.lag_min_inbound"]
    inbound = increase(source, MESSAGES_INBOUND, window)
    replies = or_zero(increase(source, MESSAGES_OUTBOUND, window, 'origin="reply"'), source)
    return Group(
        name="whatsself-queue",
        rules=(
            Alert(
                name="WhatsSelfQueueStuck",
                words=QUEUE_STUCK,
                expr=f"{waiting}\nand on (job) {sent} < 0.5",
                wait=source["queue.stuck_for"],
                keep=source["queue.stuck_keep"],
                severity="critical",
                component="queue",
            ),
            Alert(
                name="WhatsSelfQueueBacklog",
                words=QUEUE_BACKLOG,
                expr=(
                    f"max by (job) ({series(source, QUEUE_DEPTH)})\n/ clamp_min({or_zero(pace, source)}, 1 / 1h)"
                    f" > {duration(source['queue.backlog_s'])}"
                ),
                wait=source["queue.backlog_for"],
                severity="warning",
                component="queue",
            ),
            Alert(
                name="WhatsSelfOutboundLagsInbound",
                words=OUTBOUND_LAGS_INBOUND,
                expr=(
                    f"{replies}\n< {source['queue.lag_ratio']} * ({inbound} >= {least - 0.5})"
                    f"\nunless on (job) max by (job) ({series(source, CB_STATE_GLOBAL)}) == 2"
                    f"\nunless on (job) max by (job) ({series(source, WHATSAPP_SESSION_CONNECTED)}) == 0"
                ),
                wait=source["queue.lag_for"],
                severity="warning",
                component="queue",
            ),
        ),
    )


def cases() -> Iterator[Case]:
    """What waits."""
    stuck, backlog, lags = "WhatsSelfQueueStuck", "WhatsSelfQueueBacklog", "WhatsSelfOutboundLagsInbound"
    depth = named("queue_depth")
    reply, mass = named(SENT, 'origin="reply"'), named(SENT, 'origin="broadcast"')
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
    yield from _lag_cases(lags, reply, mass)


def _lag_cases(lags: str, reply: str, mass: str) -> Iterator[Case]:
    text, image = named("messages_inbound_total", 'kind="text"'), named("messages_inbound_total", 'kind="image"')
    comes = {text: ramp((90, 60)), image: ramp((90, 40))}
    silent = {**service(), **comes, reply: ramp((30, 100), (60, 0)), mass: ramp((90, 100))}
    yield Case(rule=lags, kind=FIRING, title="replies stop, a broadcast goes on", series=silent, at={60: 1})
    yield Case(rule=lags, kind=BOUNDARY, title="17 minutes after the last", series=silent, at={46.5: 0, 48: 1})
    yield Case(rule=lags, kind=BOUNDARY, title="no reply was ever sent", series={**service(), **comes}, at={20: 1})
    three = {named(UPTIME, instance=worker): flat((70, 1)) for worker in ("a", "b", "c")}
    yield Case(
        rule=lags,
        kind=BOUNDARY,
        title="ten messages came in, and none of three workers ever replied",
        series={**three, text: flat((10, 0), (60, 10))},
        at={20: 1},
    )
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
            series={**service(), text: flat((10, 0), (60, messages)), reply: flat((70, 0))},
            at={20: fires},
        )
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
