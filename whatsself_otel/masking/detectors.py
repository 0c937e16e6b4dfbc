"""
What in a text is a phone, an address, a document or a secret, and where.

Compiled patterns find anchors (runs of digits, ``+``, ``@``, ``=``, ``:``); a function for each decides what stands
there. Text without anchors costs a pass each. Every pattern is bounded, so that time grows with the text and no faster.
"""

from __future__ import annotations

import binascii
import re
from bisect import bisect_left
from itertools import islice, pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

from whatsself_otel.masking import documents, phones
from whatsself_otel.masking.keys import SEARCH_PARAMETERS, KeyBook, KeyPlan
from whatsself_otel.masking.noise import View, look
from whatsself_otel.masking.sql import without_literals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Finding(NamedTuple):
    """One piece of a text that must not leave, in positions of the text itself."""

    start: int
    end: int
    rule: str
    digits: str = ""
    """The number, calling code included, of a phone or JID."""
    country: str = ""
    """Calling code; empty where it is not known."""
    kept: str = ""
    """What stays of it: a device suffix, the part of a statement without literals."""


class DetectorRule(NamedTuple):
    """A row of the documentation: what a detector recognises and what becomes of it."""

    rule: str
    recognises: str
    example: str


DETECTOR_RULES: Final = (
    DetectorRule("phone", "`+` and 7 to 15 digits, any separators", "+55 (11) 98765-4321"),
    DetectorRule("phone", "`00`, calling code, a length of that country's plan", "00 351 912 345 678"),
    DetectorRule(
        "phone", "11 to 15 digits that begin with a calling code and have a length of its plan", "5511987654321"
    ),
    DetectorRule("phone", "calling code as a group of its own, 11 digits and more", "44 20 7946 0958"),
    DetectorRule("phone", "Brazilian mobile, area code first, with or without separators", "11 98765-4321"),
    DetectorRule("phone", "Brazilian fixed line, area code first, with separators", "(11) 3456-7890"),
    DetectorRule("phone", "Brazilian number behind `0`, `0xx` or a carrier code", "0xx11 98765-4321"),
    DetectorRule("phone", "Brazilian mobile without area code, hyphen in its place", "98765-4321"),
    DetectorRule("phone", "after `tel:`, `sms:`, `wa.me/`, `phone=`", "https://wa.me/5511987654321"),
    DetectorRule("jid", "WhatsApp address; its domain, device and message id stay", "true_5511987654321@c.us_3EB0A1"),
    DetectorRule("email", "mail address", "joao@example.com"),
    DetectorRule("document", "CPF: formatted, or 11 digits with right check digits", "529.982.247-25"),
    DetectorRule("document", "CNPJ, alphanumeric too: formatted, or 14 with right check digits", "12.ABC.345/01DE-35"),
    DetectorRule("card", "13 to 19 digits of a known issuer that pass the Luhn check", "4111 1111 1111 1111"),
    DetectorRule("secret", "JSON web token", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln"),
    DetectorRule("secret", "`Bearer` and `Basic` credentials", "Bearer 9f8e7d6c5b4a"),
    DetectorRule("secret", "WhatsApp Business access token, private key block", "EAAG0123456789abcdefghijklmnopqrstuv"),
    DetectorRule("credentials", "user and password of a URL or DSN", "postgresql://app:pw@db/app"),
    DetectorRule("qr", "WhatsApp pairing string, base64 image", "2@Ab3dEf6hIj9lMn2pQr5tUv8xYz,aGVsbG8=,d29ybGQ="),
    DetectorRule(
        "sql",
        "parameters, rows and values that drivers write into errors",
        "Key (phone)=(5511987654321) already exists.",
    ),
)

# Two passes that cost little where nothing is: spans wide enough for a number, and signs.
_SPAN: Final = re.compile(r"[0-9(][0-9 .()xX\t-]{7,}+")
# What no phone is, is dropped first: epochs in milli- and microseconds, dates before a time, rows of single digits.
_START: Final = re.compile(
    r"[0-9(](?<![0-9*a-fA-F].)"
    r"(?!(?<=1)[0-9]{12}(?:[0-9]{3})?(?![0-9]))"
    r"(?!(?<=[12])[09][0-9]{2}-[01][0-9]-[0-3][0-9][T ][0-2][0-9]:)"
    r"(?!(?:[ \t.()-]{0,3}[0-9](?![0-9])){5})"
    r"(?=[0-9]{8}|(?:0? ?[xX]{2})?(?:[ \t.()-]{0,3}[0-9]){8}|[0-9]\.[0-9]{3}\.[0-9]{3}/"
    r"|(?<=0)0(?:[ \t.()-]{0,3}[0-9]){6})"
    r"(?:(?<=[0-9])[0-9]*+|(?<=\())"
)
_SIGN: Final = (
    r"[+@=:A-Z](?:"
    r"(?<=[\"'\]` ][=:])|(?<=[A-Za-z_][0-9_][=:])|(?<=(?:%s)[=:])|(?<=(?:%s)[=:])"
    r"|(?<=[A-Z])(?<![A-Z]{2})(?![0-9]{2}:[0-9]{2})(?=[0-9A-Z./]{0,16}-?[0-9]{2}(?![0-9A-Za-z]))"
    r"|(?<=@)"
    r"|(?<=:)(?=//)"
    r"|(?<=\+)(?=[ \t.()-]{0,3}[0-9](?:[ \t.()/-]{0,3}[0-9]){5})"
    r")"
)
# A number or address that nothing around makes ambiguous: most are, and need no judging of groups.
_EXACT: Final = re.compile(
    r"(?<![A-Za-z0-9.*\]-])(?:"
    r"([0-9]{10,15})@(?:s\.whatsapp\.net|c\.us)(?![^\W_]|-|\.[^\W_])"
    r"|(?:([0-9]{11,15})|[0-9]{3}\.[0-9]{3}\.[0-9]{3}-[0-9]{2})"
    r"(?![A-Za-z0-9@-]|[ \t.()_:-]{1,3}[0-9]| ?(?:bytes?|octets|[kKMG]i?B|B|ns|us|ms|µs)\b)"
    r")"
)
_NUMBER: Final = re.compile(r"\(?[0-9](?: ?[xX]{2})?(?:[ \t.()-]{0,3}[0-9]){6,24}")
_PLUS: Final = re.compile(r"\+[ \t.()-]{0,3}[0-9](?:[ \t.()/-]{0,3}[0-9]){5,18}")
_RUN: Final = re.compile(r"[0-9]+")
_SEPARATORS: Final = dict.fromkeys(map(ord, " +()./\t-"))
_UUID: Final = re.compile(r"[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}")
_TRACEPARENT: Final = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
_UUID_TAIL: Final = 24
_DATE: Final = re.compile(
    r"(?<![0-9])(?:(?:19|20)[0-9]{2}([.-])[0-9]{2}\1[0-9]{2}|[0-9]{2}([.-])[0-9]{2}\2(?:19|20)[0-9]{2})(?![0-9])"
)
_UNIT: Final = re.compile(r" ?(?:bytes?|octets|[kKMG]i?B|B|ns|us|ms|µs)\b")
_NAMED_NUMBER: Final = re.compile(
    r"(?:tel|cel|celular|whats|whatsapp|zap|wpp|contato|contact|numero|number|user)$", re.IGNORECASE
)
_LINK: Final = re.compile(r"(?:wa\.me/|signal\.me/\#p/)(\+?[ ]?[0-9][0-9 ().-]{4,20}[0-9])", re.IGNORECASE)
_CNPJ: Final = re.compile(
    r"(?<![0-9A-Za-z])(?:[0-9A-Z]{2}\.[0-9A-Z]{3}\.[0-9A-Z]{3}/[0-9A-Z]{4}-[0-9]{2}(?![0-9])|[0-9A-Z]{12}[0-9]{2}(?![0-9A-Za-z]))"
)

MAX_ANCHORS: Final = 2000
"""Places read in one text; the rest of it is hidden, and said: it would take long, and is no line for a person."""
_BEHIND: Final = 72  # the longest that is read backwards from an anchor: a mail address, a key
_MOST_GROUPS: Final = 8
_SHORTEST_NUMBER: Final = 8
_LONGEST_NUMBER: Final = 20  # exit prefix, carrier and the longest of any plan
_BRAZILIAN_SHAPES: Final = frozenset({(5, 4), (9,), (1, 4, 4), (1, 8), (3, 3, 3), (4, 5), (4, 4), (8,)})
_LOCAL_SHAPES: Final = frozenset({(5, 4), (1, 4, 4)})
_TRUNK_SHAPES: Final = frozenset({(1, 2), (3,), (1, 2, 2), (3, 2), (5,), (1, 4)})
_CARD_SHAPES: Final = frozenset({(4, 4, 4, 4), (4, 6, 5), (4, 6, 4), (6, 10)})

_REVERSED_LOCAL: Final = re.compile(r"[\w.%+-]{1,64}")
_DOMAIN: Final = re.compile(r"[^\W_](?:[^\W_]|-){0,62}(?:\.[^\W_](?:[^\W_]|-){0,62}){0,8}")
_TOP_LEVEL: Final = re.compile(r"(?:[^\W\d_]{2,24}|xn--[a-z0-9-]{2,59})$", re.IGNORECASE)
_JID_DOMAINS: Final = frozenset(
    {"s.whatsapp.net", "c.us", "g.us", "lid", "broadcast", "newsletter", "hosted", "hosted.lid", "call", "bot", "msgr"}
)
_JID_USER: Final = re.compile(r"([0-9]{3,24})(?:-[0-9]{4,16})?((?:[._][0-9]{1,3})?(?::[0-9]{1,4})?)$")
_WHOLE_JID: Final = re.compile(
    r"(?:status|[0-9]{3,24}(?:-[0-9]{4,16})?(?:[._][0-9]{1,3})?(?::[0-9]{1,4})?)@[a-z.]{3,15}"
)
_JID_AHEAD: Final = re.compile(
    r"(?:-[0-9]{4,16})?(?:[._][0-9]{1,3})?(?::[0-9]{1,4})?@(?:s\.whatsapp\.net|c\.us|g\.us|lid|broadcast|hosted|newsletter)"
    r"(?![^\W_]|-|\.[^\W_])",
    re.IGNORECASE,
)
_DEVICE: Final = re.compile(r"(?:[._][0-9]{1,3})?(?::[0-9]{1,4})?")
_WORD_BEFORE: Final = re.compile(r"(?:lid:)?[A-Za-z0-9.:-]{1,64}$")
_PAIRING: Final = re.compile(r"[A-Za-z0-9+/=]{16,512}(?:,[A-Za-z0-9+/=]{4,512}){1,6}")

_AUTHORITY: Final = re.compile(r"://(?!REDACTED:REDACTED@)([^\s/?\#\"'<>]{0,256})@")
_LOOSE_AUTHORITY: Final = re.compile(
    r"://(?!REDACTED:REDACTED@)([^\s\"'<>:@/]{0,128}:[^\s\"'<>]{0,256}|[^\s/?\#\"'<>]{0,256})@"
)
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,30}$")
_WEB_SCHEMES: Final = ("http", "https", "ws", "wss", "ftp")

# Read backwards from the sign: a key has one end and many possible starts.
_KEY_REVERSED: Final = re.compile(r" {0,2}([\"'`]?\\{0,3})(?:\]\w{0,16}\[){0,2}([\w.-]{0,63}[^\W\d])(?![\w.-])")
_QUOTED: Final = re.compile(r"[ ]{0,2}[bruf]?(\\{0,3}[\"'])")
_PLAIN_WORD: Final = re.compile(r"[ \t]{0,2}([^\s,;&)}\]\"'<>]+)")
_REST_OF_LINE: Final = re.compile(r"[ \t]{0,2}([^\n\"<>]+)")
_PLAIN_TEXT: Final = re.compile(r"[ \t]{0,2}([^\n\"<>]*?)(?= [\w.-]{1,40}=|[\n\"<>]|$)")
_PARAMETER: Final = re.compile(r"[^&;\#\s\"'<>]*")
_FIRST_NAME: Final = re.compile(r"\w{1,64}(?==)")
_PARAMETER_STARTS: Final = frozenset("?&;#")
_PHONE_LIKE: Final = re.compile(r"[0-9][^0-9\n]{0,3}[0-9][^0-9\n]{0,3}[0-9][^0-9\n]{0,3}[0-9]|@")
MASKED_PHONE: Final = re.compile(
    r"(?:\+[0-9]{1,3}\*{8}[0-9]{0,4}|\[masked:(?:phone|jid|email|error)\]|status|p_[0-9a-f]{24})(?:[._][0-9]{1,3})?(?::[0-9]{1,4})?(?:@[a-z.]{3,15})?"
)
"""What masking leaves of a phone or address: it is not masked again."""
_MASKED: Final = re.compile(r"\[masked:[a-z0-9_]{1,40}\]|REDACTED:REDACTED|\?(?=[\s,;)\]}&'\"]|\Z)")


class Literal(NamedTuple):
    """A detector that is only worth its pattern when one of its needles is there."""

    needles: tuple[str, ...]
    pattern: re.Pattern[str]
    rule: str


_LITERALS: Final = (
    Literal(("eyJ",), re.compile(r"(?<![A-Za-z0-9-])eyJ[\w-]{5,}(?:\.[\w-]{2,}){0,4}"), "secret"),
    Literal(
        ("earer", "EARER"),
        re.compile(r"(?<![A-Za-z])bearer[ \t:=]{1,3}(?!\[masked)([\w.~+/=-]{6,})", re.IGNORECASE),
        "secret",
    ),
    Literal(("asic ", "ASIC "), re.compile(r"(?<![A-Za-z])basic +([A-Za-z0-9+/]{6,}={0,2})", re.IGNORECASE), "secret"),
    Literal(("EAA",), re.compile(r"(?<![A-Za-z0-9])EAA[A-Za-z0-9]{24,}"), "secret"),
    Literal(
        ("PRIVATE KEY-----",),
        re.compile(r"-----BEGIN [A-Z ]{0,32}PRIVATE KEY-----[^-]{0,16384}(?:-----END [A-Z ]{0,32}PRIVATE KEY-----)?"),
        "secret",
    ),
    Literal(("base64,",), re.compile(r"data:image/[\w.+-]{1,32};base64,(?!\[masked)([A-Za-z0-9+/=]+)"), "qr"),
    Literal(("arameters: ",), re.compile(r"\[?parameters: (?!\[masked)([^\n]+?)(?=\]?(?:\n|\Z))"), "sql"),
    Literal(("ow contains (",), re.compile(r"[Rr]ow contains \((?!\[masked)([^\n]*)"), "sql"),
    Literal(
        ("Key (",),
        re.compile(r"Key \([^)\n]{1,256}\)=\((?!\[masked)([^\n]*?)(?=\) (?:already|is |conflicts|,)|\)?\.?(?:\n|$))"),
        "sql",
    ),
    Literal(("Duplicate entry '",), re.compile(r"Duplicate entry '(?!\[masked)([^\n]*?)(?=' for key|\n|$)"), "sql"),
    Literal(("invalid input",), re.compile(r"invalid input[^\n:]{0,80}: (?!\[masked)([^\n]+)"), "sql"),
)
_STATEMENT: Final = re.compile(r"\[SQL: ([\s\S]+?)(?=\]\s{0,8}(?:\[parameters|\(Background|\Z)|\Z)")
# Whether any literal or link can be there, in one pass. Each begins with a letter that is rare in prose.
_NEEDLE: Final = re.compile(
    r"bearer|Bearer|BEARER|bEARER|basic |Basic |BASIC |bASIC |base64,|yJ|EAA|PRIVATE KEY-----|parameters: "
    r"|w contains \(|Key \(|Duplicate entry '|valid input|\.me/|\.ME/|\[SQL: "
)
# A text that is wholly one of these holds nothing personal: an id, a time, or words with fewer digits than a phone.
_HARMLESS: Final = re.compile(
    r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}"
    r"|[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-9]{2}(?:\.[0-9]{1,9})?(?:Z|[+-][0-9]{2}:?[0-9]{2})?"
    r"|[0-9a-f]{32}"
    r"|3EB0[0-9A-F]{16,18}"
    r"|c(?![a-z0-9]{0,17}[0-9]{7})[a-z0-9]{24}"
    r"|[a-z_/-]{1,64}(?:[0-9][a-z_/-]{0,64}){0,5}"
)
is_harmless: Final = _HARMLESS.fullmatch
"""Matches a text of a shape that holds nothing personal: an id, a time, a word or path."""


class Detectors:
    """
    Find what is personal in texts.

    Args:
        plan: What the key rules say about a name; used for ``key=value`` and JSON inside a text.
        book: The same rules, for the endings of their names.
    """

    def __init__(self, plan: Callable[[str], KeyPlan], book: KeyBook) -> None:
        self._plan = plan
        sign = _SIGN % (_alternatives(book.endings(3)), _alternatives(book.endings(2)))
        self._sign = re.compile(sign)
        self._sign_of_url = re.compile(f"=|{sign}")

    def find(self, text: str, *, is_url: bool = False) -> list[Finding]:
        """What is in *text*, in order, never overlapping."""
        if is_harmless(text):
            return []
        view = look(text)
        if is_url and "+" in view.text:
            view = View(_PLUS_AS_SPACE.sub(" ", view.text), view.starts, view.ends)
        plain = view.text
        pattern = self._sign_of_url if is_url else self._sign
        has_needle = _NEEDLE.search(plain) is not None
        if not has_needle and pattern.search(plain) is None and not _has_number(plain):
            return []
        signs = map(re.Match.start, pattern.finditer(plain))
        scan = _Scan(text, view, self._plan, is_url=is_url)
        scan.read(next(signs, len(plain)), signs, has_needle=has_needle)
        return scan.findings


def _has_number(text: str) -> bool:
    """Return whether `_Scan` would stop at a number: a scan costs more than to ask."""
    for span in _SPAN.finditer(text):
        start, end = span.span()
        if end - start >= _SHORTEST_NUMBER and _START.search(text, start, end + 1) is not None:
            return True
    return False


def _alternatives(endings: frozenset[str]) -> str:
    """The endings of masked names, in any case, as one pattern that is quick to say no."""
    groups: dict[str, list[str]] = {}
    for ending in sorted(endings):
        groups.setdefault(ending[0], []).append("".join(map(_any_case, ending[1:])))
    return "|".join(f"{_any_case(first)}(?:{'|'.join(rest)})" for first, rest in groups.items())


def _any_case(char: str) -> str:
    return f"[{char.lower()}{char.upper()}]" if char.isalpha() and char.isascii() else re.escape(char)


_PLUS_AS_SPACE: Final = re.compile(r"(?<=[0-9()-])\+(?=[0-9()-])")


class _Scan:
    """One reading of one text."""

    __slots__ = ("_done", "_is_url", "_plan", "_raw", "_text", "_view", "findings")

    def __init__(self, raw: str, view: View, plan: Callable[[str], KeyPlan], *, is_url: bool) -> None:
        self._raw = raw
        self._view = view
        self._text = view.text
        self._plan = plan
        self._is_url = is_url
        self._done = 0
        self.findings: list[Finding] = []

    def read(self, sign: int, signs: Iterator[int], *, has_needle: bool) -> None:
        """Fill the findings; *sign* is the first of all *signs*."""
        taken = sorted(self._literal_findings(), reverse=True) if has_needle else []
        if self._is_url and (first := self._first_parameter()) is not None:
            self._add(first)
        left = MAX_ANCHORS
        for at in self._anchors(sign, signs):
            while taken and taken[-1].start <= at:
                self._add(taken.pop())
            if at < self._done:
                continue
            if not left:
                self._give_up(at)
                break
            left -= 1
            found = self._at(at)
            if found is not None and not (taken and _gives_way(found, taken[-1])):
                self._add(found)
        for found in reversed(taken):
            self._add(found)
        if self._view.starts is not None:
            span = self._view.span
            self.findings = [Finding(*span(found.start, found.end), *found[2:]) for found in self.findings]

    def _anchors(self, sign: int, signs: Iterator[int]) -> Iterator[int]:
        """Where something may begin, in order; numbers only where nothing was found before."""
        text = self._text
        last = len(text)
        for span in _SPAN.finditer(text):
            resume, end = span.span()
            while sign < resume:
                yield sign
                sign = next(signs, last)
            while end - max(resume, self._done) >= _SHORTEST_NUMBER:
                number = _START.search(text, max(resume, self._done), end + 1)
                if number is None:
                    break
                at, resume = number.span()
                while sign < at:
                    yield sign
                    sign = next(signs, last)
                yield at
        while sign < last:
            yield sign
            sign = next(signs, last)

    def _give_up(self, at: int) -> None:
        """Hide the rest: a text with so many places that may be personal takes time, and nobody reads it."""
        self._add(Finding(max(self._done, at - _BEHIND), len(self._text), "size"))

    def _add(self, found: Finding) -> None:
        if found.start >= self._done and found.end > found.start:
            self.findings.append(found)
            self._done = found.end

    # -- needles ------------------------------------------------------------------------------------------------------

    def _literal_findings(self) -> Iterator[Finding]:
        text = self._text
        for literal in _LITERALS:
            if any(needle in text for needle in literal.needles):
                for found in literal.pattern.finditer(text):
                    start, end = found.span(found.lastindex or 0)
                    if _is_credential(literal, text[start:end]):
                        yield Finding(start, end, literal.rule)
        if "[SQL: " in text:
            yield from self._statements()
        for found in _LINK.finditer(text):
            digits = _digits(found[1])
            yield Finding(*found.span(1), "phone", digits, phones.international(digits) or phones.calling_code(digits))

    def _statements(self) -> Iterator[Finding]:
        for found in _STATEMENT.finditer(self._text):
            plain = without_literals(found[1])
            if plain != found[1]:
                yield Finding(*found.span(1), "statement", kept=plain)

    # -- anchors ------------------------------------------------------------------------------------------------------

    def _at(self, at: int) -> Finding | None:
        text = self._text
        char = text[at]
        if char == "(" or "0" <= char <= "9":
            exact = _EXACT.match(text, at)
            return self._exact(exact) if exact is not None else self._number(at) or self._cnpj(at)
        if char == "@":
            return self._address(at)
        if char in "=:":
            return self._authority(at) if text.startswith("://", at) else self._pair(at)
        return self._plus(at) if char == "+" else self._cnpj(at)

    def _cnpj(self, at: int) -> Finding | None:
        low = max(self._done, at - 17)
        for found in _CNPJ.finditer(self._text, low, at + 20):
            if found.start() <= at < found.end() and _is_written_cnpj(found[0]):
                return Finding(*found.span(), "document")
        return None

    def _exact(self, found: re.Match[str]) -> Finding | None:
        kind = found.lastindex
        if kind is None:
            return Finding(*found.span(), "document")
        digits = found[kind]
        if kind == 1:
            return Finding(*found.span(1), "jid", digits, phones.international(digits) or phones.calling_code(digits))
        judged = _bare(digits)
        return None if judged is None else Finding(*found.span(), *judged)

    # -- numbers ------------------------------------------------------------------------------------------------------

    def _plus(self, at: int) -> Finding | None:
        chunk = _PLUS.match(self._text, at)
        if chunk is None:
            return None
        digits = _digits(chunk[0])
        code = phones.calling_code(digits)
        if code and phones.has_length(code, len(digits)):
            return Finding(at, chunk.end(), "phone", digits, code)
        return self._plus_cut(at, chunk.end())

    def _plus_cut(self, at: int, end: int) -> Finding | None:
        """The most groups that are a number together."""
        runs = [run.span() for run in _RUN.finditer(self._text, at, end)]
        cut: Finding | None = None
        for size in range(len(runs), 0, -1):
            digits = "".join([self._text[a:b] for a, b in runs[:size]])
            code = phones.calling_code(digits)
            if code and phones.has_length(code, len(digits)):
                return Finding(at, runs[size - 1][1], "phone", digits, code)
            if cut is None and phones.SHORTEST_DIGITS <= len(digits) <= phones.E164_MAX_DIGITS + 1 and digits[0] != "0":
                cut = Finding(at, runs[size - 1][1], "phone", digits, code)
        return cut

    def _number(self, at: int) -> Finding | None:
        text = self._text
        chunk = _NUMBER.match(text, at)
        if chunk is None or self._is_inside_word(at):
            return None
        if text[at - 1 : at] == "-" and at >= _UUID_TAIL and _UUID.match(text, at - _UUID_TAIL):
            return None
        runs = [run.span() for run in islice(_RUN.finditer(text, at, chunk.end()), _MOST_GROUPS)]
        if _JID_AHEAD.match(text, runs[0][1]):
            return None
        for size in range(len(runs), 0, -1):
            end = runs[size - 1][1]
            if end - at < _SHORTEST_NUMBER:
                break
            if _is_alphanumeric(text[end : end + 1]):
                continue
            judged = self._judge(at, runs[:size])
            if judged is not None and not self._is_in_identifier(at, end):
                rule, digits, country = judged
                start = at + 1 if text[at] == "(" and ")" not in text[at:end] else at
                return Finding(start, end, rule, digits, country)
        return None

    def _is_inside_word(self, at: int) -> bool:
        before = self._text[at - 1 : at]
        return _is_alphanumeric(before) and _NAMED_NUMBER.search(self._text, max(0, at - 10), at) is None

    def _is_in_identifier(self, at: int, end: int) -> bool:
        """Whether the number is a part of a UUID or a traceparent."""
        text = self._text
        if "-" not in text[max(0, at - 1) : end + 1]:
            return False
        window = max(0, at - 55)
        return any(
            identifier.start() <= at < identifier.end() or at <= identifier.start() < end
            for pattern in (_UUID, _TRACEPARENT)
            for identifier in pattern.finditer(text, window, end + 55)
        )

    def _judge(self, at: int, runs: list[tuple[int, int]]) -> tuple[str, str, str] | None:
        text = self._text
        if len(runs) == 1:
            start, end = runs[0]
            return None if end - start < _SHORTEST_NUMBER or self._is_measure(start, end) else _bare(text[start:end])
        digits = "".join([text[a:b] for a, b in runs])
        if not _SHORTEST_NUMBER <= len(digits) <= _LONGEST_NUMBER:
            return None
        sizes = tuple([b - a for a, b in runs])
        gaps = [text[end:start] for (_, end), (start, _) in pairwise(runs)]
        if self._is_time_or_figure(at, sizes, gaps) or _DATE.search(text, at, runs[-1][1]):
            return None
        return _grouped(digits, sizes, gaps)

    def _is_measure(self, start: int, end: int) -> bool:
        """Whether the run is a part of a decimal fraction or carries a unit."""
        text = self._text
        if _UNIT.match(text, end):
            return True
        fraction = _RUN.match(text, end + 1) if text[end : end + 1] == "." else None
        if fraction is not None and len(fraction[0]) < 11 and fraction[0].strip("0"):
            return True
        if start < 2 or text[start - 1] != "." or not text[start - 2].isdigit():
            return False
        return not text[max(0, start - 12) : start - 1].isdigit() or start < 12

    def _is_time_or_figure(self, at: int, sizes: tuple[int, ...], gaps: list[str]) -> bool:
        text = self._text
        if sizes[0] <= 2 and at > 1 and text[at - 1] == ":" and text[at - 2].isdigit():
            return True
        if set(gaps) != {"."}:
            return len(sizes) > 2 and set(sizes) == {2} and text[at : at + 2] != "00"
        is_decimal = len(sizes) == 2
        is_address = len(sizes) == 4 and max(sizes) <= 3
        return is_decimal or is_address or all(size == 3 for size in sizes[1:])

    # -- addresses ----------------------------------------------------------------------------------------------------

    def _address(self, at: int) -> Finding | None:
        is_known = at == self._done and self.findings and self.findings[-1].rule == "jid"
        domain = None if is_known else _DOMAIN.match(self._text, at + 1)
        if domain is None:
            return None
        host = domain[0].lower()
        if host in _JID_DOMAINS:
            return self._jid(at, host)
        if self._text[at - 1 : at].isdigit() and (pairing := _PAIRING.match(self._text, at + 1)) is not None:
            return Finding(at - 1, pairing.end(), "qr")
        if "." not in host or not (host[-2:].isalpha() or _TOP_LEVEL.search(host)):
            return None
        local = _REVERSED_LOCAL.match(self._text[max(self._done, at - 64) : at][::-1])
        if local is None or self._text.endswith("REDACTED", 0, at):
            return None
        return Finding(at - local.end(), domain.end(), "email")

    def _jid(self, at: int, host: str) -> Finding | None:
        low = max(self._done, at - 48)
        user = _JID_USER.search(self._text, low, at)
        if user is None:
            if low == self._done and _DEVICE.fullmatch(self._text, low, at):
                return None
            word = _WORD_BEFORE.search(self._text, low, at)
            if word is None or word[0] in {"status", "p"} or self._text[word.start() - 1 : word.start()] in {"*", "_"}:
                return None
            return Finding(word.start(), at, "jid")
        if self._text[user.start() - 1 : user.start()] in {"*", "]"}:
            return None
        is_phone = host in {"s.whatsapp.net", "c.us", "hosted"} or "-" in user[0]
        country = phones.international(user[1]) or (phones.calling_code(user[1]) if is_phone else "")
        return Finding(user.start(), at, "jid", user[1], country if is_phone else "", kept=user[2])

    def _authority(self, at: int) -> Finding | None:
        scheme = _SCHEME.search(self._text[max(0, at - 32) : at])
        web = scheme is None or scheme[0].lower() in _WEB_SCHEMES
        found = (_AUTHORITY if web else _LOOSE_AUTHORITY).match(self._text, at)
        return None if found is None or not found[1] else Finding(found.start(1), found.end(1), "credentials")

    # -- pairs --------------------------------------------------------------------------------------------------------

    def _first_parameter(self) -> Finding | None:
        """A query string on its own starts with a name."""
        name = _FIRST_NAME.match(self._text)
        return None if name is None else self._pair(name.end())

    def _pair(self, at: int) -> Finding | None:
        text = self._text
        key = _KEY_REVERSED.match(text[max(0, at - 72) : at][::-1])
        if key is None:
            return None
        name = key[2][::-1]
        plan = self._plan(name)
        rule = plan.rule
        if rule is None and (not self._is_url or name.lower() not in SEARCH_PARAMETERS):
            return None
        before = text[at - key.end() - 1 : at - key.end()]
        is_parameter = text[at] == "=" and (before in _PARAMETER_STARTS if before else self._is_url)
        if rule is None:
            rule = "body"
        span = self._parameter(at) if is_parameter else self._written_value(at, key[1], plan)
        if span is None:
            return None
        if rule == "phone":
            found = self._number_at(span[0])
            quoted = text[span[0] - 1] in "\"'"
            if found is not None and (found.end >= span[1] or not quoted):
                return found
        return self._pair_finding(rule, *span)

    def _number_at(self, at: int) -> Finding | None:
        if self._text[at : at + 1] == "+":
            return self._plus(at)
        return self._number(at) if _NUMBER.match(self._text, at) else None

    def _pair_finding(self, rule: str, start: int, end: int) -> Finding | None:
        value = self._text[start:end]
        if not value.strip() or _MASKED.match(self._text, start) or (rule == "phone" and MASKED_PHONE.fullmatch(value)):
            return None
        if rule != "phone":
            return Finding(start, end, rule)
        if _WHOLE_JID.fullmatch(value):
            return None
        digits, country = phones.under_key(value)
        return Finding(start, end, "phone", digits, country)

    def _parameter(self, at: int) -> tuple[int, int] | None:
        """The whole raw value: what is decoded in the view may look like its end."""
        start = at + 1
        if start >= len(self._text):
            return None
        starts = self._view.starts
        found = _PARAMETER.match(self._raw, start if starts is None else starts[start])
        if found is None or not found[0]:
            return None
        end = found.end() if starts is None else bisect_left(starts, found.end())
        return start, start + len(self._text[start:end].rstrip(".,:!)"))

    def _written_value(self, at: int, quote: str, plan: KeyPlan) -> tuple[int, int] | None:
        text = self._text
        is_loose = text[at] == ":" and not quote
        if is_loose and plan.ambiguous:
            return None
        opening = _QUOTED.match(text, at + 1)
        if opening is not None:
            return self._quoted(opening)
        pattern = _PLAIN_WORD
        if quote:
            pattern = _PLAIN_WORD
        elif plan.rule == "secret" and _is_header(text, at):
            pattern = _REST_OF_LINE
        elif plan.rule in {"body", "name"}:
            pattern = _PLAIN_TEXT
        found = pattern.match(text, at + 1)
        if found is None or found[1][:1] in set("={[(:"):
            return None
        if plan.numbers_pass and found[1].isdigit():
            return None
        if plan.rule == "phone" and not quote and not _PHONE_LIKE.search(found[1]):
            return None
        return found.span(1)

    def _quoted(self, opening: re.Match[str]) -> tuple[int, int]:
        """The text up to the mark that opened it; to the end if it never closes."""
        mark = opening[1]
        end = self._text.find(mark, opening.end())
        while end >= 0 and len(mark) == 1 and _slashes_before(self._text, end) % 2:
            end = self._text.find(mark, end + 1)
        return opening.end(), end if end >= 0 else len(self._text)


def _gives_way(found: Finding, literal: Finding) -> bool:
    """Whether *found* lies inside what a literal detector takes, or reaches into it."""
    return literal.start < found.end and (found.start >= literal.start or found.end < literal.end)


def _slashes_before(text: str, at: int) -> int:
    count = 0
    while count < 8 and text[at - count - 1 : at - count] == "\\":
        count += 1
    return count


def _is_header(text: str, at: int) -> bool:
    return text[max(0, at - 13) : at].lower().endswith(("authorization", "cookie"))


def _is_alphanumeric(char: str) -> bool:
    return char.isascii() and char.isalnum()


def _digits(text: str) -> str:
    return text.translate(_SEPARATORS)


def _is_credential(literal: Literal, value: str) -> bool:
    if literal.needles[0] == "earer":
        return len(value) >= 20 or any(char.isdigit() for char in value)
    if literal.needles[0] == "asic ":
        return _is_user_and_password(value)
    return True


def _is_user_and_password(value: str) -> bool:
    try:
        return b":" in binascii.a2b_base64(value)
    except binascii.Error:
        return False


def _bare(digits: str) -> tuple[str, str, str] | None:  # noqa: PLR0911 - one line a kind
    """What one run of digits is."""
    size = len(digits)
    if digits[:2] == "00":
        return _prefixed(digits)
    if size < 11:
        return None
    if size == 14 and documents.is_cnpj(digits):
        return "document", "", ""
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
    if len(digits) >= 11 and country and sizes[0] in ({2, 4} if country == phones.BRAZIL else {len(country)}):
        return "phone", digits, country
    return None


def _has_trunk_shape(sizes: tuple[int, ...]) -> bool:
    return any(sizes[:at] in _TRUNK_SHAPES and sizes[at:] in _BRAZILIAN_SHAPES for at in range(1, len(sizes)))
