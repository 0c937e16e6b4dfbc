"""
Draws the folders of the package and their imports into docs/code-map.md, from the imports themselves.

    python tools/generate_architecture.py            # write
    python tools/generate_architecture.py --check    # exit 1 if the picture is not what would be drawn
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from imports import imports_of
from pages import write_or_check

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from imports import Import

ROOT: Final = Path(__file__).resolve().parent.parent
PACKAGE: Final = ROOT / "whatsself_otel"
PAGE: Final = ROOT / "docs" / "code-map.md"
_BEGIN: Final = "<!-- drawn by tools/generate_architecture.py from the imports; do not edit -->\n"
_END: Final = "<!-- end of the picture -->"


def arrows(imports: Iterable[Import]) -> list[tuple[str, str]]:
    """Return each folder's imports at run time, without modules at the root of the package."""
    folders = {path.name for path in PACKAGE.iterdir() if path.is_dir()}
    pairs = {(_folder(each.module), _folder(each.imported)) for each in imports if each.is_real}
    return sorted((one, other) for one, other in pairs if one != other and {one, other} <= folders)


def _folder(module: str) -> str:
    return (*module.split("."), "")[1]


def picture(pairs: Sequence[tuple[str, str]]) -> str:
    """Return the arrows as a diagram of Mermaid."""
    others: dict[str, list[str]] = {}
    for one, other in pairs:
        others.setdefault(one, []).append(other)
    lines = (f"    {one} --> {' & '.join(named)}" for one, named in others.items())
    return "\n".join(("```mermaid", "flowchart TD", *lines, "```", ""))


def page() -> str:
    """Return the whole page, with the picture as it should be."""
    before, _, rest = PAGE.read_text("utf-8").partition(_BEGIN)
    return "".join((before, _BEGIN, picture(arrows(imports_of(PACKAGE))), _END, rest.partition(_END)[2]))


def main(arguments: Sequence[str] | None = None) -> int:
    """Write or check the page."""
    return write_or_check(__doc__, {PAGE: page()}, arguments)


if __name__ == "__main__":
    sys.exit(main())
