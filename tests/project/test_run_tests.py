"""The quick tests run in parts: no file is left out, and one part that fails is enough."""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from types import ModuleType

import pytest
import run_tests


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    """The program as a module, for a project of three test files."""
    monkeypatch.setattr(run_tests, "ROOT", tmp_path)
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    (tmp_path / "tests" / "inner").mkdir(parents=True)
    (tmp_path / "tests" / "test_first.py").write_text("def test_passes():\n    pass\n" + "#" * 50)
    (tmp_path / "tests" / "test_second.py").write_text("def test_passes():\n    pass\n")
    (tmp_path / "tests" / "inner" / "test_third.py").write_text("def test_passes():\n    pass\n")
    return run_tests


def test_every_file_is_in_one_part(program: ModuleType) -> None:
    files = program.test_files()

    parts = program.split(files, 2)

    assert sorted(chain.from_iterable(parts)) == sorted((program.ROOT / "tests").rglob("test_*.py"))
    assert [len(part) for part in parts] == [1, 2]


def test_passes_if_every_part_does(program: ModuleType, capfd: pytest.CaptureFixture[str]) -> None:
    assert program.main(["-q"]) == 0
    assert capfd.readouterr().out.count("passed") == 2


def test_fails_with_its_output_if_one_part_does(program: ModuleType, capfd: pytest.CaptureFixture[str]) -> None:
    (program.ROOT / "tests" / "inner" / "test_third.py").write_text("def test_fails():\n    assert 'ruin' == ''\n")

    assert program.main(["-q"]) == 1
    assert "ruin" in capfd.readouterr().out


def test_fails_if_one_part_is_killed(program: ModuleType) -> None:
    (program.ROOT / "tests" / "test_first.py").write_text(
        "import os\n\ndef test_dies():\n    os.kill(os.getpid(), 9)\n"
    )

    assert program.main(["-q"]) == 1


def test_nothing_selected_is_not_passed(program: ModuleType) -> None:
    assert program.main(["-q", "-k", "nowhere"]) == 5


def test_a_part_without_a_selected_test_is_no_failure(program: ModuleType) -> None:
    assert program.main(["-q", "-k", "test_first"]) == 0


def test_what_is_named_runs_alone(program: ModuleType, capfd: pytest.CaptureFixture[str]) -> None:
    assert program.main(["-q", "tests/test_second.py"]) == 0
    out = capfd.readouterr().out
    assert "1 passed" in out
    assert "part" not in out
