"""The session: is WhatsApp connected."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from whatsself_otel.catalogue import (
    PROCESS_UPTIME,
    WHATSAPP_SESSION_CONNECTED,
    WHATSAPP_SESSION_DISCONNECTS,
    WHATSAPP_SESSION_STATE,
)
from whatsself_otel.operations.model import Alert, Check, Group, Inhibition, Page, Record, Words
from whatsself_otel.operations.promql import (
    ENVIRONMENT,
    EXPECTED_SESSION,
    REPORTED,
    SERVICE,
    SESSION,
    UP,
    carried_on,
    highest,
    increase,
    series,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from whatsself_otel.operations.model import Source


SESSION_BANNED: Final = Words(
    en=Page(
        summary="WhatsApp has banned or restricted session {{ $labels.session }}",
        description=(
            "WhatsApp closed the connection with a ban or a restriction, and the session is not connected since."
        ),
        impact="Nothing can be sent or received by this number. Reconnecting at once makes a lasting ban more likely.",
        fix=(
            "Stop every automatic reconnect and broadcast. Open WhatsApp on the phone, read its notice, ask for a "
            "review there, wait out a 24 h restriction. Then halve the pace and remove contacts that did not opt in."
        ),
    ),
    pt=Page(
        summary="O WhatsApp baniu ou restringiu a sessão {{ $labels.session }}",
        description=(
            "O WhatsApp encerrou a conexão com um banimento ou uma restrição, e a sessão não conectou desde então."
        ),
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
        description=(
            "Not connected in the last <session.lookback>, and that for <session.down_for>: past the objective of "
            "recovery."
        ),
        impact="Messages pile up in the queue and customers wait.",
        fix=(
            "Look at the phone: charged, online, still linked? Restart the session. If it asks for a QR code, follow "
            "the runbook WhatsSelfSessionLoggedOut. Number given up: `whatsself-otel session retire NAME`."
        ),
    ),
    pt=Page(
        summary="A sessão {{ $labels.session }} não está conectada",
        description=(
            "Sem conexão em <session.lookback>, e isso por <session.down_for>: além do objetivo de recuperação."
        ),
        impact="Mensagens se acumulam na fila e clientes esperam.",
        fix=(
            "Olhe o celular: carregado, com internet, ainda conectado? Reinicie a sessão. Se pedir QR code, siga o "
            "runbook WhatsSelfSessionLoggedOut. Número abandonado: `whatsself-otel session retire NOME`."
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
SESSION_FLAPPING: Final = Words(
    en=Page(
        summary="Session {{ $labels.session }} was lost {{ $value | humanize }} times in <session.flap_window>",
        description="It comes back each time and is lost again: at least <session.flap_losses> losses.",
        impact="Messages are late or lost, and WhatsApp takes many connections for a sign of abuse.",
        fix=(
            "Look at the network of the machine and at the memory of the client. Reason replaced: another process or "
            "device uses the same session; stop it."
        ),
    ),
    pt=Page(
        summary="A sessão {{ $labels.session }} caiu {{ $value | humanize }} vezes em <session.flap_window>",
        description="Ela volta e cai de novo: ao menos <session.flap_losses> quedas.",
        impact="Mensagens atrasam ou se perdem, e o WhatsApp vê muitas conexões como sinal de abuso.",
        fix=(
            "Veja a rede da máquina e a memória do cliente. Motivo replaced: outro processo ou aparelho usa a mesma "
            "sessão; pare-o."
        ),
    ),
    checks=(
        Check(
            en="Losses by reason",
            pt="Quedas por motivo",
            promql="sum by (session, reason) (increase(whatsapp_session_disconnects_total{<job>}[1h])) > 0",
        ),
        Check(
            en="Recoveries of the last hour",
            pt="Recuperações da última hora",
            promql="sum by (session) (increase(whatsapp_session_recovery_seconds_count{<job>}[1h]))",
        ),
        Check(
            en="Session events",
            pt="Eventos da sessão",
            logql='{service_name="<service>"} | event!=""',
            logsql='{service.name="<service>"} event:*',
        ),
    ),
)
SESSION_MISSING: Final = Words(
    en=Page(
        summary="Nobody reports session {{ $labels.session }} any more",
        description=(
            "The process that owned it is gone, or it is expected and was never reported; the service itself is alive. "
            "So for <session.missing_for>."
        ),
        impact="Nothing is sent or received by this number, and no other alert can tell.",
        fix=(
            "Start the worker that owns the session. If the number was given up: `whatsself-otel session retire "
            "NAME`; else this alert ends after <session.missing_until>."
        ),
    ),
    pt=Page(
        summary="Ninguém mais informa a sessão {{ $labels.session }}",
        description=(
            "O processo que cuidava dela terminou, ou ela é esperada e nunca foi informada; o serviço em si está vivo. "
            "Isso há <session.missing_for>."
        ),
        impact="Nada é enviado nem recebido por este número, e nenhum outro alerta consegue dizer.",
        fix=(
            "Inicie o worker que cuida da sessão. Se o número foi abandonado: `whatsself-otel session retire NOME`; "
            "senão este alerta acaba após <session.missing_until>."
        ),
    ),
    checks=(
        Check(
            en="Sessions that are reported",
            pt="Sessões informadas",
            promql="max by (session, instance) (whatsapp_session_connected{<job>})",
        ),
        Check(
            en="When each was last reported, and by which process",
            pt="Quando cada uma foi informada, e por qual processo",
            promql="time() - whatsself:session_reported:timestamp_seconds",
        ),
        Check(
            en="Workers and their age",
            pt="Workers e sua idade",
            promql="process_uptime_seconds{<job>}",
        ),
    ),
)
SESSION_AWAY: Final = Words(
    en=Page(
        summary='Away: {{ or $labels.session "every session" }}',
        description="Nobody is told: it keeps silent what follows from it.",
        impact="Each session has its own alert, which says what to do.",
        fix="Follow the runbook of the alert about the session.",
    ),
    pt=Page(
        summary='Fora: {{ or $labels.session "todas as sessões" }}',
        description="Ninguém é avisado: este alerta só cala o que decorre disso.",
        impact="Cada sessão tem seu próprio alerta, que diz o que fazer.",
        fix="Siga o runbook do alerta sobre a sessão.",
    ),
    checks=(
        Check(
            en="Connected or not",
            pt="Conectada ou não",
            promql="max by (session) (whatsapp_session_connected{<job>})",
        ),
        Check(
            en="State of each session",
            pt="Estado de cada sessão",
            promql="max by (session, state) (whatsapp_session_state{<job>}) == 1",
        ),
        Check(
            en="Workers and their age",
            pt="Workers e sua idade",
            promql="process_uptime_seconds{<job>}",
        ),
    ),
)

ASKS_FOR_A_PERSON: Final = "logged_out|qr_pending|expired"
CONSEQUENCES: Final = 'component=~"queue|sending|breaker|slo"'
"""What follows where nothing can be sent."""
OF_SERVICE: Final = (ENVIRONMENT, "job")
OF_SESSION: Final = (*OF_SERVICE, "session")


def rules(source: Source) -> Group:
    """Is WhatsApp connected."""
    return Group(
        name="whatsself-session",
        rules=(
            Record(name=REPORTED, expr=_reported(source)),
            *_lost(source),
            *_unknown(source),
        ),
    )


def _reported(source: Source) -> str:
    """Return the time at which each process last reported each session, while it may still own one."""
    told = f"max by ({SESSION}, instance) (timestamp({series(source, WHATSAPP_SESSION_CONNECTED)}))"
    before = carried_on(REPORTED)
    kept = f"{before} > time() - {source['session.missing_until']}"
    # A process that lives and has stopped telling of a session has retired it.
    began = f"max by ({SERVICE}, instance) (time() - {series(source, PROCESS_UPTIME)})"
    return f"{told}\nor ({kept} unless {before} > on ({SERVICE}, instance) group_left () {began})"


def _lost(source: Source) -> Iterator[Alert]:
    yield from _asks_for_a_person(source)
    yield from _not_connected(source)
    yield _away(source)


def _asks_for_a_person(source: Source) -> Iterator[Alert]:
    connected = series(source, WHATSAPP_SESSION_CONNECTED)
    state = highest(source, WHATSAPP_SESSION_STATE, f'state=~"{ASKS_FOR_A_PERSON}"', by=SESSION)
    window = source["session.banned_window"]
    banned = increase(source, WHATSAPP_SESSION_DISCONNECTS, window, 'reason="banned"', by=SESSION)
    is_banned = highest(source, WHATSAPP_SESSION_STATE, 'state=~"banned|restricted"', by=SESSION)
    yield Alert(
        name="WhatsSelfSessionBanned",
        words=SESSION_BANNED,
        inhibits=(
            # The strongest word about a session is enough.
            Inhibition(targets=('alertname=~"WhatsSelfSession(LoggedOut|Down|Flapping)"',), equal=OF_SESSION),
        ),
        expr=f"({banned} > 0 or {is_banned} > 0)\nunless on ({SESSION}) {connected} == 1",
        # Longer than what it keeps silent: else that is told when all is well again.
        keep=source["session.strong_keep"],
        severity="critical",
        component="session",
    )
    yield Alert(
        name="WhatsSelfSessionLoggedOut",
        words=SESSION_LOGGED_OUT,
        inhibits=(Inhibition(targets=('alertname=~"WhatsSelfSession(Down|Flapping)"',), equal=OF_SESSION),),
        # Another worker may still hold what it knew before it lost the session.
        expr=f"{state} > 0\nunless on ({SESSION}) {connected} == 1",
        wait=source["session.logged_out_for"],
        keep=source["session.strong_keep"],
        severity="critical",
        component="session",
    )


def _not_connected(source: Source) -> Iterator[Alert]:
    losses = increase(
        source, WHATSAPP_SESSION_DISCONNECTS, source["session.flap_window"], 'reason!="restart"', by=SESSION
    )
    over = source["session.lookback"]
    yield Alert(
        name="WhatsSelfSessionDown",
        words=SESSION_DOWN,
        inhibits=(Inhibition(targets=('alertname="WhatsSelfSessionFlapping"',), equal=OF_SESSION),),
        expr=f"{highest(source, WHATSAPP_SESSION_CONNECTED, over=over, by=SESSION)} == 0",
        wait=source["session.down_for"],
        keep=source["session.down_keep"],
        severity="critical",
        component="session",
    )
    yield Alert(
        name="WhatsSelfSessionFlapping",
        words=SESSION_FLAPPING,
        expr=f"{losses} >= {source['session.flap_losses'] - 0.5}",
        severity="critical",
        component="session",
    )


def _away(source: Source) -> Alert:
    connected = highest(source, WHATSAPP_SESSION_CONNECTED, by=SESSION)
    away = "WhatsSelfSessionAway"
    return Alert(
        name=away,
        words=SESSION_AWAY,
        inhibits=(
            Inhibition(targets=(CONSEQUENCES,), sources=(f'alertname="{away}"', 'session!=""'), equal=OF_SESSION),
            # Only where no session is connected does that explain what is not of one session.
            Inhibition(targets=(CONSEQUENCES,), sources=(f'alertname="{away}"', 'session=""'), equal=OF_SERVICE),
        ),
        expr=f"{connected} == 0\nor {highest(source, WHATSAPP_SESSION_CONNECTED)} == 0",
        # Until what waited meanwhile has left, and what failed is no longer counted.
        keep=source["session.away_keep"],
        severity="none",
        component="session",
    )


def _unknown(source: Source) -> Iterator[Alert]:
    told = series(source, WHATSAPP_SESSION_CONNECTED)
    yield Alert(
        name="WhatsSelfSessionMissing",
        words=SESSION_MISSING,
        # The gauges of a session are missing with the process that owned it.
        inhibits=(Inhibition(targets=('alertname=~"WhatsSelf(Vital)?GaugeMissing"',), equal=OF_SESSION),),
        expr=(
            f"(group by ({SESSION}) ({REPORTED}) or {EXPECTED_SESSION})"
            f"\nunless on ({SESSION}) {told}\nand on ({SERVICE}) {UP} == 1"
        ),
        wait=source["session.missing_for"],
        severity="critical",
        component="session",
    )
