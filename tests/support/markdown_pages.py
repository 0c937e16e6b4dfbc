"""The project's pages, taken apart: fences, commands, paragraphs and links."""

from __future__ import annotations

import ast
import re
import subprocess
import textwrap
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
READMES = ("README.md", "README.pt-BR.md")

_FENCE = re.compile(r"^( *)```([\w{}-]+)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)#\s]+)[^)]*\)")


@dataclass(frozen=True)
class Fence:
    language: str
    text: str

    @property
    def lines(self) -> list[str]:
        return self.text.splitlines()


def read(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def fences(page: str, *languages: str) -> list[Fence]:
    found = [Fence(language, textwrap.dedent(text)) for _, language, text in _FENCE.findall(read(page))]
    return [fence for fence in found if not languages or fence.language in languages]


def inline_code(page: str) -> list[str]:
    return re.findall(r"`([^`\n]+)`", prose(page))


def prose(page: str) -> str:
    """The page without its fences."""
    return _FENCE.sub("", read(page))


def paragraphs(page: str) -> list[str]:
    """Paragraphs, headings and rows of tables, each on its own."""
    blocks = re.split(r"\n\s*\n", prose(page))
    return [part for block in blocks for part in (block.splitlines() if block.startswith("|") else [block])]


def indented_code(page: str) -> list[str]:
    """Code that is set apart by four spaces alone; what belongs to a list is none."""
    blocks = re.split(r"\n\s*\n", prose(page))
    is_item = [re.match(r" {0,3}([-*]|\d+\.) ", block) is not None for block in blocks]
    return [
        block
        for number, block in enumerate(blocks)
        if block.startswith("    ") and not any(is_item[max(0, number - 3) : number])
    ]


def commands(page: str, language: str = "sh") -> list[str]:
    return [line for fence in fences(page, language) for line in fence.lines if line]


def links(page: str) -> list[str]:
    """Return the page's links inside the project."""
    return [target for target in _LINK.findall(prose(page)) if "://" not in target]


def tracked_pages() -> list[str]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
    return [page for page in listed if (ROOT / page).is_file()]


def table_rows(page: str, heading: str = "") -> list[list[str]]:
    """Cells of the first table after *heading*, without its head."""
    lines = read(page).partition(heading)[2].splitlines() if heading else read(page).splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("|"))
    rows = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip().replace(r"\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]])
    return rows


def is_a_test(reference: str) -> bool:
    """Whether ``path::Class::function`` is there; nothing is imported."""
    path, *names = reference.split("::")
    if not (ROOT / path).is_file():
        return False
    body: list[ast.stmt] = ast.parse(read(path)).body
    for name in names:
        found = [item for item in body if getattr(item, "name", None) == name]
        if not found:
            return False
        body = getattr(found[0], "body", [])
    return True
