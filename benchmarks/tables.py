"""What every benchmark's table says of itself, and where it goes."""

from __future__ import annotations

import argparse
import datetime as dt
import os
import platform
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def circumstances() -> dict[str, str]:
    """Return when and on what something was measured: ``date``, ``machine`` and ``load``."""
    return {
        "date": str(dt.datetime.now(dt.UTC).date()),
        "machine": f"{platform.machine()}, {os.cpu_count()} CPU, {platform.system()}, "
        f"Python {platform.python_version()}",
        "load": f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown",
    }


def show(description: str | None, result: Path, measure: Callable[[], str]) -> None:
    """
    Print the table that *measure* returns, and write it to *result* where ``--write`` asks for it.

    Args:
        description: What ``--help`` says.
        result: File under ``benchmarks/results``.
        measure: Does the work.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help=f"write benchmarks/results/{result.name} too")
    write = parser.parse_args().write
    text = measure()
    print(text)
    if write:
        result.write_text(text, encoding="utf-8")
