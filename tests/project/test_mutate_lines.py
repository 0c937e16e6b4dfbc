"""Ten lines that keep a promise each: they stand where the table says, and breaking them is noticed."""

from __future__ import annotations

import importlib.util
import re
import sys
from types import ModuleType

import pytest
from binaries import ROOT

PAGE = ROOT / "docs" / "evidence" / "ten-lines.md"


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("mutate_lines", ROOT / "tools" / "mutate_lines.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "mutate_lines", module)
    spec.loader.exec_module(module)
    return module


def test_each_line_stands_once_and_is_told_with_a_test_that_exists(program: ModuleType) -> None:
    page = PAGE.read_text("utf-8")
    for change in program.CHANGES:
        assert (ROOT / "whatsself_otel" / change.file).read_text("utf-8").count(change.old) == 1, change.promise
        assert f"| {change.promise} | `{change.file}` |" in page
    told = re.findall(r"`(tests/\S+\.py)::(?:\w+::)?(\w+)", page)
    assert len(told) == len(program.CHANGES)
    assert [(file, name) for file, name in told if f"def {name}(" not in (ROOT / file).read_text("utf-8")] == []


def test_a_change_is_noticed(program: ModuleType) -> None:
    (change,) = (each for each in program.CHANGES if each.promise == "Every span carries the ids")

    assert program.run(change).startswith(change.tests)


def test_a_change_of_nothing_is_not_noticed(program: ModuleType) -> None:
    line = "set_attributes_unchecked(span, attributes)"

    assert program.run(program.Change("Nothing", "traces/processors.py", line, line, program.CHANGES[0].tests)) is None


@pytest.mark.proof
def test_every_change_is_noticed(program: ModuleType) -> None:
    assert [change.promise for change in program.CHANGES if program.run(change) is None] == []
