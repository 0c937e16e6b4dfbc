"""Rules about what WhatsSelf does: session, queue, sending, HTTP, contacts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from operations.model import Alert, Group, Record, duration
from whatsself_otel.catalogue import (
    CB_STATE_GLOBAL,
    CONTACT_CONSENT,
    CONTACT_INBOUND_MAX,
    EVENT_LOOP_LAG,
    HTTP_SERVER_REQUEST_DURATION,
    MESSAGES_INBOUND,
    MESSAGES_OUTBOUND,
    MESSAGES_OUTBOUND_FAILED,
    PROCESS_UPTIME,
    QUEUE_DEPTH,
    RATE_PER_CONTACT,
    TELEMETRY_DROPPED,
    WHATSAPP_SESSION_CONNECTED,
    WHATSAPP_SESSION_DISCONNECTS,
    WHATSAPP_SESSION_DOWN_SINCE,
    WHATSAPP_SESSION_STATE,
    MetricSpec,
)

if TYPE_CHECKING:
    from operations.model import Source

UP = "whatsself:up"
WORKERS = "whatsself:workers:count"
INBOUND_MAX = "whatsself:contact_inbound_max:5m"
LAST_SESSION_STATES = "logged_out|qr_pending|expired"
ANSWERED = 'http_response_status_code!=""'
"""Selects requests with an answer: one that was cancelled, or whose client went first, says nothing of the service."""


def series(source: Source, spec: MetricSpec, more: str = "", *, suffix: str = "") -> str:
    """Return the selector of a metric of the service."""
    return f"{spec.prometheus_name}{suffix}{{{source.job}{more and ', ' + more}}}"


def increase(source: Source, spec: MetricSpec, window: str, more: str = "", *, suffix: str = "") -> str:
    """Return the increase of a counter over all workers."""
    return f"sum by (job) (increase({series(source, spec, more, suffix=suffix)}[{window}]))"


def or_zero(expr: str, source: Source) -> str:
    """Return *expr*, 0 where the service lives but has no such series: there absence means trouble."""
    return f"({expr} or 0 * count by (job) ({series(source, PROCESS_UPTIME)}))"


def ratio(bad: str, total: str) -> str:
    """Return bad / total: nothing without events, 0 without a bad one."""
    return f"(({bad} or 0 * {total}) / ({total} > 0))"


def service(source: Source) -> Group:
    """Is there an application at all, and are its workers complete."""
    beat = source["heartbeat.window"]
    alive = f"count by (job) (count_over_time({series(source, PROCESS_UPTIME)}[{beat}]))"
    dropped = f"sum by (job, signal, reason) (increase({series(source, TELEMETRY_DROPPED)}"
    return Group(
        name="whatsself-service",
        rules=(
            Record(name=WORKERS, expr=alive),
            Record(
                name=UP,
                expr=f"({WORKERS} > bool 0)\nor 0 * max_over_time({WORKERS}[{source['heartbeat.forget_after']}])",
            ),
            Record(name="nodejs_event_loop_lag_seconds", expr=series(source, EVENT_LOOP_LAG)),
            Alert(
                name="WhatsSelfTelemetryAbsent",
                expr=f"{UP} == 0\nor absent({UP})",
                wait=source["heartbeat.absent_for"],
                severity="critical",
                component="telemetry",
            ),
            Alert(
                name="WhatsSelfWorkerVanished",
                expr=f"{WORKERS}\n< quantile_over_time(0.5, {WORKERS}[{source['heartbeat.worker_window']}])",
                wait=source["heartbeat.worker_for"],
                severity="warning",
                component="worker",
            ),
            Alert(
                name="WhatsSelfTelemetryDropped",
                expr=f"{dropped}[{source['telemetry.dropped_window']}])) > 0.5",
                severity="warning",
                component="dropped",
                dashboard="collector",
            ),
        ),
    )


def session(source: Source) -> Group:
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
                expr=f"sum by (job, session) (increase({banned}[{source['session.banned_window']}])) > 0.5",
                severity="critical",
                component="session",
            ),
            Alert(
                name="WhatsSelfSessionLoggedOut",
                expr=f"max by (job, session) ({state}) == 1",
                wait=source["session.logged_out_for"],
                severity="critical",
                component="session",
            ),
            Alert(
                name="WhatsSelfSessionDown",
                expr=f"max by (job, session) (max_over_time({connected}[{lookback}])) == 0",
                wait=source["session.down_for"],
                keep=source["session.down_keep"],
                severity="critical",
                component="session",
            ),
            Alert(
                name="WhatsSelfSessionRecoveryTooLong",
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


def queue(source: Source) -> Group:
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
                expr=f"{waiting}\nand on (job) {sent} < 0.5",
                wait=source["queue.stuck_for"],
                keep=source["queue.stuck_keep"],
                severity="critical",
                component="queue",
            ),
            Alert(
                name="WhatsSelfQueueBacklog",
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


def sending(source: Source) -> Group:
    """Do messages arrive, and does the breaker stand in the way."""
    window = source["sending.window"]
    total = increase(source, MESSAGES_OUTBOUND, window)
    failed = increase(source, MESSAGES_OUTBOUND_FAILED, window)
    day = (increase(source, MESSAGES_OUTBOUND_FAILED, "1d"), increase(source, MESSAGES_OUTBOUND, "1d"))
    breaker = f"max by (job) (max_over_time({series(source, CB_STATE_GLOBAL)}[{source['breaker.lookback']}]))"
    return Group(
        name="whatsself-sending",
        rules=(
            Record(name="whatsself:delivery_success:ratio_1d", expr=f"1 - {ratio(*day)}"),
            Alert(
                name="WhatsSelfSendFailureHigh",
                expr=(
                    f"{failed} / {total} > {source['sending.fail_ratio']}"
                    f"\nand on (job) {total} >= {source['sending.min_attempts'] - 0.5}"
                ),
                wait=source["sending.fail_for"],
                keep=source["sending.fail_keep"],
                severity="critical",
                component="sending",
            ),
            Alert(
                name="WhatsSelfBreakerOpen",
                expr=f"{breaker} == 2",
                wait=source["breaker.open_for"],
                keep=source["breaker.open_keep"],
                severity="warning",
                component="breaker",
            ),
            Alert(
                name="WhatsSelfBreakerStuck",
                expr=f"{breaker} > 0",
                wait=source["breaker.stuck_for"],
                severity="critical",
                component="breaker",
            ),
        ),
    )


def http(source: Source) -> Group:
    """Does the API answer."""
    window = source["http.window"]
    total = increase(source, HTTP_SERVER_REQUEST_DURATION, window, ANSWERED, suffix="_count")
    errors = increase(source, HTTP_SERVER_REQUEST_DURATION, window, 'http_response_status_code=~"5.."', suffix="_count")
    return Group(
        name="whatsself-http",
        rules=(
            Alert(
                name="WhatsSelfHttpErrorsHigh",
                expr=(
                    f"{errors} / {total} > {source['http.error_ratio']}"
                    f"\nand on (job) {errors} >= {source['http.min_errors'] - 0.5}"
                ),
                wait=source["http.error_for"],
                severity="critical",
                component="http",
                dashboard="http",
            ),
        ),
    )


def contacts(source: Source) -> Group:
    """Does one contact write as no person does."""
    usual = f"quantile_over_time(0.95, {INBOUND_MAX}[{source['flood.usual_window']}] offset 1h)"
    return Group(
        name="whatsself-contacts",
        # The usual is read over a week: once a minute is enough.
        interval="1m",
        rules=(
            Record(name=INBOUND_MAX, expr=f"max by (job) ({series(source, CONTACT_INBOUND_MAX)})"),
            Alert(
                name="WhatsSelfContactFlood",
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


def ban_risk(source: Source) -> Group:
    """How near is a ban."""
    window = {name: source[f"ban_risk.{name}"].get("window") for name in BAN_SIGNALS}
    fails, outs = source["ban_risk.failures"], source["ban_risk.opt_outs"]
    attempts = increase(source, MESSAGES_OUTBOUND, window["failures"])
    failed = increase(source, MESSAGES_OUTBOUND_FAILED, window["failures"])
    left = increase(source, CONTACT_CONSENT, window["opt_outs"], 'action="opt_out"')
    sent = increase(source, MESSAGES_OUTBOUND, window["opt_outs"])
    lost = increase(source, WHATSAPP_SESSION_DISCONNECTS, window["disconnects"], 'reason=~"logged_out|replaced"')
    banned = increase(source, WHATSAPP_SESSION_DISCONNECTS, window["disconnects"], 'reason="banned"')
    signals = {
        "pace": f"1m * sum by (job) (rate({series(source, MESSAGES_OUTBOUND)}[{window['pace']}]))",
        "contact": f"max by (job) ({series(source, RATE_PER_CONTACT)})",
        "failures": f"(({failed} or 0 * {attempts}) / ({attempts} >= {fails['min'] - 0.5}))",
        "opt_outs": f"(({left} >= {outs['min'] - 0.5}) / clamp_min({or_zero(sent, source)}, 1))",
        "disconnects": f"({or_zero(lost, source)} + 3 * {or_zero(banned, source)})",
    }
    return Group(
        name="whatsself-ban-risk",
        interval="1m",
        rules=(
            *(_weighted(source, name, expr) for name, expr in signals.items()),
            Record(name="whatsself:ban_risk:score", expr=f"100 * (1 - exp(sum by (job) (ln(1 - {WEIGHTED}))))"),
            Alert(
                name="WhatsSelfBanRiskHigh",
                expr=f"whatsself:ban_risk:score >= {source['ban_risk.score']}",
                wait=source["ban_risk.score_for"],
                keep=source["ban_risk.score_keep"],
                severity="warning",
                component="ban",
            ),
        ),
    )


BAN_SIGNALS = ("pace", "contact", "failures", "opt_outs", "disconnects")
WEIGHTED = "whatsself:ban_risk:weighted"


def _weighted(source: Source, name: str, expr: str) -> Record:
    signal = source[f"ban_risk.{name}"]
    low, high = signal["from"], signal["to"]
    scaled = f"({expr} - {low}) / {round(high - low, 6):g}"
    return Record(
        name=WEIGHTED,
        labels={"risk": name},
        expr=f"{signal['weight']} * clamp({or_zero(scaled, source)}, 0, 1)",
    )
