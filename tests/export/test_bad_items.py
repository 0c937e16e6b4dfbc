"""One span or log record that cannot be encoded costs itself only, is counted with its reason, and health says so."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from opentelemetry._logs import LogRecord, SeverityNumber, get_logger
from otlp_sink import Sink

from whatsself_otel import Telemetry

Start = Callable[..., Telemetry]
TOO_LARGE = 2**64


def emit(telemetry: Telemetry, signal: str, name: str, moment_ns: int) -> None:
    """Make one item whose time is *moment_ns*."""
    if signal == "traces":
        telemetry.tracer.start_span(name, start_time=moment_ns).end(moment_ns)
    else:
        record = LogRecord(timestamp=moment_ns, severity_number=SeverityNumber.INFO, body=name)
        get_logger("shop").emit(record)


def names(sink: Sink, signal: str) -> list[str]:
    return [span.name for span in sink.spans()] if signal == "traces" else [log.body for log in sink.logs()]


@pytest.mark.parametrize("signal", ["traces", "logs"])
class TestOneBadItem:
    def test_costs_itself_only_and_is_counted(self, signal: str, sink: Sink, start: Start) -> None:
        telemetry = start(endpoint=sink.url, metric_interval_s=600)
        for name, moment_ns in (("before", 1), ("bad", TOO_LARGE), ("after", 2)):
            emit(telemetry, signal, name, moment_ns)
        assert telemetry.force_flush(30)
        assert [name for name in names(sink, signal) if name in {"before", "bad", "after"}] == ["before", "after"]
        assert telemetry.health().signals[signal]["dropped"] == 1
        points = sink.metrics()["telemetry.dropped_items"][-1].sum.data_points
        counted = [tuple(pair.value.string_value for pair in point.attributes) for point in points if point.as_int]
        assert counted == [(signal, "not_encodable")]

    def test_makes_health_red_while_nothing_leaves(self, signal: str, sink: Sink, start: Start) -> None:
        telemetry = start(endpoint=sink.url, metric_interval_s=600, traces_exporter="otlp")
        emit(telemetry, signal, "bad", TOO_LARGE)
        health = telemetry.health()
        assert not health.ok
        assert health.signals[signal]["last_error"] == "not encodable: error"
