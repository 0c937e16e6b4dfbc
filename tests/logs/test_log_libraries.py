"""structlog and loguru take the same masked path with one line each: those that docs/logs.md shows are run here."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import loguru
import pytest
import structlog
from otlp_sink import Log, Sink

from whatsself_otel import Telemetry, message_context

Start = Callable[..., Telemetry]
PAGE = Path(__file__).parent.parent.parent / "docs" / "logs.md"


@pytest.fixture
def structlog_defaults() -> Iterator[None]:
    yield
    structlog.reset_defaults()


@pytest.fixture
def loguru_defaults() -> Iterator[None]:
    yield
    loguru.logger.remove()


def do_as_documented(telemetry: Telemetry, library: str) -> None:
    (line,) = re.findall(rf"## {library}\n\n<!-- .* -->\n```python\n(.*)\n```", PAGE.read_text(encoding="utf-8"))
    exec(line, {"telemetry": telemetry, "structlog": structlog, "loguru": loguru})  # noqa: S102 - our own page


def only(sink: Sink, telemetry: Telemetry) -> Log:
    assert telemetry.force_flush(30)
    (record,) = sink.logs()
    assert b"987654321" not in b"".join(export.body for export in sink.received)
    return record


@pytest.mark.usefixtures("structlog_defaults")
class TestStructlog:
    def test_events_are_records_with_their_fields_and_the_ids(self, start: Start, sink: Sink) -> None:
        telemetry = start()
        do_as_documented(telemetry, "structlog")
        with message_context(contact_id="c1"):
            structlog.get_logger("shop").warning("sent", phone="+5511987654321", attempt=2)

        record = only(sink, telemetry)
        assert (record.body, record.level, record.scope) == ("sent", "warn", "shop")
        assert record.attributes == {"contactId": "c1", "phone": "+55********4321", "attempt": 2}

    def test_exceptions_are_kept_and_masked(self, start: Start, sink: Sink) -> None:
        telemetry = start()
        do_as_documented(telemetry, "structlog")
        try:
            raise ValueError("+5511987654321")
        except ValueError:
            structlog.get_logger("shop").exception("failed")

        assert only(sink, telemetry).attributes["exception.message"] == "+55********4321"


@pytest.mark.usefixtures("loguru_defaults")
class TestLoguru:
    def test_messages_are_records_with_their_fields_and_the_ids(self, start: Start, sink: Sink) -> None:
        telemetry = start()
        do_as_documented(telemetry, "loguru")
        with message_context(contact_id="c1"):
            loguru.logger.bind(phone="+5511987654321", attempt=2).warning("sent to {}", "+5511987654321")

        record = only(sink, telemetry)
        assert (record.body, record.level) == ("sent to +55********4321", "warn")
        assert record.attributes == {"contactId": "c1", "phone": "+55********4321", "attempt": 2}

    def test_exceptions_are_kept_and_masked(self, start: Start, sink: Sink) -> None:
        telemetry = start()
        do_as_documented(telemetry, "loguru")
        try:
            raise ValueError("+5511987654321")
        except ValueError:
            loguru.logger.exception("failed")

        assert only(sink, telemetry).attributes["exception.message"] == "+55********4321"
