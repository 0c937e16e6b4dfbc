"""The runbooks' two pages, taken apart by alert."""

from __future__ import annotations

import re

from markdown_pages import read

ENGLISH = "docs/runbooks.md"
PORTUGUESE = "docs/pt-BR/runbooks.md"
BOTH = (ENGLISH, PORTUGUESE)


def sections(page: str) -> dict[str, str]:
    """Return what *page* says of each alert, by the alert's name."""
    parts = re.split(r"^## (\w+)$", read(page), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def checks(section: str) -> str:
    """Return the part of a section that has queries to paste."""
    return re.split(r"^### (?:Fix|Correção)$", section, flags=re.MULTILINE)[0]


def commands(section: str) -> list[str]:
    """Return each line of the section that is typed into a shell."""
    found = re.findall(r"^ *```bash\n(.*?)^ *```$", section, re.DOTALL | re.MULTILINE)
    return [line.strip() for text in found for line in text.splitlines()]
