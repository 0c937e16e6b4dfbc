"""Completion, asked of the shells themselves: what follows is what the parser knows."""

from __future__ import annotations

import contextlib
import json
import os
import re
import select
import shutil
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from whatsself_otel.cli import COMMANDS, main, parser, vendor_files
from whatsself_otel.cli.completion import SHELLS, levels

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def shell(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not on this machine")
    return found


@pytest.fixture
def script(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Callable[[str], Path]:
    def write(name: str) -> Path:
        assert main(["completion", name]) == 0
        path = tmp_path / f"completion.{name}"
        path.write_text(capsys.readouterr().out, "utf-8")
        return path

    return write


def in_bash(script: Path, line: str) -> list[str]:
    """Return what bash offers at the end of *line*."""
    words = line.split(" ")
    quoted = " ".join(f"'{word}'" for word in words)
    asked = f'source "$1"; COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; _whatsself_otel; '
    asked += 'printf "%s\\n" "${COMPREPLY[@]}"'
    command = [shell("bash"), "--norc", "-c", asked, "bash", str(script)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=script.parent)
    assert done.stderr == ""
    return done.stdout.split()


def in_fish(script: Path, line: str) -> list[str]:
    """Return what fish offers at the end of *line*."""
    asked = f'source "{script}"; complete --do-complete "{line}"'
    environ = {**os.environ, "HOME": str(script.parent), "XDG_CONFIG_HOME": str(script.parent)}
    command = [shell("fish"), "--no-config", "-c", asked]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=script.parent, env=environ)
    assert done.stderr == ""
    return [row.partition("\t")[0] for row in done.stdout.splitlines()]


def in_zsh(script: Path, line: str) -> list[str]:
    """Return the words that zsh lists after *line* and the key Tab, typed at a terminal of its own."""
    pty = pytest.importorskip("pty", reason="no pseudo-terminals here")
    environ = {"PATH": os.environ["PATH"], "TERM": "dumb", "HOME": str(script.parent), "COLUMNS": "200"}
    leader, follower = pty.openpty()
    zsh = subprocess.Popen(
        [shell("zsh"), "-f", "-i"], stdin=follower, stdout=follower, stderr=follower, env=environ, cwd=script.parent,
        start_new_session=True,
    )  # fmt: skip
    os.close(follower)
    try:
        setup = "PS1=; autoload -Uz compinit; compinit -u -D; unsetopt menu_complete auto_menu; LISTMAX=1000; "
        os.write(leader, f"{setup}source {script}; echo re''ady\n".encode())
        _read_until(leader, "\nready")
        os.write(leader, f"{line}\t\t".encode())
        return re.findall(r"[\w-]+", _read_quiet(leader))
    finally:
        zsh.kill()
        zsh.wait()
        os.close(leader)


def _read_until(leader: int, wanted: str, patience_s: float = 20) -> None:
    seen, deadline_s = "", time.monotonic() + patience_s
    while wanted not in seen.replace("\r", ""):
        assert time.monotonic() < deadline_s, seen
        if select.select([leader], [], [], 0.1)[0]:
            seen += os.read(leader, 65536).decode()


def _read_quiet(leader: int, patience_s: float = 20) -> str:
    """Return what is shown until nothing more comes for a while."""
    seen, deadline_s = "", time.monotonic() + patience_s
    while time.monotonic() < deadline_s:
        if select.select([leader], [], [], 1.5)[0]:
            with contextlib.suppress(OSError):
                seen += os.read(leader, 65536).decode()
        elif len(seen.splitlines()) > 1:
            break
    return seen


ASK = {"bash": in_bash, "fish": in_fish, "zsh": in_zsh}


@pytest.mark.parametrize("name", sorted(ASK))
class TestShell:
    def test_offers_every_command(self, name: str, script: Callable[[str], Path]) -> None:
        assert set(COMMANDS) <= set(ASK[name](script(name), "whatsself-otel "))

    def test_offers_the_actions_of_a_command_and_not_those_of_another(
        self, name: str, script: Callable[[str], Path]
    ) -> None:
        offered = set(ASK[name](script(name), "whatsself-otel stack "))

        assert {"up", "down", "status", "logs"} <= offered
        assert not {"validate", "demo"} & offered

    def test_offers_the_vendors_there_are(self, name: str, script: Callable[[str], Path]) -> None:
        offered = set(ASK[name](script(name), "whatsself-otel collector run --secure --vendor "))

        assert set(vendor_files.names()) <= offered
        assert "--sampling" not in offered

    def test_offers_the_tiers_there_are(self, name: str, script: Callable[[str], Path]) -> None:
        offered = set(ASK[name](script(name), "whatsself-otel collector run --scale "))

        assert {"agent", "gateway", "kafka-consumer", "kafka-producer"} <= offered

    def test_offers_options_after_a_dash(self, name: str, script: Callable[[str], Path]) -> None:
        offered = set(ASK[name](script(name), "whatsself-otel collector run --s"))

        assert {"--secure", "--sampling", "--source", "--scale"} <= offered
        assert "--vendor" not in offered


@pytest.mark.parametrize("name", ["bash", "fish"])
def test_a_file_is_offered_where_a_file_is_meant(name: str, script: Callable[[str], Path]) -> None:
    path = script(name)
    (path.parent / "staging.jsonl").touch()

    assert ASK[name](path, "whatsself-otel audit sta") == ["staging.jsonl"]
    assert ASK[name](path, "whatsself-otel view --store sta") == ["staging.jsonl"]
    assert ASK[name](path, "whatsself-otel trace sta") == []


@pytest.mark.parametrize("name", sorted(SHELLS))
def test_no_option_of_any_command_is_missing(name: str, script: Callable[[str], Path]) -> None:
    """PowerShell's too, which no test runs."""
    text = script(name).read_text("utf-8")
    options = {word for level in levels(parser()).values() for word in level.words if word.startswith("--")}

    assert len(options) > 25
    assert [word for word in options if not re.search(rf"(--|-l ){word[2:]}\b", text)] == []


def test_json_is_for_any_other_shell(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", "bash", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)

    assert found["vendors show"]["words"].keys() >= {"honeycomb", "--json"}
    assert found["view"]["values"]["--store"] is None
    assert found["simulate"]["words"].keys() >= {"flood", "outage"}
