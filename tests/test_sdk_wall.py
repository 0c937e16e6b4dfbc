"""Only `_sdk.py` touches private names of OpenTelemetry."""

from __future__ import annotations

import ast
import functools
import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rows import for_each

import whatsself_otel
from whatsself_otel import _sdk
from whatsself_otel.logs.record import RECORDS
from whatsself_otel.traces.spans import SPANS

PACKAGE = Path(whatsself_otel.__file__).parent
WALL = PACKAGE / "_sdk.py"
PRIVATE = re.compile(r"_[A-Za-z]\w*[A-Za-z0-9]")
PARTS = [*(value for value in vars(_sdk).values() if isinstance(value, _sdk.Part)), SPANS, RECORDS]
PUBLISHED = {"_logs"}
"""The packages of logs have an underscore, but are the documented way to logs."""


@functools.cache
def private_names_of_opentelemetry() -> frozenset[str]:
    """Every private name that any installed module of OpenTelemetry gives to something."""
    names: set[str] = set()
    for root in find_spec("opentelemetry").submodule_search_locations or ():  # type: ignore[union-attr]
        for file in Path(root).rglob("*.py"):
            if "proto" in file.relative_to(root).parts[:1]:
                continue
            names |= {part.removesuffix(".py") for part in file.relative_to(root).parts}
            names |= set(given_names(ast.parse(file.read_bytes())))
    return frozenset(name for name in names if PRIVATE.fullmatch(name)) - PUBLISHED


def given_names(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and PRIVATE.fullmatch(node.value):
            yield node.value  # `__slots__`, and names that are given by setattr


def touched_names(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield each private name of OpenTelemetry that a file of ours may touch, and its line."""
    theirs = private_names_of_opentelemetry()
    for ours, node in _walk(tree, frozenset()):
        for name in _names_in(node, ours):
            if name in theirs:
                yield getattr(node, "lineno", 0), name


def _walk(node: ast.AST, ours: frozenset[str]) -> Iterator[tuple[frozenset[str], ast.AST]]:
    """Yield every node, with the private names that the classes around it give themselves."""
    if isinstance(node, ast.ClassDef):
        ours |= frozenset(given_names(node))
    yield ours, node
    for child in ast.iter_child_nodes(node):
        yield from _walk(child, ours)


def _names_in(node: ast.AST, ours: frozenset[str]) -> Iterator[str]:
    if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("opentelemetry"):
        yield from (node.module or "").split(".")
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.Import):
        yield from (part for alias in node.names for part in alias.name.split(".") if "opentelemetry" in alias.name)
    elif isinstance(node, ast.Attribute):
        if not (_is_self(node.value) and node.attr in ours):
            yield node.attr
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        if node.func.id in {"getattr", "setattr", "hasattr", "delattr"} and isinstance(node.args[1], ast.Constant):
            name = str(node.args[1].value)
            if not (_is_self(node.args[0]) and name in ours):
                yield name
        if node.func.id in {"import_module", "__import__"} and isinstance(node.args[0], ast.Constant):
            yield from str(node.args[0].value).split(".")


def _is_self(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and node.id in {"self", "cls"}


def files() -> list[Path]:
    return sorted(file for file in PACKAGE.rglob("*.py") if file != WALL)


OWN_MARKS = {
    # (file, name): names of ours that OpenTelemetry has too, on objects of ours
    ("masker.py", "_name"),
}


class TestTheWall:
    def test_no_other_file_touches_a_private_name_of_opentelemetry(self) -> None:
        touched = [
            f"{file.relative_to(PACKAGE)}:{line}: {name}"
            for file in files()
            for line, name in touched_names(ast.parse(file.read_bytes()))
            if (file.name, name) not in OWN_MARKS
        ]

        assert touched == []

    @for_each(
        "touch",
        [
            "from opentelemetry.sdk.trace import _Span",
            "from opentelemetry.metrics import _internal",
            "from opentelemetry.sdk.metrics._internal.view import View",
            "import opentelemetry.util._once",
            "span._attributes",
            "span._end_time = 1",
            "provider.get_tracer('x')._is_enabled()",
            "getattr(span, '_attributes', None)",
            "setattr(reader, '_export_lock', None)",
            "class Mine(TracerProvider):\n    def resource_of(self):\n        return self._resource",
        ],
    )
    def test_sees_a_touch_of_every_kind(self, touch: str) -> None:
        assert list(touched_names(ast.parse(touch)))

    @for_each(
        "own",
        [
            "from opentelemetry.sdk._logs import LoggerProvider",
            "class Mine:\n    def put(self):\n        self._name = {}\n    def get(self):\n        return self._name",
            "argparse._SubParsersAction",
        ],
    )
    def test_lets_names_alone_that_are_our_own(self, own: str) -> None:
        assert not list(touched_names(ast.parse(own)))

    def test_no_class_of_ours_takes_a_private_name_of_a_class_of_opentelemetry(self) -> None:
        taken = [
            f"{kind.__module__}.{kind.__qualname__}.{name} is {base.__qualname__}'s"
            for kind in classes()
            for base in kind.__mro__[1:]
            if base.__module__.startswith("opentelemetry.")
            for name in vars(kind).keys() & vars(base).keys()
            if PRIVATE.fullmatch(name) and not name.startswith("_abc_")
        ]

        assert taken == []


def classes() -> list[type[Any]]:
    """Every class of the package that derives from one of OpenTelemetry's, but those of the wall itself."""
    found: dict[type[Any], None] = {}
    for module in pkgutil.walk_packages([str(PACKAGE)], "whatsself_otel."):
        if not module.name.endswith(("__main__", "._sdk")):
            members = inspect.getmembers(importlib.import_module(module.name), inspect.isclass)
            found |= dict.fromkeys(kind for _, kind in members if kind.__module__ == module.name)
    return [kind for kind in found if any(base.__module__.startswith("opentelemetry.") for base in kind.__mro__)]


class TestTheList:
    def test_names_every_private_name_that_the_wall_touches(self) -> None:
        listed = {name for part in PARTS for name in part.names}
        tree = ast.parse(WALL.read_bytes())
        own = {name for name in given_names(tree) if name not in listed}
        strings = {
            part
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
            for part in node.value.split(".")
        }
        touched = {name for _, name in touched_names(tree)} | (strings & private_names_of_opentelemetry())

        assert touched - own == listed

    @for_each("part", PARTS, ids=lambda part: part.lost)
    def test_holds_for_what_is_installed(self, part: _sdk.Part) -> None:
        assert part.problem() is None
