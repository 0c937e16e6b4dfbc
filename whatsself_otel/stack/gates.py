"""
The gates of ``collector/gates``: the vendors behind one, and the folder of their sockets.

A vendor with a full queue makes the collector refuse its sender, and then every other backend waits. A gate before the
vendor takes everything. It drops and counts the data that the vendor does not take, so no other backend is affected.
"""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from whatsself_otel.stack.errors import CommandError
from whatsself_otel.stack.files import shipped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from whatsself_otel.stack.vendor_files import Vendor

VARIABLE: Final = "OTELCOL_GATE_DIR"
_OTHERS: Final = 0o077


def files(vendors: Sequence[Vendor]) -> list[Path]:
    """Return the files of *vendors* in order, each followed by its gate if it has one."""
    found = []
    for vendor in vendors:
        found.append(vendor.path)
        if vendor in gated(vendors):
            found.append(shipped(f"collector/gates/{vendor.name}.yaml"))
    return found


def gated(vendors: Sequence[Vendor]) -> list[Vendor]:
    """Return the vendors behind a gate: none if there is only one backend, and none on Windows."""
    if sys.platform == "win32":
        return []  # sockets that are files were not tried there, and a collector that does not start is worse
    backends = [vendor for vendor in vendors if vendor.is_backend]
    return [vendor for vendor in backends if vendor.full == "drop" and len(backends) > 1]


def folder(queue: Path) -> Path:
    """Return the folder for the sockets of the collector with the folder *queue*: their paths must be short."""
    digest = hashlib.sha256(str(queue.absolute()).encode()).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"whatsself-otel-{digest}"


def clear(sockets: Path) -> None:
    """
    Make the folder *sockets* for this user alone, and remove sockets that a killed collector left there.

    Raises:
        CommandError: Somebody else has made it.
    """
    sockets.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = sockets.lstat()
    if sys.platform != "win32" and (sockets.is_symlink() or found.st_uid != os.getuid() or found.st_mode & _OTHERS):
        raise CommandError(f"{sockets} is not this user's alone. Remove it, or set {VARIABLE} to a folder that is.")
    for left in sockets.glob("*.sock"):
        left.unlink()
