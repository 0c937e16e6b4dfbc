"""Tests of the ban risk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from whatsself_otel.catalogue import MESSAGES_OUTBOUND, MESSAGES_OUTBOUND_FAILED
from whatsself_otel.operations.cases import BOUNDARY, FIRING, HEALTHY, VALUE, Case, flat, named, ramp, service

if TYPE_CHECKING:
    from collections.abc import Iterator

SENT = MESSAGES_OUTBOUND.prometheus_name
FAILED = MESSAGES_OUTBOUND_FAILED.prometheus_name


def cases() -> Iterator[Case]:
    """The score."""
    rule, score = "WhatsSelfBanRiskHigh", "whatsself:ban_risk:score"
    base = service(200)
    sent, second = named(SENT, 'origin="broadcast"'), named(SENT, 'origin="broadcast"', instance="b")
    failed = named(FAILED, 'reason="blocked"')
    failed_too = named(FAILED, 'reason="blocked"', instance="b")
    left = named("contact_consent_total", 'action="opt_out"')
    yield from _pace_cases(rule, score, base, (sent, second))
    yield _session_pace(rule, base)
    yield from _limit_cases(rule, score, base, (sent, failed, left))
    yield from _outside_cases(rule, score, base, (sent, second, failed, failed_too))
    yield from _opt_out_cases(rule, base, (sent, second, left))
    yield from _saturated(rule, base)
    yield from _told_cases(rule, score, base)
    yield from _told_twice(rule, base)
    yield from _loss_cases(rule, score, base)


LOSSES = "whatsapp_session_disconnects_total"
CONTACT = named("rate_per_contact_per_5min")
MAIN = 'session="main"'


def _pace_cases(rule: str, score: str, base: dict[str, str], names: tuple[str, str]) -> Iterator[Case]:
    sent, second = names
    fast = {**base, sent: ramp((90, 6)), second: ramp((90, 9)), CONTACT: flat((90, 8))}
    yield Case(rule=rule, kind=FIRING, title="too fast, and to one contact", series=fast, at={30: 1})
    yield Case(
        rule=rule,
        kind=VALUE,
        title="pace and contact",
        series=fast,
        values={(score, 30): 76, ('whatsself:ban_risk:weighted{risk="pace"}', 30): 0.6},
    )
    yield Case(
        rule=rule,
        kind=VALUE,
        title="half of each, and the pace of five minutes",
        series={
            **base,
            sent: ramp((30, 6.3), (60, 0)),
            second: ramp((30, 6), (60, 0)),
            CONTACT: flat((90, 5)),
            named("rate_per_contact_per_5min", instance="b"): flat((90, 2)),
        },
        values={
            ('whatsself:ban_risk:weighted{risk="pace"}', 29): 0.3,
            ('whatsself:ban_risk:weighted{risk="contact"}', 29): 0.2,
            ('whatsself:ban_risk:weighted{risk="pace"}', 30.5): 0.16,
            (score, 29): 44,
        },
    )
    yield _burst(rule, base, sent)


def _burst(rule: str, base: dict[str, str], sent: str) -> Case:
    """300 messages, one each two seconds, after which a number was banned: told before the second 300."""
    series = {**base, sent: ramp((10, 0), (10, 30), (70, 0))}
    return Case(rule=rule, kind=FIRING, title="300 messages in ten minutes", series=series, at={17: 0, 19: 1, 37: 1})


def _session_pace(rule: str, base: dict[str, str]) -> Case:
    """Each number is looked at for itself: the fastest counts."""
    one, two = (named(SENT, f'origin="broadcast",session="{name}"') for name in ("one", "two"))
    return Case(
        rule=rule,
        kind=VALUE,
        title="half of the pace at one of two sessions",
        series={**base, one: ramp((60, 12.3)), two: ramp((60, 3))},
        values={('whatsself:ban_risk:weighted{risk="pace"}', 30): 0.3},
    )


def _limit_cases(rule: str, score: str, base: dict[str, str], names: tuple[str, str, str]) -> Iterator[Case]:
    sent, failed, left = names
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
            CONTACT: flat((100, 2)),
        },
        at={30: 0, 60: 0},
    )


def _opt_out_cases(rule: str, base: dict[str, str], names: tuple[str, str, str]) -> Iterator[Case]:
    sent, second, left = names
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
            named(LOSSES, f'{MAIN},reason="replaced"'): flat((1440, 0), (1760, 1), step_s=600),
        },
        values={
            ('whatsself:ban_risk:weighted{risk="opt_outs"}', 2440): 0.225,
            ('whatsself:ban_risk:weighted{risk="disconnects"}', 2440): 0.3,
            ('whatsself:ban_risk:weighted{risk="opt_outs"}', 3030): 0.131,
            ('whatsself:ban_risk:weighted{risk="disconnects"}', 3030): 0,
        },
        step_s=600,
    )


def _loss_cases(rule: str, score: str, base: dict[str, str]) -> Iterator[Case]:
    yield Case(
        rule=rule,
        kind=VALUE,
        title="a ban is remembered for a day",
        series={
            **service(3200, step_s=600),
            named(LOSSES, f'{MAIN},reason="banned"'): flat((1440, 0), (1760, 1), step_s=600),
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
                named(LOSSES, f'{MAIN},reason="{reason}"'): flat((10, 0), (100, times)),
                named(LOSSES, f'{MAIN},reason="{reason}"', instance="b"): flat((110, 0)),
            },
            values={(score, 40): value},
        )
    again = {
        **base,
        named(LOSSES, f'{MAIN},reason="logged_out"'): flat((10, 0), (100, 1)),
        named(LOSSES, f'{MAIN},reason="replaced"', instance="b"): flat((10, 0), (100, 1)),
    }
    yield Case(rule=rule, kind=FIRING, title="logged out and replaced", series=again, at={30: 1})
    yield Case(rule=rule, kind=BOUNDARY, title="for five minutes", series=again, at={14: 0, 16: 1})


def _told_cases(rule: str, score: str, base: dict[str, str]) -> Iterator[Case]:
    """WhatsApp's own word: a red rating or a restriction alone is enough, a yellow rating is not."""
    rating, state = "whatsapp_quality_rating", "whatsapp_session_state"
    for title, kind, name, value in (
        ("a green rating", HEALTHY, named(rating, 'session="main",rating="green"'), 0),
        ("a yellow rating", HEALTHY, named(rating, 'session="main",rating="yellow"'), 30),
        ("a red rating of one of two numbers", FIRING, named(rating, 'session="two",rating="red"'), 60),
        ("a restricted account", FIRING, named(state, 'session="main",state="restricted"'), 60),
    ):
        yield Case(
            rule=rule,
            kind=kind,
            title=title,
            series={
                **base,
                named(rating, 'session="main",rating="red"'): flat((100, 0)),
                named(state, 'session="main",state="restricted"', instance="b"): flat((100, 0)),
                named(rating, 'session="main",rating="yellow"', instance="b"): flat((100, 0)),
                name: flat((100, 1)),
            },
            at={30: int(kind == FIRING)},
            values={(score, 30): value},
        )


def _told_twice(rule: str, base: dict[str, str]) -> Iterator[Case]:
    rating, state = "whatsapp_quality_rating", "whatsapp_session_state"
    red = named(rating, 'session="main",rating="red"')
    restricted = named(state, 'session="main",state="restricted"')
    yellow = {named(rating, 'session="main",rating="yellow"', instance=worker): flat((60, 1)) for worker in ("a", "b")}
    for title, told, value in (
        ("red and restricted is no more than the end", {red: flat((60, 1)), restricted: flat((60, 1))}, 0.6),
        ("yellow, as both workers tell", yellow, 0.3),
    ):
        values = {('whatsself:ban_risk:weighted{risk="rating"}', 30.0): value}
        yield Case(rule=rule, kind=VALUE, title=title, series=base | told, values=values)


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
        values={
            ('whatsself:ban_risk:weighted{risk="pace"}', 40): 0.6,
            ('whatsself:ban_risk:weighted{risk="contact"}', 40): 0.4,
        },
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
