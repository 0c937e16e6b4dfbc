"""structlog and loguru take the same masked path with one line each; docs/logs.md shows these lines."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import loguru
import pytest
import structlog
from otlp_sink import Log, Sink

from whatsself_otel import Telemetry, message_context

Start = Callable[..., Telemetry]


@pytest.fixture
def structlog_defaults() -> Iterator[None]:
    yield
    structlog.reset_defaults()


@pytest.fixture
def loguru_defaults() -> Iterator[None]:
    yield
    loguru.logger.remove()


def only(sink: Sink, telemetry: Telemetry) -> Log:
    assert telemetry.force_flush(5)
    (record,) = sink.logs()
    assert b"987654321" not in b"".join(export.body for export in sink.received)
    return record


@pytest.mark.usefixtures("structlog_defaults")
class TestStructlog:
    def test_events_are_records_with_their_fields_and_the_ids(self, start: Start, sink: Sink) -> None:
        telemetry = start()
        structlog.configure(
            logger_factory=structlog.stdlib.LoggerFactory(), processors=[structlog.stdlib.render_to_log_kwargs]
        )
        with message_context(contact_id="c1"):
            structlog.get_logger("shop").warning("sent", phone="+5511987654321", attempt=2)

        record = only(sink, telemetry)
        assert (record.body, record.level, record.scope) == ("sent", "warn", "shop")
        assert record.attributes == {"contactId": "c1", "phone": "+55********4321", "attempt": 2}

    def test_exceptions_are_kept_and_masked(self, start: Start, sink: Sink) -> None:
        telemetry = start()
        structlog.configure(
            logger_factory=structlog.stdlib.LoggerFactory(), processors=[structlog.stdlib.render_to_log_kwargs]
        )
        try:
            raise ValueError("+5511987654321")
        except ValueError:
            structlog.get_logger("shop").exception("failed")

        assert only(sink, telemetry).attributes["exception.message"] == "+55********4321"


@pytest.mark.usefixtures("loguru_defaults")
class TestLoguru:
    def test_messages_are_records_with_their_fields_and_the_ids(self, start: Start, sink: Sink) -> None:
        telemetry = start()
        loguru.logger.configure(handlers=[{"sink": telemetry.log_handler, "format": "{message}"}])
        with message_context(contact_id="c1"):
            loguru.logger.bind(phone="+5511987654321", attempt=2).warning("sent to {}", "+5511987654321")

        record = only(sink, telemetry)
        assert (record.body, record.level) == ("sent to +55********4321", "warn")
        assert record.attributes == {"contactId": "c1", "phone": "+55********4321", "attempt": 2}

    def test_exceptions_are_kept_and_masked(self, start: Start, sink: Sink) -> None:
        telemetry = start()
        loguru.logger.configure(handlers=[{"sink": telemetry.log_handler, "format": "{message}"}])
        try:
            raise ValueError("+5511987654321")
        except ValueError:
            loguru.logger.exception("failed")

        assert only(sink, telemetry).attributes["exception.message"] == "+55********4321"
