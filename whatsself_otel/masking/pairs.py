"""A name and its value in a text that is no data: ``key=value``, ``key: value``, parameters of a URL."""

from __future__ import annotations

import re
from bisect import bisect_left
from typing import Final

from whatsself_otel.masking import digits, phones
from whatsself_otel.masking.data import OPENING
from whatsself_otel.masking.keys import SEARCH_PARAMETERS, TECHNICAL_OWNERS, KeyPlan
from whatsself_otel.masking.reading import MASKED, MASKED_PHONE, Finding, Reading

# Read backwards from the sign: a key has one end and many possible starts.
_KEY_REVERSED: Final = re.compile(
    r" {0,2}([\"'`]?\\{0,3})(?:\]\w{0,16}\[){0,2}([\w.-]{0,63}[^\W\d])(?:-{1,2}(?![\w.-])|(?![\w.-]))"
)
_OWNER_BEFORE: Final = re.compile(r"([A-Za-z]{2,24})[ _.-]$")
_LINK: Final = re.compile(r"[=:]{1,2}>?(?:=(?!=))?")
_QUOTED: Final = re.compile(r"[ ]{0,2}[bruf]?(\\{0,3}[\"'])")
_PLAIN_WORD: Final = re.compile(r"[ \t]{0,2}([^\s,;&)}\]\"'<>]+)")
_SECRET_WORD: Final = re.compile(
    r"[ \t]{0,2}(<[^<>\n]{1,16384}>"
    r"|(?:[^\s,;&\"'<>]|[,;&](?![\s,;&]|$|[\w.-]{1,40}[=:])|[\"'<>](?=[^\s,;&)}\]\"'<>]))+)"
)
_REST_OF_LINE: Final = re.compile(r"[ \t]{0,2}([^\n\"<>]+)")
_NEXT_PAIR: Final = re.compile(r"[ \n][\w.-]{1,40}=(?!=)")
_NAME_END: Final = re.compile(r"[ ][\w.-]{1,40}=|[\n\"<>]|\Z")
_PROSE_ENDS: Final = {"body": _NEXT_PAIR, "name": _NAME_END}
"""Where an unquoted value ends, by its rule: a text may have lines, a name has one."""
_PARAMETER: Final = re.compile(r"[^&;\#\s\"'<>]*")
_TIME_RANGE: Final = re.compile(r"from=(1[0-9]{12})&to=(1[0-9]{12})(?![\w.-])")
_RANGE_START: Final = {"from": 0, "to": len("from=1732600000000&")}
"""How far before each name a range of times begins."""
_LONGEST_RANGE_MS: Final = 400 * 86_400_000
_FIRST_NAME: Final = re.compile(r"\w{1,64}(?==)")
_PARAMETER_STARTS: Final = frozenset("?&;#")
_PHONE_LIKE: Final = re.compile(r"[0-9][^0-9\n]{0,3}[0-9][^0-9\n]{0,3}[0-9][^0-9\n]{0,3}[0-9]|@")
_WHOLE_JID: Final = re.compile(
    r"(?:status|[0-9]{3,24}(?:-[0-9]{4,16})?(?:[._][0-9]{1,3})?(?::[0-9]{1,4})?)@[a-z.]{3,15}"
)
_AFTER_QUOTED: Final = re.compile(r"\s*\Z|\s{0,8}[,;)\]}>|&]|[ \t]{0,8}\n|[ \t]{1,8}[\w.-]{1,40}[=:]|:\s|\\")
_PLACEHOLDER: Final = re.compile(r"[ \t]{0,2}(?:\$[0-9]{1,4}|%s|%\(\w{1,64}\)s)(?=[\s,;:)]|\Z)")
"""Placeholders of a value that is bound to a statement or put into a text later."""
_TRAILING: Final = ".,:!)"
_BRACKETS: Final = frozenset("{[(")
_MAX_QUOTES: Final = 64


def read_first_parameter(reading: Reading) -> Finding | None:
    """Return the value of the first parameter: a query string on its own starts with a name."""
    name = _FIRST_NAME.match(reading.text)
    return None if name is None else read_pair(reading, name.end())


def read_pair(reading: Reading, at: int) -> Finding | None:
    """Return the value behind the ``=`` or ``:`` at *at*, if the name before it has a rule."""
    text = reading.text
    key = _KEY_REVERSED.match(text[max(0, at - 72) : at][::-1])
    if key is None:
        return None
    name = key[2][::-1]
    plan = reading.plan(name)
    if plan.rule is None:
        if not reading.is_url or name.lower() not in SEARCH_PARAMETERS:
            return None
        plan = KeyPlan("body")
    start = at - key.end()
    before = text[start - 1 : start] if start else ""
    is_parameter = text[at] == "=" and (before in _PARAMETER_STARTS if before else reading.is_url or "&" in text)
    if plan.ambiguous and not is_parameter and _is_of_a_thing(text, start):
        return None
    span = _parameter(reading, at) if is_parameter else _written(reading, at, key[1], plan)
    if span is None:
        return None
    if is_parameter and _is_in_time_range(text, start, name):
        return None
    is_quoted = text[span[0] - 1] in "\"'"
    return read_value(reading, plan, *span, is_quoted=is_quoted)


def read_value(reading: Reading, plan: KeyPlan, start: int, end: int, *, is_quoted: bool) -> Finding | None:
    """Return the part to mask of the value from *start* to *end* under a name of *plan*."""
    text = reading.text
    rule = plan.rule or ""
    value = text[start:end]
    if not value.strip() or _is_masked(text, start, end):
        return None
    if plan.spared is not None and plan.spared.fullmatch(value if is_quoted else value.rstrip(_TRAILING)):
        return None
    if rule != "phone":
        return Finding(start, end, rule)
    found = _number_at(reading, start)
    if found is not None and (found.end >= end or not is_quoted):
        return found
    if MASKED_PHONE.fullmatch(value) or _WHOLE_JID.fullmatch(value):
        return None
    return Finding(start, end, "phone", *phones.under_key(value))


def _is_masked(text: str, start: int, end: int) -> bool:
    """Return whether all that stands there is what masking has left."""
    mask = MASKED.match(text, start)
    return mask is not None and (mask.end() >= end or not text[mask.end() : end].strip(" \\\"'.,:;!?)]}>"))


def _number_at(reading: Reading, at: int) -> Finding | None:
    if reading.text[at : at + 1] == "+":
        return digits.read_plus(reading, at)
    return digits.grouped_number(reading, at)


def _is_of_a_thing(text: str, at: int) -> bool:
    """Return whether the word before the name at *at* says that it is a thing's (``thread name=``)."""
    owner = _OWNER_BEFORE.search(text, max(0, at - 26), at)
    return owner is not None and owner[1].lower() in TECHNICAL_OWNERS


def _is_in_time_range(text: str, at: int, name: str) -> bool:
    """
    Return whether the name at *at* is an end of ``from=…&to=…`` in milliseconds, as in Grafana's links.

    One such number alone could be somebody's hidden id; two that lie at most 400 days apart, the earlier one first, are
    times.
    """
    start = at - _RANGE_START.get(name, at + 1)
    if start < 0 or (start and text[start - 1] not in _PARAMETER_STARTS):
        return False
    found = _TIME_RANGE.match(text, start)
    return found is not None and 0 <= int(found[2]) - int(found[1]) <= _LONGEST_RANGE_MS


def _parameter(reading: Reading, at: int) -> tuple[int, int] | None:
    """Return the whole raw value: a character that the view has decoded may look like its end."""
    start = at + 1
    if start >= len(reading.text):
        return None
    starts = reading.view.starts
    found = _PARAMETER.match(reading.raw, start if starts is None else starts[start])
    if found is None or not found[0]:
        return None
    end = found.end() if starts is None else bisect_left(starts, found.end())
    return start, start + len(reading.text[start:end].rstrip(_TRAILING))


def _written(reading: Reading, at: int, quote: str, plan: KeyPlan) -> tuple[int, int] | None:
    text = reading.text
    link = _LINK.match(text, at)
    after = at + 1 if link is None else link.end()
    is_prose = text[at] == ":" and not quote and plan.ambiguous
    if is_prose or _PLACEHOLDER.match(text, after):
        return None
    opening = _QUOTED.match(text, after)
    if opening is not None:
        return _quoted(text, opening, is_data=bool(quote))
    if OPENING.match(text, after + (text[after : after + 1] == " ")):
        return None  # data, which has been read
    if plan.rule in _PROSE_ENDS and not quote:
        return _prose(text, after, _PROSE_ENDS[plan.rule])
    if plan.rule == "secret" and not quote:
        return _secret(text, at, after)
    return _word(text, after, quote, plan)


def _word(text: str, after: int, quote: str, plan: KeyPlan) -> tuple[int, int] | None:
    found = _PLAIN_WORD.match(text, after)
    if found is None or (quote and found[1][:1] in _BRACKETS) or (plan.numbers_pass and found[1].isdigit()):
        return None
    is_prose = plan.rule in {"phone", "document"} and not quote and not _PHONE_LIKE.search(found[1])
    return None if is_prose else found.span(1)


def _secret(text: str, at: int, after: int) -> tuple[int, int] | None:
    pattern = _REST_OF_LINE if _is_header(text, at) else _SECRET_WORD
    found = pattern.match(text, after)
    if found is None:
        return None
    start, end = found.span(1)
    kept = text[start:end].rstrip(")]}>,;\"'") if pattern is _SECRET_WORD and text[start] != "<" else text[start:end]
    return (start, start + len(kept)) if (kept and kept[0] not in _BRACKETS) or len(kept) > 1 else None


def _prose(text: str, after: int, end_of: re.Pattern[str]) -> tuple[int, int] | None:
    """What somebody wrote, to the next pair or the end."""
    start = after
    while text[start : start + 1] in {" ", "\t"} and start < after + 2:
        start += 1
    end = end_of.search(text, start)
    stop = len(text) if end is None else end.start()
    return (start, stop) if stop > start else None


def _quoted(text: str, opening: re.Match[str], *, is_data: bool) -> tuple[int, int]:
    """
    The text up to the mark that closes it; to the end if none does.

    In data it is the next mark. Elsewhere nobody escapes: it is the first mark behind which the text goes on as behind
    a value, or the last mark there is.
    """
    mark = opening[1]
    start = opening.end()
    end = last = _next_mark(text, mark, start)
    for _ in range(_MAX_QUOTES):
        if end < 0 or is_data or _AFTER_QUOTED.match(text, end + len(mark)):
            break
        last = end
        end = _next_mark(text, mark, end + len(mark))
    end = end if end >= 0 else last
    return start, end if end >= 0 else len(text)


def _next_mark(text: str, mark: str, at: int) -> int:
    end = text.find(mark, at)
    while end >= 0 and len(mark) == 1 and _slashes_before(text, end) % 2:
        end = text.find(mark, end + 1)
    return end


def _slashes_before(text: str, at: int) -> int:
    count = 0
    while count < 8 and text[at - count - 1 : at - count] == "\\":
        count += 1
    return count


def _is_header(text: str, at: int) -> bool:
    return text[max(0, at - 13) : at].lower().endswith(("authorization", "cookie"))
