"""Telemetry made by hand, and a viewer to send it to."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Self

import httpx
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from opentelemetry.proto.common.v1.common_pb2 import KeyValue

    from whatsself_otel.viewer.server import Viewer

PROTOBUF = {"content-type": "application/x-protobuf"}
SCRIPT = '<script>window.broken=true</script><img src=x onerror="window.broken=true">'


def trace_id(number: int) -> str:
    return f"{number + 1:032x}"


def span_id(number: int, index: int) -> str:
    return f"{number + 1:08x}{index + 1:08x}"


def spans(number: int, *, count: int = 3, name: str = "POST /webhook/messages", contact: str = "", **ids: str) -> Any:
    """Return an export of one trace: a root, and children one after the other, the last of which failed."""
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    set_all(resource.resource.attributes, {"service.name": "whatsself", "service.instance.id": "worker-1"})
    scope = resource.scope_spans.add()
    scope.scope.name = "tests"
    start_ns = time.time_ns()
    for index in range(count):
        span = scope.spans.add(name=name if index == 0 else f"step {index}", kind=2 if index == 0 else 1)
        span.trace_id, span.span_id = bytes.fromhex(trace_id(number)), bytes.fromhex(span_id(number, index))
        if index:
            span.parent_span_id = bytes.fromhex(span_id(number, 0))
        span.start_time_unix_nano = start_ns + index * 10_000_000
        span.end_time_unix_nano = start_ns + (count * 10_000_000 if index == 0 else (index + 1) * 10_000_000)
        set_all(span.attributes, {**_ids(number, contact), **ids})
        if index and index == count - 1:
            span.status.code, span.status.message = 2, "it timed out"
    return request


def logs(number: int | None, *texts: str, severity: int = 9, on_span: int = 1, contact: str = "") -> Any:
    """Return an export of log lines, of one trace or of none."""
    request = ExportLogsServiceRequest()
    resource = request.resource_logs.add()
    set_all(resource.resource.attributes, {"service.name": "whatsself"})
    scope = resource.scope_logs.add()
    scope.scope.name = "tests"
    for index, text in enumerate(texts):
        record = scope.log_records.add(severity_number=severity, severity_text="info")
        record.time_unix_nano = time.time_ns() + index * 1_000_000
        record.body.string_value = text
        if number is not None:
            record.trace_id, record.span_id = bytes.fromhex(trace_id(number)), bytes.fromhex(span_id(number, on_span))
            set_all(record.attributes, _ids(number, contact))
    return request


def _ids(number: int, contact: str) -> dict[str, str]:
    return {"contactId": contact or f"contact-{number}", "messageId": f"message-{number}"}


def counter(name: str, value: float, *, at_s: float | None = None, instance: str = "worker-1", **labels: str) -> Any:
    """Return an export of one cumulative counter."""
    request = ExportMetricsServiceRequest()
    metric = _metric(request, name, instance)
    metric.sum.is_monotonic, metric.sum.aggregation_temporality = True, 2
    point = metric.sum.data_points.add(as_double=value, time_unix_nano=int((at_s or time.time()) * 1e9))
    set_all(point.attributes, labels)
    return request


def gauge(name: str, value: float, *, at_s: float, unit: str = "", **labels: str) -> Any:
    """Return an export of one gauge."""
    request = ExportMetricsServiceRequest()
    metric = _metric(request, name, "worker-1")
    metric.unit = unit
    point = metric.gauge.data_points.add(as_double=value, time_unix_nano=int(at_s * 1e9))
    set_all(point.attributes, labels)
    return request


def histogram(name: str, counts: list[int], bounds: list[float], *, at_s: float, **labels: str) -> Any:
    """Return an export of one cumulative histogram in seconds."""
    request = ExportMetricsServiceRequest()
    metric = _metric(request, name, "worker-1")
    metric.unit, metric.histogram.aggregation_temporality = "s", 2
    point = metric.histogram.data_points.add(count=sum(counts), sum=float(sum(counts)))
    point.time_unix_nano = int(at_s * 1e9)
    point.bucket_counts.extend(counts)
    point.explicit_bounds.extend(bounds)
    set_all(point.attributes, labels)
    return request


def _metric(request: Any, name: str, instance: str) -> Any:
    resource = request.resource_metrics.add()
    set_all(resource.resource.attributes, {"service.name": "whatsself", "service.instance.id": instance})
    return resource.scope_metrics.add().metrics.add(name=name)


def set_all(pairs: Any, values: dict[str, str]) -> None:
    for key, value in values.items():
        pair: KeyValue = pairs.add(key=key)
        pair.value.string_value = value


class Client:
    """Talks to a viewer as an application and as a page do."""

    def __init__(self, viewer: Viewer) -> None:
        self.viewer = viewer
        # Uvicorn ends an idle connection after 5 s, as httpx does: a request must not meet that moment.
        brief = httpx.Limits(keepalive_expiry=2)
        self.http = httpx.Client(base_url=viewer.url, trust_env=False, timeout=30, limits=brief)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.http.close()

    def send(self, *requests: Any) -> None:
        for request in requests:
            signal = next(each for each in ("Trace", "Logs", "Metrics") if each in type(request).__name__)
            path = {"Trace": "traces", "Logs": "logs", "Metrics": "metrics"}[signal]
            answer = self.post(f"/v1/{path}", request.SerializeToString())
            assert answer.status_code == httpx.codes.OK, answer.text

    def post(self, path: str, body: bytes, headers: dict[str, str] | None = None) -> httpx.Response:
        return self.http.post(path, content=body, headers={**PROTOBUF, **(headers or {})})

    def ask(self, path: str) -> httpx.Response:
        return self.http.get(path, headers={"authorization": f"Bearer {self.viewer.token}"})

    def get(self, path: str) -> Any:
        return self.ask(path).raise_for_status().json()

    def texts(self) -> list[str]:
        return [line["text"] for line in self.get("/api/logs")["logs"]]


def names(traces: Iterable[dict[str, Any]]) -> list[str]:
    return [trace["traceId"] for trace in traces]
