"""
Two commits beside each other, in one run: how many times as dear the second is as the first.

    python benchmarks/compare.py HEAD~5 HEAD
    python benchmarks/compare.py main my-branch --only masking logs --rounds 9

Each commit is checked out into a temporary worktree and installed into an environment of its own. The programs are
those that lie beside this one, so both commits do the same work; one that does not fit both commits is taken from each
commit instead, and the table says so. They take turns, so that what else the machine does hits both alike. A ratio is
the median over the rounds, its range stands beside it: a range around 1.00 says that nothing was seen to differ.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import json
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import venv
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import instructions
import overhead
from overhead import HERE, ROOT, Measured, say
from tables import circumstances

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_REQUESTS: Final = 300
_REPORT: Final = """\
# {old} and {new}

{date}, {machine}, load {load} at the end; {rounds} rounds in turns.

| benchmark | what | {old} | {new} | new is old times | range |
|---|---|---|---|---|---|
{rows}
"""


@dataclass(frozen=True, slots=True)
class Side:
    """One commit, checked out and installed."""

    commit: str
    folder: Path
    python: Path


@dataclass(frozen=True, slots=True)
class Row:
    """
    The measurements of both commits, one number a round, in the same order.

    Args:
        what: What the numbers are of, with their unit.
        old: Those of the first commit.
        new: Those of the second.
        note: What to know about them.
    """

    what: str
    old: Sequence[float]
    new: Sequence[float]
    note: str = ""

    @property
    def ratios(self) -> list[float]:
        """How many times as much the second took, round by round."""
        return [new / old for old, new in zip(self.old, self.new, strict=True)]

    def cells(self) -> list[str]:
        """Return the row's cells."""
        ratios = self.ratios
        return [
            f"{self.what} {self.note}".strip(),
            *(f"{statistics.median(values):,.4g}" for values in (self.old, self.new)),
            f"{statistics.median(ratios):.3f}",
            f"{min(ratios):.3f} to {max(ratios):.3f}",
        ]


class NotMeasuredError(Exception):
    """A benchmark that did not run with one of the commits, and why."""


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old", help="a commit, as git names it")
    parser.add_argument("new", help="another")
    parser.add_argument("--only", nargs="+", choices=sorted(BENCHMARKS), default=list(BENCHMARKS), metavar="BENCHMARK")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each (default %(default)s)")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))  # else the worktrees would stay
    rows: list[list[str]] = []
    failed = False
    with checked_out(arguments.old, arguments.new) as sides:
        for name in arguments.only:
            say(f"{name} ...")
            try:
                rows += [[name, *row.cells()] for row in BENCHMARKS[name](sides, arguments.rounds)]
            except NotMeasuredError as error:
                failed = True
                rows.append([name, f"not measured: {error}", *["-"] * 4])
        old, new = (side.commit for side in sides)
    table = "\n".join("| " + " | ".join(row) + " |" for row in rows)
    print(_REPORT.format(**circumstances(), old=old, new=new, rounds=arguments.rounds, rows=table))
    return 1 if failed else 0


@contextlib.contextmanager
def checked_out(*revisions: str) -> Iterator[list[Side]]:
    """Check each of *revisions* out into a worktree and install it; nothing is left of them after the block."""
    commits = [git("rev-parse", "--short", f"{revision}^{{commit}}") for revision in revisions]
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="whatsself-otel-compare-")))
        yield [
            stack.enter_context(installed(commit, directory / place))
            for commit, place in zip(commits, "01", strict=True)
        ]


@contextlib.contextmanager
def installed(commit: str, home: Path) -> Iterator[Side]:
    """Install *commit* below *home*."""
    say(f"installing {commit} ...")
    folder, environment = home / "checkout", home / "environment"
    git("worktree", "add", "--quiet", "--detach", str(folder), commit)
    try:
        venv.create(environment, with_pip=True)
        python = environment / ("Scripts" if sys.platform == "win32" else "bin") / "python"
        overhead.pip(python, "httpx", *overhead.requirements_of("ours", folder))
        yield Side(commit, folder, python)
    finally:
        git("worktree", "remove", "--force", str(folder))


def git(*arguments: str) -> str:
    """Return what git says, run in this checkout."""
    done = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"git {arguments[0]} failed: {done.stderr.strip()[-400:]}")
    return done.stdout.strip()


def in_turns(
    sides: Sequence[Side], rounds: int, program: str, arguments: Sequence[str], read: Callable[[Any], dict[str, float]]
) -> Iterator[Row]:
    """
    Run *program* of both sides in turn, and yield a row for each number that *read* finds in its JSON.

    Args:
        sides: Both commits.
        rounds: How often.
        program: A file of this folder, which prints JSON.
        arguments: What it is told.
        read: Returns numbers by name.
    """
    note, folders = "", dict.fromkeys(sides, HERE)
    try:
        for side in sides:
            run(side, HERE / program, arguments)
    except NotMeasuredError:
        note, folders = "(each by its own program)", {side: side.folder / "benchmarks" for side in sides}
    found: dict[Side, list[dict[str, float]]] = {side: [] for side in sides}
    for _ in range(rounds):
        for side in random.sample(sides, len(sides)):
            found[side].append(read(run(side, folders[side] / program, arguments)))
    old, new = (found[side] for side in sides)
    for name in old[0]:
        if name in new[0]:
            yield Row(name, [each[name] for each in old], [each[name] for each in new], note)


def run(side: Side, program: Path, arguments: Sequence[str]) -> Any:
    """Return the JSON that *program* prints with the package of *side*."""
    done = subprocess.run([str(side.python), str(program), *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise NotMeasuredError(f"{program.name} with {side.commit}: {last_line(done.stderr)}")
    return json.loads(done.stdout)


def last_line(text: str) -> str:
    """Return the last line of *text*, short enough for a cell."""
    return (text.strip().splitlines() or ["it said nothing"])[-1][:120]


def compare_instructions(sides: Sequence[Side], _: int) -> Iterator[Row]:
    """Count the instructions of a request; once each, because nothing else on the machine changes the count."""
    if shutil.which("valgrind") is None:
        raise NotMeasuredError("valgrind is not installed, and nothing else counts instructions everywhere")
    bare, *both = everyone(sides)
    with overhead.sinks([bare, *both], bare.python):
        counted = [instructions.measure(each) for each in (bare, *both)]
    without, old, new = counted
    if without is None or old is None or new is None:
        raise NotMeasuredError("the application does not run under valgrind with both")
    whole, added = zip(
        *((each.instructions, each.instructions - without.instructions) for each in (old, new)), strict=True
    )
    yield Row("instructions a request, in thousands", [whole[0] / 1e3], [whole[1] / 1e3])
    yield Row("instructions added to it, in thousands", [added[0] / 1e3], [added[1] / 1e3])


def compare_overhead(sides: Sequence[Side], rounds: int) -> Iterator[Row]:
    """Measure the CPU of a request, served, with and without the package."""
    measured = everyone(sides)
    try:
        with contextlib.ExitStack() as stack:
            stack.enter_context(overhead.sinks(measured, measured[0].python))
            for each in measured:
                each.log = Path(stack.enter_context(tempfile.NamedTemporaryFile(suffix=".log")).name)
                stack.enter_context(overhead.serving(each))
            overhead.measure_cpu(measured, rounds, _REQUESTS)
    except SystemExit as error:
        raise NotMeasuredError(last_line(str(error))) from error
    bare, old, new = measured
    yield Row("CPU of a request, µs", old.cpu_us, new.cpu_us)
    before, after = (
        [mine - theirs for mine, theirs in zip(each.cpu_us, bare.cpu_us, strict=True)] for each in (old, new)
    )
    yield Row("CPU added to it, µs", before, after)


def everyone(sides: Sequence[Side]) -> list[Measured]:
    """Return the bare application, and the same with the package of each side."""
    ours = [
        Measured(name="ours", python=side.python, label=f"{place} {side.commit}") for place, side in enumerate(sides)
    ]
    return [Measured(name="bare", python=sides[-1].python), *ours]


def compare_masking(sides: Sequence[Side], rounds: int) -> Iterator[Row]:
    """Mask records."""
    return in_turns(
        sides,
        rounds,
        "masking.py",
        ("--subject", "whatsself", "--runs", "3"),
        lambda found: {f"{name}, µs": best for name, (best, _) in found["times"].items()},
    )


def compare_logs(sides: Sequence[Side], rounds: int) -> Iterator[Row]:
    """Write log lines."""
    for subject in ("whatsself_otel", "whatsself_otel with export queue"):
        read = functools.partial(_read_line, subject)
        yield from in_turns(sides, rounds, "logs.py", ("--subject", subject, "--runs", "3"), read)


def _read_line(subject: str, found: dict[str, float]) -> dict[str, float]:
    return {f"a line, {subject}, µs": found["best"]}


def compare_metrics(sides: Sequence[Side], rounds: int) -> Iterator[Row]:
    """Record measurements."""
    return in_turns(
        sides,
        rounds,
        "metrics.py",
        ("--costs",),
        lambda found: {f"{name}, µs": seconds * 1e6 for name, seconds in found.items()},
    )


BENCHMARKS: Final[dict[str, Callable[[Sequence[Side], int], Iterator[Row]]]] = {
    "instructions": compare_instructions,
    "overhead": compare_overhead,
    "masking": compare_masking,
    "logs": compare_logs,
    "metrics": compare_metrics,
}

if __name__ == "__main__":
    raise SystemExit(main())
