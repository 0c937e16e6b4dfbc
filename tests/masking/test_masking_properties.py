"""What holds of masking for any input: it says nothing twice, leaves nothing over, and its cost grows with the text."""

from __future__ import annotations

import re
import string
import time
from collections.abc import Callable

import phonenumbers
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rows import for_each

from whatsself_otel import Masker

MASKER = Masker()
QUICK = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
NOISE = st.sampled_from(
    [
        "",
        "",
        "",
        " ",
        "-",
        ".",
        "\xa0",
        "\u2011",
        "\u200b",
        "\u200d",
        "\u202f",
        "\u200f",
        "\u2066",
        "\ufeff",
        " - ",
        "\xad",
    ]
)
DIGITS = {
    "ascii": str.maketrans("", ""),
    "full-width": {48 + n: 0xFF10 + n for n in range(10)},
    "Arabic": {48 + n: 0x0660 + n for n in range(10)},
    "Devanagari": {48 + n: 0x0966 + n for n in range(10)},
    "mathematical": {48 + n: 0x1D7EC + n for n in range(10)},
    "superscript": str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹"),
}
CONTAINERS = st.sampled_from(
    ["{}", "from {} to queue", '{{"x": "{}"}}', "/c/{}/m?y=1", "('{}',)", "<{}>", "{},{}", "é{}é", "\n{}\n"]
)
REGIONS = st.sampled_from(
    ["BR", "PT", "US", "AR", "DE", "GB", "IN", "JP", "AO", "MZ", "UY", "PY", "IT", "FR", "NG", "ID"]
)
FRAGMENTS = st.sampled_from(
    [
        *(
            "+",
            "55",
            "11",
            "98765-4321",
            "5511987654321",
            "@",
            "c.us",
            "s.whatsapp.net",
            "=",
            ":",
            '"',
            "'",
            "{",
            "}",
            "[",
            "]",
        ),
        *(
            "phone",
            "body",
            "name",
            "password",
            "to",
            "token",
            "Bearer ",
            "abc1def2",
            "://",
            "u:p",
            "joao@x.com",
            "529.982.247-25",
        ),
        *(
            "********",
            "[masked:phone]",
            "[masked:body]",
            "+55********4321",
            "REDACTED:REDACTED@",
            "?",
            "&",
            " ",
            "\n",
            "\\",
            "%2B",
        ),
        *(
            "eyJhbGciOiJIUzI1NiJ9.eyJzIjoxfQ.c2ln",
            "(",
            ")",
            "-",
            ".",
            "/",
            "4111111111111111",
            "00",
            "0xx11",
            "wa.me/",
            "[SQL: ",
            "]",
        ),
        *("[parameters: ", "Key (phone)=(", "2@", "\u200b", "\ud83d", "é", "12", "3456-7890", ",", ";", "0"),
    ]
)


def digits_of(text: str) -> str:
    return re.sub(r"\D", "", text)


@st.composite
def noisy_numbers(draw: st.DrawFn) -> tuple[str, str]:
    """A number with a plus, and the same as somebody might write or hide it."""
    number = phonenumbers.example_number_for_type(draw(REGIONS), phonenumbers.PhoneNumberType.MOBILE)
    assert number is not None
    plain = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    written = "".join(char + draw(NOISE) for char in plain[1:])
    return plain, draw(st.sampled_from(["+", "\uff0b", "%2B", "\\u002b"])) + written.translate(
        DIGITS[draw(st.sampled_from(sorted(DIGITS)))]
    )


@QUICK
@given(noisy_numbers(), CONTAINERS)
def test_noise_hides_no_number(numbers: tuple[str, str], container: str) -> None:
    plain, written = numbers
    masked = MASKER.text(container.replace("{{", "{").replace("}}", "}").replace("{}", written))
    left = re.sub(r"\+\d{1,3}\*{8}\d{4}", "", masked)

    assert f"********{plain[-4:]}" in masked
    assert plain[-5:] not in digits_of("".join(str(int(c)) if c.isdecimal() else c for c in left))


@QUICK
@given(st.lists(FRAGMENTS, max_size=12).map("".join))
def test_masking_twice_is_masking_once(text: str) -> None:
    once = MASKER.text(text)

    assert once == MASKER.text(once)


@QUICK
@given(st.lists(FRAGMENTS, max_size=12).map("".join))
def test_masking_a_url_or_statement_twice_is_masking_it_once(text: str) -> None:
    url = MASKER.url(text)
    sql = MASKER.sql(text)

    assert url == MASKER.url(url)
    assert sql == MASKER.sql(sql)


@QUICK
@given(st.text(max_size=80) | st.text(alphabet=string.digits + "+()-. @=:%\\u", max_size=60))
def test_any_text_is_read_without_error(text: str) -> None:
    results = [MASKER.text(text), MASKER.url(text), MASKER.sql(text), MASKER.identifier(text)]

    assert [result for result in results if "[masked:error]" in result] == []


PROSE = st.text(alphabet=string.ascii_letters + " ,.", max_size=40).filter(
    lambda text: not re.search("bearer|basic", text, re.IGNORECASE)  # what follows one of them is a secret
)


@QUICK
@given(PROSE, PROSE)
def test_what_surrounds_a_number_stays(before: str, after: str) -> None:
    assert f"{before} +55********4321 {after}" == MASKER.text(f"{before} +5511987654321 {after}")


@for_each("cut", range(8, 15))
def test_a_number_cut_short_leaves_no_more_than_four_digits(cut: int) -> None:
    masked = MASKER.text(f"Message from {'+5511987654321'[:cut]}")

    assert len(digits_of(masked)) <= len("55") + 4


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.binary(max_size=20)
    | st.just("5511987654321"),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=8) | st.sampled_from(["phone", "body", "id"]), inner, max_size=4)
    ),
    max_leaves=20,
)


@QUICK
@given(JSON)
def test_containers_keep_their_shape_and_masking_them_twice_is_masking_once(value: object) -> None:
    before = repr(value)
    once = MASKER.value(None, value)

    assert type(value) is type(once) or isinstance(once, str)
    assert repr(once) == repr(MASKER.value(None, once))
    assert before == repr(value)


HOSTILE = {
    "digits": "1" * 2000,
    "digits and spaces": "1 " * 1000,
    "digits and points": "1.2-" * 500,
    "groups": "98765-4321 " * 200,
    "parentheses": "(" * 2000,
    "open numbers": "(1" * 1000,
    "plus": "+" * 2000,
    "plus and digits": "+5511 " * 400,
    "zeros": "0" * 2000,
    "at": "a@" * 1000,
    "long local": "a" * 2000 + "@",
    "points and at": "a.a@a." * 400,
    "token start": "eyJ" * 700,
    "token start apart": "_eyJa" * 500,
    "bearer": "bearer " * 300,
    "keys": "password=" * 250,
    "colons": '"phone":' * 250,
    "quotes": 'body="' * 300,
    "backslashes": "\\" * 2000,
    "escaped quotes": 'body="' + '\\"' * 1000,
    "percent": "%25" * 700,
    "percent digits": "%35" * 700,
    "entities": "&#4" * 700,
    "spaces": "1" + " " * 2000,
    "spaces after key": "body=" + " a" * 1000,
    "many keys": " a=b" * 500,
    "slashes": "://" * 700,
    "credentials": "://a:b" * 400,
    "hex": "41d4-a716-" * 200,
    "uuid-like": "446655440000-" * 160,
    "upper case": "AB1" * 700,
    "documents": "12.345.678/" * 180,
    "statements": "[SQL: x " * 250,
    "keys of rows": "Key (a)=(" * 220,
    "parameters": "[parameters: (" * 140,
    "full-width": "１" * 2000,  # noqa: RUF001
    "zero-width": "1\u200b" * 1000,
    "wa.me": "wa.me/1 " * 250,
    "pairing": "2@" + "A" * 2000 + ",",
    "dollar quotes": "$a$" * 700,
    "SQL quotes": "'" * 2000,
}


@for_each("name", HOSTILE)
@for_each("method", ["text", "url", "sql"])
def test_time_grows_with_the_text_and_no_faster(method: str, name: str) -> None:
    """Twice the text takes about twice the time: a superlinear pattern takes at least four times as long."""
    mask = getattr(MASKER, method)
    unit = HOSTILE[name]
    small, large = unit * 12, unit * 48

    assert any(time_of(mask, large) / time_of(mask, small) < 4 * 2.5 for _ in range(4))


def time_of(mask: Callable[[str], str], text: str) -> float:
    start = time.process_time()
    mask(text)
    return time.process_time() - start + 2e-3
