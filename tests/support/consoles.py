"""Runs a `whatsself-otel` command at a console of any encoding and width, without a new process."""

from __future__ import annotations

import io
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from whatsself_otel.cli import main

if TYPE_CHECKING:
    import pytest


@dataclass(frozen=True, slots=True)
class Typed:
    """A command's status and output."""

    status: int
    out: str
    err: str


def type_in(
    monkeypatch: pytest.MonkeyPatch, *words: str, encoding: str = "utf-8", columns: int = 60, language: str = "en"
) -> Typed:
    """
    Run one command as a console of *encoding* and *columns* would.

    Raises:
        UnicodeError: The command printed what the console cannot show.
    """
    streams = [io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="strict") for _ in range(2)]
    with monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", streams[0])
        patched.setattr(sys, "stderr", streams[1])
        patched.setenv("COLUMNS", str(columns))
        patched.setenv("WHATSSELF_OTEL_LANG", language)
        try:
            status = main(words)
        except SystemExit as ended:
            status = int(ended.code or 0)
    out, err = (_text(stream, encoding) for stream in streams)
    return Typed(status, out, err)


def _text(stream: io.TextIOWrapper, encoding: str) -> str:
    stream.flush()
    binary = stream.buffer
    assert isinstance(binary, io.BytesIO)
    return binary.getvalue().decode(encoding)
