"""The session: is WhatsApp connected."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from operations.cases import BOUNDARY, FIRING, HEALTHY, Case, flat, named
from operations.model import Alert, Check, Group, Inhibition, Page, Words, duration
from operations.promql import series
from whatsself_otel.catalogue import (
    WHATSAPP_SESSION_CONNECTED,
    WHATSAPP_SESSION_DISCONNECTS,
    WHATSAPP_SESSION_DOWN_SINCE,
    WHATSAPP_SESSION_STATE,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from operations.model import Source


SESSION_BANNED: Final = Words(
    en=Page(
        summary="WhatsApp has banned or restricted session {{ $labels.session }}",
        description="A disconnect with reason banned was seen within <session.banned_window>.",
        impact="Nothing can be sent or received by this number. Reconnecting at once makes a lasting ban more likely.",
        fix=(
            "Stop every automatic reconnect and broadcast. Open WhatsApp on the phone, read its notice, ask for a "
            "review there, wait out a 24 h restriction. Then halve the pace and remove contacts that did not opt in."
        ),
    ),
    pt=Page(
        summary="O WhatsApp baniu ou restringiu a sessão {{ $labels.session }}",
        description="Uma queda com motivo banned foi vista em <session.banned_window>.",
        impact=(
            "Nada pode ser enviado nem recebido por este número. Reconectar de imediato torna um banimento definitivo "
            "mais provável."
        ),
        fix=(
            "Pare toda reconexão automática e todo disparo em massa. Abra o WhatsApp no celular, leia o aviso, peça a "
            "análise ali e espere a restrição de 24 h. Depois corte o ritmo pela metade e remova contatos que não "
            "aceitaram receber."
        ),
    ),
    checks=(
        Check(
            en="Disconnects by reason",
            pt="Quedas por motivo",
            promql="sum by (session, reason) (increase(whatsapp_session_disconnects_total{<job>}[1d])) > 0",
        ),
        Check(
            en="What led to it",
            pt="O que levou a isso",
            promql="whatsself:ban_risk:weighted",
        ),
        Check(
            en="Session events",
            pt="Eventos da sessão",
            logql='{service_name="<service>"} | event=~"disconnected|expired"',
            logsql='{service.name="<service>"} event:in(disconnected, expired)',
        ),
    ),
)
SESSION_LOGGED_OUT: Final = Words(
    en=Page(
        summary="Session {{ $labels.session }} needs a person with the phone",
        description=(
            "Logged out, expired or waiting for its QR code for <session.logged_out_for>. It cannot come back by "
            "itself."
        ),
        impact="No message is received or sent until the QR code is scanned.",
        fix=(
            "Open the QR page of the application (never share a picture of it), then WhatsApp on the phone: Linked "
            "devices, Link a device."
        ),
    ),
    pt=Page(
        summary="A sessão {{ $labels.session }} precisa de alguém com o celular",
        description=(
            "Desconectada da conta, expirada ou esperando o QR code há <session.logged_out_for>. Não volta sozinha."
        ),
        impact="Nenhuma mensagem entra ou sai até o QR code ser lido.",
        fix=(
            "Abra a página do QR na aplicação (nunca compartilhe uma foto dele) e, no celular, WhatsApp: Aparelhos "
            "conectados, Conectar um aparelho."
        ),
    ),
    checks=(
        Check(
            en="State of each session",
            pt="Estado de cada sessão",
            promql="max by (session, state) (whatsapp_session_state{<job>}) == 1",
        ),
        Check(
            en="How long a QR code has waited",
            pt="Há quanto tempo um QR code espera",
            promql="time() - max by (session) (whatsapp_qr_issued_timestamp_seconds{<job>} > 0)",
        ),
        Check(
            en="Session events",
            pt="Eventos da sessão",
            logql='{service_name="<service>"} | event!=""',
            logsql='{service.name="<service>"} event:*',
        ),
    ),
)
SESSION_DOWN: Final = Words(
    en=Page(
        summary="Session {{ $labels.session }} is not connected",
        description="Not connected in the last <session.lookback>, and that for <session.down_for>.",
        impact="Messages pile up in the queue and customers wait.",
        fix=(
            "Look at the phone: charged, online, still linked? Restart the session. If it asks for a QR code, follow "
            "the runbook WhatsSelfSessionLoggedOut."
        ),
    ),
    pt=Page(
        summary="A sessão {{ $labels.session }} não está conectada",
        description="Sem conexão em <session.lookback>, e isso por <session.down_for>.",
        impact="Mensagens se acumulam na fila e clientes esperam.",
        fix=(
            "Olhe o celular: carregado, com internet, ainda conectado? Reinicie a sessão. Se pedir QR code, siga o "
            "runbook WhatsSelfSessionLoggedOut."
        ),
    ),
    checks=(
        Check(
            en="Connected or not",
            pt="Conectada ou não",
            promql="max by (session) (whatsapp_session_connected{<job>})",
        ),
        Check(
            en="Why it was lost",
            pt="Por que caiu",
            promql="sum by (session, reason) (increase(whatsapp_session_disconnects_total{<job>}[1h])) > 0",
        ),
        Check(
            en="Session events",
            pt="Eventos da sessão",
            logql='{service_name="<service>"} | event!=""',
            logsql='{service.name="<service>"} event:*',
        ),
    ),
)
SESSION_RECOVERY_TOO_LONG: Final = Words(
    en=Page(
        summary="Session {{ $labels.session }} has been down for {{ $value | humanizeDuration }}",
        description="The objective is to be back within <session.recovery_s> s.",
        impact="This outage alone breaks the recovery objective if few others happen this month.",
        fix=(
            "As for WhatsSelfSessionDown. If it comes and goes, look at the network of the machine and at other "
            "devices that use the same session."
        ),
    ),
    pt=Page(
        summary="A sessão {{ $labels.session }} está fora há {{ $value | humanizeDuration }}",
        description="O objetivo é voltar em até <session.recovery_s> s.",
        impact="Só esta queda já quebra o objetivo de recuperação se houver poucas outras no mês.",
        fix=(
            "Como em WhatsSelfSessionDown. Se ela vai e volta, veja a rede da máquina e outros aparelhos que usam a "
            "mesma sessão."
        ),
    ),
    checks=(
        Check(
            en="Seconds down",
            pt="Segundos fora",
            promql="time() - max by (session) (whatsapp_session_down_since_timestamp_seconds{<job>} > 0)",
        ),
        Check(
            en="Recoveries of the last day",
            pt="Recuperações do último dia",
            promql="sum by (session) (increase(whatsapp_session_recovery_seconds_count{<job>}[1d]))",
        ),
        Check(
            en="Spans of the session",
            pt="Spans da sessão",
            traceql='{ resource.service.name = "<service>" && span.session != nil }',
        ),
    ),
)


LAST_SESSION_STATES = "logged_out|qr_pending|expired"


def rules(source: Source) -> Group:
    """Is WhatsApp connected."""
    connected = series(source, WHATSAPP_SESSION_CONNECTED)
    state = series(source, WHATSAPP_SESSION_STATE, f'state=~"{LAST_SESSION_STATES}"')
    banned = series(source, WHATSAPP_SESSION_DISCONNECTS, 'reason="banned"')
    lookback = source["session.lookback"]
    return Group(
        name="whatsself-session",
        rules=(
            Alert(
                name="WhatsSelfSessionBanned",
                words=SESSION_BANNED,
                inhibits=(
                    # The strongest word about a session is enough.
                    Inhibition(
                        targets=('alertname=~"WhatsSelfSession(LoggedOut|Down|RecoveryTooLong)"',),
                        equal=("job", "session"),
                    ),
                    # Without a session nothing is sent, and the breaker opens.
                    Inhibition(
                        targets=('component=~"queue|sending|breaker"',),
                        sources=('component="session"',),
                        equal=("job",),
                    ),
                    Inhibition(
                        targets=('component="slo"', 'slo=~"first-response|send-success"'),
                        sources=('component="session"',),
                        equal=("job",),
                    ),
                ),
                expr=f"sum by (job, session) (increase({banned}[{source['session.banned_window']}])) > 0.5",
                severity="critical",
                component="session",
            ),
            Alert(
                name="WhatsSelfSessionLoggedOut",
                words=SESSION_LOGGED_OUT,
                inhibits=(
                    Inhibition(
                        targets=('alertname=~"WhatsSelfSession(Down|RecoveryTooLong)"',), equal=("job", "session")
                    ),
                ),
                expr=f"max by (job, session) ({state}) == 1",
                wait=source["session.logged_out_for"],
                severity="critical",
                component="session",
            ),
            Alert(
                name="WhatsSelfSessionDown",
                words=SESSION_DOWN,
                expr=f"max by (job, session) (max_over_time({connected}[{lookback}])) == 0",
                wait=source["session.down_for"],
                keep=source["session.down_keep"],
                severity="critical",
                component="session",
            ),
            Alert(
                name="WhatsSelfSessionRecoveryTooLong",
                words=SESSION_RECOVERY_TOO_LONG,
                inhibits=(Inhibition(targets=('alertname="WhatsSelfSessionDown"',), equal=("job", "session")),),
                expr=(
                    f"time() - max by (job, session) ({series(source, WHATSAPP_SESSION_DOWN_SINCE)} > 0)"
                    f" > {duration(source['session.recovery_s'])}\nunless on (job, session)"
                    f" max by (job, session) ({connected}) == 1"
                ),
                severity="critical",
                component="session",
            ),
        ),
    )


def cases() -> Iterator[Case]:
    """Connection to WhatsApp."""
    down, logged_out = "WhatsSelfSessionDown", "WhatsSelfSessionLoggedOut"
    banned, slow = "WhatsSelfSessionBanned", "WhatsSelfSessionRecoveryTooLong"
    connected, since = "whatsapp_session_connected", "whatsapp_session_down_since_timestamp_seconds"
    main = 'session="main"'
    lost = {named(connected, main): flat((10, 1), (20, 0), (20, 1))}
    yield Case(rule=down, kind=FIRING, title="lost, pages within 8 minutes", series=lost, at={9: 0, 18: 1, 45: 0})
    yield Case(rule=down, kind=BOUNDARY, title="after 5 minutes", series=lost, at={14: 0, 15.5: 1, 31.5: 1, 32.5: 0})
    yield Case(
        rule=down,
        kind=BOUNDARY,
        title="two sessions, one down",
        series=lost | {named(connected, 'session="other"'): flat((60, 1))},
        at={20: 1},
    )
    yield Case(
        rule=down,
        kind=HEALTHY,
        title="one of two workers holds it",
        series={named(connected, main): flat((60, 1)), named(connected, main, instance="b"): flat((60, 0))},
        at={20: 0, 50: 0},
    )
    yield Case(
        rule=down,
        kind=HEALTHY,
        title="away for two minutes",
        series={named(connected, main): flat((10, 1), (2, 0), (30, 1))},
        at={12: 0, 14: 0, 20: 0},
    )
    state = "whatsapp_session_state"
    for word in ("logged_out", "qr_pending", "expired"):
        series = {
            named(state, f'{main},state="{word}"'): flat((10, 0), (30, 1)),
            named(state, f'{main},state="connected"'): flat((10, 1), (30, 0)),
            # A second worker that does not know yet.
            named(state, f'{main},state="{word}"', instance="b"): flat((40, 0)),
        }
        yield Case(rule=logged_out, kind=FIRING, title=word, series=series, at={9: 0, 15: 1})
        yield Case(rule=logged_out, kind=BOUNDARY, title=f"{word} for a minute", series=series, at={10.5: 0, 11: 1})
    yield Case(
        rule=logged_out,
        kind=FIRING,
        title="two workers know",
        series={
            named(state, f'{main},state="logged_out"', instance=worker): flat((10, 0), (30, 1)) for worker in ("a", "b")
        },
        at={9: 0, 15: 1},
    )
    yield Case(
        rule=logged_out,
        kind=HEALTHY,
        title="disconnected, which heals by itself",
        series={named(state, f'{main},state="disconnected"'): flat((40, 1))},
        at={20: 0},
    )
    losses = "whatsapp_session_disconnects_total"
    ban = {
        named(losses, f'{main},reason="banned"'): flat((10, 0), (60, 1)),
        named(losses, f'{main},reason="banned"', instance="b"): flat((70, 0)),
    }
    yield Case(rule=banned, kind=FIRING, title="banned", series=ban, at={9: 0, 12: 1})
    yield Case(rule=banned, kind=BOUNDARY, title="told for 15 minutes", series=ban, at={24: 1, 26: 0})
    yield Case(
        rule=banned,
        kind=HEALTHY,
        title="other reasons",
        series={
            named(losses, f'{main},reason="transient"'): flat((10, 0), (60, 9)),
            named(losses, f'{main},reason="banned"'): flat((70, 0)),
        },
        at={12: 0, 20: 0},
    )
    away = {named(since, main): flat((10, 0), (30, 600)), named(connected, main): flat((10, 1), (30, 0))}
    yield Case(rule=slow, kind=FIRING, title="ten minutes", series=away, at={20: 1})
    yield Case(rule=slow, kind=BOUNDARY, title="five minutes", series=away, at={14.5: 0, 15: 0, 15.5: 1})
    yield Case(
        rule=slow,
        kind=BOUNDARY,
        title="a second session is connected, a second worker saw the loss earlier",
        series=away
        | {named(connected, 'session="other"'): flat((40, 1)), named(since, main, instance="b"): flat((40, 500))},
        at={14.5: 0, 15.5: 1},
    )
    yield Case(
        rule=slow,
        kind=HEALTHY,
        title="two workers say that it is connected, one has not forgotten the loss",
        series={
            named(since, main): flat((10, 0), (30, 600)),
            named(connected, main): flat((40, 1)),
            named(connected, main, instance="b"): flat((40, 1)),
        },
        at={20: 0, 30: 0},
    )
    yield Case(
        rule=slow,
        kind=HEALTHY,
        title="back, or held by another worker",
        series={
            named(since, main): flat((10, 0), (30, 600)),
            named(connected, main): flat((40, 0)),
            named(connected, main, instance="b"): flat((40, 1)),
        },
        at={20: 0, 30: 0},
    )
