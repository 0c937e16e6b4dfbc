"""Tests of the rules about the queue."""

from __future__ import annotations

from typing import TYPE_CHECKING

from whatsself_otel.catalogue import MESSAGES_OUTBOUND, WHATSAPP_SESSION_CONNECTED
from whatsself_otel.operations.cases import BOUNDARY, FIRING, HEALTHY, Case, flat, named, ramp, service

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


UPTIME = "process_uptime_seconds"
SENT = MESSAGES_OUTBOUND.prometheus_name
CONNECTED = WHATSAPP_SESSION_CONNECTED.prometheus_name


def cases() -> Iterator[Case]:
    """Return every test of these rules."""
    yield from _new_stuck_cases()
    yield from _pace_cases()
    depth = named("queue_depth")
    reply, mass = named(SENT, 'origin="reply"'), named(SENT, 'origin="broadcast"')
    yield from _stopped_cases("WhatsSelfQueueStuck", depth, reply, mass)
    yield from _moving_cases("WhatsSelfQueueStuck", depth, reply, mass)
    yield from _backlog_cases("WhatsSelfQueueBacklog", depth, reply, mass)
    yield from _lag_cases("WhatsSelfOutboundLagsInbound", reply, mass)


def _stopped_cases(stuck: str, depth: str, reply: str, mass: str) -> Iterator[Case]:
    stops = {**service(), depth: flat((90, 1)), reply: ramp((20, 2), (70, 0)), mass: flat((90, 0))}
    yield Case(rule=stuck, kind=FIRING, title="one message waits, nothing leaves", series=stops, at={40: 1})
    yield Case(rule=stuck, kind=BOUNDARY, title="15 minutes after the last", series=stops, at={34: 0, 35.5: 1})
    yield Case(
        rule=stuck,
        kind=BOUNDARY,
        title="one of two workers no longer sees the queue",
        series={**stops, named("queue_depth", instance="b"): flat((90, 0))},
        at={34: 0, 35.5: 1},
    )
    yield Case(
        rule=stuck,
        kind=BOUNDARY,
        title="the counter was never born, the alert outlives the cause by five minutes",
        series={**service(), depth: flat((30, 3), (30, 0))},
        at={4: 0, 5.5: 1, 34: 1, 36: 0},
    )
    yield Case(
        rule=stuck,
        kind=BOUNDARY,
        title="the first message of the day waits",
        series={**service(), depth: flat((20, 0), (40, 1)), reply: flat((60, 0))},
        at={34: 0, 35.5: 1},
    )


def _moving_cases(stuck: str, depth: str, reply: str, mass: str) -> Iterator[Case]:
    yield Case(
        rule=stuck,
        kind=HEALTHY,
        title="a broadcast of 500 at 12 a minute",
        series={
            **service(),
            depth: "500-3x166 0x200",
            mass: ramp((41, 12), (40, 0)),
            reply: flat((81, 0)),
        },
        at={10: 0, 20: 0, 30: 0, 40: 0, 50: 0, 60: 0},
    )
    yield Case(
        rule=stuck,
        kind=HEALTHY,
        title="empty once in nine minutes, or always",
        series={**service(), depth: flat((1, 0), *[(9, 3), (0.5, 0)] * 3, (30, 0)), reply: flat((60, 0))},
        at={9: 0, 19: 0, 28: 0, 40: 0, 58: 0},
    )
    yield Case(
        rule=stuck,
        kind=HEALTHY,
        title="one message every eight minutes",
        series={
            **service(),
            named("queue_depth", 'session="one"'): flat((60, 2)),
            named(SENT, 'origin="reply",session="one"'): " ".join(f"{n}+0x31" for n in range(7)),
        },
        at={20: 0, 35: 0, 50: 0},
    )


def _backlog_cases(backlog: str, depth: str, reply: str, mass: str) -> Iterator[Case]:
    pace = {**service(), mass: ramp((100, 3)), reply: ramp((100, 3))}
    yield Case(rule=backlog, kind=FIRING, title="hours to drain", series={**pace, depth: flat((90, 4000))}, at={40: 1})
    yield Case(
        rule=backlog,
        kind=HEALTHY,
        title="a broadcast of 500 at 12 a minute",
        series={**service(), depth: flat((20, 0)) + " 500-3x166 0x100", mass: flat((20, 0)) + " 0+3x166 500x100"},
        at=dict.fromkeys(range(5, 80, 5), 0),
    )
    near = {True: 370, False: 350}
    for fires, messages in near.items():
        yield Case(
            rule=backlog,
            kind=BOUNDARY,
            title=f"{messages} messages at 6 a minute, as both workers see them",
            series={**pace, depth: flat((90, messages)), named("queue_depth", instance="b"): flat((90, messages))},
            at={60: int(fires)},
        )
    yield Case(
        rule=backlog,
        kind=BOUNDARY,
        title="sending ends",
        series={**service(), depth: flat((90, 300)), mass: ramp((30, 12), (60, 0))},
        at={52.5: 0, 55.5: 1},
    )
    yield Case(
        rule=backlog,
        kind=BOUNDARY,
        title="the counter was never born",
        series={**service(), depth: flat((40, 2)), named("queue_depth", instance="b"): flat((40, 1))},
        at={14: 0, 16: 1},
    )
    yield Case(
        rule=backlog,
        kind=BOUNDARY,
        title="one message takes an hour at most",
        series={**service(), depth: flat((40, 1))},
        at={30: 0},
    )


def _new_stuck_cases() -> Iterator[Case]:
    rule = "WhatsSelfQueueStuck"
    one, two = 'session="one"', 'session="two"'
    queues = {named("queue_depth", one): flat((90, 5)), named("queue_depth", two): flat((90, 5))}
    flows = {named(SENT, f'origin="reply",{two}'): ramp((90, 10)), named(SENT, f'origin="reply",{one}'): flat((90, 0))}
    yield Case(rule=rule, kind=FIRING, title="one of two queues", series={**service(), **queues, **flows}, at={40: 1})
    whole = {named("queue_depth"): flat((90, 5)), **flows}
    yield Case(rule=rule, kind=HEALTHY, title="one queue for both sessions", series={**service(), **whole}, at={40: 0})
    moves = {**service(), named("queue_depth"): flat((90, 5)), named(SENT, 'origin="reply"'): ramp((90, 4))}
    age = named("queue_oldest_age_seconds")
    # The same message is the oldest from minute 10 on.
    poisoned = {**moves, age: flat((10, 30)) + " " + ramp((80, 60), start=30)}
    yield Case(rule=rule, kind=FIRING, title="one message stays, others pass it", series=poisoned, at={40: 1})
    yield Case(rule=rule, kind=BOUNDARY, title="15 minutes, and 5 more", series=poisoned, at={29: 0, 32: 1})
    slow = {**moves, age: ramp((90, 54), start=1000)}
    yield Case(rule=rule, kind=HEALTHY, title="an old queue that moves slowly", series=slow, at={40: 0, 80: 0})
    young = {**moves, age: flat((10, 0)) + " " + ramp((13, 60)) + " " + flat((60, 0))}
    yield Case(rule=rule, kind=HEALTHY, title="a message waits for 13 minutes", series=young, at={22: 0, 30: 0})
    left = {**poisoned, named("queue_depth"): flat((20, 5), (70, 0))}
    yield Case(rule=rule, kind=HEALTHY, title="an age is still shown of a queue that is empty", series=left, at={45: 0})
    open_ = {**service(), **whole, **flows, named("cb_state_global"): flat((90, 0))}
    open_ |= {named("queue_depth", one): flat((90, 5)), named("cb_state_global", instance="b"): flat((30, 0), (60, 2))}
    yield Case(rule=rule, kind=BOUNDARY, title="the breaker opens", series=open_, at={29: 1, 40: 0})
    seen = {age.replace('instance="a"', 'instance="b"'): ramp((90, 54), start=1000)}
    seen |= {age.replace('instance="a"', 'instance="c"'): flat((90, 0))}
    yield Case(
        rule=rule, kind=HEALTHY, title="it moves slowly, as two of three workers see", series=slow | seen, at={40: 0}
    )
    same = {age.replace('instance="a"', 'instance="b"'): poisoned[age]}
    yield Case(
        rule=rule, kind=FIRING, title="one message stays, as both workers see", series=poisoned | same, at={40: 1}
    )
    yield from _passed_cases(rule, "its own queue", one, one, one)
    yield from _passed_cases(rule, "a shared queue", "", one, two)
    yield from _behind_cases(rule, age)
    yield from _shared_cases(one, two)
    split = {**poisoned, age.replace('instance="a"', 'instance="b"'): flat((90, 0))}
    yield Case(rule=rule, kind=FIRING, title="one of two workers tells of it", series=split, at={40: 1})


def _passed_cases(rule: str, whose: str, queue: str, *sessions: str) -> Iterator[Case]:
    """Messages that came at once are of one age: the oldest is passed only if others come later and leave."""
    depth, age = named("queue_depth", queue), named("queue_oldest_age_seconds", queue)
    mass, reply = (
        named(SENT, f'origin="{origin}",{session}')
        for origin, session in zip(("broadcast", "reply"), sessions, strict=True)
    )
    at_once = {depth: "500-3x166 0x100", age: "0+15x166 0x100", mass: ramp((41.75, 12), (25, 0))}
    # Of 300, 180 have left when 500 more come.
    second = {depth: "300-3x39 680-3x226 0x40", age: "0+15x99 900+15x166 0x40", mass: ramp((66.5, 12), (10, 0))}
    first = {depth: "500-2x249 0x40", age: "0+15x249 0x40", mass: ramp((62.5, 8), (10, 0)), reply: ramp((72.5, 4))}
    for title, series in (
        ("a broadcast, all of one age", at_once),
        ("a second broadcast before the first has left", second),
        ("a broadcast, and replies that go first", first),
    ):
        yield Case(
            rule=rule,
            kind=HEALTHY,
            title=f"{whose}: {title}",
            series={**service(), **series},
            at=_each_minute(20, 65),
        )
    # It falls again and again: what stands behind the oldest message is another case.
    waits = flat(*[(2.5, 6), (2.5, 5)] * 18)
    for passed, fires in ((7, 1), (4, 0)):
        # Evenly, so that it is not the silence between two that fires.
        leave = " ".join(f"{count}+0x{120 // passed - 1}" for count in range(3 * passed))
        few = {**service(), depth: waits, age: ramp((90, 60)), mass: leave, reply: leave}
        title = f"{whose}: five or six wait, {passed} others left in 15 minutes"
        yield Case(rule=rule, kind=BOUNDARY, title=title, series=few, at={50: fires})
    # 90 left, fewer than the 100 that waited; or 110, but only 95 came.
    for after, per_minute, fires in ((150, 6, 0), (85, 7.33, 1)):
        waits = flat(*[(2.5, 100), (2.5, 99)] * 9, *[(2.5, after), (2.5, after - 1)] * 9)
        changes = {depth: waits, age: ramp((90, 60)), mass: ramp((90, per_minute))}
        title = f"{whose}: 100 wait, then {after}, at {per_minute} a minute"
        yield Case(rule=rule, kind=BOUNDARY, title=title, series={**service(), **changes}, at={55: 0, 70: fires})


def _behind_cases(rule: str, age: str) -> Iterator[Case]:
    """The oldest message is tried every five minutes, and the others wait behind it."""
    depth, tries = named("queue_depth"), {named(SENT, 'origin="reply"'): " ".join(f"{n}+0x19" for n in range(18))}
    grows = {**service(), **tries, depth: flat((10, 0)) + " " + ramp((80, 1), start=1)}
    grows |= {age: flat((10, 0)) + " " + ramp((80, 60))}
    yield Case(rule=rule, kind=FIRING, title="the others wait behind it", series=grows, at={25: 0, 32: 1, 60: 1, 85: 1})
    last = {**service(), **tries, depth: flat((20, 6), (70, 5)), age: flat((5, 0)) + " " + ramp((85, 60))}
    yield Case(
        rule=rule, kind=BOUNDARY, title="20 minutes after another one left", series=last, at={19: 0, 39: 0, 41: 1}
    )
    rare = {**service(), named(SENT, 'origin="broadcast"'): " ".join(f"{n}+0x55" for n in range(7))}
    rare |= {depth: " ".join(f"{90 - n}+0x55" for n in range(7)), age: ramp((98, 60))}
    yield Case(
        rule=rule,
        kind=HEALTHY,
        title="one of a broadcast leaves every 14 minutes",
        series=rare,
        at=_each_minute(20, 95),
    )


def _each_minute(first: int, last: int) -> dict[float, int]:
    return dict.fromkeys(range(first, last), 0)


def _shared_cases(one: str, two: str) -> Iterator[Case]:
    """One queue for two sessions; and what stops it on purpose."""
    rule, depth = "WhatsSelfQueueStuck", {**service(), named("queue_depth"): flat((90, 2))}
    rare = {named(SENT, f'origin="reply",{one}'): " ".join(f"{n}+0x31" for n in range(9))}
    rare |= {named(SENT, f'origin="reply",{two}'): flat((90, 0))}
    yield Case(rule=rule, kind=HEALTHY, title="shared: one leaves every eight minutes", series=depth | rare, at={50: 0})
    ends = {named(SENT, f'origin="reply",{name}'): ramp((20, 2), (70, 0)) for name in (one, two)}
    yield Case(
        rule=rule, kind=BOUNDARY, title="shared: 15 minutes after the last", series=depth | ends, at={34: 0, 35.5: 1}
    )
    closes = {**depth, named("cb_state_global"): flat((30, 2), (60, 0))}
    yield Case(
        rule=rule, kind=BOUNDARY, title="eight minutes after the breaker closes", series=closes, at={37: 0, 39: 1}
    )
    probes = {**depth, named("cb_state_global"): flat(*[(1, 2), (1, 0)] * 45)}
    yield Case(rule=rule, kind=HEALTHY, title="the breaker opens again and again", series=probes, at={40: 0})
    dies = {**service(30), named("queue_depth"): flat((30, 5)), named(SENT, 'origin="reply"'): ramp((20, 2), (10, 0))}
    yield Case(rule=rule, kind=HEALTHY, title="the whole service falls silent", series=dies, at={36: 0, 40: 0})


def _pace_cases() -> Iterator[Case]:
    rule = "WhatsSelfQueueBacklog"
    broadcast = {
        **service(800),
        named("queue_depth"): "5000-3x1600 0x300",
        named(SENT, 'origin="broadcast"'): ramp((400, 12), (100, 0)),
    }
    yield Case(rule=rule, kind=HEALTHY, title="a broadcast of 5,000 at full pace", series=broadcast, at={60: 0, 200: 0})
    for pace, fires in ((8.6, 1), (9.4, 0)):
        series = {
            **service(),
            named("queue_depth"): flat((90, 4000)),
            named(SENT, 'origin="broadcast"'): ramp((90, pace)),
        }
        yield Case(rule=rule, kind=BOUNDARY, title=f"{pace} a minute of 12", series=series, at={60: fires})
    one, two = 'session="one"', 'session="two"'
    sessions = {
        named("queue_depth", one): flat((90, 4000)),
        named("queue_depth", two): flat((90, 4000)),
        named(SENT, f'origin="broadcast",{one}'): ramp((90, 12)),
        named(SENT, f'origin="broadcast",{two}'): ramp((90, 2)),
    }
    yield Case(rule=rule, kind=FIRING, title="one of two queues", series={**service(), **sessions}, at={60: 1})
    ends = {named(SENT, f'origin="broadcast",{name}'): ramp((30, 6), (60, 0)) for name in (one, two)}
    shared = {**service(), named("queue_depth"): flat((90, 600)), **ends}
    yield Case(
        rule=rule,
        kind=BOUNDARY,
        title="shared: 12 a minute of two sessions end",
        series=shared,
        at={30: 0, 47.5: 0, 50: 1},
    )


TEXT, IMAGE = (named("messages_inbound_total", f'kind="{kind}"') for kind in ("text", "image"))


def _lag_cases(lags: str, reply: str, mass: str) -> Iterator[Case]:
    comes = {TEXT: ramp((90, 60)), IMAGE: ramp((90, 40))}
    silent = {**service(), **comes, reply: ramp((30, 100), (60, 0)), mass: ramp((90, 100))}
    yield from _silent_cases(lags, comes, silent)
    yield from _counted_cases(lags, comes, reply)
    yield from _explained_cases(lags, comes, silent, reply)


def _silent_cases(lags: str, comes: Mapping[str, str], silent: Mapping[str, str]) -> Iterator[Case]:
    yield Case(rule=lags, kind=FIRING, title="replies stop, a broadcast goes on", series=silent, at={60: 1})
    yield Case(rule=lags, kind=BOUNDARY, title="17 minutes after the last", series=silent, at={46.5: 0, 48: 1})
    yield Case(rule=lags, kind=BOUNDARY, title="no reply was ever sent", series={**service(), **comes}, at={20: 1})
    three = {named(UPTIME, instance=worker): flat((70, 1)) for worker in ("a", "b", "c")}
    yield Case(
        rule=lags,
        kind=BOUNDARY,
        title="ten messages came in, and none of three workers ever replied",
        series={**three, TEXT: flat((10, 0), (60, 10))},
        at={20: 1},
    )


def _counted_cases(lags: str, comes: Mapping[str, str], reply: str) -> Iterator[Case]:
    for replies, fires in ((18, 1), (22, 0)):
        yield Case(
            rule=lags,
            kind=BOUNDARY,
            title=f"{replies} replies to 100, by two workers",
            series={
                **service(),
                **comes,
                reply: ramp((90, replies / 2)),
                named(SENT, 'origin="reply"', instance="b"): ramp((90, replies / 2)),
            },
            at={40: fires},
        )
    for messages, fires in ((9, 0), (10, 1)):
        yield Case(
            rule=lags,
            kind=BOUNDARY,
            title=f"{messages} messages came in",
            series={**service(), TEXT: flat((10, 0), (60, messages)), reply: flat((70, 0))},
            at={20: fires},
        )


def _explained_cases(lags: str, comes: Mapping[str, str], silent: Mapping[str, str], reply: str) -> Iterator[Case]:
    by_hand = {**service(), **comes, named(SENT, 'origin="manual"'): ramp((90, 60)), reply: flat((90, 0))}
    yield Case(rule=lags, kind=HEALTHY, title="a person answers by hand", series=by_hand, at={40: 0})
    good = named("whatsapp_session_connected", 'session="main"')
    yield Case(rule=lags, kind=HEALTHY, title="each is answered", series={**comes, reply: ramp((90, 90))}, at={40: 0})
    for title, state in (
        ("the breaker is open on one of two workers", {named("cb_state_global"): flat((90, 2))}),
        ("the session is down", {good: flat((90, 0))}),
    ):
        more = {named("cb_state_global", instance="b"): flat((90, 0))} if "breaker" in title else {}
        yield Case(rule=lags, kind=HEALTHY, title=title, series={**silent, **state, **more}, at={60: 0})
    up = {good: flat((90, 1)), named("whatsapp_session_connected", 'session="b"'): flat((90, 0))}
    half = {named("cb_state_global"): flat((90, 1)), named("cb_state_global", instance="b"): flat((90, 1))}
    yield Case(
        rule=lags, kind=FIRING, title="session up, breakers half-open", series={**silent, **up, **half}, at={60: 1}
    )
