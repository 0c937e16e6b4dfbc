"""
Shows what `coverage json` found and fails when too few branches of the package are taken.

    python tools/check_coverage.py build/coverage.json
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Final

LEAST_PERCENT: Final = 95.0


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


def main(path: Path) -> int:
    """Print the report and return 1 when the whole is below the limit."""
    found = json.loads(path.read_text(encoding="utf-8"))
    whole = share(found["totals"])
    print("\n".join(report(found)))
    print(f"{whole:5.1f} %  of {found['totals']['num_branches']} branches (at least {LEAST_PERCENT:g} %)")
    return int(whole < LEAST_PERCENT)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
