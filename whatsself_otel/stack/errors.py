"""How a command ends badly: a message for people and a status for scripts."""

from __future__ import annotations

from typing import Final

from whatsself_otel.errors import WhatsSelfOtelError

FAILED: Final = 1
WRONG_USE: Final = 2
MISSING: Final = 3
INTERRUPTED: Final = 130


class CommandError(WhatsSelfOtelError):
    """
    A command that cannot go on.

    Args:
        message: What is wrong and what to do about it.
        status: Exit status: 1 failed, 2 wrong arguments or variables, 3 something needed is missing.
    """

    def __init__(self, message: str, *, status: int = FAILED) -> None:
        super().__init__(message)
        self.status = status
