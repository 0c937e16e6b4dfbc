"""The command session: a number that was given up, asked of a real Alertmanager."""

from __future__ import annotations

import json
import urllib.parse
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from alertmanager_server import alertmanager, fire, inbox, wait_for
from binaries import free_ports, get
from json_output import content
from rows import for_each

from whatsself_otel.cli import main

if TYPE_CHECKING:
    from pathlib import Path

PRODUCTION = {"deployment_environment_name": "production"}
DOWN = {"alertname": "WhatsSelfSessionDown", "severity": "critical", "component": "session", "job": "whatsself"}
GIVEN_UP, MAIN = ({**DOWN, **PRODUCTION, "session": name} for name in ("given-up", "main"))


def session(*words: str, url: str) -> int:
    return main(["session", *words, "--url", url])


def told(url: str, labels: dict[str, str]) -> str | None:
    """Return ``active`` or ``suppressed``, None before Alertmanager has looked."""
    asked = "&".join(f"filter={urllib.parse.quote(f'{name}={json.dumps(value)}')}" for name, value in labels.items())
    alerts = json.loads(get(f"{url}/api/v2/alerts?{asked}") or b"[]")
    states = {alert["status"]["state"] for alert in alerts} - {"unprocessed"}
    return states.pop() if len(states) == 1 else None


def becomes(url: str, labels: dict[str, str], state: str) -> bool:
    return bool(wait_for(lambda: told(url, labels) == state, f"{labels['session']} {state}"))


@pytest.mark.backend
class TestRetired:
    """No alert is sent for it, after a restart too, until it is restored."""

    def test_it_pages_nobody_and_the_others_still_do(self, tmp_path: Path) -> None:
        with inbox() as slack:
            (tmp_path / "slack").write_text(slack.url, "utf-8")
            with alertmanager(tmp_path, {"ALERT_SLACK_URL_FILE": str(tmp_path / "slack")}) as url:
                assert session("retire", "given-up", url=url) == 0
                fire(
                    url, GIVEN_UP, GIVEN_UP | {"alertname": "WhatsSelfSessionMissing"}, MAIN | {"job": "shop/whatsself"}
                )
                wait_for(lambda: slack.bodies, "the other session's page")
                becomes(url, GIVEN_UP, "suppressed")
            words = json.dumps(slack.bodies)

        assert "(shop/whatsself, production, main)" in words
        assert "given-up" not in words

    def test_it_stays_retired_over_a_restart_until_it_is_restored(self, tmp_path: Path) -> None:
        with alertmanager(tmp_path, {}) as url:
            assert session("retire", "given-up", url=url) == 0
        with alertmanager(tmp_path, {}) as url:
            fire(url, GIVEN_UP)
            becomes(url, GIVEN_UP, "suppressed")
            assert session("restore", "given-up", url=url) == 0
            becomes(url, GIVEN_UP, "active")

    def test_one_of_another_service_or_environment_stays(self, tmp_path: Path) -> None:
        staging = GIVEN_UP | {"deployment_environment_name": "staging"}
        other = GIVEN_UP | {"job": "other-whatsself"}
        with alertmanager(tmp_path, {}) as url:
            assert session("retire", "given-up", "--environment", "production", url=url) == 0
            fire(url, GIVEN_UP, staging, other)
            becomes(url, GIVEN_UP, "suppressed")

            assert (told(url, staging), told(url, other)) == ("active", "active")

    def test_twice_is_once_and_the_list_shows_it(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        with alertmanager(tmp_path, {}) as url:
            session("list", url=url)
            for _ in range(2):
                session("retire", "given-up", url=url)
            capsys.readouterr()
            session("list", url=url)
            (line,) = capsys.readouterr().out.splitlines()
            (silence,) = json.loads(get(f"{url}/api/v2/silences") or b"[]")
            session("restore", "given-up", url=url)
            capsys.readouterr()

            assert line == "session=given-up job=(.+/)?whatsself"
            assert datetime.fromisoformat(silence["endsAt"]) > datetime.now(UTC) + timedelta(days=3000)
            assert session("restore", "given-up", url=url) == 2
            assert "given-up is not retired." in capsys.readouterr().err


@pytest.mark.backend
def test_tells_programs_what_is_retired(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with alertmanager(tmp_path, {}) as url:
        session("retire", "given-up", "--environment", "production", "--json", url=url)
        line = capsys.readouterr().out

    found = {"session": "given-up", "job": "(.+/)?whatsself", "environment": "production"}
    assert content(line) == {"retired": [found]}


@for_each("name", ["", "+5511987654321"])
def test_a_number_is_no_session_and_is_not_shown(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["session", "retire", name]) == 2
    said = capsys.readouterr().err
    assert "NAME must be a session as alerts show it" in said
    assert "98765" not in said


def test_says_that_alertmanager_is_away(capsys: pytest.CaptureFixture[str]) -> None:
    (port,) = free_ports(1)

    assert session("retire", "main", url=f"http://127.0.0.1:{port}") == 1
    assert f"Alertmanager does not answer at http://127.0.0.1:{port}. Name it with --url." in capsys.readouterr().err
