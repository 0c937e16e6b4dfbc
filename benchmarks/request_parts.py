"""
What each part of a request executes: instructions, and misses of a first cache, ours beside contrib's.

    python benchmarks/request_parts.py               print the table
    python benchmarks/request_parts.py --write       write it to benchmarks/results too, to the file of this Python
    python benchmarks/request_parts.py --check       compare what ours adds with the committed figure
    python benchmarks/request_parts.py --commit      write that figure anew

Callgrind counts while the parts of one request are added one by one; what each adds beyond the bare application is that
part's. Exports are counted apart, and Python's garbage collection is off. The table is of the
environments of overhead.py, the check of the environment it runs in: its figure is that of one Python version.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Final, NamedTuple

from metric_export import receiver
from overhead import HERE, ROOT, environment, prepare, say
from overhead import Measured as Subject
from tables import circumstances

REQUESTS: Final = 60
PARTS: Final = ("server span and duration", "ids", "two statements", "a count", "two log records")
PACKAGES: Final = ("opentelemetry-sdk", "fastapi", "sqlalchemy")
TOLERANCE: Final = 1.05
PYTHON: Final = f"{sys.version_info.major}.{sys.version_info.minor}"
RESULT: Final = HERE / "results" / f"request_parts_{PYTHON}.md"
FIGURES: Final = HERE / "results" / "request_instructions.json"
RENEW: Final = "python benchmarks/request_parts.py --commit"
_EXPORTS: Final = ("export of spans and records", "one export of metrics")
_DELAYS: Final = ("OTEL_BSP_SCHEDULE_DELAY", "OTEL_BLRP_SCHEDULE_DELAY")
_METRICS: Final = {"OTEL_METRIC_EXPORT_INTERVAL": "600000"}
_MOST_MS: Final = 60_000
"""Longest delay of an export that our settings allow; nothing shall leave but by a flush."""
_REPORT: Final = """\
# Where the instructions of a request go

{date}, {machine}, {valgrind}; {requests} requests, without a server and without
garbage collection. {versions}.

Written by `python benchmarks/request_parts.py --write`.

| part | added by ours | added by contrib | of contrib's | code misses, ours | contrib | data misses, ours | contrib |
|---|---|---|---|---|---|---|---|
{rows}

In thousands a request, beyond {bare} of the bare application. Misses are those of a first cache of 32 KiB as callgrind
simulates it. Metrics leave every 15 s, however many requests there were: the last row is of one such export, of the
series that each has, which are not the same.
Machines and versions that were not measured: [what was not run](../../docs/evidence/unproven.md).
"""


class Counts(NamedTuple):
    """What is executed a request, in thousands."""

    instructions: float
    code_misses: float
    data_misses: float

    def plus(self, other: Counts) -> Counts:
        """Return the sum."""
        return Counts(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))

    def times(self, factor: int) -> Counts:
        """Return the product."""
        return Counts(*(count * factor for count in self))

    def less(self, other: Counts) -> Counts:
        """Return the difference."""
        return Counts(*(mine - theirs for mine, theirs in zip(self, other, strict=True)))


def main() -> int:
    """Measure, and print or compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help=f"write {RESULT.relative_to(ROOT)} too")
    parser.add_argument("--check", action="store_true", help=f"fail beyond {FIGURES.relative_to(ROOT)} by 5 %%")
    parser.add_argument("--commit", action="store_true", help=f"write {FIGURES.relative_to(ROOT)}")
    arguments = parser.parse_args()
    if shutil.which("valgrind") is None:
        say("SKIPPED: valgrind is not installed, and nothing else counts instructions everywhere")
        return 0 if arguments.check else 1
    if arguments.check or arguments.commit:
        return compare(commit=arguments.commit)
    text = report(measure_all(("bare", "ours", "contrib")))
    print(text)
    if arguments.write:
        RESULT.write_text(text, encoding="utf-8")
    return 0


def measure_all(names: tuple[str, ...]) -> dict[str, list[Counts]]:
    """Return the counts of each beginning of the parts, and of the exports, in the environments of overhead.py."""
    subjects = [prepare(name, HERE) for name in names]
    with receiver() as endpoint, ThreadPoolExecutor(os.cpu_count()) as workers:
        for subject in subjects:
            subject.sink = int(endpoint.rpartition(":")[2])
        return dict(zip(names, workers.map(lambda each: measure(each, first=0), subjects), strict=True))


def measure(subject: Subject, first: int) -> list[Counts]:
    """Return the counts of *subject* for each beginning of the parts from *first* on, and of the two exports."""
    delay_ms = _MOST_MS if subject.name == "ours" else 60 * _MOST_MS
    with tempfile.TemporaryDirectory() as folder:
        options = ("--tool=callgrind", "--cache-sim=yes", "--instr-atstart=no", "--dump-before=getloadavg")
        program = (str(subject.python), str(HERE / "request_parts_app.py"), subject.name, str(REQUESTS), str(first))
        done = subprocess.run(
            ["valgrind", *options, f"--callgrind-out-file={folder}/out", *program],
            env=environment(subject) | {"PYTHONHASHSEED": "0", **_METRICS} | dict.fromkeys(_DELAYS, str(delay_ms)),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            sys.exit(f"{subject.name} does not run under valgrind: {done.stderr.strip()[-600:]}")
        beginnings = len(PARTS) - first
        *served, both, metrics = (
            read(Path(f"{folder}/out.{number}"))
            for number in (*range(2, 4 * beginnings, 4), 4 * beginnings - 1, 4 * beginnings)
        )
        return [*served, both.less(metrics), metrics]


def read(dump: Path) -> Counts:
    """Return the counts of one of callgrind's files."""
    text = dump.read_text("utf-8")
    names = re.search(r"^events: (.+)$", text, re.MULTILINE)
    totals = re.search(r"^summary: (.+)$", text, re.MULTILINE)
    assert names is not None and totals is not None  # noqa: S101, PT018 - each dump has both
    found = dict(zip(names[1].split(), map(int, totals[1].split()), strict=False))  # zeros at the end are left out
    events = found["Ir"], found.get("I1mr", 0), found.get("D1mr", 0) + found.get("D1mw", 0)
    return Counts(*(event / REQUESTS / 1000 for event in events))


def compare(*, commit: bool) -> int:
    """Compare what ours adds to a request with the committed figure of this Python version, or commit it."""
    figures = json.loads(FIGURES.read_text("utf-8")) if FIGURES.exists() else {}
    if not commit and PYTHON not in figures:
        say(f"SKIPPED: no figure of Python {PYTHON} is committed; write it by: {RENEW}")
        return 0
    with receiver() as endpoint:
        sink = int(endpoint.rpartition(":")[2])
        subjects = [
            Subject(name=name, python=Path(sys.executable), versions="", log=HERE / "none", sink=sink)
            for name in ("bare", "ours")
        ]
        bare, ours = (measure(subject, first=len(PARTS) - 1)[0].instructions for subject in subjects)
    added = round(ours - bare)
    if commit:
        packages = {name: version(name) for name in PACKAGES}
        figures[PYTHON] = {
            "added": added,
            "date": circumstances()["date"],
            "python": platform.python_version(),
            **packages,
        }
        FIGURES.write_text(json.dumps(dict(sorted(figures.items())), indent=2) + "\n", encoding="utf-8")
        return 0
    known = figures[PYTHON]["added"]
    say(f"a request: {added} thousand instructions added, committed {known}, at most {known * TOLERANCE:.0f}")
    if added > known * TOLERANCE:
        say(f"FAILED: find out why, or commit the new figure by: {RENEW}")
        return 1
    return 0


def report(measured: dict[str, list[Counts]]) -> str:
    """Return the table."""
    *bare, _, _ = measured["bare"]
    ours, contrib = (
        [mine.less(base) for mine, base in zip(measured[name][:-2], bare, strict=True)] for name in ("ours", "contrib")
    )
    rows = [row(name, *pair) for name, *pair in zip(PARTS, steps(ours), steps(contrib), strict=True)]
    sent = [measured[name][-2] for name in ("ours", "contrib")]
    rows.append(row(_EXPORTS[0], *sent))
    rows.append(row("**all of these**", ours[-1].plus(sent[0]), contrib[-1].plus(sent[1])))
    each_export = (measured[name][-1].times(REQUESTS) for name in ("ours", "contrib"))
    rows.append(row(_EXPORTS[1], *each_export, same_work=False))
    valgrind = subprocess.run(["valgrind", "--version"], capture_output=True, text=True, check=False).stdout.strip()
    return _REPORT.format(
        **circumstances(),
        valgrind=valgrind,
        requests=REQUESTS,
        versions="; ".join(f"{name}: {packages_of(prepare(name, HERE))}" for name in ("ours", "contrib")),
        bare=f"{bare[-1].instructions:,.0f}",
        rows="\n".join(rows),
    )


def steps(beginnings: list[Counts]) -> list[Counts]:
    """Return what each part adds to the parts before it."""
    return [beginnings[0], *(now.less(before) for before, now in pairwise(beginnings))]


def packages_of(subject: Subject) -> str:
    """Return the versions that a request passes through."""
    code = f"from importlib.metadata import version; print(', '.join(f'{{p}} {{version(p)}}' for p in {PACKAGES}))"
    done = subprocess.run([str(subject.python), "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def row(name: str, ours: Counts, contrib: Counts, *, same_work: bool = True) -> str:
    """Return one line of the table; only of the same work is there a share."""
    cells = [name, f"{ours.instructions:,.0f}", f"{contrib.instructions:,.0f}"]
    cells.append(f"{ours.instructions / contrib.instructions:.0%}" if same_work and contrib.instructions > 1 else "-")
    for place in (1, 2):
        cells += [f"{ours[place]:.1f}", f"{contrib[place]:.1f}"]
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    raise SystemExit(main())
