"""Values and keys that the collector's masking skips could never have been masked."""

from __future__ import annotations

import random
import re
from itertools import islice
from typing import TYPE_CHECKING

from rows import for_each
from vendor_files import read

from whatsself_otel.masking.keys import KEY_RULES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

STRINGS = 300_000
PARTS = (
    *("0", "1", "5", "9", "11", "55", "00", "12", "2", "98765", "4321", "0xx", "xx", "x", "Z9", "\uff19", "\u0660"),
    *("tel:", "wa.me/", "whatsapp:", "phone=", "token=", "token", "senha", "secret", "sig=", "eyJab.cd"),
    *(
        " ",
        "-",
        ".",
        "(",
        ")",
        "_",
        "=",
        "@",
        "+",
        "%2B",
        "%40",
        "\\u0030",
        "&#48;",
        "\n",
        '"',
        ":",
        "/",
        ",",
        "\u00a0",
    ),
    *(
        "551198765432",
        "11987654321",
        "98765-4321",
        "123.456.789-09",
        "4111 1111 1111 1111",
        "34600123456",
        "0012025550123",
    ),
    *("a", "B", "\u00e9", "\u017f", "c.us", "lid", "u:p@h", "://", "AB.", "CDE.", "FGH/", "IJKL-", "s.whatsapp.net"),
)
"""The parts of every masking expression, and their separators."""


def compiled(processor: str, key: str) -> list[re.Pattern[str]]:
    """Return expressions of the base as Python's, which RE2's are but for these spellings."""
    return [re.compile(python(text), re.ASCII) for text in read(None)["processors"][processor][key]]


def python(text: str) -> str:
    """The collector halves its dollars, and the one left means the very end of the text."""
    text = text.replace("$$", "$").replace(r"\z", r"\Z")
    text = re.sub(r"\$(?=\)|\Z)", r"\\Z", text)
    return re.sub(r"\\x\{([0-9A-F]+)\}", lambda found: chr(int(found[1], 16)), text)


def strings(count: int) -> Iterator[str]:
    drawn = random.Random(7)
    for _ in range(count):
        yield "".join(drawn.choices(PARTS, k=drawn.randint(1, 12)))


def wrongly_spared(allowed: re.Pattern[str], blocked: Sequence[re.Pattern[str]], texts: Iterator[str]) -> list[str]:
    """Return the first few."""
    found = (text for text in texts if allowed.search(text) and any(each.search(text) for each in blocked))
    return list(islice(found, 3))


class TestValues:
    """``redaction/numbers`` passes over what its patterns of plain text allow."""

    ALLOWED = compiled("redaction/numbers", "allowed_values")
    IN_TEXT = compiled("redaction/numbers", "blocked_values")[:5]
    """Names with their values in text, which take Python long."""
    BLOCKED = compiled("redaction/numbers", "blocked_values")[5:]
    PLAIN = (ALLOWED[0], ALLOWED[9], ALLOWED[7], ALLOWED[8], ALLOWED[-1])
    """The others are of ids, which stay whole whatever their digits look like, and of base64."""
    BASE64 = ALLOWED[10]

    def test_what_is_passed_over_matches_none_of_the_patterns(self) -> None:
        for allowed in self.PLAIN:
            assert wrongly_spared(allowed, self.BLOCKED, strings(STRINGS // 4)) == []
            assert wrongly_spared(allowed, self.IN_TEXT, strings(STRINGS // 60)) == []

    def test_base64_that_is_passed_over_has_nothing_behind_what_would_be_a_name_at_its_end(self) -> None:
        texts = [text.rstrip("=") for text in strings(STRINGS // 2) if self.BASE64.search(text)]
        assert len(texts) > 300
        assert wrongly_spared(self.BASE64, (*self.BLOCKED, *self.IN_TEXT), iter(texts)) == []

    def test_many_are_passed_over_and_many_are_not(self) -> None:
        texts = list(strings(5_000))

        for allowed in self.PLAIN:
            assert 300 < sum(bool(allowed.search(text)) for text in texts) < 4_500
        assert sum(any(each.search(text) for each in self.BLOCKED) for text in texts) > 100

    def test_a_sign_behind_a_letter_is_told(self) -> None:
        text = self.PLAIN[1].pattern
        assert "[A-Za-z_*" in text

        wider = re.compile(text.replace("[A-Za-z_*", "[A-Za-z:=_*"), re.ASCII)

        assert wrongly_spared(wider, self.IN_TEXT, strings(STRINGS // 6)) != []

    def test_a_pattern_that_passes_over_more_is_told(self) -> None:
        for at, part, instead in (
            (0, "{0,5}$", "{0,6}$"),
            (1, "[A-Za-z_*!#$^", "[A-Za-z@_*!#$^"),
            (2, "{0,6}", "{0,13}"),
            (2, "\\n\\r !", "\\n\\r=: !"),
            (4, "[A-Za-z]+(?:[0-9]", "[A-Za-z_(]+[0-9]*(?:[0-9]"),
        ):
            text = self.PLAIN[at].pattern.replace("\\Z", "$")
            assert part in text

            wider = re.compile(text.replace(part, instead).replace("$)", "\\Z)"), re.ASCII)

            assert wrongly_spared(wider, self.BLOCKED, strings(STRINGS)) != [], part

    @for_each(
        "text, spared",
        [
            ("0b8e7c1e-5a5e-4a8e-9d5b-3f1e8a7c9d10", True),
            ("55119876-5432-4111-8111-551198765432", True),
            ("0b8e7c1e-5a5e-4a8e-9d5b-3f1e8a7c9d10 5511987654321", False),
            ("55119876-5432-9111-8111-551198765432", False),
            ("00367641767c25308c459f834645f212", True),
            ("00367641767c25308c459f834645f21", False),
            ("00367641767", False),
            ("00367641767c25308c459f834645f212 0036764176700", False),
            ("msg_1763898000123_k3j9x2", True),
            ("msg_5511987654321_k3j9x2", False),
            ("/api/send", True),
            ("n\u00e3o chegou, SELECT id FROM messages WHERE id = ? LIMIT 100", True),
            ("wa.me/551198", False),
            ("UPDATE contacts SET token = $12, seen = ?", True),
            ("the password = $ecret", False),
            ("the password = ?ecret", False),
            ("at 2026-11-30T10:00:00.123Z, 1763898000, in all", True),
            ("2026-11-30T10:00:00.123 11987654321", False),
            ('{"id": "msg_1763898000123_k3j9x2", "attempts": 2}', True),
            ('{"id": "msg_5511987654321_k3j9x2", "attempts": 2}', False),
            ("ConnectTimeout: no answer, to=maria", False),
            ("the token: abc", False),
            ("aGVsbG8gd29ybGQsIGhlbGxv" * 9, True),
            ("aGVsbG8gd29ybGQ1511987654321sIGhlbGxv", False),
        ],
    )
    def test_identifiers_and_plain_text_are_passed_over_and_numbers_are_not(self, text: str, *, spared: bool) -> None:
        assert any(each.search(text) for each in self.ALLOWED) == spared


class TestSigns:
    """``redaction/pairs`` passes over texts without a sign of anything that it masks."""

    ALLOWED = compiled("redaction/pairs", "allowed_values")
    BLOCKED = compiled("redaction/pairs", "blocked_values")[len(compiled("redaction/words", "blocked_values")) :]
    """Without the first, which redaction/words has masked by: it passes over nothing."""

    def test_what_is_passed_over_matches_none_of_the_patterns(self) -> None:
        for allowed in (self.ALLOWED[0], self.ALLOWED[-1]):
            assert wrongly_spared(allowed, self.BLOCKED, strings(STRINGS // 20)) == []

    @for_each(
        "text, spared",
        [
            ("SELECT id FROM messages WHERE id = ? LIMIT 100", True),
            ("https://api.example/v1/messages", True),
            ("2026-11-23T12:00:00Z", True),
            ("password: 1234", False),
            ("otp:123456", False),
            ("app --token abc", False),
            ("maria@example", False),
            ("MzUxOTEyMzQ1Njc4OTAx", False),
        ],
    )
    def test_plain_text_is_passed_over_and_signs_are_not(self, text: str, *, spared: bool) -> None:
        assert any(each.search(text) for each in self.ALLOWED) == spared


class TestLabels:
    """``redaction/labels`` passes over what a metric's attribute mostly is, and no sign nor announced value is such."""

    ALLOWED = compiled("redaction/labels", "allowed_values")
    BLOCKED = compiled("redaction/labels", "blocked_values")

    def test_it_masks_by_all_that_it_replaces(self) -> None:
        replaced = (*compiled("redaction/words", "blocked_values"), *compiled("redaction/pairs", "blocked_values"))
        assert {each.pattern for each in self.BLOCKED} >= {each.pattern for each in replaced}

    def test_what_is_passed_over_matches_none_of_the_patterns(self) -> None:
        parts = (*PARTS, "/", "/", "-", "earer", "asic", "api-key", "abcdefgh", "000201", "ow contains", "{id}")
        drawn = random.Random(11)
        texts = ["".join(drawn.choices(parts, k=drawn.randint(1, 8))) for _ in range(STRINGS // 10)]
        for allowed in self.ALLOWED:
            assert wrongly_spared(allowed, self.BLOCKED, iter(texts)) == []

    @for_each(
        "text, spared",
        [
            *(("reply", True), ("trigger-123", True), ("STATUS_CODE_UNSET", True), ("200", True), ("", True)),
            *(("/api/send", True), ("/api/contacts/{id}/messages", True), ("graph.facebook.com", True)),
            *(("/x/accesstoken/abcdefgh", False), ("/secret/abcdefgh", False), ("bearer abcdefgh", False)),
            *(("0xx1198765-4321", False), ("000201abcdefghij.abcdefghij", False), ("password=abc", False)),
            ("MzUxOTEyMzQ1Njc4OTAx", False),
        ],
    )
    def test_a_label_is_passed_over_and_a_sign_is_not(self, text: str, *, spared: bool) -> None:
        assert any(each.search(text) for each in self.ALLOWED) == spared


class TestTimes:
    """Days and times under ``from`` and ``to`` in data are no sender and no receiver."""

    def test_stay_and_numbers_go(self) -> None:
        blocked = [*TestSigns.BLOCKED, *TestValues.IN_TEXT, *TestValues.BLOCKED]

        def masked(value: str) -> bool:
            texts = (f'{{"from": "{value}", "n": 1}}', f"{{'to': '{value}'}}", f"/x?from={value}&to=now")
            return any(each.search(text) for each in blocked for text in texts)

        assert not any(map(masked, ("2026-11-30", "2026-11-30T10:00:00Z", "2026-11-30 10:00:00.123-0300", "now-6h/d")))
        assert all(map(masked, ("2026-11-30 5511987654321", "5511987654321", "2026-11-301", "nowhere")))


class TestKeys:
    """``redaction/keys`` asks no pattern about a key it knows."""

    def test_no_ignored_key_is_one_that_a_pattern_masks(self) -> None:
        own = [key for key in ignored() if not key.startswith("masking.")]  # lent by the masking itself
        patterns = compiled("redaction/keys", "blocked_key_patterns")

        assert [key for key in own if any(each.search(key) for each in patterns)] == []

    def test_no_name_that_looks_harmless_is_one_that_a_pattern_masks(self) -> None:
        (harmless,) = compiled("redaction/keys", "ignored_key_patterns")
        blocked = compiled("redaction/keys", "blocked_key_patterns")
        names = [name for rule in KEY_RULES for name in (*rule.strict, *rule.exact, *rule.outside_telemetry)]
        names += [word for name in names for word in (*name.split("_"), name.replace("_", ""))]
        drawn = random.Random(7)
        parts = [*names, *(name.title() for name in names), *(("_", ".", "-", "", "2", "x", "id", "app", "http") * 40)]
        keys = ["".join(drawn.choices(parts, k=drawn.randint(1, 5))) for _ in range(STRINGS // 10)]

        spared = [key for key in keys if harmless.search(key)]

        assert [key for key in spared if any(each.search(key) for each in blocked)] == []
        assert len(spared) > 300
        assert all(map(harmless.search, ("attempt", "elapsed_ms", "queue.depth", "order_id", "breaker.state")))

    def test_one_that_is_would_be_found(self) -> None:
        patterns = compiled("redaction/keys", "blocked_key_patterns")

        assert any(each.search("shop.contact_name") for each in patterns)


def ignored() -> list[str]:
    found: list[str] = read(None)["processors"]["redaction/keys"]["ignored_keys"]
    return found
