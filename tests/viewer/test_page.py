"""The page in a real browser: found, opened, followed, read aloud, and seen in every dress."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

import pytest
from parts import SCRIPT, Client, counter, histogram, logs, spans, trace_id

from whatsself_otel.viewer.server import Viewer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Locator, Page

DESK = {"width": 1280, "height": 800}


NUMBERS = """async (address) => {
    const { choose, number, percent } = await import(address);
    const values = [0, 0.15, 0.25, 0.285, 1.005, 9.995, 99.95, 999.5, 999.6, 1000, 1234.5, -3.25, 1e6, 1e14, 5e-7];
    for (let size = 1e-6; size < 1e12; size *= 1.7) values.push(size, -size, Math.round(size * 8) / 8);
    const unlike = [];
    const compare = (ours, tag, shape, value) => {
        const theirs = new Intl.NumberFormat(tag, shape).format(value);
        if (ours !== theirs) unlike.push([tag, value, ours, theirs]);
    };
    for (const [language, tag] of [["pt", "pt-BR"], ["en", "en-GB"]]) {
        choose(language);
        for (const value of values) {
            const shape = Math.abs(value) >= 1000 ? { maximumFractionDigits: 0 } : { maximumSignificantDigits: 3 };
            compare(number(value), tag, shape, value);
        }
        for (let part = 0; part <= 480; part++) {
            compare(percent(part / 480), tag, { style: "percent", maximumFractionDigits: 1 }, part / 480);
        }
    }
    return unlike;
}"""


@pytest.fixture(scope="module")
def filled() -> Iterator[Viewer]:
    with Viewer() as viewer:
        with Client(viewer) as client:
            _fill(client)
        yield viewer


@pytest.fixture
def client(filled: Viewer) -> Iterator[Client]:
    with Client(filled) as client:
        yield client


def _fill(client: Client) -> None:
    for number in range(4):
        client.send(spans(number, count=5), logs(number, f"Message {number} received", "Message sent"))
    client.send(logs(2, SCRIPT, severity=17))
    now_s = time.time()
    for age_s, value in ((30, 0), (15, 4), (1, 9)):
        client.send(counter("messages.outbound", value, at_s=now_s - age_s, origin="reply"))
        client.send(counter("telemetry.masked_values", value, at_s=now_s - age_s, rule="phone"))
        client.send(histogram("first_response.latency", [value, 0], [120.0], at_s=now_s - age_s))


@pytest.fixture
def page(browser: Browser, filled: Viewer) -> Iterator[Page]:
    context = browser.new_context(viewport=DESK, locale="en-GB", color_scheme="light")  # type: ignore[arg-type]
    opened = context.new_page()
    opened.set_default_timeout(60_000)
    problems: list[str] = []
    opened.on("pageerror", lambda error: problems.append(str(error)))
    opened.on("console", lambda said: problems.append(said.text) if said.type == "error" else None)
    opened.on("request", lambda asked: problems.append(asked.url) if not asked.url.startswith(filled.url) else None)
    opened.goto(f"{filled.page}#/messages")
    opened.locator("main h1").wait_for()
    yield opened
    context.close()
    assert problems == []


def show(page: Page, view: str) -> None:
    """Go to a view, and wait until the page shows it."""
    page.evaluate("document.querySelector('main').replaceChildren()")
    page.goto(f"{page.url.partition('#')[0]}{view}")
    page.locator("main h1").wait_for()


def text(locator: Locator) -> str:
    return re.sub(r"\s+", " ", locator.inner_text()).strip()


class TestFollowingOneMessage:
    def test_from_its_contact_to_its_trace_to_its_log_and_back(self, page: Page) -> None:
        page.locator("#id").fill("contact-2")
        page.keyboard.press("Enter")
        page.wait_for_url(f"**#/trace/{trace_id(2)}")
        page.get_by_role("link", name="3 logs of step 1").click()
        line = page.locator(".log.target")
        line.wait_for()
        assert "Message 2 received" in text(line)

        line.get_by_role("link", name="Span: step 1").click()

        span = page.locator(".span.target")
        span.wait_for()
        assert "step 1" in text(span)
        assert span.get_by_role("button", name=re.compile("step 1")).get_attribute("aria-expanded") == "true"
        assert "contact-2" in text(span.locator(".details"))
        page.go_back()
        page.wait_for_url("**/log/*")
        line.wait_for()

    @pytest.mark.parametrize("found_by", ["message-3", trace_id(3)])
    def test_is_found_by_each_of_its_ids(self, page: Page, found_by: str) -> None:
        page.locator("#id").fill(found_by)
        page.keyboard.press("Enter")

        page.wait_for_url(f"**#/trace/{trace_id(3)}")

    def test_without_a_mouse(self, page: Page) -> None:
        show(page, f"#/trace/{trace_id(1)}")
        page.locator(".span-name").first.focus()
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")

        opened = page.locator(".span-name[aria-expanded=true]")
        assert text(opened).startswith("INSIDE") or "step 1" in text(opened)
        assert page.evaluate("document.activeElement.classList.contains('span-name')")

    def test_what_failed_says_so_in_words(self, page: Page) -> None:
        show(page, f"#/trace/{trace_id(1)}")

        assert "failed" in text(page.locator(".span", has_text="step 4"))

    def test_the_list_grows_while_one_looks(self, page: Page, client: Client) -> None:
        client.send(spans(9, name="POST /later"))

        page.get_by_role("link", name="POST /later").wait_for()

    def test_what_one_does_survives_what_arrives(self, page: Page, client: Client) -> None:
        client.send(spans(8))
        show(page, f"#/trace/{trace_id(8)}")
        page.get_by_role("button", name=re.compile("step 1")).click()
        client.send(logs(8, "One more line"))
        page.get_by_text("One more line").wait_for()

        assert page.get_by_role("button", name=re.compile("step 1")).get_attribute("aria-expanded") == "true"
        assert page.evaluate("document.activeElement.dataset.key") == "span-0000000900000002"

    def test_what_one_reads_stays_where_it_is_while_more_arrives(self, page: Page, client: Client) -> None:
        for number in range(20, 60):
            client.send(spans(number))
        page.locator(".list .row").nth(40).wait_for()
        row = page.locator(f"[data-key='trace-{trace_id(50)}']")
        row.evaluate("(node) => window.scrollTo(0, node.getBoundingClientRect().top + scrollY - 100)")
        before = row.bounding_box()
        for number in range(60, 66):
            client.send(spans(number, name="POST /while/one/reads"))
        page.get_by_role("link", name="POST /while/one/reads").first.wait_for(state="attached")

        assert row.bounding_box() == before

    def test_a_drag_over_the_bars_is_not_lost_when_more_arrives(self, page: Page, client: Client) -> None:
        bars = page.locator(".bars svg")
        bars.evaluate("(node) => node.isOld = true")
        box = bars.bounding_box()
        assert box is not None
        page.mouse.move(box["x"] + 2, box["y"] + 20)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 20)
        with page.expect_response("**/api/traces?*"):
            client.send(spans(10, name="POST /during/a/drag"))
        page.wait_for_timeout(200)  # for what must not happen

        assert bars.evaluate("(node) => node.isOld") is True
        page.mouse.move(box["x"] + box["width"] - 2, box["y"] + 20)
        page.mouse.up()
        page.wait_for_url("**#/messages?from=*&to=*")

    def test_what_arrives_under_a_press_is_drawn_once_it_ends(self, page: Page, client: Client) -> None:
        later = page.get_by_role("link", name="POST /during/a/press")
        page.locator("main h1").hover()
        page.mouse.down()
        with page.expect_response("**/api/traces?*"):
            client.send(spans(12, name="POST /during/a/press"))
        page.wait_for_timeout(200)  # for what must not happen

        assert later.count() == 0
        page.mouse.up()
        later.wait_for()

    def test_a_click_is_not_lost_when_more_arrives_between_press_and_release(self, page: Page, client: Client) -> None:
        row = page.locator(".list .row").first
        address = row.get_attribute("href")
        row.hover()
        page.mouse.down()
        with page.expect_response("**/api/traces?*"):
            client.send(spans(11, name="POST /during/a/click"))
        page.wait_for_timeout(200)  # for what must not happen

        page.mouse.up()
        page.wait_for_url(f"**{address}")


class TestHostileText:
    def test_a_script_in_a_log_line_stays_text(self, page: Page) -> None:
        show(page, "#/logs")

        page.get_by_text(SCRIPT, exact=True).wait_for()
        assert page.locator("main script, main img").count() == 0
        assert page.evaluate("window.broken") is None

    def test_the_policy_forbids_scripts_and_styles_in_the_page(self, browser: Browser, filled: Viewer) -> None:
        page = browser.new_page()
        page.goto(filled.page)
        page.evaluate(
            """() => {
                window.refused = [];
                document.addEventListener("securitypolicyviolation", (event) => refused.push(event.effectiveDirective));
                for (const [tag, text] of [["script", "window.reached = true"], ["style", "body { color: red }"]]) {
                    const node = document.createElement(tag);
                    node.textContent = text;
                    document.body.append(node);
                }
            }"""
        )
        page.wait_for_function("refused.length == 2")

        assert page.evaluate("window.reached") is None
        assert page.evaluate("refused") == ["script-src-elem", "style-src-elem"]
        page.context.close()


class TestDress:
    def test_language_and_theme_are_switched_and_kept(self, page: Page) -> None:
        page.get_by_label("Language").select_option("pt")
        assert text(page.locator("main h1")) == "Mensagens"
        page.get_by_label("Tema").select_option("dark")
        dark = page.evaluate("getComputedStyle(document.body).backgroundColor")

        page.reload()
        page.locator("main h1").wait_for()

        assert page.evaluate("document.documentElement.lang") == "pt-BR"
        assert text(page.locator("main h1")) == "Mensagens"
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == dark
        page.get_by_label("Tema").select_option("light")
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") != dark

    def test_numbers_are_written_as_the_browser_itself_would(self, page: Page) -> None:
        folder = page.locator("script[src]").get_attribute("src").removesuffix("page.js")  # type: ignore[union-attr]
        unlike = page.evaluate(NUMBERS, f"{folder}text.js")

        assert unlike == []

    def test_metrics_and_objectives_are_shown(self, page: Page) -> None:
        show(page, "#/metrics")
        card = page.locator(".card", has_text="messages_outbound_total")
        card.wait_for()
        assert card.get_by_role("img").get_attribute("aria-label") == (
            "messages_outbound_total: now 9; in the window from 4 to 5"
        )

        assert text(page.locator("section", has=card).locator("h2")) == "Messages"
        waits = page.locator(".card", has_text="first_response_latency_seconds")
        assert "mean 1 s P50 60 s P95 114 s" in text(waits)
        page.locator("#live").click()  # what arrives would draw the card again under the pointer
        box = card.locator("svg .column").last.bounding_box()
        assert box is not None
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        assert re.search(r"\d\d:\d\d:\d\d · 5", text(card.locator(".scale")))

        show(page, "#/health")
        page.locator(".objective").first.wait_for()
        assert "0 bad of 9" in text(page.locator(".objective", has_text="Contacts answered within 120 s"))
        assert "phone 9" in text(page.locator("section", has_text="Masked values"))
