"""A log handler of the application that raises: telemetry goes on, and no call of ours raises because of it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from opentelemetry import metrics
from otlp_sink import Sink

from whatsself_otel import Telemetry

Start = Callable[..., Telemetry]


class Raising(logging.Handler):
    """Raises for every record of ours, as a handler may whose own service is away."""

    def __init__(self) -> None:
        super().__init__()
        self.error: BaseException = RuntimeError("their handler")
        self.records: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.name.startswith(("whatsself_otel", "opentelemetry", "urllib3")):
            self.records.append(record.getMessage())
            raise self.error


@pytest.fixture
def handler() -> Iterator[Raising]:
    handler = Raising()
    logging.getLogger().addHandler(handler)
    yield handler
    logging.getLogger().removeHandler(handler)


@pytest.fixture
def start(handler: Raising, start: Start) -> Start:
    """Start telemetry that ends before the handler is taken away."""
    del handler
    return start


@pytest.fixture(autouse=True)
def every_message_is_due(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("whatsself_otel.setup._DROP_WARNING.last_s", -60.0)


def make_span(telemetry: Telemetry, name: str) -> None:
    with telemetry.tracer.start_as_current_span(name):
        pass


def wait_for(happened: Callable[[], object]) -> None:
    deadline_s = time.monotonic() + 20
    while not happened():
        assert time.monotonic() < deadline_s, "it did not happen"
        time.sleep(0.01)


class TestExports:
    def test_spans_and_logs_leave_after_a_loss_that_could_not_be_said(
        self, start: Start, sink: Sink, handler: Raising
    ) -> None:
        telemetry = start(span_delay_s=0.01, log_delay_s=0.01)
        sink.status = 400
        make_span(telemetry, "lost")
        logging.getLogger("shop").warning("lost")
        wait_for(lambda: all(telemetry.health().signals[name]["dropped"] == 1 for name in ("traces", "logs")))
        sink.status = 200
        make_span(telemetry, "kept")
        logging.getLogger("shop").warning("kept")

        assert telemetry.force_flush(30)
        assert handler.records
        assert [span.name for span in sink.spans()] == ["kept"]
        assert [log.body for log in sink.logs()] == ["kept"]

    def test_metrics_leave_after_an_export_that_raised(
        self, start: Start, sink: Sink, handler: Raising, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        failed = threading.Event()

        def fail(*_: object) -> None:
            failed.set()
            raise RuntimeError

        with monkeypatch.context() as broken:
            broken.setattr("whatsself_otel.export.encoding.Encoder.metrics", fail)
            start(metric_interval_s=0.1)
            assert failed.wait(10)

        sink.wait_for(lambda sink: len(sink.metrics().get("messages.inbound", [])) > 1)

    def test_an_export_is_made_once_though_the_http_clients_own_messages_raise(
        self, start: Start, sink: Sink, handler: Raising
    ) -> None:
        telemetry = start(log_level="debug")
        make_span(telemetry, "once")

        assert telemetry.force_flush(30)
        assert [span.name for span in sink.spans()] == ["once"]
        assert telemetry.health().signals["traces"]["retried"] == 0

    def test_a_handler_that_ends_the_thread_is_said_and_the_thread_begins_again(
        self, start: Start, sink: Sink, handler: Raising
    ) -> None:
        telemetry = start(span_delay_s=0.01)
        handler.error = SystemExit(1)
        sink.status = 400
        make_span(telemetry, "lost")
        wait_for(lambda: telemetry.health().signals["traces"]["restarts"] == 1)
        said = " ".join(telemetry.health().problems)
        sink.status = 200
        make_span(telemetry, "kept")

        assert telemetry.force_flush(30)
        assert "the export thread was ended by SystemExit" in said
        assert [span.name for span in sink.spans()] == ["kept"]


class TestApplication:
    def test_no_verb_raises(self, start: Start, handler: Raising) -> None:
        telemetry = start()
        telemetry.metrics.message_inbound(kind="no such kind")
        telemetry.metrics.message_sent(origin=object(), contact_id=object())  # type: ignore[arg-type]
        telemetry.metrics.trigger_hit(trigger_id=None)  # type: ignore[arg-type]

        assert handler.records

    def test_a_metric_with_too_many_series_raises_nothing(self, start: Start, handler: Raising) -> None:
        start(metric_interval_s=600)
        counter = metrics.get_meter("shop").create_counter("visits")
        for number in range(2001):
            counter.add(1, {"visitor": number})

        assert any("visits" in record for record in handler.records)

    def test_neither_set_up_nor_flush_nor_the_end_raises(self, start: Start, sink: Sink, handler: Raising) -> None:
        telemetry = start(metric_interval_s=600)
        telemetry._say("something is wrong")
        make_span(telemetry, "lost")
        sink.status = 503
        telemetry._flush_at_end()
        telemetry.shutdown(0.1)

        assert len(handler.records) > 1

    def test_health_says_that_our_messages_are_lost(self, start: Start, handler: Raising) -> None:
        telemetry = start()
        assert telemetry.health().ok
        telemetry.metrics.message_inbound(kind="no such kind")

        (problem,) = telemetry.health().problems
        assert problem == (
            "A log handler of the application raises RuntimeError: messages of whatsself_otel were lost (1). "
            "Mend the handler, or take it from the root logger."
        )
