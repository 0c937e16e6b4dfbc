"""One bad record among a hundred: the others arrive, and it does too, as readable as it can be made."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
from otlp_sink import Sink
from rows import for_each
from sqlalchemy import create_engine, event
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from whatsself_otel import MaskingConfig, MaskRule, Telemetry

Start = Callable[..., Telemetry]
PHONE = "5511987654321"
MASKED = "+55********4321"


class Rude:
    """An object that will not be shown."""

    def __str__(self) -> str:
        raise RuntimeError(PHONE)

    __repr__ = __str__


class Base(DeclarativeBase):
    """Where the tables of these tests belong."""


class Contact(Base):
    """A row whose repr shows personal data."""

    __tablename__ = "contact"
    id: Mapped[int] = mapped_column(primary_key=True)
    phone: Mapped[str]

    def __repr__(self) -> str:
        return f"Contact(phone={self.phone!r})"


def numbers() -> Iterator[str]:
    yield PHONE


@pytest.fixture
def start(start: Start) -> Start:
    """Start telemetry without pytest's own handlers beside it: they raise on what these tests write."""

    def start_alone(**settings: Any) -> Telemetry:
        telemetry = start(**settings)
        logging.getLogger().handlers = [telemetry.log_handler]
        return telemetry

    return start_alone


BAD: dict[str, tuple[object, tuple[object, ...], dict[str, Any], str, dict[str, Any]]] = {
    "too few arguments": ("%s %s", ("one",), {}, "%s %s one", {}),
    "an argument of a wrong type": ("%d items", (f"+{PHONE}",), {}, f"%d items {MASKED}", {}),
    "a name that is not there": ("%(missing)s", ({"a": 1},), {}, "%(missing)s {'a': 1}", {}),
    "an argument that raises": ("to %s", (Rude(),), {}, "to %s [unprintable Rude]", {}),
    "a message that raises": (Rude(), (), {}, "[unprintable Rude]", {}),
    "an extra that raises": ("x", (), {"odd": Rude()}, "x", {"odd": "<Rude: repr failed>"}),
    "half a character": ("half \ud83d", (), {"odd": "a\ud83db"}, "half \ufffd", {"odd": "a\ufffdb"}),
    "a huge number": ("%d", (2**70,), {"odd": -(2**70)}, f"{2**70}", {"odd": f"-{2**70}"}),
    "bytes": ("%s", (PHONE.encode(),), {"odd": b"\xff" + PHONE.encode()}, f"b'{MASKED}'", {"odd": f"b'\\xff{MASKED}'"}),
    "no number": ("%s", (float("nan"),), {"odd": float("-inf")}, "nan", {"odd": "-inf"}),
    "a decimal": ("%s", (Decimal("12.50"),), {"odd": Decimal("12.50")}, "12.50", {"odd": "12.50"}),
    "a decimal that is a phone": ("x", (), {"odd": Decimal(PHONE)}, "x", {"odd": MASKED}),
    "a set": ("%s", ({1},), {"odd": {PHONE}}, "{1}", {"odd": [MASKED]}),
    "nothing": (None, (), {"odd": None}, "None", {"odd": None}),
    "a type": ("%s", (int,), {"odd": Rude}, "<class 'int'>", {"odd": f"<class '{__name__}.Rude'>"}),
}
"""Message, arguments and extras, with the expected result."""


@for_each("name", BAD)
def test_the_others_arrive_and_it_does_too(start: Start, sink: Sink, name: str) -> None:
    message, arguments, extra, body, attributes = BAD[name]
    telemetry = start()
    for number in range(50):
        logging.getLogger("shop").info("good %d", number)
    logging.getLogger("bad").info(message, *arguments, extra=extra)
    for number in range(50, 99):
        logging.getLogger("shop").info("good %d", number)
    flushed, logs, sent = telemetry.force_flush(30), sink.logs(), b"".join(export.body for export in sink.received)
    telemetry.shutdown()
    sink.received.clear()

    assert flushed
    assert [log.body for log in logs if log.scope == "shop"] == [f"good {number}" for number in range(99)]
    assert [(log.body, log.attributes) for log in logs if log.scope == "bad"] == [(body, attributes)]
    assert PHONE[4:].encode() not in sent


def test_half_characters_in_names_cost_only_themselves(start: Start, sink: Sink) -> None:
    telemetry = start()
    logging.getLogger("sh\ud83dop").info("kept", extra={"ke\ud83dy": 1, "fine": 2})
    assert telemetry.force_flush(30)

    (record,) = sink.logs()
    assert (record.body, record.scope) == ("kept", "sh\ufffdop")
    assert sorted(record.attributes.values()) == [1, 2]


def test_a_generator_is_not_consumed(start: Start, sink: Sink) -> None:
    telemetry, generator = start(), numbers()
    logging.getLogger("shop").info("%s", generator, extra={"odd": generator})
    assert telemetry.force_flush(30)

    (record,) = sink.logs()
    assert (record.body, record.attributes["odd"]) == (repr(generator), repr(generator))
    assert list(generator) == [PHONE]


class TestRowsOfADatabase:
    def test_are_shown_masked(self, start: Start, sink: Sink) -> None:
        telemetry = start()
        logging.getLogger("shop").info("%r", Contact(phone=PHONE), extra={"contact": Contact(phone=PHONE)})
        assert telemetry.force_flush(30)

        (record,) = sink.logs()
        assert record.body == record.attributes["contact"] == f"Contact(phone='{MASKED}')"

    def test_whose_session_is_gone_cost_only_themselves(self, start: Start, sink: Sink) -> None:
        telemetry = start()
        engine = create_engine("sqlite://")
        Base.metadata.create_all(engine)
        with Session(engine) as session:
            row = Contact(phone=PHONE)
            session.add(row)
            session.commit()
        statements: list[str] = []
        event.listen(engine, "before_cursor_execute", lambda *arguments: statements.append(arguments[2]))
        logging.getLogger("shop").info("kept %s", row, extra={"contact": row})
        assert telemetry.force_flush(30)
        engine.dispose()

        (record,) = sink.logs()
        assert (record.body, record.attributes["contact"]) == (
            "kept %s [unprintable Contact]",
            "<Contact: repr failed>",
        )
        assert statements == []


class TestRulesThatRaise:
    def test_replace_the_value_and_are_counted_while_the_record_goes_on(self, start: Start, sink: Sink) -> None:
        def fail(text: str) -> list[tuple[int, int]]:
            if "order" in text:
                raise RuntimeError(text)
            return []

        telemetry = start(masking=MaskingConfig(rules=(MaskRule(name="mine", find=fail),)))
        logging.getLogger("shop").info("order 12 of Maria", extra={"note": "order 13", "fine": 1})
        assert telemetry.force_flush(30)

        (record,) = sink.logs()
        assert (record.body, record.attributes) == ("[masked:error]", {"note": "[masked:error]", "fine": 1})
        assert masked_values(sink)["error"] == 2

    def test_a_record_that_cannot_be_read_at_all_still_says_so(self, start: Start, sink: Sink) -> None:
        telemetry = start()
        record = logging.makeLogRecord({"msg": "x", "levelno": 20, "name": "shop"})
        record.created = None  # type: ignore[assignment]
        telemetry.log_handler.handle(record)
        assert telemetry.force_flush(30)

        assert [log.body for log in sink.logs()] == ["[unreadable log record]"]
        points = sink.metrics()["telemetry.errors"][-1].sum.data_points
        assert {attribute.value.string_value: point.as_int for point in points for attribute in point.attributes}[
            "logs"
        ] == 1

    def test_every_rule_that_applied_is_counted(self, start: Start, sink: Sink) -> None:
        telemetry = start()
        logging.getLogger("shop").info("to +%s and joao@example.com", PHONE, extra={"body": "oi"})
        assert telemetry.force_flush(30)

        counted = {rule: count for rule, count in masked_values(sink).items() if count}
        assert counted == {"phone": 1, "email": 1, "body": 1}


def masked_values(sink: Sink) -> dict[str, int]:
    points = sink.metrics()["telemetry.masked_values"][-1].sum.data_points
    return {attribute.value.string_value: point.as_int for point in points for attribute in point.attributes}


def test_the_lines_on_stdout_are_json_too(start: Start, capfd: pytest.CaptureFixture[str]) -> None:
    telemetry = start(log_to_stdout=True, log_format="json")
    for message, arguments, extra, _, _ in BAD.values():
        logging.getLogger("bad").info(message, *arguments, extra=extra)
    telemetry.shutdown()

    lines = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert [line["msg"] for line in lines if line["logger"] == "bad"] == [body for *_, body, _ in BAD.values()]
