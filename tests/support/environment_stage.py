"""Receivers of OTLP for `environment_probe.py`: plain, with TLS on both sides, gRPC, and one that never answers."""

from __future__ import annotations

import gzip
import json
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent import futures
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import grpc  # type: ignore[import-untyped]
from certificates import Certificates
from children import environment
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from otlp_sink import Server, values

PROBE = Path(__file__).parent / "environment_probe.py"
_MESSAGES: dict[str, Any] = {
    "trace": ExportTraceServiceRequest,
    "metric": ExportMetricsServiceRequest,
    "log": ExportLogsServiceRequest,
}


@dataclass(frozen=True)
class Received:
    """One export: its receiver, its request and its contents."""

    receiver: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    kind: str
    message: Any


@dataclass
class Run:
    """What one run of the probe has sent, written and reported."""

    received: list[Received] = field(default_factory=list)
    report: dict[str, Any] = field(default_factory=dict)
    output: str = ""
    errors: str = ""
    status: int = -1

    def of(self, kind: str) -> list[Received]:
        """Return the exports of one kind: trace, metric or log."""
        return [each for each in self.received if each.kind == kind]

    def spans(self, name: str) -> list[Any]:
        """Return the spans called *name*."""
        return [span for span in self._items("trace", "resource_spans", "scope_spans", "spans") if span.name == name]

    def span(self, name: str) -> Any:
        """Return the first span called *name*; None if there is none."""
        return next(iter(self.spans(name)), None)

    def records(self, body: str) -> list[Any]:
        """Return the log records that say *body*."""
        records = self._items("log", "resource_logs", "scope_logs", "log_records")
        return [record for record in records if record.body.string_value == body]

    def metrics(self, name: str) -> list[Any]:
        """Return every metric called *name*, oldest first."""
        metrics = self._items("metric", "resource_metrics", "scope_metrics", "metrics")
        return [metric for metric in metrics if metric.name == name]

    def resource(self) -> dict[str, Any]:
        """Return the resource of the first export."""
        message = self.received[0].message
        (_, resources), *_ = message.ListFields()
        return values(resources[0].resource.attributes)

    def problems(self, variable: str) -> list[str]:
        """Return the problems that are about *variable*."""
        return [problem for problem in self.report["problems"] if problem.startswith(f"{variable} ")]

    def _items(self, kind: str, *path: str) -> list[Any]:
        found = [each.message for each in self.of(kind)]
        for name in path:
            found = [item for each in found for item in getattr(each, name)]
        return found


@contextmanager
def receiving_http(name: str, run: Run, certificates: Certificates | None = None) -> Iterator[str]:
    """Take OTLP over HTTP on any path that names a signal; with *certificates*, by TLS from clients that show one."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", "0")))
            headers = {key.lower(): value for key, value in self.headers.items()}
            _keep(run, name, self.path, headers, body)
            self.send_response(200)
            self.send_header("content-type", "application/x-protobuf")
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            pass

    server = Server(("127.0.0.1", 0), Handler)
    if certificates is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificates.certificate("localhost"), certificates.key("localhost"))
        context.load_verify_locations(certificates.authority)
        context.verify_mode = ssl.CERT_REQUIRED
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"{'http' if certificates is None else 'https'}://localhost:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def receiving_grpc(name: str, run: Run) -> Iterator[str]:
    """Take OTLP over gRPC without TLS; the address has no scheme."""

    class Method(grpc.GenericRpcHandler):  # type: ignore[misc]
        def service(self, details: Any) -> Any:
            headers = dict(details.invocation_metadata)
            take: Callable[[bytes, Any], bytes] = lambda body, _: _keep(run, name, details.method, headers, body)  # noqa: E731
            return grpc.unary_unary_rpc_method_handler(take)

    with futures.ThreadPoolExecutor(4) as threads:
        server = grpc.server(threads)
        server.add_generic_rpc_handlers((Method(),))
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        try:
            yield f"127.0.0.1:{port}"
        finally:
            server.stop(0).wait()


@contextmanager
def never_answering() -> Iterator[str]:
    """Take connections, and no more."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


def _keep(run: Run, receiver: str, path: str, headers: Mapping[str, str], body: bytes) -> bytes:
    plain = gzip.decompress(body) if headers.get("content-encoding") == "gzip" else body
    kind = next(kind for kind in _MESSAGES if kind in path.lower())
    run.received.append(Received(receiver, path, headers, body, kind, _MESSAGES[kind].FromString(plain)))
    return b""


def run_probe(
    folder: Path, certificates: Certificates, variables: Mapping[str, str], arguments: Mapping[str, str]
) -> Run:
    """
    Run the probe in a fresh process.

    Args:
        folder: For its report.
        certificates: What its receivers with TLS show and ask for.
        variables: Its environment; ``{http}`` and the like stand for the addresses and files of this stage.
        arguments: Of its `TelemetryConfig`, as above.
    """
    run, report = Run(), folder / "report.json"
    with ExitStack() as stack:
        places = {
            name: stack.enter_context(receiving_http(name, run)) for name in ("http", "traces", "metrics", "logs")
        }
        places["https"] = stack.enter_context(receiving_http("https", run, certificates))
        places["grpc"] = stack.enter_context(receiving_grpc("grpc", run))
        places["hung"] = stack.enter_context(never_answering())
        places["authority"] = str(certificates.authority)
        places["certificate"] = str(certificates.certificate("localhost"))
        places["key"] = str(certificates.key("localhost"))
        done = subprocess.run(
            [sys.executable, PROBE, json.dumps(_filled(arguments, places)), report],
            env=environment(_filled(variables, places)),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    run.output, run.errors, run.status = done.stdout, done.stderr, done.returncode
    run.report = json.loads(report.read_text("utf-8")) if report.exists() else {}
    return run


def _filled(texts: Mapping[str, str], places: Mapping[str, str]) -> dict[str, str]:
    return {name: text.format(**places) if "{" in text else text for name, text in texts.items()}
