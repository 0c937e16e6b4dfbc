"""
Text as a reader sees it: escapes decoded, look-alike characters made plain, invisible ones left out.

Detectors read the view; what they find is mapped back to the text itself, which is otherwise left as it was.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Final, NamedTuple

# Everything of one, two or more layers: %40, %2540, %252540.
_ESCAPE: Final = re.compile(
    r"(?:%(?:25)*[0-9A-Fa-f]{2})+"
    r"|(?:\\{1,8}x[0-9A-Fa-f]{2})+"
    r"|\\{1,8}(?:u[0-9A-Fa-f]{4}|[nrtfv]|0(?![0-9]))"
    r"|&(?:\#(?:[xX][0-9A-Fa-f]{1,6}|[0-9]{1,7})|nbsp|plus|commat|shy|zwj|zwnj|lpar|rpar|period|hyphen|dash|equals|colon);"
)
_BYTE: Final = re.compile(r"(?:%(?:25)*|\\{1,8}x)([0-9A-Fa-f]{2})")
_NAMED: Final = {
    "nbsp": " ",
    "plus": "+",
    "commat": "@",
    "lpar": "(",
    "rpar": ")",
    "period": ".",
    "hyphen": "-",
    "dash": "-",
    "equals": "=",
    "colon": ":",
}
_INVISIBLE: Final = "\0"
# What a terminal obeys: colours and cursor (CSI), titles, links and the clipboard (OSC), and the rest.
_SEQUENCE: Final = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]{0,64}[ -/]{0,8}[@-~]|\x1b[\]PX^_][^\x07\x1b]{0,4096}(?:\x07|\x1b\\)|\x1b[ -/]{0,4}[0-Z\\^-~]"
)
# Letters with accents (up to U+02AF) are ordinary; controls, and everything beyond, may be look-alikes.
_UNUSUAL: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\xa0\xad\xb2\xb3\xb7\xb9\u02b0-\U0010ffff]")
_LOOKALIKES: Final = {
    **dict.fromkeys("\u2212\u2043\u02d7\u30fc\uff70\u2796", "-"),
    **dict.fromkeys("\u2795\u02d6", "+"),
    **dict.fromkeys("\xb7\u2022\u2027\u2219\u22c5\u30fb\uff65\u3002", "."),
    **dict.fromkeys("\u2044\u2215", "/"),
    **dict.fromkeys("\u2800\u3164\uffa0", " "),
}
_REMOVED: Final = frozenset({"Cf", "Cc", "Mn", "Me"})


class View(NamedTuple):
    """
    Plain *text* and, for each of its characters, where it starts and ends in the original.

    Without *starts* the two are aligned.
    """

    text: str
    starts: list[int] | None = None
    ends: list[int] | None = None

    def span(self, start: int, end: int) -> tuple[int, int]:
        """The original span of ``text[start:end]`` (not empty)."""
        if self.starts is None or self.ends is None:
            return start, end
        return self.starts[start], self.ends[end - 1]


def look(text: str) -> View:
    """The view of *text*; *text* itself when there is nothing unusual in it."""
    if ("%" in text or "\\" in text or "&" in text) and _ESCAPE.search(text):
        return _without_invisible(_plain(_decoded(text)))
    if not (text.isascii() and text.isprintable()) and _UNUSUAL.search(text):
        return _without_invisible(_plain(View(text)))
    return View(text)


def _decoded(text: str) -> View:
    chars: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    done = 0
    for escape in _ESCAPE.finditer(text):
        start, end = escape.span()
        chars.append(text[done:start])
        starts.extend(range(done, start))
        ends.extend(range(done + 1, start + 1))
        for char, (a, b) in _characters(escape[0]):
            chars.append(char)
            starts.append(start + a)
            ends.append(start + b)
        done = end
    chars.append(text[done:])
    starts.extend(range(done, len(text)))
    ends.extend(range(done + 1, len(text) + 1))
    return View("".join(chars), starts, ends)


def _characters(escape: str) -> list[tuple[str, tuple[int, int]]]:
    if escape[0] == "%" or escape.lstrip("\\")[0] == "x":
        return _byte_characters(escape)
    return [(_character(escape), (0, len(escape)))]


def _character(escape: str) -> str:
    if escape[0] == "&":
        name = escape[1:-1]
        if name[0] != "#":
            return _NAMED.get(name, _INVISIBLE)
        code = int("0" + name[1:], base=0) if name[1] in "xX" else int(name[1:])
        return chr(code) if code <= 0x10FFFF else _INVISIBLE
    letter = escape.lstrip("\\")
    return chr(int(letter[1:], 16)) if letter[0] == "u" else "\n"


def _byte_characters(escape: str) -> list[tuple[str, tuple[int, int]]]:
    """Each character of a run of escaped bytes, with the escapes it was written as."""
    found = [(int(byte[1], 16), byte.span()) for byte in _BYTE.finditer(escape)]
    result: list[tuple[str, tuple[int, int]]] = []
    at = 0
    while at < len(found):
        lead = found[at][0]
        size = 1 if lead < 0xC0 else 2 if lead < 0xE0 else 3 if lead < 0xF0 else 4
        part = found[at : at + size]
        char = bytes(byte for byte, _ in part).decode("utf-8", "replace")
        if len(char) != 1:
            part, char = found[at : at + 1], chr(lead)
        result.append((char, (part[0][1][0], part[-1][1][1])))
        at += len(part)
    return result


def _plain(view: View) -> View:
    text = view.text
    if _UNUSUAL.search(text) is None:
        return view
    if "\x1b" in text or "\x9b" in text:
        text = _SEQUENCE.sub(lambda found: _INVISIBLE * len(found[0]), text)
    return View(_UNUSUAL.sub(lambda found: _plain_character(found[0]), text), view.starts, view.ends)


@lru_cache(maxsize=8192)
def _plain_character(char: str) -> str:
    """One character for *char*, so that positions stay: itself unless it looks like another or like nothing."""
    if char in _LOOKALIKES:
        return _LOOKALIKES[char]
    category = unicodedata.category(char)
    if category in _REMOVED:
        return "\n" if char in "\x0b\x0c\x85" else _INVISIBLE
    if category in {"Zs", "Pd"}:
        return " " if category == "Zs" else "-"
    digit = unicodedata.digit(char, -1)
    if digit >= 0:
        return str(digit)
    simple = unicodedata.normalize("NFKC", char)
    return simple if len(simple) == 1 and simple.isascii() else char


def _without_invisible(view: View) -> View:
    text = view.text
    if _INVISIBLE not in text:
        return view
    kept = [at for at, char in enumerate(text) if char != _INVISIBLE]
    starts = kept if view.starts is None else [view.starts[at] for at in kept]
    ends = [at + 1 for at in kept] if view.ends is None else [view.ends[at] for at in kept]
    return View(text.replace(_INVISIBLE, ""), starts, ends)
