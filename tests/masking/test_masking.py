"""Masking, method by method."""

from __future__ import annotations

import copy
import dataclasses
import decimal
import enum
import math
import sys
import uuid
from collections import OrderedDict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from generate_masking_doc import PAGE, main
from rows import for_each

from whatsself_otel import ConfigError, Masker, MaskingConfig
from whatsself_otel.masking import MAX_ITEMS, MAX_TEXT_CHARS, MaskRule
from whatsself_otel.masking.detectors import DETECTOR_RULES, MAX_ANCHORS
from whatsself_otel.masking.keys import KEY_RULES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PHONE = "5511987654321"
MASKED = "+55********4321"
KEY = "0123456789abcdef0123456789abcdef"
OLD_KEY = "fedcba9876543210fedcba9876543210"
KNOWN_KEYS = [
    "phone",
    "to",
    "from",
    "jid",
    "body",
    "message",
    "content",
    "caption",
    "text",
    "pushName",
    "push_name",
    "name",
    "email",
    "qr",
    "token",
    "password",
    "secret",
    "authorization",
    "cookie",
    "dsn",
    "phoneNumber",
    "contact_phone",
    "remoteJid",
    "participantJid",
    "messageBody",
    "quotedMessage",
    "contactName",
    "customer_name",
    "userEmail",
    "qrCode",
    "accessToken",
    "api_key",
    "set-cookie",
    "x-api-key",
    "refreshToken",
    "dbPassword",
    "contact_password",
    "pwd",
    "vcard",
    "mensagem",
    "telefone",
    "senha",
]


def styles(name: str) -> list[str]:
    words = "".join(f" {char}" if char.isupper() else char for char in name.replace("-", " ").replace("_", " ")).split()
    lower = [word.lower() for word in words]
    camel = lower[0] + "".join(word.title() for word in lower[1:])
    return [
        "_".join(lower),
        camel,
        "-".join(lower),
        camel[0].upper() + camel[1:],
        "_".join(lower).upper(),
        f"contact.{'_'.join(lower)}",
    ]


@pytest.fixture
def masker() -> Masker:
    return Masker()


@pytest.fixture
def keyed(tmp_path: Path) -> Masker:
    file = tmp_path / "keys"
    file.write_text(f"# the first writes\n{KEY}\n\n{OLD_KEY}\n", encoding="utf-8")
    return Masker(MaskingConfig(pseudonym_key_file=file))


class Hostile:
    def __repr__(self) -> str:
        raise RuntimeError(PHONE)


@dataclasses.dataclass
class Contact:
    name: str
    phone: str


class Pair(NamedTuple):
    a: int
    b: int


class TestKeys:
    @for_each("name", KNOWN_KEYS)
    def test_known_keys_are_masked_in_every_style_at_any_depth(self, masker: Masker, name: str) -> None:
        for key in styles(name):
            for value in ({key: "canary"}, [{"a": {"b": ({key: "canary"},)}}], {"a": {key: {"x": ["canary"]}}}):
                assert "canary" not in str(masker.value(None, value)), key
            assert "canary" not in masker.text(f'{{"{key}": "canary"}}'), key

    @for_each("value", ["x", 5, 1.5, b"x", ["x"], ("x",), {"y": "x"}, decimal.Decimal(1), datetime.now(UTC)])
    def test_whatever_stands_under_a_known_key_is_masked(self, masker: Masker, value: object) -> None:
        assert "masked:secret" in str(masker.value("password", value))

    def test_nothing_is_made_of_nothing(self, masker: Masker) -> None:
        assert [masker.value("phone", value) for value in (None, True, "")] == [None, True, ""]

    def test_numbers_written_without_country_are_known_by_their_key(self, masker: Masker) -> None:
        assert masker.value("phone", "1134567890") == "+55********7890"
        assert masker.value("phone", "3456-78") == "[masked:phone]"

    def test_an_address_keeps_its_domain(self, masker: Masker) -> None:
        assert f"{MASKED}@c.us" == masker.value("from", f"{PHONE}@c.us")
        assert masker.value("to", "status@broadcast") == "status@broadcast"

    def test_names_hold_numbers_too(self, masker: Masker) -> None:
        assert {f"sent.{MASKED}": 1} == masker.attributes({f"sent.{PHONE}": 1})

    def test_ids_inside_a_masked_mapping_stay(self, masker: Masker) -> None:
        masked = masker.value("message", {"id": "3EB0", "conversation": "oi", "other": "tudo bem"})

        assert masked == {"id": "3EB0", "conversation": "[masked:body]", "other": "[masked:body]"}


class TestText:
    @for_each("rule", DETECTOR_RULES, ids=lambda rule: rule.example)
    def test_every_documented_detector_finds_its_example(self, rule: Any) -> None:
        masker = Masker(MaskingConfig(regions=("BR", "FR")))
        digits = [
            run for run in rule.example.replace("-", " ").replace(")", " ").split() if run.isdigit() and len(run) > 4
        ]

        masked = masker.text(f"seen: {rule.example} today")

        assert masked != f"seen: {rule.example} today"
        assert not any(run in masked for run in digits)

    def test_shows_examples_as_documented(self, masker: Masker) -> None:
        examples = {
            f"true_{PHONE}@c.us_3EB0A1_out": f"true_{MASKED}@c.us_3EB0A1_out",
            f"{PHONE}:12@s.whatsapp.net": f"{MASKED}:12@s.whatsapp.net",
            "120363025246125888@g.us": "120363025246125888@g.us",
            f"{PHONE}-1612345678@g.us": f"{MASKED}-1612345678@g.us",
            "1700000000@broadcast": "[masked:jid]@broadcast",
            "postgresql://app:p@ss/w@db/x": "postgresql://REDACTED:REDACTED@db/x",
            "Contact(name='João', phone='123')": "Contact(name='[masked:name]', phone='[masked:phone]')",
            "password=hunter2 user=3": "password=[masked:secret] user=3",
            "Authorization: Bearer abc.def1 x": "Authorization: [masked:secret]",
            "DETAIL: Key (phone)=(11 98765) already exists.": "DETAIL: Key (phone)=([masked:sql]) already exists.",
            "[SQL: SELECT 'x'] [parameters: ('a', 'b')]": "[SQL: SELECT ?] [parameters: [masked:sql]]",
        }

        assert examples == {text: masker.text(text) for text in examples}

    def test_all_digits_can_be_hidden(self) -> None:
        assert Masker(MaskingConfig(mask_last=0)).text(PHONE) == "+55********"

    def test_long_texts_are_cut_and_say_so(self, masker: Masker) -> None:
        masked = masker.text("x " * 5_000_000)

        assert len(masked) <= MAX_TEXT_CHARS + len("[masked:size]")
        assert masked.endswith("[masked:size]")

    def test_a_cut_leaves_no_half_number(self, masker: Masker) -> None:
        masked = masker.text("x" * (MAX_TEXT_CHARS - 10) + " 11 98765-4321")

        assert "987" not in masked

    @for_each("text", ["\ud83d oi", f"\ud83d{PHONE}\udc00", "\0", "\U0010ffff"])
    def test_half_characters_are_no_obstacle(self, text: str) -> None:
        masker = Masker()
        assert text.replace(PHONE, MASKED) == masker.text(text)


class TestUrl:
    @for_each(
        "url, masked",
        [
            (f"/contacts/{PHONE}/x", f"/contacts/{MASKED}/x"),
            ("/contacts/%2B55%2011%2098765-4321", f"/contacts/{MASKED}"),
            ("/contacts/%252B5511987654321", f"/contacts/{MASKED}"),
            ("?phone=+55+11+98765-4321&page=2", "?phone=+55********4321&page=2"),
            ("phone[]=1&name=Jo%C3%A3o%26Maria&q=maria", "phone[]=[masked:phone]&name=[masked:name]&q=[masked:body]"),
            (
                "https://u:p@api.example/x?token=abc#sig=def",
                "https://REDACTED:REDACTED@api.example/x?token=[masked:secret]#sig=[masked:secret]",
            ),
            ("/wa/55+11+98765-4321", f"/wa/{MASKED}"),
            ("/api/send?page=2&sort=asc", "/api/send?page=2&sort=asc"),
        ],
    )
    def test_masks_path_parameters_and_credentials(self, masker: Masker, url: str, masked: str) -> None:
        assert masked == masker.url(url)


class TestSql:
    @for_each(
        "statement, masked",
        [
            ("SELECT * FROM c WHERE phone = '5511987654321' LIMIT 10", "SELECT * FROM c WHERE phone = ? LIMIT ?"),
            ("INSERT INTO m VALUES (1, 'it''s João', E'a\\nb', 1.5e3, 0xFF)", "INSERT INTO m VALUES (?, ?, ?, ?, ?)"),
            (
                'SELECT $1, :name, %s, ?, @p1, c.phone2 FROM "Contact" c',
                'SELECT $1, :name, %s, ?, @p1, c.phone2 FROM "Contact" c',
            ),
            ("SELECT $$João$$, $t$a'b$t$", "SELECT ?, ?"),
            ("SELECT 'never closed João", "SELECT ?"),
            (r"SELECT 'a\'b' , 'João'", "SELECT ?"),
            ('SELECT * FROM c WHERE n = "João Silva!"', "SELECT * FROM c WHERE n = ?"),
            ("SELECT 1 /* joao@x.com */", "SELECT ? /* [masked:email] */"),
        ],
    )
    def test_literals_become_question_marks(self, masker: Masker, statement: str, masked: str) -> None:
        assert masked == masker.sql(statement)

    def test_a_long_statement_is_cut_and_says_so(self, masker: Masker) -> None:
        masked = masker.sql(f"SELECT '{PHONE}', {'a' * MAX_TEXT_CHARS}, '{PHONE}'")

        assert masked.startswith("SELECT ?, aaa")
        assert masked.endswith("a[masked:size]")


class TestValue:
    def test_types_stay(self, masker: Masker) -> None:
        color = enum.Enum("color", "red")
        values: list[Any] = [
            1,
            2**70,
            1.5,
            decimal.Decimal("1.5"),
            b"x",
            bytearray(b"x"),
            {1},
            frozenset({1}),
            (1,),
            [1],
            Pair(1, 2),
            color.red,
            uuid.uuid4(),
            datetime.now(UTC),
            None,
            True,
            "x",
            {1: 2},
        ]

        assert [(type(value), value) for value in values] == [
            (type(masked), masked) for masked in [masker.value(None, value) for value in values]
        ]

    def test_numbers_in_any_type_are_phones_too(self, masker: Masker) -> None:
        values = [
            int(PHONE),
            float(PHONE),
            decimal.Decimal(PHONE),
            PHONE.encode(),
            bytearray(PHONE, "utf-8"),
            memoryview(PHONE.encode()),
            PHONE.encode("utf-16-le"),
            {PHONE},
            OrderedDict(a=PHONE),
            Contact("João", PHONE),
            ValueError(PHONE),
        ]

        assert [value for value in values if "98765" in str(masker.value(None, value)).replace("\0", "")] == []

    def test_the_input_is_never_changed(self, masker: Masker) -> None:
        value = {"phone": PHONE, "list": [PHONE, {"body": "oi"}], "set": {PHONE}}
        before = copy.deepcopy(value)
        masker.value(None, value)

        assert before == value

    def test_what_cannot_be_shown_costs_itself_only(self, masker: Masker) -> None:
        assert masker.value(None, {"a": Hostile(), "b": 1}) == {"a": "<Hostile: repr failed>", "b": 1}

    def test_generators_are_not_consumed(self, masker: Masker) -> None:
        numbers: Iterator[int] = iter([1, 2])
        masker.value(None, numbers)

        assert list(numbers) == [1, 2]

    def test_nan_stays(self, masker: Masker) -> None:
        values = [
            masker.value(None, value) for value in (math.nan, math.inf, decimal.Decimal("NaN"), decimal.Decimal("sNaN"))
        ]

        assert all(isinstance(value, (float, decimal.Decimal)) for value in values)

    def test_cycles_end(self, masker: Masker) -> None:
        cycle: list[object] = [PHONE]
        cycle.append(cycle)

        assert masker.value(None, cycle) == [MASKED, "[masked:cycle]"]

    def test_depth_is_bounded(self, masker: Masker) -> None:
        deep: object = PHONE
        for _ in range(10_000):
            deep = {"a": [deep]}

        assert "[masked:depth]" in str(masker.value(None, deep))

    def test_size_is_bounded(self, masker: Masker) -> None:
        masked = masker.value(None, dict.fromkeys(range(1_000_000), 1))

        assert isinstance(masked, dict)
        assert len(masked) == MAX_ITEMS + 1
        assert masked["masking"] == "[masked:size]"

    def test_a_list_that_is_too_long_is_cut_and_says_so(self, masker: Masker) -> None:
        masked = masker.value(None, list(range(2 * MAX_ITEMS)))

        assert masked == [*range(MAX_ITEMS), "[masked:size]"]

    def test_attributes_under_names_that_are_no_text_have_text(self, masker: Masker) -> None:
        odd: Any = {1: "a", "b": "c"}

        assert masker.attributes(odd) == {"1": "a", "b": "c"}

    def test_ten_megabytes_are_no_problem(self, masker: Masker) -> None:
        assert "[masked:size]" in str(masker.value(None, "5511987654321 " * 700_000))
        assert len(str(masker.value(None, b"x" * 10_000_000))) < 5 * MAX_TEXT_CHARS

    def test_little_stack_left_is_no_leak(self, masker: Masker) -> None:
        def descend(left: int) -> object:
            return descend(left - 1) if left else masker.value("x", {"a": [{"b": PHONE}]})

        shown = []
        for left in range(1, 60):
            try:
                shown.append(str(descend(sys.getrecursionlimit() - len_of_stack() - left)))
            except RecursionError:
                continue

        assert not any("98765" in text for text in shown)


def len_of_stack() -> int:
    depth, frame = 0, sys._getframe()
    while frame is not None:
        depth, frame = depth + 1, frame.f_back  # type: ignore[assignment]
    return depth


class TestNumbersOfManyForms:
    @for_each(
        "text, masked",
        [
            ("11 222 333 0001 81", "[masked:document]"),
            ("11 222 333 0001 82", "11 222 333 0001 82"),
            ("529 982 247 25", "[masked:document]"),
            ("111 111 111 11", "111 111 111 11"),
            ("%C3+5511987654321", f"%C3{MASKED}"),
            ("%E5%35%3511987654321", f"%E5{MASKED}"),
            (f"{PHONE}:12@s.whatsapp.net", f"{MASKED}:12@s.whatsapp.net"),
            ("to=+55119876543210000, 1", "to=+55********0000, 1"),
            (f"+{PHONE}{'0' * 40} 1", "+55********0000 1"),
        ],
    )
    def test_in_a_text(self, masker: Masker, text: str, masked: str) -> None:
        assert masked == masker.text(text)

    def test_under_their_name_with_an_exit_prefix(self, masker: Masker) -> None:
        assert masker.value("phone", "00 351 912 345 678") == "+351********5678"

    def test_as_an_id_of_whatsapp_under_the_name_of_a_phone(self, masker: Masker) -> None:
        assert masker.text(f"phone={PHONE}@s.whatsapp.net") == f"phone={MASKED}@s.whatsapp.net"


class TestKeysOfOpenTelemetry:
    def test_what_is_bound_to_a_statement_is_always_hidden(self, masker: Masker) -> None:
        assert masker.attributes({"db.query.parameter.city": "Recife", "db.operation.parameter.0": "Recife"}) == {
            "db.query.parameter.city": "[masked:sql]",
            "db.operation.parameter.0": "[masked:sql]",
        }

    def test_what_people_wrote_to_a_model_is_always_hidden(self, masker: Masker) -> None:
        assert masker.attributes({"gen_ai.input.messages": "oi", "gen_ai.request.model": "m"}) == {
            "gen_ai.input.messages": "[masked:body]",
            "gen_ai.request.model": "m",
        }


class TestIdentifier:
    def test_without_key_a_number_is_masked(self, masker: Masker) -> None:
        assert [MASKED, f"{MASKED}@c.us", "c1"] == [masker.identifier(v) for v in (PHONE, f"{PHONE}@c.us", "c1")]

    def test_a_hidden_id_has_its_own_pseudonym_and_is_one_constant_without_a_key(
        self, masker: Masker, keyed: Masker
    ) -> None:
        ids = ("216543210987654@lid", "98765432109876@lid")

        assert len({keyed.identifier(each) for each in ids}) == 2
        assert {masker.identifier(each) for each in ids} == {"[masked:jid]@lid"}

    def test_a_group_is_never_one_constant(self, masker: Masker, keyed: Masker) -> None:
        groups = ("5511987654321-1604567890@g.us", "5511987654321-1604567891@g.us", "120363041234567891@g.us")

        for each in (masker, keyed):
            masked = [each.identifier(group) for group in groups]
            assert len(set(masked)) == 3
            assert "98765" not in "".join(masked)

    def test_one_contact_has_one_pseudonym(self, keyed: Masker) -> None:
        written = [
            PHONE,
            f"+{PHONE}",
            "+55 (11) 98765-4321",
            "11987654321",
            "551187654321",
            f"{PHONE}@c.us",
            f"{PHONE}:3@s.whatsapp.net",
        ]

        pseudonyms = {keyed.identifier(text) for text in written}

        assert len(pseudonyms) == 1
        assert pseudonyms.pop().startswith("p_")

    def test_different_contacts_have_different_pseudonyms(self, keyed: Masker) -> None:
        assert len({keyed.identifier(f"55119876543{n:02d}") for n in range(100)}) == 100

    def test_the_message_stays_readable_around_it(self, keyed: Masker) -> None:
        assert keyed.identifier(f"true_{PHONE}@c.us_3EB0A1") == f"true_{keyed.identifier(PHONE)}@c.us_3EB0A1"

    def test_a_pseudonym_is_an_id(self, keyed: Masker) -> None:
        pseudonym = keyed.identifier(PHONE)

        assert pseudonym == keyed.identifier(pseudonym) == keyed.text(pseudonym)

    def test_older_keys_still_resolve(self, keyed: Masker, tmp_path: Path) -> None:
        file = tmp_path / "old"
        file.write_text(OLD_KEY, encoding="utf-8")
        old = Masker(MaskingConfig(pseudonym_key_file=file)).identifier(PHONE)

        assert [keyed.identifier(PHONE), old] == list(keyed.pseudonyms(PHONE))


class TestFailure:
    @for_each("method", ["text", "url", "sql", "identifier"])
    def test_an_error_inside_replaces_the_value(self, method: str) -> None:
        counted: list[tuple[str, int]] = []
        masker = Masker(on_masked=lambda rule, count: counted.append((rule, count)))

        assert getattr(masker, method)(object()) == "[masked:error]"
        assert counted == [("error", 1)]

    def test_a_users_function_that_raises_replaces_the_text(self) -> None:
        def fail(text: str) -> list[tuple[int, int]]:
            if "secret" in text:
                raise RuntimeError(text)
            return []

        masker = Masker(MaskingConfig(rules=(MaskRule(name="mine", find=fail),)))

        assert masker.attributes({"a": "secret text", "b": 1}) == {"a": "[masked:error]", "b": 1}

    def test_a_counter_that_raises_changes_nothing(self) -> None:
        def fail(rule: str, count: int) -> None:
            raise RuntimeError(rule, count)

        assert Masker(on_masked=fail).text(PHONE) == MASKED

    def test_every_application_of_a_rule_is_counted(self) -> None:
        counted: list[str] = []
        Masker(on_masked=lambda rule, _: counted.append(rule)).attributes({"body": "oi", "a": f"{PHONE} joao@x.com"})

        assert counted == ["body", "phone", "email"]


class TestConfig:
    def test_every_problem_is_reported_at_once(self, tmp_path: Path) -> None:
        short = tmp_path / "short"
        short.write_text("abc", encoding="utf-8")
        with pytest.raises(ConfigError) as caught:
            MaskingConfig(
                mask_last=5,
                extra_keys=("",),
                allow_keys=("password",),
                allow_values=("55",),
                pseudonym_key_file=short,
                rules=(
                    MaskRule(name="Bad Name", pattern="x"),
                    MaskRule(name="phone", pattern="x"),
                    MaskRule(name="empty"),
                    MaskRule(name="broken", pattern="("),
                    MaskRule(name="always", pattern="x*"),
                    MaskRule(name="slow", pattern="(a+)+b"),
                ),
            )

        expected = [
            "mask_last",
            "no letters",
            "Bad Name",
            "built-in",
            "neither",
            "compile",
            "empty text",
            "repeats",
            "'password'",
            "allow_values",
            "shorter than 16",
        ]
        assert len(caught.value.problems) == len(expected)
        assert all(part in problem for part, problem in zip(expected, caught.value.problems, strict=True))

    def test_a_missing_key_file_is_reported(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="FileNotFoundError"):
            MaskingConfig(pseudonym_key_file=tmp_path / "none")

    def test_a_key_file_may_be_named_as_text(self, tmp_path: Path) -> None:
        file = tmp_path / "key"
        file.write_text(KEY, encoding="utf-8")
        named: Any = str(file)

        assert MaskingConfig(pseudonym_key_file=named) == MaskingConfig(pseudonym_key_file=file)

    def test_an_empty_key_file_is_reported(self, tmp_path: Path) -> None:
        (tmp_path / "key").write_text("\n", encoding="utf-8")
        with pytest.raises(ConfigError, match="holds no key; write one line of random text"):
            MaskingConfig(pseudonym_key_file=tmp_path / "key")

    def test_users_rules_apply(self) -> None:
        config = MaskingConfig(
            extra_keys=("orderNote",), rules=(MaskRule(name="plate", pattern=r"[A-Z]{3}-\d{4}", keys=("placa",)),)
        )

        assert Masker(config).attributes({"order_note": "x", "placa": "y", "x": "see ABC-1234"}) == {
            "order_note": "[masked:key]",
            "placa": "[masked:plate]",
            "x": "see [masked:plate]",
        }

    def test_an_allowed_key_is_still_read(self) -> None:
        masker = Masker(MaskingConfig(allow_keys=("to", "from")))

        assert masker.attributes({"from": "closed", "to": PHONE}) == {"from": "closed", "to": MASKED}

    def test_an_allowed_value_frees_itself_only(self) -> None:
        masker = Masker(MaskingConfig(allow_values=("+55 11 3000-0000",)))

        assert f"+551130000000 and {MASKED}" == masker.text(f"+551130000000 and {PHONE}")


def test_the_page_is_generated_from_the_rules() -> None:
    assert main(["--check"]) == 0


def test_the_page_names_every_rule() -> None:
    text = PAGE.read_text(encoding="utf-8")

    assert [
        rule.rule
        for rule in (*KEY_RULES, *DETECTOR_RULES)
        if f"`[masked:{rule.rule}]`" not in text and rule.rule not in {"phone", "jid", "credentials", "wamid"}
    ] == []


class TestWhatLooksLikeAnIdButHoldsANumber:
    """The short cut for ids must not let similar text through."""

    @for_each(
        "text", ["cabcdefghtel5511987654321", "tel/11987654321", "2026-11-23T12:00:00 5511987654321", "-/5511987654321"]
    )
    def test_is_read_by_the_detectors(self, text: str) -> None:
        masked = Masker().text(text)

        assert "1198765" not in masked
        assert masked.endswith("********4321")


class TestTextFullOfPlaces:
    def test_has_its_rest_hidden_and_says_so(self) -> None:
        masked = Masker().text(f"{PHONE}, " * (MAX_ANCHORS + 500) + "joao@example.com")

        assert masked.count(MASKED) == MAX_ANCHORS
        assert masked.endswith("[masked:size]")
        assert Masker().text(masked) == masked

    def test_shows_nothing_of_an_address_that_the_limit_cuts(self) -> None:
        masked = Masker().text(f"{PHONE}, " * MAX_ANCHORS + "joao.da.silva@example.com")

        assert "joao" not in masked

    def test_is_whole_below_the_limit(self) -> None:
        assert Masker().text(f"{PHONE}, " * 1000) == f"{MASKED}, " * 1000
