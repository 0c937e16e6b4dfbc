"""Good and bad events of an objective as series: raw, or as the recorded sums that a long window reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from whatsself_otel.operations import base
from whatsself_otel.operations.cases import flat, named, ramp
from whatsself_otel.operations.promql import minutes
from whatsself_otel.operations.slos import API, BURN, FIRST_RESPONSE, RECOVERY, SEND

if TYPE_CHECKING:
    from collections.abc import Iterator

Segments = list[tuple[float, float]]

PER_MINUTE = 60.0
HOUR, DAY = 60, 1440


def events(slo: str, good: Segments, bad: Segments, step_s: int) -> dict[str, str]:
    """Return the counters of two workers, each with half of the events a minute that the segments say."""
    series: dict[str, str] = {"process_uptime_seconds": flat((sum(m for m, _ in good), 1), step_s=step_s)}
    for name, segments in _counters(slo, good, bad):
        series[name] = ramp(*((m, n / 2) for m, n in segments), step_s=step_s)
    workers = [{of(name, instance): values for name, values in series.items()} for instance in ("a", "b")]
    return {**workers[0], **workers[1]}


def of(name: str, instance: str) -> str:
    """Return a series, with or without labels, as one of the service."""
    metric, _, labels = name.partition("{")
    return named(metric, labels.rstrip("}"), instance=instance)


_BASES = {
    API: (base.REQUESTS_FAILED, base.REQUESTS),
    SEND: (base.FAILED, base.OUTBOUND),
    FIRST_RESPONSE: (base.UNANSWERED, base.ANSWERED_IN_TIME),
    RECOVERY: (base.RECOVERED_IN_TIME, base.RECOVERIES),
}
"""Names of the five-minute sums: of bad events, and of the others."""


def sums(slo: str, good: Segments, bad: Segments, window: str) -> dict[str, str]:
    """Return the same events as the recorded sums that *window* reads, where days of samples would be too many."""
    step = sum_minutes(window)
    every = [(m, step * (n + bad[i][1])) for i, (m, n) in enumerate(good)]
    fine, wrong = ([(m, step * n) for m, n in segments] for segments in (good, bad))
    chosen = {API: (wrong, every), SEND: (wrong, every), FIRST_RESPONSE: (wrong, fine), RECOVERY: (fine, every)}[slo]
    return {
        f'{base.stepped(name, window)[0]}{{job="whatsself"}}': flat(*segments, step_s=60 * step)
        for name, segments in zip(_BASES[slo], chosen, strict=True)
    } | heartbeat(window, sum(m for m, _ in good))


def heartbeat(window: str, span: float, *down: tuple[float, float]) -> dict[str, str]:
    """Return a service that was first seen at the beginning, and the share of each step that it was down."""
    step_s = 60 * sum_minutes(window)
    return {
        'whatsself:seen_since:timestamp_seconds{job="whatsself"}': flat((span, 0), step_s=step_s),
        f'{base.stepped(base.DOWN_SHARE, window)[0]}{{job="whatsself"}}': flat(*(down or ((span, 0),)), step_s=step_s),
    }


def sum_minutes(window: str) -> int:
    """Return how many minutes a sum has that *window* reads."""
    return minutes(base.stepped("", window)[1])


def pace_of(window: str) -> tuple[int, int]:
    """Return step and pace of a case over *window*: of days only a moment now and then is looked at."""
    if minutes(window) < 3 * DAY:
        return step_of(window), 0
    return 60 * sum_minutes(window), minutes(window) * 60 // 120


def _counters(slo: str, good: Segments, bad: Segments) -> Iterator[tuple[str, Segments]]:
    both = [(m, n + bad[i][1]) for i, (m, n) in enumerate(good)]
    if slo == API:
        yield 'http_server_request_duration_seconds_count{http_response_status_code="200"}', good
        yield 'http_server_request_duration_seconds_count{http_response_status_code="500"}', bad
        # Requests that nobody waited for are outside the objective, however many there are.
        yield 'http_server_request_duration_seconds_count{error_type="CancelledError"}', both
    elif slo == SEND:
        yield 'messages_outbound_total{origin="reply"}', both
        yield 'messages_outbound_failed_total{reason="network"}', bad
    elif slo == FIRST_RESPONSE:
        yield 'first_response_latency_seconds_bucket{le="120"}', good
        # Half of the late ones are answered after all.
        yield (
            'first_response_latency_seconds_bucket{le="180"}',
            [(m, n + bad[i][1] / 2) for i, (m, n) in enumerate(good)],
        )
        yield "first_response_unanswered_total", bad
    else:
        yield 'whatsapp_session_recovery_seconds_bucket{session="main",le="300"}', good
        yield 'whatsapp_session_recovery_seconds_count{session="main"}', both


def step_of(window: str) -> int:
    """Return a step of which *window* has twenty, but no longer than the sums of five minutes can take."""
    return min(minutes(window) * 60 // 20, 150)


def rule_of(slo: str, tier: dict[str, Any]) -> str:
    """Return the name of the burn-rate alert of *tier*."""
    return f"{BURN}{{slo={slo},long={tier['long']},short={tier['short']}}}"


def burst(slo: str, count: int, before: float, pause: float, step_s: int) -> dict[str, str]:
    """One bad event after *before* minutes, the others *pause* later, and a few good ones with them."""
    after = max(400 * step_s / 60, 3.5 * before)

    def steps(*totals: float) -> str:
        spans = (before, pause, after)
        return flat(*zip(spans, totals, strict=True), step_s=step_s)

    bad, all_ = steps(0, 1, count), steps(0, 1.2, count + 0.2)
    good = steps(0, 0.2, 0.2)
    by_slo = {
        API: {
            'http_server_request_duration_seconds_count{http_response_status_code="200"}': good,
            'http_server_request_duration_seconds_count{http_response_status_code="500"}': bad,
        },
        SEND: {
            'messages_outbound_total{origin="reply"}': all_,
            'messages_outbound_failed_total{reason="network"}': bad,
        },
        FIRST_RESPONSE: {
            'first_response_latency_seconds_bucket{le="120"}': good,
            "first_response_unanswered_total": bad,
        },
        RECOVERY: {
            'whatsapp_session_recovery_seconds_bucket{session="main",le="300"}': good,
            'whatsapp_session_recovery_seconds_count{session="main"}': all_,
        },
    }
    alive = {"process_uptime_seconds": flat((before + pause + after, 1), step_s=step_s)}
    return {of(name, "a"): values for name, values in (alive | by_slo[slo]).items()}
