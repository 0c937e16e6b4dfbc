"""The page's modules as one script: each once, after those that it imports, and nothing that only a module may say."""

from __future__ import annotations

import re
from graphlib import CycleError
from typing import TYPE_CHECKING

import pytest

from whatsself_otel.viewer.page_files import STATIC
from whatsself_otel.viewer.page_script import joined_modules

if TYPE_CHECKING:
    from pathlib import Path

DOM = "export function el() {}\nexport const SVG = 1;\nexport class Node {}\nfunction own() {}\n"
APP = """\
import { el, SVG as svg } from "./dom.js";
import words from "./words.json" with { type: "json" };
el(svg, words);
"""
JOINED = """\
"use strict";
const dom_js = (() => {
function el() {}
const SVG = 1;
class Node {}
function own() {}
return { el, SVG, Node };
})();
const words_json = {"a": 1};
const app_js = (() => {
const { el, SVG: svg } = dom_js;
const words = words_json;
el(svg, words);
return {  };
})();
"""


def write(folder: Path, **modules: str) -> Path:
    for name, text in modules.items():
        (folder / name.replace("_", ".")).write_text(text, encoding="utf-8")
    return folder


def test_modules_follow_those_that_they_import(tmp_path: Path) -> None:
    assert joined_modules(write(tmp_path, app_js=APP, dom_js=DOM, words_json='{"a": 1}')) == JOINED


def test_modules_that_import_each_other_are_refused(tmp_path: Path) -> None:
    folder = write(tmp_path, a_js='import { b } from "./b.js";\n', b_js='import { a } from "./a.js";\n')

    with pytest.raises(CycleError):
        joined_modules(folder)


def test_each_of_the_pages_modules_is_there_once_and_whole() -> None:
    script = joined_modules(STATIC)

    found = re.findall(r"^const (\w+)_js = ", script, re.MULTILINE)
    assert sorted(found) == sorted(path.stem for path in STATIC.glob("*.js"))
    assert re.findall(r"^\s*(?:import|export)\b.*|\bimport\.meta\b|\bimport\(", script, re.MULTILINE) == []
