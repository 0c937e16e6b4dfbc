"""What each module of the package imports from the package, read from its source."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping
    from pathlib import Path

When = Literal["loaded", "called", "typed"]
"""When the import happens: as the module is loaded, as a function of it is called, or for the type checker alone."""


@dataclass(frozen=True, slots=True)
class Import:
    """One import: *module* imports *imported*; both are dotted names."""

    module: str
    imported: str
    when: When

    @property
    def is_real(self) -> bool:
        """Whether the running program does it."""
        return self.when != "typed"


def modules_of(package: Path) -> dict[str, Path]:
    """Return the file of each module of *package*, by its dotted name; a folder has its ``__init__.py``."""
    files = sorted(package.rglob("*.py"))
    return {
        ".".join(file.relative_to(package.parent).with_suffix("").parts).removesuffix(".__init__"): file
        for file in files
    }


def imports_of(package: Path) -> Iterator[Import]:
    """Yield each import of a module of *package* by another."""
    modules = modules_of(package)
    for module, file in modules.items():
        yield from imports_in(module, ast.parse(file.read_bytes()), modules)


def imports_in(module: str, tree: ast.AST, modules: Collection[str], when: When = "loaded") -> Iterator[Import]:
    """Yield the names of *modules* that the *tree* of *module* imports."""
    for node in ast.iter_child_nodes(tree):
        then: When = when
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) and when == "loaded":
            then = "called"
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            then = "typed"
        for name in _named(node):
            known = name if name in modules else name.rpartition(".")[0]
            if known in modules and known != module:
                yield Import(module, known, then)
        yield from imports_in(module, node, modules, then)


def _named(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
        yield from (f"{node.module}.{alias.name}" for alias in node.names)


def circles(imports: Iterable[Import]) -> list[list[str]]:
    """Return each group of modules that import one another while the program runs, by Tarjan's algorithm."""
    graph: dict[str, set[str]] = {}
    for each in imports:
        if each.is_real:
            graph.setdefault(each.module, set()).add(each.imported)
    return sorted(sorted(group) for group in _Groups(graph).found() if len(group) > 1)


class _Groups:
    """The strongly connected parts of a graph."""

    def __init__(self, graph: Mapping[str, Iterable[str]]) -> None:
        self._graph = graph
        self._number: dict[str, int] = {}
        self._lowest: dict[str, int] = {}
        self._open: list[str] = []

    def found(self) -> Iterator[list[str]]:
        for node in self._graph:
            if node not in self._number:
                yield from self._visit(node)

    def _visit(self, node: str) -> Iterator[list[str]]:
        self._number[node] = self._lowest[node] = len(self._number)
        self._open.append(node)
        for following in self._graph.get(node, ()):
            if following not in self._number:
                yield from self._visit(following)
                self._lowest[node] = min(self._lowest[node], self._lowest[following])
            elif following in self._open:
                self._lowest[node] = min(self._lowest[node], self._number[following])
        if self._lowest[node] == self._number[node]:
            at = self._open.index(node)
            yield self._open[at:]
            del self._open[at:]
