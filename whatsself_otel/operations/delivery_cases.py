"""Tests of the rules about delivery, and of the sums they read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from whatsself_otel.operations.cases import BOUNDARY, FIRING, HEALTHY, Case, flat, named, ramp, service

if TYPE_CHECKING:
    from collections.abc import Iterator

SENT, FAILED, DELIVERED = "messages_outbound_total", "messages_outbound_failed_total", "messages_delivered_total"
CAME, CONNECTED = "messages_inbound_total", "whatsapp_session_connected"
MAIN = 'session="main"'
HOUR = 60.0
MINUTE_S = 60


def cases() -> Iterator[Case]:
    """Return every test of these rules."""
    yield from _acknowledged()
    yield from _silent()
    yield from _late()


def _counter(name: str, labels: str, *segments: tuple[float, float], instance: str = "a") -> dict[str, str]:
    return {named(name, f"{labels},{MAIN}", instance=instance): ramp(*segments, step_s=MINUTE_S)}


def _acknowledged() -> Iterator[Case]:
    rule = "WhatsSelfNotAcknowledged"

    def sends(*told: tuple[float, float], failing: float = 0, pace: float = 0.1) -> dict[str, str]:
        return {
            **_counter(SENT, 'origin="reply"', (24 * HOUR, pace / 2)),
            **_counter(SENT, 'origin="reply"', (24 * HOUR, pace / 2), instance="b"),
            **_counter(FAILED, 'reason="network"', (24 * HOUR, failing)),
            **_counter(DELIVERED, 'status="delivered"', *told),
        }

    stops = sends((6 * HOUR, 0.1), (18 * HOUR, 0))
    at = {5 * HOUR: 0, 10 * HOUR: 1, 20 * HOUR: 1}
    yield Case(rule=rule, kind=FIRING, title="acknowledgements stop", series=stops, at=at, step_s=MINUTE_S)
    at = {9 * HOUR - 10: 0, 9 * HOUR + 20: 1}
    yield Case(rule=rule, kind=BOUNDARY, title="three hours after the last", series=stops, at=at, step_s=MINUTE_S)
    never = sends((24 * HOUR, 0))
    yield Case(
        rule=rule,
        kind=HEALTHY,
        title="the application never tells of any",
        series=never,
        at={10 * HOUR: 0},
        step_s=MINUTE_S,
    )
    refused = sends((6 * HOUR, 0.1), (18 * HOUR, 0), failing=0.08)
    yield Case(rule=rule, kind=HEALTHY, title="most were refused", series=refused, at={12 * HOUR: 0}, step_s=MINUTE_S)
    rare = sends((6 * HOUR, 0.1), *[(170, 0), (1, 1)] * 6)
    yield Case(
        rule=rule, kind=HEALTHY, title="one comes every three hours", series=rare, at={12 * HOUR: 0}, step_s=MINUTE_S
    )
    for pace, fires in ((0.024, 0), (0.026, 1)):
        few = sends((6 * HOUR, 0.1), (18 * HOUR, 0), pace=pace)
        title = f"{pace * 180:.1f} sends in three hours"
        yield Case(rule=rule, kind=BOUNDARY, title=title, series=few, at={12 * HOUR: fires}, step_s=MINUTE_S)
    day = 24 * HOUR
    old = {
        named(SENT, f'origin="reply",{MAIN}'): ramp((6 * day, 0.1), step_s=150),
        named(DELIVERED, f'status="read",{MAIN}'): ramp((day, 0.1), (5 * day, 0), step_s=150),
    }
    at = {3 * day + 20 * HOUR: 1, 4 * day + HOUR: 0}
    yield Case(rule=rule, kind=BOUNDARY, title="known for three days", series=old, at=at, step_s=150)
    other = {named(DELIVERED, 'status="read",session="other"'): ramp((24 * HOUR, 1), step_s=MINUTE_S)}
    yield Case(
        rule=rule,
        kind=FIRING,
        title="another session's arrive",
        series=stops | other,
        at={10 * HOUR: 1},
        step_s=MINUTE_S,
    )


def _silent() -> Iterator[Case]:
    rule, day, step_s = "WhatsSelfInboundSilent", 24 * HOUR, 150

    def traffic(*counts: tuple[float, float], up: float = 9 * day) -> dict[str, str]:
        """Messages a minute, and how long it is connected."""
        return {
            named(CAME, f'kind="text",{MAIN}'): ramp(*counts, step_s=step_s),
            named(CONNECTED, MAIN): flat((up, 1), (9 * day - up, 0), step_s=step_s)
            if up < 9 * day
            else flat((up, 1), step_s=step_s),
            named(CONNECTED, MAIN, instance="b"): flat((9 * day, 0), step_s=step_s),
        }

    stops = traffic((8 * day, 0.2), (day, 0))
    at: dict[float, int] = {8 * day - HOUR: 0, 8 * day + 4 * HOUR: 1}
    yield Case(rule=rule, kind=FIRING, title="nothing for four hours", series=stops, at=at, step_s=step_s)
    at = {8 * day + 3 * HOUR - 5: 0, 8 * day + 3 * HOUR + 20: 1}
    yield Case(rule=rule, kind=BOUNDARY, title="three hours", series=stops, at=at, step_s=step_s)
    at = {8 * day + 4 * HOUR: 0}
    away = traffic((8 * day, 0.2), (day, 0), up=8 * day + 2 * HOUR)
    yield Case(rule=rule, kind=HEALTHY, title="not connected, which is told", series=away, at=at, step_s=step_s)
    weekly = traffic((day, 0.2), (6 * HOUR, 0), (7 * day - 6 * HOUR, 0.2), (day, 0))
    yield Case(
        rule=rule,
        kind=HEALTHY,
        title="as a week ago at this time",
        series=weekly,
        at={8 * day + 5 * HOUR: 0},
        step_s=step_s,
    )
    young = traffic((2 * day, 0.2), (7 * day, 0))
    at = {2 * day + 4 * HOUR: 1}
    yield Case(rule=rule, kind=FIRING, title="two days old: as the day before", series=young, at=at, step_s=step_s)
    for pace, fires in ((0.05, 0), (0.056, 1)):
        few = traffic((8 * day, pace), (day, 0))
        title = f"{pace * 180:.0f} messages are usual"
        yield Case(rule=rule, kind=BOUNDARY, title=title, series=few, at={8 * day + 4 * HOUR: fires}, step_s=step_s)
    born = {named(CONNECTED, MAIN): flat((9 * day, 1), step_s=step_s)}
    yield Case(rule=rule, kind=HEALTHY, title="no message ever came", series=born, at={8 * day: 0}, step_s=step_s)


def _late() -> Iterator[Case]:
    rule, lag = "WhatsSelfWebhooksLate", "webhook_lag_seconds"

    def events(prompt: float, late: float, *, instance: str = "a", le: str = "300") -> dict[str, str]:
        labels = 'provider="cloud_api"'
        return {
            named(f"{lag}_count", labels, instance=instance): ramp((30, 10), (60, prompt + late)),
            named(f"{lag}_bucket", f'{labels},le="{le}"', instance=instance): ramp((30, 10), (60, prompt)),
            named(f"{lag}_bucket", f'{labels},le="900"', instance=instance): ramp((90, 10)),
        }

    every = events(0, 10)
    yield Case(rule=rule, kind=FIRING, title="all come a quarter of an hour late", series=every, at={29: 0, 60: 1})
    yield Case(rule=rule, kind=BOUNDARY, title="half of 15 minutes, and five", series=every, at={42: 0, 43.5: 1})
    for share, fires in ((4.8, 0), (5.2, 1)):
        both = events(10 - share, share) | events(10 - share, share, instance="b")
        yield Case(rule=rule, kind=BOUNDARY, title=f"{share} of 10", series=both, at={70: fires})
    scraped = events(0, 10, le="300.0")
    yield Case(rule=rule, kind=FIRING, title="by scrape", series=scraped, at={70: 1})
    yield Case(rule=rule, kind=HEALTHY, title="prompt, by scrape", series=events(10, 0, le="300.0"), at={70: 0})
    for count, fires in ((4, 0), (5, 1)):
        few = {
            named(f"{lag}_count", 'provider="waha"'): flat((10, 0), (40, count - 1)),
            named(f"{lag}_count", 'provider="waha"', instance="b"): flat((10, 0), (40, 1)),
        }
        yield Case(rule=rule, kind=BOUNDARY, title=f"{count} events", series=service() | few, at={18: fires})
