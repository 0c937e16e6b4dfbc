"""``whatsself-otel simulate``: trouble played on the real collector, Prometheus and Alertmanager."""

from __future__ import annotations

import argparse
import dataclasses
import functools
from typing import TYPE_CHECKING, Any, Final

from whatsself_otel.cli.arguments import number
from whatsself_otel.cli.terminal import print_json, say, show
from whatsself_otel.cli.termination import terminating
from whatsself_otel.language import translated
from whatsself_otel.stack.errors import FAILED, MISSING, WRONG_USE, CommandError, unknown_name
from whatsself_otel.stack.native import missing, remedy

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from whatsself_otel.simulation.run import Outcome
    from whatsself_otel.simulation.scenarios import Scenario

DEFAULT_SPEED: Final = 60.0

_EXAMPLES: Final = """\
examples:
  whatsself-otel simulate --list                what there is, and what it fires
  whatsself-otel simulate session-lost
  whatsself-otel simulate flood --speed 30      half as fast, for a busy machine
  whatsself-otel simulate ban --no-wait         not until its last alert has ended, a day later
  whatsself-otel simulate breaker --json

Every duration of the shipped rules and routes is divided by the speed and nothing else is changed. Warnings are told at
once, not in business hours only. Exit status 1: something else fired, or was told, than the scenario states.
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``simulate``."""
    parser = subparsers.add_parser(
        "simulate",
        help="play trouble, and see what alerts and messages come of it",
        description="Plays a scenario on the real collector, Prometheus and Alertmanager, and shows which alerts fire "
        "and what reaches Slack and e-mail, both received on this machine.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("scenario", nargs="?", help="name of a scenario; see --list")
    parser.add_argument("--list", action="store_true", help="name every scenario")
    parser.add_argument(
        "--speed",
        type=number(1, 120),
        default=DEFAULT_SPEED,
        help="minutes played in one of yours (default: 60)",
    )
    parser.add_argument("--no-wait", action="store_true", help="do not wait until every alert has ended")
    parser.add_argument("--json", action="store_true", help="for machines")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from whatsself_otel.simulation.scenarios import SCENARIOS

    if arguments.list:
        if arguments.json:
            print_json("simulate-list", scenarios=[_about(each) for each in SCENARIOS.values()])
        else:
            say(*_list(SCENARIOS.values()))
        return 0
    if arguments.scenario is None:
        raise CommandError("SCENARIO is missing. See whatsself-otel simulate --list.", status=WRONG_USE)
    if arguments.scenario not in SCENARIOS:
        raise unknown_name("scenario", arguments.scenario, SCENARIOS)
    outcome = _play(SCENARIOS[arguments.scenario], arguments)
    problems = list(outcome.problems())
    if arguments.json:
        print_json("simulate", **_about(outcome.scenario), **_found(outcome), problems=problems)
    else:
        show("\n".join(_shown(outcome, problems)))
    return FAILED if problems else 0


def _play(scenario: Scenario, arguments: argparse.Namespace) -> Outcome:
    from whatsself_otel.simulation.run import PROGRAMS, simulation

    needed = {"otelcol-whatsself" if name == "collector" else name for name in PROGRAMS}
    if absent := [name for name in missing() if name in needed]:
        raise CommandError(f"{', '.join(absent)} not on this machine. {remedy(absent[0])}", status=MISSING)

    # Progress is for people: with --json it must not stand in what a program reads.
    tell = functools.partial(say, aside=arguments.json)
    tell(f"{scenario.title}. At most {scenario.minutes:g} minutes, {scenario.minutes / arguments.speed:.1f} of yours.")
    with terminating(), simulation(speed=arguments.speed, say=tell) as stage:
        (outcome,) = stage.play([scenario], wait=not arguments.no_wait)
    return outcome


def _list(scenarios: Iterable[Scenario]) -> Iterator[str]:
    for each in scenarios:
        yield f"{each.name:<15} {translated(each.title)}"
        yield from (f"{'':<18}fires {alert}, within {fires.within_min:g} min" for alert, fires in each.fires.items())
        if not each.fires:
            yield f"{'':<18}fires nothing"


def _about(scenario: Scenario) -> dict[str, Any]:
    expected = {alert: dataclasses.asdict(fires) for alert, fires in scenario.fires.items()}
    return {"scenario": scenario.name, "title": scenario.title, "expected": expected, "minutes": scenario.minutes}


def _found(outcome: Outcome) -> dict[str, Any]:
    return {
        "fired": [dataclasses.asdict(each) for each in outcome.fired],
        "told": [dataclasses.asdict(each) for each in outcome.told],
        "waited": outcome.waited,
    }


def _shown(outcome: Outcome, problems: list[str]) -> Iterator[str]:
    yield f"\n{translated('alert'):<62} {translated('fired after'):>12} {translated('ended after'):>12}"
    for each in outcome.fired:
        ended = translated("fires still") if each.ended_min is None else f"{each.ended_min:.1f} min"
        yield f"{each.alert:<62} {each.after_min:>8.1f} min {ended:>12}"
    if not outcome.fired:
        yield translated("no alert fired")
    for told in outcome.told:
        yield f"\n--- {told.by}: {told.title}\n{told.text.strip()}"
    as_stated = "As the scenario states: these alerts, these words, no other."
    yield "\n" + "\n".join(map(translated, problems or [as_stated]))
