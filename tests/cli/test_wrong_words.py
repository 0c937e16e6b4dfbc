"""Whoever mistypes gets one line that names the remedy, and the documented status."""

from __future__ import annotations

import json

import pytest
from rows import for_each

from whatsself_otel.cli import main

# What is typed, the exit status, and what the one line must say.
WRONG = [
    ("veiw", 2, "Did you mean view?"),
    ("stak up", 2, "Did you mean stack?"),
    ("nonsense", 2, "COMMAND must be one of demo, view,"),
    ("--jsn", 2, "COMMAND is missing."),
    ("stack upp", 2, "Did you mean up?"),
    ("stack", 2, "ACTION is missing."),
    ("trace", 2, "ID is missing."),
    ("trace x --form viewer", 2, "Did you mean --from?"),
    ("trace x --from viewr", 2, "Did you mean viewer?"),
    ("trace x --url here", 2, "--url: must be a URL such as http://127.0.0.1:9090, got 'here'"),
    ("trace x --url http://localhost:1", 2, "--url needs --from"),
    ("trace x --loki localhost:3100", 2, "--loki: must be a URL"),
    ("trace x --from viewer extra", 2, "No option is called extra."),
    ("view --port 99999", 2, "--port: must be a whole number from 0 to 65535, got '99999'"),
    ("view --port -1", 2, "from 0 to 65535"),
    ("view --port abc", 2, "must be a whole number"),
    ("view --port", 2, "--port"),
    ("view --grpc-port 70000", 2, "from 0 to 65535"),
    ("view --max-size 0", 2, "must be a whole number of 4 or more"),
    ("view --max-size 1e400", 2, "must be a whole number of 4 or more"),
    ("view --max-spans 0", 2, "of 1 or more"),
    ("view --max-age -1", 2, "must be a number of 0.01 or more"),
    ("view --max-age nan", 2, "must be a number of 0.01 or more"),
    ("view --store /nowhere/at/all/file.db", 2, "--store needs a folder that exists"),
    ("view --prot 1", 2, "Did you mean --port?"),
    ("demo --stack nativ", 2, "Did you mean native?"),
    ("demo --messages 0", 2, "of 1 or more"),
    ("demo --messages x", 2, "must be a whole number"),
    ("doctor --patience -1", 2, "must be a number of 0 or more"),
    ("doctor --patience soon", 2, "must be a number of 0 or more"),
    ("doctor --metrics-url localhost:9090", 2, "must be a URL"),
    ("doctor --health-url ftp://x", 2, "must be a URL"),
    ("doctor --least-free -5", 2, "of 0 or more"),
    ("doctor --query-header novalue", 2, "--query-header needs NAME=FILE"),
    ("vendors show honeycom", 2, "Did you mean honeycomb?"),
    ("vendors chek honeycomb", 2, "Did you mean check?"),
    ("vendors check", 2, "name is missing."),
    ("collector run", 2, "Name one: --vendor local"),
    ("collector run --vendor honeycom", 2, "Did you mean honeycomb?"),
    ("collector run --sampilng", 2, "Did you mean --sampling?"),
    ("collector print --vendor debug --scale agnt", 2, "Did you mean agent?"),
    ("collector print --vendor debug --source pno", 2, "Did you mean pino?"),
    ("collector print --config /nowhere.yaml", 2, "No such file: /nowhere.yaml."),
    ("stack up --native --docker", 2, "not allowed with argument --native"),
    ("stack up --native --vendor honeycom", 2, "Did you mean honeycomb?"),
    ("stack logs --lines -4", 2, "of 0 or more"),
    ("files exprot here", 2, "Did you mean export?"),
    ("audit", 2, "FILE is missing."),
    ("audit /nowhere", 2, "cannot read /nowhere"),
    ("replay /nowhere", 2, "cannot read /nowhere"),
    ("replay x.json --provider evolutoin", 2, "Did you mean evolution?"),
    ("completion bsh", 2, "Did you mean bash?"),
    ("simulate bann", 2, "Did you mean ban?"),
    ("simulate ban --speed 0", 2, "must be a number from 1 to 120"),
    ("simulate ban --speed 1000", 2, "must be a number from 1 to 120"),
    ("prove-alerts WhatsSelfSesionDown", 2, "Did you mean WhatsSelfSessionDown?"),
]


@pytest.fixture(autouse=True)
def _nothing_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    """Arguments are judged before a program is looked for: who finds none would build it for minutes."""

    def build() -> None:
        pytest.fail("programs were looked for before the arguments were judged")

    monkeypatch.setattr("whatsself_otel.stack.native.ensure_built", build)
    monkeypatch.setattr("whatsself_otel.stack.docker.problem", build)


@for_each("typed, status, said", WRONG, ids=[typed for typed, _, _ in WRONG])
def test_a_wrong_word_is_answered_by_one_line_with_the_remedy(
    typed: str, status: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(typed.split()) == status
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("whatsself-otel: ")
    assert shown.err.count("\n") == 1
    assert said in shown.err


def test_a_program_that_asks_for_json_gets_the_failure_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["vendors", "show", "honeycom", "--json"]) == 2
    failure = json.loads(capsys.readouterr().out)
    assert (failure["schema"], failure["status"]) == ("whatsself-otel/error/1", 2)
    assert "Did you mean honeycomb?" in failure["message"]
