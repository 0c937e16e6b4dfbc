"""
Follows every link of the built site that stays inside it, and fails at one that leads nowhere. Nothing is fetched.

    python tools/check_site.py build/docs
"""

from __future__ import annotations

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class _Page(HTMLParser):
    """Anchors and links of one page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = {""}
        self.links: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        del tag
        found = dict(attrs)
        self.anchors |= {value for key in ("id", "name") if (value := found.get(key))}
        self.links |= {value for key in ("href", "src") if (value := found.get(key))}


def dead_links(site: Path) -> list[str]:
    """Return ``page: link`` for every link inside *site* whose file or anchor is not there."""
    pages = {path: _Page(path.read_text(encoding="utf-8")) for path in sorted(site.rglob("*.html"))}
    return [
        f"{path.relative_to(site)}: {link}"
        for path, page in pages.items()
        for link in sorted(page.links)
        if not (parts := urlsplit(link)).scheme and not parts.netloc and not _leads(path, unquote(link), pages)
    ]


def _leads(page: Path, link: str, pages: dict[Path, _Page]) -> bool:
    name, _, anchor = link.partition("#")
    target = (page.parent / name.partition("?")[0]).resolve() if name else page
    if target in pages:
        return anchor in pages[target].anchors
    return target.is_file()


def main(site: Path) -> int:
    """Print dead links and return 1 if there are any."""
    found = dead_links(site.resolve())
    print("\n".join(found) or "Every link inside the site leads somewhere.")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
