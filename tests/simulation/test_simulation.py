"""Scenarios on the real collector, Prometheus and Alertmanager: exactly the stated alerts fire, notify and end."""

from __future__ import annotations

import json
import os
import re
import signal
import threading
import time

import pytest
from binaries import need

from whatsself_otel.cli import main
from whatsself_otel.masking.audit import assert_no_pii
from whatsself_otel.simulation.run import Outcome, simulation
from whatsself_otel.simulation.scenarios import SCENARIOS, USUAL, Scenario

pytestmark = pytest.mark.backend

SPEED = 60
SHORT = ("session-lost", "outage")
ALONE = ("collector-down", "ban")
"""The first stops what all share, and the risk that the second raises takes a day to pass."""


@pytest.fixture(autouse=True, scope="module")
def programs() -> None:
    for name in ("otelcol-whatsself", "prometheus", "alertmanager"):
        need(name)


def play(*names: str) -> dict[str, Outcome]:
    with simulation(speed=SPEED, say=print) as stage:
        return {outcome.scenario.name: outcome for outcome in stage.play([SCENARIOS[name] for name in names])}


def play_quiet_while_stopped(program: str, stop_s: float) -> Outcome:
    """Play a scenario in which nothing happens, while *program* stands still as on a machine that is too busy."""
    quiet = Scenario(name="quiet", title="Nothing happens", phases=(USUAL, USUAL, USUAL))
    with simulation(speed=SPEED, say=print) as stage:
        # After the wait for a quiet stack, in the middle of fifteen seconds.
        busy = threading.Timer(12, stand_still, (stage.stack.pid(program), stop_s))
        busy.start()
        (outcome,) = stage.play([quiet])
        busy.join()
    return outcome


def stand_still(pid: int, seconds: float) -> None:
    os.kill(pid, signal.SIGSTOP)
    time.sleep(seconds)
    os.kill(pid, signal.SIGCONT)


@pytest.fixture(scope="module")
def outcomes() -> dict[str, Outcome]:
    return play(*SHORT)


class TestShort:
    """Two scenarios, side by side as two services."""

    @pytest.mark.parametrize("name", SHORT)
    def test_fires_exactly_what_is_stated_in_time_and_ends(self, outcomes: dict[str, Outcome], name: str) -> None:
        assert list(outcomes[name].problems()) == []

    def test_a_total_outage_pages_within_eight_minutes(self, outcomes: dict[str, Outcome]) -> None:
        pages = [each.after_min for each in outcomes["outage"].fired if each.alert == "WhatsSelfTelemetryAbsent"]

        assert len(pages) == 1
        assert 2 < pages[0] <= 8

    def test_slack_and_mail_are_told_in_both_languages(self, outcomes: dict[str, Outcome]) -> None:
        told = outcomes["session-lost"].told

        assert {each.by for each in told} == {"slack", "email"}
        for each in told:
            assert "session-lost/whatsself, development, main" in each.title
            assert re.search("Session main|The objective|over after", each.text)
            assert re.search("sessão main|O objetivo|acabou após", each.text)

    def test_no_message_holds_personal_data(self, outcomes: dict[str, Outcome]) -> None:
        for outcome in outcomes.values():
            for told in outcome.told:
                assert_no_pii(f"{told.title}\n{told.text}")


@pytest.mark.proof
def test_every_other_scenario_fires_exactly_what_is_stated() -> None:
    outcomes = play(*(name for name in SCENARIOS if name not in {*SHORT, *ALONE}))

    assert [problem for outcome in outcomes.values() for problem in outcome.problems()] == []


@pytest.mark.proof
@pytest.mark.parametrize("name", ALONE)
def test_what_is_played_alone_fires_exactly_what_is_stated(name: str) -> None:
    assert list(play(name)[name].problems()) == []


@pytest.mark.proof
def test_a_run_on_a_machine_without_time_for_the_rules_proves_nothing() -> None:
    outcome = play_quiet_while_stopped("prometheus", 4)

    first, *others = outcome.problems()
    assert re.fullmatch(r"this machine is too slow: \d+ evaluations of rules were missed, and nothing is proven", first)
    assert "WhatsSelfRulesFailing fired and should not have" in others


@pytest.mark.proof
def test_a_run_whose_telemetry_has_no_time_to_arrive_proves_nothing() -> None:
    outcome = play_quiet_while_stopped("collector", 8)

    assert "WhatsSelfTelemetryAbsent" in outcome.idle_fired
    assert any("fired for a service without any trouble, and nothing is proven" in each for each in outcome.problems())


@pytest.mark.proof
def test_the_command_speaks_to_machines(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", "session-lost", "--json"]) == 0

    answer = json.loads(capsys.readouterr().out)

    assert {each["alert"] for each in answer["fired"]} == set(answer["expected"])
    assert answer["problems"] == []
