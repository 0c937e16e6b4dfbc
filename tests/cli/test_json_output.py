"""Every command with --json prints the object that docs/command-line.schema.json describes, when it fails too."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import generate_command_line
import pytest
from binaries import free_ports
from command_tree import COMMANDS
from consoles import type_in
from json_output import KINDS, kind_of
from markdown_pages import ROOT, is_a_test
from rows import for_each

from whatsself_otel.stack.native import COLLECTOR, find_binary

WEBHOOK = '{"event": "session.status", "session": "default", "engine": "NOWEB", "payload": {"status": "WORKING"}}'

SUCCEEDS = {
    "vendors list": "vendors-list",
    "vendors show honeycomb": "vendors-show",
    "vendors check debug": "vendors-check",
    "audit {log}": "audit",
    "replay {webhooks}": "replay",
    "completion bash": "completion",
    "simulate --list": "simulate-list",
    "stack status --data {data}": "stack-status",
    "stack down --data {data}": "stack-down",
    "stack logs --data {data}": "stack-logs",
    "doctor --no-probe --data {data}": "doctor",
    "files list": "files-list",
    "files export {data}/exported": "files-export",
    "rules build --output {data}/rules": "rules-build",
    "rules settings": "rules-settings",
}
"""Typed commands, and the form that each prints."""
ELSEWHERE = {
    "error": "tests/cli/test_json_output.py::test_every_command_says_its_failure_in_the_same_form",
    "view": "tests/cli/test_json_output.py::test_what_listens_says_where_it_is",
    "bridge": "tests/cli/test_json_output.py::test_what_listens_says_where_it_is",
    "collector-run": "tests/cli/test_json_output.py::test_the_collector_is_run_as_was_said",
    "collector-validate": "tests/cli/test_json_output.py::test_the_collectors_judgement_has_its_form",
    "demo": "tests/cli/test_demo.py::TestPythonStack::test_the_trace_its_logs_and_its_metrics_name_the_same_trace",
    "trace": "tests/viewer/test_view_command.py::TestTraceFromTheViewer::test_is_found_by_any_id",
    "session": "tests/cli/test_session_command.py::test_tells_programs_what_is_retired",
    "simulate": "tests/cli/test_simulate.py::TestOutcome::test_for_machines_it_is_one_object_with_the_same",
    "prove-alerts": "tests/cli/test_prove_alerts.py::test_speaks_to_machines",
}
"""Forms that need more than words, and the test that validates them."""


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "webhooks.jsonl").write_text(WEBHOOK)
    (tmp_path / "app.log").write_text("all quiet")
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "jaeger.log").write_text("ready")
    return {"webhooks": str(tmp_path / "webhooks.jsonl"), "log": str(tmp_path / "app.log"), "data": str(tmp_path)}


def printed_kinds() -> Iterator[str]:
    for path in (ROOT / "whatsself_otel").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print_json":
                assert isinstance(node.args[0], ast.Constant)
                yield str(node.args[0].value)


def test_every_form_that_a_command_prints_is_in_the_schema_and_validated_here() -> None:
    assert set(printed_kinds()) == KINDS == {*SUCCEEDS.values(), *ELSEWHERE}
    assert [proof for proof in ELSEWHERE.values() if not is_a_test(proof)] == []


def test_the_page_is_what_the_parsers_say(capsys: pytest.CaptureFixture[str]) -> None:
    assert generate_command_line.main(["--check"]) == 0, capsys.readouterr().out


@pytest.mark.usefixtures("no_docker")
@for_each("words, kind", SUCCEEDS.items())
def test_it_has_the_form_that_its_schema_says(
    words: str, kind: str, files: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    done = type_in(monkeypatch, *words.format(**files).split(), "--json", encoding="ascii")

    assert {kind_of(line) for line in done.out.splitlines()} == {kind}


def test_every_command_says_its_failure_in_the_same_form(monkeypatch: pytest.MonkeyPatch) -> None:
    for command in COMMANDS:
        done = type_in(monkeypatch, *command.split(), "--json", "--no-such-option", encoding="ascii")

        assert kind_of(done.out) == "error", command
        assert json.loads(done.out)["status"] == done.status == 2, command
        assert done.err.count("\n") == 1, command


@pytest.mark.skipif(find_binary(COLLECTOR) is None, reason=f"{COLLECTOR} is not here: python native/build.py")
def test_the_collectors_judgement_has_its_form(monkeypatch: pytest.MonkeyPatch) -> None:
    done = type_in(monkeypatch, "collector", "validate", "--vendor", "debug", "--json")

    assert kind_of(done.out) == "collector-validate"


@pytest.mark.skipif(sys.platform == "win32", reason="a shell script stands in for the collector")
def test_the_collector_is_run_as_was_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "otelcol"
    program.write_text('#!/bin/sh\necho "$0" "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("OTELCOL_BIN", str(program))
    monkeypatch.setenv("OTELCOL_QUEUE_DIR", str(tmp_path / "queue"))
    command = [sys.executable, "-m", "whatsself_otel.cli", "collector", "run", "--vendor", "debug", "--json"]
    said, ran = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()

    assert kind_of(said) == "collector-run"
    assert " ".join(json.loads(said)["command"]) == ran


@for_each("words", ["view --port {port} --no-grpc", "bridge --listen 127.0.0.1:{port}"])
def test_what_listens_says_where_it_is(words: str) -> None:
    (port,) = free_ports(1)
    command = [sys.executable, "-m", "whatsself_otel.cli", *words.format(port=port).split(), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as listening:
        try:
            assert listening.stdout is not None
            assert kind_of(listening.stdout.readline()) == words.split(maxsplit=1)[0]
        finally:
            listening.terminate()
