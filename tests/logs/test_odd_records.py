"""Records of odd make keep their text and their stack."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog
from log_programs import MASKED, PHONE
from otlp_sink import Log, Sink

from whatsself_otel import Telemetry

Start = Callable[..., Telemetry]
PRINTED = f'Traceback (most recent call last):\n  File "shop.py", line 1, in send\nshop.SendError: to +{PHONE}'


@pytest.fixture
def start(start: Start) -> Start:
    """Start telemetry without pytest's own handlers beside it: they raise on what these tests write."""

    def start_alone(**settings: Any) -> Telemetry:
        telemetry = start(**settings)
        logging.getLogger().handlers = [telemetry.log_handler]
        return telemetry

    return start_alone


def failure() -> ValueError:
    try:
        raise ValueError(f"to +{PHONE}")
    except ValueError as error:
        return error


def handled(**attributes: Any) -> None:
    """Give the root's handlers a record with *attributes*, as a queue or another library makes it."""
    record = logging.makeLogRecord({"name": "shop", "levelno": logging.ERROR, "levelname": "ERROR", **attributes})
    logging.getLogger("shop").handle(record)


def only(telemetry: Telemetry, sink: Sink) -> Log:
    assert telemetry.force_flush(30)
    assert PHONE[4:].encode() not in b"".join(export.body for export in sink.received)
    (record,) = [record for record in sink.logs() if record.scope == "shop"]
    return record


class TestExceptions:
    @pytest.mark.parametrize(
        "given",
        [
            pytest.param(lambda error: (type(error), error, error.__traceback__), id="the tuple"),
            pytest.param(lambda error: error, id="the exception in its place"),
        ],
    )
    def test_of_any_form_have_type_message_and_stack(
        self, start: Start, sink: Sink, given: Callable[[ValueError], object]
    ) -> None:
        telemetry = start()
        handled(msg="failed", exc_info=given(failure()))

        record = only(telemetry, sink)
        assert (record.attributes["exception.type"], record.attributes["exception.message"]) == (
            "ValueError",
            f"to {MASKED}",
        )
        assert "in failure" in record.attributes["exception.stacktrace"]

    def test_are_found_where_the_record_only_says_that_there_is_one(self, start: Start, sink: Sink) -> None:
        telemetry = start()
        try:
            raise failure()
        except ValueError:
            handled(msg="failed", exc_info=True)

        assert only(telemetry, sink).attributes["exception.message"] == f"to {MASKED}"

    @pytest.mark.parametrize("exc_info", [None, True, (None, None, None)])
    def test_that_are_only_text_any_more_are_read_from_it(self, start: Start, sink: Sink, exc_info: object) -> None:
        telemetry = start()
        handled(msg="failed", exc_info=exc_info, exc_text=PRINTED)

        attributes = only(telemetry, sink).attributes
        assert (attributes["exception.type"], attributes["exception.message"]) == ("shop.SendError", f"to {MASKED}")
        assert attributes["exception.stacktrace"] == PRINTED.replace(f"+{PHONE}", MASKED)

    def test_whose_text_has_no_type_keep_the_text(self, start: Start, sink: Sink) -> None:
        telemetry = start()
        handled(msg="failed", exc_text=f"  it broke for +{PHONE}\n\n")

        attributes = only(telemetry, sink).attributes
        assert (attributes["exception.type"], attributes["exception.message"]) == (
            "Exception",
            f"it broke for {MASKED}",
        )


class TestStacks:
    def test_of_the_call_are_kept(self, start: Start, sink: Sink) -> None:
        telemetry = start()
        logging.getLogger("shop").error("here", stack_info=True)

        assert "test_of_the_call_are_kept" in only(telemetry, sink).attributes["code.stacktrace"]

    def test_are_masked_and_stand_in_the_line(
        self, start: Start, sink: Sink, capfd: pytest.CaptureFixture[str]
    ) -> None:
        telemetry = start(log_to_stdout=True, log_format="json")
        handled(msg="here", stack_info=f"Stack (most recent call last):\n  send('+{PHONE}')")

        only(telemetry, sink)
        (line,) = [json.loads(text) for text in capfd.readouterr().out.splitlines() if '"shop"' in text]
        assert line["code.stacktrace"] == f"Stack (most recent call last):\n  send('{MASKED}')"


@pytest.fixture
def formatter() -> Iterator[logging.Handler]:
    """Structlog as its documentation sets it up beside standard logging: the formatter renders."""
    structlog.configure(
        logger_factory=structlog.stdlib.LoggerFactory(),
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.processors.StackInfoRenderer(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
    )
    handler = logging.StreamHandler()
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processor=structlog.dev.ConsoleRenderer()))
    logging.getLogger().addHandler(handler)
    yield handler
    logging.getLogger().removeHandler(handler)
    structlog.reset_defaults()


@pytest.mark.usefixtures("formatter")
class TestEvents:
    """structlog's ``ProcessorFormatter`` is given the event as a dictionary in place of the message."""

    def test_are_the_message_and_the_rest_are_attributes(self, start: Start, sink: Sink) -> None:
        telemetry = start()
        structlog.get_logger("shop").warning("sent", phone=f"+{PHONE}", attempt=2, name="x", level_of_care="high")

        record = only(telemetry, sink)
        assert (record.body, record.level) == ("sent", "warn")
        assert record.attributes == {
            "phone": MASKED,
            "attempt": 2,
            "extra_name": "x",
            "level_of_care": "high",
        }

    def test_have_their_exception(self, start: Start, sink: Sink) -> None:
        telemetry = start()
        try:
            raise failure()
        except ValueError:
            structlog.get_logger("shop").exception("failed")

        record = only(telemetry, sink)
        assert (record.body, record.attributes["exception.message"]) == ("failed", f"to {MASKED}")

    def test_have_an_exception_that_a_processor_has_rendered(self, start: Start, sink: Sink) -> None:
        telemetry = start()
        handled(msg={"event": "failed", "exception": PRINTED, "stack": "Stack: here"}, exc_info=None)

        attributes = only(telemetry, sink).attributes
        assert (attributes["exception.type"], attributes["code.stacktrace"]) == ("shop.SendError", "Stack: here")

    def test_leave_the_record_as_it_was_for_other_handlers(self, start: Start, sink: Sink, tmp_path: Any) -> None:
        file = logging.FileHandler(tmp_path / "shop.log")
        file.setFormatter(structlog.stdlib.ProcessorFormatter(processor=structlog.processors.JSONRenderer()))
        telemetry = start()
        logging.getLogger().addHandler(file)
        structlog.get_logger("shop").warning("sent", attempt=2)
        logging.getLogger().removeHandler(file)
        file.close()

        only(telemetry, sink)
        assert json.loads((tmp_path / "shop.log").read_text("utf-8")) == {
            "attempt": 2,
            "event": "sent",
            "level": "warning",
            "logger": "shop",
        }

    def test_without_an_event_a_dictionary_is_text(self, start: Start, sink: Sink) -> None:
        telemetry = start()
        logging.getLogger("shop").warning({"phone": PHONE})

        assert only(telemetry, sink).body == "{'phone': '" + MASKED + "'}"
