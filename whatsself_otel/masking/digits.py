"""Numbers in a text: separate phones, papers and cards from times, figures and parts of ids."""

from __future__ import annotations

import re
from itertools import islice, pairwise
from typing import Final

from whatsself_otel.masking import documents, phones, regions
from whatsself_otel.masking.reading import Finding, Reading, is_alphanumeric

SHORTEST_NUMBER: Final = 8
LONGEST_NUMBER: Final = 20  # exit prefix, carrier and the longest of any plan
SHORTEST_BARE: Final = 11
_MOST_GROUPS: Final = 8
_GROUPS_OF_NO_VERSION: Final = 4
_BEFORE_VALUES: Final = frozenset(":= \"'\\")

# A number or address that nothing around makes ambiguous: most are, and need no judging of groups.
_EXACT: Final = re.compile(
    r"(?<![A-Za-z0-9.*\]-])(?:"
    r"([0-9]{10,15})@(?:s\.whatsapp\.net|c\.us)(?![^\W_]|-|\.[^\W_])"
    r"|(?:([0-9]{11,15})|[0-9]{3}\.[0-9]{3}\.[0-9]{3}-[0-9]{2})"
    r"(?![A-Za-z0-9@-]|[ \t.()_:-]{1,3}[0-9]| ?(?:bytes?|octets|ns)\b)"
    r")"
)
_NUMBER: Final = re.compile(r"\(?[0-9](?: ?[xX]{2})?(?:[ \t.()-]{0,3}[0-9]){6,24}")
# "+ and any separators": what is wider than a narrow separator has to fit the plan of its country.
_ANY: Final = r"[ \t.()/_,'|*\\=\[\]\r\n-]{0,3}"
AFTER_PLUS: Final = rf"{_ANY}[0-9](?:{_ANY}[0-9]){{5}}"
"""The shortest text behind the ``+`` of a phone."""
_PLUS: Final = re.compile(rf"\+{_ANY}[0-9](?:{_ANY}[0-9]){{5,18}}")
_USUAL_PLUS: Final = re.compile(rf"\+(?:[ \t.()/-]{{0,3}}[0-9]){{6,19}}(?!{_ANY}[0-9])")
_NARROW: Final = re.compile(r"[ \t.()/-]{0,3}")
_RUN: Final = re.compile(r"[0-9]+")
_NOT_DIGITS: Final = re.compile(r"[^0-9]+")
_UUID: Final = re.compile(r"[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}")
_TRACEPARENT: Final = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
_UUID_TAIL: Final = 24
_REFERENCE_BEFORE: Final = re.compile(r"wa[mc]id:[0-9a-f]{0,24}$")
_ID_KEY_REVERSED: Final = re.compile(r"[\"'\\]{0,4} ?(?:[=:]|>=) ?[\"'\\]{0,4}([\w.-]{2,64})")
_ARN_BEFORE: Final = re.compile(r"arn:[^\s\"']{0,76}:$")
_DATE: Final = re.compile(
    r"(?<![0-9])(?:(?:19|20)[0-9]{2}([.-])[0-9]{2}\1[0-9]{2}|[0-9]{2}([.-])[0-9]{2}\2(?:19|20)[0-9]{2})(?![0-9])"
)
# The years in which no Egyptian number looks like a time (2010, 2011, 2012 and 2015 begin mobiles).
_TIMESTAMP: Final = re.compile(
    r"20(?:1[6-9]|[234][0-9])(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])(?:[01][0-9]|2[0-3])[0-5][0-9](?:[0-5][0-9])?"
    r"|(?:0[1-9]|[12][0-9]|3[01])(?:0[1-9]|1[0-2])20(?:1[6-9]|[234][0-9])(?:[01][0-9]|2[0-3])[0-5][0-9][0-5][0-9]"
)
# Eleven digits and more before any other unit are a phone: a week has twelve digits of microseconds.
_UNIT: Final = re.compile(r" ?(?:bytes?|octets|ns)\b")
_OTHER_UNIT: Final = re.compile(r" ?(?:[kKMG]i?B|B|us|ms|µs)\b")
_WORD_BEFORE: Final = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{1,24}$")
_LETTERS_BEHIND: Final = re.compile(r"[A-Za-z]{1,3}(?![A-Za-z0-9])")
_HEX_SIZES: Final = frozenset({16, 24, 32, 40, 64})
_JID_AHEAD: Final = re.compile(
    r"(?:-[0-9]{4,16})?(?:[._][0-9]{1,3})?(?::[0-9]{1,4})?@(?:s\.whatsapp\.net|c\.us|g\.us|lid|broadcast|hosted|newsletter)"
    r"(?![^\W_]|-|\.[^\W_])",
    re.IGNORECASE,
)
_CNPJ: Final = re.compile(
    r"(?<![0-9A-Za-z])(?:[0-9A-Z]{2}\.[0-9A-Z]{3}\.[0-9A-Z]{3}/[0-9A-Z]{4}-[0-9]{2}(?![0-9])|[0-9A-Z]{12}[0-9]{2}(?![0-9A-Za-z]))"
)
_LOOSE_CNPJ: Final = re.compile(
    r"(?<![0-9A-Za-z])(?!0x)[0-9A-Za-z]{2}[. ]?[0-9A-Za-z]{3}[. ]?[0-9A-Za-z]{3}[/ ]?[0-9A-Za-z]{4}[- ]?[0-9]{2}"
)
_NOT_IN_CNPJ: Final = re.compile(r"[^0-9A-Za-z]")
# Its last part, in any case and punctuation. Each begins with one class of characters: all texts are searched.
_CNPJ_TAIL: Final = re.compile(r"/[0-9A-Za-z]{4}-?[0-9]{2}(?![0-9A-Za-z])")
LOWER_TAIL: Final = re.compile(r"[0-9][0-9](?![0-9A-Za-z])(?<=[0-9a-z]{14})(?<![0-9A-Za-z].{14})")
_BRAZILIAN_SHAPES: Final = frozenset({(5, 4), (9,), (1, 4, 4), (1, 8), (3, 3, 3), (4, 5), (4, 4), (8,)})
_LOCAL_SHAPES: Final = frozenset({(5, 4), (1, 4, 4)})
_TRUNK_SHAPES: Final = frozenset({(1, 2), (3,), (1, 2, 2), (3, 2), (5,), (1, 4)})
_CARD_SHAPES: Final = frozenset({(4, 4, 4, 4), (4, 6, 5), (4, 6, 4), (6, 10), (4, 4, 4, 3)})


def digits_of(text: str) -> str:
    """Return the digits of *text*."""
    return _NOT_DIGITS.sub("", text)


def read_number(reading: Reading, at: int) -> Finding | None:
    """Return the phone, paper or card that begins at *at*, a digit or an opening parenthesis."""
    exact = _EXACT.match(reading.text, at)
    if exact is not None:
        found = _exact(exact, reading.codes)
        may_be_id = found is not None and reading.text[at - 1 : at] in _BEFORE_VALUES
        return None if may_be_id and _is_part_of_id(reading, at, exact.end()) else found
    return grouped_number(reading, at) or read_cnpj(reading, at)


def read_cnpj(reading: Reading, at: int) -> Finding | None:
    """Return the CNPJ that stands around *at*."""
    low = max(reading.done, at - 17)
    for found in _CNPJ.finditer(reading.text, low, at + 20):
        if found.start() <= at < found.end() and _is_written_cnpj(found[0]):
            return Finding(*found.span(), "document")
    return None


def loose_cnpjs(text: str) -> list[Finding]:
    """Return every CNPJ with letters in any case, or with half of its punctuation."""
    has_lower = LOWER_TAIL.search(text) is not None
    if not has_lower and "/" not in text:
        return []
    ends = [end.end() for pattern in (LOWER_TAIL, _CNPJ_TAIL) for end in pattern.finditer(text)]
    return [found for end in ends if (found := _loose_cnpj(text, end)) is not None]


def _loose_cnpj(text: str, end: int) -> Finding | None:
    for start in range(max(0, end - 18), end - 13):
        code = _LOOSE_CNPJ.fullmatch(text, start, end)
        if code is not None and not code[0].isdigit() and documents.is_cnpj(_NOT_IN_CNPJ.sub("", code[0]).upper()):
            return Finding(start, end, "document")
    return None


def read_plus(reading: Reading, at: int) -> Finding | None:
    """Return the phone behind the ``+`` at *at*: the most groups that are a number together."""
    text = reading.text
    usual = _USUAL_PLUS.match(text, at)
    if usual is not None:
        digits = digits_of(usual[0])
        code = phones.calling_code(digits)
        if code and phones.has_length(code, len(digits)):
            return Finding(at, usual.end(), "phone", digits, code)
    return _unusual_plus(text, at)


def _unusual_plus(text: str, at: int) -> Finding | None:
    chunk = _PLUS.match(text, at)
    if chunk is None:
        return None
    runs = [run.span() for run in _RUN.finditer(text, at, chunk.end())]
    is_narrow = [_NARROW.fullmatch(text, at + 1, runs[0][0]) is not None]
    is_narrow += [is_narrow[0] and _NARROW.fullmatch(text, a, b) is not None for (_, a), (b, _) in pairwise(runs)]
    cut: Finding | None = None
    for size in range(len(runs), 0, -1):
        digits = "".join([text[a:b] for a, b in runs[:size]])
        narrow = all(is_narrow[:size])
        for number in (digits, phones.without_national_zero(digits)):
            code = phones.calling_code(number)
            if code and (phones.has_length(code, len(number)) if narrow else phones.international(number)):
                return Finding(at, runs[size - 1][1], "phone", number, code)
        in_range = phones.SHORTEST_DIGITS <= len(digits) <= phones.E164_MAX_DIGITS + 1
        # One run that is longer than any number: digits that go on behind a number belong to it.
        goes_on = size == 1 and len(digits) > phones.E164_MAX_DIGITS + 1
        if cut is None and narrow and (in_range or goes_on) and digits[0] != "0":
            end = _RUN.match(text, runs[size - 1][1]) if goes_on else None
            cut = Finding(at, end.end() if end else runs[size - 1][1], "phone", digits, phones.calling_code(digits))
    return cut


def grouped_number(reading: Reading, at: int) -> Finding | None:
    """Return the longest run of groups from *at* on that is something together."""
    text = reading.text
    chunk = _NUMBER.match(text, at)
    if chunk is None:
        return None
    if is_alphanumeric(text[at - 1 : at]):
        return _glued(reading, at)
    if text[at - 1 : at] == "-" and at >= _UUID_TAIL and _UUID.match(text, at - _UUID_TAIL):
        return None
    runs = [run.span() for run in islice(_RUN.finditer(text, at, chunk.end()), _MOST_GROUPS)]
    if _JID_AHEAD.match(text, runs[0][1]):
        return None
    for size in range(len(runs), 0, -1):
        end = runs[size - 1][1]
        if end - at < SHORTEST_NUMBER:
            break
        if is_alphanumeric(text[end : end + 1]) and (size > 1 or not _ends_in_letters(text, at, end)):
            continue
        judged = _judge(text, at, runs[:size], reading.codes)
        if judged is not None and not _is_part_of_id(reading, at, end):
            rule, digits, country = judged
            start = at + 1 if text[at] == "(" and ")" not in text[at:end] else at
            return Finding(start, end, rule, digits, country)
    return None


def _exact(found: re.Match[str], codes: tuple[str, ...]) -> Finding | None:
    kind = found.lastindex
    if kind is None:
        return Finding(*found.span(), "document")
    digits = found[kind]
    if kind == 1:
        return Finding(*found.span(1), "jid", digits, phones.international(digits) or phones.calling_code(digits))
    judged = _bare(digits) or _national(digits, (len(digits),), codes)
    return None if judged is None else Finding(*found.span(), *judged)


def _glued(reading: Reading, at: int) -> Finding | None:
    """Return the whole international number that follows a word without a space (``phone5511987654321``)."""
    text = reading.text
    run = _RUN.match(text, at)
    word = _WORD_BEFORE.search(text, max(0, at - 25), at)
    if run is None or word is None or _JID_AHEAD.match(text, run.end()):
        return None
    digits, end = run[0], run.end()
    if is_alphanumeric(text[end : end + 1]) or not SHORTEST_BARE <= len(digits) <= phones.E164_MAX_DIGITS:
        return None
    if _is_hex_id(text[word.start() : end]) or _is_part_of_id(reading, at, end) or _is_timestamp(digits):
        return None
    if country := phones.international(digits):
        return Finding(at, end, "phone", digits, country)
    is_local = len(digits) == SHORTEST_BARE and phones.is_brazilian_mobile(digits)
    return Finding(at, end, "phone", phones.BRAZIL + digits, phones.BRAZIL) if is_local else None


def _ends_in_letters(text: str, at: int, end: int) -> bool:
    """Return whether one bare international number stands before a letter or two (``5511987654321x``)."""
    if not SHORTEST_BARE < end - at <= phones.E164_MAX_DIGITS or not phones.international(text[at:end]):
        return False
    letters = _LETTERS_BEHIND.match(text, end)
    return letters is not None and letters[0] != "ns" and not _is_hex_id(text[at : letters.end()])


def _is_hex_id(word: str) -> bool:
    return len(word) in _HEX_SIZES and not word.strip("0123456789abcdefABCDEF")


def _is_part_of_id(reading: Reading, at: int, end: int) -> bool:
    """Return whether the number is a part of a UUID, traceparent, ARN or reference, or stands under an id's name."""
    text = reading.text
    before = text[at - 1 : at]
    if (is_alphanumeric(before) or before == ":") and (
        _REFERENCE_BEFORE.search(text, max(0, at - 32), at) or _ARN_BEFORE.search(text, max(0, at - 80), at)
    ):
        return True
    if before in _BEFORE_VALUES:
        key = _ID_KEY_REVERSED.match(text[max(0, at - 72) : at][::-1])
        if key is not None and reading.plan(key[1][::-1]).reader == "id":
            return True
    if "-" not in text[max(0, at - 1) : end + 1]:
        return False
    window = max(0, at - 55)
    return any(
        identifier.start() <= at < identifier.end() or at <= identifier.start() < end
        for pattern in (_UUID, _TRACEPARENT)
        for identifier in pattern.finditer(text, window, end + 55)
    )


def _judge(text: str, at: int, runs: list[tuple[int, int]], codes: tuple[str, ...]) -> tuple[str, str, str] | None:
    if len(runs) == 1:
        start, end = runs[0]
        if end - start < SHORTEST_NUMBER or _is_measure(text, start, end):
            return None
        return _bare(text[start:end]) or _national(text[start:end], (end - start,), codes)
    digits = "".join([text[a:b] for a, b in runs])
    if not SHORTEST_NUMBER <= len(digits) <= LONGEST_NUMBER:
        return None
    sizes = tuple([b - a for a, b in runs])
    gaps = [text[end:start] for (_, end), (start, _) in pairwise(runs)]
    if _DATE.search(text, at, runs[-1][1]):
        return None
    if _is_time_or_figure(text, at, sizes, gaps):
        return _national(digits, sizes, codes) if digits[0] == "0" and "." not in gaps else None
    is_version = set(gaps) == {"."} and len(sizes) < _GROUPS_OF_NO_VERSION
    return _grouped(digits, sizes, gaps) or (None if is_version else _national(digits, sizes, codes))


def _national(digits: str, sizes: tuple[int, ...], codes: tuple[str, ...]) -> tuple[str, str, str] | None:
    """What of a configured country *digits* are, a time left out."""
    if not codes or _is_timestamp(digits):
        return None
    number, code = regions.national(digits, sizes, codes)
    return ("phone", number, code) if number else None


def _is_measure(text: str, start: int, end: int) -> bool:
    """Return whether the run is a part of a decimal fraction or carries a unit."""
    digits = text[start:end]
    is_long = len(digits) >= SHORTEST_BARE
    is_mobile = digits[:2] == phones.BRAZIL and phones.is_brazilian_mobile(digits[2:])
    if _UNIT.match(text, end) and not is_mobile:
        return True
    if not is_long and _OTHER_UNIT.match(text, end):
        return True
    fraction = _RUN.match(text, end + 1) if text[end : end + 1] == "." else None
    if fraction is not None and len(fraction[0]) < 11 and fraction[0].strip("0") and not is_long:
        return True
    if start < 2 or text[start - 1] != "." or not text[start - 2].isdigit():
        return False
    return not text[max(0, start - 12) : start - 1].isdigit() or start < 12


def _is_time_or_figure(text: str, at: int, sizes: tuple[int, ...], gaps: list[str]) -> bool:
    if sizes[0] <= 2 and at > 1 and text[at - 1] == ":" and text[at - 2].isdigit():
        return True
    if set(gaps) != {"."}:
        return len(sizes) > 2 and set(sizes) == {2} and text[at : at + 2] != "00"
    is_decimal = len(sizes) == 2 and sizes[0] < SHORTEST_BARE
    is_address = len(sizes) == 4 and max(sizes) <= 3
    return is_decimal or is_address or all(size == 3 for size in sizes[1:])


def _is_timestamp(digits: str) -> bool:
    return len(digits) in {12, 14} and _TIMESTAMP.fullmatch(digits) is not None


def _bare(digits: str) -> tuple[str, str, str] | None:  # noqa: PLR0911 - one line a kind
    """What one run of digits is."""
    size = len(digits)
    if _is_timestamp(digits):
        return None
    if size == 14 and documents.is_cnpj(digits):
        return "document", "", ""
    if digits[:2] == "00":
        return _prefixed(digits)
    if size < SHORTEST_BARE:
        return None
    if size >= 15 and documents.is_card(digits):
        return "card", "", ""
    if digits[0] == "0":
        return _prefixed(digits) or (("document", "", "") if documents.is_cpf(digits) else None)
    if size == 11 and phones.is_brazilian_mobile(digits):
        return "phone", phones.BRAZIL + digits, phones.BRAZIL
    if size == 11 and documents.is_cpf(digits):
        return "document", "", ""
    if country := phones.international(digits):
        return "phone", digits, country
    return ("card", "", "") if documents.is_card(digits) else None


def _is_written_cnpj(code: str) -> bool:
    return "/" in code or (not code.isdigit() and documents.is_cnpj(code))


def _prefixed(digits: str) -> tuple[str, str, str] | None:
    if rest := phones.without_exit(digits):
        return "phone", rest, phones.calling_code(rest)
    if rest := phones.without_trunk(digits):
        return "phone", phones.BRAZIL + rest, phones.BRAZIL
    return None


def _grouped(  # noqa: PLR0911 - one line a kind
    digits: str, sizes: tuple[int, ...], gaps: list[str]
) -> tuple[str, str, str] | None:
    """What groups of digits are together."""
    if sizes == (3, 3, 3, 2) and (gaps == [".", ".", "-"] or documents.is_cpf(digits)):
        return "document", "", ""
    if sizes == (9, 2) and documents.is_cpf(digits):
        return "document", "", ""
    if sizes == (2, 3, 3, 4, 2) and documents.is_cnpj(digits):
        return "document", "", ""
    if sizes in _CARD_SHAPES and documents.is_card(digits):
        return "card", "", ""
    if digits.startswith("00"):
        return _prefixed(digits)
    if digits[0] == "0":
        return _prefixed(digits) if _has_trunk_shape(sizes) else None
    if sizes[0] == 2 and sizes[1:] in _BRAZILIAN_SHAPES and phones.is_brazilian(digits):
        return "phone", phones.BRAZIL + digits, phones.BRAZIL
    if sizes in _LOCAL_SHAPES and gaps[-1] == "-" and digits[0] == "9":
        return "phone", phones.BRAZIL + digits, phones.BRAZIL
    country = phones.international(digits)
    if (
        len(digits) >= SHORTEST_BARE
        and country
        and sizes[0] in ({2, 4} if country == phones.BRAZIL else {len(country)})
    ):
        return "phone", digits, country
    return None


def _has_trunk_shape(sizes: tuple[int, ...]) -> bool:
    return any(sizes[:at] in _TRUNK_SHAPES and sizes[at:] in _BRAZILIAN_SHAPES for at in range(1, len(sizes)))
