"""Tests of the ratios that the objectives record: each window's value, with and without each kind of event."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from whatsself_otel.operations import base
from whatsself_otel.operations.cases import VALUE, Case, flat, named, ramp
from whatsself_otel.operations.promql import minutes
from whatsself_otel.operations.slo_events import (
    HOUR,
    PER_MINUTE,
    Segments,
    events,
    heartbeat,
    of,
    pace_of,
    rule_of,
    step_of,
    sum_minutes,
    sums,
)
from whatsself_otel.operations.slos import API, EXHAUSTED, FIRST_RESPONSE, RAW_MINUTES, RECOVERY, SEND

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from whatsself_otel.operations.model import Source


@dataclass(frozen=True, slots=True)
class Window:
    """A window of an objective, and the cases of its recorded ratios."""

    slo: str
    length: str
    rule: str
    """The alert under whose name the cases stand."""
    is_period: bool

    @property
    def span(self) -> int:
        """Minutes."""
        return minutes(self.length)

    def of(self, what: str) -> str:
        """Return the recorded ``total_events``, ``bad_events`` or ``error_ratio``."""
        return f'slo:{what}:{self.length}{{slo="{self.slo}"}}'

    def given(self, good: Segments, bad: Segments) -> dict[str, str]:
        """Return these events as the series that the window reads."""
        if pace_of(self.length)[1]:
            return sums(self.slo, good, bad, self.length)
        return events(self.slo, good, bad, step_of(self.length))

    def all_at(self, minute: float) -> dict[tuple[str, float], float]:
        """Return that all events of a whole window are counted at *minute*."""
        return {(f"{self.of('total_events')} / {self.span * PER_MINUTE:g}", minute): 1} if self.is_period else {}

    def case(self, title: str, series: Mapping[str, str], values: Mapping[tuple[str, float], float]) -> Case:
        """Return a case of this window."""
        step_s, every_s = pace_of(self.length)
        return Case(
            rule=self.rule, kind=VALUE, title=title, series=series, values=values, step_s=step_s, every_s=every_s
        )


def value_cases(source: Source, slo: str, window: str) -> Iterator[Case]:
    """Return the tests of what *slo* records over *window*."""
    tiers = source[f"slos.{slo}"]["tiers"]
    rule = rule_of(slo, tiers[0]) if tiers else f"{EXHAUSTED}{{slo={slo}}}"
    given = Window(slo, window, rule, is_period=window == source[f"slos.{slo}.period"])
    yield from _mixed(given)
    if slo == FIRST_RESPONSE:
        yield _taken_back(given)
    if slo in (FIRST_RESPONSE, RECOVERY):
        yield from _no_good(given)
    if slo == API:
        yield from _down(rule, window)


def _after_trouble(window: Window) -> tuple[Segments, Segments]:
    """Return good and bad events: one window is bad; before it all is good, and so is what follows."""
    span = window.span
    good = [(1.5 * span, PER_MINUTE), (span, 0.0), (span, PER_MINUTE)]
    return good, [(length, PER_MINUTE - pace) for length, pace in good]


def _mixed(window: Window) -> Iterator[Case]:
    span, (good, bad) = window.span, _after_trouble(window)
    at, count = 2.8 * span, 0.7 * span * PER_MINUTE
    values = {(window.of("error_ratio"), at): 0.7, (f"{window.of('bad_events')} / {count:g}", at): 1.0}
    values |= window.all_at(at) | window.all_at(1.4 * span)
    yield window.case(f"seven tenths of {window.length} were bad", window.given(good, bad), values)
    born = {key: text for key, text in window.given(good[:1], bad[:1]).items() if not _is_bad(window.slo, key)}
    values = {(window.of("error_ratio"), span): 0.0, (window.of("bad_events"), span): 0.0, **window.all_at(span)}
    yield window.case(f"no bad event of {window.length} was ever born", born, values)


def _taken_back(window: Window) -> Case:
    span, share, length = window.span, 0.25, 1.5 * window.span
    if pace_of(window.length)[1]:
        every = sum_minutes(window.length)
        series = {
            f'{base.stepped(name, window.length)[0]}{{job="whatsself"}}': flat(
                (length, every * PER_MINUTE * part), step_s=60 * every
            )
            for name, part in ((base.TAKEN_BACK, share), (base.ANSWERED_IN_TIME, 1.0))
        }
    else:
        raw = (("first_response_failed_total", share), ('first_response_latency_seconds_bucket{le="120"}', 1.0))
        series = {of(name, "a"): ramp((length, PER_MINUTE * part), step_s=step_of(window.length)) for name, part in raw}
    # Later than a window after the beginning, so that a longer one would hold more.
    at = 1.4 * span
    values = {
        (window.of("error_ratio"), at): share,
        (f"{window.of('bad_events')} / {share * span * PER_MINUTE:g}", at): 1.0,
        **window.all_at(at),
    }
    return window.case(
        f"a quarter of the replies of {window.length} failed after they were recorded, and no wait was in vain",
        series,
        values,
    )


def _no_good(window: Window) -> Iterator[Case]:
    span = window.span
    given = window.given([(1.5 * span, 0.0)], [(1.5 * span, PER_MINUTE)])
    series = {key: text for key, text in given.items() if "_bucket" not in key and "in_time" not in key}
    values = {
        (window.of("error_ratio"), span): 1.0,
        (f"{window.of('bad_events')} / {span * PER_MINUTE:g}", span): 1.0,
        **window.all_at(span),
    }
    yield window.case(f"no good event of {window.length} was ever born", series, values)
    if pace_of(window.length)[1]:
        return
    scraped = {
        key.replace('le="120"', 'le="120.0"').replace('le="300"', 'le="300.0"'): text
        for key, text in window.given(*_after_trouble(window)).items()
    }
    yield window.case(
        f"{window.length} by scrape, which spells the bound with a decimal",
        scraped,
        {(window.of("error_ratio"), 2.8 * span): 0.7},
    )


def _is_bad(slo: str, key: str) -> bool:
    words = {API: ('"500"', "requests_failed"), SEND: ("failed",), FIRST_RESPONSE: ("unanswered",), RECOVERY: ()}[slo]
    return any(word in key for word in words)


def _down(rule: str, window: str) -> Iterator[Case]:
    """Half of the time no heartbeat; half of the requests of the rest failed, or there were none."""
    yield from _first(rule, window)
    if minutes(window) < HOUR:
        yield from _silent(rule, window)
        return
    span, pace, match = minutes(window), pace_of(window), '{slo="api-availability"}'
    count, at = "http_server_request_duration_seconds_count", 1.75 * span
    if pace[1]:
        failing = sums(API, [(2.5 * span, 30)], [(2.5 * span, 30)], window)
        beat = heartbeat(window, 2.5 * span, (span, 0), (span / 2, 1), (span, 0))
        calm = {**beat}
    else:
        beat = calm = {named("process_uptime_seconds"): flat((span, 1), (span / 2, None), (span, 1), step_s=pace[0])}
        failing = {
            named(count, f'http_response_status_code="{status}"'): ramp((2.5 * span, 1), step_s=pace[0])
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
    beat = {named("process_uptime_seconds"): flat((alive, 1), (silent, None), (alive, 1), step_s=step_s)}
    requests = {
        named("http_server_request_duration_seconds_count", f'http_response_status_code="{status}"'): ramp(
            (2 * alive + silent, 1), step_s=step_s
        )
        for status in (200, 500)
    }
    yield Case(
        rule=rule,
        kind=VALUE,
        title=f"silence in {window}, half of the requests failed",
        series=beat | requests,
        values={(f"slo:error_ratio:{window}", at): 0.5 + share / 2},
        step_s=step_s,
    )
    yield Case(
        rule=rule,
        kind=VALUE,
        title=f"silence in {window}",
        series=beat,
        values={
            (f"whatsself:down:ratio_{window}", at): share,
            (f"slo:error_ratio:{window}", at): share,
            (f"slo:bad_events:{window} - on (job) {minutes(window):g} * whatsself:down:ratio_{window}", at): 0,
        },
        step_s=step_s,
    )


def _first(rule: str, window: str) -> Iterator[Case]:
    """A service that is younger than the window: the time before it was first seen counts as available."""
    span, pace = minutes(window), pace_of(window)
    # Silence is known after two minutes.
    alive = 0.65 * span if span > minutes("5m") else 0.2 * span
    if pace[1]:
        share = base.stepped(base.DOWN_SHARE, window)[0]
        beat, whole = heartbeat(window, span, (alive, 0), (span - alive, 1)), f"avg_over_time({share}[{window}])"
    else:
        beat = {named("process_uptime_seconds"): flat((alive, 1), (span - alive, None), step_s=pace[0])}
        share, step = base.stepped(base.DOWN_SHARE, window)
        # A long window is read from sums, which know of the silence some minutes later.
        is_long = span > RAW_MINUTES
        whole = f"avg_over_time({share}[{window}:{step}])" if is_long else f"avg_over_time(whatsself:down[{window}])"
    yield Case(
        rule=rule,
        kind=VALUE,
        title=f"four fifths of {window} after it was first seen",
        series=beat,
        values={(f"whatsself:down:ratio_{window} / {whole}", 0.8 * span): 0.8},
        step_s=pace[0],
        every_s=pace[1],
    )
