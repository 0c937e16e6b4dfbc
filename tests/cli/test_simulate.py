"""The command simulate, as far as it needs no program."""

from __future__ import annotations

import json

import pytest

from whatsself_otel.cli import main
from whatsself_otel.simulation.scenarios import SCENARIOS


def test_lists_every_scenario_with_what_it_fires(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", "--list"]) == 0

    shown = capsys.readouterr().out
    assert all(name in shown for name in SCENARIOS)
    assert "fires WhatsSelfContactFlood, within 13 min" in shown
    assert "fires nothing" in shown


def test_lists_for_machines(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", "--list", "--json"]) == 0

    assert [each["scenario"] for each in json.loads(capsys.readouterr().out)] == list(SCENARIOS)


@pytest.mark.parametrize("arguments", [["nothing"], []])
def test_an_unknown_scenario_is_refused_with_those_there_are(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["simulate", *arguments]) == 2

    assert "SCENARIO must be one of session-lost, breaker" in capsys.readouterr().err


def test_absent_programs_are_named_with_the_remedy(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    monkeypatch.setenv("WHATSSELF_OTEL_CACHE", str(tmp_path))
    monkeypatch.setenv("PATH", "")

    assert main(["simulate", "flood"]) == 3
    assert "prometheus" in capsys.readouterr().err


def test_a_speed_out_of_range_is_refused(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("whatsself_otel.cli.simulate.missing", list)

    assert main(["simulate", "flood", "--speed", "500"]) == 2
    assert "--speed must be from 1 to 120, got 500" in capsys.readouterr().err
