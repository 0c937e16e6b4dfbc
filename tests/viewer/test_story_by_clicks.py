"""A question from the counter, answered in a few clicks: one message failed; why, which others, since when?"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

import pytest
from filled_stores import STORES, skip_unless_it_takes_late_data, takes_late_data
from parts import trace_id
from telling import CONTACT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

    from whatsself_otel.viewer.server import Viewer

MOST_CLICKS = 6


class Clicks:
    """Counts a user's actions: a click, or the key that sends the typed text."""

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
    opened.goto(f"{filled.page}#/messages?range=6h")
    opened.locator("main h1").wait_for()
    yield opened
    context.close()
    assert problems == []


def shown(page: Page) -> str:
    return re.sub(r"\s+", " ", page.locator("main").inner_text())


def test_one_that_failed_why_which_others_and_since_when(page: Page, request: pytest.FixtureRequest) -> None:
    yesterdays = 1 if takes_late_data(request.node.callspec.params["filled"]) else 0
    page.goto(f"{page.url.partition('#')[0]}#/overview")
    page.get_by_text("What failed").wait_for()
    clicks = Clicks(page)
    clicks.search("provider hung up")
    page.get_by_text("Found for provider hung up").wait_for()
    page.locator(".list").wait_for()
    assert page.locator(".list tbody tr").count() == 3 + yesterdays

    clicks.on("text in → price list → failed: timed out")
    page.get_by_role("heading", name="Log lines").wait_for()
    assert "failed: timed out" in page.locator("main h1").inner_text()

    clicks.on("Others that failed so: timed out")
    page.get_by_text("2 in all").wait_for()
    assert page.locator(".list tbody tr").count() == 2
    began = re.search(r"first: \d\d/\d\d (\d\d):(\d\d)", shown(page))

    assert began is not None
    found = page.evaluate(f"fetch('/api/traces/{trace_id(3)}').then((answer) => answer.json())")
    since = time.localtime(found["start_s"])
    assert (int(began[1]), int(began[2])) == (since.tm_hour, since.tm_min)
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
        first_s = page.evaluate("fetch('/api/traffic?range=6h').then((answer) => answer.json())")["first_s"]
        page.goto(f"{page.url.partition('#')[0]}#/messages?from={first_s - 1:.0f}&to={first_s + 662:.0f}")
        page.locator(".chip").wait_for()
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
        page.goto(f"{page.url.partition('#')[0]}#/messages?range=6h&limit=5")
        page.get_by_text("Shown: the first 5. There are more.").wait_for()

        page.get_by_role("link", name="Show more").click()

        page.wait_for_url("**limit=20")
        page.locator(".list tbody tr").nth(11).wait_for()
        assert page.get_by_text("There are more").count() == 0

    def test_log_lines_by_level_text_and_field(self, page: Page) -> None:
        page.goto(f"{page.url.partition('#')[0]}#/logs?level=error&text=HUNG+up&range=6h")
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


class TestOverview:
    def test_says_what_failed_and_leads_there(self, page: Page) -> None:
        page.goto(f"{page.url.partition('#')[0]}#/overview")
        failures = page.locator("section", has_text="What failed in the last 24 hours")
        failures.get_by_role("link", name="timed out").wait_for()
        told = re.sub(r"\s+", " ", failures.inner_text())
        assert re.search(r"2 timed out \d\d:\d\d:\d\d \S \d\d:\d\d:\d\d 1 blocked by the contact", told)
        assert "3 Message failed: the provider hung up" in told

        failures.get_by_role("link", name="Message failed").click()

        page.wait_for_url("**#/logs?level=error&range=24h&text=*")
        page.locator(".log").nth(2).wait_for()
        assert page.locator(".log").count() == 3

    def test_says_how_much_was_sent_and_what_is_wanted(self, page: Page) -> None:
        page.goto(f"{page.url.partition('#')[0]}#/overview")
        tile = page.locator(".tile", has_text="Messages out")
        tile.wait_for()

        # Prometheus is asked every 30 s of time, and misses what grew before the first of these moments.
        assert re.fullmatch(r"Messages out [4-9] in the last hour", re.sub(r"\s+", " ", tile.inner_text()))
        assert "Contacts answered within 120 s" in page.locator("section", has_text="Objectives").inner_text()


class TestFiles:
    def test_a_trace_goes_out_as_a_file_and_comes_back(self, page: Page, filled: Viewer, tmp_path: Path) -> None:
        page.goto(f"{page.url.partition('#')[0]}#/trace/{trace_id(7)}")
        with page.expect_download() as download:
            page.get_by_role("link", name="Spans as OTLP JSON").click()
        path = tmp_path / "trace.json"
        download.value.save_as(path)
        renamed = path.read_text("utf-8").replace(trace_id(7), trace_id(77))
        path.write_text(renamed, "utf-8")
        if filled.config.backends is not None:
            assert page.get_by_label("Open a file of OTLP JSON").count() == 0
            return
        page.get_by_text("Send telemetry here").click()

        page.get_by_label("Open a file of OTLP JSON").set_input_files(path)

        page.wait_for_url(f"**#/trace/{trace_id(77)}")
        page.locator(".span", has_text="send whatsapp").wait_for()

        path.write_text("{}", "utf-8")
        page.get_by_label("Open a file of OTLP JSON").set_input_files(path)
        page.get_by_text("This file is no OTLP JSON").wait_for()

    def test_a_link_is_copied_that_opens_what_was_seen(self, page: Page) -> None:
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        page.goto(f"{page.url.partition('#')[0]}#/trace/{trace_id(1)}?zoom=20-400")
        page.get_by_role("button", name="Copy link").click()
        page.get_by_role("button", name="Copied").wait_for()
        copied = page.evaluate("navigator.clipboard.readText()")
        page.goto("about:blank")

        page.goto(copied)

        page.get_by_text("20 ms to 400 ms of 12 s").wait_for()

    def test_an_exemplar_leads_to_its_trace(self, page: Page) -> None:
        page.goto(f"{page.url.partition('#')[0]}#/metrics")
        page.locator(".card", has_text="first_response_latency_seconds").get_by_role("link", name="trace").click()

        page.wait_for_url(f"**#/trace/{trace_id(3)}")

    def test_how_long_they_took_leads_to_those(self, page: Page) -> None:
        page.get_by_text("How long they took").click()
        page.get_by_role("link", name="100 ms to 300 ms").or_(page.get_by_role("link", name="300 ms to 1 s")).click()

        page.wait_for_url("**min_ms=*")
        page.get_by_text("3 in all").wait_for()


class TestOneTrace:
    def test_spans_are_found_by_an_attribute(self, page: Page) -> None:
        page.goto(f"{page.url.partition('#')[0]}#/trace/{trace_id(7)}")
        page.locator(".span").first.wait_for()

        page.get_by_label("Find", exact=True).type("error.type=TIME")

        page.get_by_text("1 span", exact=True).wait_for()
        assert page.locator(".span.hit").count() == 1
        assert "send whatsapp" in page.locator(".span.hit").inner_text()
        assert page.evaluate("document.activeElement.value") == "error.type=TIME"

    def test_what_is_below_a_span_folds_by_the_keyboard(self, page: Page) -> None:
        page.goto(f"{page.url.partition('#')[0]}#/trace/{trace_id(7)}")
        page.locator(".span-name").first.focus()

        page.keyboard.press("ArrowLeft")
        assert page.locator(".span").count() == 1
        page.get_by_text("3 folded").wait_for()
        page.keyboard.press("ArrowRight")

        assert page.locator(".span").count() == 4

    def test_a_part_of_time_is_zoomed_to_and_is_in_the_address(self, page: Page) -> None:
        page.goto(f"{page.url.partition('#')[0]}#/trace/{trace_id(1)}")
        page.locator(".ticks", has_text="12 s").wait_for()  # it was read after that
        page.get_by_role("button", name=re.compile("send whatsapp")).press("z")

        page.wait_for_url("**?zoom=20-400")
        assert re.sub(r"\s+", " ", page.locator(".ticks").inner_text()) == "20 ms 115 ms 210 ms 305 ms 400 ms"
        assert page.get_by_text("20 ms to 400 ms of 12 s").is_visible()
        page.reload()
        page.get_by_text("20 ms to 400 ms of 12 s").wait_for()
        assert page.locator(".span", has_text="step 1").locator(".fall").count() == 1
        page.get_by_role("button", name="Zoom in").click()
        page.get_by_text("115 ms to 305 ms of 12 s").wait_for()
        assert page.locator(".span", has_text="step 1").locator(".beyond").inner_text() == "◂"
        page.get_by_role("button", name="Whole trace").click()

        page.locator(".ticks", has_text="12 s").wait_for()
        assert "zoom" not in page.url
        box = page.locator("svg.whole").bounding_box()
        assert box is not None
        page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 10)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] * 0.75, box["y"] + 10, steps=3)
        page.mouse.up()
        page.get_by_text("6 s to 9 s of 12 s").wait_for()


class TestOneContact:
    def test_is_a_click_away_and_told_day_by_day(self, page: Page, request: pytest.FixtureRequest) -> None:
        skip_unless_it_takes_late_data(request.node.callspec.params["filled"])
        page.goto(f"{page.url.partition('#')[0]}#/trace/{trace_id(103)}")
        page.get_by_role("link", name="Everything of this contact").click()

        page.wait_for_url(f"**#/contact/{CONTACT}")
        page.get_by_text("3 in all").first.wait_for()
        days = [re.sub(r"\s+", " ", each) for each in page.locator(".day").all_inner_texts()]
        assert days[0].startswith("Yesterday · ")
        assert days[0].endswith("2 in all, 1 failed")
        assert days[1].endswith("1 in all")
        counts = [body.locator(".row").count() for body in page.locator("tbody").all()]
        assert counts == [2, 1]

        page.get_by_label("Order").select_option("oldest")

        page.wait_for_url("**sort=oldest*")
        page.locator(".day").last.get_by_text("Yesterday").wait_for()
