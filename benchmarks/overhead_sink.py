"""
Receivers for benchmarks/overhead.py: OTLP, and what Elastic's, Datadog's and Sentry's own senders speak.

    python overhead_sink.py NAME ...     one listener a name; prints their ports as JSON, answers GET /_counts

Bodies are kept as they came and read only when asked, so that counting costs the measured program nothing.
"""

from __future__ import annotations

import gzip
import json
import sys
import threading
import zlib
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Final

import msgpack  # type: ignore[import-not-found]  # only in the environment this runs in
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_SENTRY_SIGNALS: Final = {"log": "logs", "trace_metric": "metrics"}


class Listener:
    """Keeps what one subject sends."""

    def __init__(self) -> None:
        self.bodies: list[tuple[str, str, bytes]] = []
        listener = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self.answer(json.dumps(listener.counts() if self.path == "/_counts" else {}).encode())

            def do_POST(self) -> None:
                body = self.read()
                listener.bodies.append((self.path, self.headers.get("content-encoding", ""), body))
                otlp = self.path.startswith("/v1/")
                self.answer(b"" if otlp else b"{}", "application/x-protobuf" if otlp else "application/json")

            do_PUT = do_POST  # noqa: N815 - Datadog's tracer puts

            def read(self) -> bytes:
                if self.headers.get("transfer-encoding") != "chunked":
                    return self.rfile.read(int(self.headers.get("content-length", 0)))
                chunks = []
                while size := int(self.rfile.readline().split(b";")[0], 16):
                    chunks.append(self.rfile.read(size))
                    self.rfile.readline()
                self.rfile.readline()
                return b"".join(chunks)

            def answer(self, body: bytes, kind: str = "application/json") -> None:
                self.send_response(200)
                self.send_header("content-type", kind)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def counts(self) -> dict[str, int]:
        """Count what arrived since this was asked last, by signal, and the bytes on the wire."""
        bodies, self.bodies = self.bodies, []
        counts = Counter(bytes=sum(len(body) for _, _, body in bodies))
        for path, encoding, body in bodies:
            counts.update(_count(path, _decode(encoding, body)))
        return dict(counts)


def _decode(encoding: str, body: bytes) -> bytes:
    if encoding == "gzip":
        return gzip.decompress(body)
    return zlib.decompress(body) if encoding == "deflate" else body


def _count(path: str, body: bytes) -> Iterable[str] | dict[str, int]:
    if path == "/v1/traces":
        return {"spans": len(list(_items(ExportTraceServiceRequest.FromString(body), "resource_spans", "spans")))}
    if path == "/v1/logs":
        return {"logs": len(list(_items(ExportLogsServiceRequest.FromString(body), "resource_logs", "log_records")))}
    if path == "/v1/metrics":
        request = ExportMetricsServiceRequest.FromString(body)
        return {"metrics": len(list(_items(request, "resource_metrics", "metrics")))}
    if path.startswith("/intake/"):
        return _count_elastic(body)
    if path.endswith("/traces"):
        return _count_datadog(path, body)
    return _count_sentry(body) if path.endswith("/envelope/") else {}


def _items(request: Any, resources: str, items: str) -> Iterator[Any]:
    scopes = {"spans": "scope_spans", "log_records": "scope_logs", "metrics": "scope_metrics"}[items]
    for resource in getattr(request, resources):
        for scope in getattr(resource, scopes):
            yield from getattr(scope, items)


def _count_elastic(body: bytes) -> dict[str, int]:
    kinds = Counter(next(iter(json.loads(line))) for line in body.splitlines() if line.strip())
    return {"spans": kinds["transaction"] + kinds["span"], "metrics": kinds["metricset"]}


def _count_datadog(path: str, body: bytes) -> dict[str, int]:
    payload = msgpack.unpackb(body, strict_map_key=False)
    traces = payload[1] if path.startswith("/v0.5") else payload
    return {"spans": sum(len(trace) for trace in traces)}


def _count_sentry(body: bytes) -> Counter[str]:
    counts: Counter[str] = Counter()
    rest = body.split(b"\n", 1)[1]
    while rest.strip():
        line, rest = rest.split(b"\n", 1)
        header = json.loads(line)
        size = header.get("length")
        content, rest = (rest[:size], rest[size:].lstrip(b"\n")) if size is not None else rest.split(b"\n", 1)
        if header["type"] == "transaction":
            counts["spans"] += 1 + len(json.loads(content).get("spans", ()))
        elif header["type"] in _SENTRY_SIGNALS:
            counts[_SENTRY_SIGNALS[header["type"]]] += header.get("item_count", 1)
    return counts


if __name__ == "__main__":
    listeners = {name: Listener() for name in sys.argv[1:]}
    print(json.dumps({name: listener.port for name, listener in listeners.items()}), flush=True)
    sys.stdin.read()
