"""
Exceptions of this package.

    WhatsSelfOtelError
    └── ConfigError (also a ValueError)

Only start-up raises: at run time nothing of this package reaches the application.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class WhatsSelfOtelError(Exception):
    """Base of everything this package raises on purpose."""


class ConfigError(WhatsSelfOtelError, ValueError):
    """
    Wrong arguments at start-up, with all problems at once.

    Args:
        problems: One sentence each: the rule, the value received (masked), the remedy.
    """

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        lines = "\n".join(f"  - {problem}" for problem in self.problems)
        super().__init__(f"{len(self.problems)} configuration problem(s):\n{lines}")
