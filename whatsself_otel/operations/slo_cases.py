"""Tests of the objectives: each tier's threshold, guard, windows and wait, and the value of each recorded ratio."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from whatsself_otel.operations import base
from whatsself_otel.operations.cases import BOUNDARY, FIRING, HEALTHY, VALUE, Case, flat, named, ramp
from whatsself_otel.operations.promql import minutes
from whatsself_otel.operations.slos import (
    API,
    BURN,
    EXHAUSTED,
    FIRST_RESPONSE,
    RAW_MINUTES,
    RECOVERY,
    SEND,
    windows,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from whatsself_otel.operations.model import Source

Segments = list[tuple[float, float]]

PER_MINUTE = 60.0
HOUR, DAY = 60, 1440
_SMALL = 0.1
"""Thresholds below it are passed too soon after the trouble's beginning for the time to tell which it was."""


def slo_cases(source: Source, slo: str) -> Iterator[Case]:
    """Return every test of *slo*."""
    for tier in source[f"slos.{slo}"]["tiers"]:
        yield from _tier(source, slo, tier)
    for window in dict.fromkeys((*windows(source, slo), source[f"slos.{slo}.period"])):
        yield from _values(source, slo, window)
    yield from _budget(source, slo)
    if slo == API:
        yield from _outages()
        yield from _young()
        yield from _returned()
    if slo == FIRST_RESPONSE:
        yield from _late()
    if slo == SEND:
        yield from _quiet()


def events(slo: str, good: Segments, bad: Segments, step_s: int) -> dict[str, str]:
    """Return the counters of two workers, each with half of the events a minute that the segments say."""
    series: dict[str, str] = {"process_uptime_seconds": flat((sum(m for m, _ in good), 1), step_s=step_s)}
    for name, segments in _counters(slo, good, bad):
        series[name] = ramp(*((m, n / 2) for m, n in segments), step_s=step_s)
    workers = [{_of(name, instance): values for name, values in series.items()} for instance in ("a", "b")]
    return {**workers[0], **workers[1]}


def _of(name: str, instance: str) -> str:
    metric, _, labels = name.partition("{")
    return named(metric, labels.rstrip("}"), instance=instance)


_BASES = {
    API: (base.REQUESTS_FAILED, base.REQUESTS),
    SEND: (base.FAILED, base.OUTBOUND),
    FIRST_RESPONSE: (base.UNANSWERED, base.ANSWERED_IN_TIME),
    RECOVERY: (base.RECOVERED_IN_TIME, base.RECOVERIES),
}
"""What the sums of five minutes of bad and of other events are called."""


def sums(slo: str, good: Segments, bad: Segments, window: str) -> dict[str, str]:
    """Return the same events as the recorded sums that *window* reads, where days of samples would be too many."""
    step = _sum_minutes(window)
    every = [(m, step * (n + bad[i][1])) for i, (m, n) in enumerate(good)]
    fine, wrong = ([(m, step * n) for m, n in segments] for segments in (good, bad))
    chosen = {API: (wrong, every), SEND: (wrong, every), FIRST_RESPONSE: (wrong, fine), RECOVERY: (fine, every)}[slo]
    return {
        f'{base.stepped(name, window)[0]}{{job="whatsself"}}': flat(*segments, step_s=60 * step)
        for name, segments in zip(_BASES[slo], chosen, strict=True)
    } | _alive(window, sum(m for m, _ in good))


def _alive(window: str, span: float, *down: tuple[float, float]) -> dict[str, str]:
    """Return a service that was first seen at the beginning, and the share of each step that it was down."""
    step_s = 60 * _sum_minutes(window)
    return {
        'whatsself:seen_since:timestamp_seconds{job="whatsself"}': flat((span, 0), step_s=step_s),
        f'{base.stepped(base.DOWN_SHARE, window)[0]}{{job="whatsself"}}': flat(*(down or ((span, 0),)), step_s=step_s),
    }


def _sum_minutes(window: str) -> int:
    return minutes(base.stepped("", window)[1])


def _pace(window: str) -> tuple[int, int]:
    """Return step and pace of a case over *window*: of days only a moment now and then is looked at."""
    if minutes(window) < 3 * DAY:
        return _step_s(window), 0
    return 60 * _sum_minutes(window), minutes(window) * 60 // 120


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


def _step_s(window: str) -> int:
    """Return a step of which *window* has twenty, but no longer than the sums of five minutes can take."""
    return min(minutes(window) * 60 // 20, 150)


def _rule(slo: str, tier: dict[str, Any]) -> str:
    return f"{BURN}{{slo={slo},long={tier['long']},short={tier['short']}}}"


def _tier(source: Source, slo: str, tier: dict[str, Any]) -> Iterator[Case]:
    threshold = tier["factor"] * (1 - source[f"slos.{slo}.objective"])
    # Longer windows are made of sums that are a minute old at most.
    rule, step_s = _rule(slo, tier), min(_step_s(tier["short"]), 60 if minutes(tier["long"]) < DAY else 150)
    long, short, wait = minutes(tier["long"]), minutes(tier["short"]), minutes(tier["for"])
    for kind, share, fires in ((FIRING, 2.0, 1), (BOUNDARY, 1.08, 1), (BOUNDARY, 0.92, 0), (HEALTHY, 0.1, 0)):
        bad = min(1.0, threshold * share)
        # Long enough for the wait, short enough that the wait alone decides.
        length = long + wait + 2 * short
        yield Case(
            rule=rule,
            kind=kind,
            title=f"{share:g} times the threshold",
            series=events(slo, [(length, PER_MINUTE * (1 - bad))], [(length, PER_MINUTE * bad)], step_s),
            at={length - short: fires},
            step_s=step_s,
        )
    # A wait is told from its half by samples that are closer than that.
    fine_s = step_s if 3 * step_s / 60 < 0.4 * wait else round(6 * wait)
    yield from _edges(rule, slo, (long, short, wait), threshold, fine_s)
    if threshold < _SMALL:
        yield from _one_window(rule, slo, (long, short, wait), threshold, step_s)
    yield from _guard(source, slo, rule, (long, short, wait), step_s if long <= RAW_MINUTES else 15)


def _edges(rule: str, slo: str, spans: tuple[int, int, int], threshold: float, step_s: int) -> Iterator[Case]:
    """All fails from one moment until another: when it begins and ends to fire."""
    long, short, wait = spans
    # The long window passes the threshold last when it begins, the short one first when it ends.
    begins = long + threshold * long
    lasts = threshold * long + wait + short
    good = [(long, PER_MINUTE), (lasts, 0.0), (2.0 * short, PER_MINUTE)]
    bad = [(long, 0.0), (lasts, PER_MINUTE), (2.0 * short, 0.0)]
    ends = long + lasts + short * (1 - threshold)
    slack = max(0.12 * wait, 3 * step_s / 60)
    if long > RAW_MINUTES:
        # Its sums are of whole five minutes.
        begins += 2.5
        slack += 2.5
    yield Case(
        rule=rule,
        kind=BOUNDARY,
        title="everything fails for a while",
        series=events(slo, good, bad, step_s),
        at={begins + wait - slack: 0, begins + wait + slack: 1, ends - slack: 1, ends + slack: 0},
        step_s=step_s,
    )


def _one_window(rule: str, slo: str, spans: tuple[int, int, int], threshold: float, step_s: int) -> Iterator[Case]:
    """Only one of the two windows is past the threshold, the other a little below it."""
    long, short, wait = spans
    lasts = short + wait + 3 * step_s / 60
    before = (0.92 * long - 1.2 * lasts) / (long - lasts)
    for title, first, then in (("long", before, 1.2), ("short", 1.5, 0.92)):
        shares = ((long + short, first * threshold), (lasts, then * threshold))
        yield Case(
            rule=rule,
            kind=BOUNDARY,
            title=f"only the {title} window is below the threshold",
            series=events(
                slo,
                [(length, PER_MINUTE * (1 - share)) for length, share in shares],
                [(length, PER_MINUTE * share) for length, share in shares],
                step_s,
            ),
            at={long + short + lasts - 2 * step_s / 60: 0},
            step_s=step_s,
        )


def _guard(source: Source, slo: str, rule: str, spans: tuple[int, int, int], step_s: int) -> Iterator[Case]:
    """Few events, nearly all bad."""
    _, short, wait = spans
    least = source[f"slos.{slo}.min_events"]
    for count in (least - 1, least):
        # In two steps, so that the short window sees the second half until the wait is over.
        pause = max(wait - short / 2, 0) + short / 4
        yield Case(
            rule=rule,
            kind=BOUNDARY,
            title=f"{count} bad events",
            series=_burst(slo, count, short, pause, step_s),
            at={short + pause + short * 0.6: 0 if count < least else int(wait <= pause + short * 0.6)},
            step_s=step_s,
        )


def _burst(slo: str, count: int, before: float, pause: float, step_s: int) -> dict[str, str]:
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
    return {_of(name, "a"): values for name, values in (alive | by_slo[slo]).items()}


def _values(source: Source, slo: str, window: str) -> Iterator[Case]:
    """Seven tenths of the last window were bad; before it all was good, and so was its end."""
    span, step_s, pace = minutes(window), _step_s(window), _pace(window)

    def given(good: Segments, bad: Segments) -> dict[str, str]:
        return sums(slo, good, bad, window) if pace[1] else events(slo, good, bad, step_s)

    tiers = source[f"slos.{slo}"]["tiers"]
    rule = _rule(slo, tiers[0]) if tiers else f"{EXHAUSTED}{{slo={slo}}}"
    good = [(1.5 * span, PER_MINUTE), (span, 0.0), (span, PER_MINUTE)]
    bad = [(1.5 * span, 0.0), (span, PER_MINUTE), (span, 0.0)]
    match, at = f'{{slo="{slo}"}}', 2.8 * span
    count = 0.7 * span * PER_MINUTE
    values = {
        (f"slo:error_ratio:{window}{match}", at): 0.7,
        (f"slo:bad_events:{window}{match} / {count:g}", at): 1,
    }
    if window == source[f"slos.{slo}.period"]:
        values[f"slo:total_events:{window}{match} / {span * PER_MINUTE:g}", at] = 1
        values[f"slo:total_events:{window}{match} / {span * PER_MINUTE:g}", 1.4 * span] = 1
    yield Case(
        rule=rule,
        kind=VALUE,
        title=f"seven tenths of {window} were bad",
        series=given(good, bad),
        values=values,
        step_s=pace[0],
        every_s=pace[1],
    )
    born = {key: text for key, text in given(good[:1], bad[:1]).items() if not _is_bad(slo, key)}
    yield Case(
        rule=rule,
        kind=VALUE,
        title=f"no bad event of {window} was ever born",
        series=born,
        values={
            (f"slo:error_ratio:{window}{match}", span): 0,
            (f"slo:bad_events:{window}{match}", span): 0,
            **_all(source, slo, window),
        },
        step_s=pace[0],
        every_s=pace[1],
    )
    if slo == FIRST_RESPONSE:
        share = {"first_response_failed_total": 0.25, 'first_response_latency_seconds_bucket{le="120"}': 1.0}
        yield Case(
            rule=rule,
            kind=VALUE,
            title=f"a quarter of the replies of {window} failed after they were recorded, and no wait was in vain",
            series={
                f'{base.stepped(recorded, window)[0]}{{job="whatsself"}}': flat(
                    (1.5 * span, _sum_minutes(window) * PER_MINUTE * part), step_s=60 * _sum_minutes(window)
                )
                for recorded, part in zip((base.TAKEN_BACK, base.ANSWERED_IN_TIME), share.values(), strict=True)
            }
            if pace[1]
            else {_of(name, "a"): ramp((1.5 * span, PER_MINUTE * part), step_s=step_s) for name, part in share.items()},
            values={
                (f"slo:error_ratio:{window}{match}", span): 0.25,
                (f"slo:bad_events:{window}{match} / {0.25 * span * PER_MINUTE:g}", span): 1,
                **_all(source, slo, window),
            },
            step_s=pace[0],
            every_s=pace[1],
        )
    if slo in (FIRST_RESPONSE, RECOVERY):
        yield Case(
            rule=rule,
            kind=VALUE,
            title=f"no good event of {window} was ever born",
            series={
                key: text
                for key, text in given([(1.5 * span, 0.0)], [(1.5 * span, PER_MINUTE)]).items()
                if "_bucket" not in key and "in_time" not in key
            },
            values={
                (f"slo:error_ratio:{window}{match}", span): 1,
                (f"slo:bad_events:{window}{match} / {span * PER_MINUTE:g}", span): 1,
                **_all(source, slo, window),
            },
            step_s=pace[0],
            every_s=pace[1],
        )
        if pace[1]:
            return
        yield Case(
            rule=rule,
            kind=VALUE,
            title=f"{window} by scrape, which spells the bound with a decimal",
            series={
                key.replace('le="120"', 'le="120.0"').replace('le="300"', 'le="300.0"'): text
                for key, text in events(slo, good, bad, step_s).items()
            },
            values={(f"slo:error_ratio:{window}{match}", at): 0.7},
            step_s=step_s,
        )
    if slo == API:
        yield from _down(rule, window)


def _all(source: Source, slo: str, window: str) -> dict[tuple[str, float], float]:
    """Return how many events there were by the end of a first whole window."""
    if window != source[f"slos.{slo}.period"]:
        return {}
    span = minutes(window)
    return {(f'slo:total_events:{window}{{slo="{slo}"}} / {span * PER_MINUTE:g}', span): 1}


def _is_bad(slo: str, key: str) -> bool:
    words = {API: ('"500"', "requests_failed"), SEND: ("failed",), FIRST_RESPONSE: ("unanswered",), RECOVERY: ()}[slo]
    return any(word in key for word in words)


def _down(rule: str, window: str) -> Iterator[Case]:
    """Half of the time no heartbeat; half of the requests of the rest failed, or there were none."""
    yield from _first(rule, window)
    if minutes(window) < HOUR:
        yield from _silent(rule, window)
        return
    span, pace, match = minutes(window), _pace(window), '{slo="api-availability"}'
    count, at = "http_server_request_duration_seconds_count", 1.75 * span
    if pace[1]:
        failing = sums(API, [(2.5 * span, 30)], [(2.5 * span, 30)], window)
        beat = _alive(window, 2.5 * span, (span, 0), (span / 2, 1), (span, 0))
        calm = {**beat}
    else:
        beat = calm = {named("process_uptime_seconds"): flat((span, 1), (span / 2, None), (span, 1), step_s=pace[0])}
        failing = {
            named(count, f'http_response_status_code="{status}"'): ramp((2.5 * span, 30), step_s=pace[0])
            for status in (200, 500)
        }
    yield Case(
        rule=rule,
        kind=VALUE,
        title=f"half of {window} without a heartbeat or a request",
        series=calm,
        values={
            (f"slo:error_ratio:{window}{match}", at): 0.5,
            (f"slo:bad_events:{window}{match} / {span / 2:g}", at): 1,
            (f"slo:bad_events:{window}{match} - on (job) {span:g} * whatsself:down:ratio_{window}", at): 0,
        },
        step_s=pace[0],
        every_s=pace[1],
    )
    yield Case(
        rule=rule,
        kind=VALUE,
        title=f"half of {window} without a heartbeat, half of the requests failed",
        series=failing | beat,
        values={(f"slo:error_ratio:{window}{match}", at): 0.75},
        step_s=pace[0],
        every_s=pace[1],
    )


def _silent(rule: str, window: str) -> Iterator[Case]:
    """Silence in windows that are too short for one half of them to be silent: it is known after two minutes."""
    # Minutes with and without a heartbeat, when to look, the share of the window's samples that are down, and the step.
    (alive, silent), at, share, step_s = {"5m": ((5, 5), 9, 5 / 10, 15), "30m": ((30, 30), 50, 38 / 60, 30)}[window]
    yield Case(
        rule=rule,
        kind=VALUE,
        title=f"silence in {window}",
        series={named("process_uptime_seconds"): flat((alive, 1), (silent, None), (alive, 1), step_s=step_s)},
        values={
            (f"whatsself:down:ratio_{window}", at): share,
            (f"slo:error_ratio:{window}", at): share,
            (f"slo:bad_events:{window} - on (job) {minutes(window):g} * whatsself:down:ratio_{window}", at): 0,
        },
        step_s=step_s,
    )


def _first(rule: str, window: str) -> Iterator[Case]:
    """A service that is younger than the window: the time before it was first seen counts as available."""
    span, pace = minutes(window), _pace(window)
    # Silence is known after two minutes.
    alive = 0.65 * span if span > minutes("5m") else 0.2 * span
    if pace[1]:
        share = base.stepped(base.DOWN_SHARE, window)[0]
        beat, whole = _alive(window, span, (alive, 0), (span - alive, 1)), f"avg_over_time({share}[{window}])"
    else:
        beat = {named("process_uptime_seconds"): flat((alive, 1), (span - alive, None), step_s=pace[0])}
        whole = f"(1 - avg_over_time(whatsself:up[{window}]))"
    yield Case(
        rule=rule,
        kind=VALUE,
        title=f"four fifths of {window} after it was first seen",
        series=beat,
        values={(f"whatsself:down:ratio_{window} / {whole}", 0.8 * span): 0.8},
        step_s=pace[0],
        every_s=pace[1],
    )


def _budget(source: Source, slo: str) -> Iterator[Case]:
    rule, match = f"{EXHAUSTED}{{slo={slo}}}", f'slo:budget_remaining:ratio{{slo="{slo}"}}'
    period, budget = source[f"slos.{slo}.period"], 1 - source[f"slos.{slo}.objective"]
    # A tenth of the period's data is enough: an increase does not reach back beyond the first sample.
    step_s = 120
    length = 200.0
    for kind, share, fires in ((FIRING, 3.0, 1), (BOUNDARY, 1.1, 1), (BOUNDARY, 0.9, 0), (HEALTHY, 0.0, 0)):
        bad = PER_MINUTE * budget * share
        yield Case(
            rule=rule,
            kind=kind,
            title=f"{share:g} of the budget of {period}",
            series=events(slo, [(length, PER_MINUTE - bad)], [(length, bad)], step_s),
            at={length - 40: fires},
            values={(match, length - 40): 1 - share},
            step_s=step_s,
        )
    least = source[f"slos.{slo}.min_events"]
    for count, fires in ((least - 1, 0), (least, 1)):
        yield Case(
            rule=rule,
            kind=BOUNDARY,
            title=f"{count} bad events",
            series=_burst(slo, count, 20, 20, step_s),
            at={100: fires},
            step_s=step_s,
        )
    # The last bad event comes at 40 minutes; a sum of an hour is first read when the hour is over.
    seen = 40 if _sum_minutes(period) < 60 else 60
    yield Case(
        rule=rule,
        kind=BOUNDARY,
        title="for five minutes",
        series=_burst(slo, least, 20, 20, step_s),
        at={seen + 4: 0, seen + 6: 1},
        step_s=step_s,
    )


def _outages() -> Iterator[Case]:
    """Total outages of the API."""
    rule = f"{BURN}{{slo={API},long=1h,short=5m}}"
    count = "http_server_request_duration_seconds_count"
    yield Case(
        rule=rule,
        kind=FIRING,
        title="a dead application with no requests pages as well",
        series={named("process_uptime_seconds"): flat((60, 1), (30, None))},
        at={60: 0, 70: 1},
    )
    yield Case(
        rule=rule,
        kind=FIRING,
        title="every request fails, pages within 8 minutes",
        series={
            named("process_uptime_seconds"): flat((90, 1)),
            named(count, 'http_response_status_code="200"'): ramp((60, 6), (30, 0)),
            named(count, 'http_response_status_code="500"'): flat((60, None)) + " " + ramp((30, 6), start=1),
        },
        at={60: 0, 68: 1},
    )
    yield Case(
        rule=rule,
        kind=HEALTHY,
        title="one restart as a new instance",
        series={
            named("process_uptime_seconds"): flat((60, 1)),
            named("process_uptime_seconds", instance="b"): flat((61, None), (60, 1)),
            named(count, 'http_response_status_code="200"'): ramp((60, 20)),
            named(count, 'http_response_status_code="200"', instance="b"): flat((61, None)) + " " + ramp((60, 20)),
        },
        at={62: 0, 65: 0, 90: 0},
    )


def _young() -> Iterator[Case]:
    """A new installation that is restarted: what nobody has seen yet was not down."""
    beat = {named("process_uptime_seconds"): flat((20, 1), (10, None), (200, 1), step_s=120)}
    since = "whatsself:seen_since:timestamp_seconds"
    yield Case(
        rule=f"{EXHAUSTED}{{slo={API}}}",
        kind=HEALTHY,
        title="eight minutes away in the first hour are no month's budget",
        series=beat,
        at={40: 0, 60: 0, 200: 0},
        # Silence is known after two minutes, and some of the ratio is that of requests, of which there are none.
        values={(f'slo:budget_remaining:ratio{{slo="{API}"}}', 200): 1 - 8 / 43_200 / 0.005},
        step_s=120,
    )
    yield Case(
        rule=f"{BURN}{{slo={API},long=6h,short=30m}}",
        kind=HEALTHY,
        title="eight minutes away in the first hour are no six hours' burn",
        series=beat,
        at={40: 0, 48: 0, 60: 0},
        values={(since, 15): 0, (since, 25): 0, (since, 200): 0},
        step_s=120,
    )


def _returned() -> Iterator[Case]:
    """A service that was away: when it was first seen is remembered for as long as the objective looks back."""
    step_s = 43_200
    for away, since in ((30, 0), (54, 57)):
        yield Case(
            rule=f"{BURN}{{slo={API},long=6h,short=30m}}",
            kind=VALUE,
            title=f"back after {away} days",
            series={
                named("process_uptime_seconds"): flat((3 * DAY, 1), (away * DAY, None), (6 * DAY, 1), step_s=step_s)
            },
            values={("whatsself:seen_since:timestamp_seconds / 86400", (3 + away + 3) * DAY): since},
            step_s=step_s,
        )


def _late() -> Iterator[Case]:
    """A late reply is in the histogram and was counted as unanswered: it is one bad event, not two."""
    yield Case(
        rule=f"{BURN}{{slo={FIRST_RESPONSE},long=6h,short=30m}}",
        kind=HEALTHY,
        title="2 of 9 waited too long, a day's work of a small shop",
        series={
            named("process_uptime_seconds"): flat((300, 1), step_s=90),
            named("first_response_latency_seconds_bucket", 'le="120"'): flat((60, 0), (240, 7), step_s=90),
            named("first_response_latency_seconds_count"): flat((60, 0), (240, 9), step_s=90),
            named("first_response_unanswered_total"): flat((90, 0), (210, 2), step_s=90),
        },
        at={95: 0, 110: 0},
        step_s=90,
    )


def _quiet() -> Iterator[Case]:
    """One quiet hour."""
    for long, short, step_s in (("2h", "15m", 45), ("6h", "30m", 90), ("1d", "1h", 180)):
        yield Case(
            rule=f"{BURN}{{slo={SEND},long={long},short={short}}}",
            kind=HEALTHY,
            title="3 messages in an hour, one of them failed",
            series={
                named("messages_outbound_total", 'origin="reply"'): flat(
                    (30, 0), (20, 1), (20, 2), (400, 3), step_s=step_s
                ),
                named("messages_outbound_failed_total", 'reason="network"'): flat((50, 0), (420, 1), step_s=step_s),
            },
            at={60: 0, 90: 0, 180: 0},
            step_s=step_s,
        )
