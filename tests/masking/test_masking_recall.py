"""Every number plan in the world, in every form and container, against the masking of an application."""

from __future__ import annotations

import functools
import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import phonenumbers
from phonenumbers import PhoneNumberFormat, PhoneNumberType
from rows import for_each

from whatsself_otel import Masker

if TYPE_CHECKING:
    from collections.abc import Callable

MASKER = Masker()
DIGIT_RUN = re.compile(r"\d+")
MASKED = re.compile(r"\+\d{1,3}\*{8}(?:\d{4})?")
OTHER = re.compile(r"\\\\?[ux][0-9a-f]{2,4}|3EB0C767D26A1B2C|54321")
"""Digits that the forms and containers bring along: escapes that are not the number's, a message id, a port."""


@functools.cache
def numbers() -> list[phonenumbers.PhoneNumber]:
    """One example of every type in every region, the calling codes without a region included."""
    types = PhoneNumberType.values()
    regional = [
        phonenumbers.example_number_for_type(region, kind)
        for region in sorted(phonenumbers.SUPPORTED_REGIONS)
        for kind in types
    ]
    world = [
        phonenumbers.example_number_for_non_geo_entity(code) for code in phonenumbers.COUNTRY_CODES_FOR_NON_GEO_REGIONS
    ]
    unique = {e164(number): number for number in (*regional, *world) if number is not None}
    return list(unique.values())


def e164(number: phonenumbers.PhoneNumber) -> str:
    return phonenumbers.format_number(number, PhoneNumberFormat.E164)


def digits_of(number: phonenumbers.PhoneNumber) -> str:
    return e164(number)[1:]


def international(number: phonenumbers.PhoneNumber) -> str:
    return phonenumbers.format_number(number, PhoneNumberFormat.INTERNATIONAL)


FORMS: dict[str, Callable[[phonenumbers.PhoneNumber], str]] = {
    "E.164": e164,
    "international": international,
    "international with dots": lambda number: re.sub(r"[ -]", ".", international(number)),
    "international with hyphens": lambda number: international(number).replace(" ", "-"),
    "RFC 3966": lambda number: phonenumbers.format_number(number, PhoneNumberFormat.RFC3966),
    "00": lambda number: "00" + digits_of(number),
    "00 with spaces": lambda number: "00 " + international(number)[1:],
    "wa.me": lambda number: f"https://wa.me/{digits_of(number)}",
    "JID": lambda number: f"{digits_of(number)}@s.whatsapp.net",
    "JID of a device": lambda number: f"{digits_of(number)}:12@s.whatsapp.net",
    "JID of whatsapp-web.js": lambda number: f"{digits_of(number)}@c.us",
    "serialised message id": lambda number: f"true_{digits_of(number)}@c.us_3EB0C767D26A1B2C_out",
    "full-width": lambda number: e164(number).translate({ord("+"): "＋", **{48 + n: 0xFF10 + n for n in range(10)}}),  # noqa: RUF001
    "no-break spaces and hyphens": lambda number: international(number).replace(" ", "\xa0").replace("-", "\u2011"),
    "zero-width joiners": lambda number: "\u200d".join(e164(number)),
    "right-to-left marks": lambda number: f"\u202e{e164(number)}\u202c",
}

CONTAINERS = {
    "alone": "{}",
    "prose": "Message from {} was queued",
    "brackets": "contact <{}> ({})",
    "path": "/contacts/{}/messages",
    "JSON": '{{"chat": "{}", "page": 2}}',
    "SQL": "SELECT * FROM contacts WHERE wa = '{}' LIMIT 1",
    "repr": "Contact(id=3, wa='{}')",
    "access log": '127.0.0.1:54321 - "GET /c/{}?x=1 HTTP/1.1" 200 17',
    "exception": "ValueError: no session for {}: closed",
    "line end": "number:\t{}\nnext line",
}


def left_over(masked: str, number: phonenumbers.PhoneNumber) -> bool:
    """Whether more than country code and last four of *number* can be read."""
    digits = digits_of(number)
    rest = OTHER.sub(" ", MASKED.sub(" ", masked))
    return any(run in digits for run in DIGIT_RUN.findall(rest) if len(run) > 3) or digits[-6:] in re.sub(
        r"\D", "", rest
    )


@for_each("container", CONTAINERS)
@for_each("form", FORMS)
def test_masks_every_region_and_type(form: str, container: str) -> None:
    write = FORMS[form]
    texts = [
        (number, CONTAINERS[container].replace("{}", write(number)).replace("{{", "{").replace("}}", "}"))
        for number in numbers()
    ]

    leaks = [text for number, text in texts if left_over(MASKER.text(text), number)]

    assert leaks == []


@for_each("container", CONTAINERS)
def test_masks_bare_digits_of_eleven_and_more(container: str) -> None:
    long = [number for number in numbers() if len(digits_of(number)) >= 11]
    texts = [
        (number, CONTAINERS[container].replace("{}", digits_of(number)).replace("{{", "{").replace("}}", "}"))
        for number in long
    ]

    leaks = [text for number, text in texts if left_over(MASKER.text(text), number)]

    assert len(long) > 700
    assert len(leaks) <= len(long) // 1000, leaks


ENCODINGS: dict[str, Callable[[str], str]] = {
    "percent": lambda text: quote(text, safe=""),
    "percent twice": lambda text: quote(quote(text, safe=""), safe=""),
    "percent thrice": lambda text: quote(quote(quote(text, safe=""), safe=""), safe=""),
    "only the plus": lambda text: text.replace("+", "%2b"),
    "JSON escapes": lambda text: "".join(f"\\u{ord(char):04x}" for char in text),
    "JSON in JSON": lambda text: json.dumps(json.dumps({"c": text})),
    "HTML entities": lambda text: "".join(f"&#{ord(char)};" for char in text),
    "repr of bytes": lambda text: repr(text.encode()),
}


@for_each("encoding", ENCODINGS)
@for_each("form", ["E.164", "international", "RFC 3966", "JID", "no-break spaces and hyphens"])
def test_masks_encoded_numbers_in_urls(form: str, encoding: str) -> None:
    encode = ENCODINGS[encoding]
    urls = [
        (number, f"https://api.example/contacts/{encode(FORMS[form](number))}?q={encode(e164(number))}")
        for number in numbers()
    ]

    leaks = [url for number, url in urls if left_over(MASKER.url(url), number) or left_over(MASKER.text(url), number)]

    assert leaks == []


@for_each("kind", [int, float, bytes, bytearray, set, tuple, list, repr, "utf-16"])
def test_masks_numbers_that_are_no_text(kind: Any) -> None:
    makers: dict[Any, Callable[[str], object]] = {
        int: int,
        float: float,
        repr: repr,
        bytes: str.encode,
        bytearray: lambda d: bytearray(d.encode()),
        "utf-16": lambda d: d.encode("utf-16-le"),
    }
    make = makers.get(kind) or (lambda digits: kind([digits]))
    long = [number for number in numbers() if len(digits_of(number)) >= 11]

    leaks = [number for number in long if left_over(shown(MASKER.value(None, make(digits_of(number)))), number)]

    assert len(leaks) <= len(long) // 1000, leaks


def shown(value: object) -> str:
    return value.decode("utf-8").replace("\0", "") if isinstance(value, (bytes, bytearray)) else str(value)


BRAZILIAN = [
    "\n+5511987654321",
    "+55 11 98765-4321",
    "+55 (11) 98765-4321",
    "+55 (11) 9 8765-4321",
    "55 11 98765-4321",
    "5511987654321",
    "55 (11) 98765-4321\n55-11-98765-4321",
    "5511 98765-4321",
    "11987654321",
    "11 98765-4321",
    "11 987654321",
    "(11) 98765-4321",
    "(11)98765-4321",
    "(11) 9 8765-4321\n(11) 9 87654321",
    "11-98765-4321",
    "11.98765.4321",
    "11 9 8765 4321",
    "11 987 654 321",
    "011 98765-4321",
    "(011) 98765-4321",
    "011987654321\n0xx11 98765-4321",
    "0XX11 98765-4321",
    "(0xx11) 98765-4321",
    "0xx 11 98765-4321",
    "0xx(11)98765-4321",
    "0 xx 11 98765 4321",
    "015 11 98765-4321\n0 15 11 98765-4321",
    "0 41 (11) 98765-4321",
    "01511987654321",
    "005511987654321",
    "00 55 11 98765-4321",
    "0015 55 11 98765-4321\n0021 5511987654321",
    "tel:+55-11-98765-4321",
    "tel:11987654321",
    "tel:+5511987654321;ext=12",
    "https://wa.me/5511987654321\nwa.me/5511987654321?text=oi",
    "https://api.whatsapp.com/send?phone=5511987654321",
    "whatsapp://send?phone=%2B5511987654321\nwhatsapp:+5511987654321",
    "98765-4321",
    "9 8765-4321",
    "callto:+5511987654321",
    "sms:+5511987654321?body=oi\n",
]
FIXED = [
    "\n+551134567890",
    "+55 11 3456-7890",
    "55 11 3456-7890",
    "551134567890",
    "(11) 3456-7890",
    "(11)3456-7890",
    "11 3456-7890",
    "11-3456-7890",
    "11.3456.7890\n11 34567890",
    "011 3456-7890",
    "01134567890",
    "0xx11 3456-7890",
    "(0xx11) 3456-7890",
    "015 11 3456-7890",
    "0151134567890",
    "00551134567890\n+55 11 8765-7890",
    "(11) 8765-7890",
    "551187657890",
    "tel:+55-11-3456-7890",
    "551134567890@c.us\n",
]


@for_each("text", [form.strip() for line in BRAZILIAN for form in line.split("\n") if form.strip()])
def test_masks_brazilian_mobiles(text: str) -> None:
    masked = MASKER.text(f"ligue para {text}, por favor")

    assert "98765" not in re.sub(r"\D", "", masked)
    assert "8765-4321" not in masked
    assert "********4321" in masked


@for_each("text", [form.strip() for line in FIXED for form in line.split("\n") if form.strip()])
def test_masks_brazilian_fixed_lines(text: str) -> None:
    masked = MASKER.text(f"ligue para {text}, por favor")

    assert "+55********7890" in masked
    assert not re.search(r"3456|8765", masked)


@for_each("area", [area for area in range(11, 100) if area % 10])
def test_knows_every_brazilian_area_code(area: int) -> None:
    number = phonenumbers.parse(f"+55{area}987654321")
    known = phonenumbers.is_valid_number(number)

    assert known == ("98765" not in MASKER.text(f"wa {area} 98765-4321").replace("+55********4321", "")) or not known


def test_keeps_country_code_and_last_four_in_one_form() -> None:
    examples = {
        "+5511987654321": "+55********4321",
        "+351 912 345 678": "+351********5678",
        "+1 415 555 2671": "+1********2671",
    }

    assert list(examples.values()) == [MASKER.text(text) for text in examples]


def test_knows_every_calling_code() -> None:
    unknown = [number for number in numbers() if f"+{number.country_code}********" not in MASKER.text(e164(number))]

    assert unknown == []
