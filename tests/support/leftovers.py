"""What a test has started and left running, found by a mark in its environment."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

MARK = "WHATSSELF_TEST_MARK"


@pytest.fixture
def left_running(tmp_path: Path) -> Callable[..., list[str]]:
    """Return the command lines of what a test started and still runs, after giving it a moment to go."""

    def wait_for_none(wait_s: float = 5.0) -> list[str]:
        deadline = time.monotonic() + wait_s
        while (found := _marked(str(tmp_path))) and time.monotonic() < deadline:
            time.sleep(0.05)
        return found

    return wait_for_none


def _marked(mark: str) -> list[str]:
    wanted = f"{MARK}={mark}".encode()
    return [
        (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        for folder in Path("/proc").glob("[0-9]*")
        if int(folder.name) != os.getpid() and wanted in _environment(folder).split(b"\0")
    ]


def _environment(folder: Path) -> bytes:
    try:
        return (folder / "environ").read_bytes()
    except OSError:
        return b""
