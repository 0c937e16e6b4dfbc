"""
Tell phone numbers from other numbers, and find their country.

Facts only: calling codes with the lengths their numbers may have, and the Brazilian plan.
Masking is built on it; nothing here knows about telemetry.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Final

E164_MAX_DIGITS: Final = 15
"""Longest number, calling code included (ITU-T E.164, 6.1)."""
SHORTEST_DIGITS: Final = 7
"""A number with fewer digits is never taken for a phone."""

CALLING_CODES: Final = """\
1:7,10 20:8-10 211:9 212:9 213:8-9 216:8 218:9 220:7,9 221:9 222:8 223:8 224:8-9 225:10 226:8 227:8 228:8 229:10
230:7-8,10 231:7-9 232:8 233:8-9 234:10-12 235:8 236:8 237:8-9 238:7 239:7 240:9 241:7-8 242:9 243:7-10 244:9
245:7,9 246:7 247:5-6 248:7 249:9 250:8-9 251:9 252:6-9 253:8 254:7-10 255:9 256:9 257:8 258:8-9 260:9 261:9 262:9
263:7,9-10 264:8-9 265:7,9 266:8 267:7-8,10 268:8-9 269:7 27:5-10 290:4-5 291:7 297:7 298:6 299:6 30:10-12 31:5-11
32:8-9 33:9 34:9 350:8 351:9 352:4-11 353:7-10 354:7,9 355:6-9 356:8 357:8 358:5-12 359:6-9,12 36:8-9 370:8 371:8
372:7-8,10 373:8 374:8 375:6-11 376:6,8-9 377:8-9 378:8,10 380:9-10 381:6-12 382:8-9 383:8-12 385:7-9 386:5-8
387:8-9 389:8 39:6-12 40:6,9 41:9,12 420:9-12 421:6-7,9 423:7,9 43:4-13 44:7,9-10 45:8 46:6-10,12 47:5,8 48:6-10
49:4-13 500:5 501:7,11 502:8,11 503:7-8,11 504:8,11 505:8 506:8,10 507:7-8,10-11 508:6,9 509:8 51:8-9 52:10
53:6-8,10 54:10-11 55:8-11 56:9-11 57:8,10-11 58:10 590:9 591:8-9 592:7 593:8-11 594:9 595:6-11 596:9 597:6-7
598:4-12 599:7-8 60:8-10 61:5-10,12 62:7-13 63:6,8-13 64:5-10 65:8,10-11 66:8-10,13 670:7-8 672:6 673:7 674:7
675:7-8 676:5,7 677:5,7 678:5,7 679:7,11 680:7 681:6,9 682:5 683:4,7 685:5-7,10 686:5,8 687:6 688:5-7 689:6,8-9
690:4-7 691:7 692:7 7:10,14 800:8 808:8 81:8-13 82:5-6,8-13 84:7-10 850:8,10 852:5-9,11 853:7-8 855:8-10 856:8-10
86:7-12 870:9,12 878:12 880:6-10 881:9-10 882:7-12 883:8-12 886:7-11 888:11 90:7,10,12-13 91:8-13 92:8-12 93:9
94:9 95:6-10 960:7,10 961:7-8 962:8-9 963:8-9 964:8-10 965:7-8 966:9-10 967:7-9 968:7-9 970:8-10 971:5-12 972:7-12
973:8 974:7-9,11 975:7-8 976:8-10 977:8,10-11 979:9 98:4-7,10 992:9 993:8 994:9 995:9 996:9-10 998:9"""
"""
Calling code and the digits that may follow it, for every code in service.

Source: ITU list of assigned country codes, lengths as the plans published there (checked against phonenumbers by test).
"""

BRAZIL: Final = "55"
NORTH_AMERICA: Final = "1"
_ONE_DIGIT_CODES: Final = frozenset({NORTH_AMERICA, "7"})

_AREA = r"(?:1[1-9]|2[12478]|3[1-578]|4[1-9]|5[1345]|6[1-9]|7[134579]|8[1-9]|9[1-9])"
_BRAZILIAN: Final = re.compile(_AREA + r"(?:9[0-9]{8}|[2-9][0-9]{7})")
_BRAZILIAN_MOBILE: Final = re.compile(_AREA + r"9[0-9]{8}")
_BRAZILIAN_SERVICE: Final = re.compile(r"(?:[3589]00[0-9]{6,7}|[34]00[0-9]{5})")
_BRAZILIAN_TRUNK: Final = re.compile(r"0(?:[1-9][0-9])?(?=" + _AREA + r")")
_NORTH_AMERICAN: Final = re.compile(r"[2-9][0-9]{2}[2-9][0-9]{6}|310[0-9]{4}")
_ONE_NUMBER: Final = re.compile(r"[ (]{0,3}\+?[0-9xX().+ \t/-]{6,40}")
_DIGITS: Final = re.compile(r"[0-9]+")
_SHORTEST_WITH_EXIT: Final = 9
_SHORT_IRANIAN: Final = "009896"
# Written with their national zero after the calling code.
KEEP_ZERO: Final = frozenset(
    ["39", "47", "225", "227", "229", "241", "242", "267", "268", "378", "501", "676", "679", "687", "853"]
)


@cache
def calling_codes() -> dict[str, frozenset[int]]:
    """Calling code to the total lengths (code included) of its numbers."""
    return {code: _lengths(code, spans) for code, spans in (row.split(":") for row in CALLING_CODES.split())}


def _lengths(code: str, spans: str) -> frozenset[int]:
    bounds = [span.partition("-") for span in spans.split(",")]
    return frozenset(len(code) + length for low, _, high in bounds for length in range(int(low), int(high or low) + 1))


def calling_code(digits: str) -> str:
    """The calling code *digits* begin with, or an empty string."""
    codes = calling_codes()
    if (two := digits[:2]) in codes:
        return two
    if digits[:1] in _ONE_DIGIT_CODES:
        return digits[0]
    return digits[:3] if digits[:3] in codes else ""


def international(digits: str) -> str:
    """The calling code if *digits* (no prefix) are a whole international number, else an empty string."""
    code = calling_code(digits)
    if not code or len(digits) not in calling_codes()[code]:
        return ""
    return code if _fits_plan(code, digits[len(code) :]) else ""


def _fits_plan(code: str, national: str) -> bool:
    if code == NORTH_AMERICA:
        return _NORTH_AMERICAN.fullmatch(national) is not None
    if code == BRAZIL:
        return bool(_BRAZILIAN.fullmatch(national) or _BRAZILIAN_SERVICE.fullmatch(national))
    return national[0] != "0" or code in KEEP_ZERO


def has_length(code: str, size: int) -> bool:
    """Whether the plan of *code* knows numbers of *size* digits, *code* included."""
    return size in calling_codes()[code]


def is_brazilian(digits: str) -> bool:
    """Whether *digits* are area code and subscriber, mobile or fixed."""
    return _BRAZILIAN.fullmatch(digits) is not None


def is_brazilian_mobile(digits: str) -> bool:
    """Whether *digits* are an area code and a nine-digit mobile number."""
    return _BRAZILIAN_MOBILE.fullmatch(digits) is not None


def without_national_zero(digits: str) -> str:
    """Return an international number without the trunk zero that some write behind its calling code (``+44 (0)20``)."""
    code = calling_code(digits)
    national = digits[len(code) :]
    return code + national[1:] if code and national[:1] == "0" else digits


def without_trunk(digits: str) -> str:
    """*digits* without the Brazilian trunk zero and carrier code, or an empty string if there is none."""
    for start in _trunks(digits):
        if is_brazilian(digits[start:]):
            return digits[start:]
    return ""


def _trunks(digits: str) -> tuple[int, ...]:
    if digits[:1] != "0" or digits[:2] == "00":
        return ()
    return (1, 3) if _BRAZILIAN_TRUNK.match(digits) else ()


def without_exit(digits: str) -> str:
    """*digits* without the exit prefix 00 (and a Brazilian carrier), or an empty string if no number follows."""
    if digits[:2] != "00" or (len(digits) < _SHORTEST_WITH_EXIT and not digits.startswith(_SHORT_IRANIAN)):
        return ""
    return next((digits[start:] for start in (2, 4) if international(digits[start:])), "")


def under_key(value: str) -> tuple[str, str]:
    """Digits and calling code of *value*, known to be a phone by its name; no digits when it is not one number."""
    if _ONE_NUMBER.fullmatch(value) is None:
        return "", ""
    digits = "".join(_DIGITS.findall(value))
    if value.lstrip(" (").startswith("+") and len(digits) <= E164_MAX_DIGITS:
        return digits, calling_code(digits)
    if rest := without_exit(digits):
        return rest, calling_code(rest)
    national = without_trunk(digits) or digits
    if is_brazilian(national) or (national[0] == "9" and len(national) == 9):
        return BRAZIL + national, BRAZIL
    country = international(digits)
    return (digits, country) if country else ("", "")


def canonical(digits: str) -> str:
    """
    *digits* of an international number as WhatsApp may also know it: Brazilian mobiles without their ninth digit.

    Accounts older than the ninth digit keep the short form, so that both name one contact.
    """
    if digits[:2] == BRAZIL and is_brazilian_mobile(digits[2:]) and digits[5] in "6789":
        return digits[:4] + digits[5:]
    return digits
