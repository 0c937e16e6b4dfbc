"""
Folders on this machine for built programs and data, and a lock between processes.

Only the standard library and no import of this package: native/build.py loads this file before anything is installed.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

CACHE_VARIABLE = "WHATSSELF_OTEL_CACHE"
DATA_VARIABLE = "WHATSSELF_OTEL_DATA"
_NAME = "whatsself-otel"


def cache_dir(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the folder for rebuildable files: ``WHATSSELF_OTEL_CACHE``, else the system's own place."""
    if named := environ.get(CACHE_VARIABLE):
        return Path(named).expanduser().resolve()
    if sys.platform == "win32":
        return Path(environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / _NAME
    return Path(environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / _NAME


def data_dir(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the folder for the backends' data: ``WHATSSELF_OTEL_DATA``, else the user's data folder."""
    if named := environ.get(DATA_VARIABLE):
        return Path(named).expanduser().resolve()
    if sys.platform == "win32":
        return Path(environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / _NAME / "data"
    return Path(environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / _NAME


def executable(name: str) -> str:
    """Return the file name of program *name* on this system."""
    return f"{name}.exe" if sys.platform == "win32" else name


@contextmanager
def locked(path: Path, *, wait: Callable[[], None] | None = None) -> Iterator[bool]:
    """
    Hold the lock file at *path* for the block; the system releases it when the process ends, however it ends.

    Args:
        path: Lock file; made with its folder when missing, and left in place.
        wait: Called once when another process holds the lock, before waiting for it. None: do not wait.

    Yields:
        Whether the lock was taken; always true when waiting.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as file:
        taken = _take(file)
        if not taken and wait is not None:
            wait()
            while not (taken := _take(file)):
                time.sleep(0.2)
        yield taken
        if taken:
            _release(file)


if sys.platform == "win32":
    import msvcrt

    def _take(file: IO[bytes]) -> bool:
        file.seek(0)
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def _release(file: IO[bytes]) -> None:
        file.seek(0)
        msvcrt.locking(file.fileno(), msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _take(file: IO[bytes]) -> bool:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

    def _release(file: IO[bytes]) -> None:
        fcntl.flock(file, fcntl.LOCK_UN)
