"""
Breaks the rules in small ways and sees whether a test notices: thresholds, guards, aggregations, windows, waits, parts.

    python tools/mutate_rules.py                 # everything: score, and each survivor
    python tools/mutate_rules.py queue http      # only these rule files
    python tools/mutate_rules.py --list          # only say what would be broken
    python tools/mutate_rules.py --journal build/mutants.jsonl   # go on where a run was ended; what changed runs again
"""

from __future__ import annotations

import argparse
import copy
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml

from whatsself_otel.operations.model import ROOT
from whatsself_otel.stack.native import need_binary

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

PROMETHEUS: Final = ROOT / "backends" / "prometheus"
ARGUMENTS: Final = ROOT / "whatsself_otel" / "operations" / "survivors.yaml"
JOBS: Final = 2
MOST: Final = 0.03
"""Share of mutants that may survive."""
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
    (r"(?<=, )1\)", "2)"),
)
_COMPARISON: Final = re.compile(r"(>=|<=|==|>|<)( bool)? (\d+(?:\.\d+)?)\b(?! \*)")
_FACTOR: Final = re.compile(r"(?<![\w.\"])(\d+(?:\.\d+)?) \*(?! \S*increase)|(?<=[/-] )(\d+(?:\.\d+)?)\b")
_RANGE: Final = re.compile(r"\[(\d+)([smhd])\]")
_TIME: Final = re.compile(r"(?<![\w.:\[])(?<!offset )(\d+[smhd])(?![\w\]])")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """One rule, broken in one way."""

    file: str
    group: str
    """Name of its group."""
    rule: int
    key: str
    """``expr``, ``for`` or ``keep_firing_for``."""
    value: str
    name: str
    change: str

    def __str__(self) -> str:
        return f"{self.name}: {self.change}"


def mutants(path: Path) -> Iterator[Mutant]:
    """Return every way to break a rule of the file."""
    groups = yaml.safe_load(path.read_text("utf-8"))["groups"]
    for group in groups:
        for index, rule in enumerate(group["rules"]):
            for key, value, change in _changes(rule):
                yield Mutant(
                    file=path.stem,
                    group=group["name"],
                    rule=index,
                    key=key,
                    value=value,
                    name=_name(rule),
                    change=change,
                )


def _name(rule: dict[str, Any]) -> str:
    if "record" in rule:
        return f"{rule['record']} {rule.get('labels') or ''}".strip()
    labels = {key: rule["labels"][key] for key in ("slo", "long", "short") if key in rule["labels"]}
    told = ",".join(f"{key}={value}" for key, value in labels.items())
    return f"{rule['alert']}{{{told}}}" if told else str(rule["alert"])


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
    """Return the parts of *expr* that are multiplied by 0: a change there alters no value and proves nothing."""
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
    yield from _durations(expr)
    for pattern, changed in _SWAPS:
        for match in re.finditer(pattern, expr):
            text = expr[: match.start()] + changed + expr[match.end() :]
            yield match.start(), text, f"{match[0]} -> {changed or 'nothing'} at {match.start()}"
    lines = expr.split("\n")
    for number, line in enumerate(lines):
        if number and line.startswith(("and ", "or ", "unless ")):
            yield -1, "\n".join(lines[:number] + lines[number + 1 :]), f"without: {line}"


def _durations(expr: str) -> Iterator[tuple[int, str, str]]:
    for match in _TIME.finditer(expr):
        for factor in (0.8, 1.25):
            changed = _times(match[1], factor)
            text = expr[: match.start()] + changed + expr[match.end() :]
            yield match.start(), text, f"{match[1]} -> {changed} at {match.start()}"
    for match in _RANGE.finditer(expr):
        for factor in (0.5, 2):
            changed = f"[{_times(match[0][1:-1], factor)}]"
            text = expr[: match.start()] + changed + expr[match.end() :]
            yield match.start(), text, f"{match[0]} -> {changed} at {match.start()}"


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
    """
    Rules and their tests; it runs only the part that one rule needs.

    A rule's tests are those whose outcome depends on the rule, or on a rule that reads it. promtool gets only these
    tests and the rules that they need. That finds the same mutants in a tenth of the time.

    Args:
        name: Name of a rule file without .yml.
    """

    def __init__(self, name: str) -> None:
        self._promtool = need_binary("promtool")
        files = [
            yaml.load(path.read_text("utf-8"), yaml.CSafeLoader)
            for path in sorted((PROMETHEUS / "tests").glob(f"{name}*.yml"))
            if _tested_file(path) == name
        ]
        self._tests = [(file, case) for file in files for case in file["tests"]]
        self._closures: dict[int, list[dict[str, Any]]] = {}
        self._passing: set[tuple[str, int, int]] = set()
        self._groups = [
            group
            for file in dict.fromkeys(rules for file in files for rules in file["rule_files"])
            for group in yaml.safe_load((PROMETHEUS / "tests" / file).read_text("utf-8"))["groups"]
        ]

    def state(self) -> str:
        """Return a digest of the rules and tests. Results under another digest are worthless."""
        everything = json.dumps([self._groups, self._tests], sort_keys=True, default=str)
        return hashlib.sha256(everything.encode()).hexdigest()[:16]

    def survives(self, mutant: Mutant) -> bool | None:
        """Return whether every test passes with the mutant; None if the mutant is no valid rule."""
        with tempfile.TemporaryDirectory() as folder:
            groups = copy.deepcopy(self._groups)
            rule = self._find(groups, mutant)
            rule[mutant.key] = mutant.value
            path = Path(folder) / "rules.yml"
            path.write_text(yaml.safe_dump({"groups": groups}), "utf-8")
            if self._run("check", "rules", path):
                return None
            return not any(self._notices(mutant, groups, Path(folder), case) for case in self._cases(mutant))

    def _notices(self, mutant: Mutant, groups: list[dict[str, Any]], folder: Path, number: int) -> bool:
        """Return whether a test fails that passes with the unbroken rule: another failure would mean nothing."""
        if not self._run("test", "rules", self._write(folder, groups, number)):
            return False
        unbroken = (mutant.group, mutant.rule, number)
        if unbroken not in self._passing:
            if self._run("test", "rules", self._write(folder, self._groups, number)):
                raise SystemExit(f"{self._tests[number][1]['name']!r} fails without any change; mend it first.")
            self._passing.add(unbroken)
        return True

    def _find(self, groups: list[dict[str, Any]], mutant: Mutant) -> dict[str, Any]:
        rule: dict[str, Any] = next(group for group in groups if group["name"] == mutant.group)["rules"][mutant.rule]
        return rule

    def _cases(self, mutant: Mutant) -> list[int]:
        """Return the tests that could notice, those first that ask about the rule itself, and of these the precise."""
        everything = [rule for group in self._groups for rule in group["rules"]]
        unbroken = self._find(self._groups, mutant)
        concerned = [
            number
            for number, (_, case) in enumerate(self._tests)
            if any(rule is unbroken for rule in self._needed(number, everything))
        ]
        return sorted(concerned, key=lambda number: (not _asks(self._tests[number][1], unbroken), self._rank(number)))

    def _rank(self, number: int) -> int:
        kind = self._tests[number][1]["name"].split(" | ")[1]
        return ("boundary", "value", "firing", "healthy", "environment", "absent").index(kind)

    def _needed(self, number: int, rules: list[dict[str, Any]]) -> list[dict[str, Any]]:
        if number not in self._closures:
            self._closures[number] = _needed(self._tests[number][1], rules)
        return self._closures[number]

    def _write(self, folder: Path, groups: list[dict[str, Any]], number: int) -> Path:
        """Write one test with the rules it needs, and return its path."""
        file, case = self._tests[number]
        closure = self._needed(number, [])
        places = {
            (group["name"], index)
            for group in self._groups
            for index, rule in enumerate(group["rules"])
            if any(rule is each for each in closure)
        }
        kept = [
            group | {"rules": [rule for at, rule in enumerate(group["rules"]) if (group["name"], at) in places]}
            for group in groups
        ]
        rules, path = folder / "cut-rules.yml", folder / "cut-test.yml"
        rules.write_text(yaml.dump({"groups": [each for each in kept if each["rules"]]}, Dumper=yaml.CSafeDumper))
        names = {each["name"] for each in kept if each["rules"]}
        order = [name for name in file.get("group_eval_order", ()) if name in names]
        test = {key: value for key, value in file.items() if key not in {"group_eval_order", "tests"}}
        test |= {"rule_files": [rules.name], "tests": [case]} | ({"group_eval_order": order} if order else {})
        path.write_text(yaml.dump(test, Dumper=yaml.CSafeDumper, width=1_000_000), "utf-8")
        return path

    def _run(self, *arguments: str | Path) -> int:
        command = [str(self._promtool), *map(str, arguments)]
        # Many short runs: one thread each, and no time for tidying up.
        environ = {**os.environ, "GOMAXPROCS": "1", "GOGC": "400"}
        return subprocess.run(command, env=environ, capture_output=True, check=False).returncode  # noqa: S603 - our own


class Journal:
    """
    Results of earlier runs, so that a long run can be interrupted and continued.

    Args:
        path: File of a line a mutant; None: nothing is kept.
        benches: By rule file.
    """

    def __init__(self, path: Path | None, benches: Mapping[str, Bench]) -> None:
        self._path = path
        self._benches = benches
        self._states = {name: bench.state() for name, bench in benches.items()}
        lines = path.read_text("utf-8").splitlines() if path and path.exists() else []
        self._known: dict[str, bool | None] = dict(map(json.loads, lines))

    def survives(self, mutant: Mutant) -> bool | None:
        """Return the known result for *mutant*, or find it out and keep it."""
        key = f"{self._states[mutant.file]} {mutant.group} {mutant.rule} {mutant} {mutant.value}"
        if key not in self._known:
            self._known[key] = self._benches[mutant.file].survives(mutant)
            if self._path:
                with self._path.open("a", encoding="utf-8") as file:
                    file.write(json.dumps([key, self._known[key]]) + "\n")
        return self._known[key]


def _tested_file(path: Path) -> str:
    """Return the rule file that the test file is about: its name without the step."""
    return re.sub(r"-\d+s$", "", path.stem)


def _needed(case: dict[str, Any], rules: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the rules that *case* asks about and, again and again, those that they read."""
    found: list[dict[str, Any]] = []
    asked = [str(test["expr"]) for test in case["promql_expr_test"]]
    while asked:
        expr = asked.pop()
        for rule in rules:
            if not any(rule is each for each in found) and _reads(expr, rule):
                found.append(rule)
                asked.append(str(rule["expr"]))
    return found


def _asks(case: dict[str, Any], rule: dict[str, Any]) -> bool:
    return any(_reads(str(test["expr"]), rule) for test in case["promql_expr_test"])


def _reads(expr: str, rule: dict[str, Any]) -> bool:
    if "alert" in rule:
        called = f'alertname="{rule["alert"]}"' in expr
        labels = ((key, rule["labels"][key]) for key in ("slo", "long", "short") if f"{key}=" in expr)
        return called and all(f'{key}="{value}"' in expr for key, value in labels)
    return re.search(rf"(?<![\w:]){re.escape(rule['record'])}(?![\w:])", expr) is not None


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the mutants and print the score. Exit 1 if more than 3 % survive, or one survives without an argument."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", nargs="*", help="names of rule files without .yml; none: all")
    parser.add_argument("--list", action="store_true", help="only say what would be broken")
    parser.add_argument("--every", type=int, default=1, help="only each n-th mutant, for a quick look (default: 1)")
    parser.add_argument("--journal", type=Path, help="keep each result there, and take from it what is known")
    parser.add_argument("--report", type=Path, help="write the result there too, as Markdown")
    options = parser.parse_args(arguments)
    files = [
        path for path in sorted((PROMETHEUS / "rules").glob("*.yml")) if not options.file or path.stem in options.file
    ]
    everything = [mutant for path in files for mutant in mutants(path)][:: options.every]
    if options.list:
        print("\n".join(map(str, everything)))
        return 0
    benches = {name: Bench(name) for name in dict.fromkeys(mutant.file for mutant in everything)}
    journal = Journal(options.journal, benches)
    with ThreadPoolExecutor(JOBS) as pool:
        results = pool.map(journal.survives, everything)
        score = _count(everything, results)
    if options.report:
        options.report.write_text(score.page(options.every), "utf-8")
    return score.status()


@dataclass(slots=True)
class Score:
    """The number of detected mutants, and the survivors."""

    valid: dict[str, int]
    """By rule file."""
    survivors: list[Mutant]
    arguments: Mapping[str, str]
    """Why a survivor may survive."""

    def status(self) -> int:
        """Print the result and return the exit status."""
        total = sum(self.valid.values())
        print(f"{total - len(self.survivors)} of {total} mutants were noticed, {len(self.survivors)} survived.")
        unargued = [mutant for mutant in self.survivors if str(mutant) not in self.arguments]
        for mutant in unargued:
            print(f"No argument in {ARGUMENTS.relative_to(ROOT)} for: {mutant}")
        return int(bool(unargued) or len(self.survivors) > MOST * total)

    def page(self, every: int = 1) -> str:
        """Return the result as a page, which says of a sample that it is one."""
        total, left = sum(self.valid.values()), len(self.survivors)
        files = [f"| {name} | {count} | {self._left(name)} |" for name, count in self.valid.items()]
        rows = [f"| `{_cell(str(mutant))}` | {self.arguments.get(str(mutant), 'none')} |" for mutant in self.survivors]
        return "\n".join([
            "# The rules, broken on purpose",
            "",
            "Written by `python tools/mutate_rules.py --report docs/evidence/mutations.md` on",
            f"{datetime.now(UTC):%Y-%m-%d}: each threshold, guard, aggregation, window, wait and part of a rule is",
            "changed, one at a time, and the rules' own tests are run with it.",
            *([f"A sample: one change of {every}."] if every > 1 else []),
            "",
            f"**{total - left} of {total} changes were noticed; {left} were not ({left / total:.1%}).**",
            "",
            "| Rule file | Changes | Not noticed |\n| --- | ---: | ---: |",
            *files,
            "",
            "## Not noticed, and why that is right\n\n| Change | Argument |\n| --- | --- |",
            *rows,
            "",
        ])  # fmt: skip

    def _left(self, name: str) -> int:
        return sum(mutant.file == name for mutant in self.survivors)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _count(everything: Sequence[Mutant], results: Iterable[bool | None]) -> Score:
    arguments = {
        mutant: entry["argument"]
        for entry in yaml.safe_load(ARGUMENTS.read_text("utf-8"))
        for mutant in entry["mutants"]
    }
    score = Score(valid={}, survivors=[], arguments=arguments)
    for number, (mutant, survived) in enumerate(zip(everything, results, strict=True), 1):
        score.valid[mutant.file] = score.valid.get(mutant.file, 0) + (survived is not None)
        if survived:
            score.survivors.append(mutant)
            print(f"{number} of {len(everything)} survived: {mutant}", flush=True)
    return score


if __name__ == "__main__":
    sys.exit(main())
