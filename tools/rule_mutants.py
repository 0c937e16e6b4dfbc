"""Every small way to break a rule: thresholds, guards, aggregations, windows, waits, parts."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

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
    for value, change in expressions(rule["expr"]):
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


def expressions(expr: str) -> Iterator[tuple[str, str]]:
    """Return every change of *expr*, each with its distinguishing words."""
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
            if {match[0], changed} == {"sum by", "max by"} and _is_asked_for_zero(expr, match):
                continue
            text = expr[: match.start()] + changed + expr[match.end() :]
            yield match.start(), text, f"{match[0]} -> {changed or 'nothing'} at {match.start()}"
    lines = expr.split("\n")
    for number, line in enumerate(lines):
        if number and line.startswith(("and ", "or ", "unless ")):
            yield -1, "\n".join(lines[:number] + lines[number + 1 :]), f"without: {line}"


def _is_asked_for_zero(expr: str, match: re.Match[str]) -> bool:
    """Return whether the aggregation is only asked whether it is 0: no value is below it, so sum and maximum agree."""
    end = match.end()
    for _ in range(2):
        opened = expr.index("(", end)
        end = _closing(expr, opened) + 1
    before, after = expr[: match.start()].rstrip(" ("), expr[end:].lstrip(")")
    return not before.endswith(tuple("+-*/")) and re.match(r" (==|!=|>)( bool)? 0(?![.\d])", after) is not None


def _closing(expr: str, opened: int) -> int:
    depth = 0
    for at in range(opened, len(expr)):
        depth += {"(": 1, ")": -1}.get(expr[at], 0)
        if not depth:
            return at
    raise ValueError(f"not closed: {expr}")


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
