"""Errors of commands: a message for people and a status for scripts."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Final

from whatsself_otel.errors import WhatsSelfOtelError

if TYPE_CHECKING:
    from collections.abc import Iterable

FAILED: Final = 1
WRONG_USE: Final = 2
MISSING: Final = 3
INTERRUPTED: Final = 130


class CommandError(WhatsSelfOtelError):
    """
    An error that ends a command.

    Args:
        message: What is wrong and what to do about it.
        status: Exit status: 1 failed, 2 wrong arguments or variables, 3 something needed is missing.
    """

    def __init__(self, message: str, *, status: int = FAILED) -> None:
        super().__init__(message)
        self.status = status


def did_you_mean(got: str, known: Iterable[str]) -> str:
    """Return a question with the nearest of *known*, or an empty text if none is near."""
    found = difflib.get_close_matches(got, list(known), n=1)
    return f" Did you mean {found[0]}?" if found else ""


def unknown_name(kind: str, got: str, known: Iterable[str]) -> CommandError:
    """Return the error for an unknown name *got* of a *kind* of thing."""
    every = sorted(known)
    question = did_you_mean(got, every)
    return CommandError(f"No {kind} is called {got!r}.{question} There are: {', '.join(every)}.", status=WRONG_USE)
