"""Text that holds data is read as data: the rule of a name goes to the end of its value, and no further."""

from __future__ import annotations

import json
import pprint
import time

import pytest
from masking_records import Keep, Record, kept, records
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from rows import for_each
from score_masking import package, precision, recall

from whatsself_otel import Masker
from whatsself_otel.masking.data import MAX_NESTED
from whatsself_otel.traces.processors import mask_scope

MASKER = Masker()
WHAT = "oi, Ofelia"
PHONE = "5521976543210"


@pytest.fixture(scope="module")
def given() -> list[Record]:
    return records()


class TestRecords:
    """The records of the ruler: data that every class must lose, and data that must stay."""

    def test_are_many_of_many_classes(self, given: list[Record]) -> None:
        assert len(given) > 5_000
        assert len({record.cls for record in given}) > 100

    def test_lose_what_is_promised(self, given: list[Record]) -> None:
        score = recall(package(), given)
        promised = {record.cls for record in given if record.promise == "P"}
        documented = {record.cls for record in given if record.promise == "D"}

        assert score.share(promised) >= 0.99, score.misses[:3]
        assert {cls: score.share([cls]) for cls in promised if score.share([cls]) < 0.99} == {}
        assert {cls: score.share([cls]) for cls in documented if score.share([cls]) < 0.97} == {}

    def test_leave_what_is_harmless(self) -> None:
        cases = kept()
        score = precision(package(), cases)
        correlating = {case.cls for case in cases if case.correlates}

        assert score.share() >= 0.98, score.misses[:3]
        assert score.share(correlating) == 1.0, score.misses[:3]

    def test_a_masker_that_does_nothing_is_seen(self) -> None:
        cases = [Record("x", "P", f"a {number}", (number,)) for number in ("5521976543210", "Ofelia")]

        assert recall(lambda _, value: value, cases).share() == 0

    def test_one_that_masks_all_is_seen(self) -> None:
        assert precision(lambda _, value: f"[{value}]", [Keep("x", None, "fine")]).share() == 0

    def test_masked_once_are_masked(self, given: list[Record]) -> None:
        once = [MASKER.text(record.given) for record in given[::3] if isinstance(record.given, str)]
        twice = [MASKER.text(text) for text in once]

        assert [pair for pair in zip(once, twice, strict=True) if pair[0] != pair[1]][:3] == []


class TestData:
    @for_each(
        "text, masked",
        [
            ('{"text": ["a", "b"], "n": 1}', '{"text": ["[masked:body]", "[masked:body]"], "n": 1}'),
            ('{"text": {"v": "a"}, "n": "b"}', '{"text": {"v": "[masked:body]"}, "n": "b"}'),
            ("{'body': ('a', {'b': 'c'})} x", "{'body': ('[masked:body]', {'b': '[masked:body]'})} x"),
            ('{"message": {"id": "3EB0", "x": "a"}}', '{"message": {"id": "3EB0", "x": "[masked:body]"}}'),
            (
                '{"raw": "{\\"text\\": [\\"a \\\\\\"b\\\\\\" c\\"], \\"n\\": 1}"}',
                '{"raw": "{\\"text\\": [\\"[masked:body]\\"], \\"n\\": 1}"}',
            ),
            ("{'x': '{\"text\": \"a\"}'}", "{'x': '{\"text\": \"[masked:body]\"}'}"),
            ("input_value={'a': 'b'}, input_type=dict", "input_value={'a': '[masked:body]'}, input_type=dict"),
            ("{'text': 'a '\n         'b', 'n': 1}", "{'text': '[masked:body]'\n         '[masked:body]', 'n': 1}"),
            ("Message(id=9, text=oi, tudo bem, ok=True)", "Message(id=9, text=[masked:body], ok=True)"),
            ('{"text": "oi, never clo', '{"text": "[masked:body]'),
            (
                "[('authorization', 'x1'), ('accept', '*/*')]",
                "[('authorization', '[masked:secret]'), ('accept', '*/*')]",
            ),
            ('{"name": "cookie", "value": "x1"}', '{"name": "cookie", "value": "[masked:secret]"}'),
            ("['app', '--token', 'x1', '--port', '80']", "['app', '--token', '[masked:secret]', '--port', '80']"),
            ("{ text: 'a', n: 1 }", "{ text: '[masked:body]', n: 1 }"),
            ("{'title': 'none', 'to': 'queued'}", "{'title': 'none', 'to': 'queued'}"),
            ("{'order_id': '393857082423'}", "{'order_id': '393857082423'}"),
            ("{'type': 'Buffer', 'data': 'AAEC'}", "{'type': 'Buffer', 'data': '[masked:secret]'}"),
            (r"cut: {\"text\": \"a\", \"n\": 1", r"cut: {\"text\": \"[masked:body]\", \"n\": 1"),
        ],
    )
    def test_has_its_values_masked_and_nothing_else(self, text: str, masked: str) -> None:
        assert MASKER.text(text) == masked
        assert MASKER.text(masked) == masked

    @for_each("depth", range(7))
    def test_in_strings_of_data_never_shows(self, depth: int) -> None:
        text = json.dumps({"text": WHAT})
        for _ in range(depth):
            text = json.dumps({"raw": text})

        assert "Ofelia" not in MASKER.text(text)
        assert ("[masked:depth]" in MASKER.text(text)) == (depth > MAX_NESTED)

    @for_each(
        "text",
        [
            "f(x, y)[0] = {'a': [1, 2, 3]}",
            "it's {not: data} (really)",
            "std::map<int, std::vector<int>> {{1, {2}}}",
            "[12:30:01] (see: above) {ok}",
            "{'state': 'open', 'to': 'closed'}",
        ],
    )
    def test_without_names_of_rules_stays(self, text: str) -> None:
        assert MASKER.text(text) == text

    def test_keeps_ids_whole(self) -> None:
        payload = {"messages": [{"id": "3EB0C767D26A1B2C", "type": "text", "text": {"body": WHAT}}]}

        assert MASKER.text(pprint.pformat(payload)) == pprint.pformat(payload).replace(WHAT, "[masked:body]")


class TestPairs:
    @for_each(
        "text, masked",
        [
            ("send id=9 text=oi\nOfelia", "send id=9 text=[masked:body]"),
            ("send text=oi Ofelia ok=1", "send text=[masked:body] ok=1"),
            ('text="diz "Ofelia" ontem" ok=1', 'text="[masked:body]" ok=1'),
            ("send text: oi Ofelia", "send text: [masked:body]"),
            ("password=ab)cd x", "password=[masked:secret] x"),
            ("f(password=abcd)", "f(password=[masked:secret])"),
            ("password => abcd", "password => [masked:secret]"),
            ("privKey: <Buffer 05 1a>, n: 1", "privKey: [masked:secret], n: 1"),
            ("thread name=worker-1", "thread name=worker-1"),
            ("UPDATE m SET body = $1, status = $2 WHERE id = $3", "UPDATE m SET body = $1, status = $2 WHERE id = $3"),
            ("INSERT text=%s, name=%(name)s", "INSERT text=%s, name=%(name)s"),
            ("auth=oauth2 prompt=yes", "auth=oauth2 prompt=yes"),
        ],
    )
    def test_end_where_their_value_ends(self, text: str, masked: str) -> None:
        assert MASKER.text(text) == masked
        assert MASKER.text(masked) == masked


class TestNumbers:
    @for_each(
        "text, masked",
        [
            ("+55 (0) 11 98765-4321", "+55********4321"),
            ("+44 (0)20 7946 0958", "+44********0958"),
            ("+55 011 98765-4321", "+55********4321"),
            ("+55,11,98765,4321", "+55********4321"),
            ("phone5511987654321", "phone+55********4321"),
            ("\x1b[32m5511987654321\x1b[0m", "\x1b[32m+55********4321\x1b[0m"),
            ("5511987654321.12", "+55********4321.12"),
            ("*5511987654321*", "*+55********4321*"),
            ("5511987654321 us", "+55********4321 us"),
            ("+1,200,300", "+1,200,300"),
            ("202611301017", "202611301017"),
            ("30112026173949", "30112026173949"),
            ("arn:aws:sqs:sa-east-1:393857082423:fila", "arn:aws:sqs:sa-east-1:393857082423:fila"),
            ("order_id=393857082423", "order_id=393857082423"),
            ("120363040927458291@g.us", "120363040927458291@g.us"),
        ],
    )
    def test_are_whole_or_untouched(self, text: str, masked: str) -> None:
        assert MASKER.text(text) == masked
        assert MASKER.text(masked) == masked


HOSTILE = {
    "opening brackets": "[" * 3000,
    "opening maps": '{"a":' * 800,
    "open strings": '{"' * 1500,
    "apostrophes in brackets": "('" * 1500,
    "stray quotes": "{a='" + "x '" * 900,
    "nested strings": '{"text":"\\"' * 300,
    "backslashes in data": '{"a":"' + "\\" * 3000,
    "names without values": "{text:" * 600,
    "commas": "{text=" + "a," * 1200,
    "closers": "{'text': " + "}])" * 900,
    "pairs of headers": "('token','x')," * 250,
    "card": "BEGIN:VCARD" * 300,
    "parts": 'form-data; name="text"\r\n\r\n' * 150,
    "wide plus": "+5,5,1,1," * 400,
    "escape sequences": "\x1b[" * 1500,
    "titles": "\x1b]0;" * 900,
    "code blocks": "\u2588" * 3000,
    "quotes of a value": 'text="a ' * 400,
    "tails": "/AAAA-11" * 400,
    "lower case": "a1b2c3d4e5f61234 " * 180,
    "Cloud API ids": "wamid.HBgN" * 300,
    "prefixes": "npm_" * 800,
}


@for_each("name", HOSTILE)
def test_time_grows_with_the_data_and_no_faster(name: str) -> None:
    small, large = HOSTILE[name] * 10, HOSTILE[name] * 40

    assert any(seconds(large) / seconds(small) < 4 * 2.5 for _ in range(4))


def seconds(text: str) -> float:
    start = time.process_time()
    MASKER.text(text)
    return time.process_time() - start + 2e-3


class Disguised(str):
    """A text that shows itself as another."""

    __slots__ = ()

    def __str__(self) -> str:
        return "5521976543210"


class Number(int):
    def __str__(self) -> str:
        return "5521976543210"

    __repr__ = __str__


class TestTypes:
    @for_each("value", [Disguised("x"), Number(3), [Disguised("x")], {"a": Number(3)}, {Disguised("k"): 1}], ids=repr)
    def test_what_shows_itself_as_another_is_masked_as_it_leaves(self, value: object) -> None:
        masked = MASKER.value("x", value)

        assert "97654" not in f"{masked} {masked!r} {json.dumps(masked)}"

    def test_pairs_of_bytes_are_headers(self) -> None:
        assert MASKER.value(None, [(b"authorization", b"x1"), (b"accept", b"*/*")]) == [
            (b"authorization", b"[masked:secret]"),
            (b"accept", b"*/*"),
        ]

    def test_a_name_and_its_value_are_a_pair(self) -> None:
        assert MASKER.value(None, [{"name": "authorization", "value": "x1"}]) == [
            {"name": "authorization", "value": "[masked:secret]"}
        ]

    def test_objects_of_whatsapp_hold_content(self) -> None:
        location = {"latitude": -22.9, "name": "Casa da Ofelia", "url": "", "type": "HOME", "n": 3}

        assert MASKER.value("location", location) == {
            "latitude": "[masked:name]",
            "name": "[masked:name]",
            "url": "",
            "type": "HOME",
            "n": 3,
        }
        assert MASKER.value("location", "/api/send") == "/api/send"


class TestScopes:
    def test_every_text_of_a_scope_is_masked(self) -> None:
        scope = InstrumentationScope("shop", f"1.2 {PHONE}", f"https://x.example/{PHONE}", {"a": 1})
        masked = mask_scope(scope, MASKER)

        assert PHONE not in f"{masked.version} {masked.schema_url}"
        assert (masked.name, masked.attributes) == ("shop", {"a": 1})

    def test_a_clean_one_stays_the_same(self) -> None:
        scope = InstrumentationScope("shop", "1.2.3", "https://opentelemetry.io/schemas/1.40.0")

        assert mask_scope(scope, MASKER) is scope
