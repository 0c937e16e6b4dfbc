"""The command simulate, as far as it needs no program."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from json_output import content
from rows import for_each

from whatsself_otel.cli import main, simulate
from whatsself_otel.simulation.receivers import Told
from whatsself_otel.simulation.run import Fired, Outcome
from whatsself_otel.simulation.scenarios import SCENARIOS

if TYPE_CHECKING:
    from collections.abc import Callable


def test_lists_every_scenario_with_what_it_fires(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", "--list"]) == 0

    shown = capsys.readouterr().out
    assert all(name in shown for name in SCENARIOS)
    assert "fires WhatsSelfContactFlood, within 13 min" in shown
    assert "fires nothing" in shown


def test_lists_for_machines(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", "--list", "--json"]) == 0

    assert [each["scenario"] for each in content(capsys.readouterr().out)["scenarios"]] == list(SCENARIOS)


@for_each(
    "arguments, said",
    [(["nothing"], "No scenario is called 'nothing'. There are: ban, breaker,"), ([], "SCENARIO is missing.")],
)
def test_an_unknown_scenario_is_refused_with_those_there_are(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["simulate", *arguments]) == 2

    assert said in capsys.readouterr().err


def test_absent_programs_are_named_with_the_remedy(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    monkeypatch.setenv("WHATSSELF_OTEL_CACHE", str(tmp_path))
    monkeypatch.setenv("PATH", "")

    assert main(["simulate", "flood"]) == 3
    assert "prometheus" in capsys.readouterr().err


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Outcome]:
    """Have a scenario come to an end that the test chooses; tests/simulation plays some for real."""

    def play(**changes: Any) -> Outcome:
        scenario = SCENARIOS["session-lost"]
        fired = [Fired(alert=alert, after_min=each.within_min, ended_min=90) for alert, each in scenario.fires.items()]
        names = dict.fromkeys(alert.partition("{")[0] for alert, each in scenario.fires.items() if each.told)
        told = [
            Told(by="slack", title=f"[{word}] {name} whatsself", text=" what to do ", at=0.0)
            for name in names
            for word in ("CRITICAL", "OK")
        ]
        outcome = Outcome(scenario=scenario, **{"fired": tuple(fired), "told": tuple(told), "waited": True, **changes})
        monkeypatch.setattr(simulate, "_play", lambda _scenario, _arguments: outcome)
        return outcome

    return play


class TestOutcome:
    """The report of a scenario that was played."""

    def test_as_stated_is_status_0_with_every_alert_and_message(
        self, played: Callable[..., Outcome], capsys: pytest.CaptureFixture[str]
    ) -> None:
        outcome = played()

        assert main(["simulate", "session-lost"]) == 0
        said = capsys.readouterr().out
        for each in outcome.fired:
            assert f"{each.alert:<62} {each.after_min:>8.1f} min     90.0 min" in said
        for told in outcome.told:
            assert f"--- slack: {told.title}\nwhat to do\n" in said
        assert said.endswith("As the scenario states: these alerts, these words, no other.\n")

    def test_nothing_that_fired_is_status_1_and_each_difference_a_line(
        self, played: Callable[..., Outcome], capsys: pytest.CaptureFixture[str]
    ) -> None:
        outcome = played(fired=(), told=())

        assert main(["simulate", "session-lost"]) == 1
        said = capsys.readouterr().out
        assert "\nno alert fired\n" in said
        assert said.strip().splitlines()[-len(outcome.scenario.fires) :] == [
            f"{alert} did not fire" for alert in outcome.scenario.fires
        ]

    def test_what_does_not_end_is_said(
        self, played: Callable[..., Outcome], capsys: pytest.CaptureFixture[str]
    ) -> None:
        (alert, *_) = SCENARIOS["session-lost"].fires
        played(fired=(Fired(alert=alert, after_min=1, ended_min=None),))

        assert main(["simulate", "session-lost"]) == 1
        said = capsys.readouterr().out
        assert "fires still" in said
        assert f"{alert} fires still" in said

    def test_for_machines_it_is_one_object_with_the_same(
        self, played: Callable[..., Outcome], capsys: pytest.CaptureFixture[str]
    ) -> None:
        outcome = played(told=())

        assert main(["simulate", "session-lost", "--json"]) == 1
        said = content(capsys.readouterr().out)
        assert said["scenario"] == "session-lost"
        assert [each["alert"] for each in said["fired"]] == [each.alert for each in outcome.fired]
        assert said["problems"] == list(outcome.problems()) != []


def test_a_speed_out_of_range_is_refused(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("whatsself_otel.cli.simulate.missing", list)

    assert main(["simulate", "flood", "--speed", "500"]) == 2
    assert "--speed: must be a number from 1 to 120, got '500'" in capsys.readouterr().err
