"""The Makefile runs the commands that it gives for machines without make."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from rows import for_each

ROOT = Path(__file__).parent.parent.parent
DOCUMENTED = dict(
    re.findall(r"^#   ([a-z0-9-]+) +(.+)$", (ROOT / "Makefile").read_text("utf-8"), flags=re.MULTILINE),
)

TARGETS = ("demo", "test", "e2e", "stack", "wheels", "proof", "docs", "coverage", "check", "generate", "clean")

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not on this machine")


def _run_by_make(target: str) -> str:
    command = ["make", "--dry-run", "--always-make", "PYTHON=python", target]
    asked = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return asked.stdout.replace("'", "").replace(" --quiet --disable-pip-version-check", "")


class TestPlainCommands:
    """The comment at the top, for systems without make."""

    @for_each("target", DOCUMENTED)
    def test_are_what_make_runs(self, target: str) -> None:
        commands = [command for command in re.split(r" && |, then ", DOCUMENTED[target]) if " " in command]
        ran = _run_by_make(target)

        assert commands
        assert [command for command in commands if command not in ran] == []

    @for_each("target", TARGETS)
    def test_every_promised_target_is_there_and_explained(self, target: str) -> None:
        listed = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout

        assert re.search(rf"^  make {target} +\S", listed, flags=re.MULTILINE)


class TestSetUp:
    """The environment."""

    def test_is_the_first_step_of_demo_and_test(self) -> None:
        assert [_run_by_make(target).find("python -m venv .venv") >= 0 for target in ("demo", "test")] == [True, True]

    def test_every_step_of_it_is_documented(self) -> None:
        steps = re.findall(r"^#            (\S.+)$", (ROOT / "Makefile").read_text("utf-8"), flags=re.MULTILINE)
        ran = _run_by_make("set-up")

        assert len(steps) == 2
        assert [step for step in steps if step not in ran] == []

    def test_installs_only_versions_of_the_committed_file(self) -> None:
        installs = [line for line in _run_by_make("demo").splitlines() if "pip install" in line]

        assert installs
        assert [line for line in installs if "--constraint constraints.txt" not in line] == []

    def test_the_committed_file_names_no_host_and_no_path(self) -> None:
        lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()

        assert [line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!]+", line)] == []
