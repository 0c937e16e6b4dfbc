"""Every text of the package that a person may read at a terminal or in `health()`, found in the code itself."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import whatsself_otel

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(whatsself_otel.__file__).parent
ELSEWHERE = {
    "language/*": "the catalogues' own code",
    "operations/*": "rules and runbooks, which hold both languages",
    "catalogue.py": "what Prometheus shows of a metric, in English everywhere",
    "demo/*": "the demo's application: its log lines and answers",
    "masking/[!a]*": "patterns, and names of keys",
    "viewer/[!bc]*": "SQL, and answers to programs; the page has its own catalogue",
    "bridge/[!cgp]*": "answers to gateways",
    "whatsapp/*": "log lines, and names in webhooks",
    "logs/[!cr]*": "log lines",
    "metrics/[!hmp]*": "log lines and warnings of code",
    "processes/*": "log lines",
    "testing.py": "what a test of the application prints",
    "pytest_plugin.py": "what a test of the application prints",
}
"""Modules that say nothing there, and what their texts are instead."""
QUIET_CALLS = {"debug", "info", "warning", "error", "exception", "critical", "log", "compile", "TypeError"}
QUIET_CALLS |= {"ValueError", "RuntimeError", "AssertionError", "fullmatch", "match", "search", "sub", "urlencode"}
QUIET_CALLS |= {"getLogger", "cast", "TypeVar"}
"""Calls whose texts go to a log, to programmers, or to a parser of patterns."""
SPOKEN_CALLS = {"say", "complain", "translated", "busy", "each"}
"""Functions that show one word too."""
_WORDS = re.compile(r"[A-Za-z]{2,}[,:;.]? (?:[\w'-]+ )*[a-z]{2,}")
_WORD = re.compile(r"[a-z]{2,}")
_NOT_PROSE = re.compile(
    r"(?:SELECT|INSERT|UPDATE|DELETE|CREATE|PRAGMA|import) |^\s*(?:#|- |if os\.)|\||==|^\s*[a-z_]+: [a-z\[]"
)


@dataclass(frozen=True, slots=True)
class Text:
    """One text: its place and its words, with ``{}`` for the parts that change."""

    place: str
    says: str
    whole: str
    """All lines of the literal that it is one of."""


def shown_texts(package: Path = PACKAGE) -> Iterator[Text]:
    """Yield each line of each text that may be shown."""
    for name, tree in _modules(package):
        yield from _texts(name, tree)


def _modules(package: Path) -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(package.rglob("*.py")):
        name = path.relative_to(package)
        if not any(name.match(pattern) for pattern in ELSEWHERE):
            yield name.as_posix(), ast.parse(path.read_text(encoding="utf-8"))


def literals(package: Path = PACKAGE) -> str:
    """Return every literal of those modules, one after the other."""
    return "\n".join(says for _, tree in _modules(package) for node in ast.walk(tree) if (says := template(node)))


def _texts(module: str, tree: ast.Module) -> Iterator[Text]:
    skipped = set(_skipped(tree))
    spoken = {id(argument) for call in _calls(tree, SPOKEN_CALLS) for argument in _choices(call)}
    for node in ast.walk(tree):
        says = template(node)
        if says is None or id(node) in skipped:
            continue
        for line in says.split("\n"):
            is_shown = _WORDS.search(line.replace("{}", "X7")) and not _NOT_PROSE.search(line)
            if is_shown or (id(node) in spoken and _WORD.search(line.replace("{}", ""))):
                yield Text(f"{module}:{getattr(node, 'lineno', 0)}", line.strip(), says)


def _skipped(tree: ast.Module) -> Iterator[int]:
    """Yield texts that users never see: docstrings, parts of f-strings, keys, and arguments of quiet calls."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr):
            yield id(node.value)
        elif isinstance(node, ast.JoinedStr):
            yield from (id(part) for part in node.values)
        elif isinstance(node, ast.FormattedValue):
            yield from (id(part) for spec in (node.format_spec,) if spec is not None for part in ast.walk(spec))
        elif isinstance(node, ast.keyword) and node.arg in {"help", "description", "epilog", "title", "metavar"}:
            yield id(node.value)  # test_shown_texts.py asks the parsers themselves
        elif isinstance(node, ast.AnnAssign | ast.arg) and node.annotation is not None:
            yield from (id(part) for part in ast.walk(node.annotation))
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.returns is not None:
            yield from (id(part) for part in ast.walk(node.returns))
    for call in _calls(tree, QUIET_CALLS):
        yield from (id(part) for argument in call.args for part in ast.walk(argument))


def _calls(tree: ast.Module, names: set[str]) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) in names:
            yield node


def _choices(call: ast.Call) -> Iterator[ast.expr]:
    """Yield the texts among a call's arguments, both sides of a condition included."""
    for argument in call.args:
        yield from (argument.body, argument.orelse) if isinstance(argument, ast.IfExp) else (argument,)


def template(node: ast.AST) -> str | None:
    """Return the text of a literal, with ``{}`` for what changes; None for anything else."""
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return re.sub(r"\{\w*\}", "{}", node.value)
    return None
