"""
Breaks the rules in small ways and sees whether a test notices: thresholds, guards, aggregations, windows, waits, parts.

    python tools/mutate_rules.py                 # everything: score, and each survivor
    python tools/mutate_rules.py queue http      # only these rule files
    python tools/mutate_rules.py --list          # only say what would be broken
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml
from operations.model import ROOT

from whatsself_otel.cli.native import need_binary

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PROMETHEUS: Final = ROOT / "backends" / "prometheus"
JOBS: Final = 2
_MINUTES: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}

_SWAPS: Final = (
    (r"\bsum by\b", "max by"),
    (r"\bmax by\b", "min by"),
    (r"\bmax by\b", "sum by"),
    (r"\bcount by\b", "max by"),
    (r"\bsum\((?=increase)", "max("),
    (r"\bmax\(", "min("),
    (r"\bmin_over_time\b", "max_over_time"),
    (r"\bmax_over_time\b", "min_over_time"),
    (r"\bavg_over_time\b", "max_over_time"),
    (r"\bquantile_over_time\(0\.\d+, ", "max_over_time("),
    (r" offset 1h\b", ""),
    (r" or vector\(0\)", ""),
    (r"\bor 0 \*", "or 1 *"),
    (r" bool 0", " bool 1"),
)
_COMPARISON: Final = re.compile(r"(>=|<=|==|>|<)( bool)? (\d+(?:\.\d+)?)\b(?! \*)")
_FACTOR: Final = re.compile(r"(?<![\w.\"])(\d+(?:\.\d+)?) \*(?! \S*increase)|(?<=[/-] )(\d+(?:\.\d+)?)\b")
_RANGE: Final = re.compile(r"\[(\d+)([smhd])\]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """One rule, broken in one way."""

    file: str
    group: int
    rule: int
    key: str
    """``expr``, ``for`` or ``keep_firing_for``."""
    value: str
    name: str
    change: str
    quick: str
    """Which tests see it first."""


def mutants(path: Path) -> Iterator[Mutant]:
    """Return every way to break a rule of the file."""
    groups = yaml.safe_load(path.read_text("utf-8"))["groups"]
    for number, group in enumerate(groups):
        for index, rule in enumerate(group["rules"]):
            for key, value, change in _changes(rule):
                yield Mutant(
                    file=path.stem,
                    group=number,
                    rule=index,
                    key=key,
                    value=value,
                    name=_name(rule),
                    change=change,
                    quick=_quick(rule),
                )


def _name(rule: dict[str, Any]) -> str:
    if "record" in rule:
        return f"{rule['record']} {rule.get('labels') or ''}".strip()
    labels = {key: rule["labels"][key] for key in ("slo", "long", "short") if key in rule["labels"]}
    told = ",".join(f"{key}={value}" for key, value in labels.items())
    return f"{rule['alert']}{{{told}}}" if told else str(rule["alert"])


def _quick(rule: dict[str, Any]) -> str:
    if "alert" in rule:
        return f"^{re.escape(_name(rule))} "
    # The tests of a recorded ratio name its window.
    window = str(rule["record"]).rpartition(":")[2]
    return f" of {window} " if str(rule["record"]).startswith("slo:") and window != "ratio" else "."


def _changes(rule: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    for key in ("for", "keep_firing_for"):
        if key in rule:
            for factor in (0.5, 2):
                value = _times(rule[key], factor)
                yield key, value, f"{key}: {rule[key]} -> {value}"
    for value, change in _expressions(rule["expr"]):
        if value != rule["expr"]:
            yield "expr", value, change


def _times(duration: str, factor: float) -> str:
    return f"{round(int(duration[:-1]) * _MINUTES[duration[-1]] * factor)}s"


def _zeros(expr: str) -> list[range]:
    """Return where *expr* multiplies by 0: what stands there decides no value, so a change of it proves nothing."""
    spans = []
    for match in re.finditer(r"(?<![\d.])0 \* ", expr):
        depth, end = 0, match.end()
        while end < len(expr) and (depth or expr[end] not in ")\n") and depth >= 0:
            depth += {"(": 1, ")": -1}.get(expr[end], 0)
            end += 1
        spans.append(range(match.end(), end))
    return spans


def _expressions(expr: str) -> Iterator[tuple[str, str]]:
    zeros = _zeros(expr)
    for at, value, change in _everywhere(expr):
        if not any(at in span for span in zeros):
            yield value, change


def _everywhere(expr: str) -> Iterator[tuple[int, str, str]]:
    for match in _COMPARISON.finditer(expr):
        yield from _numbers(expr, match)
    for match in _FACTOR.finditer(expr):
        number = next(group for group in match.groups() if group)
        if float(number):
            start = match.start() if match[1] else match.start(2)
            changed = f"{float(number) * 1.25:g}"
            yield start, expr[:start] + changed + expr[start + len(number) :], f"{match[0]} -> {changed}"
    for match in _RANGE.finditer(expr):
        for factor in (0.5, 2):
            changed = f"[{_times(match[0][1:-1], factor)}]"
            text = expr[: match.start()] + changed + expr[match.end() :]
            yield match.start(), text, f"{match[0]} -> {changed} at {match.start()}"
    for pattern, changed in _SWAPS:
        for match in re.finditer(pattern, expr):
            text = expr[: match.start()] + changed + expr[match.end() :]
            yield match.start(), text, f"{match[0]} -> {changed or 'nothing'} at {match.start()}"
    lines = expr.split("\n")
    for number, line in enumerate(lines):
        if number and line.startswith(("and ", "or ", "unless ")):
            yield -1, "\n".join(lines[:number] + lines[number + 1 :]), f"without: {line}"


def _numbers(expr: str, match: re.Match[str]) -> Iterator[tuple[int, str, str]]:
    operator, number = match[1], match[3]
    start, end = match.span(3)
    value = float(number)
    if operator == "==" or value % 1 == 0.5:
        options = [value + 1, value - 1]
    else:
        options = [value * 0.8, value * 1.25] if value else []
    for option in options:
        yield start, f"{expr[:start]}{option:g}{expr[end:]}", f"{match[0]} -> {option:g}"
    opposite = {">": "<", "<": ">", ">=": "<", "<=": ">", "==": "!="}[operator]
    text = expr[: match.start()] + opposite + expr[match.start() + len(operator) :]
    yield start, text, f"{match[0]} -> {opposite}"


class Bench:
    """A copy of rules and tests in which one rule is broken."""

    def __init__(self, folder: Path) -> None:
        shutil.copytree(PROMETHEUS / "rules", folder / "rules")
        shutil.copytree(PROMETHEUS / "tests", folder / "tests")
        self._folder = folder
        self._promtool = need_binary("promtool")

    def survives(self, mutant: Mutant) -> bool | None:
        """Return whether every test passes all the same; None for a change that is no valid rule."""
        path = self._folder / "rules" / f"{mutant.file}.yml"
        groups = yaml.safe_load(path.read_text("utf-8"))
        groups["groups"][mutant.group]["rules"][mutant.rule][mutant.key] = mutant.value
        path.write_text(yaml.safe_dump(groups), "utf-8")
        if self._run("check", "rules", path):
            return None
        return not any(self._fails(mutant, only) for only in dict.fromkeys((mutant.quick, ".")))

    def passes(self, name: str) -> bool:
        """Return whether the unbroken rules of a file pass: without that, a failure would mean nothing."""
        return all(not self._run("test", "rules", path) for path in (self._folder / "tests").glob(f"{name}*.yml"))

    def _fails(self, mutant: Mutant, only: str) -> bool:
        tests = sorted((self._folder / "tests").glob(f"{mutant.file}*.yml"), key=lambda path: path.stat().st_size)
        return any(self._run("test", "rules", "--run", only, path) for path in tests)

    def _run(self, *arguments: str | Path) -> int:
        command = [str(self._promtool), *map(str, arguments)]
        return subprocess.run(command, capture_output=True, check=False).returncode  # noqa: S603 - our own program


def judge(mutant: Mutant) -> bool | None:
    """Return whether *mutant* survives."""
    with tempfile.TemporaryDirectory() as folder:
        return Bench(Path(folder)).survives(mutant)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the mutants and print the score; exit 1 if more than 3 % survive."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", nargs="*", help="names of rule files without .yml; none: all")
    parser.add_argument("--list", action="store_true", help="only say what would be broken")
    options = parser.parse_args(arguments)
    files = [
        path for path in sorted((PROMETHEUS / "rules").glob("*.yml")) if not options.file or path.stem in options.file
    ]
    everything = [mutant for path in files for mutant in mutants(path)]
    if options.list:
        print("\n".join(f"{mutant.name}: {mutant.change}" for mutant in everything))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        if broken := [path.stem for path in files if not bench.passes(path.stem)]:
            print(f"The tests of {', '.join(broken)} fail without any change; mend them first.")
            return 2
    return _report(everything)


def _report(everything: Sequence[Mutant]) -> int:
    survivors, valid = [], 0
    with ThreadPoolExecutor(JOBS) as pool:
        for mutant, survived in zip(everything, pool.map(judge, everything), strict=True):
            valid += survived is not None
            if survived:
                survivors.append(mutant)
                print(f"survived: {mutant.name}: {mutant.change}", flush=True)
    print(f"{valid - len(survivors)} of {valid} mutants were noticed, {len(survivors)} survived.")
    return int(len(survivors) > 0.03 * valid)


if __name__ == "__main__":
    sys.exit(main())
