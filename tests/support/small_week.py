"""A small business: 8 to 200 messages a day, two sessions, three deployments, and the troubles of its week."""

from __future__ import annotations

from typing import Final

from weeks import WEEK, Process, Span, Week, at, lives, span, spread

MESSAGES: Final = (120, 200, 90, 150, 160, 30, 8)
DEPLOYED: Final = (at("Tue", "10:00"), at("Thu", "10:35"), at("Fri", "11:00"))
LOST: Final = span("Wed", "14:20", "15:35")
"""The second session is lost, and a person restarts it."""
SLACK_AWAY: Final = span("Thu", "10:20", "12:30")
ERRORS: Final = span("Thu", "10:40", "11:15")
"""The deployment of Thursday morning answers half of the webhooks with 500, and is taken back at 11:15."""
COLLECTOR_AWAY: Final = span("Fri", "22:00", "23:10")
BREAKER: Final = span("Tue", "19:00", "20:10")
"""The breaker is open after hours."""
BLINK: Final = at("Sat", "15:00")
"""The main session is lost for a minute."""


def small_week(minutes: int = WEEK, begin: int = 0) -> Week:
    """Return it, or from minute *begin* up to *minutes*."""
    week = Week(minutes=minutes, begin=begin, blind=COLLECTOR_AWAY)
    # Alertmanager asks Slack as often as it has something to tell, and tries again after five minutes.
    week.machinery(Span(begin=ERRORS.begin + 7, end=SLACK_AWAY.end))
    shares = {"main": spread([round(0.7 * count) for count in MESSAGES], 1, minutes)}
    shares["second"] = spread([count - round(0.7 * count) for count in MESSAGES], 2, minutes)
    shares["second"] = [0.0 if minute in LOST else count for minute, count in enumerate(shares["second"])]
    starts = [0, *(start for start in DEPLOYED if start < minutes)]
    for process in lives(week, starts, name="shop"):
        process.basics()
        process.gauge("cb_state_global", [2.0 * (minute in BREAKER) for minute in range(minutes)])
        for name, messages in shares.items():
            _session(process, name, messages)
        _requests(process, [sum(pair) for pair in zip(*shares.values(), strict=True)])
    return week


def _session(process: Process, name: str, messages: list[float]) -> None:
    minutes = range(process.week.minutes)
    own = f'session="{name}"'
    states, losses = ["connected"] * len(minutes), {}
    for start in DEPLOYED:
        states[start : start + 1] = ["starting"][: max(0, len(minutes) - start)]
    gone = LOST if name == "second" else Span(begin=BLINK, end=BLINK + 1)
    for minute in minutes:
        if minute in gone:
            states[minute] = "disconnected"
    losses[gone.begin] = "transient"
    process.session(name, states, losses)
    later = [0.0, *messages[:-1]]
    process.counter("messages_inbound_total", messages, f'{own},kind="text"')
    process.counter("messages_outbound_total", later, f'{own},origin="reply"')
    process.counter("messages_outbound_failed_total", [0.0] * len(minutes), f'{own},reason="timeout",fault="ours"')
    process.counter("messages_delivered_total", later, f'{own},status="delivered"')
    # Two reminders were due while the session was away.
    waiting = [2.0 * (name == "second" and minute in LOST and minute > LOST.begin + 10) for minute in minutes]
    process.gauge("queue_depth", waiting, own)
    ages = [60.0 * (minute - LOST.begin - 10) if depth else 0.0 for minute, depth in zip(minutes, waiting, strict=True)]
    process.gauge("queue_oldest_age_seconds", ages, own)


def _requests(process: Process, messages: list[float]) -> None:
    """A webhook for each message, and two acknowledgements of the reply; contacts that wait are answered by a bot."""
    route = 'http_route="/webhook",http_request_method="POST"'
    bad = [round(1.5 * count) * float(minute in ERRORS) for minute, count in enumerate(messages)]
    good = [3 * count - failed for count, failed in zip(messages, bad, strict=True)]
    for code, events in (("200", good), ("500", bad)):
        labels = f'{route},http_response_status_code="{code}"'
        process.histogram("http_server_request_duration_seconds", events, "5", events, labels)
    late = [float(number % 50 == 7 and count > 0) for number, count in enumerate(messages)]
    fast = [count - slow for count, slow in zip(messages, late, strict=True)]
    process.histogram("first_response_latency_seconds", messages, "120", fast)
    process.counter("first_response_unanswered_total", [0.0] * len(messages))
    process.gauge("contact_inbound_max_5m", [min(count, 3.0) for count in messages])
    process.gauge("rate_global_per_min", messages)
