"""A local OTLP/HTTP receiver that keeps its requests, decoded by the official protobuf classes."""

from __future__ import annotations

import gzip
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from opentelemetry.proto.common.v1.common_pb2 import AnyValue

_REQUESTS: dict[str, Any] = {
    "/v1/traces": ExportTraceServiceRequest,
    "/v1/metrics": ExportMetricsServiceRequest,
    "/v1/logs": ExportLogsServiceRequest,
}


@dataclass
class Received:
    """One export: its path, headers, raw body and decoded message."""

    path: str
    headers: dict[str, str]
    body: bytes
    message: Any


@dataclass
class Span:
    name: str
    kind: int
    trace_id: str
    span_id: str
    parent_id: str
    attributes: dict[str, Any]
    status: str
    status_code: int
    events: list[tuple[str, dict[str, Any]]]
    resource: dict[str, Any]
    scope: str


@dataclass
class Log:
    body: Any
    level: str
    trace_id: str
    span_id: str
    attributes: dict[str, Any]
    resource: dict[str, Any]
    scope: str


@dataclass
class Sink:
    """The received requests, and the sink's answers."""

    url: str
    status: int = 200
    delay_s: float = 0.0
    received: list[Received] = field(default_factory=list)

    def spans(self) -> list[Span]:
        return [
            _span(span, scope.scope.name, values(resource.resource.attributes))
            for message in self._messages("/v1/traces")
            for resource in message.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    def logs(self) -> list[Log]:
        return [
            _log(record, scope.scope.name, values(resource.resource.attributes))
            for message in self._messages("/v1/logs")
            for resource in message.resource_logs
            for scope in resource.scope_logs
            for record in scope.log_records
        ]

    def metrics(self) -> dict[str, list[Any]]:
        """Every metric message by name, oldest first."""
        found: dict[str, list[Any]] = {}
        for message in self._messages("/v1/metrics"):
            for resource in message.resource_metrics:
                for scope in resource.scope_metrics:
                    for metric in scope.metrics:
                        found.setdefault(metric.name, []).append(metric)
        return found

    def series(self, name: str) -> dict[tuple[str, frozenset[tuple[str, Any]]], Any]:
        """Last value of each series by instance and attributes: a number, or a histogram's (count, sum)."""
        found: dict[tuple[str, frozenset[tuple[str, Any]]], Any] = {}
        for message in self._messages("/v1/metrics"):
            for resource in message.resource_metrics:
                instance = values(resource.resource.attributes)["service.instance.id"]
                for scope in resource.scope_metrics:
                    for metric in scope.metrics:
                        if metric.name == name:
                            for point in getattr(metric, metric.WhichOneof("data")).data_points:
                                found[instance, frozenset(values(point.attributes).items())] = _number(point)
        return found

    def total(self, name: str, **attributes: Any) -> float:
        """Return a counter, or the count of a histogram, summed over all processes."""
        series = [value for (_, own), value in self.series(name).items() if attributes.items() <= dict(own).items()]
        return float(sum(value[0] if isinstance(value, tuple) else value for value in series))

    def wait_for(self, condition: Callable[[Sink], object], timeout_s: float = 10.0) -> None:
        deadline_s = time.monotonic() + timeout_s
        while not condition(self):
            if time.monotonic() > deadline_s:
                message = f"the sink never saw it within {timeout_s} s; it has {len(self.received)} exports"
                raise AssertionError(message)
            time.sleep(0.02)

    def _messages(self, path: str) -> list[Any]:
        return [received.message for received in list(self.received) if received.path == path]


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128  # five, the default, makes a busy client wait a second and more for its connection


@contextmanager
def run_sink(port: int = 0) -> Iterator[Sink]:
    """Serve a sink on a free port of the loopback until the block ends."""
    sink = Sink(url="")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", "0")))
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            time.sleep(sink.delay_s)
            if sink.status == 200:
                message = _REQUESTS[self.path]()
                message.ParseFromString(body)
                headers = {name.lower(): value for name, value in self.headers.items()}
                sink.received.append(Received(self.path, headers, body, message))
            with suppress(ConnectionError):  # who was told to wait may be gone
                self._answer()

        def _answer(self) -> None:
            self.send_response(sink.status)
            self.send_header("content-type", "application/x-protobuf")
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            pass

    server = Server(("127.0.0.1", port), Handler)
    sink.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield sink
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _span(span: Any, scope: str, resource: dict[str, Any]) -> Span:
    return Span(
        name=span.name,
        kind=span.kind,
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        attributes=values(span.attributes),
        status=span.status.message,
        status_code=span.status.code,
        events=[(event.name, values(event.attributes)) for event in span.events],
        resource=resource,
        scope=scope,
    )


def _log(record: Any, scope: str, resource: dict[str, Any]) -> Log:
    return Log(
        body=_value(record.body),
        level=record.severity_text,
        trace_id=record.trace_id.hex(),
        span_id=record.span_id.hex(),
        attributes=values(record.attributes),
        resource=resource,
        scope=scope,
    )


def _number(point: Any) -> Any:
    if hasattr(point, "bucket_counts"):
        return point.count, point.sum
    return getattr(point, point.WhichOneof("value"))


def values(attributes: Any) -> dict[str, Any]:
    return {pair.key: _value(pair.value) for pair in attributes}


def _value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return values(value.kvlist_value.values)
    return getattr(value, kind) if kind else None
