"""Tests of the objectives: each tier's threshold, guard, windows and wait."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from whatsself_otel.operations.cases import BOUNDARY, FIRING, HEALTHY, Case, flat, named, ramp, while_closed
from whatsself_otel.operations.promql import minutes
from whatsself_otel.operations.slo_events import DAY, PER_MINUTE, burst, events, rule_of, step_of, sum_minutes
from whatsself_otel.operations.slo_value_cases import value_cases
from whatsself_otel.operations.slos import API, BURN, EXHAUSTED, FIRST_RESPONSE, RAW_MINUTES, SEND, windows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from whatsself_otel.operations.model import Source

_SMALL = 0.1
"""Smaller thresholds are passed so soon that the time does not tell one from another."""
_COARSE_MIN = 10
"""A shorter wait is not told from its half where a window is made of sums of five minutes."""


def slo_cases(source: Source, slo: str) -> Iterator[Case]:
    """Return every test of *slo*."""
    for tier in source[f"slos.{slo}"]["tiers"]:
        yield from _tier(source, slo, tier)
    for window in dict.fromkeys((*windows(source, slo), source[f"slos.{slo}.period"])):
        yield from value_cases(source, slo, window)
    yield from _budget(source, slo)
    yield from _held(source, slo)
    if slo == API:
        yield from _outages()
        yield from _young()
    if slo == FIRST_RESPONSE:
        yield from _late()
    if slo == SEND:
        yield from _quiet()


def _tier(source: Source, slo: str, tier: dict[str, Any]) -> Iterator[Case]:
    threshold = tier["factor"] * (1 - source[f"slos.{slo}.objective"])
    # Longer windows are made of sums that are a minute old at most.
    rule, step_s = rule_of(slo, tier), min(step_of(tier["short"]), 60 if minutes(tier["long"]) < DAY else 150)
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
    if long > RAW_MINUTES and wait < _COARSE_MIN:
        yield _wait(rule, slo, tier)
    if threshold < _SMALL:
        yield from _one_window(rule, slo, (long, short, wait), threshold, step_s)
    yield from _guard(source, slo, rule, (long, short, wait), step_s if long <= RAW_MINUTES else 15)


def _wait(rule: str, slo: str, tier: dict[str, Any]) -> Case:
    """Return the case of the wait alone; the recorded ratios are given."""
    wait = minutes(tier["for"])
    match = f'{{job="whatsself",slo="{slo}"}}'
    series = {f"slo:error_ratio:{tier[end]}{match}": flat((20, 0), (60, 1), step_s=30) for end in ("long", "short")}
    series[f"slo:bad_events:{tier['long']}{match}"] = flat((80, 100), step_s=30)
    at = {20 + 0.7 * wait: 0, 20 + 1.3 * wait: 1}
    return Case(rule=rule, kind=BOUNDARY, title=f"for {tier['for']}", series=series, at=at, step_s=30)


def _held(source: Source, slo: str) -> Iterator[Case]:
    """Each warning whose cause ends while the business is closed; the recorded ratios are given."""
    config, match = source[f"slos.{slo}"], f'{{job="whatsself",slo="{slo}"}}'
    tiers = [tier for tier in config["tiers"] if tier["severity"] == "warning"]
    rules: list[tuple[str, tuple[str, ...], int]] = [
        (rule_of(slo, tier), (tier["long"], tier["short"]), minutes(tier["for"])) for tier in tiers
    ]
    rules.append((f"{EXHAUSTED}{{slo={slo}}}", (config["period"],), minutes(source["budget_for"])))
    if slo in (API, SEND):
        yield from (_told(slo, tier) for tier in tiers)
    for rule, read, wait in rules:
        closes = wait + 60.0
        ratio = flat((closes + 20, 1), (220, 0), step_s=60)
        series = {f"slo:error_ratio:{window}{match}": ratio for window in read}
        series[f"slo:bad_events:{read[0]}{match}"] = flat((closes + 240, 100), step_s=60)
        yield while_closed(rule, series, closes=closes, opens=closes + 120, step_s=60)


def _told(slo: str, tier: dict[str, Any]) -> Case:
    """Return the case of a warning after trouble that people were told of; the recorded ratios are given."""
    alert = {API: "WhatsSelfServiceAway", SEND: "WhatsSelfSendFailureHigh"}[slo]
    short, wait, ends = minutes(tier["short"]), minutes(tier["for"]), 30.0
    length = ends + short + 2 * wait
    match = f'{{job="whatsself",slo="{slo}"}}'
    series = {
        f"slo:error_ratio:{window}{match}": flat((length, 1), step_s=60) for window in (tier["long"], tier["short"])
    }
    series[f"slo:bad_events:{tier['long']}{match}"] = flat((length, 100), step_s=60)
    told = f'ALERTS{{alertname="{alert}",alertstate="firing",job="whatsself",severity="x"'
    series[f"{told}}}"] = flat((ends, 1), (length - ends, None), step_s=60)
    # Another service's, one that nobody was told of, and another alert.
    others = (told.replace("whatsself", "other"), told.replace("firing", "pending"), told.replace(alert, "Another"))
    series |= {f"{other}}}": flat((length, 1), step_s=60) for other in others}
    begins = ends + short + wait
    return Case(
        rule=rule_of(slo, tier),
        kind=BOUNDARY,
        title="after what people were told of",
        series=series,
        at={begins - 0.3 * wait: 0, begins + 0.3 * wait: 1},
        step_s=60,
    )


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
            series=burst(slo, count, short, pause, step_s),
            at={short + pause + short * 0.6: 0 if count < least else int(wait <= pause + short * 0.6)},
            step_s=step_s,
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
            series=burst(slo, count, 20, 20, step_s),
            at={100: fires},
            step_s=step_s,
        )
    # The last bad event comes at 40 minutes; a sum of an hour is first read when the hour is over.
    seen = 40 if sum_minutes(period) < 60 else 60
    yield Case(
        rule=rule,
        kind=BOUNDARY,
        title="for five minutes",
        series=burst(slo, least, 20, 20, step_s),
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
    """Restart a new installation: the time before it was first seen does not count as down."""
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
