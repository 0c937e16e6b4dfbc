"""With everything at DEBUG, the export of logs makes no logs of its own: records follow the application's."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable

import pytest
from otlp_sink import Sink

from whatsself_otel import Telemetry

Start = Callable[..., Telemetry]
PER_S = 20


@pytest.mark.parametrize(
    "duration_s", [3, pytest.param(60, marks=pytest.mark.proof)], ids=["three seconds", "a minute"]
)
@pytest.mark.parametrize("collector", ["up", "flapping"])
def test_exported_records_are_the_applications(start: Start, sink: Sink, duration_s: int, collector: str) -> None:
    telemetry = start(log_level="debug", log_delay_s=0.1, span_delay_s=0.1)
    end_s = time.monotonic() + duration_s
    written = 0
    while time.monotonic() < end_s:
        if collector == "flapping":
            sink.status = 503 if written // (PER_S // 2) % 2 else 200
        with telemetry.tracer.start_as_current_span("work"):
            logging.getLogger("shop").debug("record %d", written)
        written += 1
        time.sleep(1 / PER_S)
    sink.status = 200
    assert telemetry.force_flush(20)

    by_logger = Counter(record.scope for record in sink.logs())
    assert by_logger == {"shop": written}
