"""The folder of the collector's queues, which only one collector at a time may use."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Final

from whatsself_otel.stack.errors import CommandError

if TYPE_CHECKING:
    from pathlib import Path

_PREFIX: Final = "exporter_"


def check_free(folder: Path) -> None:
    """
    Check that no other collector uses *folder*. On Windows it checks nothing.

    Raises:
        CommandError: One does.
    """
    if any(_is_locked(path) for path in sorted(folder.glob(f"{_PREFIX}*"))):
        raise CommandError(
            f"Another collector uses the queues in {folder}. Stop it, or give this one a folder of its own with "
            "OTELCOL_QUEUE_DIR."
        )


if sys.platform == "win32":

    def _is_locked(path: Path) -> bool:
        return not path

else:
    import fcntl

    def _is_locked(path: Path) -> bool:
        """Return whether another process holds the lock that file_storage takes on each of its files."""
        try:
            file = os.open(path, os.O_RDONLY)
        except OSError:
            return False
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            return False
        finally:
            os.close(file)
        return False
