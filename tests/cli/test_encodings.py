"""Every command on Windows' cp1252 and on ASCII, 60 columns wide, in both languages, and into a closed pipe."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from command_tree import COMMANDS, EVERY
from consoles import type_in
from rows import for_each

from whatsself_otel.cli import main

DEAD = "http://127.0.0.1:9"
RUNS = {
    "audit": "audit {data}/app.log",
    "bridge": "bridge --listen nowhere",
    "collector print": "collector print --vendor debug --portable",
    "collector run": "collector run",
    "collector validate": "collector validate --vendor honeycomb",
    "completion": "completion zsh",
    "demo": "demo --stack viewer",
    "doctor": "doctor --no-probe --data {data}",
    "files export": "files export {data}/exported",
    "files list": "files list",
    "prove-alerts": "prove-alerts Nobody",
    "replay": "replay {data}/webhook.json",
    "rules build": "rules build --output {data}/rules",
    "rules settings": "rules settings",
    "session list": f"session list --url {DEAD}",
    "session restore": f"session restore main --url {DEAD}",
    "session retire": f"session retire main --url {DEAD}",
    "simulate": "simulate --list",
    "stack down": "stack down --data {data}",
    "stack logs": "stack logs --data {data}",
    "stack status": "stack status --data {data}",
    "stack up": "stack up --native --vendor nobody",
    "trace": f"trace nobody --from jaeger --url {DEAD}",
    "vendors check": "vendors check honeycomb",
    "vendors list": "vendors list",
    "vendors show": "vendors show honeycomb",
    "view": "view --store {data}/no/folder/viewer.db",
}
"""Each command, run as far as it goes without another program."""


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "app.log").write_text("João: +55 11 98765-4321", encoding="utf-8")
    (tmp_path / "webhook.json").write_text("{}")
    monkeypatch.setenv("WHATSSELF_OTEL_DATA", str(tmp_path))
    return tmp_path


def test_every_command_is_run_here() -> None:
    assert sorted(RUNS) == COMMANDS


@pytest.mark.usefixtures("no_docker")
@pytest.mark.parametrize("language", ["en", "pt-BR"])
@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
def test_no_console_makes_a_command_fail(
    encoding: str, language: str, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for words in [*(f"{path} --help" for path in EVERY), "--help", "--version", *RUNS.values()]:
        done = type_in(monkeypatch, *words.format(data=data).split(), encoding=encoding, language=language)

        assert done.status in {0, 1, 2, 3}, words
        assert done.out or done.err, words
        assert "Traceback" not in done.out + done.err, words
        if words.endswith("--help"):
            # Choices between braces are one word, which argparse does not break.
            wide = [
                line for line in done.out.splitlines() if line.startswith("  -") and len(line) > 60 and "{" not in line
            ]
            assert wide == [], words


@pytest.mark.skipif(sys.platform == "win32", reason="a closed pipe is another error there")
@pytest.mark.usefixtures("no_docker")
def test_a_reader_that_has_enough_sees_nothing_ugly(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for words in ["--help", *RUNS.values()]:
        reader, writer = os.pipe()
        stdout = open(writer, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - closed below, once nothing more is flushed
        os.close(reader)
        with stdout as closed, monkeypatch.context() as patched:
            patched.setattr(sys, "stdout", closed)
            try:
                status = main(words.format(data=data).split())
            except SystemExit as ended:
                status = int(ended.code or 0)

        assert status in {0, 1, 2, 3}, words
        assert "Traceback" not in capsys.readouterr().err, words


@pytest.mark.skipif(sys.platform == "win32", reason="a closed pipe is another error there")
@for_each("words", ["vendors list", "--help"])
def test_a_process_whose_reader_has_enough_ends_without_a_word(words: str) -> None:
    """This includes the interpreter's end, which writes the remaining output."""
    command = [sys.executable, "-m", "whatsself_otel.cli", *words.split()]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as listing:
        assert listing.stdout is not None
        assert listing.stderr is not None
        listing.stdout.close()

        assert listing.stderr.read() == b""
    assert listing.returncode in {0, 1}  # 120 is what Python says of what it could not flush


@for_each("encoding, language", [("cp1252", "pt-BR"), ("ascii", "en")])
def test_the_demo_draws_its_tree_in_plain_signs(encoding: str, language: str) -> None:
    console = {"PYTHONIOENCODING": encoding, "COLUMNS": "60", "PYTHONUTF8": "0", "WHATSSELF_OTEL_LANG": language}
    command = [sys.executable, "-m", "whatsself_otel.cli", "demo", "--stack", "python"]
    done = subprocess.run(command, capture_output=True, env={**os.environ, **console}, timeout=120, check=False)
    told = done.stdout.decode(encoding)

    assert done.returncode == 0, done.stderr
    assert "`- acknowledge whatsapp" in told
    assert ("Métricas  " if language == "pt-BR" else "Metrics  ") in told
    assert "?" not in re.sub(r"https?://\S+", "", told)
