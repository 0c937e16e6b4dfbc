"""A receiver of OTLP over HTTP that keeps exactly the bytes a collector would get."""

from __future__ import annotations

import gzip
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Final, Self

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from whatsself_otel.stack.addresses import HOST

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
    from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
    from opentelemetry.proto.trace.v1.trace_pb2 import Span

_BODY_LIMIT: Final = 16 * 1024 * 1024


@dataclass(slots=True)
class Received:
    """Everything that arrived, in order of arrival."""

    spans: list[Span] = field(default_factory=list)
    logs: list[LogRecord] = field(default_factory=list)
    metrics_by_instance: dict[str, list[Metric]] = field(default_factory=dict)
    """By ``service.instance.id``: every worker counts for itself."""

    @property
    def metrics(self) -> list[Metric]:
        """The metrics of every instance, one after the other."""
        return [metric for metrics in list(self.metrics_by_instance.values()) for metric in list(metrics)]

    def add(self, path: str, body: bytes) -> bool:
        """Keep one request; return whether *path* is one of OTLP's."""
        if path == "/v1/traces":
            self.spans.extend(_spans(ExportTraceServiceRequest.FromString(body)))
        elif path == "/v1/logs":
            self.logs.extend(_logs(ExportLogsServiceRequest.FromString(body)))
        elif path == "/v1/metrics":
            for instance, metric in _metrics(ExportMetricsServiceRequest.FromString(body)):
                self.metrics_by_instance.setdefault(instance, []).append(metric)
        else:
            return False
        return True


class OtlpSink:
    """
    Listens on a free loopback port while its block runs.

    Attributes:
        received: What arrived so far.
    """

    def __init__(self) -> None:
        self.received = Received()
        self._server = ThreadingHTTPServer((HOST, 0), _handler(self.received))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def endpoint(self) -> str:
        """The base URL for ``OTEL_EXPORTER_OTLP_ENDPOINT``."""
        return f"http://{HOST}:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, stack: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _handler(received: Received) -> type[BaseHTTPRequestHandler]:
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            size = int(self.headers.get("content-length", 0))
            if size > _BODY_LIMIT:
                self.send_error(413)
                return
            body = self.rfile.read(size)
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            with lock:
                known = received.add(self.path, body)
            self._answer(200 if known else 404)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            """Say nothing: the console belongs to the view."""

        def _answer(self, status: int) -> None:
            # An empty body is the empty protobuf message: everything was taken.
            self.send_response(status)
            self.send_header("content-type", "application/x-protobuf")
            self.send_header("content-length", "0")
            self.end_headers()

    return Handler


def _spans(request: ExportTraceServiceRequest) -> Iterator[Span]:
    for resource in request.resource_spans:
        for scope in resource.scope_spans:
            yield from scope.spans


def _logs(request: ExportLogsServiceRequest) -> Iterator[LogRecord]:
    for resource in request.resource_logs:
        for scope in resource.scope_logs:
            yield from scope.log_records


def _metrics(request: ExportMetricsServiceRequest) -> Iterator[tuple[str, Metric]]:
    for resource in request.resource_metrics:
        attributes = {pair.key: pair.value.string_value for pair in resource.resource.attributes}
        for scope in resource.scope_metrics:
            yield from ((attributes.get("service.instance.id", ""), metric) for metric in scope.metrics)
