"""What generators say in Portuguese is whole: nothing is missing, and nothing stays that the code no longer says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import portuguese_words
import pytest
from portuguese_words import Words

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Words:
    catalogue = '"one" = "um"\n"from {} to {}" = "de {} a {}"\n'
    (tmp_path / "page.toml").write_text(catalogue, encoding="utf-8")
    monkeypatch.setattr(portuguese_words, "_FOLDER", tmp_path)
    return Words("page")


def test_what_changes_stays_in_its_place(words: Words) -> None:
    assert [words("one"), words("from 1 to 60"), words("")] == ["um", "de 1 a 60", ""]
    words.check()


def test_a_text_without_portuguese_is_named(words: Words) -> None:
    words("one"), words("from 1 to 2"), words("two")

    with pytest.raises(ValueError, match="missing: two"):
        words.check()


def test_a_text_that_nothing_says_any_more_is_named(words: Words) -> None:
    words("one")

    with pytest.raises(ValueError, match=r"stale: from \{\} to \{\}"):
        words.check()
