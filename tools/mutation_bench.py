"""
Broken rules side by side: one run of promtool for each case shows which of them it notices.

A broken rule is a copy beside the whole one, under a name of its own, and so is every rule that reads it; the case asks
for the copies what it asks for the whole ones. The series are loaded and the rules before evaluated once for all.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml
from rule_cuts import Place, Readers, Rule, TestFile, asked, name_of

from whatsself_otel.operations.model import ROOT
from whatsself_otel.stack.native import need_binary

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from rule_mutants import Mutant

PROMETHEUS: Final = ROOT / "backends" / "prometheus"
JOBS: Final = 2
MOST: Final = 150
"""Broken rules in one run."""
_COPY: Final = re.compile(r"__broken_(\d+)\b")
_LATE: Final = ("absent", "environment")
"""Kinds of cases that seldom notice what others do not."""


@dataclass(frozen=True, slots=True)
class Stand:
    """One case, the rules that it needs, and what could be broken of them."""

    file: TestFile
    test: Mapping[str, Any]
    readers: Readers
    places: Sequence[Place]
    digest: str
    """Changes with the case and with each rule that it needs."""

    @classmethod
    def build(cls, file: TestFile, test: Mapping[str, Any], readers: Readers, rules: Mapping[Place, Rule]) -> Stand:
        """Return the stand of *test*."""
        places = readers.needed(asked(test))
        decides = [[rule.get(key) for key in ("expr", "for", "keep_firing_for", "labels")] for rule in rules.values()]
        needed = [decides[list(rules).index(place)] for place in places]
        text = json.dumps([file.head, test, places, needed], sort_keys=True, default=str)
        return cls(file, test, readers, places, hashlib.sha256(text.encode()).hexdigest()[:16])

    def tested(self) -> str:
        """Return the rule file that it is about: the name of the test file without the step."""
        return re.sub(r"-\d+s$", "", self.file.path.stem)

    def looks(self) -> int:
        """Return how often it evaluates its rules, of which cases that seldom notice anything come last."""
        kind = self.test["name"].split(" | ")[1]
        last = max(_seconds(each["eval_time"]) for each in self.test["promql_expr_test"])
        return last // _seconds(self.file.head["evaluation_interval"]) + (kind in _LATE) * 1_000_000


class Bench:
    """
    All cases of the rules, and the known outcomes.

    Args:
        journal: File of what was found out; None: nothing is kept. What a case or its rules have changed is found out
            again, all else is taken from there.
    """

    def __init__(self, journal: Path | None = None) -> None:
        self._promtool = need_binary("promtool")
        self._journal = journal
        lines = journal.read_text("utf-8").splitlines() if journal and journal.exists() else []
        self._known: dict[str, bool] = dict(map(json.loads, lines))
        self._stands = sorted(_stands(), key=Stand.looks)
        self._rules = {place: rule for stand in self._stands for place, rule in stand.file.rules().items()}

    def valid(self, mutants: Sequence[Mutant]) -> list[Mutant]:
        """Return those of *mutants* that are rules at all."""
        groups = [{"name": str(number), "rules": [self._broken(each)]} for number, each in enumerate(mutants)]
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "rules.yml"
            path.write_text(yaml.dump({"groups": groups}, Dumper=yaml.CSafeDumper), "utf-8")
            told = self._run("check", "rules", path)
        wrong = {int(number) for number in re.findall(r'group "(\d+)"', told)}
        return [mutant for number, mutant in enumerate(mutants) if number not in wrong]

    def survivors(self, mutants: Sequence[Mutant]) -> list[Mutant]:
        """Return those of *mutants* that no case notices."""
        alive = list(mutants)
        files = {mutant.file for mutant in mutants}
        own = [stand for stand in self._stands if stand.tested() in files]
        # What only others read has no tests of its own.
        for stand in own or self._stands:
            concerned = [each for each in alive if (each.group, each.rule) in stand.places]
            parts = [concerned[at : at + MOST] for at in range(0, len(concerned), MOST)]
            noticed = {each for part in parts for each in self._noticed(stand, part)}
            alive = [each for each in alive if each not in noticed]
        return alive

    def _noticed(self, stand: Stand, mutants: Sequence[Mutant]) -> set[Mutant]:
        """Return those of *mutants* that fail the case, from the known outcomes or by a run of it."""
        keys = {
            mutant: f"{stand.digest} {mutant.group} {mutant.rule} {mutant.key} {mutant.value}" for mutant in mutants
        }
        new = [mutant for mutant, key in keys.items() if key not in self._known]
        if new:
            failed = self._failed(stand, new)
            found = {keys[mutant]: mutant in failed for mutant in new}
            self._known |= found
            if self._journal:
                with self._journal.open("a", encoding="utf-8") as file:
                    file.writelines(json.dumps(pair) + "\n" for pair in found.items())
        return {mutant for mutant, key in keys.items() if self._known[key]}

    def _failed(self, stand: Stand, mutants: Sequence[Mutant]) -> set[Mutant]:
        left: dict[int, Mutant] = dict(enumerate(mutants))
        failed: set[Mutant] = set()
        while left:
            with tempfile.TemporaryDirectory() as folder:
                told = self._run("test", "rules", self._write(stand, left, Path(folder)))
            # A rule that cannot be evaluated ends the whole run.
            ended = {int(number) for number in re.findall(r"rule: \w[\w:]*__broken_(\d+)\b", told)}
            wrong = ended or {int(number) for number in _COPY.findall(told)}
            if (not wrong and "SUCCESS" not in told) or re.search(r'expr: "(?:(?!__broken_)[^\n])*", time:', told):
                raise SystemExit(f"{stand.test['name']!r} fails without any change; mend it first.\n{told[-2000:]}")
            failed |= {left.pop(number) for number in wrong}
            if not ended:
                break
        return failed

    def _write(self, stand: Stand, mutants: Mapping[int, Mutant], folder: Path) -> Path:
        rules = stand.file.rules()
        written: dict[Place, list[Rule]] = {place: [rules[place]] for place in stand.places}
        asks = list(stand.test["promql_expr_test"])
        for number, mutant in mutants.items():
            changed = (mutant.group, mutant.rule)
            names = stand.readers.affected(changed, stand.places)
            for place in stand.places:
                if name_of(rules[place]) in names:
                    rule = self._broken(mutant) if place == changed else rules[place]
                    written[place].append(_copy(rule, names, number))
            for each in stand.test["promql_expr_test"]:
                expr = _renamed(str(each["expr"]), names, number)
                asks += [each | {"expr": expr}] * (expr != each["expr"])
        return stand.file.write_cut(folder, "broken", written, [{**stand.test, "promql_expr_test": asks}])

    def _broken(self, mutant: Mutant) -> Rule:
        return {**self._rules[mutant.group, mutant.rule], mutant.key: mutant.value}

    def _run(self, *arguments: str | Path) -> str:
        command = [str(self._promtool), *map(str, arguments)]
        # Many short runs: one thread each, and little time for tidying up.
        environ = {**os.environ, "GOGC": "800", "GOMAXPROCS": "1"}
        done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)  # noqa: S603 - our own
        return done.stdout + done.stderr


def survivors(bench: Bench, by_file: Mapping[str, Sequence[Mutant]]) -> Iterable[tuple[str, list[Mutant]]]:
    """Return what survives of each rule file, two at a time."""
    with ThreadPoolExecutor(JOBS) as pool:
        yield from zip(by_file, pool.map(bench.survivors, by_file.values()), strict=True)


def _stands() -> Iterable[Stand]:
    for path in sorted((PROMETHEUS / "tests").glob("*.yml")):
        file = TestFile.load(path)
        rules = file.rules()
        readers = Readers(rules)
        for test in file.tests:
            yield Stand.build(file, test, readers, rules)


def _copy(rule: Rule, names: set[str], number: int) -> Rule:
    """Return *rule* as the copy of that number, without the words that no test asks for."""
    kind = "record" if "record" in rule else "alert"
    copied = {key: value for key, value in rule.items() if key != "annotations"}
    return {**copied, kind: f"{rule[kind]}__broken_{number}", "expr": _renamed(str(rule["expr"]), names, number)}


def _renamed(expr: str, names: set[str], number: int) -> str:
    every = "|".join(map(re.escape, sorted(names, key=len, reverse=True)))
    return re.sub(rf"(?<![\w:])({every})(?![\w:])", rf"\1__broken_{number}", expr)


def _seconds(duration: str) -> int:
    return sum(
        int(n) * {"s": 1, "m": 60, "h": 3600, "d": 86_400}[unit] for n, unit in re.findall(r"(\d+)([smhd])", duration)
    )
