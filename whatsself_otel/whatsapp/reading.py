"""Read foreign JSON: each function takes anything and returns a value of its type, or None."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_ITEMS: Final = 20_000
"""Most items read of one list; a history sends 10,000 messages in one."""
MAX_TEXT: Final = 512
"""Longest text that is read; a longer one is no id, time or name."""
MAX_CODE: Final = 10_000_000
"""One more than the greatest valid code; every code of the providers is smaller."""
_MILLISECONDS: Final = 100_000_000_000
"""Greatest number of seconds, past the year 5000; a larger number is milliseconds."""
_LAST_SECOND: Final = 4_102_444_800
"""The end of 2099; a later time is invalid."""
_NAME: Final = re.compile(r"[a-z]+(?:[._-][a-z]+){1,4}")
_NOTHING: Final[Mapping[str, Any]] = {}
_FORM: Final = re.compile(rb"[A-Za-z]\w*=[\w.+%~*&=-]*", re.ASCII)
_MAX_FIELDS: Final = 200


def mapping(value: object) -> Mapping[str, Any]:
    """Return *value* if it is a JSON object, else an empty one."""
    return value if isinstance(value, Mapping) else _NOTHING


def read_form(body: bytes) -> Mapping[str, str] | None:
    """Return the fields of a posted form, as from a browser or Twilio; None if *body* is none."""
    if _FORM.fullmatch(body) is None:
        return None
    try:
        return dict(parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=_MAX_FIELDS))
    except ValueError:
        return None


def at_path(value: object, *names: str) -> Any:
    """Return the value at the path *names* in nested objects, or None."""
    for name in names:
        if not isinstance(value, Mapping):
            return None
        value = value.get(name)
    return value


def objects(value: object) -> Iterator[Mapping[str, Any]]:
    """Yield the JSON objects of a list; a single object counts as a list of one."""
    if isinstance(value, Mapping):
        yield value
    elif isinstance(value, list):
        yield from (item for item in islice(value, MAX_ITEMS) if isinstance(item, Mapping))


def text(value: object) -> str | None:
    """Return a short text that is not empty; a whole number becomes text."""
    if isinstance(value, str):
        return value if 0 < len(value) <= MAX_TEXT else None
    if isinstance(value, int) and not isinstance(value, bool) and -(10**20) < value < 10**20:
        return str(value)
    return None


def word(value: object) -> str:
    """Return a short text in lower case, or an empty one."""
    found = text(value)
    return "" if found is None else found.strip().lower()


def number(value: object) -> float | None:
    """Return a finite number, even if written as text."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if isinstance(value, str) and len(value) > 32:
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def error_code(value: object) -> int | None:
    """Return a provider's error code. A number with as many digits as a phone is none."""
    found = number(value)
    return int(found) if found is not None and 0 <= found < MAX_CODE and found == int(found) else None


def flag(value: object) -> bool | None:
    """Return a truth value."""
    return value if isinstance(value, bool) else None


def unix_time(value: object) -> float | None:
    """
    Return a time in Unix seconds.

    Takes seconds, milliseconds, ISO 8601, and the object that Node makes of a 64-bit number.
    """
    if isinstance(value, Mapping):
        value = value.get("low")
    seconds = number(value)
    if seconds is None:
        seconds = _iso_time(value)
    elif seconds > _MILLISECONDS:
        seconds /= 1000
    return seconds if seconds is not None and 0 < seconds < _LAST_SECOND else None


def _iso_time(value: object) -> float | None:
    if not isinstance(value, str) or not 10 <= len(value) <= 40:
        return None
    try:
        found = datetime.fromisoformat(value)
        return found.timestamp() if found.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None


def event_name(value: object) -> str:
    """Return the name of an unknown event if it looks like one, else ``unknown``: it must carry no content."""
    found = word(value)
    return found if len(found) <= 40 and _NAME.fullmatch(found) else "unknown"
