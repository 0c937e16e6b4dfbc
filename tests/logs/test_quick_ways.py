"""What takes a shorter way writes and exports the same: lines from their parts, records past the SDK's logger."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from opentelemetry._logs import SeverityNumber, get_logger_provider
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.sdk._logs import LoggerProvider, LogRecordProcessor, ReadWriteLogRecord
from opentelemetry.trace import INVALID_SPAN_CONTEXT, SpanContext, TraceFlags
from otlp_sink import Sink

from whatsself_otel import Telemetry
from whatsself_otel.config import LimitsConfig
from whatsself_otel.export.encoding import Encoder
from whatsself_otel.logs import LogEntry, LogSettings, MaskedLogRecord, format_json

Start = Callable[..., Telemetry]
PLAIN = LogEntry(
    timestamp_ns=1_764_547_200_123_456_789,
    level="info",
    severity=SeverityNumber.INFO,
    message="message stored",
    logger="shop",
    ids={"requestId": "r-1", "contactId": "c-1"},
    extra={"kind": "text"},
    error=None,
    span_context=SpanContext(1 << 100, 2, is_remote=False, trace_flags=TraceFlags(1)),
)
ENTRIES = {
    "plain": PLAIN,
    "outside a span": replace(PLAIN, span_context=INVALID_SPAN_CONTEXT),
    "not sampled": replace(PLAIN, span_context=SpanContext(1, 2, is_remote=True)),
    "no fields": replace(PLAIN, ids={}, extra={}, message=""),
    "an event": replace(PLAIN, extra={"event.name": "message.stored"}),
    "a failure": replace(PLAIN, error={"type": "ValueError", "message": 'a "quote"', "stack": "line 1\nline 2"}),
    "hostile texts": replace(PLAIN, message='"\\\n\x00\x1b\u2028\x7f é 😀', extra={'a"b': "\t", "é": "\ufffd"}),
    "every type": replace(
        PLAIN, extra={"n": 1, "yes": True, "f": 0.5, "none": None, "list": [1, "a"], "map": {"k": "v"}}
    ),
    "an extra named as an id": replace(PLAIN, extra={"contactId": "another"}),
}


@pytest.mark.parametrize("entry", ENTRIES.values(), ids=ENTRIES)
class TestAnEntry:
    def test_is_the_line_that_the_standard_library_writes(self, entry: LogEntry) -> None:
        settings = LogSettings(service='my "shop"', environment="test")
        whole = json.dumps(entry.as_dict(settings), ensure_ascii=False, separators=(",", ":"))
        assert format_json(entry, settings) == whole

    def test_is_the_record_that_the_sdk_makes(self, entry: LogEntry) -> None:
        seen: list[Any] = []
        provider = provider_with(seen.append)
        logger: Any = provider.get_logger(entry.logger)
        logger.emit(MaskedLogRecord(entry))
        theirs, ours = Encoder().log(seen[0]), Encoder().entry(logger, entry)
        assert ours[:2] == theirs[:2]
        assert read(ours[2]) == read(theirs[2])


def read(written: bytes) -> LogRecord:
    """Return one encoded record without the time at which it was seen."""
    start = next(place for place in range(1, len(written)) if written[place] < 0x80) + 1
    record: LogRecord = LogRecord.FromString(written[start:])
    assert record.observed_time_unix_nano
    record.ClearField("observed_time_unix_nano")
    return record


def provider_with(see: Callable[[Any], None]) -> LoggerProvider:
    provider = LoggerProvider(shutdown_on_exit=False)
    provider.add_log_record_processor(Seeing(see))
    return provider


class Seeing(LogRecordProcessor):
    """An application's own processor."""

    def __init__(self, see: Callable[[Any], None]) -> None:
        self._see = see

    def on_emit(self, log_record: ReadWriteLogRecord) -> None:
        self._see(log_record)

    def shutdown(self) -> None:
        """Do nothing."""

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return timeout_millis > 0


class TestAProcessorOfTheApplication:
    def test_sees_each_record_from_its_addition_on_and_all_are_exported(self, start: Start, sink: Sink) -> None:
        telemetry, seen = start(), list[str]()
        logging.getLogger("shop").warning("before")
        provider: Any = get_logger_provider()
        provider.add_log_record_processor(Seeing(lambda each: seen.append(each.log_record.body)))
        logging.getLogger("shop").warning("after")
        assert telemetry.force_flush(30)
        assert seen == ["after"]
        assert [record.body for record in sink.logs() if record.scope == "shop"] == ["before", "after"]


@pytest.mark.filterwarnings("ignore::UserWarning")  # the SDK's, of what it drops
class TestALimitOfAttributes:
    def test_drops_and_counts_what_is_beyond_it(self, start: Start, sink: Sink) -> None:
        telemetry = start(limits=LimitsConfig(log_attributes=2))
        logging.getLogger("shop").warning("cut", extra={"a": "1", "b": "2", "c": "3"})
        assert telemetry.force_flush(30)
        (record,) = [record for record in sink.logs() if record.scope == "shop"]
        assert record.attributes == {"b": "2", "c": "3"}
