"""
Numbers as expressions of RE2: the collector's rules for phones, addresses, documents and cards.

Made from the number plans of ``whatsself_otel.masking``. None of them matches inside a UUID.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from whatsself_otel.masking.addresses import JID_DOMAINS
from whatsself_otel.masking.phones import CALLING_CODES, KEEP_ZERO

if TYPE_CHECKING:
    from collections.abc import Iterator

_EDGE: Final = r"(^|[^.0-9A-Za-z_:-]|[^0-9:]:)"
"""Before a number: no part of another, of an id, of a name of AWS."""
_ONLY: Final = {
    "1": "1[2-9][0-9]{2}[2-9][0-9]{6}",
    "20": "20(?:[1-9][0-9]{8}|(?:1[0-5]|[5-9][0-9])[0-9]{8})",
    "55": "55(?:[1-9][1-9]9?[2-9][0-9]{7}|[34589]00[0-9]{5,7})",
}
"""Numbers of countries whose plan says more than a length, or where a time of so many digits would be one."""


def bare_numbers() -> str:
    """A whole international number of eleven digits and more, by the plan of its country."""
    branches = []
    for row in CALLING_CODES.split():
        code, _, spans = row.partition(":")
        if code in _ONLY:
            branches.append(_ONLY[code])
            continue
        begin = "[0-9]" if code in KEEP_ZERO else "[2-9]" if code == "30" else "[1-9]"
        for span in spans.split(","):
            low, _, high = span.partition("-")
            least, most = max(int(low), 11 - len(code)), min(int(high or low), 15 - len(code))
            if most >= least:
                branches.append(f"{code}{begin}[0-9]{{{least - 1},{most - 1}}}")
    return f"(?:{'|'.join(branches)})"


def addresses() -> Iterator[str]:
    """WhatsApp's addresses, also percent-encoded. A group's own id of eighteen digits is no person's address."""
    at = "(?:@|%(?:25)*40)"
    domains = "|".join(sorted(re.escape(domain) for domain in JID_DOMAINS - {"g.us"}))
    yield rf"(?i)[0-9]{{5,20}}(?:[:._-][0-9]{{1,20}})*{at}(?:{domains})\b"
    yield rf"(?i)(?:\b|_)[0-9]{{5,16}}(?:-[0-9]{{4,16}})?{at}g\.us\b"
    yield rf"(?i)[a-z0-9._%+#*!$^~'-]+{at}(?:[a-z0-9-]{{2,}}|[a-fh-z0-9])(?:\.[a-z0-9-]+)+"


_AREA: Final = "[1-9][1-9]"
_NO_PART: Final = r"(^|[^.0-9A-Za-z-]|[^0-9A-Fa-f]-)"
"""Before a number that could be a group of a UUID."""
_NO_MORE: Final = r"([^0-9A-Za-z-]|\z)"
_MOBILE: Final = r"9([ .-]?[0-9]{4}[ .-]?[0-9]{4}|[0-9]{2}[ .][0-9]{3}[ .][0-9]{3})"


def brazilian() -> Iterator[str]:
    """Brazilian numbers; none of these lies inside a UUID."""
    yield rf"(\b|_)55[ .-]?\(?{_AREA}\)?[ .-]?9[0-9]{{4}}[ .-]?[0-9]{{4}}(\b|_)"
    yield rf"(\b|_)55[ .-]\(?{_AREA}\)?[ .-]?[0-9]{{4}}[ .-]?[0-9]{{4}}(\b|_)"
    yield rf"{_NO_PART}55\(?{_AREA}\)?[ .]?[0-9]{{4}}[ .]?[0-9]{{4}}(\b|_)"
    yield rf"{_NO_PART}55{_AREA}-?[0-9]{{4}}-[0-9]{{4}}{_NO_MORE}"
    yield rf"(\(0?|{_EDGE}(0 \(?|0\(|0 ?[1-9][0-9] ?\(?|\(?)){_AREA}\)?[ .-]?{_MOBILE}\b"
    yield rf"{_EDGE}0{_AREA}(\)?[ .-]{_MOBILE}|9[0-9]{{4}}[ .]?[0-9]{{4}}|9[0-9]{{2}}[ .][0-9]{{3}}[ .][0-9]{{3}})\b"
    yield rf"{_EDGE}0{_AREA}9[0-9]{{4}}-[0-9]{{4}}{_NO_MORE}"
    yield (rf"(\(0?{_AREA}\) ?|{_EDGE}0([1-9][0-9] ?)?{_AREA} ?|\b{_AREA}[ .-])[2-8][0-9]{{3}}[ .-]?[0-9]{{4}}\b")
    yield r"\b9 ?[0-9]{4}-[0-9]{4}\b"


def letterhead() -> str:
    """Return numbers with the 0xx of old letterheads; they may follow a letter."""
    return rf"0 ?[xX]{{2}} ?\(?{_AREA}\)?( ?[2-8][0-9]{{3}}[ .-]?[0-9]{{4}}|[ .-]?{_MOBILE})\b"


_ENCODED: Final = r"%(?:25)*(?:20|28|29|2[DdEeFf]|[Cc]2%(?:25)*[Aa]0|[Ee]2%(?:25)*80%(?:25)*91)"
_WIDE: Final = r"[ ().\t/_,'|*\\=\[\]\r\n\x{00A0}\x{2011}\x{200B}-\x{200F}\x{202A}-\x{202E}\x{2060}-]"


def numbers() -> Iterator[tuple[str, str]]:
    """Every expression of digits with its description, the most precise first."""
    yield "WhatsApp's addresses and mail", ""
    yield from (("", each) for each in addresses())
    yield (
        "Phones with a plus, however it and what stands between the digits is written",
        (
            rf"(\+|\x{{FF0B}}|%(?:25)*2[Bb])(({_WIDE}|{_ENCODED}|\\+[nrt]|\\+u(00a0|2011)|\\+x(c2|a0|e2|80|91)){{0,4}}"
            r"[0-9\x{FF10}-\x{FF19}]){6,17}"
        ),
    )
    yield (
        "Seven and more characters that nobody escapes but to hide them; full-width digits alone",
        (r"(?i)((\\+u(00[23][0-9a-f]|00a0|2011)|&#(3[2-9]|4[0-9]|5[0-7]|160|8209);){7,}|[\x{FF10}-\x{FF19}]{7,})"),
    )
    yield (
        "With 00, as a link",
        r"(?i)(?:(^|[^.0-9A-Za-z-]|[^0-9a-f.]-)00[1-9][0-9]{6,15}\b|(wa\.me/\+?|tel:\+?|sms:\+?|whatsapp:\+?|phone=\+?)[0-9]{6,15})",
    )
    yield "", r"(^|[^0-9:.])00[ \x{00A0}][1-9]([ ().\x{00A0}\x{2011}-]{0,2}[0-9]){5,14}"
    yield "Brazilian", ""
    yield from (("", each) for each in brazilian())
    yield "Bare numbers of every country, by its plan; behind a word too", rf"{_EDGE}{bare_numbers()}(\b|_)"
    yield "", rf"{_EDGE}55{_AREA}9[0-9]{{8}}[a-zA-Z]{{1,3}}\b"
    yield "", rf"(^|[^0-9A-Za-z])([A-Za-z]*[g-zG-Z][A-Za-z]*|[a-fA-F])_?{bare_numbers()}\b"
    yield "", rf"\[[0-9;]{{1,12}}m\+?{bare_numbers()}\b"
    yield (
        "Calling code as a group of its own",
        r"(^|[^.0-9A-Za-z_:/-])[1-9][0-9]{1,2} [1-9][0-9]{0,3}( [0-9]{2,4}){2,4}\b",
    )
    yield "CPF and cards by their form", r"\b[0-9]{3}[.-][0-9]{3}[.-][0-9]{3}-[0-9]{2}\b"
    yield "", r"\b([0-9]{3} [0-9]{3} [0-9]{3} [0-9]{2}|[0-9]{9}-[0-9]{2})\b"
    yield (
        "",
        (
            r"(\b[0-9]{4}[ -][0-9]{4}[ -][0-9]{4}[ -][0-9]{1,7}\b"
            rf"|{_EDGE}(4[0-9]{{15}}|(5[0-9]|2[2-7]|6[0-9])[0-9]{{14}}|3[47][0-9]{{13}})\b)"
        ),
    )
    yield (
        "CNPJ, also the one with letters",
        (r"\b[0-9A-Z]{2}\.[0-9A-Z]{3}\.[0-9A-Z]{3}/[0-9A-Z]{4}-[0-9]{2}\b|(?i:\b[0-9A-Z]{8}/[0-9A-Z]{4}-[0-9]{2}\b)"),
    )


_QUAD: Final = "(?:[MNO][DTjz][AEIMQUYcgk][w-z0-5])"


def base64_of_digits() -> str:
    """Eight digits in base64, wherever they begin in it: each has the high half 0011."""
    return (
        f"{_QUAD}{{2}}[MNO][DTjz][A-Za-n]|[DTjz][AEIMQUYcgk][w-z0-5]{_QUAD}{{2}}"
        f"|[AEIMQUYcgkosw048][w-z0-5]{_QUAD}{{2}}[MNO]"
    )


_ASCII: Final = "[CDI-Za-f][ACDE-HQS-Xgi-nwy-z0-3][ABEFIJMNQRUVYZcdghkloptswx014589][A-Za-z0-9+/_-]"


def base64_of_text() -> str:
    """Twenty-four characters of plain text in base64: none of its bytes has the highest bit."""
    return f"(?:{_ASCII}){{8,}}[A-Za-z0-9+/=_-]*"
