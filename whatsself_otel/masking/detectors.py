"""
What in a text is a phone, an address, a document or a secret, and where.

Compiled patterns find anchors (runs of digits, ``+``, ``@``, ``=``, ``:``); a reader for each decides what stands
there. Text without anchors costs a pass each. Every pattern is bounded, so that time grows with the text and no faster.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from typing import TYPE_CHECKING, Final, NamedTuple

from whatsself_otel.masking.addresses import read_address, read_authority
from whatsself_otel.masking.data import BEHIND_OPENING, OPENING, Data, read_data
from whatsself_otel.masking.digits import (
    AFTER_PLUS,
    SHORTEST_NUMBER,
    loose_cnpjs,
    read_cnpj,
    read_number,
    read_plus,
)
from whatsself_otel.masking.literals import NEEDLES, has_literal, read_literals
from whatsself_otel.masking.noise import View, look
from whatsself_otel.masking.pairs import read_first_parameter, read_pair, read_value
from whatsself_otel.masking.reading import Finding, Reading
from whatsself_otel.masking.references import REFERENCE_DIGITS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from whatsself_otel.masking.keys import KeyPlan, KeyRules


class DetectorRule(NamedTuple):
    """A row of the documentation: one detector, its finds and their replacement."""

    rule: str
    recognises: str
    example: str


DETECTOR_RULES: Final = (
    DetectorRule(
        "phone",
        "`+` and 7 to 15 digits, any separators; other than space, hyphen, dot, slash and parentheses only where the "
        "digits fit the plan of their country; a trunk zero (`(0)`) is left out",
        "+55 (11) 98765-4321",
    ),
    DetectorRule("phone", "`00`, calling code, a length of that country's plan", "00 351 912 345 678"),
    DetectorRule(
        "phone",
        "11 to 15 digits that begin with a calling code and have a length of its plan, right behind a word too",
        "5511987654321",
    ),
    DetectorRule("phone", "calling code as a group of its own, 11 digits and more", "44 20 7946 0958"),
    DetectorRule("phone", "Brazilian mobile, area code first, with or without separators", "11 98765-4321"),
    DetectorRule("phone", "Brazilian fixed line, area code first, with separators", "(11) 3456-7890"),
    DetectorRule("phone", "Brazilian number behind `0`, `0xx` or a carrier code", "0xx11 98765-4321"),
    DetectorRule("phone", "Brazilian mobile without area code, hyphen in its place", "98765-4321"),
    DetectorRule(
        "phone", "national number of a country in `regions`: nine digits and more, in groups or bare", "0612345678"
    ),
    DetectorRule("phone", "after `tel:`, `sms:`, `wa.me/`, `phone=`", "https://wa.me/5511987654321"),
    DetectorRule("jid", "WhatsApp address; its domain, device and message id stay", "true_5511987654321@c.us_3EB0A1"),
    DetectorRule("jid", "group made by a phone; a group's own id stays", "5511987654321-1612345678@g.us"),
    DetectorRule(
        "wamid",
        "id of a message or call of the Cloud API, which is base64 around a phone: it becomes its reference",
        "wamid.HBgNNTUxMTk4NzY1NDMyMRUCABIYFjNFQjBDNzY3RDI2QTFCMkM0RAA=",
    ),
    DetectorRule("email", "mail address", "joao@example.com"),
    DetectorRule("document", "CPF: formatted, or 11 digits with right check digits", "529.982.247-25"),
    DetectorRule(
        "document",
        "CNPJ, with letters in any case: formatted, or 14 with right check digits, half of the punctuation too",
        "12.ABC.345/01DE-35",
    ),
    DetectorRule("document", "BR code of PIX", "00020126580014br.gov.bcb.pix0136a1b2c3d4-0000-4000-8000-000000000000"),
    DetectorRule("card", "13 to 16 digits of a known issuer that pass the Luhn check", "4111 1111 1111 1111"),
    DetectorRule("secret", "JSON web token", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln"),
    DetectorRule("secret", "`Bearer` and `Basic` credentials", "Bearer 9f8e7d6c5b4a"),
    DetectorRule("secret", "WhatsApp Business access token, private key block", "EAAG0123456789abcdefghijklmnopqrstuv"),
    DetectorRule("secret", "tokens with the public prefix of their provider", "npm_" + 9 * "0a1B"),
    DetectorRule("secret", "token in a path", "/instances/3C/token/9F8E7D6C5B4A39281706/send-text"),
    DetectorRule("secret", "value of a secret's option", "app.py --api-key 9F8E7D6C5B4A"),
    DetectorRule("secret", "bytes as Node shows them", "<Buffer 05 1a 2b 3c 4d 5e 6f 70 81 92>"),
    DetectorRule("credentials", "user and password of a URL or DSN", "postgresql://app:pw@db/app"),
    DetectorRule(
        "qr",
        "WhatsApp pairing string, base64 image, QR code drawn with block characters",
        "2@Ab3dEf6hIj9lMn2pQr5tUv8xYz,aGVsbG8=,d29ybGQ=",
    ),
    DetectorRule("body", "contact card", "BEGIN:VCARD VERSION:3.0 FN:Joana END:VCARD"),
    DetectorRule(
        "sql",
        "parameters, rows and values in errors of PostgreSQL (English, Portuguese), MySQL, SQL Server, MongoDB",
        "Key (phone)=(5511987654321) already exists.",
    ),
)

# Two passes that cost little where nothing is: spans wide enough for a number, and signs.
_SPAN: Final = re.compile(r"[0-9(][0-9 .()xX\t-]{7,}+")
# What no phone is, is dropped first: epochs in milli- and microseconds, dates before a time, rows of single digits.
_START: Final = re.compile(
    r"[0-9(](?<![0-9].)(?<!\*\*.)(?:(?<![a-fA-F].)|(?=[0-9]{11}))"
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
    r"|(?<=\+)(?=%s)"
    r")"
)

MAX_ANCHORS: Final = 2000
"""Places read in one text; the rest of it is hidden, and said: it would take long, and is no line for a person."""
_BEHIND: Final = 72  # the longest that is read backwards from an anchor: a mail address, a key

# A text that is wholly one of these holds nothing personal: an id, a time, or words with fewer digits than a phone.
_HARMLESS: Final = re.compile(
    r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}"
    r"|[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-9]{2}(?:\.[0-9]{1,9})?(?:Z|[+-][0-9]{2}:?[0-9]{2})?"
    r"|[0-9a-f]{32}"
    r"|3EB0[0-9A-F]{16,18}"
    rf"|wa[mc]id:[0-9a-f]{{{REFERENCE_DIGITS}}}"
    r"|c(?![a-z0-9]{0,17}[0-9]{7})[a-z0-9]{24}"
    r"|[a-z_/-]{1,64}(?:[0-9][a-z_/-]{0,64}){0,5}"
)
is_harmless: Final = _HARMLESS.fullmatch
"""Matches a text of a shape that holds nothing personal: an id, a time, a word or path."""


class Detectors:
    """
    Find personal data in texts.

    Args:
        plan: What the key rules say about a name; used for ``key=value`` and JSON inside a text.
        key_rules: The same rules, for the endings of their names.
        codes: Calling codes of countries whose national numbers are read beside Brazil's.
    """

    def __init__(self, plan: Callable[[str], KeyPlan], key_rules: KeyRules, codes: tuple[str, ...] = ()) -> None:
        self._plan = plan
        self._key_rules = key_rules
        self._codes = codes
        sign = _SIGN % (_alternatives(key_rules.endings(3)), _alternatives(key_rules.endings(2)), AFTER_PLUS)
        self._sign = re.compile(sign)
        self._sign_of_url = re.compile(f"=|{sign}")

    def find(self, text: str, *, is_url: bool = False) -> list[Finding]:
        """Return the findings in *text*, in order, never overlapping."""
        if is_harmless(text):
            return []
        view = look(text)
        if is_url and "+" in view.text:
            view = View(_PLUS_AS_SPACE.sub(" ", view.text), view.starts, view.ends)
        plain = view.text
        pattern = self._sign_of_url if is_url else self._sign
        has_special = _SPECIAL.search(plain) is not None
        has_needle = has_special and has_literal(plain)
        has_data = (has_special or view.starts is not None) and OPENING.search(text) is not None
        if not (has_needle or has_data) and pattern.search(plain) is None and not _has_number(plain):
            return _in_text(loose_cnpjs(plain), view)
        reading = Reading(text, view, self._plan, self._key_rules, self._codes, is_url=is_url)
        data = read_data(text, self._plan, self._key_rules) if has_data else _NO_DATA
        taken = _data_findings(reading, data)
        if has_needle:
            taken += read_literals(reading)
        taken += loose_cnpjs(plain)
        _scan(reading, map(re.Match.start, pattern.finditer(plain)), _longest(taken), _in_view(data.links, view))
        return _in_text(reading.findings, view)


def _scan(reading: Reading, signs: Iterator[int], taken: list[Finding], links: set[int]) -> None:
    """Add the finding of a reader at each anchor, unless a longer one of *taken* covers it."""
    taken.reverse()
    if reading.is_url and (first := read_first_parameter(reading)) is not None and not _covers(taken, first):
        reading.add(first)
    left = MAX_ANCHORS
    for at in _anchors(reading, signs):
        while taken and taken[-1].start <= at:
            reading.add(taken.pop())
        if at < reading.done or at in links:
            continue
        if not left:
            reading.add(Finding(max(reading.done, at - _BEHIND), len(reading.text), "size"))
            break
        left -= 1
        found = _at(reading, at)
        if found is not None and not _covers(taken, found):
            reading.add(found)
    for found in reversed(taken):
        reading.add(found)


def _covers(taken: list[Finding], found: Finding) -> bool:
    """Return whether *found* lies inside the next of *taken*, or reaches into it."""
    if not taken:
        return False
    next_taken = taken[-1]
    return next_taken.start < found.end and (found.start >= next_taken.start or found.end < next_taken.end)


def _at(reading: Reading, at: int) -> Finding | None:
    text = reading.text
    char = text[at]
    if char == "(" or "0" <= char <= "9":
        return read_number(reading, at)
    if char == "@":
        return read_address(reading, at)
    if char in "=:":
        return read_authority(reading, at) if text.startswith("://", at) else read_pair(reading, at)
    return read_plus(reading, at) if char == "+" else read_cnpj(reading, at)


def _anchors(reading: Reading, signs: Iterator[int]) -> Iterator[int]:
    """Yield where something may begin, in order; numbers only where nothing was found before."""
    text = reading.text
    last = len(text)
    sign = next(signs, last)
    for span in _SPAN.finditer(text):
        resume, end = span.span()
        while sign < resume:
            yield sign
            sign = next(signs, last)
        while end - max(resume, reading.done) >= SHORTEST_NUMBER:
            number = _START.search(text, max(resume, reading.done), end + 1)
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


def _data_findings(reading: Reading, data: Data) -> list[Finding]:
    findings = []
    starts = reading.view.starts
    for value in data.values:
        start, end, plan, is_quoted, is_loose = value
        if starts is not None:
            start, end = bisect_left(starts, start), bisect_left(starts, end)
        if (is_loose and not is_quoted and plan.ambiguous) or end <= start:
            continue
        found = read_value(reading, plan, start, end, is_quoted=is_quoted)
        if found is not None:
            findings.append(found)
    return findings


def _longest(findings: list[Finding]) -> list[Finding]:
    """Return *findings* in order, of those that overlap one that covers both."""
    if len(findings) < 2:
        return findings
    findings.sort(key=lambda found: (found.start, -found.end))
    kept = findings[:1]
    for found in findings[1:]:
        before = kept[-1]
        if found.start >= before.end:
            kept.append(found)
        elif found.end > before.end:
            kept[-1] = Finding(before.start, found.end, before.rule)
    return kept


def _in_view(links: set[int], view: View) -> set[int]:
    starts = view.starts
    return links if starts is None or not links else {bisect_left(starts, link) for link in links}


def _in_text(findings: list[Finding], view: View) -> list[Finding]:
    if view.starts is None:
        return findings
    return [Finding(*view.span(found.start, found.end), *found[2:]) for found in findings]


def _has_number(text: str) -> bool:
    """Return whether a scan would stop at a number: it costs more than to ask."""
    for span in _SPAN.finditer(text):
        start, end = span.span()
        if end - start >= SHORTEST_NUMBER and _START.search(text, start, end + 1) is not None:
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
_NO_DATA: Final = Data([], set())
# A fixed word or a bracket before data, in one pass: most texts have neither.
_SPECIAL: Final = re.compile("|".join((NEEDLES, *(rf"\{bracket}{BEHIND_OPENING}" for bracket in "{[("))))
