"""The hook for queues without an integration, and for processes that end without a word."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from children import environment
from job_queue import SLOW
from rows import for_each

from whatsself_otel import ConfigError, capture_context, message_context
from whatsself_otel.integrations import finish, instrument_arq, instrument_celery, instrument_rq, run_job
from whatsself_otel.testing import record_telemetry

if TYPE_CHECKING:
    from collections.abc import Callable

    from otlp_sink import Sink


class TestRunJob:
    def test_goes_on_with_the_trace_and_the_ids_of_where_it_was_queued(self) -> None:
        with record_telemetry() as recorded:
            tracer = recorded.telemetry.tracer
            with message_context(contact_id="contact-1"), tracer.start_as_current_span("receive"):
                carrier = capture_context()
            with run_job("send_reply", carrier, system="dramatiq", queue="replies", job_id="7"):
                recorded.telemetry.metrics.message_sent(contact_id="contact-1")
            receive, process = recorded.spans

        assert process.name == "process send_reply"
        assert process.parent is not None
        assert process.parent.span_id == receive.context.span_id
        assert dict(process.attributes or {}) == {
            "contactId": "contact-1",
            "messaging.system": "dramatiq",
            "messaging.operation.name": "process",
            "messaging.operation.type": "process",
            "messaging.destination.name": "replies",
            "messaging.message.id": "7",
            "code.function.name": "send_reply",
        }

    def test_without_a_carrier_is_part_of_the_trace_around_it(self) -> None:
        with record_telemetry() as recorded:
            with recorded.telemetry.tracer.start_as_current_span("tick"), run_job("clean_up"):
                pass
            process, tick = recorded.spans

        assert process.parent is not None
        assert process.parent.span_id == tick.context.span_id

    @for_each("error", [ValueError, KeyboardInterrupt])
    def test_says_by_what_it_failed_and_lets_it_pass(self, error: type[BaseException]) -> None:
        with record_telemetry() as recorded:
            with pytest.raises(error), run_job("fail"):
                raise error
            (span,) = recorded.spans

        assert not span.status.is_ok
        assert [event.name for event in span.events] == ["exception"]
        assert (span.attributes or {})["error.type"] == error.__name__

    def test_without_telemetry_is_only_the_job(self) -> None:
        with run_job("work", {"contactId": "contact-1"}) as span:
            assert not span.is_recording()
        finish()


@for_each("instrument", [instrument_arq, instrument_celery, instrument_rq])
class TestInstrument:
    def test_without_telemetry_is_an_error_with_its_remedy(self, instrument: Callable[[], None]) -> None:
        with pytest.raises(ConfigError, match=rf"{instrument.__name__}\(\) needs running telemetry.*setup_telemetry"):
            instrument()

    def test_does_nothing_while_telemetry_is_disabled(self, instrument: Callable[[], None]) -> None:
        from rq import Worker

        before = Worker.perform_job
        with record_telemetry(enabled=False):
            instrument()
            assert Worker.perform_job is before


ENDS_BY_EXIT = """
import os
from whatsself_otel import setup_telemetry
from whatsself_otel.integrations import finish, run_job

telemetry = setup_telemetry()
for number in range(10):
    with run_job("work"):
        telemetry.metrics.message_sent(origin="reply")
finish()
os._exit(0)
"""


class TestFinish:
    def test_leaves_nothing_to_a_process_that_ends_without_a_word(self, sink: Sink) -> None:
        variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": sink.url, "WHATSSELF_OTEL_LOG_TO_STDOUT": "false", **SLOW}
        subprocess.run([sys.executable, "-c", ENDS_BY_EXIT], env=environment(variables), check=True, timeout=60)

        assert len(sink.spans()) == 10
        assert sink.total("messages.outbound", origin="reply") == 10
