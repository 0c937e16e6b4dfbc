"""
Break ten important lines of the package, one promise each, and see that a quick test notices.

    python tools/mutate_lines.py            # each line, and the test that fails
    python tools/mutate_lines.py --write    # write docs/evidence/ten-lines.md too

A copy of the package is broken, never the tree. Exit status 1 if a change is not noticed.
"""

from __future__ import annotations

import datetime as dt
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
PAGE: Final = ROOT / "docs" / "evidence" / "ten-lines.md"
_REPORT: Final = """\
# Ten lines, broken on purpose

Written by `python tools/mutate_lines.py --write` on {date}: one line for each of ten promises is changed in a copy of
the package, and the quick tests beside it are run until one fails.

| Promise | File | Change | Noticed by |
|---|---|---|---|
{rows}
"""


@dataclass(frozen=True, slots=True)
class Change:
    """One line that keeps a promise, and what breaks it."""

    promise: str
    file: str
    old: str
    new: str
    tests: str


CHANGES: Final = (
    Change(
        "Every span carries the ids",
        "traces/processors.py",
        "set_attributes_unchecked(span, attributes)",
        "pass",
        "tests/traces/test_processors.py",
    ),
    Change(
        "No log text leaves unmasked",
        "logs/handler.py",
        "masked = clean_text(self.masker.text(text))",
        "masked = clean_text(text)",
        "tests/logs/test_logs.py",
    ),
    Change(
        "No span leaves unmasked",
        "export/exporters.py",
        "OtlpExporter(client, Encoder(masker).span)",
        "OtlpExporter(client, Encoder().span)",
        "tests/test_taint.py",
    ),
    Change(
        "A full queue counts what it drops",
        "export/batch_queue.py",
        'self._drop("queue_full", lost)\n\n    def take_in',
        "pass\n\n    def take_in",
        "tests/export/test_batch_queue.py",
    ),
    Change(
        "A full queue drops the oldest",
        "export/batch_queue.py",
        "self._items.popleft()[0]",
        "self._items.pop()[0]",
        "tests/export/test_batch_queue.py",
    ),
    Change(
        "What a receiver refuses for now is sent again",
        "export/otlp.py",
        "retry=status in RETRYABLE or",
        "retry=False and",
        "tests/export/test_otlp.py",
    ),
    Change(
        "The first event of a series shows as an increase",
        "metrics/zero_points.py",
        "if not _is_zero(point) and (zero",
        "if _is_zero(point) and (zero",
        "tests/metrics/test_zero_points.py",
    ),
    Change(
        "Health says that metrics do not arrive",
        "export/metric_exporter.py",
        "self.has_delivered = result.accepted",
        "self.has_delivered = True",
        "tests/export/test_metric_exporter.py",
    ),
    Change(
        "A stranger's tracestate is cleaned",
        "traces/propagation.py",
        "clean = clean_tracestate(remote, self._masker)",
        "clean = remote",
        "tests/traces/test_propagation.py",
    ),
    Change(
        "What is recorded leaves at the end of the process",
        "setup.py",
        "atexit.register(self._end_process)",
        "pass",
        "tests/test_shutdown.py",
    ),
)


def main(arguments: list[str]) -> int:
    """Break each line in turn and print what noticed."""
    rows, missed = [], 0
    for change in CHANGES:
        noticed = run(change)
        missed += noticed is None
        said = f"`{noticed}`" if noticed else "**nothing**"
        print(f"{change.promise}: {noticed or 'NOT NOTICED'}", flush=True)
        cells = (change.promise, f"`{change.file}`", f"`{_line(change.old)}` → `{_line(change.new)}`", said)
        rows.append(f"| {' | '.join(cells)} |")
    if "--write" in arguments:
        today = dt.datetime.now(dt.UTC).date()
        PAGE.write_text(_REPORT.format(date=today, rows="\n".join(rows)), encoding="utf-8")
    return int(missed > 0)


def run(change: Change) -> str | None:
    """Return the first test that fails with *change*, or None."""
    with tempfile.TemporaryDirectory(prefix="whatsself-otel-broken-") as folder:
        package = Path(folder) / "whatsself_otel"
        shutil.copytree(ROOT / "whatsself_otel", package, ignore=shutil.ignore_patterns("__pycache__"))
        file = package / change.file
        text = file.read_text(encoding="utf-8")
        if text.count(change.old) != 1:
            raise SystemExit(
                f"{change.file} has the line of “{change.promise}” {text.count(change.old)} times, not once."
            )
        file.write_text(text.replace(change.old, change.new), encoding="utf-8")
        pytest = Path(sys.executable).with_name("pytest")  # `python -m` would put this folder before PYTHONPATH
        command = [str(pytest), "-x", "-q", "--no-header", "-p", "no:randomly", "-p", "no:cacheprovider"]
        command += ["-c", str(ROOT / "pyproject.toml"), str(ROOT / change.tests)]
        environment = {**os.environ, "PYTHONPATH": folder}
        done = subprocess.run(  # noqa: S603 - our own tests
            command, cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
    found = re.search(r"^(?:FAILED|ERROR) \S*?(tests/\S+)", done.stdout, re.MULTILINE)
    return found.group(1) if found else None


def _line(text: str) -> str:
    return text.split("\n", maxsplit=1)[0]


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
