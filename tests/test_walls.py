"""Import walls of the package, its circles, and tests that lie as it does."""

from __future__ import annotations

import ast
from pathlib import Path

from imports import Import, circles, imports_in, imports_of, modules_of
from rows import for_each

import whatsself_otel

PACKAGE = Path(whatsself_otel.__file__).parent
TESTS = Path(__file__).parent
MODULES = modules_of(PACKAGE)
IMPORTS = frozenset(imports_of(PACKAGE))

SIGNALS = {"traces", "logs", "metrics"}
PROGRAMS = {"bridge", "cli", "viewer", "demo", "simulation", "stack"}
WALLS = {
    **dict.fromkeys(("", *SIGNALS, "export", "integrations", "processes", "whatsapp"), PROGRAMS),
    "language": PROGRAMS | SIGNALS | {"export", "integrations", "masking", "processes", "whatsapp"},
    "masking": PROGRAMS | SIGNALS | {"export", "integrations", "processes", "whatsapp"},
    "operations": PROGRAMS - {"stack"} | SIGNALS | {"export", "integrations", "masking", "processes", "whatsapp"},
    "bridge": PROGRAMS - {"bridge"},
    "stack": {"bridge", "cli", "viewer", "demo", "simulation"},
    "viewer": {"bridge", "cli", "demo", "simulation"},
    "demo": {"bridge", "cli", "viewer", "simulation", "stack"},
    "simulation": {"bridge", "cli", "viewer"},
}
"""Imports that are forbidden to each folder, even for the type checker. The root of the package has no name."""

MOST_AT_THE_ROOT = 18
BESIDE_THE_PACKAGE = {
    "backends",
    "collector",
    "e2e",
    "kubernetes",
    "native",
    "project",
    "real",
    "seen",
    "support",
    "typing",
}
"""Folders of tests that are about something else than one folder of the package."""


def folder_of(module: str) -> str:
    """Return the folder of the package that *module* lies in; of one at the root, an empty text."""
    parts = module.split(".")
    is_folder = MODULES[module].name == "__init__.py" if module in MODULES else False
    return parts[1] if len(parts) > 2 or (is_folder and len(parts) == 2) else ""


def breaches(imports: frozenset[Import]) -> list[str]:
    """Say each import that goes through a wall."""
    return sorted(
        f"{each.module} imports {each.imported}"
        for each in imports
        if folder_of(each.imported) in WALLS.get(folder_of(each.module), ())
    )


def misplaced(test: Path, tests: Path = TESTS) -> bool:
    """Whether the module that *test* is named after lies in another folder than *test*."""
    name = test.stem.removeprefix("test_")
    homes = {folder_of(module) for module in MODULES if module.rpartition(".")[2] == name}
    return bool(homes) and test.parent.relative_to(tests).as_posix().removeprefix(".") not in homes


class TestWalls:
    def test_hold(self) -> None:
        assert breaches(IMPORTS) == []

    @for_each("folder, other", sorted((folder, other) for folder, others in WALLS.items() for other in others))
    def test_each_is_seen_broken(self, folder: str, other: str) -> None:
        module = ".".join(filter(None, ("whatsself_otel", folder, "made_up")))
        broken = Import(module, f"whatsself_otel.{other}.made_up", "called")

        assert breaches(IMPORTS | {broken}) == [f"{module} imports whatsself_otel.{other}.made_up"]

    def test_stand_between_folders_that_are_there(self) -> None:
        folders = {folder_of(module) for module in MODULES}

        assert folders == WALLS.keys() | {"cli"}
        assert {other for others in WALLS.values() for other in others} <= folders


class TestImports:
    def test_are_found_wherever_they_stand(self) -> None:
        source = """
import p.loaded
from p import of_package
from p.deep import name_of_module
from elsewhere import other
if TYPE_CHECKING:
    from p.typed import Thing
try:
    from p.tried import x
except ImportError:
    x = None
class A:
    from p.in_class import y
    def method(self):
        from p.called import z
"""
        modules = {f"p.{name}" for name in ("loaded", "of_package", "deep", "typed", "tried", "in_class", "called")}
        found = {
            (each.imported.removeprefix("p."), each.when) for each in imports_in("p.this", ast.parse(source), modules)
        }

        assert found == {
            ("loaded", "loaded"),
            ("of_package", "loaded"),
            ("deep", "loaded"),
            ("typed", "typed"),
            ("tried", "loaded"),
            ("in_class", "loaded"),
            ("called", "called"),
        }

    def test_none_is_relative_or_of_everything(self) -> None:
        """Neither would be found."""
        nodes = [node for path in MODULES.values() for node in ast.walk(ast.parse(path.read_bytes()))]
        froms = [node for node in nodes if isinstance(node, ast.ImportFrom)]

        assert froms
        assert [node.lineno for node in froms if node.level or node.names[0].name == "*"] == []


class TestCircles:
    def test_there_are_none(self) -> None:
        assert circles(IMPORTS) == []

    def test_one_is_seen_however_long_and_whenever_it_closes(self) -> None:
        made_up = [Import("a", "b", "loaded"), Import("b", "c", "called"), Import("c", "d", "loaded")]

        assert circles([*made_up, Import("c", "a", "loaded")]) == [["a", "b", "c"]]
        assert circles([*made_up, Import("c", "a", "called")]) == [["a", "b", "c"]]
        assert circles(made_up) == []

    def test_several_are_told_apart(self) -> None:
        pairs = (("a", "b"), ("b", "a"), ("b", "c"), ("c", "d"), ("d", "c"), ("e", "a"))

        assert circles(Import(one, other, "loaded") for one, other in pairs) == [["a", "b"], ["c", "d"]]

    def test_what_only_the_type_checker_reads_closes_none(self) -> None:
        assert circles([Import("a", "b", "loaded"), Import("b", "a", "typed")]) == []


class TestFolders:
    def test_the_root_is_small(self) -> None:
        at_the_root = sorted(path.name for path in PACKAGE.glob("*.py"))

        assert len(at_the_root) <= MOST_AT_THE_ROOT, at_the_root

    def test_tests_have_those_of_the_package(self) -> None:
        there = {path.name for path in TESTS.iterdir() if any(path.glob("*.py"))} if TESTS.is_dir() else set()
        package = {path.name for path in PACKAGE.iterdir() if any(path.glob("*.py"))}

        assert package - there == set()
        assert there - package == BESIDE_THE_PACKAGE

    def test_a_test_lies_where_the_module_of_its_name_does(self) -> None:
        about_the_package = [path for path in TESTS.rglob("test_*.py") if path.parent.name not in BESIDE_THE_PACKAGE]

        assert [path.name for path in about_the_package if misplaced(path)] == []
        assert misplaced(TESTS / "logs" / "test_spans.py")
        assert not misplaced(TESTS / "traces" / "test_spans.py")
