"""The name of an SQL span: the operation and its table."""

from __future__ import annotations

import re
from typing import Final

_LEADING_COMMENT: Final = re.compile(r"\s*/\*.*?\*/", re.DOTALL)
_TARGET: Final = re.compile(
    r"\b(?:from|into|update|table(?: if not exists)?)\s+[\"`\[]?([a-z_][\w.]{0,62})", re.IGNORECASE
)
_MAX_SEARCHED: Final = 2_000


def span_name(statement: object) -> str:
    """Return ``SELECT contacts`` for a statement that selects from contacts; empty if no name can be read."""
    target = _TARGET.search(str(statement)[:_MAX_SEARCHED])
    return " ".join(filter(None, (operation_of(statement), target[1] if target else "")))


def operation_of(statement: object) -> str:
    """Return the first word of *statement* in capitals, after comments; empty if there is none."""
    words = _LEADING_COMMENT.sub("", str(statement)[:_MAX_SEARCHED]).split(maxsplit=1)
    return words[0].upper()[:32] if words else ""
