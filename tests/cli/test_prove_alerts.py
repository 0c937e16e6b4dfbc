"""prove-alerts: green for what ships, red as soon as an alert lacks something."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from binaries import ROOT, need
from json_output import content

from whatsself_otel.cli import main
from whatsself_otel.cli.prove_alerts import Proof, prove
from whatsself_otel.stack.errors import CommandError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.backend

ALERT = "WhatsSelfTelemetryDropped"


@pytest.fixture(autouse=True)
def programs() -> None:
    for name in ("promtool", "amtool"):
        need(name)


@pytest.fixture
def backends(tmp_path: Path) -> Path:
    """Return a copy of what ships, with one small rule file and the one that it reads."""
    for folder in ("prometheus/rules", "prometheus/tests"):
        (tmp_path / folder).mkdir(parents=True)
        shutil.copy(ROOT / "backends" / folder / "telemetry.yml", tmp_path / folder)
    shutil.copy(ROOT / "backends/prometheus/rules/service.yml", tmp_path / "prometheus/rules")
    shutil.copytree(ROOT / "backends" / "alertmanager", tmp_path / "alertmanager")
    return tmp_path


def change(path: Path, edit: Callable[[Any], None]) -> None:
    content = yaml.safe_load(path.read_text("utf-8"))
    edit(content)
    path.write_text(yaml.safe_dump(content, allow_unicode=True), "utf-8")


def prove_one(backends: Path) -> Proof:
    (proof,) = prove([ALERT], backends)
    return proof


def test_what_ships_lacks_nothing(backends: Path) -> None:
    assert prove_one(backends).missing == ()


@pytest.mark.parametrize("kind", ["firing", "healthy", "boundary"])
def test_a_missing_test_is_noticed(backends: Path, kind: str) -> None:
    def drop(content: Any) -> None:
        content["tests"] = [test for test in content["tests"] if not test["name"].startswith(f"{ALERT} | {kind}")]

    change(backends / "prometheus/tests/telemetry.yml", drop)

    assert prove_one(backends).missing == (f"{kind} test",)


def test_a_failing_test_is_noticed(backends: Path) -> None:
    def raise_threshold(content: Any) -> None:
        for rule in content["groups"][0]["rules"]:
            if rule.get("alert") == ALERT:
                rule["expr"] = rule["expr"].replace("[15m])) > 0", "[15m])) > 5")

    change(backends / "prometheus/rules/telemetry.yml", raise_threshold)

    # One that is held until the business opens, and one beside a healthy staging, have to fire too.
    fires = ("firing", "healthy", "boundary", "environment")
    assert prove_one(backends).missing == tuple(f"{kind} test that passes" for kind in fires)


def test_a_wrong_route_is_noticed(backends: Path) -> None:
    def tell_nobody(content: Any) -> None:
        for route in content["route"]["routes"]:
            route["receiver"] = "dead-man"

    change(backends / "alertmanager/alertmanager.yml", tell_nobody)

    assert prove_one(backends).missing == ("route",)


def test_a_missing_inhibition_is_noticed(backends: Path) -> None:
    change(backends / "alertmanager/alertmanager.yml", lambda content: content.update(inhibit_rules=[]))

    assert prove_one(backends).missing == ("inhibition",)


@pytest.mark.parametrize("word", ["summary", "summary_pt", "description", "description_pt", "runbook_url"])
def test_a_missing_text_is_noticed(backends: Path, word: str) -> None:
    def drop(content: Any) -> None:
        for rule in content["groups"][0]["rules"]:
            if rule.get("alert") == ALERT:
                del rule["annotations"][word]

    change(backends / "prometheus/rules/telemetry.yml", drop)

    assert prove_one(backends).missing == (word,)


def test_an_unknown_alert_is_refused(backends: Path) -> None:
    with pytest.raises(CommandError, match="No alert is called 'Nonsense'"):
        prove(["Nonsense"], backends)


def test_shows_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prove-alerts", ALERT]) == 0
    assert ALERT in capsys.readouterr().out


def test_speaks_to_machines(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prove-alerts", ALERT, "--json"]) == 0

    (proof,) = content(capsys.readouterr().out)["proofs"]

    assert proof["rule"] == ALERT
    assert proof["receiver"] == "warning"
