"""Tokens, errors of drivers, contact cards and links after a fixed word: a pattern runs if its word is there."""

from __future__ import annotations

import binascii
import re
from typing import TYPE_CHECKING, Final, NamedTuple

from whatsself_otel.masking import digits, phones
from whatsself_otel.masking.reading import Finding, Reading
from whatsself_otel.masking.references import BARE_CLOUD_ID, CLOUD_ID
from whatsself_otel.masking.sql import without_literals

if TYPE_CHECKING:
    from collections.abc import Iterator


class Literal(NamedTuple):
    """A pattern that is only worth its time when one of its needles is there."""

    needles: tuple[str, ...]
    pattern: re.Pattern[str]
    rule: str


_NOT_MASKED: Final = r"(?!\[masked)([^\s\"'<>&]+)"
LITERALS: Final = (
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
    Literal(("base64,",), re.compile(r"data:[\w.+-]{1,32}/[\w.+-]{1,32};base64,(?!\[masked)([A-Za-z0-9+/=]+)"), "qr"),
    Literal(("2@",), re.compile(r"(?<![A-Za-z0-9])2@[A-Za-z0-9+/=]{16,512}(?:,[A-Za-z0-9+/=]{4,512}){1,6}"), "qr"),
    # A QR code drawn in a terminal: lines of block characters.
    Literal(("\u2580", "\u2584", "\u2588"), re.compile("(?:[ \u2580-\u259f]{15,200}\n?){5,100}"), "qr"),
    # Behind an option of a command line, a tab, or as a part of a path.
    Literal(
        (" --", " -p "),
        re.compile(
            r"(?<![\w-])--?[\w-]{0,40}(?:token|password|passwd|pass|secret|api-?key|senha)[ \t]+(?!-)" + _NOT_MASKED,
            re.IGNORECASE,
        ),
        "secret",
    ),
    Literal(
        ("\t",),
        re.compile(r"(?<![\w-])(?:password|passwd|pwd|senha|secret|token|api[_-]?key)\t+" + _NOT_MASKED, re.IGNORECASE),
        "secret",
    ),
    Literal(
        ("oken/", "OKEN/", "ecret/", "assword/", "pikey/", "pi_key/", "pi-key/"),
        re.compile(
            r"/(?:[\w-]{0,20}token|secret|password|api[_-]?key)/(?![{:<])(?=[\w.~%+-]{0,512}[0-9])([\w.~%+-]{8,512})"
            r"(?=[/?\#\s\"'<>)\],;]|\Z)",
            re.IGNORECASE,
        ),
        "secret",
    ),
    Literal(("/bot",), re.compile(r"/bot([0-9]{3,16}:[\w-]{6,256})"), "secret"),
    # Tokens that providers mark by a public prefix.
    Literal(
        (
            "pat-",
            "gh",
            "sk_",
            "rk_",
            "sk-",
            "xox",
            "AKIA",
            "ASIA",
            "AIza",
            "npm_",
            "pypi-",
            "SG.",
            "ya29.",
            "hf_",
            "pat_",
        ),
        re.compile(
            r"(?<![A-Za-z0-9])(?:glpat-[\w-]{16,}|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}"
            r"|[sr]k_(?:live|test)_[A-Za-z0-9]{10,}|sk-[\w-]{20,}|xox[abeprs]-[\w-]{10,}|xapp-[\w-]{10,}"
            r"|(?:AKIA|ASIA)[A-Z0-9]{16}|AIza[\w-]{30,}|npm_[A-Za-z0-9]{30,}|pypi-[\w-]{30,}|SG\.[\w-]{16,}\.[\w-]{16,}"
            r"|ya29\.[\w-]{20,}|hf_[A-Za-z0-9]{20,}|shp(?:at|ss|ca)_[a-fA-F0-9]{20,})(?![A-Za-z0-9])"
        ),
        "secret",
    ),
    Literal(("<Buffer ",), re.compile(r"<Buffer ([0-9a-f][0-9a-f ]{22,16384})"), "secret"),
    Literal(("BEGIN:VCARD",), re.compile(r"BEGIN:VCARD[\s\S]*?(?:END:VCARD|\Z)"), "body"),
    Literal(("br.gov.bcb.pix",), re.compile(r"(?<![0-9])000201[\w .*/+@-]{20,512}"), "document"),
    Literal(("arameters: ",), re.compile(r"\[?parameters: (?!\[masked)([^\n]+?)(?=\]?(?:\n|\Z))"), "sql"),
    Literal(("ow contains (",), re.compile(r"[Rr]ow contains \((?!\[masked)([^\n]*)"), "sql"),
    Literal(("ue falhou cont",), re.compile(r"ue falhou contém \((?!\[masked)([^\n]*)"), "sql"),
    Literal(
        ("Key (", "Chave ("),
        re.compile(
            r"(?:Key|Chave) \([^\n]{1,256}?\)=\((?!\[masked)([^\n]*?)"
            r"(?=\) (?:already|is |conflicts|j\w|n\w|viola|conflit|est|,)|\)?\.?(?:\n|$))"
        ),
        "sql",
    ),
    Literal(("Duplicate entry '",), re.compile(r"Duplicate entry '(?!\[masked)([^\n]*?)(?=' for key|\n|$)"), "sql"),
    Literal((" value: '",), re.compile(r" value: '(?!\[masked)([^\n]*?)(?=' for (?:column|function)|\n|$)"), "sql"),
    Literal(("key value is (",), re.compile(r"key value is \((?!\[masked)([^\n]*?)(?=\)\.?(?:\n|$| )|\n|$)"), "sql"),
    Literal(
        ("onverting the ",), re.compile(r"onverting the \w{1,20} value '(?!\[masked)([^\n]*?)(?=' to |\n|$)"), "sql"
    ),
    Literal(("dup key: {",), re.compile(r"dup key: \{(?! ?\[masked)([^\n]*?)(?=\}?\s*(?:\n|$))"), "sql"),
    Literal(("invalid input",), re.compile(r"invalid input[^\n:]{0,80}: (?!\[masked)([^\n]+)"), "sql"),
    Literal(("sintaxe de entrada",), re.compile(r"sintaxe de entrada[^\n:]{0,80}: (?!\[masked)([^\n]+)"), "sql"),
)
_STATEMENT: Final = re.compile(r"\[SQL: ([\s\S]+?)(?=\]\s{0,8}(?:\[parameters|\(Background|\Z)|\Z)")
_LINK: Final = re.compile(r"(?:wa\.me/|signal\.me/\#p/)(\+?[ ]?[0-9][0-9 ().-]{4,20}[0-9])", re.IGNORECASE)
_PART: Final = re.compile(r"form-data; name=\"([^\"\r\n]{1,128})\"(?:; filename=\"([^\"\r\n]{0,512})\")?")
_PART_BODY: Final = re.compile(r"(?:\r?\n[\w-]{1,64}:[^\r\n]{0,256}){0,4}\r?\n\r?\n([\s\S]*?)(?=\r?\n--|\Z)")
# Whether any literal or link can be there, in one pass. Each branch begins with a character that is rare in prose.
NEEDLES: Final = (
    r"b(?=earer|EARER|asic |ASIC |ase64,|ot[0-9])|B(?=earer|EARER|asic |ASIC |EGIN:VCARD|uffer )|E(?=AA)"
    r"|A(?=KIA|SIA|Iza)"
    r"|J(?<=yJ)|H(?=Bg[H-P])|K(?=ey \()|C(?=have \()|D(?=uplicate entry ')|S(?=QL: |G\.)|P(?=RIVATE KEY-----)"
    r"|v(?=alid input)|x(?=e de entrada|ox[abeprs]-|app-)|\.(?=me/|ME/|gov\.bcb)|\.(?<=wa[mc]id\.)|\.(?<=ya29\.)"
    r"|_(?<=gh[pousr]_)|_(?<=npm_)|_(?<=hf_)|_(?<=_pat_)|_(?<=[sr]k_)|_(?<=shp[ats][tsca]_)"
    r"|-(?<=lpat-)|-(?<=sk-)|-(?<=pypi-)|-(?<= --)|-(?= )(?<= -)|/(?<=(?:oken|OKEN|cret|word|ikey|_key|-key)/)"
    r"|@(?<=2@)|:(?<=arameters:)|\((?<=contains \()|\((?<=value is \()|\((?<=contém \()"
    r"|'(?<=alue ')|'(?<=lue: ')|\{(?<=dup key: \{)"
    r"|=(?<=data; name=)|\t|\u2580|\u2584|\u2588"
)
_NEEDLE: Final = re.compile(NEEDLES)


def has_literal(text: str) -> bool:
    """Return whether one of the words may be in *text*."""
    return _NEEDLE.search(text) is not None


def read_literals(reading: Reading) -> Iterator[Finding]:
    """Yield every finding that a fixed word announces, in no order."""
    text = reading.text
    for literal in LITERALS:
        if any(needle in text for needle in literal.needles):
            for found in literal.pattern.finditer(text):
                start, end = found.span(found.lastindex or 0)
                if _is_credential(literal, text[start:end]):
                    yield Finding(start, end, literal.rule)
    if "[SQL: " in text:
        yield from _statements(text)
    if "form-data; name=" in text:
        yield from _parts(reading)
    for pattern in (CLOUD_ID, BARE_CLOUD_ID):
        for found in pattern.finditer(text):
            yield Finding(*found.span(), "wamid", found[2], kept=found[1])
    for found in _LINK.finditer(text):
        number = digits.digits_of(found[1])
        yield Finding(*found.span(1), "phone", number, phones.international(number) or phones.calling_code(number))


def _statements(text: str) -> Iterator[Finding]:
    for found in _STATEMENT.finditer(text):
        plain = without_literals(found[1])
        if plain != found[1]:
            yield Finding(*found.span(1), "statement", kept=plain)


def _parts(reading: Reading) -> Iterator[Finding]:
    """Yield the values of a multipart body whose names have a rule, and the names of its files."""
    done = 0
    for part in _PART.finditer(reading.text):
        if part.start() < done:
            continue
        if part[2] and not part[2].startswith("[masked"):
            yield Finding(*part.span(2), "body")
        rule = reading.plan(part[1]).rule
        value = _PART_BODY.match(reading.text, part.end()) if rule is not None else None
        if rule is not None and value is not None and value[1].strip() and not value[1].startswith("[masked"):
            done = value.end()
            yield Finding(*value.span(1), rule)


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
