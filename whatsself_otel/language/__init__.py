"""
The language of the command line and of `Telemetry.health`: English, or Portuguese by catalogues beside this file.

A catalogue's keys are the English texts.

Whoever makes a text writes English; it is translated where it is shown. A key has places, ``{}``, for what changes.
"""

from __future__ import annotations

import functools
import locale
import os
import re
import textwrap
import tomllib
from importlib.resources import files
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_CATALOGUES: Final = ("help", "errors", "messages", "doctor", "vendors")
VARIABLE: Final = "WHATSSELF_OTEL_LANG"
_LOCALE_VARIABLES: Final = ("LC_ALL", "LC_MESSAGES", "LANG")
_DEFAULT: Final = re.compile(r"(?P<text>.*) \(default: (?P<value>[^()]*)\)")
_ITEM: Final = re.compile(r"(?P<word>\s+\S.*\s{2,})(?P<text>\S.*)")
"""A line such as ``  0    done``; the part before the gap stays as it is."""
_END: Final = re.compile(r"(?<=[.?]) (?=\S)")
_WIDTH: Final = 118


def is_portuguese() -> bool:
    """Return whether the reader wants Portuguese: by ``WHATSSELF_OTEL_LANG``, else by the locale."""
    asked = os.environ.get(VARIABLE) or next(filter(None, map(os.environ.get, _LOCALE_VARIABLES)), None)
    return (asked or locale.getlocale()[0] or "").lower().startswith("pt")


def translated(text: str) -> str:
    """
    Return *text* in the reader's language.

    Args:
        text: English: one sentence, several, or lines with headings, examples and paragraphs.

    What the catalogue does not know stays as it is.
    """
    if not is_portuguese():
        return text
    if "\n" not in text:
        return _sentences(text)
    return "\n".join(_wrapped(part) for part in parts(text))


def translated_lines(text: str) -> str:
    """Return *text* as `translated` does, line by line; lines of a program or a log stay as they are."""
    lines = (re.fullmatch(r"(\s*)(.*?)(\s*)", line) for line in text.split("\n"))
    return "\n".join(f"{line[1]}{translated(line[2])}{line[3]}" for line in lines if line is not None)


def parts(text: str) -> Iterator[str]:
    """
    Yield the lines of *text*, those of one sentence as one line.

    A sentence ends where a line ends with a full stop or a colon, or where an empty or indented line follows.
    """
    waiting: list[str] = []
    for line in text.split("\n"):
        if not line or line[0].isspace():
            yield from (" ".join(waiting),) if waiting else ()
            yield line
            waiting = []
            continue
        waiting.append(line)
        if line.endswith((".", ":")):
            yield " ".join(waiting)
            waiting = []
    yield from (" ".join(waiting),) if waiting else ()


def keys(text: str) -> Iterator[str]:
    """Yield the keys that the catalogue needs for *text*."""
    for part in parts(text) if "\n" in text else (text,):
        item = _ITEM.fullmatch(part)
        words = item["text"] if item is not None else part
        default = _DEFAULT.fullmatch(words)
        if default is not None:
            yield default["text"]
            yield from (default["value"],) if " " in default["value"] else ()
        elif words and not words[0].isspace() and not words.startswith("whatsself-otel "):
            yield words


def _wrapped(part: str) -> str:
    item = _ITEM.fullmatch(part)
    if item is not None:
        return item["word"] + _sentences(item["text"])
    if not part or part[0].isspace():
        return part
    return textwrap.fill(_sentences(part), _WIDTH, break_long_words=False, break_on_hyphens=False)


def _sentences(text: str) -> str:
    default = _DEFAULT.fullmatch(text)
    if default is not None:
        return f"{_sentences(default['text'])} (padrão: {_known(default['value'])})"
    each = _END.split(text)
    if len(each) == 1 or text in catalogue():
        return _known(text)
    return " ".join(map(_known, each))


def _known(text: str) -> str:
    """Return the Portuguese of one entry and of the words in its places, or *text* if there is none."""
    if (found := _entry(text)) is None:
        return text
    key, places = found
    if not places:
        return catalogue()[key]
    words = catalogue()[key].format(*(_known(place) if " " in place else place for place in places))
    return words[0].upper() + words[1:] if text[0].isupper() else words


def _entry(text: str) -> tuple[str, tuple[str, ...]] | None:
    """Return the catalogue's key that *text* fits, and the words in its places."""
    if text in catalogue() and "{}" not in text:
        return text, ()
    for pattern, key in _templates():
        if found := pattern.fullmatch(text):
            return key, found.groups()
    return None


@functools.cache
def catalogue() -> Mapping[str, str]:
    """Return the Portuguese text of each English one."""
    catalogues = (files(__package__ or "").joinpath(f"{name}.toml") for name in _CATALOGUES)
    tables = (table for each in catalogues for table in tomllib.loads(each.read_text(encoding="utf-8")).values())
    return {english: words for table in tables for english, words in table.items()}


@functools.cache
def _templates() -> tuple[tuple[re.Pattern[str], str], ...]:
    """Return a pattern for each key with places, the longest key first."""
    keys_with_places = sorted((key for key in catalogue() if "{}" in key), key=len, reverse=True)
    return tuple((_pattern(key), key) for key in keys_with_places)


def _pattern(key: str) -> re.Pattern[str]:
    return re.compile("(.+?)".join(map(re.escape, key.split("{}"))), re.DOTALL)
