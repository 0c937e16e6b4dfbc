"""How every command prints: JSON that names its schema, and text that any console can show."""

from __future__ import annotations

import codecs
import io
import json
import sys
import unicodedata
from typing import Any, Final

_PLAIN: Final = {"─": "-", "│": "|", "├": "|", "└": "`", "…": "...", "·": ".", "—": "-", "→": "->", "µ": "u"}
_HANDLER: Final = "whatsself_otel.plain"
SCHEMA_VERSION: Final = 1
"""Version of the JSON that commands print; a change that a program would notice raises it."""


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
