"""Completion, asked of bash itself; the code for the other shells is argcomplete's, and so are its tests."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from json_output import content
from rows import for_each

from whatsself_otel.cli import COMMANDS, completion, main
from whatsself_otel.cli.completion import SHELLS
from whatsself_otel.stack import vendor_files
from whatsself_otel.stack.errors import MISSING

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def offered(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Callable[[str], set[str]]:
    """Return what bash offers at the end of a line."""
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("bash is not on this machine")
    assert main(["completion", "bash"]) == 0
    script = tmp_path / "completion.bash"
    script.write_text(capsys.readouterr().out, "utf-8")
    environ = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}

    def ask(line: str) -> set[str]:
        words = line.split(" ")
        quoted = " ".join(f"'{word}'" for word in words)
        asked = (
            f'source "$1"; COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; COMP_LINE="{line}"; '
            f"COMP_POINT={len(line)}; COMP_TYPE=9; _python_argcomplete whatsself-otel; "
            'printf "%s\\n" "${COMPREPLY[@]}"'
        )
        command = [bash, "--norc", "-c", asked, "bash", str(script)]
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path, env=environ)
        assert done.stderr == ""
        return set(done.stdout.split())

    return ask


def test_offers_every_command(offered: Callable[[str], set[str]]) -> None:
    assert set(COMMANDS) <= offered("whatsself-otel ")


def test_offers_the_actions_of_a_command_and_not_those_of_another(offered: Callable[[str], set[str]]) -> None:
    found = offered("whatsself-otel stack ")

    assert {"up", "down", "status", "logs"} <= found
    assert not {"validate", "demo"} & found


def test_offers_the_names_there_are(offered: Callable[[str], set[str]]) -> None:
    assert set(vendor_files.names()) <= offered("whatsself-otel collector run --secure --vendor ")
    assert {"agent", "gateway"} <= offered("whatsself-otel collector run --scale ")
    assert "honeycomb" in offered("whatsself-otel vendors show ")
    assert "flood" in offered("whatsself-otel simulate ")


def test_offers_options_after_a_dash(offered: Callable[[str], set[str]]) -> None:
    found = offered("whatsself-otel collector run --s")

    assert {"--secure", "--sampling", "--source", "--scale"} <= found
    assert "--vendor" not in found


def test_offers_a_file_only_for_a_file(offered: Callable[[str], set[str]], tmp_path: Path) -> None:
    (tmp_path / "staging.jsonl").touch()

    assert offered("whatsself-otel audit sta") == {"staging.jsonl"}
    assert offered("whatsself-otel view --store sta") == {"staging.jsonl"}
    assert offered("whatsself-otel trace sta") == set()


@for_each("shell", SHELLS)
def test_each_shell_gets_a_script_that_names_the_program(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert "whatsself-otel" in script

    assert main(["completion", shell, "--json"]) == 0
    assert content(capsys.readouterr().out) == {"shell": shell, "script": script.removesuffix("\n")}


def test_without_the_library_the_command_names_the_extra(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(completion, "find_spec", lambda _name: None)

    assert main(["completion", "bash"]) == MISSING
    assert 'pip install "argcomplete>=' in capsys.readouterr().err
