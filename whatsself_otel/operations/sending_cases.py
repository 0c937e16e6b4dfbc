"""Tests of the rules about sending and the breaker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from whatsself_otel.catalogue import MESSAGES_OUTBOUND, MESSAGES_OUTBOUND_FAILED
from whatsself_otel.operations.cases import BOUNDARY, FIRING, HEALTHY, VALUE, Case, flat, named, ramp

if TYPE_CHECKING:
    from collections.abc import Iterator


SENT = MESSAGES_OUTBOUND.prometheus_name
FAILED = MESSAGES_OUTBOUND_FAILED.prometheus_name


def cases() -> Iterator[Case]:
    """Failures and the breaker."""
    high = "WhatsSelfSendFailureHigh"
    sent, second = named(SENT, 'origin="reply"'), named(SENT, 'origin="reply"', instance="b")
    failed, failed_too = named(FAILED, 'reason="timeout"'), named(FAILED, 'reason="timeout"', instance="b")
    yield from _many_cases(high, (sent, second, failed, failed_too))
    yield from _few_cases(high, sent, second, failed)
    yield from _faults(sent)
    yield from _day_cases(high)
    yield from _open_cases("WhatsSelfBreakerOpen")
    yield from _half_open_cases("WhatsSelfBreakerStuck")


def _many_cases(high: str, series: tuple[str, str, str, str]) -> Iterator[Case]:
    sent, second, failed, failed_too = series
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


def _few_cases(high: str, sent: str, second: str, failed: str) -> Iterator[Case]:
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


def _day_cases(high: str) -> Iterator[Case]:
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
    yield Case(
        rule=high,
        kind=VALUE,
        title="success of a day in which more failed than were sent: they were accepted the day before",
        series={
            named(SENT, 'origin="reply"'): ramp((2880, 1), step_s=day),
            named(FAILED, 'reason="undeliverable",stage="delivery"'): ramp((2880, 2), step_s=day),
        },
        values={("whatsself:delivery_success:ratio_1d", 2400): 0},
        step_s=day,
    )


def _open_cases(breaker: str) -> Iterator[Case]:
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
    night = {state: flat((30, 0), (70, 2), (100, 0)), named("business_open"): flat((20, 1), (160, 0), (20, 1))}
    yield Case(
        rule=breaker, kind=HEALTHY, title="over before anybody was told", series=night, at={60: 1, 125: 0, 185: 0}
    )


def _half_open_cases(stuck: str) -> Iterator[Case]:
    state, other = named("cb_state_global"), named("cb_state_global", instance="b")
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


_FAULT_OF: Final = {
    "WhatsSelfSendFailureHigh": "ours",
    "WhatsSelfProviderFailing": "provider",
    "WhatsSelfRecipientsFailing": "recipient",
}


def _faults(sent: str) -> Iterator[Case]:
    """Return a case for each fault: ours pages, the provider's and the recipient's warn."""
    for rule, fault in _FAULT_OF.items():
        for reason, whose in (("rate_limited", "ours"), ("provider_error", "provider"), ("opted_out", "recipient")):
            failed = named(FAILED, f'reason="{reason}",fault="{whose}",stage="send"')
            yield Case(
                rule=rule,
                kind=FIRING if whose == fault else HEALTHY,
                title=f"half of the sends fail by {reason}",
                series={sent: ramp((60, 10)), failed: ramp((20, 0), (40, 5))},
                at={19: 0, 35: int(whose == fault)},
            )
    for rule in ("WhatsSelfProviderFailing", "WhatsSelfRecipientsFailing"):
        yield from _warned(rule, sent)
    one, two = (named(SENT, f'origin="reply",session="{name}"') for name in ("one", "two"))
    lost = named(FAILED, 'reason="session_down",fault="ours",session="one"')
    yield Case(
        rule="WhatsSelfSendFailureHigh",
        kind=FIRING,
        title="all of one session's sends, a tenth of the service's",
        series={one: ramp((60, 2)), two: ramp((60, 18)), lost: ramp((60, 2))},
        at={30: 1},
    )


def _warned(rule: str, sent: str) -> Iterator[Case]:
    """Return the cases of a warning's share, attempts, begin and end."""
    failed = named(FAILED, f'reason="x",fault="{_FAULT_OF[rule]}"')
    burst = {sent: ramp((100, 12)), failed: ramp((30, 0), (10, 12), (60, 0))}
    yield Case(rule=rule, kind=BOUNDARY, title="begins and ends", series=burst, at={34: 0, 35: 1, 56.5: 1, 58.5: 0})
    for share, fires in ((23, 0), (27, 1)):
        series = {
            sent: ramp((60, 10)),
            sent.replace('instance="a"', 'instance="b"'): ramp((60, 10)),
            failed: ramp((60, share / 10)),
            failed.replace('instance="a"', 'instance="b"'): ramp((60, share / 10)),
        }
        yield Case(rule=rule, kind=BOUNDARY, title=f"{share} %", series=series, at={40: fires})
    for attempts, fires in ((9, 0), (10, 1)):
        second = sent.replace('instance="a"', 'instance="b"')
        series = {sent: flat((10, 0), (30, attempts - 2)), second: flat((10, 0), (30, 2))}
        series |= {failed: flat((10, 0), (30, 5))}
        yield Case(rule=rule, kind=BOUNDARY, title=f"{attempts} attempts", series=series, at={14: fires})
    before = {sent: flat((16, 0), (8, 9), (40, 18)), failed: flat((24, 0), (40, 9))}
    yield Case(rule=rule, kind=HEALTHY, title="9 attempts, and others longer ago", series=before, at={31: 0})
    within = {sent: flat((10, 0), (6, 6), (40, 12)), failed: flat((10, 0), (6, 6), (40, 12))}
    title = "12 attempts in ten minutes, six of them in five"
    yield Case(rule=rule, kind=BOUNDARY, title=title, series=within, at={19: 1})
