"""Pages that describe the code keep up with it."""

from __future__ import annotations

import re

from markdown_pages import ROOT, links, read

from whatsself_otel import __version__

PACKAGE = ROOT / "whatsself_otel"


class TestArchitecture:
    def test_the_module_map_names_every_module_and_no_other(self) -> None:
        table = read("docs/architecture.md").partition("## Modules")[2]
        named = set(re.findall(r"`([a-z0-9_]+(?:\.py|/))`", table))
        top = {path.name for path in PACKAGE.glob("*.py")}
        folders = {f"{path.name}/" for path in PACKAGE.iterdir() if path.is_dir() and any(path.glob("*.py"))}
        inner = {path.name for folder in ("detection", "instrumentation") for path in (PACKAGE / folder).glob("*.py")}

        assert named == top | folders | inner


class TestDecisions:
    def test_the_list_names_each_record(self) -> None:
        records = {path.name for path in (ROOT / "docs" / "decisions").glob("[0-9]*.md")}

        assert records == set(links("docs/decisions/README.md"))

    def test_each_says_why_what_and_what_follows(self) -> None:
        for path in (ROOT / "docs" / "decisions").glob("[0-9]*.md"):
            text = path.read_text(encoding="utf-8")
            assert [part for part in ("**Why.**", "**What.**", "**What follows.**") if part not in text] == [], path


class TestChangelog:
    def test_has_the_version_of_the_package(self) -> None:
        assert f"\n## [{__version__}] - " in read("CHANGELOG.md")
