"""
Every dashboard, drawn by Grafana's own components from real data.

    SEEN_PICTURES=DIR pytest -m proof tests/seen      # keeps the pictures, to be looked at
"""

from __future__ import annotations

import copy
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from browser import need_browser, open_browser
from drawing import Look, bundle, draw, pages
from playwright.sync_api import Browser
from test_dashboard_queries import Backends, backends, counted

__all__ = ["backends", "counted"]  # pytest finds fixtures by their names here

pytestmark = pytest.mark.proof

LOOKS = {
    f"{mode}-{name}": Look(mode=mode, width=width)
    for mode in ("light", "dark")
    for name, width in (("1440", 1440), ("phone", 390))
}
KEYS = ("overview", "quality", "flows", "message", "providers", "http", "services", "collector", "capacity")
SEEN = [
    (f"{key}{ending}", look)
    for key in KEYS
    for ending, looks in (("", ("light-1440", "dark-phone")), (".pt-BR", ("dark-1440", "light-phone")))
    for look in looks
]
"""Each page in both languages, both themes and both widths: one language is light where the other is dark."""


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the pictures go: SEEN_PICTURES, to look at them, else a folder that pytest keeps for a while."""
    given = os.environ.get("SEEN_PICTURES")
    folder = Path(given) if given else tmp_path_factory.mktemp("pictures")
    folder.mkdir(parents=True, exist_ok=True)
    sys.stdout.write(f"pictures: {folder}\n")
    return folder


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawer:
    """Draws the pages, asked once, into a folder."""

    script: Path
    browser: Browser
    folder: Path
    pages: dict[str, dict[str, Any]]

    def problems(self, name: str, look: str) -> list[str]:
        return draw(self.browser, self.script, self.pages[name], LOOKS[look], self.folder / f"{name}.{look}.png")


@pytest.fixture(scope="module")
def drawer(pictures: Path, request: pytest.FixtureRequest) -> Iterator[Drawer]:
    """What npm and the browser need is looked at before the backends start, and the browser is started after them."""
    need_browser()
    script = bundle()
    request.getfixturevalue("counted")
    running: Backends = request.getfixturevalue("backends")
    asked = dict(pages(running))
    with open_browser() as browser:
        yield Drawer(script=script, browser=browser, folder=pictures, pages=asked)


@pytest.mark.parametrize(("name", "look"), SEEN)
def test_no_title_is_cut_and_no_panel_is_empty(name: str, look: str, drawer: Drawer) -> None:
    assert drawer.problems(name, look) == []


def test_a_cut_title_an_empty_panel_and_a_number_that_is_none_are_found(drawer: Drawer) -> None:
    page = copy.deepcopy(drawer.pages["quality"])
    shown = [panel for panel in page["panels"] if panel["type"] == "stat"]
    shown[0]["title"] = "A title that is too long " * 9
    shown[1]["type"] = "nothing of Grafana's"
    shown[1]["fieldConfig"]["defaults"]["noValue"] = ""
    shown[2]["fieldConfig"]["defaults"]["noValue"] = "NaN"
    page["answers"][shown[2]["key"]] = {}
    found = draw(drawer.browser, drawer.script, page, LOOKS["light-1440"], drawer.folder / "broken.png")

    kinds = [problem.partition(":")[0] for problem in found]
    assert kinds == ["empty panel", "cut title", "nothing drawn", "no number"]
