"""Two commits are compared by the same work in one run: slower work shows, and missing work is reported."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent.parent
PROGRAM = "import json; from thing import COST; print(json.dumps({'cost': COST}))"
OWN_PROGRAM = "import json; print(json.dumps({'cost': %d}))"


@pytest.fixture
def compare(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The program as a module; its folder is not on the path of the tests."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    yield importlib.import_module("compare")
    for name in ("compare", "instructions", "overhead", "overhead_subjects", "tables"):
        sys.modules.pop(name, None)


def make_sides(compare: Any, folder: Path, costs: tuple[int, int], *, fits: bool = True) -> list[Any]:
    """Two checkouts with a program each, and a common one beside compare.py that fits both of them or only one."""
    sides = []
    for place, cost in enumerate(costs):
        checkout = folder / str(place)
        (checkout / "benchmarks").mkdir(parents=True)
        (checkout / "benchmarks" / "program.py").write_text(OWN_PROGRAM % cost)
        python = checkout / "python"
        python.write_text(f'#!/bin/sh\nPYTHONPATH="{checkout}" exec "{sys.executable}" "$@"\n')
        python.chmod(0o755)
        if fits or place:
            (checkout / "thing.py").write_text(f"COST = {cost}")
        sides.append(compare.Side(f"commit-{place}", checkout, python))
    (folder / "program.py").write_text(PROGRAM)
    return sides


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in for an environment's python is a shell script")
class TestTurns:
    def test_both_do_the_work_of_the_one_program(
        self, compare: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(compare, "HERE", tmp_path)
        sides = make_sides(compare, tmp_path, (10, 15))
        (row,) = compare.in_turns(sides, 3, "program.py", (), dict)

        assert (list(row.old), list(row.new), row.note) == ([10] * 3, [15] * 3, "")
        assert row.cells() == ["cost", "10", "15", "1.500", "1.500 to 1.500"]

    def test_a_program_that_does_not_fit_both_is_taken_from_each_and_that_is_said(
        self, compare: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(compare, "HERE", tmp_path)
        sides = make_sides(compare, tmp_path, (20, 10), fits=False)
        (row,) = compare.in_turns(sides, 1, "program.py", (), dict)

        assert row.cells()[0] == "cost (each by its own program)"
        assert row.ratios == [0.5]

    def test_one_that_runs_nowhere_is_not_measured_and_the_reason_is_told(
        self, compare: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(compare, "HERE", tmp_path)
        sides = make_sides(compare, tmp_path, (20, 10), fits=False)
        (sides[0].folder / "benchmarks" / "program.py").write_text("raise SystemExit('no such thing')")
        with pytest.raises(compare.NotMeasuredError, match=r"program\.py with commit-0: no such thing"):
            list(compare.in_turns(sides, 1, "program.py", (), dict))

    def test_a_ratio_is_taken_round_by_round(self, compare: Any) -> None:
        row = compare.Row("a call, µs", [1.0, 2.0, 4.0], [2.0, 2.0, 2.0])

        assert row.cells() == ["a call, µs", "2", "2", "1.000", "0.500 to 2.000"]


@pytest.mark.e2e
class TestWhole:
    def test_a_commit_that_made_masking_dearer_shows_and_nothing_is_left_behind(self, tmp_path: Path) -> None:
        clone = tmp_path / "clone"
        git(tmp_path, "clone", "--quiet", "--shared", str(ROOT), str(clone))
        masker = clone / "whatsself_otel" / "__init__.py"
        masker.write_text(f"{masker.read_text()}\n{SLOWER}")
        identity = ("-c", "user.name=test", "-c", "user.email=test@example.com")
        git(clone, *identity, "commit", "--quiet", "--all", "--message=slower")
        for name in (
            "compare.py",
            "masking.py",
            "overhead.py",
            "instructions.py",
        ):  # those of this checkout, as they are
            (clone / "benchmarks" / name).write_text((ROOT / "benchmarks" / name).read_text())
        program = str(clone / "benchmarks" / "compare.py")
        done = subprocess.run(
            [sys.executable, program, "HEAD~1", "HEAD", "--only", "masking", "--rounds", "1"],
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )

        assert done.returncode == 0, done.stderr
        ratios = [float(found) for found in re.findall(r"\| masking \|.*?\| ([0-9.]+) \| [0-9.]+ to", done.stdout)]
        assert len(ratios) == 3, done.stdout
        assert min(ratios) > 1.5, done.stdout
        assert git(clone, "worktree", "list").count("\n") == 1


SLOWER = """
_attributes = Masker.attributes

def _dearer(self, attributes):
    sum(range(20_000))
    return _attributes(self, attributes)

Masker.attributes = _dearer
"""


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout
