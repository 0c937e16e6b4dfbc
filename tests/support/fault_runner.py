"""Run a fault scenario in a real process, with this package, the plain SDK or Logfire, and report the result."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

from children import environment, unmeasured_environment
from otlp_sink import _REQUESTS, Received, Server, Sink

LIMIT_S = 75.0
"""A process that has not ended by then hangs."""

SUBJECTS = ("ours", "plain", "logfire")

PRELUDE = """
import asyncio, json, logging, os, sys, threading, time
def report(**facts):
    print("REPORT" + json.dumps(facts), flush=True)
log = logging.getLogger("shop")
"""
PRELUDES = {
    "ours": PRELUDE
    + """
from whatsself_otel import setup_telemetry
telemetry = setup_telemetry()
tracer = telemetry.tracer
meter = telemetry.meter_provider.get_meter("shop")
flush, end = telemetry.force_flush, telemetry.shutdown
def again():
    telemetry.shutdown()
    return setup_telemetry()
instrument, instrument_engine = telemetry.instrument_app, telemetry.instrument_engine
""",
    "plain": PRELUDE
    + """
from opentelemetry import metrics, trace, _logs
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.instrumentation.logging.handler import LoggingHandler
def build():
    traces, logs = TracerProvider(), LoggerProvider()
    traces.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    logs.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter()))
    meters = MeterProvider([PeriodicExportingMetricReader(OTLPMetricExporter())])
    return traces, meters, logs
providers = build()
trace.set_tracer_provider(providers[0]); metrics.set_meter_provider(providers[1])
_logs.set_logger_provider(providers[2])
tracer, meter = trace.get_tracer("shop"), metrics.get_meter("shop")
logging.getLogger().addHandler(LoggingHandler(logger_provider=providers[2]))
logging.getLogger().setLevel(logging.INFO)
def flush(timeout_s=30):
    return all(provider.force_flush(int(timeout_s * 1000)) for provider in providers)
def end():
    for provider in providers: provider.shutdown()
def again():
    global providers
    end()
    providers = build()
def instrument(app):
    from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
    FastAPIInstrumentor.instrument_app(app)
def instrument_engine(engine):
    from opentelemetry.instrumentation.sqlalchemy import SQLAlchemyInstrumentor
    SQLAlchemyInstrumentor().instrument(engine=engine)
""",
    "logfire": PRELUDE
    + """
import logfire
from opentelemetry import metrics, trace
def configure():
    logfire.configure(send_to_logfire=False, console=False, inspect_arguments=False)
configure()
tracer, meter = trace.get_tracer("shop"), metrics.get_meter("shop")
logging.getLogger().addHandler(logfire.LogfireLoggingHandler())
logging.getLogger().setLevel(logging.INFO)
def flush(timeout_s=30):
    return logfire.force_flush(int(timeout_s * 1000))
end = logfire.shutdown
def again():
    logfire.shutdown()
    configure()
def instrument(app):
    logfire.instrument_fastapi(app)
def instrument_engine(engine):
    logfire.instrument_sqlalchemy(engine=engine)
""",
}

Reply = Callable[[str, bytes, int], tuple[int, dict[str, str], bytes]]
"""The receiver's answer to a path, a body and the number of the earlier request."""


def accept(_path: str, _body: bytes, _number: int) -> tuple[int, dict[str, str], bytes]:
    return 200, {}, b""


@dataclass
class Observed:
    """What one run left behind."""

    sink: Sink
    facts: dict[str, Any] = field(default_factory=dict)
    code: int | None = None
    stderr: str = ""
    stdout: str = ""
    exit_s: float = 0.0
    attempts: list[tuple[str, float]] = field(default_factory=list)

    @property
    def texts(self) -> list[str]:
        """Names of spans and bodies of logs that arrived."""
        return [span.name for span in self.sink.spans()] + [str(record.body) for record in self.sink.logs()]

    def arrived(self, text: str) -> int:
        return sum(text in each for each in self.texts)

    @property
    def said(self) -> str:
        """The process's output without the scenario's own lines."""
        lines = (line for line in self.stdout.splitlines() if not line.startswith("REPORT"))
        return "\n".join([*lines, self.stderr])

    @property
    def raw(self) -> bytes:
        return b"".join(received.body for received in self.sink.received)

    def tries(self, path: str) -> int:
        return sum(each == path for each, _ in self.attempts)


Verdict = tuple[bool, str]


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """
    One row of the catalogue.

    Args:
        row: Its number.
        title: What is injected.
        expected: What has to come of it.
        script: What the process does after the subject's set-up.
        judge: Whether it held, and what was seen.
        reply: What the receiver answers; None: nothing listens.
        environ: Variables of the process.
        server: Words of a server's command that runs the script as module ``shop``; None: the script runs itself.
        silent: The receiver takes connections and never answers.
        drive: What is done to a running server, given its process and URL.
        measured: Whether coverage may run in it: not where that changes what is judged.
    """

    row: int
    title: str
    expected: str
    script: str
    judge: Callable[[Observed], Verdict]
    reply: Reply | None = accept
    environ: dict[str, str] = field(default_factory=dict)
    server: tuple[str, ...] | None = None
    silent: bool = False
    drive: Callable[[subprocess.Popen[str], str], None] | None = None
    measured: bool = True


def run(scenario: Scenario, subject: str, python: str = sys.executable) -> tuple[bool, str, Observed]:
    """Run *scenario* with *subject*; return whether it held, the observation, and all details."""
    observed = Observed(Sink(url=""))
    with tempfile.TemporaryDirectory() as folder, _Receiver(scenario, observed) as url:
        environ = (environment if scenario.measured else unmeasured_environment)(
            {
                "PYTHONPATH": folder,
                "OTEL_EXPORTER_OTLP_ENDPOINT": url,
                "OTEL_SERVICE_NAME": "shop",
                "PYTHONWARNINGS": "ignore",
                "LOGFIRE_CONFIG_DIR": folder,
                **scenario.environ,
            }
        )
        if subject != "ours":
            environ = {name: value for name, value in environ.items() if not name.startswith("WHATSSELF")}
        Path(folder, "shop.py").write_text(PRELUDES[subject] + scenario.script)
        _run_process(scenario, python, folder, environ, observed)
    if observed.code is None:
        return False, f"still running after {LIMIT_S:.0f} s", observed
    try:
        held, seen = scenario.judge(observed)
    except (KeyError, IndexError, ValueError) as error:
        last = observed.stderr.strip().rpartition("\n")[2][:120]
        return False, f"ended with {observed.code}: {last or type(error).__name__}", observed
    return held, seen, observed


def _run_process(scenario: Scenario, python: str, folder: str, environ: dict[str, str], observed: Observed) -> None:
    port = _free_port()
    words = ["-m", *scenario.server] if scenario.server else [str(Path(folder, "shop.py"))]
    process = subprocess.Popen(
        [python, *(word.format(port=port) for word in words)],
        env=environ,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    start_s = time.monotonic()
    try:
        if scenario.server:
            _wait_for_port(port)
            (scenario.drive or _request_and_end)(process, f"http://127.0.0.1:{port}")
            start_s = time.monotonic()
        observed.stdout, observed.stderr = process.communicate(timeout=LIMIT_S)
        observed.code = process.returncode
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        observed.stdout, observed.stderr = process.communicate()
    ended = time.time()
    observed.exit_s = time.monotonic() - start_s
    for line in observed.stdout.splitlines():
        if line.startswith("REPORT"):
            observed.facts |= json.loads(line.removeprefix("REPORT"))
    if "done_at" in observed.facts:
        observed.exit_s = ended - observed.facts["done_at"]


def _request_and_end(process: subprocess.Popen[str], url: str) -> None:
    for number in range(20):
        with urllib.request.urlopen(f"{url}/work/{number}", timeout=10) as answer:
            answer.read()
    process.send_signal(signal.SIGTERM)


class _Receiver:
    def __init__(self, scenario: Scenario, observed: Observed) -> None:
        self._scenario = scenario
        self._observed = observed
        self._silent: socket.socket | None = None
        self._server: Server | None = None

    def __enter__(self) -> str:
        if self._scenario.silent:
            self._silent = socket.socket()
            self._silent.bind(("127.0.0.1", 0))
            self._silent.listen(128)
            return f"http://127.0.0.1:{self._silent.getsockname()[1]}"
        if self._scenario.reply is None:
            return f"http://127.0.0.1:{_free_port()}"
        self._server = Server(("127.0.0.1", 0), _handler(self._scenario.reply, self._observed))
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return f"http://127.0.0.1:{self._server.server_port}"

    def __exit__(self, *_: object) -> None:
        if self._silent is not None:
            self._silent.close()
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()


def _handler(reply: Reply, observed: Observed) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", "0")))
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            status, headers, content = reply(self.path, body, len(observed.attempts))
            observed.attempts.append((self.path, time.monotonic()))
            if status == 200 and self.path in _REQUESTS:
                message = _REQUESTS[self.path]()
                message.ParseFromString(body)
                observed.sink.received.append(Received(self.path, dict(self.headers.items()), body, message))
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # nobody waits any more
                self._answer(status, headers, content)

        def _answer(self, status: int, headers: dict[str, str], content: bytes) -> None:
            self.send_response(status)
            for name, value in {"content-type": "application/x-protobuf", **headers}.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    return Handler


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for_port(port: int) -> None:
    deadline_s = time.monotonic() + 30
    while time.monotonic() < deadline_s:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
