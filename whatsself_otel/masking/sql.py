"""Statements without their literals."""

from __future__ import annotations

import re
from typing import Final

# Quoted names stay; a quoted text that is no name is a literal to MySQL and SQLite. What is never closed is hidden to
# its end. A backslash before a quote means different things to different databases, so all behind it is hidden.
_PART: Final = re.compile(
    r"""
      (?P<ambiguous>'[^'\\]*\\'[\s\S]*)
    | (?P<literal>(?:[nNbBxXeE]|[uU]&)?'(?:[^']|'')*(?:'|\Z))
    | (?P<dollar>\$(?P<tag>[A-Za-z_]\w{0,62})?\$(?:[\s\S]*?\$(?(tag)(?P=tag))\$|[\s\S]*))
    | (?P<quoted>"(?:[^"]|"")*(?:"|\Z))
    | (?P<name>[@:$%`\[]{0,2}[A-Za-z_][\w$.]*|[$:@][0-9]{1,5}(?![0-9\w])|\+[0-9]{1,3}\*{8}[0-9]{0,4})
    | (?P<number>(?:0[xX][0-9a-fA-F]+|[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?)\w*)
    """,
    re.VERBOSE,
)
_QUOTED_NAME: Final = re.compile(r'"[A-Za-z_][\w$. ]{0,62}"')


def without_literals(statement: str) -> str:
    """*statement* with every literal replaced by ``?``, as OpenTelemetry's database conventions ask."""
    return _PART.sub(_replacement, statement)


def _replacement(part: re.Match[str]) -> str:
    kind = part.lastgroup
    if kind == "name" or (kind == "quoted" and _QUOTED_NAME.fullmatch(part[0])):
        return part[0]
    return "?"
