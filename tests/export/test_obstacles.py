"""Every stage between a record and the receiver's answer is broken in turn: health and the doctor name it."""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
import uvicorn
from certificates import Certificates, make_certificates
from children import environment
from opentelemetry.metrics import NoOpMeterProvider, Observation, get_meter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceResponse,
)
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult
from otlp_sink import Sink, run_sink
from rows import for_each
from starlette.applications import Starlette
from test_http_deadline import drip_body, receiving, take_nothing
from test_otlp import PROTOBUF, answering

from whatsself_otel import Telemetry, TelemetryConfig, setup_telemetry
from whatsself_otel._sdk import Globals
from whatsself_otel.cli.doctor.findings import Finding
from whatsself_otel.cli.doctor.running import check_application
from whatsself_otel.providers import Providers

Start = Callable[..., Telemetry]


@dataclass
class Stage:
    """Telemetry that runs well, and what breaks it."""

    start: Start
    sink: Sink
    monkeypatch: pytest.MonkeyPatch
    certificates: Certificates
    closing: ExitStack
    telemetry: Telemetry

    def begin(self, **settings: Any) -> None:
        """Start again, with these settings."""
        self.telemetry.shutdown()
        self.telemetry = self.start(**{"span_delay_s": 0.01, "log_delay_s": 0.01, **settings})

    def work(self) -> None:
        """Make one of everything, and let it leave if it can."""
        with self.telemetry.tracer.start_as_current_span("work"):
            logging.getLogger("shop").warning("work")
        self.telemetry.metrics.message_inbound()
        self.telemetry.force_flush(2)

    def wait_for(self, words: str, *signals: str) -> None:
        """Wait until health has *words* of each of *signals*."""
        deadline_s = time.monotonic() + 15
        while not all(words in str(self.telemetry.health().signals[signal]) for signal in signals):
            assert time.monotonic() < deadline_s, f"{words!r} is not in {self.telemetry.health().signals}"
            time.sleep(0.02)

    def replace(self, kind: str, provider: Any) -> None:
        """Make *provider* the process's own, as a second library does."""
        before = Globals.read()
        self.closing.callback(before.write)
        before._replace(**{kind: provider}).write()


def fail(*_: object, **__: object) -> Any:
    raise ValueError


def break_record_of_a_log(stage: Stage) -> None:
    stage.monkeypatch.setattr("whatsself_otel.logs.TelemetryHandler._entry", fail)
    stage.work()


def break_processor(stage: Stage) -> None:
    stage.monkeypatch.setattr("whatsself_otel.traces.processors.ExportProcessor.on_end", fail)
    stage.work()


def break_queue(stage: Stage) -> None:
    stage.begin(span_queue_size=1)
    stage.sink.delay_s = 0.5
    for _ in range(5):
        with stage.telemetry.tracer.start_as_current_span("work"):
            pass


def break_thread(stage: Stage) -> None:
    start = threading.Thread.start

    def refuse(thread: threading.Thread) -> None:
        if thread.name == "whatsself-otel-export":
            raise RuntimeError("can't start new thread")
        start(thread)

    stage.begin()
    with stage.monkeypatch.context() as limited:
        limited.setattr(threading.Thread, "start", refuse)
        with stage.telemetry.tracer.start_as_current_span("work"):
            pass


def break_encoding(stage: Stage) -> None:
    stage.monkeypatch.setattr("whatsself_otel.export.encoding.Encoder.span", fail)
    stage.begin()
    stage.work()


def break_encoding_of_metrics(stage: Stage) -> None:
    stage.monkeypatch.setattr("whatsself_otel.export.encoding.Encoder.metrics", fail)
    stage.begin(metric_interval_s=0.05)
    stage.wait_for("not encodable", "metrics")


def break_connection(stage: Stage) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    stage.begin(endpoint=f"http://127.0.0.1:{port}")
    stage.work()


def break_name(stage: Stage) -> None:
    stage.begin(endpoint="http://nobody.invalid:4318")
    stage.work()


def break_tls(stage: Stage) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(stage.certificates.certificate("stranger"), stage.certificates.key("stranger"))

    class Quiet(HTTPServer):
        def handle_error(self, request: Any, client_address: Any) -> None:
            """A refused certificate is what this is about."""

    server = Quiet(("127.0.0.1", 0), BaseHTTPRequestHandler)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    stage.closing.callback(server.server_close)
    stage.closing.callback(server.shutdown)
    stage.begin(endpoint=f"https://localhost:{server.server_port}", certificate_file=stage.certificates.authority)
    stage.work()


def break_sending(stage: Stage) -> None:
    """Send more at once than the system holds for a receiver that does not read."""
    port, _ = stage.closing.enter_context(receiving(take_nothing))
    limits = Providers._limits
    stage.monkeypatch.setattr(
        Providers, "_limits", lambda each, kind: dataclasses.replace(limits(each, kind), batch_bytes=50_000_000)
    )
    stage.begin(endpoint=f"http://127.0.0.1:{port}", compression="none", export_timeout_s=0.5, span_delay_s=1)
    for _ in range(600):
        with stage.telemetry.tracer.start_as_current_span("work", attributes={"note": "x" * 20_000}):
            pass
    stage.wait_for("while sending", "traces")


def break_answer(stage: Stage) -> None:
    port, _ = stage.closing.enter_context(receiving(drip_body))
    stage.begin(endpoint=f"http://127.0.0.1:{port}", export_timeout_s=0.3)
    stage.work()
    stage.wait_for("while waiting", *ALL)


def answer_with(status: int, body: bytes = b"", **headers: str) -> Callable[[Stage], None]:
    def break_it(stage: Stage) -> None:
        url = stage.closing.enter_context(answering(status, body, **headers))
        stage.begin(traces_endpoint=url)
        stage.work()

    return break_it


def answer_metrics_with(status: int) -> Callable[[Stage], None]:
    def break_it(stage: Stage) -> None:
        url = stage.closing.enter_context(answering(status))
        stage.begin(metrics_endpoint=url)
        stage.work()

    return break_it


def break_callback(stage: Stage) -> None:
    released = threading.Event()
    stage.closing.callback(released.set)
    stage.monkeypatch.setattr("whatsself_otel.export.obstacles._HANGS_AFTER_S", 0.2)
    stage.begin(metric_interval_s=0.05)
    get_meter("shop").create_observable_gauge("stock", [lambda _: [Observation(int(released.wait(20)))]])
    stage.wait_for("hangs", "metrics")


def break_request(stage: Stage) -> None:
    stage.monkeypatch.setattr("whatsself_otel.export.obstacles._HANGS_AFTER_S", 0.2)
    stage.sink.delay_s = 3.0
    with stage.telemetry.tracer.start_as_current_span("work"):
        pass
    stage.wait_for("hangs", "traces")


def break_reader(stage: Stage) -> None:
    """End its thread as nothing in Python can end one: there is no other way to see what health says of it."""
    stage.begin()
    providers = stage.telemetry._providers
    assert providers is not None
    assert providers._reader is not None
    ended = threading.Thread(target=lambda: None)
    ended.start()
    ended.join()
    running, providers._reader._thread = providers._reader._thread, ended
    stage.closing.callback(setattr, providers._reader, "_thread", running)


def shut_down_meters(stage: Stage) -> None:
    stage.telemetry.meter_provider.shutdown()  # type: ignore[attr-defined]


def switch_off(**settings: Any) -> Callable[[Stage], None]:
    def break_it(stage: Stage) -> None:
        stage.begin(**settings)
        stage.work()

    return break_it


class RequestsOnly(Sampler):
    """A sampler that has not thought of spans without attributes."""

    def should_sample(self, *arguments: Any, attributes: Any = None, **_: Any) -> SamplingResult:
        return SamplingResult(Decision.RECORD_AND_SAMPLE, {"method": {**(attributes or {})}["http.request.method"]})

    def get_description(self) -> str:
        return "RequestsOnly"


def raise_in_sampler(stage: Stage) -> None:
    stage.telemetry.tracer_provider.sampler = RequestsOnly()  # type: ignore[attr-defined]


def disable_logging(stage: Stage) -> None:
    stage.closing.callback(logging.disable, logging.NOTSET)
    logging.disable(logging.CRITICAL)


def raise_level(_: Stage) -> None:
    logging.getLogger().setLevel(logging.ERROR)


def put_the_exit_back(_: Stage) -> None:
    """As a library does that has patched logging before us, and undoes it."""
    logging.Logger.callHandlers = CALL_HANDLERS  # type: ignore[method-assign]
    logging.getLogger().handlers = []


def fork_after_grpc(stage: Stage) -> None:
    """Say that another process has used grpcio first: tests/export/test_otlp_grpc.py::TestFork forks for real."""
    stage.monkeypatch.setattr("whatsself_otel.export.otlp_grpc._USE.pid", os.getpid() + 1)
    stage.begin(protocol="grpc", metric_interval_s=600, metrics_exporter="otlp")
    with stage.telemetry.tracer.start_as_current_span("work"):
        logging.getLogger("shop").warning("work")
    stage.wait_for("forked", "traces", "logs")


def shut_down(stage: Stage) -> None:
    stage.telemetry.shutdown()


CALL_HANDLERS = logging.Logger.callHandlers
ALL = ("traces", "metrics", "logs")
PARTIAL = ExportTraceServiceResponse(partial_success=ExportTracePartialSuccess(rejected_spans=1)).SerializeToString()
STAGES: dict[str, tuple[Callable[[Stage], None], tuple[str, ...], str, bool]] = {
    "record of a log": (break_record_of_a_log, ("logs",), "An error inside logs", False),
    "processor": (break_processor, ("traces",), "An error inside export", False),
    "queue": (break_queue, ("traces",), "Spans were dropped in the last minute (queue_full)", False),
    "thread of a queue": (break_thread, ("traces",), "No thread sends traces", False),
    "encode": (break_encoding, ("traces",), "not encodable: ValueError", False),
    "encode metrics": (break_encoding_of_metrics, ("metrics",), "not encodable: ValueError", False),
    "connect": (break_connection, ALL, "is a collector listening at http://127.0.0.1", False),
    "name": (break_name, ALL, "is the name in http://nobody.invalid:4318", False),
    "tls": (break_tls, ALL, "TLS: self-signed certificate", False),
    "send": (break_sending, ("traces",), "TimeoutError while sending", False),
    "answer drips": (break_answer, ALL, "TimeoutError while waiting for the answer", False),
    "answer 401": (answer_with(401), ("traces",), "know the credential?", False),
    "answer 404": (answer_with(404), ("traces",), "the address of an OTLP receiver?", False),
    "answer 413": (answer_with(413), ("traces",), "one item is larger than", False),
    "answer 503": (answer_with(503), ("traces",), "is overloaded or away", False),
    "answer 302": (answer_with(302, location="http://127.0.0.1:9"), ("traces",), "HTTP 302", False),
    "login page": (answer_with(200, b"<html>", content_type="text/html"), ("traces",), "is not OTLP", False),
    "partial success": (answer_with(200, PARTIAL, content_type=PROTOBUF), ("traces",), "1 items were rejected", False),
    "answer 400 to metrics": (answer_metrics_with(400), ("metrics",), "the log of the receiver at", False),
    "request hangs": (break_request, ("traces",), "A request of traces hangs", False),
    "callback hangs": (break_callback, ("metrics",), "A collection of metrics hangs", False),
    "metric reader's thread": (break_reader, ("metrics",), "The thread that collects metrics has ended", False),
    "meters shut down": (shut_down_meters, ("metrics",), "Other code has shut the meter provider down", False),
    "tracer provider replaced": (
        lambda stage: stage.replace("tracer_provider", TracerProvider(shutdown_on_exit=False)),
        ("traces",),
        "not ours any more, it is opentelemetry.sdk.trace.TracerProvider",
        False,
    ),
    "meter provider replaced": (
        lambda stage: stage.replace("meter_provider", NoOpMeterProvider()),
        ("metrics",),
        "NoOpMeterProvider",
        False,
    ),
    "logger provider replaced": (
        lambda stage: stage.replace("logger_provider", LoggerProvider(shutdown_on_exit=False)),
        ("logs",),
        "not ours any more",
        False,
    ),
    "no traces": (switch_off(traces_exporter="none"), ("traces",), "OTEL_TRACES_EXPORTER is none", True),
    "no metrics": (switch_off(metrics_exporter="none"), ("metrics",), "OTEL_METRICS_EXPORTER is none", True),
    "no logs": (switch_off(logs_exporter="none"), ("logs",), "OTEL_LOGS_EXPORTER is none", True),
    "nothing": (switch_off(enabled=False), ALL, "Telemetry is disabled", True),
    "sampler": (switch_off(traces_sampler="always_off"), ("traces",), "AlwaysOffSampler drops every trace", True),
    "sampler by ratio": (
        switch_off(traces_sampler="parentbased_traceidratio", traces_sampler_arg="0"),
        ("traces",),
        "drops every trace",
        True,
    ),
    "sampler raises": (raise_in_sampler, ("traces",), "The sampler raises KeyError", False),
    "logging disabled": (disable_logging, ("logs",), "Other code has switched logging off", False),
    "logging's level": (raise_level, ("logs",), "raised the level of logging to ERROR", True),
    "logging's handlers": (put_the_exit_back, ("logs",), "not on the root logger", False),
    "forked by gRPC": (fork_after_grpc, ("traces", "logs"), "set OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf", False),
    "shut down": (shut_down, ALL, "shutdown() was called", False),
}
"""Broken stage, the signals that it stops, the reported problem, and whether it is intended."""


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@contextmanager
def staged(monkeypatch: pytest.MonkeyPatch, certificates: Certificates) -> Iterator[Stage]:
    """Run telemetry that sends to a sink, and take back what broke it."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    with run_sink() as sink, ExitStack() as closing:

        def start(**settings: Any) -> Telemetry:
            return setup_telemetry(config=TelemetryConfig(**{"endpoint": sink.url, "log_to_stdout": False, **settings}))

        stage = Stage(start, sink, monkeypatch, certificates, closing, start(span_delay_s=0.01, log_delay_s=0.01))
        try:
            yield stage
        finally:
            sink.delay_s = 0.0
            stage.telemetry.shutdown(1)
            root.handlers = handlers
            root.setLevel(level)  # one that was set after set-up is not ours to take back


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch, certificates: Certificates) -> Iterator[Stage]:
    with staged(monkeypatch, certificates) as stage:
        yield stage


@contextmanager
def served(telemetry: Telemetry) -> Iterator[str]:
    """Serve the health of *telemetry*, as an application does for its operators."""
    app = Starlette()
    app.add_route("/telemetry/health", telemetry.health_app)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/telemetry/health"
        server.should_exit = True
        thread.join()


@contextmanager
def answering_get(body: bytes) -> Iterator[str]:
    """Serve *body* to every client."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response_only(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def ask_doctor(telemetry: Telemetry) -> list[Finding]:
    with served(telemetry) as url:
        return list(check_application(url, TelemetryConfig(environ={})))


@for_each("name", STAGES)
def test_health_and_the_doctor_name_what_keeps_a_signal_from_leaving(
    monkeypatch: pytest.MonkeyPatch, certificates: Certificates, name: str
) -> None:
    break_it, signals, words, wanted = STAGES[name]
    with staged(monkeypatch, certificates) as stage:
        before = stage.telemetry.health()
        break_it(stage)
        health = stage.telemetry.health()
        findings = ask_doctor(stage.telemetry)

    assert (before.ok, [before.signals[signal]["not_leaving"] for signal in ALL]) == (True, [[], [], []])
    said = {signal: [text for text in health.signals[signal]["not_leaving"] if words in text] for signal in ALL}
    assert {signal for signal in ALL if said[signal]} == set(signals), health.signals
    assert any(words in problem for problem in health.problems) is not wanted
    assert health.ok is wanted, health.problems
    named = [finding for finding in findings if words in finding.cause]
    assert {finding.state for finding in named} == {"warning" if wanted else "fault"}, findings


def test_what_works_again_is_forgotten(stage: Stage) -> None:
    stage.sink.status = 503
    stage.work()
    broken = stage.telemetry.health()
    stage.sink.status = 200
    stage.work()
    mended = stage.telemetry.health()

    assert not broken.ok
    assert (mended.ok, [mended.signals[signal]["not_leaving"] for signal in ALL]) == (True, [[], [], []])


def test_the_doctor_says_that_nothing_is_wrong(stage: Stage) -> None:
    stage.work()
    (finding,) = ask_doctor(stage.telemetry)

    assert (finding.state, finding.check) == ("ok", "application")


def test_the_command_asks_a_running_application(stage: Stage) -> None:
    stage.sink.status = 503
    stage.work()
    with served(stage.telemetry) as url:
        asked = subprocess.run(
            [sys.executable, "-m", "whatsself_otel.cli", "doctor", "--json", "--no-probe", f"--health-url={url}"],
            env=environment(OTELCOL_METRICS_PORT="9", OTEL_EXPORTER_OTLP_ENDPOINT=stage.sink.url),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    found = [each["cause"] for each in json.loads(asked.stdout)["findings"] if each["check"] == "application"]

    assert asked.returncode == 1
    assert any("The last export of traces failed (HTTP 503)" in cause for cause in found)


@for_each("body", [b"{}", b"[]", b"<html>", b'{"problems": 1, "signals": {}}'])
def test_the_doctor_takes_no_other_page_for_health(body: bytes) -> None:
    with answering_get(body) as url:
        (finding,) = check_application(url, TelemetryConfig(environ={}))

    assert (finding.state, "is not the health of an application" in finding.cause) == ("fault", True)


def test_the_doctor_says_that_an_application_does_not_answer() -> None:
    (finding,) = check_application("http://127.0.0.1:9/telemetry/health", TelemetryConfig(environ={}))

    assert (finding.state, finding.fix) == ("fault", "Start the application.")
