"""The shipped files (``collector/``, ``backends/``), in a checkout or inside the installed package."""

from __future__ import annotations

from pathlib import Path

from whatsself_otel.stack.errors import MISSING, CommandError

_PACKAGE = Path(__file__).resolve().parent.parent


def checkout() -> Path | None:
    """Return the root of the source tree this package runs from, or None when it is installed."""
    root = _PACKAGE.parent
    return root if (root / "native" / "build.py").is_file() else None


def shipped(name: str) -> Path:
    """
    Return the path of a shipped file or folder, for example ``collector/config.yaml``.

    The checkout comes first: an editable install also holds copies, as old as the installation.

    Raises:
        CommandError: The file is in neither place.
    """
    root = checkout()
    candidates = ([root / name] if root else []) + [_PACKAGE / "_files" / name]
    for path in candidates:
        if path.exists():
            return path
    raise CommandError(f"{name} is not part of this installation. Install whatsself-otel again.", status=MISSING)


def collector_base() -> tuple[Path, Path]:
    """Return the two files that every collector reads first: its base and its masking rules."""
    return shipped("collector/config.yaml"), shipped("collector/masking.yaml")
