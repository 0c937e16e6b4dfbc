"""
The page's modules as one script.

A browser reads 25 files one by one, even those that it keeps, and draws nothing before the last. So they are joined
when the viewer starts: no step of building, and what is edited in ``static`` is what runs.
"""

from __future__ import annotations

import re
from graphlib import TopologicalSorter
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

_IMPORT: Final = re.compile(
    r'^import (?:\{(?P<names>[^}]+)\}|(?P<whole>\w+)) from "\./(?P<file>[\w.]+)"(?: with \{ type: "json" \})?;$',
    re.MULTILINE,
)
_EXPORT: Final = re.compile(r"^export (?=(?:async )?(?:function|const|class) (\w+))", re.MULTILINE)


def joined_modules(folder: Path) -> str:
    """
    Return all modules of *folder* as one script, each in a function of its own, after those that it imports.

    It knows what the page uses: ``import { a, b as c } from "./file.js"``, a JSON file imported whole, and exported
    functions, constants and classes.

    Raises:
        graphlib.CycleError: Modules import each other.
    """
    sources = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.js*")}
    imports = {name: [found["file"] for found in _IMPORT.finditer(text)] for name, text in sources.items()}
    order = TopologicalSorter(imports).static_order()
    return '"use strict";\n' + "".join(f"const {_variable(name)} = {_value(name, sources[name])};\n" for name in order)


def _value(name: str, source: str) -> str:
    if name.endswith(".json"):
        return source
    exported = ", ".join(_EXPORT.findall(source))
    return f"(() => {{\n{_EXPORT.sub('', _IMPORT.sub(_taken, source))}return {{ {exported} }};\n}})()"


def _taken(found: re.Match[str]) -> str:
    names = found["whole"] or f"{{{found['names'].replace(' as ', ': ')}}}"
    return f"const {names} = {_variable(found['file'])};"


def _variable(name: str) -> str:
    return name.replace(".", "_")
