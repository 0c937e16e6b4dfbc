"""
Counts docstrings that open with a turned sentence ("What is due is sent"), and fails above 3 % of a folder.

    python tools/check_prose.py           the share of each folder
    python tools/check_prose.py --show    each such opening too
"""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT: Final = Path(__file__).resolve().parent.parent
FOLDERS: Final = ("whatsself_otel", "examples", "tests", "tools", "native", "benchmarks")
MOST: Final = 0.03
_NOUNS: Final = "what|who|whoever|whatever|which"
_VERBS: Final = (
    "is|are|was|were|has|have|had|may|must|came|comes|goes|went|stands|waits|takes|sends|writes|asks|arrives|leaves|ended"
    "|ends|happens|reads|runs|shows|lies|fails|needs|it|they|an|a|the|few|no"
)
_TURNED: Final = re.compile(
    rf"\b({_NOUNS}) ({_VERBS})\b"
    r"|\b(so long a|as ever|all the same|one too many|of its own|of their own|of our own|of old|by itself|for ever"
    r"|nobody|somebody else|gone|fares|told|tells|is said|said of|let go|lets go|begins anew|anew)\b"
    r"|, (a|an|the) [^,.]{1,60} too\b",
    re.IGNORECASE,
)


def openings(source: str) -> Iterator[tuple[int, str]]:
    """Yield the line and the first paragraph of each docstring, those of attributes included."""
    for node in ast.walk(ast.parse(source)):
        body = getattr(node, "body", None)
        for part in body if isinstance(body, list) else ():
            if (
                isinstance(part, ast.Expr)
                and isinstance(part.value, ast.Constant)
                and isinstance(part.value.value, str)
            ):
                yield part.lineno, " ".join(part.value.value.strip().split("\n\n")[0].split())


def is_turned(opening: str) -> bool:
    """Return whether *opening* puts its object or a clause before its verb."""
    return _TURNED.search(opening) is not None


def main(arguments: list[str]) -> int:
    """Print the share of each folder; return 1 if one is above the limit."""
    status = 0
    for folder in FOLDERS:
        found = [
            (f"{path.relative_to(ROOT)}:{line}", text)
            for path in sorted((ROOT / folder).rglob("*.py"))
            for line, text in openings(path.read_text(encoding="utf-8"))
        ]
        turned = [f"{place} {text}" for place, text in found if is_turned(text)]
        print(f"{folder}: {len(turned)} of {len(found):,} openings are turned ({len(turned) / len(found):.1%})")
        is_too_much = len(turned) > MOST * len(found)
        status |= is_too_much
        if is_too_much or "--show" in arguments:
            print(*turned, sep="\n")
    return status


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
