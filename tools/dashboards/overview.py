"""The first page: is the session up, is the queue moving, are we about to be banned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dashboards.links import logs_link, traces_link
from dashboards.logs import EVENTS, of_levels
from dashboards.model import (
    BAD,
    CAUTION,
    GOOD,
    GREY,
    ORANGE,
    SKY,
    VERMILION,
    Dashboard,
    Panel,
    Query,
    Row,
    State,
    both,
)
from dashboards.panels import bars, lines, log_lines, stat, states_over_time
from dashboards.promql import (
    ALERTS,
    EACH_SESSION,
    SESSION_LEGEND,
    equal,
    increase,
    of_each_session,
    rate,
    ratio,
    recorded,
    series,
)
from dashboards.variables import service_choices
from whatsself_otel.catalogue import (
    CB_CONTACTS,
    CB_STATE_GLOBAL,
    DB_POOL_IN_USE,
    DB_POOL_MAX,
    EVENT_LOOP_LAG,
    MESSAGES_INBOUND,
    MESSAGES_OUTBOUND,
    MESSAGES_OUTBOUND_FAILED,
    PROCESS_UPTIME,
    QUEUE_DEPTH,
    QUEUE_OLDEST_AGE,
    RATE_PER_CONTACT,
    SESSION_STATE,
    WHATSAPP_QR_ISSUED,
    WHATSAPP_SESSION_DISCONNECTS,
    WHATSAPP_SESSION_STATE,
)
from whatsself_otel.operations.promql import minutes

if TYPE_CHECKING:
    from whatsself_otel.operations.model import Source

SESSION_STATES: Final = (
    State(value=1, words=both("? other", "? outro"), colour=GREY),
    State(value=2, words=both("✖ disconnected", "✖ desconectada"), colour=BAD),
    State(value=3, words=both("✖ expired", "✖ expirada"), colour=BAD),
    State(value=4, words=both("✖ logged out", "✖ deslogada"), colour=BAD),
    State(value=5, words=both("▣ waits for QR", "▣ espera QR"), colour=CAUTION),
    State(value=6, words=both("… starting", "… iniciando"), colour=SKY),
    State(value=7, words=both("✔ connected", "✔ conectada"), colour=GOOD),
    State(value=8, words=both("✖ restricted", "✖ restrita"), colour=BAD),
    State(value=9, words=both("✖ banned", "✖ banida"), colour=BAD),
)
# Of several workers' states the highest counts: one that is connected is what matters, as in the alerts. What WhatsApp
# holds against the account counts more: it is told once, to one worker.
_RISING: Final = (
    *("other", "disconnected", "expired", "logged_out", "qr_pending", "starting", "connected", "restricted", "banned"),
)
BREAKER_STATES: Final = (
    State(value=0, words=both("✔ closed", "✔ fechado"), colour=GOOD),
    State(value=1, words=both("… half-open", "… meio-aberto"), colour=CAUTION),
    State(value=2, words=both("✖ open", "✖ aberto"), colour=BAD),
)
_ALERT_COUNT: Final = f"count({ALERTS}) or vector(0)"
_NO_TRAFFIC: Final = both("no traffic", "sem tráfego")


def overview(source: Source) -> Dashboard:
    """Return the page."""
    return Dashboard(
        key="overview",
        title=both("WhatsSelf overview", "WhatsSelf visão geral"),
        description=both(
            "Session, queue, sends and failures, breaker, risk of a ban, process.",
            "Sessão, fila, envios e falhas, disjuntor, risco de banimento, processo.",
        ),
        choices=service_choices(source),
        rows=(
            Row(title=both("Now", "Agora"), panels=_now(source)),
            Row(title=both("Sending", "Envios"), panels=_sending(source)),
            Row(title=both("Session", "Sessão"), panels=_session()),
            Row(title=both("Session $session", "Sessão $session"), panels=_one_session(source), each="session"),
            Row(title=both("Risk and process", "Risco e processo"), panels=_process(source)),
        ),
    )


def _session_code() -> str:
    codes = {state: code for code, state in enumerate(_RISING, start=1)}
    states = {state: series(WHATSAPP_SESSION_STATE, equal("state", state)) for state in SESSION_STATE.values}
    terms = (f"{codes[state]} * {selector}" for state, selector in states.items())
    return f"max by ({EACH_SESSION}) ({' or '.join(terms)})"


def _to_drain(source: Source) -> str:
    window = source["queue.backlog_window"]
    a_minute = f"{increase(MESSAGES_OUTBOUND, window)} / {minutes(window)}"
    return f"sum({of_each_session(QUEUE_DEPTH)}) / clamp_min({a_minute} or vector(0), 1 / 60)"


def _now(source: Source) -> tuple[Panel, ...]:
    backlog = minutes("1h") * source["queue.backlog_s"] / 3600
    return (
        stat(
            both("Session", "Sessão"),
            both(
                "A session that shows a QR code is not connected.",
                "Uma sessão que mostra QR code não está conectada.",
            ),
            Query(expr=_session_code(), legend=SESSION_LEGEND, instant=True),
            states=SESSION_STATES,
            width=6,
        ),
        stat(
            both("Age of the QR code", "Idade do QR code"),
            both(
                "Since the code that waits was issued. The code itself is never here: who scans it owns the account.",
                "Desde a emissão do código à espera. O código em si nunca aparece aqui: quem o lê assume a conta.",
            ),
            Query(
                expr=f"time() - max by ({EACH_SESSION}) ({series(WHATSAPP_QR_ISSUED)} > 0)",
                legend=SESSION_LEGEND,
                instant=True,
            ),
            unit="s",
            decimals=0,
            no_value=both("no code waits", "nenhum código à espera"),
            width=4,
        ),
        stat(
            both("Circuit breaker", "Disjuntor"),
            both(
                "Global breaker, worst of all workers: open stops all sends.",
                "Disjuntor global, o pior dos workers: aberto, nada é enviado.",
            ),
            Query(expr=f"max({series(CB_STATE_GLOBAL)})", instant=True),
            states=BREAKER_STATES,
            width=3,
        ),
        stat(
            both("Contacts held back", "Contatos retidos"),
            both("Contacts whose own breaker is not closed.", "Contatos cujo próprio disjuntor não está fechado."),
            Query(expr=f"sum(max by (deployment_environment_name, job, state) ({series(CB_CONTACTS)}))", instant=True),
            decimals=0,
            no_value=both("none", "nenhum"),
            width=3,
        ),
        stat(
            both("Alerts firing (from 1)", "Alertas disparados (de 1)"),
            both(
                "Firing now; red marks on every graph show when. The dead-man's switch is left out.",
                "Disparados agora; as marcas vermelhas nos gráficos mostram quando. O sinal de vida não conta.",
            ),
            Query(expr=_ALERT_COUNT, instant=True),
            decimals=0,
            limits=((1, BAD),),
            width=4,
        ),
        stat(
            both("Workers", "Workers"),
            both(
                "Processes heard of lately, and the age of the youngest.",
                "Processos com sinal recente, e a idade do mais novo.",
            ),
            Query(expr=f"sum({recorded('whatsself:workers:count')})", legend=both("workers", "workers"), instant=True),
            Query(expr=f"min({series(PROCESS_UPTIME)})", legend=both("up for", "no ar há"), instant=True, unit="s"),
            decimals=0,
            width=4,
        ),
        stat(
            both("Queue", "Fila"),
            both(
                "Messages waiting to be sent, and how long the oldest has; the workers of a session share one queue.",
                "Mensagens na fila, e há quanto tempo a mais antiga; os workers de uma sessão dividem uma fila.",
            ),
            Query(expr=f"sum({of_each_session(QUEUE_DEPTH)})", legend=both("waiting", "na fila"), instant=True),
            Query(
                expr=f"max({series(QUEUE_OLDEST_AGE)})", legend=both("oldest", "mais antiga"), instant=True, unit="s"
            ),
            decimals=0,
            width=8,
        ),
        stat(
            both(f"Time to drain (alert above {backlog:g} min)", f"Tempo para esvaziar (alerta > {backlog:g} min)"),
            both("Messages waiting at the present speed.", "Mensagens na fila, na velocidade atual."),
            Query(expr=_to_drain(source), instant=True),
            unit="m",
            decimals=0,
            limits=((backlog, CAUTION),),
            width=8,
        ),
        _failed_share(source),
    )


def _failed_share(source: Source) -> Panel:
    limit = source["sending.fail_ratio"]
    window = source["sending.window"]
    failed, total = increase(MESSAGES_OUTBOUND_FAILED, window), increase(MESSAGES_OUTBOUND, window)
    return stat(
        both(
            f"Failed sends in {window} (alert above {limit:.0%})",
            f"Envios com falha em {window} (alerta > {limit:.0%})",
        ),
        both(
            "Share of finished attempts that failed, and how many attempts that is out of.",
            "Parcela das tentativas concluídas que falhou, e de quantas tentativas.",
        ),
        Query(expr=ratio(failed, total), legend=both("failed", "falhas"), instant=True, unit="percentunit"),
        Query(expr=f"round({total})", legend=both("attempts (n)", "tentativas (n)"), instant=True, colour=GREY),
        limits=((limit, BAD),),
        no_value=_NO_TRAFFIC,
        width=8,
    )


def _sending(source: Source) -> tuple[Panel, ...]:
    limit = source["limits.per_minute"]
    return (
        lines(
            both(f"Messages a minute (limit {limit})", f"Mensagens por minuto (limite {limit})"),
            both(
                "The dashed line is the application's own limit, RATE_MAX_PER_MIN.",
                "A linha tracejada é o limite da própria aplicação, RATE_MAX_PER_MIN.",
            ),
            Query(expr=f"60 * {rate(MESSAGES_OUTBOUND)}", legend=both("sent or failed", "enviadas ou com falha")),
            Query(
                expr=f"60 * {rate(MESSAGES_OUTBOUND_FAILED)}",
                legend=both("failed", "com falha"),
                colour=VERMILION,
                dashed=True,
            ),
            Query(expr=f"60 * {rate(MESSAGES_INBOUND)}", legend=both("received", "recebidas"), colour=SKY),
            limits=((limit, ORANGE),),
            no_value=_NO_TRAFFIC,
            links=(
                logs_link(
                    both("Warnings and errors of this time", "Avisos e erros deste período"),
                    of_levels("warn", "error", "fatal"),
                ),
                traces_link(
                    both("Failed sends of this time", "Envios com falha deste período"),
                    '{ name = "send whatsapp" && status = error }',
                ),
            ),
        ),
        lines(
            both("Queue over time", "Fila ao longo do tempo"),
            both("Messages waiting to be sent, of each session.", "Mensagens à espera de envio, de cada sessão."),
            Query(expr=of_each_session(QUEUE_DEPTH), legend=SESSION_LEGEND),
            decimals=0,
        ),
        bars(
            both("Failures by reason", "Falhas por motivo"),
            both("In the chosen time range.", "No período escolhido."),
            Query(
                expr=f"round({increase(MESSAGES_OUTBOUND_FAILED, '$__range', by='reason')}) > 0",
                legend="{{reason}}",
                instant=True,
            ),
            no_value=both("no failure", "nenhuma falha"),
            decimals=0,
            width=24,
            height=6,
        ),
    )


def _session() -> tuple[Panel, ...]:
    return (
        states_over_time(
            both("Session over time", "Sessão ao longo do tempo"),
            both("What each session was, and when.", "O que cada sessão foi, e quando."),
            Query(expr=_session_code(), legend=SESSION_LEGEND),
            states=SESSION_STATES,
        ),
        bars(
            both("Losses of the session by reason", "Quedas da sessão por motivo"),
            both(
                "In the chosen time range. A ban is the one that does not heal.",
                "No período escolhido. Um banimento é a que não se cura.",
            ),
            Query(
                expr=f"round({increase(WHATSAPP_SESSION_DISCONNECTS, '$__range', by='reason')})",
                legend="{{reason}}",
                instant=True,
            ),
            no_value=both("no loss", "nenhuma queda"),
            decimals=0,
            height=6,
        ),
        log_lines(
            both("Session events", "Eventos da sessão"),
            both(
                "Connected, disconnected, QR updated, expired. A line opens to its trace.",
                "Conectada, desconectada, QR atualizado, expirada. Uma linha abre o seu trace.",
            ),
            EVENTS.chosen(of_session=True),
        ),
    )


def _one_session(source: Source) -> tuple[Panel, ...]:
    window, limit = source["sending.window"], source["sending.fail_ratio"]
    failed = increase(MESSAGES_OUTBOUND_FAILED, window)
    total = increase(MESSAGES_OUTBOUND, window)
    return (
        stat(
            both(f"Failed in {window} (alert above {limit:.0%})", f"Falhas em {window} (alerta > {limit:.0%})"),
            both(
                "Share of this session's finished attempts that failed, and how many attempts that is out of.",
                "Parcela das tentativas concluídas desta sessão que falhou, e de quantas tentativas.",
            ),
            Query(expr=ratio(failed, total), legend=both("failed", "falhas"), instant=True, unit="percentunit"),
            Query(expr=f"round({total})", legend=both("attempts (n)", "tentativas (n)"), instant=True, colour=GREY),
            limits=((limit, BAD),),
            no_value=_NO_TRAFFIC,
            height=8,
        ),
        lines(
            both("Messages a minute", "Mensagens por minuto"),
            both("Of this session alone.", "Só desta sessão."),
            Query(expr=f"60 * {rate(MESSAGES_OUTBOUND)}", legend=both("sent or failed", "enviadas ou com falha")),
            Query(
                expr=f"60 * {rate(MESSAGES_OUTBOUND_FAILED)}",
                legend=both("failed", "com falha"),
                colour=VERMILION,
                dashed=True,
            ),
            Query(expr=f"60 * {rate(MESSAGES_INBOUND)}", legend=both("received", "recebidas"), colour=SKY),
            no_value=_NO_TRAFFIC,
            width=10,
        ),
        lines(
            both("Waiting", "Na fila"),
            both(
                "This session's queue, or the one that serves all sessions.",
                "A fila desta sessão, ou a que serve a todas as sessões.",
            ),
            Query(expr=f"sum({of_each_session(QUEUE_DEPTH)})", legend=both("waiting", "na fila")),
            decimals=0,
            width=8,
        ),
    )


def _process(source: Source) -> tuple[Panel, ...]:
    score = source["ban_risk.score"]
    return (
        lines(
            both(
                f"Risk of a ban, 0 to 100 (alert from {score})",
                f"Risco de banimento, 0 a 100 (alerta ≥ {score})",
            ),
            both(
                "Made of pace, contact concentration, failures, opt-outs, disconnects and WhatsApp's own rating.",
                "Feito de ritmo, concentração em contatos, falhas, recusas, quedas e a nota do próprio WhatsApp.",
            ),
            Query(expr=f"max({recorded('whatsself:ban_risk:score')})", legend=both("score", "pontuação")),
            limits=((score, ORANGE),),
            maximum=100,
        ),
        bars(
            both("What the risk is made of", "De que o risco é feito"),
            both("Each part's weight in the score, now.", "O peso de cada parte na pontuação, agora."),
            Query(expr=f"max by (risk) ({recorded('whatsself:ban_risk:weighted')})", legend="{{risk}}", instant=True),
            unit="percentunit",
            maximum=1,
        ),
        lines(
            both(
                f"Most messages to one contact in 5 min (limit {source['limits.per_contact']})",
                f"Máximo a um contato em 5 min (limite {source['limits.per_contact']})",
            ),
            both(
                "The application's own limit is drawn, RATE_PER_CONTACT_PER_5MIN.",
                "O limite da própria aplicação está desenhado, RATE_PER_CONTACT_PER_5MIN.",
            ),
            Query(expr=f"max({series(RATE_PER_CONTACT)})", legend=both("to one contact", "a um contato")),
            limits=((source["limits.per_contact"], ORANGE),),
            decimals=0,
        ),
        lines(
            both("Event-loop lag", "Atraso do event loop"),
            both("Longest of all workers.", "O maior entre os workers."),
            Query(expr=f"max({series(EVENT_LOOP_LAG)})", legend=both("longest", "maior")),
            unit="s",
        ),
        lines(
            both("Database connections", "Conexões com o banco"),
            both("In use, and how many there may be.", "Em uso, e quantas pode haver."),
            Query(expr=f"sum({series(DB_POOL_IN_USE)})", legend=both("in use", "em uso")),
            Query(
                expr=f"sum({series(DB_POOL_MAX)})", legend=both("may be open", "permitidas"), colour=ORANGE, dashed=True
            ),
            decimals=0,
        ),
    )
