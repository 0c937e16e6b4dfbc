"""Log records: Pino's shape, one masked line each, the same record over OTLP, and nothing that can hurt the caller."""

from __future__ import annotations

import io
import json
import logging
import sys
import threading
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.instrumentation.utils import suppress_instrumentation
from rows import for_each

from whatsself_otel import ConfigError, Telemetry, message_context
from whatsself_otel.export.otlp import ExportResult, OtlpHttpClient
from whatsself_otel.logs import (
    _MAX_REMEMBERED,
    _MAX_REMEMBERED_CHARS,
    LogSettings,
    TelemetryHandler,
    clean_text,
    plain,
)
from whatsself_otel.masking import Masker, MaskingConfig, MaskRule

if TYPE_CHECKING:
    from otlp_sink import Sink

Start = Callable[..., Telemetry]


class Rude:
    """An object that refuses to be shown."""

    def __repr__(self) -> str:
        raise RuntimeError("no")

    __str__ = __repr__


@pytest.fixture
def lines() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def log(lines: io.StringIO) -> logging.Logger:
    logger = logging.Logger("shop", 1)  # noqa: LOG001 - not one that the process knows
    logger.addHandler(TelemetryHandler(Masker(), LogSettings(stream=lines, service="shop", environment="test"), None))
    return logger


def read(lines: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines.getvalue().splitlines()]


def take(lines: io.StringIO) -> list[dict[str, Any]]:
    """Return the lines, and empty the stream for the next row of a table."""
    found = read(lines)
    lines.seek(0)
    lines.truncate()
    return found


class TestShape:
    def test_a_line_is_pinos_record(self, log: logging.Logger, lines: io.StringIO) -> None:
        with message_context(contact_id="c1", message_id="m1"):
            log.warning("queue is %d deep", 3, extra={"depth": 3})

        (line,) = read(lines)
        assert line.pop("ts")[-1] == "Z"
        assert line == {
            "level": "warn",
            "msg": "queue is 3 deep",
            "logger": "shop",
            "contactId": "c1",
            "messageId": "m1",
            "service": "shop",
            "environment": "test",
            "depth": 3,
        }

    @for_each(
        "number, name",
        [(5, "trace"), (10, "debug"), (20, "info"), (25, "info"), (30, "warn"), (40, "error"), (50, "fatal")],
    )
    def test_levels_have_pinos_names(self, log: logging.Logger, lines: io.StringIO, number: int, name: str) -> None:
        log.log(number, "x")

        assert take(lines)[0]["level"] == name

    def test_an_exception_is_type_message_and_stack_masked(self, log: logging.Logger, lines: io.StringIO) -> None:
        try:
            raise ValueError("bad number +5511987654321")
        except ValueError:
            log.exception("failed")

        error = read(lines)[0]["err"]
        assert (error["type"], error["message"]) == ("ValueError", "bad number +55********4321")
        assert "Traceback" in error["stack"]
        assert "987654321" not in lines.getvalue()

    def test_an_id_given_as_extra_wins_and_a_reserved_name_is_moved(
        self, log: logging.Logger, lines: io.StringIO
    ) -> None:
        with message_context(contact_id="c1"):
            log.info("x", extra={"contactId": "c2", "level": "mine"})

        (line,) = read(lines)
        assert (line["contactId"], line["level"], line["extra_level"]) == ("c2", "info", "mine")


class TestMasking:
    def test_phones_and_known_keys_never_reach_the_line(self, log: logging.Logger, lines: io.StringIO) -> None:
        log.info(
            "to %s", "+5511987654321", extra={"phone": "11987654321", "body": "oi Maria", "deep": [{"token": "t0k3n"}]}
        )

        assert [word for word in ("987654321", "Maria", "t0k3n") if word in lines.getvalue()] == []

    def test_what_is_said_again_is_masked_and_counted_again(self, lines: io.StringIO) -> None:
        counted: list[str] = []
        masker = Masker(on_masked=lambda rule, _count: counted.append(rule))
        logger = logging.Logger("shop", 1)  # noqa: LOG001 - not one that the process knows
        logger.addHandler(TelemetryHandler(masker, LogSettings(stream=lines), None))
        for _ in range(2):
            logger.info("to +5511987654321", extra={"answer": "call 11987654321", "phone": "11987654321", "kind": "x"})
            logger.info("sent", extra={"kind": "11987654321"})  # under a key that was clean before

        assert "987654321" not in lines.getvalue()
        assert len(counted) == 8

    def test_a_clean_text_under_another_key_is_read_by_the_rule_of_that_key(
        self, log: logging.Logger, lines: io.StringIO
    ) -> None:
        log.info("a", extra={"kind": "oi Maria"})
        log.info("b", extra={"body": "oi Maria"})

        assert [(line.get("kind"), line.get("body")) for line in read(lines)] == [
            ("oi Maria", None),
            (None, "[masked:body]"),
        ]

    def test_what_is_remembered_as_clean_is_bounded(self, lines: io.StringIO) -> None:
        handler = TelemetryHandler(Masker(), LogSettings(stream=lines), None)
        logger = logging.Logger("shop", 1)  # noqa: LOG001 - not one that the process knows
        logger.addHandler(handler)
        for number in range(_MAX_REMEMBERED + 10):
            logger.info("line %d", number, extra={"kind": f"kind {number}", "flow": "x" * (_MAX_REMEMBERED_CHARS + 1)})

        assert 0 < len(handler._clean_texts) <= _MAX_REMEMBERED
        assert 0 < len(handler._clean_fields) <= _MAX_REMEMBERED
        assert all(len(value) <= _MAX_REMEMBERED_CHARS for _, value in handler._clean_fields)

    def test_a_contact_id_that_is_a_phone_is_masked(self, log: logging.Logger, lines: io.StringIO) -> None:
        with message_context(contact_id="+5511987654321"):
            log.info("x")

        assert read(lines)[0]["contactId"] == "+55********4321"


class TestHostileRecords:
    @for_each(
        "message, arguments",
        [
            ("%s %s", ("one",)),
            ("%d", ("text",)),
            ("%s", (Rude(),)),
            (Rude(), ()),
            ("half \ud83d emoji", ()),
            ("%(missing)s", ({"a": 1},)),
            (b"bytes", ()),
            (None, ()),
        ],
    )
    def test_no_record_raises_and_each_is_one_line(
        self, log: logging.Logger, lines: io.StringIO, message: object, arguments: tuple[object, ...]
    ) -> None:
        log.info(message, *arguments)

        assert len(take(lines)) == 1

    @for_each(
        "value", [Rude(), 2**70, float("nan"), float("inf"), b"\xff", {1, 2}, {"a": {Rude(): 1}}, "\ud83d", object()]
    )
    def test_no_extra_costs_more_than_its_own_field(
        self, log: logging.Logger, lines: io.StringIO, value: object
    ) -> None:
        log.info("kept", extra={"odd": value, "fine": 1})

        (line,) = take(lines)
        assert (line["msg"], line["fine"]) == ("kept", 1)

    def test_line_breaks_and_escape_sequences_stay_inside_the_line(
        self, log: logging.Logger, lines: io.StringIO
    ) -> None:
        log.info('a\r\nb\x1b[31m\x00\u2028{"level":"fatal"}')

        assert len(lines.getvalue().splitlines(keepends=False)) >= 1
        assert lines.getvalue().count("\n") == 1
        assert "\x1b" not in lines.getvalue()

    def test_escape_sequences_are_inert_on_a_terminal(self, lines: io.StringIO) -> None:
        handler = TelemetryHandler(Masker(), LogSettings(stream=lines, pretty=True), None)
        handler.handle(logging.makeLogRecord({"msg": "a\x1b[2Jb\nc", "levelno": 20, "name": "shop"}))

        assert "\\x1b[2Jb\\x0ac" in lines.getvalue()

    def test_an_object_that_logs_when_it_is_shown_does_not_go_round(
        self, log: logging.Logger, lines: io.StringIO
    ) -> None:
        class Chatty:
            def __str__(self) -> str:
                log.info("%s", self)
                return "chatty"

        log.info("%s", Chatty())

        assert [line["msg"] for line in read(lines)] == ["chatty"]

    def test_a_closed_stdout_does_not_reach_the_caller(self) -> None:
        stream = io.StringIO()
        stream.close()
        failed: list[str] = []
        handler = TelemetryHandler(Masker(), LogSettings(stream=stream), None, failed.append)
        handler.handle(logging.makeLogRecord({"msg": "x", "levelno": 20, "name": "shop"}))

        assert failed == ["logs"]

    def test_one_poisoned_record_does_not_cost_the_batch(self, start: Start, sink: Sink) -> None:
        telemetry = start()
        for number in range(99):
            logging.getLogger("shop").info("good %d", number)
        logging.getLogger("shop").info("half \ud83d emoji", extra={"ke\ud83dy": "va\ud83dlue"})
        assert telemetry.force_flush(30)

        assert len(sink.logs()) == 100


class TestOtlp:
    def test_the_same_record_goes_over_otlp_with_ids_and_trace(self, start: Start, sink: Sink) -> None:
        telemetry = start()
        with message_context(contact_id="c1"), telemetry.tracer.start_as_current_span("work") as span:
            logging.getLogger("shop").error("to +5511987654321", extra={"event": "disconnected"})
        assert telemetry.force_flush(30)

        (record,) = sink.logs()
        assert (record.body, record.level, record.scope) == ("to +55********4321", "error", "shop")
        assert record.attributes == {"contactId": "c1", "event": "disconnected"}
        assert record.trace_id == f"{span.get_span_context().trace_id:032x}"

    def test_records_below_the_level_are_not_exported(self, start: Start, sink: Sink) -> None:
        telemetry = start(log_level="warn")
        logging.getLogger("shop").info("quiet")
        logging.getLogger("shop").warning("loud")
        assert telemetry.force_flush(30)

        assert [record.body for record in sink.logs()] == ["loud"]

    def test_a_record_of_the_logs_api_is_masked_too(self, start: Start, sink: Sink) -> None:
        from opentelemetry._logs import LogRecord, get_logger

        telemetry = start()
        get_logger("library").emit(LogRecord(body="call +5511987654321", attributes={"phone": "11987654321"}))
        assert telemetry.force_flush(30)

        assert len(sink.logs()) == 1
        assert b"987654321" not in b"".join(export.body for export in sink.received)

    def test_the_export_path_does_not_feed_itself(self, start: Start, sink: Sink) -> None:
        telemetry = start(log_level="debug", log_delay_s=0.02)
        logging.getLogger("shop").info("once")
        for _ in range(5):
            assert telemetry.force_flush(30)

        assert [record.body for record in sink.logs() if record.scope.startswith(("urllib3", "opentelemetry"))] == []
        assert [record.body for record in sink.logs() if record.scope == "shop"] == ["once"]

    def test_what_is_logged_by_the_thread_that_sends_is_not_exported(
        self, start: Start, sink: Sink, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        post, logged = OtlpHttpClient.post, []

        def post_and_log(client: OtlpHttpClient, body: bytes) -> ExportResult:
            logged.append(threading.current_thread().name)
            logging.getLogger("network").info("on its way")
            return post(client, body)

        monkeypatch.setattr(OtlpHttpClient, "post", post_and_log)
        telemetry = start(metric_interval_s=3600)
        telemetry.tracer.start_span("work").end()
        for _ in range(2):
            assert telemetry.force_flush(30)

        assert "whatsself-otel-export" in logged
        assert sink.logs() == []

    def test_a_masking_rule_that_logs_and_makes_spans_does_not_go_round(self, start: Start, sink: Sink) -> None:
        def find(_text: str) -> list[tuple[int, int]]:
            logging.getLogger("rule").info("looked")
            telemetry.tracer.start_span("look").end()
            return []

        telemetry = start(masking=MaskingConfig(rules=(MaskRule(name="loud", find=find),)))
        telemetry.tracer.start_span("work").end()
        logging.getLogger("shop").info("done")
        assert telemetry.force_flush(30)

        assert "work" in {span.name for span in sink.spans()}
        assert "done" in {record.body for record in sink.logs()}

    def test_code_that_wants_no_spans_still_has_its_logs(self, start: Start, sink: Sink) -> None:
        telemetry = start()
        with suppress_instrumentation():
            logging.getLogger("shop").info("nobody answered")
        assert telemetry.force_flush(30)

        assert [record.body for record in sink.logs()] == ["nobody answered"]


class TestInstallation:
    def test_uvicorns_loggers_are_adopted_and_given_back(self, start: Start, sink: Sink) -> None:
        access = logging.getLogger("uvicorn.access")
        own = logging.StreamHandler(sys.stderr)
        access.handlers, access.propagate = [own], False
        try:
            telemetry = start()
            access.warning('%s - "GET %s HTTP/1.1" 200', "127.0.0.1:1", "/contacts/+5511987654321")
            assert telemetry.force_flush(30)
            telemetry.shutdown()

            assert [record.body for record in sink.logs()] == [
                '127.0.0.1:1 - "GET /contacts/+55********4321 HTTP/1.1" 200'
            ]
            assert (access.handlers, access.propagate) == ([own], False)
        finally:
            access.handlers, access.propagate = [], True

    @pytest.mark.parametrize("made", ["before", "after"])
    def test_statements_that_sqlalchemy_echoes_reach_the_console_only_masked(
        self, start: Start, sink: Sink, capfd: pytest.CaptureFixture[str], made: str
    ) -> None:
        from sqlalchemy import create_engine, text

        engine = create_engine("sqlite://", echo=True) if made == "before" else None
        telemetry = start(log_to_stdout=True)
        engine = engine or create_engine("sqlite://", echo=True)
        telemetry.instrument_engine(engine)
        with engine.connect() as connection:
            connection.execute(text("select :phone"), {"phone": "+5511987654321"})
        engine.dispose()
        assert telemetry.force_flush(30)
        telemetry.shutdown()
        logging.getLogger("sqlalchemy.engine.Engine").handlers.clear()  # SQLAlchemy's own, on this test's stdout

        console = capfd.readouterr()
        assert "select ?" in console.out
        assert "987654321" not in console.out + console.err

    def test_warnings_are_records(self, start: Start, sink: Sink) -> None:
        telemetry = start()
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            logging.captureWarnings(capture=True)
            warnings.warn("old +5511987654321", stacklevel=1)
        assert telemetry.force_flush(30)

        assert ["+55********4321" in record.body for record in sink.logs() if record.scope == "py.warnings"] == [True]

    @pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
    def test_an_exception_that_nobody_caught_in_a_thread_is_a_record(self, start: Start, sink: Sink) -> None:
        telemetry = start()

        def fail() -> None:
            raise ValueError("+5511987654321")

        thread = threading.Thread(target=fail)
        thread.start()
        thread.join()
        assert telemetry.force_flush(30)

        (record,) = [record for record in sink.logs() if record.scope == "uncaught"]
        assert record.attributes["exception.message"] == "+55********4321"


class TestPlain:
    def test_every_type_becomes_one_that_otlp_has(self) -> None:
        assert plain({"a": (1, 2.5, None, True, {"b"})}) == {"a": [1, 2.5, None, True, ["b"]]}
        assert plain(2**70) == str(2**70)
        assert plain(float("nan")) == "nan"

    def test_depth_is_bounded(self) -> None:
        nested: list[Any] = []
        for _ in range(1000):
            nested = [nested]

        assert isinstance(plain(nested), list)

    def test_half_characters_are_replaced(self) -> None:
        assert clean_text("a\ud83db") == "a\ufffdb"


class TestLevel:
    def test_can_be_changed_while_running(self, start: Start, sink: Sink) -> None:
        telemetry = start(log_level="error")
        logging.getLogger("shop").info("before")
        telemetry.set_log_level("info")
        logging.getLogger("shop").info("after")
        assert telemetry.force_flush(30)

        assert [record.body for record in sink.logs()] == ["after"]

    def test_a_wrong_level_is_an_error_that_names_the_right_ones(self, start: Start) -> None:
        with pytest.raises(ConfigError, match="one of trace, debug, info, warn, error, fatal, got 'loud'"):
            start().set_log_level("loud")


class TestLimits:
    """The limits that OpenTelemetry's variables set hold for records that are masked already, and cut no sooner."""

    def test_of_a_value_cut_it_after_masking(self, start: Start, sink: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "10")
        telemetry = start()
        logging.getLogger("shop").warning("sent", extra={"kind": "x 5511987654321"})

        assert telemetry.force_flush(30)
        assert sink.logs()[0].attributes["kind"] == "x +55*****"

    def test_of_a_count_drop_the_rest(self, start: Start, sink: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT", "2")
        telemetry = start()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the SDK's own, of what is asserted here
            logging.getLogger("shop").warning("sent", extra={"one": 1, "two": 2, "three": 3})

        assert telemetry.force_flush(30)
        assert len(sink.logs()[0].attributes) == 2


def test_what_the_service_is_called_is_masked_on_every_line(
    start: Callable[..., Telemetry], capsys: pytest.CaptureFixture[str]
) -> None:
    start(service_name="shop of 5521976543210", environment="test 5521976543210", log_to_stdout=True)
    logging.getLogger("shop").warning("hello")

    (line,) = (each for each in capsys.readouterr().out.splitlines() if '"hello"' in each)
    assert "97654" not in line
    assert json.loads(line)["service"] == "shop of +55********3210"
