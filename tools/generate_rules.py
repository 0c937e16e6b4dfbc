"""
Writes what backends/slo.yaml and whatsself_otel/operations say: rules, tests, Alertmanager's configuration, runbooks.

    python tools/generate_rules.py                          # write
    python tools/generate_rules.py --check                  # exit 1 if a file is not what would be written
    python tools/generate_rules.py --service shop-bot       # rules that follow another OTEL_SERVICE_NAME
    python tools/generate_rules.py --service x --output DIR # the same into another folder
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from whatsself_otel.metrics.hours import BusinessHours
from whatsself_otel.operations.log_alerts import log_rule_files
from whatsself_otel.operations.model import ROOT, Source
from whatsself_otel.operations.rule_tests import test_files
from whatsself_otel.operations.rules import inhibitions, rule_files
from whatsself_otel.operations.runbooks import runbooks
from whatsself_otel.stack.alerting import AlertingConfig, render

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

OWNED = (
    "backends/prometheus/rules",
    "backends/prometheus/tests",
    "backends/loki/rules",
    "backends/victorialogs/rules",
)
"""Folders that hold only generated files; a file that is no longer generated is removed."""


def generated(source: Source) -> dict[str, str]:
    """Return the text of every generated file, by its path from the root."""
    hours = BusinessHours.parse(*(source[f"business_hours.{each}"] for each in ("hours", "time_zone", "holidays")))
    files = {f"backends/prometheus/rules/{name}": text for name, text in rule_files(source).items()}
    files |= {f"backends/prometheus/tests/{name}": text for name, text in test_files(source).items()}
    files |= {f"docs/{name}": text for name, text in runbooks(source).items()}
    files |= log_rule_files(source)
    files["backends/alertmanager/inhibit_rules.yml"] = inhibitions(source)
    config = render(AlertingConfig(business_hours=hours), inhibitions(source))
    return files | {"backends/alertmanager/alertmanager.yml": config}


def stale(root: Path, files: Mapping[str, str]) -> list[str]:
    """Return the paths that are not as generated, and those that nothing generates."""
    wrong = [path for path, text in files.items() if not _is(root / path, text)]
    left = [
        path.relative_to(root).as_posix()
        for folder in OWNED
        for path in sorted((root / folder).glob("*.*"))
        if path.relative_to(root).as_posix() not in files
    ]
    return wrong + left


def _is(path: Path, text: str) -> bool:
    return path.exists() and path.read_text("utf-8") == text


def write(root: Path, files: Mapping[str, str]) -> None:
    """Bring the files under *root* up to date."""
    for path in stale(root, files):
        if path not in files:
            (root / path).unlink()
            continue
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(files[path], "utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the files, or check them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a file is out of date")
    parser.add_argument("--service", help="service name the selectors follow (default: that of backends/slo.yaml)")
    parser.add_argument("--output", type=Path, default=ROOT, help="root below which to write (default: this project)")
    options = parser.parse_args(arguments)
    files = generated(Source.load(service=options.service))
    if not options.check:
        write(options.output, files)
        return 0
    problems = stale(options.output, files)
    for path in problems:
        print(f"{path} is out of date; run python tools/generate_rules.py")
    return int(bool(problems))


if __name__ == "__main__":
    sys.exit(main())
