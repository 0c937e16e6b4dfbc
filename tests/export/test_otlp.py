"""OTLP over HTTP: the right result for every answer of a receiver, a proxy or a login page."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceResponse,
)
from otlp_sink import Sink, run_sink
from rows import for_each

from whatsself_otel import Telemetry
from whatsself_otel.export.otlp import (
    MAX_RETRY_AFTER_S,
    ExportResult,
    OtlpHttpClient,
    PatientClient,
    Target,
    may_have_arrived,
    parse_retry_after,
)

Start = Callable[..., Telemetry]
PROTOBUF = "application/x-protobuf"


@contextmanager
def answering(status: int, body: bytes = b"", **headers: str) -> Iterator[str]:
    """A receiver that always gives this answer."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1/traces"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def post(url: str, timeout_s: float = 2.0) -> ExportResult:
    target = Target(url=url, headers={}, timeout_s=timeout_s, compress=True)
    client = OtlpHttpClient(target, ExportTraceServiceResponse)
    try:
        return client.post(b"")
    finally:
        client.close()


class TestRequest:
    @for_each("compress", [True, False])
    def test_says_how_its_body_is_packed(self, compress: bool) -> None:  # noqa: FBT001
        with run_sink() as sink:
            target = Target(url=f"{sink.url}/v1/traces", headers={}, timeout_s=5, compress=compress)
            client = OtlpHttpClient(target, ExportTraceServiceResponse)
            assert client.post(b"") == ExportResult()
            client.close()
            (received,) = sink.received

        assert received.headers.get("content-encoding") == ("gzip" if compress else None)
        assert received.body == b""


class TestAnswers:
    def test_an_empty_success_is_a_success(self) -> None:
        with answering(200) as url:
            assert post(url) == ExportResult()

    def test_a_partial_success_says_how_many_were_rejected(self) -> None:
        partial = ExportTracePartialSuccess(rejected_spans=7, error_message="too old")
        body = ExportTraceServiceResponse(partial_success=partial).SerializeToString()
        with answering(200, body, content_type=PROTOBUF) as url:
            assert post(url) == ExportResult(rejected=7)

    @for_each("status", [301, 302, 303, 307, 308])
    def test_a_redirect_is_a_failure_and_is_not_followed(self, status: int) -> None:
        with answering(200) as elsewhere, answering(status, location=elsewhere) as url:
            assert post(url) == ExportResult(error=f"HTTP {status}", retry=True)

    def test_a_login_page_is_a_failure(self) -> None:
        with answering(200, b"<html>log in</html>", content_type="text/html") as url:
            assert post(url) == ExportResult(error="the answer is not OTLP: something else listens there", retry=True)

    @for_each("status", [400, 401, 403, 404, 500, 501])
    def test_these_are_final(self, status: int) -> None:
        with answering(status) as url:
            assert post(url) == ExportResult(error=f"HTTP {status}")

    @for_each("status", [429, 502, 503, 504])
    def test_these_may_be_tried_again(self, status: int) -> None:
        with answering(status, retry_after="3") as url:
            assert post(url) == ExportResult(error=f"HTTP {status}", retry=True, retry_after_s=3.0)

    def test_413_asks_for_less(self) -> None:
        with answering(413) as url:
            assert post(url) == ExportResult(error="HTTP 413", too_large=True)

    def test_a_refusal_names_its_kind_and_not_the_url(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{probe.getsockname()[1]}/v1/traces?token=s3cret"

        assert post(url) == ExportResult(error="ConnectionRefusedError while connecting", retry=True)

    def test_silence_ends_at_the_timeout(self) -> None:
        with socket.socket() as silent:
            silent.bind(("127.0.0.1", 0))
            silent.listen()
            result = post(f"http://127.0.0.1:{silent.getsockname()[1]}/v1/traces", timeout_s=0.2)

        assert (result.error, result.retry) == ("TimeoutError while waiting for the answer", True)


class TestRetryAfter:
    @for_each(
        "value, expected",
        [
            ("1", 1.0),
            ("0", 0.0),
            ("-5", 0.0),
            ("3600", MAX_RETRY_AFTER_S),
            ("inf", None),
            ("nan", None),
            ("soon", None),
            ("", None),
            (None, None),
            ("Mon, 23 Nov 2026 12:00:10 GMT", 10.0),
            ("Mon, 23 Nov 2020 12:00:10 GMT", 0.0),
        ],
    )
    def test_seconds_dates_and_nonsense(self, value: str | None, expected: float | None) -> None:
        noon_s = 1795435200.0

        assert parse_retry_after(value, noon_s) == expected

    @given(st.text())
    def test_no_text_raises(self, value: str) -> None:
        seconds = parse_retry_after(value)

        assert seconds is None or 0 <= seconds <= MAX_RETRY_AFTER_S


class TestPause:
    """Metrics, which wait in no queue."""

    @contextmanager
    def refusing(self, *answers: tuple[int, str]) -> Iterator[tuple[str, list[float]]]:
        """A receiver that gives these answers, with these pauses, and then takes everything; and when it was asked."""
        left = list(answers)
        asked: list[float] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["content-length"]))
                asked.append(time.monotonic())
                status, pause = left.pop(0) if left else (200, "")
                self.send_response(status)
                if pause:
                    self.send_header("retry-after", pause)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *arguments: Any) -> None:
                pass

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
            thread.start()
            yield f"http://127.0.0.1:{server.server_port}/v1/metrics", asked
            server.shutdown()
            thread.join()

    def test_metrics_wait_as_long_as_the_receiver_wants(self, start: Start) -> None:
        with self.refusing((429, "1")) as (url, asked):
            telemetry = start(metrics_endpoint=url, metric_interval_s=600)
            assert telemetry.force_flush(30)
            status = telemetry.health().signals["metrics"]

        assert len(asked) == 2
        assert asked[1] - asked[0] >= 1
        assert (status["dropped"], status["retried"], status["last_error"]) == (0, 1, None)

    def test_nothing_is_sent_during_a_long_pause(self, start: Start) -> None:
        with self.refusing((503, "30")) as (url, asked):
            telemetry = start(metrics_endpoint=url, metric_interval_s=0.05)
            deadline_s = time.monotonic() + 10
            while telemetry.health().signals["metrics"]["last_error"] != "the receiver asked for a pause":
                assert time.monotonic() < deadline_s
                time.sleep(0.01)
            telemetry.force_flush(5)

        assert len(asked) == 1

    def test_without_a_pause_there_is_one_quick_second_try(self, start: Start) -> None:
        with self.refusing((503, "")) as (url, asked):
            telemetry = start(metrics_endpoint=url, metric_interval_s=600)
            assert telemetry.force_flush(30)

        assert len(asked) == 2
        assert asked[1] - asked[0] < 2

    def test_a_pause_that_is_over_is_forgotten(self) -> None:
        with self.refusing((429, "1"), (429, "3")) as (url, asked):
            client = PatientClient(
                OtlpHttpClient(Target(url=url, headers={}, timeout_s=5, compress=False), ExportTraceServiceResponse)
            )
            refused = client.post(b"x")
            held = client.post(b"x")
            time.sleep(1.1)  # from here on the rest of the pause is short enough to be waited for
            taken = client.post(b"x")
            client.close()

        assert (refused.error, held.error, taken) == ("HTTP 429", "the receiver asked for a pause", ExportResult())
        assert asked[2] - asked[1] >= 3


class TestWhatMayHaveArrived:
    """Asked of real sockets: the words of an error are ours, when they come is not."""

    @staticmethod
    def post(url: str) -> ExportResult:
        target = Target(url=url, headers={}, timeout_s=0.5, compress=False)
        client = PatientClient(OtlpHttpClient(target, ExportTraceServiceResponse))
        try:
            return client.post(b"x")
        finally:
            client.close()

    def test_what_is_not_answered_in_time_may_have(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            result = self.post(f"http://127.0.0.1:{silent.getsockname()[1]}/v1/metrics")
        assert result.error == "TimeoutError while waiting for the answer"
        assert may_have_arrived(result)

    @for_each("status", [401, 404, 413, 429])
    def test_what_is_refused_has_not(self, status: int) -> None:
        with answering(status) as url:
            assert not may_have_arrived(self.post(url))

    def test_what_a_collector_could_not_pass_on_may_have(self) -> None:
        with answering(503) as url:
            assert may_have_arrived(self.post(url))

    def test_what_nobody_listened_to_has_not(self) -> None:
        assert not may_have_arrived(self.post("http://127.0.0.1:9/v1/metrics"))

    def test_what_was_tried_again_may_have_the_first_time(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            url = f"http://127.0.0.1:{silent.getsockname()[1]}/v1/metrics"
            client = PatientClient(
                OtlpHttpClient(Target(url=url, headers={}, timeout_s=0.5, compress=False), ExportTraceServiceResponse)
            )
            result = client.post(b"x", lambda _reason: silent.close())
            client.close()
        assert result.error == "ConnectionRefusedError while connecting"
        assert may_have_arrived(result)


class TestWhole:
    def test_a_rejecting_collector_is_not_mistaken_for_a_good_one(self, start: Start) -> None:
        partial = ExportTracePartialSuccess(rejected_spans=1)
        body = ExportTraceServiceResponse(partial_success=partial).SerializeToString()
        with answering(200, body, content_type=PROTOBUF) as url:
            telemetry = start(traces_endpoint=url)
            with telemetry.tracer.start_as_current_span("lost"):
                pass
            telemetry.force_flush(2)
            health = telemetry.health()

        assert not health.ok
        assert health.signals["traces"]["dropped"] == 1

    def test_headers_and_gzip_reach_the_collector(self, start: Start, sink: Sink) -> None:
        telemetry = start(headers={"authorization": "Bearer t"}, compression="gzip")
        with telemetry.tracer.start_as_current_span("sent"):
            pass
        assert telemetry.force_flush(30)

        headers = next(export.headers for export in sink.received if export.path == "/v1/traces")
        assert (headers["authorization"], headers["content-encoding"]) == ("Bearer t", "gzip")
        assert headers["content-type"] == PROTOBUF
