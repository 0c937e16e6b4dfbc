"""OTLP over gRPC: real servers of the official library, every possible answer, forks included."""

from __future__ import annotations

import base64
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc  # type: ignore[import-untyped]
import pytest
from certificates import Certificates, make_certificates
from children import unmeasured_environment
from google.protobuf.any_pb2 import Any as AnyMessage  # type: ignore[import-untyped]
from google.rpc.error_details_pb2 import RetryInfo  # type: ignore[import-untyped]
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import StreamEnded
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceResponse,
)
from otlp_sink import run_sink
from rows import for_each
from test_http_deadline import Behave, drip, drip_headers, receiving, say_nothing, take_nothing

from whatsself_otel.export.otlp import ExportResult, Target
from whatsself_otel.export.otlp_grpc import OtlpGrpcClient

Answer = Callable[[bytes, Any], bytes]


def drip_frames(connection: socket.socket) -> None:
    """Send settings again and again, and never an answer."""
    connection.recv(65_536)
    drip(connection, b"\x00\x00\x00\x04\x00\x00\x00\x00\x00")


class Method(grpc.GenericRpcHandler):  # type: ignore[misc]
    def __init__(self, answer: Answer) -> None:
        self.paths: list[str] = []
        self._answer = answer

    def service(self, details: Any) -> Any:
        self.paths.append(details.method)
        return grpc.unary_unary_rpc_method_handler(self._answer)


@contextmanager
def answering(answer: Answer, *options: tuple[str, Any], credentials: Any = None, port: int = 0) -> Iterator[str]:
    with futures.ThreadPoolExecutor(4) as threads:
        server = grpc.server(threads, options=options)
        server.add_generic_rpc_handlers((Method(answer),))
        address = f"127.0.0.1:{port}"
        port = server.add_secure_port(address, credentials) if credentials else server.add_insecure_port(address)
        server.start()
        try:
            yield f"{'https' if credentials else 'http'}://localhost:{port}"
        finally:
            server.stop(0).wait()


def failing(code: Any, details: str = "", retry_s: float | None = None) -> Answer:
    def answer(_: bytes, context: Any) -> bytes:
        if retry_s is not None:
            info = RetryInfo()
            info.retry_delay.FromNanoseconds(int(retry_s * 1e9))
            packed = AnyMessage()
            packed.Pack(info)
            status = Status(code=code.value[0], details=[packed]).SerializeToString()
            context.set_trailing_metadata((("grpc-status-details-bin", status),))
        context.abort(code, details)
        raise AssertionError

    return answer


def keep(seen: list[bytes], body: bytes) -> bytes:
    seen.append(body)
    return b""


def make_client(url: str, timeout_s: float = 5.0, **options: Any) -> OtlpGrpcClient:
    target = Target(**{"url": url, "headers": {}, "timeout_s": timeout_s, "compress": True, **options})
    return OtlpGrpcClient(target, "traces", ExportTraceServiceResponse)


def post(url: str, body: bytes = b"", timeout_s: float = 5.0, **options: Any) -> ExportResult:
    client = make_client(url, timeout_s, **options)
    try:
        return client.post(body)
    finally:
        client.close()


def post_to(headers: dict[str, str]) -> ExportResult:
    """Post to a receiver that answers with *headers* and nothing else, right or wrong."""

    def behave(connection: socket.socket) -> None:
        peer = H2Connection(H2Configuration(client_side=False, validate_outbound_headers=False))
        peer.initiate_connection()
        connection.sendall(peer.data_to_send())
        while data := connection.recv(65_536):
            for event in peer.receive_data(data):
                if isinstance(event, StreamEnded):
                    peer.send_headers(event.stream_id, list(headers.items()), end_stream=True)
            connection.sendall(peer.data_to_send())

    with receiving(behave) as (port, _):
        return post(f"http://127.0.0.1:{port}", b"x")


def status_details(details: list[Any]) -> dict[str, str]:
    packed = base64.b64encode(Status(code=14, details=details).SerializeToString()).decode().rstrip("=")
    answer = {":status": "200", "content-type": "application/grpc", "grpc-status": "14"}
    return {**answer, "grpc-status-details-bin": packed}


class TestAnswers:
    def test_an_empty_success_is_a_success(self) -> None:
        with answering(lambda _body, _context: b"") as url:
            assert post(url) == ExportResult()

    def test_a_partial_success_says_how_many_were_rejected(self) -> None:
        partial = ExportTracePartialSuccess(rejected_spans=7, error_message="too old")
        body = ExportTraceServiceResponse(partial_success=partial).SerializeToString()
        with answering(lambda _body, _context: body) as url:
            assert post(url) == ExportResult(rejected=7)

    @for_each("name", ["CANCELLED", "DEADLINE_EXCEEDED", "ABORTED", "OUT_OF_RANGE", "UNAVAILABLE", "DATA_LOSS"])
    def test_these_may_be_tried_again(self, name: str) -> None:
        with answering(failing(grpc.StatusCode[name])) as url:
            assert post(url) == ExportResult(error=f"gRPC {name}", retry=True)

    @for_each(
        "name",
        [
            *("UNKNOWN", "INVALID_ARGUMENT", "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED", "FAILED_PRECONDITION"),
            *("UNIMPLEMENTED", "INTERNAL", "UNAUTHENTICATED", "RESOURCE_EXHAUSTED"),
        ],
    )
    def test_these_are_final(self, name: str) -> None:
        with answering(failing(grpc.StatusCode[name])) as url:
            assert post(url) == ExportResult(error=f"gRPC {name}")

    @for_each("name", ["UNAVAILABLE", "RESOURCE_EXHAUSTED"])
    def test_a_receiver_may_ask_for_a_pause(self, name: str) -> None:
        with answering(failing(grpc.StatusCode[name], retry_s=1.5)) as url:
            assert post(url) == ExportResult(error=f"gRPC {name}", retry=True, retry_after_s=1.5)

    def test_a_longer_pause_than_a_minute_is_a_minute(self) -> None:
        with answering(failing(grpc.StatusCode.UNAVAILABLE, retry_s=3600)) as url:
            assert post(url).retry_after_s == 60

    def test_a_message_that_is_too_large_asks_for_less(self) -> None:
        with answering(lambda _body, _context: b"", ("grpc.max_receive_message_length", 1000)) as url:
            assert post(url, os.urandom(5000)) == ExportResult(error="gRPC RESOURCE_EXHAUSTED", too_large=True)

    @for_each("compress", [True, False])
    def test_three_megabytes_arrive_whole(self, compress: bool) -> None:  # noqa: FBT001
        seen: list[bytes] = []
        body = os.urandom(3_000_000)
        with answering(lambda got, _context: keep(seen, got)) as url:
            assert post(url, body, compress=compress) == ExportResult()

        assert seen == [body]

    def test_headers_go_with_every_call_of_one_connection(self) -> None:
        seen: list[tuple[str, str]] = []

        def answer(_: bytes, context: Any) -> bytes:
            sent = dict(context.invocation_metadata())
            seen.append((sent["authorization"], context.peer()))
            return b""

        with answering(answer) as url:
            client = make_client(url, headers={"Authorization": "Bearer t"})
            for _ in range(3):
                assert client.post(b"x") == ExportResult()
            client.close()

        assert [token for token, _ in seen] == ["Bearer t"] * 3
        assert len({peer for _, peer in seen}) == 1

    def test_a_server_that_restarts_is_found_again(self) -> None:
        with answering(lambda _body, _context: b"") as url:
            client = make_client(url)
            assert client.post(b"x") == ExportResult()
        failed = client.post(b"x")

        assert (failed.error, failed.retry) == ("ConnectionRefusedError while connecting", True)
        client.close()

    def test_what_else_a_receiver_says_beside_the_pause_does_not_hide_it(self) -> None:
        packed = [AnyMessage(), AnyMessage()]
        packed[0].Pack(Status(message="something else"))
        info = RetryInfo()
        info.retry_delay.FromSeconds(2)
        packed[1].Pack(info)

        assert post_to(status_details(packed)) == ExportResult(error="gRPC UNAVAILABLE", retry=True, retry_after_s=2.0)
        assert post_to(status_details(packed[:1])) == ExportResult(error="gRPC UNAVAILABLE", retry=True)

    def test_details_that_cannot_be_read_ask_for_no_pause(self) -> None:
        answer = {":status": "200", "content-type": "application/grpc", "grpc-status": "14"}

        assert post_to({**answer, "grpc-status-details-bin": "//8="}) == ExportResult(
            error="gRPC UNAVAILABLE", retry=True
        )
        assert post_to({**answer, "grpc-status-details-bin": "no base64!"}).retry_after_s is None

    @for_each(
        "status, expected",
        [
            ("503", ExportResult(error="HTTP 503", retry=True)),
            ("429", ExportResult(error="HTTP 429", retry=True)),
            ("413", ExportResult(error="HTTP 413", too_large=True)),
            ("404", ExportResult(error="HTTP 404")),
        ],
    )
    def test_a_proxys_own_answer_is_taken_by_its_status(self, status: str, expected: ExportResult) -> None:
        assert post_to({":status": status, "content-type": "text/html"}) == expected

    def test_a_page_over_http2_is_not_taken_for_a_receivers_answer(self) -> None:
        assert post_to({":status": "200", "content-type": "text/html"}) == ExportResult(
            error="the answer is not OTLP: something else listens there", retry=True
        )

    @for_each("code", ["99", "123456"])
    def test_a_status_of_no_known_meaning_is_final(self, code: str) -> None:
        answer = {":status": "200", "content-type": "application/grpc+proto", "grpc-status": code}

        assert post_to(answer) == ExportResult(error="gRPC UNKNOWN")

    @for_each("behave", [say_nothing, take_nothing, drip_headers, drip_frames])
    def test_a_call_ends_at_its_timeout(self, behave: Behave) -> None:
        with receiving(behave) as (port, _):
            start_s = time.monotonic()
            result = post(f"http://127.0.0.1:{port}", os.urandom(8_000_000), timeout_s=0.5)
            took_s = time.monotonic() - start_s

        assert result.retry
        assert not result.accepted
        assert took_s < 3

    def test_silence_is_told_as_a_timeout(self) -> None:
        with receiving(take_nothing) as (port, _):
            result = post(f"http://127.0.0.1:{port}", timeout_s=0.3)

        assert (result.error, result.retry) == ("gRPC DEADLINE_EXCEEDED", True)

    def test_a_name_that_nobody_knows_is_told(self) -> None:
        result = post("http://nobody.invalid:4317", timeout_s=5)

        assert (result.error, result.retry) == ("gaierror while connecting", True)

    def test_a_web_server_is_not_taken_for_a_receiver(self) -> None:
        with run_sink() as sink:
            result = post(sink.url, timeout_s=2)

        assert result == ExportResult(error="the answer is not OTLP: something else listens there", retry=True)

    def test_a_receiver_that_comes_back_is_found_within_seconds(self) -> None:
        """The library alone would wait for up to two minutes."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        client = make_client(f"http://127.0.0.1:{port}", timeout_s=1.0)
        end_s = time.monotonic() + 12
        while time.monotonic() < end_s:
            assert not client.post(b"x").accepted
            time.sleep(0.2)
        with answering(lambda _body, _context: b"", port=port):
            start_s = time.monotonic()
            while not client.post(b"x").accepted:
                assert time.monotonic() < start_s + 30
                time.sleep(0.2)
            took_s = time.monotonic() - start_s
        client.close()

        assert took_s < 10

    def test_a_header_that_no_call_may_carry_is_a_failed_call(self) -> None:
        with answering(lambda _body, _context: b"") as url:
            result = post(url, headers={"grpc-status": "0", "bad header": "x"})

        assert not result.accepted


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


class TestTls:
    def test_a_receiver_of_the_named_authority_is_trusted(self, certificates: Certificates) -> None:
        with answering(lambda _body, _context: b"", credentials=server_side(certificates, "localhost")) as url:
            assert post(url, certificate_file=str(certificates.authority)) == ExportResult()

    @for_each(
        "name, error",
        [("expired", "certificate has expired"), ("elsewhere", "Hostname mismatch"), ("stranger", "self signed")],
    )
    def test_any_other_is_refused_with_one_line(self, certificates: Certificates, name: str, error: str) -> None:
        with answering(lambda _body, _context: b"", credentials=server_side(certificates, name)) as url:
            result = post(url, certificate_file=str(certificates.authority))

        assert result.error is not None
        assert error in result.error
        assert result.retry

    def test_a_receiver_that_asks_for_a_certificate_gets_one(self, certificates: Certificates) -> None:
        credentials = server_side(certificates, "localhost", mutual=True)
        shown: dict[str, Any] = {
            "certificate_file": str(certificates.authority),
            "client_certificate_file": str(certificates.certificate("localhost")),
            "client_key_file": str(certificates.key("localhost")),
        }
        with answering(lambda _body, _context: b"", credentials=credentials) as url:
            assert post(url, **shown) == ExportResult()
            assert not post(url, certificate_file=str(certificates.authority)).accepted


def server_side(certificates: Certificates, name: str, *, mutual: bool = False) -> Any:
    pair = (certificates.key(name).read_bytes(), certificates.certificate(name).read_bytes())
    return grpc.ssl_server_credentials(
        [pair], certificates.authority.read_bytes() if mutual else None, require_client_auth=mutual
    )


FORKS = 20
FORK_SCRIPT = """
import logging, os, sys, threading, time
from whatsself_otel import TelemetryConfig, setup_telemetry

interval_s = 0.05 if USED_BEFORE else 600
config = TelemetryConfig(protocol="grpc", metric_interval_s=interval_s, span_delay_s=0.01, log_delay_s=0.01)
telemetry = setup_telemetry(config=config)
log = logging.getLogger("shop")
stop = threading.Event()

def work():
    while not stop.is_set():
        with telemetry.tracer.start_as_current_span("parent"):
            log.info("parent")
        time.sleep(0.001)

def child_of(number):
    with telemetry.tracer.start_as_current_span(f"child-{number}"):
        log.info("child")
    telemetry.metrics.flow_started(flow_id="f")
    telemetry.force_flush(1)
    health = telemetry.health()
    said = all("forked" in str(health.signals[name]["not_leaving"]) for name in health.signals)
    return 0 if said and not health.ok else 3

if USED_BEFORE:
    threading.Thread(target=work, daemon=True).start()
    assert telemetry.force_flush(30)
for number in range(FORKS):
    time.sleep(0.02)
    child = os.fork()
    if child == 0:
        EXIT(child_of(number) if USED_BEFORE else telemetry_leaves(number))
    end_s = time.monotonic() + 20
    while (done := os.waitpid(child, os.WNOHANG)) == (0, 0):
        if time.monotonic() > end_s:
            os.kill(child, 9)
            sys.exit(f"child {number} hangs")
        time.sleep(0.01)
    if done[1]:
        sys.exit(f"child {number} ended with {done[1]}")
stop.set()
with telemetry.tracer.start_as_current_span("last of the parent"):
    pass
sys.exit(0 if telemetry.force_flush(10) and telemetry.health().ok else "the parent's exports suffered")
"""
PRELUDE = """
def telemetry_leaves(number):
    with telemetry.tracer.start_as_current_span(f"child-{number}"):
        log.info("child")
    telemetry.metrics.flow_started(flow_id="f")
    return 0 if telemetry.force_flush(10) and telemetry.health().ok else 3
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
class TestFork:
    """The library fails on both sides of a fork: the second user reports it, hangs never and loses nothing."""

    def run(self, tmp_path: Path, url: str, *, used_before: bool, leave: str) -> subprocess.CompletedProcess[str]:
        script = tmp_path / "shop.py"
        script.write_text(
            f"FORKS = {FORKS}\nUSED_BEFORE = {used_before}\n{PRELUDE}\n" + FORK_SCRIPT.replace("EXIT", leave)
        )
        return subprocess.run(
            [sys.executable, "-W", "ignore::DeprecationWarning", str(script)],
            env=unmeasured_environment(
                OTEL_EXPORTER_OTLP_ENDPOINT=url, WHATSSELF_OTEL_LOG_FORMAT="json", GRPC_VERBOSITY="NONE"
            ),
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )

    @pytest.mark.parametrize("leave", ["os._exit", "sys.exit"])
    def test_a_child_of_a_process_that_has_used_it_says_so_once_and_never_hangs(
        self, tmp_path: Path, leave: str
    ) -> None:
        seen: list[bytes] = []
        with answering(lambda body, _context: keep(seen, body)) as url:
            done = self.run(tmp_path, url, used_before=True, leave=leave)

        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.count("gRPC cannot be used in a process that was forked") == FORKS
        sent = b"".join(seen)
        assert b"last of the parent" in sent
        assert b"child-" not in sent

    def test_children_forked_before_its_first_use_export_all_signals(self, tmp_path: Path) -> None:
        seen: list[bytes] = []
        with answering(lambda body, _context: keep(seen, body)) as url:
            done = self.run(tmp_path, url, used_before=False, leave="os._exit")

        assert (done.returncode, done.stderr) == (0, "")
        sent = b"".join(seen)
        assert [number for number in range(FORKS) if f"child-{number}".encode() not in sent] == []
        assert "forked" not in done.stdout
