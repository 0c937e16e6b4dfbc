"""A question from the counter, answered in a few clicks: one message failed; why, which others, since when?"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

import pytest
from browser import need_browser, open_browser
from filled_stores import STORES
from parts import trace_id

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

    from whatsself_otel.viewer.server import Viewer

MOST_CLICKS = 6


class Clicks:
    """Counts what a hand does: a click, or the key that sends what was typed."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.count = 0

    def on(self, name: str | re.Pattern[str], role: str = "link") -> None:
        self.page.get_by_role(role, name=name).first.click()  # type: ignore[arg-type]
        self.count += 1

    def search(self, text: str) -> None:
        self.page.keyboard.press("/")
        self.page.keyboard.type(text)
        self.page.keyboard.press("Enter")
        self.count += 1


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    need_browser()
    with open_browser() as running:
        yield running


@pytest.fixture(scope="module", params=sorted(STORES))
def filled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Viewer]:
    with STORES[request.param](tmp_path_factory.mktemp("store")) as viewer:
        yield viewer


@pytest.fixture
def page(browser: Browser, filled: Viewer) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 800}, locale="en-GB")
    opened = context.new_page()
    problems: list[str] = []
    opened.on("pageerror", lambda error: problems.append(str(error)))
    opened.goto(filled.page)
    opened.locator("main h1").wait_for()
    yield opened
    context.close()
    assert problems == []


def shown(page: Page) -> str:
    return re.sub(r"\s+", " ", page.locator("main").inner_text())


def test_one_that_failed_why_which_others_and_since_when(page: Page) -> None:
    clicks = Clicks(page)
    clicks.search("provider hung up")
    page.get_by_text("3 in all").wait_for()
    assert page.locator(".list tbody tr").count() == 3

    clicks.on("text in → price list → failed: timed out")
    page.get_by_text("Log lines").wait_for()
    assert "failed: timed out" in page.locator("main h1").inner_text()

    clicks.on("Others that failed so: timed out")
    page.get_by_text("2 in all").wait_for()
    assert page.locator(".list tbody tr").count() == 2
    began = re.search(r"first: \d\d/\d\d (\d\d):(\d\d)", shown(page))

    assert began is not None
    since = time.localtime(time.time() - 60 * 9)
    assert abs(int(began[1]) * 60 + int(began[2]) - since.tm_hour * 60 - since.tm_min) <= 1
    assert clicks.count <= MOST_CLICKS


class TestNarrowing:
    def test_is_in_the_address_and_comes_back_with_it(self, page: Page) -> None:
        page.get_by_label("Outcome").select_option("failed")
        page.wait_for_url("**outcome=failed*")
        page.get_by_text("3 in all").wait_for()
        page.get_by_text("More filters").click()
        page.get_by_label("Reason").select_option(label="blocked by the contact")
        page.get_by_text("1 in all").wait_for()
        page.reload()
        page.get_by_text("1 in all").wait_for()

        page.get_by_role("link", name="Remove: Reason: blocked by the contact").click()

        page.get_by_text("3 in all").wait_for()

    def test_by_dragging_over_the_bars(self, page: Page) -> None:
        page.get_by_text("12 in all").wait_for()
        box = page.locator(".bars svg").bounding_box()
        assert box is not None
        page.mouse.move(box["x"] + 1, box["y"] + 20)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 20, steps=4)
        page.mouse.up()

        page.wait_for_url("**from=*")
        page.get_by_text("6 in all").wait_for()
        assert page.locator(".list tbody tr").count() == 6

    def test_by_a_field_of_a_span(self, page: Page) -> None:
        page.goto(f"{page.url.partition('#')[0]}#/trace/{trace_id(3)}")
        page.get_by_role("button", name=re.compile("send whatsapp")).click()
        page.get_by_role("link", name="contact-3").first.click()

        page.wait_for_url("**field=contactId*")
        page.get_by_text("1 in all").wait_for()

    def test_a_list_that_is_cut_says_so_and_shows_more(self, page: Page) -> None:
        page.goto(f"{page.url.partition('#')[0]}#/messages?limit=5")
        page.get_by_text("Shown: the first 5. There are more.").wait_for()

        page.get_by_role("link", name="Show more").click()

        page.wait_for_url("**limit=20")
        page.locator(".list tbody tr").nth(11).wait_for()
        assert page.get_by_text("There are more").count() == 0

    def test_log_lines_by_level_text_and_field(self, page: Page) -> None:
        page.goto(f"{page.url.partition('#')[0]}#/logs?level=error&text=HUNG+up")
        page.locator(".log").first.wait_for()
        assert page.locator(".log").count() == 3

        page.locator(".log").first.get_by_text("Fields").click()
        page.locator(".log").first.get_by_role("link", name="blocked").click()

        page.wait_for_url("**field=reason%3Dblocked*")
        page.locator(".log").nth(1).wait_for(state="detached")
        assert page.locator(".log").count() == 1


class TestKeys:
    def test_go_through_the_rows_and_open_one(self, page: Page) -> None:
        page.keyboard.press("j")
        page.keyboard.press("j")
        page.keyboard.press("j")
        page.keyboard.press("k")
        assert page.evaluate("document.activeElement.dataset.key") == f"trace-{trace_id(10)}"

        page.keyboard.press("Enter")

        page.wait_for_url(f"**#/trace/{trace_id(10)}")

    def test_are_told_and_do_not_disturb_typing(self, page: Page) -> None:
        page.keyboard.press("?")
        page.get_by_role("dialog", name="Keyboard").get_by_text("next row").wait_for()
        page.keyboard.press("Escape")
        page.keyboard.press("/")
        page.keyboard.type("jk?/")

        assert page.locator("#text").input_value() == "jk?/"
        assert not page.locator("#help").is_visible()


class TestRows:
    @pytest.mark.parametrize(
        ("language", "sentence"),
        [
            ("en", "text in → price list → sent, read in 12 s"),
            ("pt", "chegou texto → price list → enviada, lida em 12 s"),
        ],
    )
    def test_say_what_happened(self, page: Page, language: str, sentence: str) -> None:
        page.locator("#language").select_option(language)

        assert page.get_by_role("link", name=sentence).count() == 9
