"""A request over HTTP ends at its deadline for every behaviour of the receiver: real sockets, real TLS."""

from __future__ import annotations

import contextlib
import logging
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import pytest
from certificates import Certificates, make_certificates
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from otlp_sink import Sink
from rows import for_each

from whatsself_otel import Telemetry
from whatsself_otel.export.otlp import ExportResult, OtlpHttpClient, Target

Start = Callable[..., Telemetry]
Behave = Callable[[socket.socket], None]
TIMEOUT_S: Final = 0.6
MOST_S: Final = 3.0
"""Every receiver here holds a caller longer than this if its timeout restarts with each byte."""
OK: Final = b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\n"


class Receiver:
    """Takes connections and behaves; says how many there were."""

    def __init__(self, behave: Behave, listener: socket.socket) -> None:
        self.connections = 0
        self.ended = threading.Event()
        self._behave = behave
        self._listener = listener

    def serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                taken, _ = self._listener.accept()
                self.connections += 1
                threading.Thread(target=self._talk, args=(taken,), daemon=True).start()

    def _talk(self, taken: socket.socket) -> None:
        with taken, contextlib.suppress(OSError):
            self._behave(taken)
        self.ended.set()


@contextmanager
def receiving(behave: Behave) -> Iterator[tuple[int, Receiver]]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        receiver = Receiver(behave, listener)
        thread = threading.Thread(target=receiver.serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1], receiver
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def drip(to: socket.socket, data: bytes) -> None:
    """Send *data* byte by byte for five seconds, over and over."""
    end_s = time.monotonic() + 5
    while time.monotonic() < end_s:
        for position in range(len(data)):
            to.sendall(data[position : position + 1])
            time.sleep(0.05)


def read_request(connection: socket.socket) -> None:
    got = b""
    while b"\r\n\r\n" not in got:
        got += connection.recv(65_536)


def drip_status(connection: socket.socket) -> None:
    read_request(connection)
    drip(connection, b"HTTP/1.1 200 " + b"O" * 1000)


def drip_headers(connection: socket.socket) -> None:
    read_request(connection)
    connection.sendall(OK)
    drip(connection, b"x-more: and more\r\n")


def drip_body(connection: socket.socket) -> None:
    read_request(connection)
    connection.sendall(OK + b"content-length: 1000\r\n\r\n")
    drip(connection, b"\0")


def drip_chunks(connection: socket.socket) -> None:
    read_request(connection)
    connection.sendall(OK + b"transfer-encoding: chunked\r\n\r\n")
    drip(connection, b"1\r\n\0\r\n")


def drip_trailers(connection: socket.socket) -> None:
    read_request(connection)
    connection.sendall(OK + b"transfer-encoding: chunked\r\n\r\n0\r\n")
    drip(connection, b"x-more: and more\r\n")


def promise_to_answer(connection: socket.socket) -> None:
    read_request(connection)
    drip(connection, b"HTTP/1.1 100 Continue\r\n\r\n")


def say_nothing(connection: socket.socket) -> None:
    read_request(connection)
    time.sleep(5)


def take_nothing(connection: socket.socket) -> None:
    time.sleep(5)
    connection.recv(1)


WAITING: Final = "TimeoutError while waiting for the answer"
BEHAVIOURS: Final = {
    "the status line drips": (drip_status, WAITING),
    "the headers drip": (drip_headers, WAITING),
    "the body drips": (drip_body, WAITING),
    "the chunks drip": (drip_chunks, WAITING),
    "the trailers drip": (drip_trailers, WAITING),
    "an answer is promised again and again": (promise_to_answer, WAITING),
    "no answer comes": (say_nothing, WAITING),
    "the request is not read": (take_nothing, "TimeoutError while sending"),
}


def make_client(url: str, **options: str) -> OtlpHttpClient:
    target = Target(url=url, headers={}, timeout_s=TIMEOUT_S, compress=False, **options)
    return OtlpHttpClient(target, ExportTraceServiceResponse)


def post(url: str, body: bytes = b"x" * 8_000_000, **options: str) -> tuple[ExportResult, float]:
    client = make_client(url, **options)
    start_s = time.monotonic()
    try:
        return client.post(body), time.monotonic() - start_s
    finally:
        client.close()


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


class TestPlain:
    @for_each("name", BEHAVIOURS)
    def test_it_ends_at_its_deadline(self, name: str) -> None:
        behave, error = BEHAVIOURS[name]
        body = b"x" * 8_000_000 if behave is take_nothing else b"x"
        with receiving(behave) as (port, _):
            result, took_s = post(f"http://127.0.0.1:{port}/v1/traces", body)

        assert (result.error, result.retry) == (error, True)
        assert TIMEOUT_S * 0.9 < took_s < MOST_S

    def test_a_connection_that_nobody_takes_ends_too(self) -> None:
        with socket.socket() as full:
            full.bind(("127.0.0.1", 0))
            full.listen(0)
            waiting = [socket.socket() for _ in range(3)]
            for each in waiting:  # the system drops what comes after these
                each.setblocking(False)
                each.connect_ex(full.getsockname())
            result, took_s = post(f"http://127.0.0.1:{full.getsockname()[1]}/v1/traces")
            for each in waiting:
                each.close()

        assert (result.error, result.retry) == ("TimeoutError while connecting", True)
        assert took_s < MOST_S

    def test_the_next_request_has_a_connection_and_a_time_of_its_own(self) -> None:
        answers = [drip_body]

        def behave(connection: socket.socket) -> None:
            if answers:
                answers.pop()(connection)
                return
            read_request(connection)
            connection.sendall(OK + b"content-length: 0\r\n\r\n")

        with receiving(behave) as (port, receiver):
            client = make_client(f"http://127.0.0.1:{port}/v1/traces")
            results = [client.post(b"x"), client.post(b"x")]
            client.close()

        assert results == [ExportResult(error=WAITING, retry=True), ExportResult()]
        assert receiver.connections == 2


class TestTls:
    def secured(self, certificates: Certificates, behave: Behave) -> Behave:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificates.certificate("localhost"), certificates.key("localhost"))

        def behave_securely(connection: socket.socket) -> None:
            with context.wrap_socket(connection, server_side=True) as secured:
                behave(secured)

        return behave_securely

    @for_each("name", BEHAVIOURS)
    def test_it_ends_at_its_deadline(self, name: str, certificates: Certificates) -> None:
        behave, error = BEHAVIOURS[name]
        body = b"x" * 8_000_000 if behave is take_nothing else b"x"
        with receiving(self.secured(certificates, behave)) as (port, _):
            url = f"https://localhost:{port}/v1/traces"
            result, took_s = post(url, body, certificate_file=str(certificates.authority))

        assert (result.error, result.retry) == (error, True)
        assert took_s < MOST_S

    @for_each("behave", [take_nothing, lambda connection: drip(connection, b"\x16\x03\x03\x40\x00")])
    def test_a_handshake_that_does_not_end_ends(self, behave: Behave, certificates: Certificates) -> None:
        with receiving(behave) as (port, _):
            url = f"https://localhost:{port}/v1/traces"
            result, took_s = post(url, b"x", certificate_file=str(certificates.authority))

        assert result.error in {"TimeoutError while securing the connection", "TLS: UNEXPECTED_MESSAGE"}
        assert result.retry
        assert took_s < MOST_S

    def test_a_connection_is_kept_for_the_next_request(self, certificates: Certificates) -> None:
        def behave(connection: socket.socket) -> None:
            for _ in range(3):
                read_request(connection)
                connection.sendall(OK + b"content-length: 0\r\n\r\n")

        with receiving(self.secured(certificates, behave)) as (port, receiver):
            client = make_client(f"https://localhost:{port}/v1/traces", certificate_file=str(certificates.authority))
            results = [client.post(b"x") for _ in range(3)]
            client.close()

        assert (results, receiver.connections) == ([ExportResult()] * 3, 1)


class TestConnections:
    def test_one_that_was_closed_in_the_meantime_is_not_used(self) -> None:
        def behave(connection: socket.socket) -> None:
            read_request(connection)
            connection.sendall(OK + b"content-length: 0\r\n\r\n")

        with receiving(behave) as (port, receiver):
            client = make_client(f"http://127.0.0.1:{port}/v1/traces")
            assert client.post(b"x") == ExportResult()
            assert receiver.ended.wait(5)
            assert client.post(b"x") == ExportResult()
            client.close()

        assert receiver.connections == 2

    def test_one_with_an_answer_that_is_too_long_is_not_used_again(self) -> None:
        def behave(connection: socket.socket) -> None:
            read_request(connection)
            connection.sendall(OK + b"content-length: 200000\r\n\r\n" + bytes(200_000))

        with receiving(behave) as (port, receiver):
            client = make_client(f"http://127.0.0.1:{port}/v1/traces")
            assert [client.post(b"x").accepted for _ in range(2)] == [True, True]
            client.close()

        assert receiver.connections == 2

    def test_a_query_in_the_endpoint_is_sent(self) -> None:
        asked: list[bytes] = []

        def behave(connection: socket.socket) -> None:
            asked.append(connection.recv(65_536).split(b"\r\n")[0])
            connection.sendall(OK + b"content-length: 0\r\n\r\n")

        with receiving(behave) as (port, _):
            assert post(f"http://127.0.0.1:{port}/v1/traces?tenant=shop", b"x")[0] == ExportResult()

        assert asked == [b"POST /v1/traces?tenant=shop HTTP/1.1"]

    @for_each("answer", [b"\x00\x00\x06\x04\x00\x00\x00\x00\x00", b"SSH-2.0-x\r\n", b""])
    def test_what_speaks_no_http_is_a_failure(self, answer: bytes) -> None:
        def behave(connection: socket.socket) -> None:
            read_request(connection)
            connection.sendall(answer)

        with receiving(behave) as (port, _):
            result, _ = post(f"http://127.0.0.1:{port}/v1/traces", b"x")

        assert result.retry
        assert not result.accepted


class TestWhole:
    def test_one_signals_dripping_receiver_does_not_hold_its_thread(self, start: Start, sink: Sink) -> None:
        with receiving(drip_body) as (port, receiver):
            telemetry = start(
                traces_endpoint=f"http://127.0.0.1:{port}/v1/traces", export_timeout_s=0.3, span_delay_s=0.01
            )
            with telemetry.tracer.start_as_current_span("held"):
                logging.getLogger("shop").info("free")
            start_s = time.monotonic()
            while receiver.connections < 3:
                assert time.monotonic() < start_s + 10, "the sender is held"
                time.sleep(0.01)
            problems = telemetry.health().problems

        assert any("TimeoutError while waiting for the answer" in problem for problem in problems)
