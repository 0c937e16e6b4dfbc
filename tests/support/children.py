"""The environment of processes that a test starts."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

NEEDED = ("PATH", "HOME", "SYSTEMROOT", "PYTHONPATH")
"""Variables that a process needs to run."""
MEASURING = ("COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG")
"""With these it says which branches it took, if this process does."""


def environment(variables: Mapping[str, str] | None = None, **more: str) -> dict[str, str]:
    """Return the variables that a process needs or is measured by, and *variables*; nothing else from here."""
    return {**_kept(NEEDED + MEASURING), **(variables or {}), **more}


def unmeasured_environment(variables: Mapping[str, str] | None = None, **more: str) -> dict[str, str]:
    """
    Return the same for a process that measuring would change.

    Coverage takes time and memory of its own; and where threads run at a fork, one may hold its lock, for which the
    child then waits for ever when it ends.
    """
    return {**_kept(NEEDED), **(variables or {}), **more}


def _kept(names: tuple[str, ...]) -> dict[str, str]:
    return {name: os.environ[name] for name in names if name in os.environ}
