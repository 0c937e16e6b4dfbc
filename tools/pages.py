"""Helpers of the documentation's generators: Markdown tables, and writing or checking pages."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def write_or_check(description: str | None, pages: Mapping[Path, str], arguments: Sequence[str] | None) -> int:
    """
    Write every page; with ``--check`` write nothing and return 1 if one is not what would be written.

    Args:
        description: Docstring of the generator, shown by ``--help``.
        pages: Text by file.
        arguments: The command line; None: the process's own.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a page is out of date")
    check: bool = parser.parse_args(arguments).check
    stale = [path for path, page in pages.items() if not path.exists() or path.read_text(encoding="utf-8") != page]
    for path in stale:
        if check:
            print(f"{path.parent.name}/{path.name} is out of date; run `make generate`")
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(pages[path], encoding="utf-8")
    return int(check and bool(stale))
