"""``collector/sampling.yaml`` on the real collector, judged by the traces it keeps."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from binaries import ROOT, post_otlp, run_collector
from fault_rig import own_metric
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from otlp_sink import Sink, run_sink
from vendor_files import merge, read

if TYPE_CHECKING:
    from collections.abc import Callable

FILE = ROOT / "collector/sampling.yaml"
ORDINARY = 300
MINUTE_NS = 60_000_000_000
Spans = Any


def _error(span: Spans) -> None:
    span.status.code = 2


def _failed_send(span: Spans) -> None:
    span.attributes.add(key="error.type").value.string_value = "timeout"


def _server_error(span: Spans) -> None:
    span.attributes.add(key="http.response.status_code").value.int_value = 503


def _breaker(span: Spans) -> None:
    span.attributes.add(key="error.type").value.string_value = "breaker_open"


def _session(span: Spans) -> None:
    span.events.add(name="disconnected")


def _slow(span: Spans) -> None:
    span.end_time_unix_nano = span.start_time_unix_nano + 2_500_000_000


ALWAYS: dict[str, Callable[[Spans], None]] = {
    "an error": _error,
    "a failed send": _failed_send,
    "a server error": _server_error,
    "an open breaker": _breaker,
    "a session event": _session,
    "a slow request": _slow,
}


def traces() -> ExportTraceServiceRequest:
    """Return a trace of each kind that is always kept, and ordinary ones."""
    request = ExportTraceServiceRequest()
    spans = request.resource_spans.add().scope_spans.add().spans
    for number, name in enumerate([*ALWAYS, *["ordinary"] * ORDINARY]):
        trace_id = (number * 0x9E3779B97F4A7C15 % 2**128 or 1).to_bytes(16, "big")
        span = spans.add(name=name, trace_id=trace_id, span_id=(number + 1).to_bytes(8, "big"))
        span.start_time_unix_nano = time.time_ns() - MINUTE_NS
        span.end_time_unix_nano = span.start_time_unix_nano + 5_000_000
        span.attributes.add(key="http.response.status_code").value.int_value = 200
        ALWAYS.get(name, lambda _span: None)(span)
    return request


def kept(sink: Sink, percent: int) -> list[str]:
    """Return the names of the spans that are left of :func:`traces` when *percent* of the rest are kept."""
    environ = {"OTLP_ENDPOINT": sink.url, "OTELCOL_SAMPLING_PERCENT": str(percent)}
    soon = ("processors::tail_sampling::decision_wait: 1s", "connectors::span_metrics::metrics_flush_interval: 1s")
    with run_collector("otlp", environ=environ, files=[f"file:{FILE}"], settings=soon) as collector:
        post_otlp(f"{collector.http_url}/v1/traces", traces())
        sink.wait_for(lambda sink: {span.name for span in sink.spans()} >= ALWAYS.keys())
        sink.wait_for(lambda sink: counted(sink) == len(ALWAYS) + ORDINARY)
        # By this name the alert about what is missing knows that a share is left out.
        assert own_metric(collector, "otelcol_processor_tail_sampling_new_trace_id_received") > 0
    return [span.name for span in sink.spans()]


def counted(sink: Sink) -> int:
    """Return how many spans the newest span metrics tell of."""
    calls = sink.metrics().get("traces.span.metrics.calls", [])
    return sum(point.as_int for point in calls[-1].sum.data_points) if calls else 0


def test_replaces_the_processors_of_one_pipeline_and_nothing_else() -> None:
    own = yaml.safe_load(FILE.read_text("utf-8"))

    assert own["service"] == {"pipelines": {"traces/keep": {"processors": ["tail_sampling"]}}}
    pipelines = merge(read(None), own)["service"]["pipelines"]
    assert {name for name, each in pipelines.items() if each != read(None)["service"]["pipelines"][name]} == {
        "traces/keep"
    }


@pytest.mark.collector
class TestRealCollector:
    """The traces that remain of a few hundred."""

    def test_keeps_what_matters_even_when_nothing_else_is(self) -> None:
        with run_sink() as sink:
            assert sorted(kept(sink, 0)) == sorted(ALWAYS)

    def test_keeps_a_share_of_the_rest_and_counts_all_before(self) -> None:
        with run_sink() as sink:
            names = kept(sink, 20)

        # 300 traces at a fifth: 60, five standard deviations either way.
        assert 25 < names.count("ordinary") < 95
        assert set(names) == {*ALWAYS, "ordinary"}
