"""The entry point."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest
from command_tree import EVERY, TREE
from rows import for_each

import whatsself_otel
from whatsself_otel.cli import main, parser
from whatsself_otel.cli.arguments import coloured
from whatsself_otel.stack.errors import INTERRUPTED, CommandError
from whatsself_otel.viewer.console_view import Paint


def _exit_status(*argv: str) -> int:
    with pytest.raises(SystemExit) as caught:
        main(argv)
    assert isinstance(caught.value.code, int)
    return caught.value.code


class TestMain:
    """Arguments in, exit status out."""

    def test_version(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert _exit_status("--version") == 0
        assert capsys.readouterr().out == f"whatsself-otel {whatsself_otel.__version__}\n"

    def test_help_documents_the_exit_statuses(self, capsys: pytest.CaptureFixture[str]) -> None:
        _exit_status("--help")

        documented = capsys.readouterr().out.partition("exit status:")[2].partition("\n\n")[0]
        assert [line.split()[0] for line in documented.strip().splitlines()] == ["0", "1", "2", "3", "130"]

    @for_each("argv", [(), ("nonsense",), ("stack",), ("stack", "up", "--native", "--docker")])
    def test_wrong_use_is_status_2(self, argv: tuple[str, ...]) -> None:
        assert main(argv) == 2

    def test_a_command_error_is_one_line_on_stderr_and_its_status(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        _let_run_raise(monkeypatch, CommandError("No engine. Start one.", status=3))

        assert main(["vendors", "list"]) == 3
        assert capsys.readouterr() == ("", "whatsself-otel: No engine. Start one.\n")

    def test_ctrl_c_is_status_130_without_a_traceback(self, monkeypatch: pytest.MonkeyPatch) -> None:
        _let_run_raise(monkeypatch, KeyboardInterrupt())

        assert main(["vendors", "list"]) == INTERRUPTED

    def test_runs_as_a_module_too(self) -> None:
        asked = subprocess.run(
            [sys.executable, "-m", "whatsself_otel.cli", "--version"], capture_output=True, text=True, check=True
        )

        assert asked.stdout == f"whatsself-otel {whatsself_otel.__version__}\n"

    def test_every_command_tells_its_use_its_exit_statuses_and_speaks_json(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        for path in EVERY:
            assert _exit_status(*path.split(), "--help") == 0
            told = capsys.readouterr().out

            assert told.startswith(f"usage: whatsself-otel {path} "), path
            assert re.search(r"^exit status:[\s\S]*\b0\b[\s\S]*\b1\b", told, re.MULTILINE), path
            assert TREE[path] or "--json" in told, path
            if path in {"stack", "collector", "vendors"}:
                assert f"whatsself-otel {path}" in told.partition("examples:")[2]

    def test_output_is_plain_ascii_for_every_console(self) -> None:
        assert parser().format_help().isascii()


def _let_run_raise(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def fail() -> list[str]:
        raise error

    monkeypatch.setattr("whatsself_otel.stack.vendor_files.names", fail)


class TestColour:
    def test_headings_and_options_are_set_off(self) -> None:
        told = coloured("usage: x [--json]\n\noptions:\n  -h, --help  a well-kept word\n", Paint(is_on=True))

        assert "\x1b[1moptions\x1b[0m:" in told
        assert "[\x1b[36m--json\x1b[0m]" in told
        assert "a well-kept word" in told

    @pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals there")
    @for_each("variables, is_coloured", [({}, True), ({"NO_COLOR": "1"}, False)])
    def test_only_a_terminal_gets_any_and_only_if_it_wants_them(
        self, variables: dict[str, str], *, is_coloured: bool
    ) -> None:
        import pty

        leader, follower = pty.openpty()
        plain = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
        with subprocess.Popen(
            [sys.executable, "-m", "whatsself_otel.cli", "stack", "up", "--help"],
            stdout=follower,
            env={**plain, "TERM": "xterm", **variables},
        ):
            os.close(follower)
            told = _all_of(leader)

        assert "--detach" in told
        assert ("\x1b[" in told) is is_coloured


def _all_of(leader: int) -> str:
    found = b""
    try:
        while part := os.read(leader, 65536):
            found += part
    except OSError:
        # Linux says so where others say nothing more.
        pass
    os.close(leader)
    return found.decode()
