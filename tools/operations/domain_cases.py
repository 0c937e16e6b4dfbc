"""Tests of the rules about the service, its session, queue, sending, HTTP and contacts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from operations.cases import BOUNDARY, FIRING, HEALTHY, VALUE, Case, flat, named, ramp, service

if TYPE_CHECKING:
    from collections.abc import Iterator

UPTIME = "process_uptime_seconds"
SENT = "messages_outbound_total"
FAILED = "messages_outbound_failed_total"
HOUR = 1800


def service_cases() -> Iterator[Case]:
    """Heartbeat, workers, dropped telemetry."""
    absent, vanished, dropped = "WhatsSelfTelemetryAbsent", "WhatsSelfWorkerVanished", "WhatsSelfTelemetryDropped"
    dies = {named(UPTIME): flat((30, 1), (60, None))}
    yield Case(rule=absent, kind=FIRING, title="a total outage pages within 8 minutes", series=dies, at={38: 1})
    yield Case(rule=absent, kind=FIRING, title="nothing was ever seen", series={}, at={2.5: 0, 3.5: 1})
    yield Case(rule=absent, kind=HEALTHY, title="one worker lives", series=service(), at={5: 0, 60: 0})
    yield Case(
        rule=absent,
        kind=HEALTHY,
        title="restarted as a new instance, in a namespace",
        series={
            named(UPTIME): flat((30, 1)),
            'process_uptime_seconds{job="shop/whatsself",instance="b"}': flat((30, None), (60, 1)),
            named(UPTIME, instance="b"): flat((31, None), (60, 1)),
        },
        at={31: 0, 40: 0, 60: 0},
    )
    yield Case(
        rule=absent,
        kind=BOUNDARY,
        title="silence of 5 minutes",
        series=dies,
        at={34: 0, 35.5: 1},
    )
    yield Case(
        rule=absent,
        kind=BOUNDARY,
        title="one of two namespaces is silent",
        series=dies | {'process_uptime_seconds{job="shop/whatsself",instance="b"}': flat((90, 1))},
        at={34: 0, 35.5: 1},
    )
    yield Case(
        rule=absent,
        kind=BOUNDARY,
        title="a service is remembered for a week",
        series={
            named(UPTIME): flat((60 * 24, 1), step_s=HOUR),
            'process_uptime_seconds{job="shop/whatsself"}': flat((60 * 24 * 20, 1), step_s=HOUR),
        },
        at={60 * 24 * 7: 1, 60 * 24 * 9: 0},
        step_s=HOUR,
    )
    two = {named(UPTIME): flat((200, 1)), named(UPTIME, instance="b"): flat((60, 1))}
    yield Case(rule=vanished, kind=FIRING, title="one of two is gone", series=two, at={60: 0, 80: 1})
    yield Case(rule=vanished, kind=BOUNDARY, title="for five minutes", series=two, at={66: 0, 67.5: 1, 85: 1, 95: 0})
    yield Case(
        rule=vanished,
        kind=HEALTHY,
        title="both restart as new instances, one of them for a moment beside its successor",
        series={
            named(UPTIME): flat((60, 1)),
            named(UPTIME, instance="b"): flat((62, 1)),
            named(UPTIME, instance="c"): flat((61, None), (60, 1)),
            named(UPTIME, instance="d"): flat((61, None), (60, 1)),
        },
        at={60: 0, 68: 0, 75: 0, 100: 0},
    )
    yield Case(
        rule=vanished,
        kind=VALUE,
        title="the loop's lag goes by its old name too",
        series={named("event_loop_lag_seconds"): flat((10, 0.2))},
        values={("nodejs_event_loop_lag_seconds", 5): 0.2},
    )
    lost = named("telemetry_dropped_items_total", 'signal="logs",reason="queue_full"')
    other = named("telemetry_dropped_items_total", 'signal="logs",reason="queue_full"', instance="b")
    once = {lost: flat((10, 0), (60, 1)), other: flat((70, 0))}
    yield Case(rule=dropped, kind=FIRING, title="one item", series=once, at={9: 0, 12: 1})
    yield Case(rule=dropped, kind=HEALTHY, title="nothing is lost", series={lost: flat((60, 0))}, at={30: 0})
    yield Case(rule=dropped, kind=BOUNDARY, title="forgotten after 15 minutes", series=once, at={24: 1, 26: 0})


def session_cases() -> Iterator[Case]:
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


def queue_cases() -> Iterator[Case]:
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


def sending_cases() -> Iterator[Case]:
    """Failures and the breaker."""
    high, breaker, stuck = "WhatsSelfSendFailureHigh", "WhatsSelfBreakerOpen", "WhatsSelfBreakerStuck"
    sent, second = named(SENT, 'origin="reply"'), named(SENT, 'origin="reply"', instance="b")
    failed, failed_too = named(FAILED, 'reason="timeout"'), named(FAILED, 'reason="timeout"', instance="b")
    burst = {sent: ramp((100, 12)), failed: ramp((30, 0), (10, 12), (60, 0))}
    yield Case(rule=high, kind=FIRING, title="all fail for ten minutes", series=burst, at={29: 0, 40: 1, 70: 0})
    yield Case(rule=high, kind=BOUNDARY, title="begins and ends", series=burst, at={34: 0, 35: 1, 56.5: 1, 58.5: 0})
    for share, fires in ((23, 0), (27, 1)):
        yield Case(
            rule=high,
            kind=BOUNDARY,
            title=f"{share} % of what two workers send",
            series={
                sent: ramp((60, 10)),
                second: ramp((60, 10)),
                failed: ramp((60, share / 10)),
                failed_too: ramp((60, share / 10)),
            },
            at={40: fires},
        )
    for attempts, fires in ((9, 0), (10, 1)):
        yield Case(
            rule=high,
            kind=BOUNDARY,
            title=f"{attempts} attempts of two workers",
            series={
                sent: flat((10, 0), (30, attempts - 2)),
                second: flat((10, 0), (30, 2)),
                failed: flat((10, 0), (30, 5)),
            },
            at={14: fires},
        )
    yield Case(
        rule=high,
        kind=HEALTHY,
        title="no failure was ever born, and a restart as a new instance",
        series={sent: ramp((30, 12)), second: flat((30, None)) + " " + ramp((30, 12))},
        at={20: 0, 35: 0, 50: 0},
    )
    yield Case(
        rule=high,
        kind=HEALTHY,
        title="9 attempts, and others longer ago",
        series={sent: flat((16, 0), (8, 9), (40, 18)), failed: flat((24, 0), (40, 9))},
        at={31: 0},
    )
    yield Case(
        rule=high,
        kind=BOUNDARY,
        title="12 attempts in ten minutes, six of them in five",
        series={sent: flat((10, 0), (6, 6), (40, 12)), failed: flat((10, 0), (6, 6), (40, 12))},
        at={19: 1},
    )
    yield Case(rule=high, kind=HEALTHY, title="0 of 0", series={sent: flat((60, 7)), failed: flat((60, 3))}, at={30: 0})
    yield Case(
        rule=high,
        kind=HEALTHY,
        title="3 messages in a quiet hour, one of them failed",
        series={sent: flat((10, 0), (20, 1), (20, 2), (60, 3)), failed: flat((30, 0), (80, 1))},
        at={12: 0, 32: 0, 35: 0, 52: 0},
    )
    day = 600
    yield Case(
        rule=high,
        kind=VALUE,
        title="success of a day, by two workers, and before a failure is born",
        series={
            named(SENT, 'origin="reply"'): ramp((2880, 8), step_s=day),
            named(SENT, 'origin="reply"', instance="b"): ramp((2880, 2), step_s=day),
            named(FAILED, 'reason="timeout"'): flat((720, None), step_s=day)
            + " "
            + ramp((720, 4), (1440, 0), step_s=day),
            named(FAILED, 'reason="timeout"', instance="b"): flat((720, None), step_s=day)
            + " "
            + ramp((720, 1), (1440, 0), step_s=day),
        },
        values={
            ("whatsself:delivery_success:ratio_1d", 700): 1,
            ("whatsself:delivery_success:ratio_1d", 1440): 0.75,
            ("whatsself:delivery_success:ratio_1d", 2400): 5 / 6,
        },
        step_s=day,
    )
    state, other = named("cb_state_global"), named("cb_state_global", instance="b")
    opens = {state: flat((10, 0), (2, 2), (30, 0)), other: flat((42, 0))}
    yield Case(rule=breaker, kind=FIRING, title="open on one of two workers", series=opens, at={9: 0, 12: 1})
    yield Case(rule=breaker, kind=BOUNDARY, title="begins and ends", series=opens, at={10.5: 0, 11: 1, 29: 1, 30.5: 0})
    yield Case(
        rule=breaker,
        kind=HEALTHY,
        title="half-open on both workers",
        series={state: flat((40, 1)), other: flat((40, 1))},
        at={10: 0, 30: 0},
    )
    probing = {state: flat((10, 0), *[(9, 2), (1, 1)] * 7), other: flat((80, 0))}
    yield Case(rule=stuck, kind=FIRING, title="open, probing in vain", series=probing, at={60: 1})
    yield Case(rule=stuck, kind=BOUNDARY, title="after 45 minutes", series=probing, at={54.5: 0, 55: 1})
    yield Case(rule=stuck, kind=HEALTHY, title="closed", series={state: flat((80, 0))}, at={50: 0, 70: 0})
    yield Case(
        rule=stuck,
        kind=HEALTHY,
        title="closed for four minutes on the way",
        series={state: flat((30, 2), (4, 0), (40, 2))},
        at={46: 0, 60: 0},
    )
    yield Case(
        rule=stuck,
        kind=BOUNDARY,
        title="closed for two minutes on the way",
        series={state: flat((30, 2), (2, 0), (40, 2))},
        at={46: 1},
    )


def http_cases() -> Iterator[Case]:
    """Errors of the API."""
    rule, count = "WhatsSelfHttpErrorsHigh", "http_server_request_duration_seconds_count"

    def answers(status: int, instance: str = "a") -> str:
        return named(count, f'http_route="/api/send",http_response_status_code="{status}"', instance=instance)

    breaks = {answers(200): ramp((30, 100), (60, 0)), answers(500): ramp((30, 0), (60, 100))}
    yield Case(rule=rule, kind=FIRING, title="every request fails, pages within 8 minutes", series=breaks, at={38: 1})
    late = {answers(200): ramp((90, 90)), answers(500): ramp((30, 0), (60, 10))}
    yield Case(rule=rule, kind=BOUNDARY, title="ten minutes after 10 % begin", series=late, at={39.5: 0, 41: 1})
    for errors, fires in ((4.6, 0), (5.4, 1)):
        yield Case(
            rule=rule,
            kind=BOUNDARY,
            title=f"{errors} % of what two workers answer",
            series={
                answers(200): ramp((60, 50 - errors / 2)),
                answers(200, "b"): ramp((60, 50 - errors / 2)),
                answers(503): ramp((60, errors / 2)),
                answers(503, "b"): ramp((60, errors / 2)),
            },
            at={30: fires},
        )
    abandoned = named(count, 'http_route="/api/send",error_type="CancelledError"')
    yield Case(
        rule=rule,
        kind=BOUNDARY,
        title="10 % of what is answered fails, among many requests that nobody waited for",
        series={answers(200): ramp((60, 9)), answers(500): ramp((60, 1)), abandoned: ramp((60, 100))},
        at={30: 1},
    )
    yield Case(
        rule=rule,
        kind=HEALTHY,
        title="all requests are cancelled, and none failed",
        series={answers(200): flat((60, 5)), answers(500): flat((60, 0)), abandoned: ramp((60, 100))},
        at={30: 0},
    )
    for errors, fires in ((2, 0), (3, 1)):
        yield Case(
            rule=rule,
            kind=BOUNDARY,
            title=f"{errors} errors",
            series={
                answers(200): flat((10, 0), (40, 1)),
                answers(500): flat((10, 0), (40, errors - 1)),
                answers(502, "b"): flat((10, 0), (40, 1)),
            },
            at={16: fires},
        )
    yield Case(
        rule=rule,
        kind=HEALTHY,
        title="2 errors, and a third longer ago",
        series={answers(200): flat((10, 0), (60, 1)), answers(500): flat((18, 0), (7, 1), (45, 3))},
        at={32: 0},
    )
    yield Case(
        rule=rule,
        kind=HEALTHY,
        title="wrong requests, and no 5xx was ever born",
        series={answers(200): ramp((60, 10)), answers(404): ramp((60, 90))},
        at={30: 0},
    )


def contact_cases() -> Iterator[Case]:
    """A flood."""
    rule, most = "WhatsSelfContactFlood", named("contact_inbound_max_5m")
    quiet = {most: flat((20, 3), (10, 25), (40, 3)), named("contact_inbound_max_5m", instance="b"): flat((70, 2))}
    yield Case(rule=rule, kind=FIRING, title="25 messages, with no history", series=quiet, at={19: 0, 28: 1, 60: 0})
    yield Case(rule=rule, kind=BOUNDARY, title="begins and ends", series=quiet, at={24.5: 0, 26: 1, 44: 1, 46: 0})
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


def ban_cases() -> Iterator[Case]:
    """The score."""
    rule, score = "WhatsSelfBanRiskHigh", "whatsself:ban_risk:score"
    base = service(200)
    sent, second = named(SENT, 'origin="broadcast"'), named(SENT, 'origin="broadcast"', instance="b")
    failed = named(FAILED, 'reason="blocked"')
    failed_too = named(FAILED, 'reason="blocked"', instance="b")
    left = named("contact_consent_total", 'action="opt_out"')
    losses, contact = "whatsapp_session_disconnects_total", "rate_per_contact_per_5min"
    main = 'session="main"'
    fast = {**base, sent: ramp((90, 6)), second: ramp((90, 9)), named(contact): flat((90, 8))}
    yield Case(rule=rule, kind=FIRING, title="too fast, and to one contact", series=fast, at={30: 1})
    yield Case(
        rule=rule,
        kind=VALUE,
        title="pace and contact",
        series=fast,
        values={(score, 30): 64, ('whatsself:ban_risk:weighted{risk="pace"}', 30): 0.4},
    )
    yield Case(
        rule=rule,
        kind=VALUE,
        title="half of each, and the pace of five minutes",
        series={
            **base,
            sent: ramp((30, 6.3), (60, 0)),
            second: ramp((30, 6), (60, 0)),
            named(contact): flat((90, 5)),
            named(contact, instance="b"): flat((90, 2)),
        },
        values={
            ('whatsself:ban_risk:weighted{risk="pace"}', 29): 0.2,
            ('whatsself:ban_risk:weighted{risk="contact"}', 29): 0.2,
            ('whatsself:ban_risk:weighted{risk="pace"}', 30.5): 0.11,
            (score, 29): 36,
        },
    )
    yield Case(rule=rule, kind=HEALTHY, title="an idle service", series=base, at={30: 0}, values={(score, 30): 0})
    yield Case(
        rule=rule,
        kind=HEALTHY,
        title="at the limits, a day's three messages with one failure and one opt-out",
        series={
            **base,
            sent: flat((10, 0), (90, 3)),
            failed: flat((10, 0), (90, 1)),
            left: flat((10, 0), (90, 1)),
            named(contact): flat((100, 2)),
        },
        at={30: 0, 60: 0},
    )
    yield from _outside_cases(rule, score, base, (sent, second, failed, failed_too))
    for outs, value in ((2, 0), (3, 0.3)):
        yield Case(
            rule=rule,
            kind=VALUE,
            title=f"{outs} opt-outs of 100 messages",
            series={
                **base,
                sent: flat((10, 0), (100, 60)),
                second: flat((10, 0), (100, 40)),
                left: flat((10, 0), (100, outs - 1)),
                named("contact_consent_total", 'action="opt_out"', instance="b"): flat((10, 0), (100, 1)),
                named("contact_consent_total", 'action="opt_in"'): flat((10, 0), (100, 50)),
            },
            values={('whatsself:ban_risk:weighted{risk="opt_outs"}', 40): value},
        )
    yield Case(
        rule=rule,
        kind=VALUE,
        title="opt-outs and disconnects of a day",
        series={
            **service(3200, step_s=600),
            sent: ramp((3200, 0.5), step_s=600),
            left: ramp((1440, 0), (600, 0.03), (1160, 0), step_s=600),
            named(losses, f'{main},reason="replaced"'): flat((1440, 0), (1760, 1), step_s=600),
        },
        values={
            ('whatsself:ban_risk:weighted{risk="opt_outs"}', 2440): 0.225,
            ('whatsself:ban_risk:weighted{risk="disconnects"}', 2440): 0.3,
            ('whatsself:ban_risk:weighted{risk="opt_outs"}', 3030): 0.131,
            ('whatsself:ban_risk:weighted{risk="disconnects"}', 3030): 0,
        },
        step_s=600,
    )
    yield from _saturated(rule, base)
    yield Case(
        rule=rule,
        kind=VALUE,
        title="a ban is remembered for a day",
        series={
            **service(3200, step_s=600),
            named(losses, f'{main},reason="banned"'): flat((1440, 0), (1760, 1), step_s=600),
        },
        values={
            ('whatsself:ban_risk:weighted{risk="disconnects"}', 2440): 0.9,
            ('whatsself:ban_risk:weighted{risk="disconnects"}', 3030): 0,
        },
        step_s=600,
    )
    for reason, times, value in (("logged_out", 1, 30), ("banned", 1, 90), ("transient", 9, 0)):
        yield Case(
            rule=rule,
            kind=VALUE,
            title=f"{reason} {times} times on two workers' session",
            series={
                **base,
                named(losses, f'{main},reason="{reason}"'): flat((10, 0), (100, times)),
                named(losses, f'{main},reason="{reason}"', instance="b"): flat((110, 0)),
            },
            values={(score, 40): value},
        )
    again = {
        **base,
        named(losses, f'{main},reason="logged_out"'): flat((10, 0), (100, 1)),
        named(losses, f'{main},reason="replaced"', instance="b"): flat((10, 0), (100, 1)),
    }
    yield Case(rule=rule, kind=FIRING, title="logged out and replaced", series=again, at={30: 1})
    yield Case(rule=rule, kind=BOUNDARY, title="for ten minutes", series=again, at={19: 0, 21: 1})


def _saturated(rule: str, base: dict[str, str]) -> Iterator[Case]:
    """Far past its limit a risk weighs no more than at it."""
    past = {
        **base,
        named(SENT, 'origin="broadcast"'): ramp((100, 60)),
        named("rate_per_contact_per_5min"): flat((100, 40)),
    }
    yield Case(
        rule=rule,
        kind=VALUE,
        title="pace and load on one contact far past their limits",
        series=past,
        values={(f'whatsself:ban_risk:weighted{{risk="{risk}"}}', 40): 0.4 for risk in ("pace", "contact")},
    )
    yield Case(
        rule=rule,
        kind=VALUE,
        title="half of the contacts leave, and five bans",
        series={
            **base,
            named(SENT, 'origin="broadcast"'): flat((10, 0), (100, 40)),
            named("contact_consent_total", 'action="opt_out"'): flat((10, 0), (100, 20)),
            named("whatsapp_session_disconnects_total", 'session="main",reason="banned"'): flat((10, 0), (100, 5)),
        },
        values={
            ('whatsself:ban_risk:weighted{risk="opt_outs"}', 40): 0.6,
            ('whatsself:ban_risk:weighted{risk="disconnects"}', 40): 0.9,
        },
    )


def _outside_cases(rule: str, score: str, base: dict[str, str], names: tuple[str, str, str, str]) -> Iterator[Case]:
    sent, second, failed, failed_too = names
    for percent, fires in ((24, 0), (27, 1)):
        yield Case(
            rule=rule,
            kind=BOUNDARY,
            title=f"{percent} % of two workers' sends fail",
            series={
                **base,
                sent: ramp((150, 2)),
                second: ramp((150, 2)),
                failed: ramp((150, percent / 50)),
                failed_too: ramp((150, percent / 50)),
            },
            at={80: fires},
        )
    yield Case(
        rule=rule,
        kind=BOUNDARY,
        title="ends 15 minutes after its cause",
        series={**base, named("rate_per_contact_per_5min"): flat((40, 8), (60, 0)), sent: ramp((40, 15), (60, 0))},
        at={39: 1, 54: 1, 58: 0},
    )
    for attempts, value in ((9, 0), (10, 60)):
        yield Case(
            rule=rule,
            kind=VALUE,
            title=f"{attempts} attempts, all failed, and forgotten in an hour",
            series={
                **base,
                sent: flat((10, 0), (150, attempts - 1)),
                second: flat((10, 0), (150, 1)),
                failed: flat((10, 0), (150, attempts)),
            },
            values={(score, 68): value, (score, 72): 0},
        )
