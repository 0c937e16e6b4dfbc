"""The shipped rules over a week by promtool, and what fired through a real Alertmanager whose waits are scaled."""

from __future__ import annotations

import re
import subprocess
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import yaml
from binaries import ROOT, need

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from weeks import Week

RULES: Final = ROOT / "backends" / "prometheus" / "rules"
EVERY_S: Final = 150
"""Between two evaluations; what carries itself on looks back five minutes, and sums are of five minutes."""
_READ: Final = frozenset({"service", "session", "base", "http"})
"""Files that others read."""
_PARTS: Final = (frozenset({"slo-api-availability"}), frozenset({"sending", "slo-first-response", "slo-send-success"}))
"""The objective of sends reads an alert about sending."""
FIRING: Final = 'ALERTS{alertstate="firing",alertname!="WhatsSelfWatchdog"}'
_GOT: Final = re.compile(r"time: (?P<time>\w+),\s+exp: nil\s+got: (?P<got>.*?)(?=\n\s*expr:|\Z)", re.DOTALL)
_LABELS: Final = re.compile(r"\{(?P<labels>__name__=.*?)\} 1E\+00")
_PAIR: Final = re.compile(r'(\w+)="(.*?)"')
_PART: Final = re.compile(r"(\d+)([dhms])")
_SECONDS: Final = {"w": 604_800, "d": 86_400, "h": 3600, "m": 60, "s": 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fired:
    """An alert, and when it fired."""

    labels: Mapping[str, str]
    begin: float
    """Minutes, as all here."""
    end: float


def rule_order(paths: Iterable[Path]) -> list[str]:
    """Return the groups of rule files in an order in which those that are read come first."""
    groups = {path.stem: yaml.safe_load(path.read_text("utf-8"))["groups"] for path in paths}
    stems = sorted(groups, key=lambda stem: stem not in _READ)
    return [group["name"] for stem in stems for group in groups[stem]]


def fired(week: Week, folder: Path) -> list[Fired]:
    """
    Return the alerts that the shipped rules fire in *week*, evaluated every 150 s.

    promtool compares; told that nothing fires, it tells what does. The files are read in parts, so that no run is long.
    """
    found: dict[tuple[tuple[str, str], ...], Fired] = {}
    stems = {path.stem for path in RULES.glob("*.yml")}
    for number, part in enumerate([*_PARTS, stems.difference(*_PARTS, _READ)]):
        rules = [RULES / f"{stem}.yml" for stem in sorted(_READ | part)]
        for each in _intervals(_promtool(week, folder / f"week-{number}.yml", rules), week.begin):
            found[*sorted(each.labels.items()), ("begin", str(each.begin))] = each
    return sorted(found.values(), key=lambda each: each.begin)


def _promtool(week: Week, path: Path, rules: list[Path]) -> str:
    steps = range(1, (week.minutes - week.begin) * 60 // EVERY_S)
    content = {
        "rule_files": [str(each) for each in rules],
        "evaluation_interval": f"{EVERY_S}s",
        "group_eval_order": rule_order(rules),
        "tests": [
            {
                "interval": "1m",
                "input_series": [{"series": name, "values": values} for name, values in week.series.items()],
                "promql_expr_test": [
                    {"expr": FIRING, "eval_time": f"{step * EVERY_S}s", "exp_samples": []} for step in steps
                ],
            }
        ],
    }
    path.write_text(yaml.dump(content, Dumper=yaml.CSafeDumper, width=1_000_000), "utf-8")
    done = subprocess.run([need("promtool"), "test", "rules", path], capture_output=True, text=True, check=False)
    text = done.stdout + done.stderr
    assert "FAILED" in text or "SUCCESS" in text, text[-2000:]
    return text


def _intervals(text: str, first: int = 0) -> Iterator[Fired]:
    seen: dict[tuple[tuple[str, str], ...], list[float]] = defaultdict(list)
    for match in _GOT.finditer(text):
        minute = first + sum(int(n) * _SECONDS[unit] for n, unit in _PART.findall(match["time"])) / 60
        for found in _LABELS.finditer(match["got"]):
            pairs = dict(_PAIR.findall(found["labels"]))
            del pairs["alertstate"], pairs["__name__"]
            seen[tuple(sorted(pairs.items()))].append(minute)
    for labels, minutes in seen.items():
        begin = minutes[0]
        for number, minute in enumerate(minutes):
            if number + 1 == len(minutes) or minutes[number + 1] > minute + EVERY_S / 60:
                yield Fired(labels=dict(labels), begin=begin, end=minute + EVERY_S / 60)
                begin = minutes[number + 1] if number + 1 < len(minutes) else 0
