"""Every command with --json prints the object that docs/command-line.schema.json describes, on any console."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import generate_command_line
import pytest
from binaries import free_ports
from json_output import KINDS, kind_of
from markdown_pages import ROOT

from whatsself_otel.cli import main
from whatsself_otel.stack.native import COLLECTOR, find_binary

WEBHOOK = '{"event": "session.status", "session": "default", "engine": "NOWEB", "payload": {"status": "WORKING"}}'


def run(*words: str, encoding: str = "utf-8", columns: int = 80) -> subprocess.CompletedProcess[bytes]:
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "COLUMNS": str(columns), "PYTHONUTF8": "0"}
    command = [sys.executable, "-m", "whatsself_otel.cli", *words]
    return subprocess.run(command, capture_output=True, env=environment, timeout=120, check=False)


def printed_kinds() -> Iterator[str]:
    for path in (ROOT / "whatsself_otel").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print_json":
                assert isinstance(node.args[0], ast.Constant)
                yield str(node.args[0].value)


def test_every_form_that_a_command_prints_is_in_the_schema_and_no_other() -> None:
    assert set(printed_kinds()) == KINDS


def test_the_page_is_what_the_parsers_say(capsys: pytest.CaptureFixture[str]) -> None:
    assert generate_command_line.main(["--check"]) == 0, capsys.readouterr().out


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "webhooks.jsonl").write_text(WEBHOOK)
    (tmp_path / "app.log").write_text("all quiet")
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "jaeger.log").write_text("ready")
    return {"webhooks": str(tmp_path / "webhooks.jsonl"), "log": str(tmp_path / "app.log"), "data": str(tmp_path)}


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("vendors list", "vendors-list"),
        ("vendors show honeycomb", "vendors-show"),
        ("vendors show nobody", "error"),
        ("vendors check debug", "vendors-check"),
        ("audit {log}", "audit"),
        ("audit /nowhere", "error"),
        ("replay {webhooks}", "replay"),
        ("completion bash", "completion"),
        ("simulate --list", "simulate-list"),
        ("stack status --data {data}", "stack-status"),
        ("stack down --data {data}", "stack-down"),
        ("stack logs --data {data}", "stack-logs"),
        ("doctor --no-probe --data {data}", "doctor"),
        ("files list", "files-list"),
        ("files export {data}/exported", "files-export"),
        ("rules build --output {data}/rules", "rules-build"),
        ("rules settings", "rules-settings"),
        ("collector run", "error"),
        ("trace nobody --from jaeger --url http://127.0.0.1:9", "error"),
        ("prove-alerts Nobody", "error"),
        ("view --port 99999", "error"),
        ("demo --stack nowhere", "error"),
    ],
)
@pytest.mark.usefixtures("no_docker")
def test_it_has_the_form_that_its_schema_says(
    words: str, kind: str, files: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    main([*words.format(**files).split(), "--json"])
    assert {kind_of(line) for line in capsys.readouterr().out.splitlines()} == {kind}


@pytest.fixture
def no_docker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("whatsself_otel.stack.docker.problem", lambda: "Docker is not asked here.")


@pytest.mark.skipif(find_binary(COLLECTOR) is None, reason=f"{COLLECTOR} is not here: python native/build.py")
def test_the_collectors_judgement_has_its_form(capfd: pytest.CaptureFixture[str]) -> None:
    main(["collector", "validate", "--vendor", "debug", "--json"])
    assert kind_of(capfd.readouterr().out) == "collector-validate"


class TestConsoles:
    """Windows' cp1252, a console of ASCII, 60 columns, and a reader that has enough."""

    @pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
    @pytest.mark.parametrize("words", ["--help", "demo --help", "stack up --help", "vendors list", "doctor --no-probe"])
    def test_no_encoding_makes_a_command_fail(self, words: str, encoding: str) -> None:
        done = run(*words.split(), encoding=encoding, columns=60)
        assert b"Traceback" not in done.stderr
        assert done.stdout.decode(encoding)

    @pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
    def test_the_demo_draws_its_tree_in_plain_signs(self, encoding: str) -> None:
        done = run("demo", "--stack", "python", encoding=encoding, columns=60)
        assert done.returncode == 0, done.stderr
        assert "`- " in done.stdout.decode(encoding) or "`-" in done.stdout.decode(encoding)

    def test_the_demo_as_json_has_its_form(self) -> None:
        done = run("demo", "--stack", "python", "--json", encoding="ascii")
        assert kind_of(done.stdout.decode("ascii")) == "demo"

    @pytest.mark.parametrize("words", ["--help", "vendors list", "collector --help", "simulate --list"])
    def test_a_reader_that_has_enough_sees_no_traceback(self, words: str) -> None:
        command = [sys.executable, "-m", "whatsself_otel.cli", *words.split()]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.close()
            assert process.stderr is not None
            assert b"Traceback" not in process.stderr.read()

    def test_the_viewer_says_where_it_is(self) -> None:
        (port,) = free_ports(1)
        command = [sys.executable, "-m", "whatsself_otel.cli", "view", "--port", str(port), "--no-grpc", "--json"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as viewer:
            try:
                assert viewer.stdout is not None
                assert kind_of(viewer.stdout.readline()) == "view"
            finally:
                viewer.terminate()
