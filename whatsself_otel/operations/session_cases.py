"""Tests of the rules about sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from whatsself_otel.operations.cases import BOUNDARY, FIRING, HEALTHY, VALUE, Case, flat, named, ramp

if TYPE_CHECKING:
    from collections.abc import Iterator

CONNECTED, STATE, LOSSES = "whatsapp_session_connected", "whatsapp_session_state", "whatsapp_session_disconnects_total"
UPTIME = "process_uptime_seconds"
MAIN = 'session="main"'


def cases() -> Iterator[Case]:
    """Return every test of these rules."""
    yield from _down()
    yield from _logged_out()
    yield from _banned()
    yield from _flapping()
    yield from _missing()
    yield from _away()


def _down() -> Iterator[Case]:
    down = "WhatsSelfSessionDown"
    lost = {named(CONNECTED, MAIN): flat((10, 1), (20, 0), (20, 1))}
    yield Case(rule=down, kind=FIRING, title="lost, pages within 8 minutes", series=lost, at={9: 0, 18: 1, 45: 0})
    yield Case(rule=down, kind=BOUNDARY, title="after 5 minutes", series=lost, at={14: 0, 15.5: 1, 31.5: 1, 32.5: 0})
    yield Case(
        rule=down,
        kind=BOUNDARY,
        title="two sessions, one down",
        series=lost | {named(CONNECTED, 'session="other"'): flat((60, 1))},
        at={20: 1},
    )
    yield Case(
        rule=down,
        kind=HEALTHY,
        title="one of two workers holds it",
        series={named(CONNECTED, MAIN): flat((60, 1)), named(CONNECTED, MAIN, instance="b"): flat((60, 0))},
        at={20: 0, 50: 0},
    )
    yield Case(
        rule=down,
        kind=HEALTHY,
        title="away for two minutes",
        series={named(CONNECTED, MAIN): flat((10, 1), (2, 0), (30, 1))},
        at={12: 0, 14: 0, 20: 0},
    )


def _logged_out() -> Iterator[Case]:
    rule = "WhatsSelfSessionLoggedOut"
    for word in ("logged_out", "qr_pending", "expired"):
        series = {
            named(STATE, f'{MAIN},state="{word}"'): flat((10, 0), (30, 1)),
            named(STATE, f'{MAIN},state="connected"'): flat((10, 1), (30, 0)),
            # A second worker that does not know yet.
            named(STATE, f'{MAIN},state="{word}"', instance="b"): flat((40, 0)),
        }
        yield Case(rule=rule, kind=FIRING, title=word, series=series, at={9: 0, 15: 1})
        yield Case(rule=rule, kind=BOUNDARY, title=f"{word} for a minute", series=series, at={10.5: 0, 11: 1})
    both = {named(STATE, f'{MAIN},state="logged_out"', instance=one): flat((10, 0), (30, 1)) for one in ("a", "b")}
    yield Case(rule=rule, kind=FIRING, title="two workers know", series=both, at={9: 0, 15: 1})
    yield Case(
        rule=rule,
        kind=HEALTHY,
        title="disconnected, which heals by itself",
        series={named(STATE, f'{MAIN},state="disconnected"'): flat((40, 1))},
        at={20: 0},
    )
    stale = {
        named(STATE, f'{MAIN},state="qr_pending"', instance="b"): flat((60, 1)),
        named(CONNECTED, MAIN, instance="b"): flat((60, 0)),
    }
    yield Case(
        rule=rule,
        kind=HEALTHY,
        title="a second worker still shows the code that the first has long connected with",
        series=stale | {named(CONNECTED, MAIN): flat((60, 1))},
        at={20: 0, 50: 0},
    )
    yield Case(
        rule=rule,
        kind=FIRING,
        title="another session is connected",
        series=stale | {named(CONNECTED, 'session="other"'): flat((60, 1))},
        at={20: 1},
    )

    over = {named(STATE, f'{MAIN},state="expired"'): flat((10, 0), (30, 1), (30, 0))}
    yield Case(rule=rule, kind=BOUNDARY, title="four minutes longer", series=over, at={43: 1, 45: 0})


def _banned() -> Iterator[Case]:
    rule = "WhatsSelfSessionBanned"
    ban = {
        named(LOSSES, f'{MAIN},reason="banned"'): flat((10, 0), (60, 1)),
        named(LOSSES, f'{MAIN},reason="banned"', instance="b"): flat((70, 0)),
    }
    yield Case(rule=rule, kind=FIRING, title="banned, known by the loss alone", series=ban, at={9: 0, 12: 1})
    yield Case(rule=rule, kind=BOUNDARY, title="the loss is told for 19 minutes", series=ban, at={28: 1, 30: 0})
    for word in ("banned", "restricted"):
        state = {
            named(STATE, f'{MAIN},state="{word}"'): flat((10, 0), (100, 1), (30, 0)),
            named(CONNECTED, MAIN): flat((10, 1), (100, 0), (30, 1)),
            named(STATE, f'{MAIN},state="{word}"', instance="b"): flat((140, 0)),
            named(CONNECTED, MAIN, instance="b"): flat((140, 0)),
        }
        yield Case(rule=rule, kind=BOUNDARY, title=f"{word} until connected", series=state, at={10: 1, 113: 1, 115: 0})
    yield Case(
        rule=rule,
        kind=HEALTHY,
        title="other reasons",
        series={
            named(LOSSES, f'{MAIN},reason="transient"'): flat((10, 0), (60, 9)),
            named(LOSSES, f'{MAIN},reason="banned"'): flat((70, 0)),
        },
        at={12: 0, 20: 0},
    )
    yield Case(
        rule=rule,
        kind=HEALTHY,
        title="connected again within 15 minutes",
        series=ban | {named(CONNECTED, MAIN): flat((10, 0), (60, 1))},
        at={12: 0, 20: 0},
    )
    other = {named(CONNECTED, 'session="other"'): flat((70, 1)), named(CONNECTED, MAIN): flat((10, 1), (60, 0))}
    yield Case(rule=rule, kind=FIRING, title="another session is connected", series=ban | other, at={12: 1})


def _flapping() -> Iterator[Case]:
    rule = "WhatsSelfSessionFlapping"
    often = {
        named(LOSSES, f'{MAIN},reason="transient"'): flat((10, 0), *((4, n) for n in range(1, 7)), (90, 7)),
        named(LOSSES, f'{MAIN},reason="replaced"', instance="b"): flat((124, 0)),
    }
    yield Case(rule=rule, kind=FIRING, title="lost every four minutes", series=often, at={9: 0, 28: 1, 100: 0})
    yield Case(rule=rule, kind=BOUNDARY, title="the fifth loss", series=often, at={25: 0, 27: 1, 47: 1, 49: 0})
    shared = {
        named(LOSSES, f'{MAIN},reason="transient"'): flat((10, 0), (60, 3)),
        named(LOSSES, f'{MAIN},reason="replaced"', instance="b"): flat((10, 0), (60, 2)),
    }
    yield Case(rule=rule, kind=BOUNDARY, title="two workers count together", series=shared, at={12: 1})
    yield Case(
        rule=rule,
        kind=HEALTHY,
        title="four losses, and restarts that the server asked for",
        series={
            named(LOSSES, f'{MAIN},reason="transient"'): flat((10, 0), (60, 4)),
            named(LOSSES, f'{MAIN},reason="restart"'): ramp((70, 1)),
        },
        at={12: 0, 40: 0},
    )


MISSING: Final = "WhatsSelfSessionMissing"
OWNER: Final = {named(UPTIME): "0+15x79 _x400", named(CONNECTED, MAIN): flat((20, 1))}
"""A process that has the session for twenty minutes, then ends."""
OTHER: Final = {named(UPTIME, instance="b"): "0+15x480"}
"""A process beside it that lives on."""


def _missing() -> Iterator[Case]:
    yield from _owner_gone()
    yield from _owner_changed()
    yield from _renewed()
    yield from _expected()
    yield _forgotten()


def _owner_gone() -> Iterator[Case]:
    rule = MISSING
    yield Case(rule=rule, kind=FIRING, title="its owner is gone", series=OWNER | OTHER, at={19: 0, 30: 1, 110: 1})
    yield Case(
        rule=rule,
        kind=BOUNDARY,
        title="three minutes after its last value is no longer shown",
        series=OWNER | OTHER,
        at={27: 0, 28.5: 1},
    )
    back = {named(CONNECTED, MAIN, instance="b"): flat((60, None), (60, 0))}
    yield Case(
        rule=rule, kind=BOUNDARY, title="until another one reports it", series=OWNER | OTHER | back, at={59: 1, 61: 0}
    )
    yield Case(
        rule=rule,
        kind=HEALTHY,
        title="retired by a process that lives on, and is restarted later",
        series={named(UPTIME): "0+15x159 _x320", named(CONNECTED, MAIN): flat((20, 1))} | OTHER,
        at={30: 0, 60: 0, 100: 0},
    )


def _owner_changed() -> Iterator[Case]:
    rule = MISSING
    again = {named(UPTIME): "0+15x79 _x4 0+15x400", named(CONNECTED, MAIN): flat((20, 1))}
    yield Case(
        rule=rule,
        kind=FIRING,
        title="scraped: restarted under the same name, and the session never came back",
        series=again,
        at={19: 0, 40: 1},
    )
    yield Case(
        rule=rule,
        kind=FIRING,
        title="its process ends in two steps, the session first",
        series={named(UPTIME): "0+15x83 _x400", named(CONNECTED, MAIN): flat((20, 1))} | OTHER,
        at={20: 0, 40: 1},
    )
    title = "evaluated every nine minutes, as around a restart of Prometheus"
    yield Case(rule=rule, kind=FIRING, title=title, series=OWNER | OTHER, at={18: 0, 72: 1}, every_s=540)
    yield Case(
        rule=rule,
        kind=HEALTHY,
        title="handed over to a new process, hour by hour",
        series=OWNER | OTHER | {named(CONNECTED, MAIN, instance="b"): flat((21, None), (90, 1))},
        at={30: 0, 60: 0, 100: 0},
    )
    yield Case(
        rule=rule,
        kind=HEALTHY,
        title="the whole service is silent, which another alert tells",
        series=OWNER,
        at={30: 0, 60: 0},
    )


def _renewed() -> Iterator[Case]:
    """A process that is started again under its name, as a new version: for a while the old one's series are shown."""
    rule, told = MISSING, "whatsself:session_reported:timestamp_seconds"
    old, new = (f'service_version="{number}"' for number in "12")
    lives = {named(UPTIME, old): "0+15x79", named(UPTIME, new): "_x80 0+15x400"}
    had = {named(CONNECTED, f"{MAIN},{old}"): flat((20, 1)) + " stale"}
    yield Case(rule=rule, kind=FIRING, title="it came back without its session", series=lives | had, at={19: 0, 40: 1})
    drains = lives | had | {named(UPTIME, old): "0+15x139"}
    title = "the old one lives for another quarter of an hour"
    yield Case(rule=rule, kind=FIRING, title=title, series=drains, at={19: 0, 40: 1})
    brief = {named(CONNECTED, f"{MAIN},{old}"): flat((20, 1), (2.5, None)) + " stale"}
    brief |= {named(CONNECTED, f"{MAIN},{new}"): flat((20, None), (3, 1)) + " stale"}
    yield Case(
        rule=rule,
        kind=VALUE,
        title="it tells of the session again, and retires it",
        series=lives | brief,
        values={(told, 22): 1320, (f"count({told}) or vector(0)", 24): 0},
    )


def _expected() -> Iterator[Case]:
    rule = MISSING
    due = {'whatsself:session:expected{job="whatsself",session="main"}': flat((120, 1))}
    yield Case(rule=rule, kind=FIRING, title="expected, and never came", series=due | OTHER, at={2: 0, 4: 1, 110: 1})
    here = {named(CONNECTED, MAIN, instance="b"): flat((120, 0))}
    yield Case(rule=rule, kind=HEALTHY, title="expected, and reported as lost", series=due | OTHER | here, at={20: 0})


def _forgotten() -> Case:
    day = 24 * 60
    return Case(
        rule=MISSING,
        kind=BOUNDARY,
        title="forgotten after a day",
        series={
            named(UPTIME): flat((20, 1), step_s=60),
            named(CONNECTED, MAIN): flat((20, 1), step_s=60),
            named(UPTIME, instance="b"): flat((day + 100, 1), step_s=60),
        },
        at={day + 15: 1, day + 22: 0},
        step_s=60,
    )


def _away() -> Iterator[Case]:
    rule = "WhatsSelfSessionAway"
    lost = {named(CONNECTED, MAIN): flat((10, 1), (10, 0), (60, 1))}
    other = {named(CONNECTED, 'session="other"'): flat((80, 1))}
    yield Case(rule=rule, kind=FIRING, title="one of two", series=lost | other, at={9: 0, 12: 1, 65: 0})
    yield Case(rule=rule, kind=FIRING, title="the only one, for itself and for the service", series=lost, at={12: 2})
    yield Case(rule=rule, kind=BOUNDARY, title="30 minutes longer", series=lost | other, at={49: 1, 51: 0})
    held = {named(CONNECTED, MAIN, instance="b"): flat((80, 1))}
    yield Case(rule=rule, kind=HEALTHY, title="held by another worker", series=lost | held, at={12: 0, 30: 0})
