"""
What telemetry adds to a request in machine instructions: the same work as benchmarks/overhead.py, without its noise.

    python benchmarks/instructions.py                     all of them
    python benchmarks/instructions.py --only ours contrib
    python benchmarks/instructions.py --write             write the table to benchmarks/results/instructions.md

Valgrind's cachegrind counts what a process executes, all threads and exports included; what else the machine does
changes nothing. Each runs twice, with few requests and with more: the difference is what requests cost. While it
counts, a batch leaves when it is full, not by the clock: a slow machine would export more often. Instructions are not
time: code that the processor's caches have forgotten takes longer, and overhead.py measures that.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import shutil
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, NamedTuple

from overhead import HERE, ROOT, Measured, environment, prepare, say, sinks
from overhead_subjects import SUBJECTS
from tables import circumstances

FEW: Final = 100
MANY: Final = 400
RESULT: Final = HERE / "results" / "instructions.md"
_BY_COUNT: Final = {
    "OTEL_BSP_SCHEDULE_DELAY": "60000",
    "OTEL_BLRP_SCHEDULE_DELAY": "60000",
    "OTEL_METRIC_EXPORT_INTERVAL": "600000",
}
"""Milliseconds between exports, as many as we allow: batches leave when they are full, and the rest at the end."""
_TOTALS: Final = re.compile(r"==\d+== (I\s+refs|I1\s+misses|D1\s+misses|Mispredicts): +([\d,]+)")
_REPORT: Final = """\
# What telemetry adds to a request, in instructions

{date}, {machine}, {valgrind}; requests {few} to {many}, without a server.
Written by `python benchmarks/instructions.py --write`.

| subject | instructions a request | added | of contrib's | code misses added | data misses added | mispredicted added |
|---|---|---|---|---|---|---|
{rows}

In thousands. Misses are those of a first cache of 32 KiB as cachegrind simulates it. Machines and versions that were
not measured: [what was not run](../../docs/evidence/unproven.md).
"""


class Counts(NamedTuple):
    """What one request executes, on average; in the order in which cachegrind prints it."""

    instructions: float
    code_misses: float
    data_misses: float
    mispredicted: float


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=sorted(SUBJECTS), default=list(SUBJECTS), metavar="SUBJECT")
    parser.add_argument("--write", action="store_true", help=f"write {RESULT.relative_to(ROOT)} too")
    arguments = parser.parse_args()
    if shutil.which("valgrind") is None:
        say("SKIPPED: valgrind is not installed, and nothing else counts instructions everywhere")
        return 1
    names = sorted({"bare", *arguments.only}, key=list(SUBJECTS).index)
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        everyone = [prepare(name, directory) for name in names]
        stack.enter_context(sinks(everyone))
        measured = {each.name: counts for each in everyone if (counts := measure(each)) is not None}
    if "bare" not in measured:
        return 1
    text = report(measured)
    print(text)
    if arguments.write:
        RESULT.write_text(text, encoding="utf-8")
    return 0 if len(measured) == len(names) else 1


def measure(each: Measured) -> Counts | None:
    """Return the cost of a request to *each*, or None if it does not run under valgrind."""
    say(f"{each.label} ...")
    with ThreadPoolExecutor(os.cpu_count()) as workers:
        few, many = workers.map(lambda requests: count(each, requests), (FEW, MANY))
    if few is None or many is None:
        return None
    return Counts(*((more - less) / (MANY - FEW) for less, more in zip(few, many, strict=True)))


def count(each: Measured, requests: int) -> tuple[int, ...] | None:
    """Return the totals of one run of *requests*."""
    options = ("--tool=cachegrind", "--cache-sim=yes", "--branch-sim=yes", "--cachegrind-out-file=/dev/null")
    program = (str(each.python), str(HERE / "overhead_app.py"), each.name, "--requests", str(requests))
    variables = environment(each) | {"PYTHONHASHSEED": "0", **_BY_COUNT}
    done = subprocess.run(["valgrind", *options, *program], env=variables, capture_output=True, text=True, check=False)
    found = dict(_TOTALS.findall(done.stderr))
    if done.returncode or len(found) != 4:
        say(f"FAILED: {each.name} does not run under valgrind: {done.stderr.strip()[-400:]}")
        return None
    return tuple(int(total.replace(",", "")) for total in found.values())


def report(measured: dict[str, Counts]) -> str:
    """Return the table."""
    bare, contrib = measured["bare"], measured.get("contrib")
    rows = []
    for name, counts in measured.items():
        instructions, *others = (mine - theirs for mine, theirs in zip(counts, bare, strict=True))
        share = f"{instructions / (contrib.instructions - bare.instructions):.0%}" if contrib and instructions else "-"
        cells = [name, f"{counts.instructions / 1e3:,.0f}", f"{instructions / 1e3:+,.0f}", share]
        cells += [f"{count / 1e3:+.1f}" for count in others]
        rows.append("| " + " | ".join(cells) + " |")
    version = subprocess.run(["valgrind", "--version"], capture_output=True, text=True, check=False).stdout.strip()
    return _REPORT.format(**circumstances(), valgrind=version, few=FEW, many=MANY, rows="\n".join(rows))


if __name__ == "__main__":
    raise SystemExit(main())
