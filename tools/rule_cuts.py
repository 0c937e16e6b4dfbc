"""Cases of promtool beside only those rules that decide their outcome: the whole of what could fail, far sooner."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

Rule = dict[str, Any]
Place = tuple[str, int]
"""Where a rule stands: the name of its group, and its number in it."""

_TOLD_APART = ("slo", "long", "short")
"""Labels that tell alerts of one name apart."""


@dataclass(frozen=True, slots=True)
class TestFile:
    """A file of tests, and the rules that it names."""

    __test__ = False

    path: Path
    head: Mapping[str, Any]
    """The file's other keys."""
    groups: Sequence[Mapping[str, Any]]
    """In the order of their evaluation."""
    tests: Sequence[Mapping[str, Any]]

    @classmethod
    def load(cls, path: Path) -> TestFile:
        """Read the tests at *path* and the rule files that they name."""
        content = _load(path)
        groups = [group for file in content.pop("rule_files") for group in _load(path.parent / file)["groups"]]
        order = {name: number for number, name in enumerate(content.pop("group_eval_order", ()))}
        groups.sort(key=lambda group: order.get(group["name"], len(order)))
        return cls(path, head=content, groups=groups, tests=content.pop("tests"))

    def rules(self) -> dict[Place, Rule]:
        """Return every rule by its place, in the order of their evaluation."""
        return {(group["name"], at): rule for group in self.groups for at, rule in enumerate(group["rules"])}

    def cuts(self) -> dict[tuple[Place, ...], list[Mapping[str, Any]]]:
        """Return the tests by the places of the rules that they need."""
        rules, found = Readers(self.rules()), defaultdict(list)
        for test in self.tests:
            found[tuple(rules.needed(asked(test)))].append(test)
        return dict(found)

    def write(self, folder: Path) -> list[Path]:
        """Write the cuts into *folder* and return their paths, for one run of promtool."""
        rules = self.rules()
        return [
            self.write_cut(folder, f"{self.path.stem}-{number}", {place: [rules[place]] for place in places}, tests)
            for number, (places, tests) in enumerate(self.cuts().items())
        ]

    def write_cut(
        self, folder: Path, name: str, rules: Mapping[Place, Sequence[Rule]], tests: Sequence[Mapping[str, Any]]
    ) -> Path:
        """Write *tests* beside *rules*, chosen by their places, and return the path."""
        groups: dict[str, list[Rule]] = defaultdict(list)
        for (group, _), some in rules.items():
            groups[group] += some
        order = [str(group["name"]) for group in self.groups if group["name"] in groups]
        written = [{"name": name, "rules": groups[name]} for name in order]
        _dump({"groups": written}, folder / f"{name}-rules.yml")
        content = {**self.head, "rule_files": [f"{name}-rules.yml"], "group_eval_order": order, "tests": list(tests)}
        return _dump(content, folder / f"{name}.yml")


def asked(test: Mapping[str, Any]) -> list[str]:
    """Return the expressions that *test* asks for."""
    return [str(each["expr"]) for each in test["promql_expr_test"]]


class Readers:
    """Which rules read which."""

    def __init__(self, rules: Mapping[Place, Rule]) -> None:
        self._rules = rules
        self._by_name: dict[str, list[Place]] = defaultdict(list)
        for place, rule in rules.items():
            self._by_name[name_of(rule)].append(place)
        self._read = {place: set(self._asked_by(str(rule["expr"]))) for place, rule in rules.items()}

    def needed(self, expressions: Iterable[str]) -> list[Place]:
        """Return the rules that *expressions* ask about and, again and again, those that these read."""
        left = [place for expr in expressions for place in self._asked_by(expr)]
        found: set[Place] = set()
        while left:
            place = left.pop()
            if place not in found:
                found.add(place)
                left += self._read[place]
        return [place for place in self._rules if place in found]

    def affected(self, changed: Place, among: Iterable[Place]) -> set[str]:
        """Return the name of the rule at *changed* and of those *among* the rules that read it, again and again."""
        names, places = {name_of(self._rules[changed])}, list(among)
        while True:
            more = {name_of(self._rules[place]) for place in places if self._names_read(place) & names} - names
            if not more:
                return names
            names |= more

    def _names_read(self, place: Place) -> set[str]:
        return {name_of(self._rules[read]) for read in self._read[place]}

    def _asked_by(self, expr: str) -> Iterator[Place]:
        for word in set(re.findall(r"[\w:]+", expr)):
            for place in self._by_name.get(word, ()):
                if reads(expr, self._rules[place]):
                    yield place


def name_of(rule: Rule) -> str:
    """Return the recorded name of the rule, or the name of the alert."""
    return str(rule.get("record") or rule["alert"])


def reads(expr: str, rule: Rule) -> bool:
    """Return whether *expr* reads the outcome of *rule*."""
    if "alert" in rule:
        called = f'alertname="{rule["alert"]}"' in expr
        labels = ((key, rule["labels"][key]) for key in _TOLD_APART if f"{key}=" in expr and key in rule["labels"])
        return called and all(f'{key}="{value}"' in expr for key, value in labels)
    return re.search(rf"(?<![\w:]){re.escape(rule['record'])}(?![\w:])", expr) is not None


def _load(path: Path) -> Any:
    return yaml.load(path.read_text("utf-8"), yaml.CSafeLoader)


def _dump(content: object, path: Path) -> Path:
    path.write_text(yaml.dump(content, Dumper=_Plain, width=1_000_000, sort_keys=False), "utf-8")
    return path


class _Plain(yaml.CSafeDumper):
    """Without aliases, which promtool refuses past some number."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - the library's signature
        return True
