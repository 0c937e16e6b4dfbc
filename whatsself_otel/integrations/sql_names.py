"""What a span of SQL is called: by what it does to which table."""

from __future__ import annotations

import re
from typing import Final

_LEADING_COMMENT: Final = re.compile(r"\s*/\*.*?\*/", re.DOTALL)
_TARGET: Final = re.compile(
    r"\b(?:from|into|update|table(?: if not exists)?)\s+[\"`\[]?([a-z_][\w.]{0,62})", re.IGNORECASE
)
_MAX_SEARCHED: Final = 2_000


def span_name(statement: object) -> str:
    """Return ``SELECT contacts`` for a statement that selects from contacts; empty if it says nothing."""
    target = _TARGET.search(str(statement)[:_MAX_SEARCHED])
    return " ".join(filter(None, (operation_of(statement), target[1] if target else "")))


def operation_of(statement: object) -> str:
    """Return the first word of *statement* in capitals, comments skipped; empty if it has none."""
    words = _LEADING_COMMENT.sub("", str(statement)[:_MAX_SEARCHED]).split(maxsplit=1)
    return words[0].upper()[:32] if words else ""
