"""How every command prints: text in the reader's language, JSON that names its schema, signs that any console has."""

from __future__ import annotations

import codecs
import io
import json
import sys
import unicodedata
from typing import Any, Final

from whatsself_otel.language import translated_lines

_PLAIN: Final = {"─": "-", "│": "|", "├": "|", "└": "`", "…": "...", "·": ".", "—": "-", "→": "->", "µ": "u"}
_HANDLER: Final = "whatsself_otel.plain"
SCHEMA_VERSION: Final = 1
"""Version of the JSON that commands print; a change that a program would notice raises it."""


def say(*lines: str, aside: bool = False) -> None:
    """
    Print *lines* in the reader's language; a text without a translation stays English.

    Args:
        lines: English texts.
        aside: To standard error, where a program reads the output (default: to standard output).
    """
    print(translated_lines("\n".join(lines)), file=sys.stderr if aside else sys.stdout, flush=True)


def complain(text: str) -> None:
    """Print an error to standard error, in the reader's language."""
    print(f"whatsself-otel: {translated_lines(text)}", file=sys.stderr, flush=True)


def show(text: str, *, aside: bool = False) -> None:
    """Print *text* as it is: data, a program's own words, or translated parts."""
    print(text, file=sys.stderr if aside else sys.stdout, flush=True)


def print_json(kind: str, **content: Any) -> None:
    """
    Print one JSON object for programs, on one line; ASCII, so that every console takes it.

    Args:
        kind: What it is, as docs/command-line.md lists it.
        content: Its fields.
    """
    print(json.dumps({"schema": f"whatsself-otel/{kind}/{SCHEMA_VERSION}", **content}), flush=True)


def make_printable() -> None:
    """Let the console show what its encoding lacks in plain letters, instead of failing."""
    codecs.register_error(_HANDLER, _plain)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_HANDLER)


def _plain(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    found = error.object[error.start : error.end]
    return "".join(_PLAIN.get(char) or _without_accent(char) for char in found), error.end


def _without_accent(char: str) -> str:
    return unicodedata.normalize("NFKD", char).encode("ascii", "ignore").decode("ascii") or "?"
