"""Puts a tree of texts into one language."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from whatsself_otel.catalogue import Text

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True, kw_only=True)
class Language:
    """One language of the dashboards."""

    tag: str
    """BCP 47; also a tag of each dashboard."""
    file_ending: str
    uid_ending: str
    read: Callable[[Text], str]


ENGLISH: Final = Language(tag="en", file_ending="", uid_ending="", read=lambda text: text.en)
PORTUGUESE: Final = Language(tag="pt-BR", file_ending=".pt-BR", uid_ending="-pt", read=lambda text: text.pt)
LANGUAGES: Final = (ENGLISH, PORTUGUESE)


def translate(tree: Any, language: Language) -> Any:
    """
    Return *tree* with every `Text` in it read in *language*.

    Raises:
        ValueError: A text is empty in that language.
    """
    if isinstance(tree, Text):
        words = language.read(tree)
        if not words.strip():
            raise ValueError(f"A text has no words in {language.tag}: {tree!r}. Write them where it stands.")
        return words
    if isinstance(tree, dict):
        return {key: translate(value, language) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [translate(value, language) for value in tree]
    return tree
