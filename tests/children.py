"""What the processes that a test starts get of this one's environment."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

KEPT = ("PATH", "HOME", "SYSTEMROOT", "PYTHONPATH", "COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG")
"""What a process needs to run at all, and to say which branches it took."""


def environment(variables: Mapping[str, str] | None = None, **more: str) -> dict[str, str]:
    """Return what every process needs, and *variables*, and nothing else of this process' environment."""
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    return {**kept, **(variables or {}), **more}
