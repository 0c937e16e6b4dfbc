"""Scenarios name alerts that exist, and a run that differs from them is recognised."""

from __future__ import annotations

from dataclasses import replace

import pytest
from binaries import ROOT
from rows import for_each

from whatsself_otel.cli.prove_alerts import alert_rules, rule_name
from whatsself_otel.simulation.business import OUTSIDE, Business, Phase
from whatsself_otel.simulation.receivers import Told
from whatsself_otel.simulation.run import Fired, Outcome, simulation
from whatsself_otel.simulation.scenarios import SCENARIOS, Fires, Scenario

ALERTS = {rule_name(rule) for rule in alert_rules(ROOT / "backends" / "prometheus" / "rules")}
ASKED_FOR = {"session-lost", "breaker", "broadcast", "flood", "slow-database", "collector-down", "ban"}

PLAIN = Scenario(
    name="plain",
    title="",
    phases=(Phase(minutes=1, what=""),),
    fires={"Loud": Fires(within_min=5), "Quiet": Fires(within_min=5, told=False)},
)
LOUD, QUIET = Fired(alert="Loud", after_min=2, ended_min=9), Fired(alert="Quiet", after_min=2, ended_min=9)
BEGUN, ENDED = (Told(at=0, by="slack", title=f"[{word}] Loud (job)", text="") for word in ("CRITICAL x1", "OK"))


def outcome(*fired: Fired, told: tuple[Told, ...] = (BEGUN, ENDED), waited: bool = True, missed: int = 0) -> Outcome:
    return Outcome(scenario=PLAIN, fired=fired, told=told, waited=waited, missed=missed)


def test_there_is_every_scenario_that_was_asked_for() -> None:
    assert set(SCENARIOS) >= ASKED_FOR


@for_each("scenario", SCENARIOS.values(), ids=lambda scenario: scenario.name)
class TestScenario:
    def test_names_alerts_that_exist(self, scenario: Scenario) -> None:
        assert set(scenario.fires) <= ALERTS

    def test_lets_things_happen_that_can(self, scenario: Scenario) -> None:
        events = {phase.event for phase in scenario.phases} - {""}

        assert all(event in OUTSIDE or callable(getattr(Business, event)) for event in events)

    def test_has_a_usual_beginning_a_trouble_and_an_end(self, scenario: Scenario) -> None:
        assert len(scenario.phases) >= 3


class TestOutcome:
    """Each possible difference is reported."""

    def test_as_stated(self) -> None:
        assert list(outcome(LOUD, QUIET).problems()) == []

    def test_another_alert(self) -> None:
        other = Fired(alert="Other", after_min=1, ended_min=2)

        assert list(outcome(LOUD, QUIET, other).problems()) == ["Other fired and should not have"]

    def test_no_alert(self) -> None:
        assert list(outcome(LOUD).problems()) == ["Quiet did not fire"]

    def test_too_late(self) -> None:
        late = Fired(alert="Quiet", after_min=5.1, ended_min=9)

        assert list(outcome(LOUD, late).problems()) == ["Quiet fired after 5.1 minutes, not within 5"]

    def test_without_an_end(self) -> None:
        endless = Fired(alert="Quiet", after_min=1, ended_min=None)

        assert list(outcome(LOUD, endless).problems()) == ["Quiet fires still"]
        assert list(outcome(LOUD, endless, waited=False).problems()) == []

    def test_a_machine_that_is_too_slow_proves_nothing(self) -> None:
        slow = "this machine is too slow: 4 evaluations of rules were missed, and nothing is proven"

        silent = "this machine is too slow: A, B fired for a service without any trouble, and nothing is proven"

        assert list(outcome(LOUD, missed=4).problems()) == [slow, "Quiet did not fire"]
        assert list(replace(outcome(LOUD), idle_fired=("A", "B")).problems()) == [silent, "Quiet did not fire"]
        assert list(replace(outcome(LOUD, QUIET), idle_fired=("A", "B")).problems()) == []
        assert list(outcome(LOUD, QUIET, missed=4).problems()) == []

    def test_nobody_was_told(self) -> None:
        assert list(outcome(LOUD, QUIET, told=()).problems()) == ["nobody was told of Loud"]

    def test_nobody_was_told_of_the_end(self) -> None:
        assert list(outcome(LOUD, QUIET, told=(BEGUN,)).problems()) == ["nobody was told that Loud has ended"]

    @for_each("name", ["Quiet", "Other"])
    def test_people_were_told_too_much(self, name: str) -> None:
        more = tuple(Told(at=0, by="email", title=f"[{word}] {name}", text="") for word in ("WARNING x1", "OK"))

        assert list(outcome(LOUD, QUIET, told=(BEGUN, ENDED, *more)).problems()) == [
            f"people were told of {name} and should not have been"
        ]


@for_each("speed", [0, 0.5, 121])
def test_a_speed_out_of_range_is_refused(speed: float) -> None:
    with pytest.raises(Exception, match=r"--speed must be from 1 to 120, got"), simulation(speed=speed):
        pass
