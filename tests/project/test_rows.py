"""A table in one test names each row that fails, and an empty one fails itself."""

from __future__ import annotations

import asyncio
import inspect
import os
import sys
from pathlib import Path

import pytest
from rows import for_each


def test_each_row_that_fails_is_named() -> None:
    tried: list[int] = []

    @for_each("number, limit", [(1, 5), (7, 5), (9, 5)])
    def is_less(number: int, limit: int) -> None:
        tried.append(number)
        assert number < limit

    with pytest.raises(BaseExceptionGroup, match="2 of 3 rows fail") as caught:
        is_less()  # type: ignore[call-arg]

    assert tried == [1, 7, 9]
    assert [error.__notes__ for error in caught.value.exceptions] == [["the row: (7, 5)"], ["the row: (9, 5)"]]


def test_one_row_that_fails_is_raised_itself_under_its_name() -> None:
    @for_each("text", ["a", "b"], ids=["first", "second"])
    def is_a(text: str) -> None:
        assert text == "a"

    with pytest.raises(AssertionError) as caught:
        is_a()  # type: ignore[call-arg]

    assert caught.value.__notes__ == ["the row: second"]


def test_a_row_that_cannot_be_shown_is_named_all_the_same() -> None:
    class Rude:
        def __repr__(self) -> str:
            raise RuntimeError("no")

    @for_each("value", [Rude()])
    def fails(value: object) -> None:
        assert value is None, "not None"

    with pytest.raises(AssertionError, match="not None") as caught:
        fails()  # type: ignore[call-arg]

    assert caught.value.__notes__[0].startswith("the row: <Rude instance at")


def test_each_test_of_a_class_runs_every_row() -> None:
    tried: list[tuple[str, int]] = []

    @for_each("number", [1, 2])
    class Both:
        def test_one(self, number: int) -> None:
            tried.append(("one", number))

        def test_two(self, number: int) -> None:
            tried.append(("two", number))

    both = Both()
    both.test_one()  # type: ignore[call-arg]
    both.test_two()  # type: ignore[call-arg]

    assert tried == [("one", 1), ("one", 2), ("two", 1), ("two", 2)]


def test_a_table_without_rows_fails() -> None:
    @for_each("row", [])
    def anything(row: object) -> None:
        del row

    with pytest.raises(AssertionError, match="proves nothing"):
        anything()  # type: ignore[call-arg]


def test_what_no_row_fills_is_a_fixture_of_the_row_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    @for_each("name", ["A_ROW", "ANOTHER"])
    def leaves_things(
        name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        seen = [list(tmp_path.iterdir()), capsys.readouterr().out, "A_ROW" in os.environ, "ANOTHER" in os.environ]
        (tmp_path / "file").touch()
        monkeypatch.setenv(name, "1")
        sys.stdout.write(name)
        assert seen == [[], "", False, False]

    leaves_things(tmp_path=tmp_path, monkeypatch=monkeypatch, capsys=capsys)  # type: ignore[call-arg]

    assert list(inspect.signature(leaves_things).parameters) == ["tmp_path", "monkeypatch", "capsys"]
    assert "ANOTHER" not in os.environ


async def test_a_coroutine_is_awaited_for_each_row() -> None:
    tried: list[int] = []

    @for_each("number", [1, 2, 3])
    async def is_odd(number: int) -> None:
        await asyncio.sleep(0)
        tried.append(number)
        assert number % 2

    with pytest.raises(AssertionError) as caught:
        await is_odd()  # type: ignore[call-arg]

    assert (tried, caught.value.__notes__) == ([1, 2, 3], ["the row: 2"])
