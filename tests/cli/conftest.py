"""Small real programs for the commands, and an eye on everything that they print for programs."""

import json
from types import SimpleNamespace

import pytest
from json_output import kind_of
from small_programs import free_port, left_running, server  # noqa: F401 - fixtures

from whatsself_otel.cli import terminal


@pytest.fixture(autouse=True)
def _every_json_output_has_its_form(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever test lets a command print JSON in this process: it is as docs/command-line.schema.json says."""

    def dumps(found: object) -> str:
        text = json.dumps(found)
        kind_of(text)
        return text

    monkeypatch.setattr(terminal, "json", SimpleNamespace(dumps=dumps))


@pytest.fixture
def no_docker(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with a Docker that is never asked."""
    monkeypatch.setattr("whatsself_otel.stack.docker.problem", lambda: "Docker is not asked here.")
