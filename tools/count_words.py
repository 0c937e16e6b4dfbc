"""
Count the words of the English pages in the site's navigation, generated references apart.

    python tools/count_words.py            # each page, the longest first, and the sum
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

DOCS: Final = Path(__file__).resolve().parent.parent / "docs"
MOST_WORDS: Final = 24_000
GENERATED: Final = (
    *("configuration", "command-line", "metrics", "masking", "vendors", "scale"),
    *("whatsapp/", "runbooks"),
)
"""Beginnings of the names of pages that `make generate` writes from the code."""
_TOCTREE: Final = re.compile(r"```\{toctree\}\n(.*?)```", re.DOTALL)


def navigation() -> list[str]:
    """Return the names of the English pages in the navigation, without those that are generated."""
    named = [line for tree in _TOCTREE.findall((DOCS / "index.md").read_text("utf-8")) for line in tree.splitlines()]
    decisions = [f"decisions/{path.stem}" for path in sorted((DOCS / "decisions").glob("0*.md"))]
    pages = ["index", *(name for name in named if name and not name.startswith((":", "("))), *decisions]
    return [name for name in pages if "pt-BR" not in name and not name.startswith(GENERATED)]


def words(text: str) -> int:
    """Return the number of words in a page, its code included, lists of the navigation left out."""
    return len(_TOCTREE.sub("", text).split())


def counted() -> dict[str, int]:
    """Return the words of each page."""
    return {name: words((DOCS / f"{name}.md").read_text("utf-8")) for name in navigation()}


def main() -> int:
    """Print the words of each page and their sum; return 1 above the limit."""
    found = counted()
    for name, number in sorted(found.items(), key=lambda each: -each[1]):
        print(f"{number:6,} {name}")
    print(f"{sum(found.values()):6,} of {MOST_WORDS:,}")
    return int(sum(found.values()) > MOST_WORDS)


if __name__ == "__main__":
    raise SystemExit(main())
