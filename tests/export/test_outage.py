"""A collector that is away for longer than a minute: with room in the queues, nothing is lost."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable

import pytest
from otlp_sink import run_sink

from whatsself_otel import Telemetry

AWAY_S = 75.0


@pytest.mark.proof
@pytest.mark.parametrize("answer", ["nobody listens", "503"])
def test_all_of_it_arrives_when_the_collector_is_back(start: Callable[..., Telemetry], answer: str) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    telemetry = start(endpoint=f"http://127.0.0.1:{port}", span_delay_s=0.1, log_delay_s=0.1)
    if answer == "nobody listens":
        work(telemetry)
    with run_sink(port) as sink:
        if answer == "503":
            sink.status = 503
            work(telemetry)
            sink.status = 200
        sink.wait_for(lambda sink: len(sink.spans()) == len(sink.logs()) == AWAY_S, timeout_s=30)
        health = telemetry.health()

    assert {span.name for span in sink.spans()} == {f"span {number}" for number in range(int(AWAY_S))}
    assert [health.signals[name]["dropped"] for name in ("traces", "logs")] == [0, 0]


def work(telemetry: Telemetry) -> None:
    """Make one span and one record a second."""
    for number in range(int(AWAY_S)):
        with telemetry.tracer.start_as_current_span(f"span {number}"):
            logging.getLogger("shop").info("record %d", number)
        time.sleep(1)
