"""A page that names something never run links to docs/evidence/unproven.md."""

from __future__ import annotations

import re

from markdown_pages import READMES, ROOT, paragraphs, read, table_rows, tracked_pages
from rows import for_each

PAGE = "docs/evidence/unproven.md"
LINK = re.compile(r"\]\([^)]*unproven\.md")
WORDS = [word for row in table_rows(PAGE) for word in row[0].split(", ")]
OTHERS = [page for page in tracked_pages() if page not in {*READMES, PAGE}]


def names(text: str, word: str) -> bool:
    return re.search(rf"(?<![\w/-]){re.escape(word)}(?![\w-])", text) is not None


class TestList:
    def test_says_what_why_and_what_instead(self) -> None:
        assert [row for row in table_rows(PAGE) if len(row) != 4 or not all(row)] == []

    def test_names_only_files_that_are_there(self) -> None:
        files = [path for path in re.findall(r"`([\w/.-]+\.py)`", read(PAGE)) if "/" in path]

        assert files
        assert [path for path in files if not (ROOT / path).is_file()] == []


class TestPages:
    @for_each("page", READMES)
    def test_each_paragraph_of_a_readme_that_names_one_links_to_the_list(self, page: str) -> None:
        unlinked = [
            (word, text) for text in paragraphs(page) for word in WORDS if names(text, word) and not LINK.search(text)
        ]
        assert unlinked == []

    @for_each("page", OTHERS)
    def test_any_other_page_that_names_one_links_to_the_list(self, page: str) -> None:
        named = [word for word in WORDS if names(read(page), word)]

        assert named == [] or LINK.search(read(page))

    def test_a_claim_without_a_link_is_seen(self) -> None:
        assert names("Works on Windows.", "on Windows")
        assert names("Dashboards (Grafana)", "Grafana")
        assert not names("Graf anas, a GrafanaError", "Grafana")
        assert not LINK.search("Works on Windows, see [there](docs/architecture.md).")
