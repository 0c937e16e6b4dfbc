"""With every logger at DEBUG, the export of logs makes no further logs."""

from __future__ import annotations

import logging
import socket
import time
from collections import Counter
from collections.abc import Callable

import pytest
from otlp_sink import Sink, run_sink

from whatsself_otel import Telemetry

Start = Callable[..., Telemetry]
PER_S = 20


DURATIONS = pytest.mark.parametrize(
    "duration_s", [3, pytest.param(60, marks=pytest.mark.proof)], ids=["three seconds", "a minute"]
)


@DURATIONS
@pytest.mark.parametrize("collector", ["up", "flapping"])
def test_exported_records_are_the_applications(start: Start, sink: Sink, duration_s: int, collector: str) -> None:
    telemetry = start(log_level="debug", log_delay_s=0.1, span_delay_s=0.1)

    def flap(written: int) -> None:
        sink.status = 503 if collector == "flapping" and written // (PER_S // 2) % 2 else 200

    written = work(telemetry, duration_s, flap)
    sink.status = 200
    assert telemetry.force_flush(30)

    assert records_by_logger(sink) == {"shop": written}


@DURATIONS
def test_with_nobody_listening_only_the_applications_records_wait(start: Start, sink: Sink, duration_s: int) -> None:
    """Every refused connection makes urllib3 log. Only the application's records wait for the collector."""
    port = free_port()
    telemetry = start(endpoint=f"http://127.0.0.1:{port}", log_level="debug", log_delay_s=0.1, span_delay_s=0.1)
    written = work(telemetry, duration_s)
    queued = telemetry.health().signals["logs"]["queued"]
    with run_sink(port) as late:
        assert telemetry.force_flush(30)

    assert queued <= written
    assert records_by_logger(late) == {"shop": written}
    assert sink.logs() == []


def work(telemetry: Telemetry, duration_s: int, each: Callable[[int], None] = lambda _written: None) -> int:
    """Write *PER_S* records a second, each in a span; how many were written."""
    end_s = time.monotonic() + duration_s
    written = 0
    while time.monotonic() < end_s:
        each(written)
        with telemetry.tracer.start_as_current_span("work"):
            logging.getLogger("shop").debug("record %d", written)
        written += 1
        time.sleep(1 / PER_S)
    return written


def records_by_logger(sink: Sink) -> Counter[str]:
    return Counter(record.scope for record in sink.logs())


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port
