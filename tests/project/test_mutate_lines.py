"""Ten lines that keep a promise each: they stand where the table says, and breaking them is noticed."""

from __future__ import annotations

import re

import mutate_lines
import pytest
from binaries import ROOT

PAGE = ROOT / "docs" / "evidence" / "ten-lines.md"


def test_each_line_stands_once_and_is_told_with_a_test_that_exists() -> None:
    page = PAGE.read_text("utf-8")
    for change in mutate_lines.CHANGES:
        assert (ROOT / "whatsself_otel" / change.file).read_text("utf-8").count(change.old) == 1, change.promise
        assert f"| {change.promise} | `{change.file}` |" in page
    told = re.findall(r"`(tests/\S+\.py)::(?:\w+::)?(\w+)", page)
    assert len(told) == len(mutate_lines.CHANGES)
    assert [(file, name) for file, name in told if f"def {name}(" not in (ROOT / file).read_text("utf-8")] == []


def test_a_change_is_noticed() -> None:
    (change,) = (each for each in mutate_lines.CHANGES if each.promise == "Every span carries the ids")

    assert (mutate_lines.run(change) or "").startswith(change.tests)


def test_a_change_of_nothing_is_not_noticed() -> None:
    line = "set_attributes_unchecked(span, attributes)"
    nothing = mutate_lines.Change("Nothing", "traces/processors.py", line, line, mutate_lines.CHANGES[0].tests)

    assert mutate_lines.run(nothing) is None


@pytest.mark.proof
def test_every_change_is_noticed() -> None:
    assert [change.promise for change in mutate_lines.CHANGES if mutate_lines.run(change) is None] == []
