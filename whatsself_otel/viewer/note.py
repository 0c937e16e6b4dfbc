"""The note by which other commands of this user find a running viewer."""

from __future__ import annotations

import contextlib
import json
import os
import socket
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from whatsself_otel.stack.paths import data_dir

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """The address and token of a running viewer, for other commands."""

    url: str
    token: str = field(repr=False)
    pid: int = field(default_factory=os.getpid)

    def write(self, path: Path) -> None:
        """Write it for its owner alone."""
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".unfinished")
        with os.fdopen(os.open(unfinished, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w") as file:
            json.dump(asdict(self), file)
        unfinished.replace(path)

    def is_of_a_running_viewer(self) -> bool:
        """Return whether something listens where the note says."""
        where = urlsplit(self.url)
        with contextlib.suppress(OSError, ValueError):
            socket.create_connection((where.hostname or "", where.port or 0), timeout=0.5).close()
            return True
        return False

    @classmethod
    def read(cls, path: Path) -> Note | None:
        """Return the note at *path*; its viewer may have ended since."""
        try:
            return cls(**json.loads(path.read_text("utf-8")))
        except (OSError, ValueError, TypeError):
            return None


def note_file() -> Path:
    """Return where a running viewer says how to reach it."""
    return data_dir() / "viewer.json"


def token_file() -> Path:
    """Return where the page's token lasts from one viewer to the next."""
    return data_dir() / "viewer.token"
