"""Tests of the rules about life and death of services and their workers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from whatsself_otel.operations.cases import BOUNDARY, FIRING, HEALTHY, VALUE, Case, flat, named, service

if TYPE_CHECKING:
    from collections.abc import Iterator

UPTIME = "process_uptime_seconds"
OPENED = "whatsself:business_open:timestamp_seconds"
HOUR = 1800


def cases() -> Iterator[Case]:
    """Return every test of these rules."""
    yield from _moved()
    yield from _crashes()
    yield from _blind()
    yield from _away()
    yield from _absent()
    yield from _vanished()
    yield from _opening()
    yield from _returned()
    yield from _paused()


def _opening() -> Iterator[Case]:
    """When the business was open last: carried on, and looked up in the past where rules were not evaluated."""
    rule = "WhatsSelfWorkerVanished"
    day = {named("business_open"): flat((90, 1), (150, 0))}
    yield Case(rule=rule, kind=VALUE, title="closed for two hours", series=day, values={(OPENED, 210): 5400})
    away = {named("business_open"): flat((600, 1), (600, 0), step_s=HOUR)}
    yield Case(
        rule=rule,
        kind=VALUE,
        title="closed, and the rules were not evaluated for longer than a value is shown",
        series=away,
        # It is looked up hour by hour.
        values={(OPENED, 900): 32_400},
        step_s=HOUR,
    )


def _returned() -> Iterator[Case]:
    """A service that was away: when it was first seen is remembered for as long as the longest objective looks back."""
    step_s, day = 43_200, 24 * 60
    for away, since in ((30, 0), (54, 57)):
        yield Case(
            rule="WhatsSelfTelemetryAbsent",
            kind=VALUE,
            title=f"back after {away} days",
            series={named(UPTIME): flat((3 * day, 1), (away * day, None), (6 * day, 1), step_s=step_s)},
            values={("whatsself:seen_since:timestamp_seconds / 86400", (3 + away + 3) * day): since},
            step_s=step_s,
        )


def _paused() -> Iterator[Case]:
    """Rules that are evaluated every nine minutes, as around a restart of Prometheus: nothing is forgotten."""
    every_s = 540
    lived, began = {named(UPTIME): flat((120, 1))}, {named(UPTIME): flat((30, None), (170, 1))}
    for rule, record, series, at_s in (
        ("WhatsSelfTelemetryAbsent", "whatsself:last_seen:timestamp_seconds", lived, 13 * every_s),
        ("WhatsSelfTelemetryAbsent", "whatsself:seen_since:timestamp_seconds", began, 4 * every_s),
        ("WhatsSelfWorkerVanished", OPENED, {named("business_open"): flat((90, 1), (110, 0))}, 9 * every_s),
    ):
        title, values = f"evaluated every nine minutes: {record}", {(record, 180.0): float(at_s)}
        yield Case(rule=rule, kind=VALUE, title=title, series=series, values=values, every_s=every_s)


def _absent() -> Iterator[Case]:
    absent = "WhatsSelfTelemetryAbsent"
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


def _vanished() -> Iterator[Case]:
    vanished = "WhatsSelfWorkerVanished"
    two = {named(UPTIME): flat((200, 1)), named(UPTIME, instance="b"): flat((60, 1))}
    yield from _gone(vanished, two)
    yield Case(
        rule=vanished,
        kind=VALUE,
        title="the loop's lag goes by its old name too",
        series={named("event_loop_lag_seconds"): flat((10, 0.2))},
        values={("nodejs_event_loop_lag_seconds", 5): 0.2},
    )
    due = {'whatsself:workers:expected{job="whatsself"}': flat((200, 2))}
    yield Case(
        rule=vanished, kind=FIRING, title="fewer than expected, hour by hour", series=two | due, at={60: 0, 195: 1}
    )
    scaled = {named(UPTIME): flat((200, 1)), named(UPTIME, instance="b"): flat((60, 1))}
    wanted = {'whatsself:workers:expected{job="whatsself"}': flat((200, 1))}
    yield Case(rule=vanished, kind=HEALTHY, title="scaled in as expected", series=scaled | wanted, at={70: 0, 100: 0})


def _gone(vanished: str, two: dict[str, str]) -> Iterator[Case]:
    yield Case(rule=vanished, kind=FIRING, title="one of two is gone", series=two, at={60: 0, 80: 1})
    yield Case(rule=vanished, kind=BOUNDARY, title="for five minutes", series=two, at={66: 0, 67.5: 1, 85: 1, 195: 1})
    back = {**two, named(UPTIME, instance="c"): flat((150, None), (50, 1))}
    day = 24 * 60
    told = {named(UPTIME): flat((day + 200, 1), step_s=60), named(UPTIME, instance="b"): flat((60, 1), step_s=60)}
    yield Case(
        rule=vanished,
        kind=BOUNDARY,
        title="a day long, if none comes back",
        series=told,
        at={day + 55: 1, day + 75: 0},
        step_s=60,
    )
    yield Case(rule=vanished, kind=BOUNDARY, title="until another one is there", series=back, at={149: 1, 152: 0})
    brief = {named(UPTIME): flat((200, 1)), named(UPTIME, instance="b"): flat((90, None), (40, 1))}
    yield Case(rule=vanished, kind=BOUNDARY, title="two for most of an hour are usual", series=brief, at={140: 1})
    short = {named(UPTIME): flat((200, 1)), named(UPTIME, instance="b"): flat((90, None), (20, 1))}
    yield Case(rule=vanished, kind=HEALTHY, title="two for twenty minutes are not", series=short, at={118: 0})
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


def _moved() -> Iterator[Case]:
    """A service that gets a namespace or a real environment is the same one; a second customer's is not."""
    rule = "WhatsSelfTelemetryAbsent"
    plain = 'process_uptime_seconds{job="whatsself",service_name="whatsself",instance="a"}'
    shop = 'process_uptime_seconds{job="shop/whatsself",service_name="whatsself",service_namespace="shop",instance="b"}'
    live = plain.replace("job=", 'deployment_environment_name="production",job=')
    first = plain.replace("job=", 'deployment_environment_name="development",job=')
    for title, old, new, fires in (
        ("a namespace was added", plain, shop, 0),
        ("an environment was set", first, live, 0),
        ("staging was moved to production", first.replace("development", "staging"), live, 1),
        ("another namespace was added", shop, shop.replace("shop", "bar"), 1),
        ("another service was added", plain, shop.replace('name="whatsself"', 'name="other"'), 1),
    ):
        series = {old: flat((60, 1)), new: flat((61, None), (200, 1))}
        yield Case(rule=rule, kind=BOUNDARY, title=title, series=series, at={70: fires, 200: fires})
    for minutes, fires in ((55, 0), (65, 1)):
        series = {plain: flat((60, 1)), shop: flat((60 + minutes, None), (100, 1))}
        yield Case(rule=rule, kind=BOUNDARY, title=f"moved in {minutes} minutes", series=series, at={140: fires})


def _crashes() -> Iterator[Case]:
    rule = "WhatsSelfCrashLoop"

    def lives(*spans: tuple[float, float]) -> dict[str, str]:
        """Processes, one after the other, from one minute to another."""
        return {
            named(UPTIME, instance=str(number)): f"_x{round(begin * 4)} 0+15x{round((end - begin) * 4) - 1}"
            for number, (begin, end) in enumerate(spans, 1)
        }

    loop = lives((0, 20), *((20 + 2 * n, 21.75 + 2 * n) for n in range(30)))
    yield Case(rule=rule, kind=FIRING, title="each lives for two minutes", series=loop, at={20: 0, 60: 1})
    yield Case(rule=rule, kind=BOUNDARY, title="the third death, and 15 minutes", series=loop, at={41: 0, 45: 1})
    slow = lives((0, 20), *((20 + 6 * n, 25.75 + 6 * n) for n in range(12)))
    yield Case(rule=rule, kind=BOUNDARY, title="each lives for nearly six minutes", series=slow, at={70: 0, 85: 0})
    rare = lives((0, 20), *((20 + 5 * n, 22 + 5 * n) for n in range(12)), (20, 80))
    yield Case(
        rule=rule, kind=BOUNDARY, title="two deaths in ten minutes beside one that lives", series=rare, at={60: 0}
    )
    pods = lives(*((0, 60 + n / 50) for n in range(100)), *((60 + n / 50, 62 + n / 50) for n in range(100)))
    after = {named(UPTIME, instance=f"c{n}"): f"_x{248 + n // 20} 0+15x200" for n in range(10)}
    yield Case(
        rule=rule, kind=HEALTHY, title="a hundred pods, taken back at once", series=pods | after, at={72: 0, 80: 0}
    )
    hourly = lives(*((60 * n, 60 * n + 61) for n in range(4)))
    yield Case(rule=rule, kind=HEALTHY, title="deployed hour by hour", series=hourly, at={62: 0, 130: 0})
    for pace, fires in ((2.5, 1), (2.75, 0)):
        series = lives((0, 20), *((20 + pace * n, 19.75 + pace * (n + 1)) for n in range(24)))
        title = f"a death every {pace} minutes: each is counted for eight"
        yield Case(rule=rule, kind=BOUNDARY, title=title, series=series, at={60: fires, 75: fires})
    for age, fires in ((4.5, 1), (5.5, 0)):
        spans = ((20 + worker / 2 + n * age, 20 + worker / 2 + (n + 1) * age) for worker in range(3) for n in range(12))
        title = f"three workers, each process lives for {age} minutes"
        yield Case(rule=rule, kind=BOUNDARY, title=title, series=lives((0, 20), *spans), at={60: fires})
    slowly = "0+15x79 " + " ".join(["0+15x19"] * 12)
    one, two = ({named(UPTIME, instance=name): slowly} for name in "ab")
    for who, series, fires in (("one process", one, 0), ("each of two processes", one | two, 1)):
        title = f"scraped, {who} started again every five minutes"
        yield Case(rule=rule, kind=BOUNDARY, title=title, series=series, at={60: fires})
    scraped = {named(UPTIME): "0+15x79 " + " ".join(["0+15x7"] * 20)}
    yield Case(rule=rule, kind=FIRING, title="scraped, started again and again", series=scraped, at={20: 0, 50: 1})
    once = {named(UPTIME): "0+15x79 0+15x3 0+15x3 0+15x200"}
    yield Case(rule=rule, kind=HEALTHY, title="scraped, restarted thrice", series=once, at={30: 0, 45: 0})


def _blind() -> Iterator[Case]:
    """No service counts as down while the collector is away, or shortly after its return."""
    rule, down = "WhatsSelfTelemetryAbsent", "whatsself:down or on () vector(-1)"
    beat = {named(UPTIME): flat((20, 1), (20, None), (100, 1))}
    for title, labels, known in (
        ("it is everybody's", "", -1),
        ("it is of this environment", ',deployment_environment_name="production"', -1),
        ("it is of another environment", ',deployment_environment_name="staging"', 1),
    ):
        series = {
            next(iter(beat)).replace("{", '{deployment_environment_name="production",'): next(iter(beat.values())),
            f'up{{job="otelcol",instance="x"{labels}}}': flat((20, 1), (18, 0), (100, 1)),
        }
        values: dict[tuple[str, float], float] = {(down, 19): 0, (down, 30): known, (down, 50): 0}
        yield Case(rule=rule, kind=VALUE, title=f"the collector is away, {title}", series=series, values=values)
    gone = {**beat, 'up{job="otelcol",instance="x"}': flat((20, 1))}
    yield Case(rule=rule, kind=VALUE, title="its target is gone", series=gone, values={(down, 30): -1, (down, 39): -1})
    here = {**beat, 'up{job="otelcol",instance="x"}': flat((140, 1))}
    yield Case(rule=rule, kind=VALUE, title="it answers", series=here, values={(down, 30): 1})
    two = {f'up{{job="otelcol",instance="{name}"}}': flat((20, 1), (120, up)) for name, up in (("x", 0), ("y", 1))}
    collector = "whatsself:collector_up"
    yield Case(
        rule=rule, kind=VALUE, title="one of two answers", series=beat | two, values={(down, 30): 1, (collector, 10): 1}
    )
    live = {name.replace("{", '{deployment_environment_name="production",'): values for name, values in beat.items()}
    for whose, labels in (("everybody's", ""), ("of this environment", ',deployment_environment_name="production"')):
        back = live | {f'up{{job="otelcol",instance="x"{labels}}}': flat((20, 1), (5, 0), (100, 1))}
        title = f"five minutes after, {whose}"
        yield Case(rule=rule, kind=VALUE, title=title, series=back, values={(down, 29): -1, (down, 31): 1})


def _away() -> Iterator[Case]:
    rule = "WhatsSelfServiceAway"
    beat = {named(UPTIME): flat((20, 1), (20, None), (100, 1))}
    yield Case(rule=rule, kind=FIRING, title="no heartbeat", series=beat, at={19: 0, 24: 1})
    yield Case(rule=rule, kind=BOUNDARY, title="two minutes, and 45 more", series=beat, at={21: 0, 23: 1, 84: 1, 86: 0})
    yield Case(rule=rule, kind=HEALTHY, title="one worker lives", series=service(), at={30: 0, 60: 0})
    told, asked = (
        f'ALERTS{{alertname="WhatsSelfHttpErrorsHigh",alertstate="{state}",job="whatsself",severity="critical"}}'
        for state in ("firing", "pending")
    )
    errors = service() | {told: flat((20, None), (10, 1)), asked: flat((15, None), (15, 1))}
    # Prometheus shows a series for five minutes after its last sample where it does not end it.
    yield Case(
        rule=rule,
        kind=BOUNDARY,
        title="errors from when they are pending, and 45 minutes more",
        series=errors,
        at={14: 0, 16: 1, 79: 1, 81: 0},
    )
