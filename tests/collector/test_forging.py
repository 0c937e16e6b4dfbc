"""A sender's claims about itself cannot make endless tenants, streams or series."""

from __future__ import annotations

import time
import urllib.request
from typing import TYPE_CHECKING

import pytest
from binaries import post_otlp, run_collector
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from otlp_sink import run_sink

if TYPE_CHECKING:
    from otlp_sink import Sink

pytestmark = pytest.mark.collector

QUICK = ("exporters::otlp_http/otlp::sending_queue::batch::flush_timeout: 50ms",)
FLUSHED = (*QUICK, "connectors::span_metrics::metrics_flush_interval: 1s")
LIMIT = 2000


def logs(**resource: str) -> ExportLogsServiceRequest:
    request = ExportLogsServiceRequest()
    batch = request.resource_logs.add()
    for key, value in resource.items():
        batch.resource.attributes.add(key=key.replace("_", ".")).value.string_value = value
    batch.scope_logs.add().log_records.add(time_unix_nano=time.time_ns()).body.string_value = "sent"
    return request


def routes(count: int) -> ExportTraceServiceRequest:
    request = ExportTraceServiceRequest()
    scope = request.resource_spans.add().scope_spans.add()
    now_ns = time.time_ns()
    for number in range(count):
        span = scope.spans.add(name="GET", trace_id=(number + 1).to_bytes(16, "big"), span_id=b"12345678", kind=2)
        span.start_time_unix_nano, span.end_time_unix_nano = now_ns, now_ns + 1_000_000
        span.attributes.add(key="http.route").value.string_value = f"/r{number}"
    return request


def calls(sink: Sink) -> list[dict[str, str]]:
    """The attributes of every series of calls in the newest export that has some."""
    found = sink.metrics().get("traces.span.metrics.calls", [])
    points = found[-1].sum.data_points if found else []
    return [{pair.key: pair.value.string_value for pair in point.attributes} for point in points]


class TestSender:
    def test_names_no_tenant_of_a_backend(self) -> None:
        headers = {"content-type": "application/x-protobuf", "x-scope-orgid": "other", "x-tenant": "other"}
        with run_sink() as sink, run_collector("otlp", environ={"OTLP_ENDPOINT": sink.url}, settings=QUICK) as it:
            request = urllib.request.Request(f"{it.http_url}/v1/logs", logs().SerializeToString(), headers)
            urllib.request.urlopen(request, timeout=60).close()
            sink.wait_for(lambda sink: sink.logs(), 60)

        assert [key for each in sink.received for key in each.headers if key in {"x-scope-orgid", "x-tenant"}] == []

    def test_is_no_service_that_is_not_listed(self) -> None:
        listed = {"OTELCOL_SERVICE_NAMES": "api|worker", "OTELCOL_ENVIRONMENTS": "production"}
        with run_sink() as sink:
            environ = {"OTLP_ENDPOINT": sink.url, "OTELCOL_SERVICE_NAMESPACES": "shop", **listed}
            with run_collector("otlp", environ=environ, settings=QUICK) as it:
                for name in ("api", "api2", "my-worker", "worker"):
                    resource = {"service_name": name, "service_namespace": "x", "deployment_environment_name": "test"}
                    post_otlp(f"{it.http_url}/v1/logs", logs(**resource))
                sink.wait_for(lambda sink: len(sink.logs()) == 4, 60)
            seen = [log.resource for log in sink.logs()]

        assert sorted(each["service.name"] for each in seen) == ["api", "unlisted", "unlisted", "worker"]
        assert {each["service.namespace"] for each in seen} == {"unlisted"}
        assert {each["deployment.environment.name"] for each in seen} == {"unlisted"}

    def test_keeps_its_names_where_nothing_is_listed(self) -> None:
        with run_sink() as sink, run_collector("otlp", environ={"OTLP_ENDPOINT": sink.url}, settings=QUICK) as it:
            post_otlp(f"{it.http_url}/v1/logs", logs(service_name="any", service_namespace="of these"))
            sink.wait_for(lambda sink: sink.logs(), 60)

        (log,) = sink.logs()
        assert (log.resource["service.name"], log.resource["service.namespace"]) == ("any", "of these")


class TestSpanMetrics:
    def test_tell_routes_and_kinds_apart(self) -> None:
        with run_sink() as sink, run_collector("otlp", environ={"OTLP_ENDPOINT": sink.url}, settings=FLUSHED) as it:
            post_otlp(f"{it.http_url}/v1/traces", routes(2))
            sink.wait_for(calls, 60)

        assert {(each["http.route"], each["span.kind"]) for each in calls(sink)} == {
            ("/r0", "SPAN_KIND_SERVER"),
            ("/r1", "SPAN_KIND_SERVER"),
        }

    def test_end_at_their_limit_whatever_is_sent_as_a_route(self) -> None:
        with run_sink() as sink, run_collector("otlp", environ={"OTLP_ENDPOINT": sink.url}, settings=FLUSHED) as it:
            post_otlp(f"{it.http_url}/v1/traces", routes(LIMIT + 500))
            sink.wait_for(calls, 60)

        assert len(calls(sink)) <= LIMIT + 1
        assert any(each.get("otel.metric.overflow") or "otel.metric.overflow" in each for each in calls(sink))
