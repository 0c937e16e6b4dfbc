"""
Shows what `coverage json` found and fails when too few branches of the package are taken.

    python tools/check_coverage.py                      whether this Python can count at all
    python tools/check_coverage.py build/coverage.json
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Final

LEAST_PERCENT: Final = 95.0
OLDEST_PYTHON: Final = (3, 12)
"""Tracing in 3.11 loses its place in coroutines as httpx makes them: what called them counts as never run."""


def share(summary: dict[str, Any]) -> float:
    """Return the percentage of branches that were taken; 100 where there is none."""
    branches = summary["num_branches"]
    return float(100 * summary["covered_branches"] / branches) if branches else 100.0


def report(found: dict[str, Any]) -> list[str]:
    """Return a line a file that lacks branches, the most at the end."""
    rows = [(name, entry["summary"], entry["missing_branches"]) for name, entry in found["files"].items()]
    lacking = sorted((summary["missing_branches"], name, summary, gaps) for name, summary, gaps in rows if gaps)
    return [
        f"{share(summary):5.1f} %  {missing:3} of {summary['num_branches']:3}  {name}  "
        + " ".join(f"{start}>{end if end > 0 else 'exit'}" for start, end in gaps)
        for missing, name, summary, gaps in lacking
    ]


def python_problem(version: tuple[int, ...] = sys.version_info[:3]) -> str | None:
    """Return why Python of *version* would count too little, with the remedy, or None when it counts rightly."""
    if version >= OLDEST_PYTHON:
        return None
    needed, this = (".".join(map(str, each)) for each in (OLDEST_PYTHON, version))
    return (
        f"Python {needed} or newer counts rightly, this one is {this}: "
        f"make clean, then make coverage PYTHON=python{needed}."
    )


def main(path: Path) -> int:
    """Print the report and return 1 when the whole is below the limit."""
    found = json.loads(path.read_text(encoding="utf-8"))
    whole = share(found["totals"])
    print("\n".join(report(found)))
    print(f"{whole:5.1f} %  of {found['totals']['num_branches']} branches (at least {LEAST_PERCENT:g} %)")
    return int(whole < LEAST_PERCENT)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])) if sys.argv[1:] else python_problem())
