"""The package over gRPC; the other tests use HTTP."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest
from binaries import run_collector
from otlp_sink import Sink

from whatsself_otel import Telemetry, message_context
from whatsself_otel.catalogue import MESSAGE_ID, MESSAGES_OUTBOUND

pytestmark = pytest.mark.e2e


def test_traces_logs_and_metrics_reach_the_real_collector_by_grpc(start: Callable[..., Telemetry], sink: Sink) -> None:
    with run_collector("otlp", environ={"OTLP_ENDPOINT": sink.url, "OTLP_HEADERS": "{}"}) as collector:
        telemetry = start(protocol="grpc", endpoint=f"http://{collector.grpc_address}")
        with message_context(message_id="msg_1"), telemetry.tracer.start_as_current_span("send whatsapp"):
            logging.getLogger("whatsself.worker").info("Message sent")
            telemetry.metrics.message_sent(origin="reply")
        assert telemetry.force_flush(timeout_s=10)
        sink.wait_for(lambda sink: sink.spans() and sink.logs() and MESSAGES_OUTBOUND.name in sink.metrics())
        telemetry.shutdown()

    (span,) = sink.spans()
    (log,) = (log for log in sink.logs() if log.body == "Message sent")
    points = [point for metric in sink.metrics()[MESSAGES_OUTBOUND.name] for point in metric.sum.data_points]
    assert (span.name, span.attributes[MESSAGE_ID]) == ("send whatsapp", "msg_1")
    assert (log.trace_id, log.attributes[MESSAGE_ID]) == (span.trace_id, "msg_1")
    assert max(point.as_int for point in points) == 1
