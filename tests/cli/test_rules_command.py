"""The command rules: thresholds, names and expectations changed without a checkout, in each form."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml
from binaries import need, run_once
from rows import for_each

from whatsself_otel.cli import main
from whatsself_otel.stack.files import shipped

if TYPE_CHECKING:
    from pathlib import Path


def build(folder: Path, *words: str) -> dict[str, Any]:
    assert main(["rules", "build", "--output", str(folder), *words]) == 0
    return {path.name: yaml.safe_load(path.read_text("utf-8")) for path in folder.glob("*.yml")}


def expressions(files: dict[str, Any], name: str) -> list[str]:
    rules = [rule for file in files.values() for group in file["groups"] for rule in group["rules"]]
    return [rule["expr"] for rule in rules if name in {rule.get("alert"), rule.get("record")}]


def test_without_a_change_it_writes_what_ships(tmp_path: Path) -> None:
    for name, rules in build(tmp_path).items():
        assert rules == yaml.safe_load((shipped("backends/prometheus/rules") / name).read_text("utf-8"))


@pytest.mark.backend
def test_settings_change_what_they_name(tmp_path: Path) -> None:
    service = ("service=shop-bot", "sending.fail_ratio=0.5")
    settings = (*service, "expected.sessions=main,second", "expected.workers=3", "expected.acknowledgements=true")
    files = build(tmp_path, *(word for each in settings for word in ("--set", each)))

    assert all("> 0.5" in expr for expr in expressions(files, "WhatsSelfSendFailureHigh"))
    assert len(expressions(files, "whatsself:session:expected")) == 2
    assert not any("[3d:" in expr for expr in expressions(files, "WhatsSelfNotAcknowledged"))
    assert expressions(files, "whatsself:workers:expected")[0].startswith("3 * ")
    assert 'job=~"(.+/)?whatsself"' not in str(files)
    done = run_once([need("promtool"), "check", "rules", "--lint-fatal", *sorted(tmp_path.glob("*.yml"))])
    assert done.returncode == 0, done.stderr


def test_addresses_of_links_change(tmp_path: Path) -> None:
    files = build(tmp_path, "--set", "links.runbooks=https://wiki.example.org/alerts.html")

    assert "https://wiki.example.org/alerts.html#whatsselfqueuestuck" in str(files["queue.yml"])


@for_each("form, where", [("operator", lambda file: file["spec"]["groups"]), ("mimir", lambda file: file["groups"])])
def test_each_form_holds_the_same_groups(tmp_path: Path, form: str, where: Any) -> None:
    plain, other = build(tmp_path / "plain"), build(tmp_path / form, "--form", form)

    assert {name: where(file) for name, file in other.items()} == {name: file["groups"] for name, file in plain.items()}
    if form == "operator":
        assert {file["kind"] for file in other.values()} == {"PrometheusRule"}
    else:
        assert len({file["namespace"] for file in other.values()}) == len(other)


@for_each("given", ["queue.stuck_fro=5m", "queue=1", "queue.stuck_for", "sending.fail_ratio=much"])
def test_what_cannot_be_set_is_refused_by_name(tmp_path: Path, given: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rules", "build", "--output", str(tmp_path), "--set", given]) == 2

    assert given.partition("=")[0] in capsys.readouterr().err


def test_the_settings_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rules", "settings", "--set", "queue.stuck_for=9m"]) == 0

    assert yaml.safe_load(capsys.readouterr().out)["queue"]["stuck_for"] == "9m"
