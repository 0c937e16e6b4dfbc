"""A large business: 100,000 messages a day, ten workers, three environments, and the troubles of its week."""

from __future__ import annotations

from itertools import pairwise
from typing import Final

from weeks import DAY, HOUR, WEEK, Process, Span, Week, at, span

PER_DAY: Final = 50_000
"""Messages that come in; as many go out."""
WEIGHTS: Final = [1] * 8 + [6] * 13 + [2] * 3
"""Of the hours of a day."""
WORKERS: Final = 10
DEPLOYED: Final = (at("Tue", "11:00"), at("Thu", "11:00"))
"""One worker a minute."""
KILLED: Final = span("Tue", "03:10", "04:00")
"""The worker of session n7 runs out of memory, and a person starts it again."""
DATABASE: Final = span("Wed", "10:00", "10:40")
"""An eighth of the requests is answered with 500."""
SCALED_IN: Final = at("Fri", "09:30")
"""Workers 8 and 9 are taken away on purpose; 0 and 1 take their sessions."""
STAGING_AWAY: Final = (span("Thu", "14:00", "16:00"), span("Fri", "22:00", "23:00"))
BROADCAST: Final = span("Wed", "14:00", "21:00")
"""Session n1 sends 2,500 messages as fast as it may."""
PACE: Final = 11.5
REFUSED: Final = span("Fri", "15:00", "15:30")
"""Three of five sends of session n3 fail by a fault of ours."""
BANNED: Final = span("Sat", "12:00", "12:00", until="Sun")
"""Session n5."""
OUTAGE: Final = span("Sun", "16:00", "16:25")
"""WhatsApp itself: every session is lost."""


def large_week(minutes: int = WEEK, begin: int = 0) -> Week:
    """Return it, or from minute *begin* up to *minutes*."""
    week = Week(minutes=minutes, begin=begin)
    week.machinery()
    pace = [PER_DAY * WEIGHTS[minute % DAY // HOUR] / sum(WEIGHTS) / HOUR / WORKERS for minute in range(minutes)]
    for number in range(WORKERS):
        for process in _lives(week, number):
            _worker(process, number, pace)
    for environment, count in (("staging", 2), ("test", 1)):
        for number in range(count):
            _quiet(week, environment, number)
    return week


def _lives(week: Week, number: int) -> list[Process]:
    end = SCALED_IN if number >= WORKERS - 2 else week.minutes
    bounds = [0, *(start + number for start in DEPLOYED), min(end, week.minutes)]
    spans = [Span(begin=begin, end=until - 1) for begin, until in pairwise(bounds)]
    spans[-1] = Span(begin=spans[-1].begin, end=bounds[-1])
    if number == 7:
        first = spans[0]
        spans[:1] = [Span(begin=first.begin, end=KILLED.begin), Span(begin=KILLED.end, end=first.end)]
    return [
        Process(week=week, instance=f"worker-{number}-{count}", life=each)
        for count, each in enumerate(spans)
        if each.begin < week.minutes
    ]


def _owned(number: int, minute: int) -> list[int]:
    return [number, number + 8] if number < 2 and minute >= SCALED_IN else [number]


def _worker(process: Process, number: int, pace: list[float]) -> None:
    process.basics()
    process.gauge("rate_global_per_min", _sent(number, pace))
    process.gauge("contact_inbound_max_5m", [3.0] * len(pace))
    for session in _owned(number, process.life.end):
        _session(process, session, pace, process.life if session == number else Span(begin=SCALED_IN, end=len(pace)))
    _requests(process, pace)


def _state(session: int, minute: int, process: Process) -> str:
    if session == 5 and minute in BANNED:
        return "banned"
    if minute in OUTAGE:
        return "disconnected"
    return "starting" if process.life.begin > 0 and minute == process.life.begin else "connected"


def _session(process: Process, session: int, pace: list[float], life: Span) -> None:
    """Add session *session* from the minute in which the process starts it."""
    owner = Process(week=process.week, instance=process.instance, life=Span(begin=life.begin, end=process.life.end))
    owner.life = Span(begin=max(life.begin, process.life.begin), end=process.life.end)
    states = [_state(session, minute, process) for minute in range(len(pace))]
    losses = {OUTAGE.begin: "transient"}
    if session == 5:
        losses = {BANNED.begin: "banned", OUTAGE.begin: "transient"}
    owner.session(f"n{session}", states, losses)
    own = f'session="n{session}"'
    here = [float(state == "connected") for state in states]
    came = [count * up for count, up in zip(pace, here, strict=True)]
    sent = [count * up for count, up in zip(_sent(session, pace), here, strict=True)]
    failed = [0.6 * count if session == 3 and minute in REFUSED else 0.0 for minute, count in enumerate(sent)]
    owner.counter("messages_inbound_total", came, f'{own},kind="text"')
    owner.counter("messages_outbound_total", sent, f'{own},origin="reply"')
    owner.counter("messages_outbound_failed_total", failed, f'{own},reason="timeout",fault="ours"')
    unknown = [0.005 * count for count in sent]
    owner.counter("messages_outbound_failed_total", unknown, f'{own},reason="not_on_whatsapp",fault="recipient"')
    arrived = [0.98 * count - lost for count, lost in zip(sent, failed, strict=True)]
    owner.counter("messages_delivered_total", arrived, f'{own},status="delivered"')
    waiting = [
        max(0.0, 2500 - (PACE - 5.43) * (minute - BROADCAST.begin)) if session == 1 and minute in BROADCAST else 0.0
        for minute in range(len(pace))
    ]
    owner.gauge("queue_depth", waiting, own)
    # All of the broadcast came at once, so the oldest of them grows older until the last has left.
    age_s = [60.0 * (minute - BROADCAST.begin) if count else 0.0 for minute, count in enumerate(waiting)]
    owner.gauge("queue_oldest_age_seconds", age_s, own)


def _sent(session: int, pace: list[float]) -> list[float]:
    return [PACE if session == 1 and minute in BROADCAST else count for minute, count in enumerate(pace)]


def _requests(process: Process, pace: list[float]) -> None:
    route = 'http_route="/webhook",http_request_method="POST"'
    bad = [3 * count * (0.125 if minute in DATABASE else 0.0002) for minute, count in enumerate(pace)]
    good = [3 * count - failed for count, failed in zip(pace, bad, strict=True)]
    for code, events in (("200", good), ("500", bad)):
        labels = f'{route},http_response_status_code="{code}"'
        process.histogram("http_server_request_duration_seconds", events, "5", events, labels)
    process.histogram("first_response_latency_seconds", pace, "120", [0.99 * count for count in pace])
    process.counter("first_response_unanswered_total", [0.0] * len(pace))


def _quiet(week: Week, environment: str, number: int) -> None:
    """Add a worker of staging or test, which dies with its environment."""
    gone = STAGING_AWAY if environment == "staging" else ()
    begin = 0
    for count, end in enumerate([*(each.begin for each in gone if each.begin < week.minutes), week.minutes]):
        life = Span(begin=begin, end=end)
        process = Process(week=week, instance=f"{environment}-{number}-{count}", life=life, environment=environment)
        process.basics()
        process.session(f"{environment}{number}", ["connected"] * week.minutes, {})
        process.gauge("queue_depth", [0.0] * week.minutes, f'session="{environment}{number}"')
        begin = gone[count].end if count < len(gone) else week.minutes
