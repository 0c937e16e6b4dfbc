"""Convert values to the types of JSON and OTLP, so that none can break its line or batch."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, Final

MAX_TEXT: Final = 32_768
"""Longest text that leaves, in characters."""

_SURROGATES: Final = re.compile("[\ud800-\udfff]")
_CONTROLS: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def clean_text(text: str) -> str:
    """Return *text* with lone surrogates replaced: one of them would cost the whole batch."""
    return _SURROGATES.sub("\ufffd", text) if not text.isascii() else text


def plain(value: object, depth: int = 6) -> Any:
    """Return *value* in the types of JSON and OTLP; any other type becomes text."""
    if type(value) is str:
        return clean_text(value)[:MAX_TEXT]
    if depth and isinstance(value, Mapping):
        return {clean_text(safe_str(key)): plain(item, depth - 1) for key, item in value.items()}
    if depth and isinstance(value, list | tuple | set | frozenset):
        return [plain(item, depth - 1) for item in value]
    if value is None or isinstance(value, bool) or (isinstance(value, int) and -(2**63) <= value < 2**63):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    return clean_text(safe_str(value))[:MAX_TEXT]


def safe_str(value: object) -> str:
    """Return the text of *value*, or a note if its ``__str__`` fails."""
    try:
        return str(value)
    except Exception:  # noqa: BLE001 - an object may forbid to be shown
        return f"[unprintable {type(value).__name__}]"


def inert(text: str) -> str:
    """Return *text* with every control character escaped, so that a terminal shows it but does not obey it."""
    return _CONTROLS.sub(lambda match: f"\\x{ord(match[0]):02x}", text)
