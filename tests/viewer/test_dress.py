"""Every page at every width, in both languages and both themes: it fits, axe objects to nothing, and it is pictured."""

from __future__ import annotations

import itertools
import json
import os
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from parts import Client, trace_id
from telling import CONTACT, lively_business

from whatsself_otel.viewer.server import Viewer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

VIEWS = {
    "overview": "#/overview",
    "messages": "#/messages",
    "narrowed": "#/messages?which=all&text=received&limit=2&field=contactId%3Dcontact-1",
    "nothing": "#/messages?outcome=delivered",
    "found": "#/find/nothing-has-this-id",
    "trace": f"#/trace/{trace_id(7)}",
    "zoomed": f"#/trace/{trace_id(200)}/span/{201:08x}{3:08x}?zoom=20-300",
    "unknown": f"#/trace/{'9' * 32}",
    "contact": f"#/contact/{CONTACT}",
    "logs": "#/logs",
    "metrics": "#/metrics",
    "health": "#/health",
}
WIDTHS = (320, 768, 1280, 1920)
TITLES = {"en": "Overview", "pt": "Visão geral"}
THEMES = ("light", "dark")
EVERY_DRESS = tuple(itertools.product(WIDTHS, TITLES, THEMES))
FEW = ((320, "pt", "dark"), (768, "en", "light"), (1280, "pt", "light"), (1920, "en", "dark"))
"""Each width, language and theme at least once; the others take minutes."""
TALL = 800
FAULTS = """
    const wide = document.documentElement.scrollWidth - innerWidth;
    const cut = [...document.querySelectorAll("button, .badge, h1, h2, h3, th, .tile-value, nav a, option:checked")]
        .filter((node) => node.offsetParent && node.scrollWidth > node.clientWidth + 1 && !node.closest(".hidden"))
        .filter((node) => getComputedStyle(node).overflowX !== "visible")
        .map((node) => `${node.tagName} ${node.textContent}`);
    const untold = document.body.innerText.match(/⟨[^⟩]*⟩/g) ?? [];
    const small = innerWidth > 400 ? [] : [...document.querySelectorAll("button, select, input:not([type=file])")]
        .filter((node) => node.offsetParent && !node.matches(".copy, .span-name"))
        .filter((node) => node.getBoundingClientRect().height < 40)
        .map((node) => `${node.tagName} ${node.id} ${node.textContent.slice(0, 20)}`);
    return { wide, cut, untold, small };
"""


@pytest.fixture(scope="module")
def filled() -> Iterator[Viewer]:
    with Viewer() as viewer:
        with Client(viewer) as client:
            client.send(*lively_business())
        yield viewer


@pytest.mark.parametrize(
    "dress", [each if each in FEW else pytest.param(each, marks=pytest.mark.proof) for each in EVERY_DRESS]
)
def test_every_page_fits_and_is_accessible(
    browser: Browser, filled: Viewer, tmp_path: Path, dress: tuple[int, str, str]
) -> None:
    width, language, theme = dress
    folder = Path(os.environ.get("SCREENSHOTS") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    axe = (files("axe_playwright_python") / "axe.min.js").read_text("utf-8")
    locale = "pt-BR" if language == "pt" else "en-GB"
    context = browser.new_context(viewport={"width": width, "height": TALL}, locale=locale, has_touch=width < 400)
    page = context.new_page()
    page.set_default_timeout(60_000)
    page.goto(filled.page)
    page.get_by_role("heading", name=TITLES[language], level=1).wait_for()
    page.locator("#theme").select_option(theme)
    assert page.evaluate("document.documentElement.dataset.theme") == theme
    for name, address in VIEWS.items():
        _show(page, address)
        found = page.evaluate(f"() => {{{FAULTS}}}")
        assert found == {"wide": 0, "cut": [], "untold": [], "small": []}, name
        if axe:
            page.evaluate(axe)
            axe = ""  # the page is never loaded again
        violations = page.evaluate("axe.run().then((result) => result.violations)")
        assert [_told(each) for each in violations] == [], name
        picture = folder / f"{name}-{width}-{language}-{theme}.png"
        page.screenshot(path=picture, full_page=True)
        assert picture.read_bytes().startswith(b"\x89PNG")
    context.close()


def _show(page: Page, address: str) -> None:
    """Go to a page, and wait until it is shown."""
    page.evaluate("document.querySelector('main').replaceChildren()")
    page.goto(f"{page.url.partition('#')[0]}{address}")
    page.locator("main h1").wait_for()
    page.evaluate("document.fonts.ready.then(() => Promise.all(document.getAnimations().map((each) => each.finished)))")


def _told(violation: dict[str, Any]) -> str:
    return json.dumps({"id": violation["id"], "where": [node["html"][:200] for node in violation["nodes"][:3]]})
