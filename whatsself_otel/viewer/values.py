"""Plain values out of OTLP's protobuf messages."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

_SHOWN_CHARACTERS: Final = 8_000
_LAST_NS: Final = 2**63 - 1
"""What SQLite can hold; OTLP's times are unsigned."""


def attributes(pairs: Iterable[KeyValue]) -> dict[str, Any]:
    """Return attributes as a dict that JSON can carry."""
    return {pair.key: plain(pair.value) for pair in pairs}


def plain(value: AnyValue) -> Any:
    """Return a value that JSON can carry: bytes as hexadecimal, infinities and NaN as text, long texts cut."""
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [plain(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return attributes(value.kvlist_value.values)
    return _scalar(getattr(value, kind)) if kind else None


def cut(text: str) -> str:
    """Return *text* no longer than a page can bear."""
    if len(text) <= _SHOWN_CHARACTERS:
        return text
    return f"{text[:_SHOWN_CHARACTERS]}… (+{len(text) - _SHOWN_CHARACTERS})"


def as_text(value: AnyValue) -> str:
    """Return a log body as text."""
    if value.WhichOneof("value") == "string_value":
        return cut(value.string_value)
    found = plain(value)
    return "" if found is None else cut(str(found))


def time_ns(value: int) -> int:
    """Return a time that fits into the store."""
    return min(value, _LAST_NS)


def _scalar(value: Any) -> Any:
    if isinstance(value, bytes):
        return cut(value.hex())
    if isinstance(value, str):
        return cut(value)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, int) and abs(value) > 2**53:
        return str(value)  # a browser's numbers end here
    return value
