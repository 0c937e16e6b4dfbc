"""Each fault is planted for real, and the doctor names it with its fix."""

from __future__ import annotations

import contextlib
import email.utils
import io
import json
import os
import shutil
import ssl
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from unittest import mock
from urllib.parse import urlsplit

import grpc  # type: ignore[import-untyped]
import pytest
from binaries import free_ports, run_collector
from children import environment
from fault_rig import QUICK
from isolation import Spans, three, wait_until_decided
from rows import for_each

from whatsself_otel import TelemetryConfig
from whatsself_otel.cli import doctor, main
from whatsself_otel.cli.doctor import findings as doctor_findings
from whatsself_otel.cli.doctor import places, queues
from whatsself_otel.cli.stack import Running
from whatsself_otel.stack.addresses import PORTS
from whatsself_otel.stack.native_stack import lock_file
from whatsself_otel.stack.paths import locked
from whatsself_otel.viewer.console_view import Paint
from whatsself_otel.viewer.server import Viewer, ViewerConfig

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from otlp_sink import Sink

    from whatsself_otel import Telemetry

Finding = dict[str, str]
PROTOBUF = {"content-type": "application/x-protobuf"}


def examine(data: Path, environ: Mapping[str, str] | None = None, *arguments: str) -> tuple[int, list[Finding]]:
    """Run the doctor with nothing but *environ*, and return its status and findings."""
    dead = {"OTELCOL_METRICS_PORT": "9", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}
    variables = environment({**dead, **(environ or {})})
    words = ["doctor", "--json", f"--data={data}", *arguments]
    if "PYTHONPATH" in (environ or {}):  # other packages than this process has
        return _in_a_process_of_its_own(words, variables)
    told, complained = io.StringIO(), io.StringIO()
    with (
        mock.patch.dict(os.environ, variables, clear=True),
        contextlib.redirect_stdout(told),
        contextlib.redirect_stderr(complained),
    ):
        status = main(words)
    assert not complained.getvalue(), complained.getvalue()
    return status, json.loads(told.getvalue())["findings"]


def _in_a_process_of_its_own(words: list[str], variables: dict[str, str]) -> tuple[int, list[Finding]]:
    command = [sys.executable, "-m", "whatsself_otel.cli", *words]
    asked = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=60, check=False)
    assert not asked.stderr, asked.stderr
    return asked.returncode, json.loads(asked.stdout)["findings"]


def found(findings: list[Finding], check: str, words: str) -> Finding:
    """Return the finding of *check* whose cause has *words*."""
    matching = [each for each in findings if each["check"] == check and words in each["cause"]]
    assert matching, f"{check}: {words!r} is not in\n" + "\n".join(map(str, findings))
    return matching[0]


@contextmanager
def answering(
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
    *,
    tls: ssl.SSLContext | None = None,
    token: str | None = None,
    takes_bytes: int = sys.maxsize,
) -> Iterator[str]:
    """
    Answer every request in one way, and give ``127.0.0.1:port``.

    Without *token* the answer is 401, and for a longer body than *takes_bytes* 400.
    """

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            size = int(self.headers.get("content-length", 0))
            self.rfile.read(size)
            allowed = token is None or self.headers.get("authorization") == f"Bearer {token}"
            self.send_response_only(401 if not allowed else 400 if size > takes_bytes else status)
            for name, value in {"date": email.utils.formatdate(usegmt=True), **(headers or PROTOBUF)}.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: Any, client_address: Any) -> None:
            """A client that refuses the certificate is what some tests are about."""

    server = Server(("127.0.0.1", 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def endpoint(address: str, scheme: str = "http") -> dict[str, str]:
    """Return the variable that sends everything to *address*."""
    return {"OTEL_EXPORTER_OTLP_ENDPOINT": f"{scheme}://{address}"}


AUTHORITY = """
[ca]
default_ca = this
[this]
database = {folder}/index.txt
new_certs_dir = {folder}
rand_serial = yes
default_md = sha256
policy = any
x509_extensions = names
[any]
commonName = supplied
[names]
subjectAltName = DNS:{name}
"""


def certificate(folder: Path, name: str = "localhost", years: str = "2020 2099") -> tuple[ssl.SSLContext, Path]:
    """Make a self-signed certificate for *name*, and return the server's context and the certificate's file."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not here, and makes the certificates")
    key, asked, file, config = (folder / part for part in ("key.pem", "request.pem", "certificate.pem", "ca.cnf"))
    config.write_text(AUTHORITY.format(folder=folder, name=name))
    (folder / "index.txt").touch()
    dates = "-startdate {}0101000000Z -enddate {}0101000000Z".format(*years.split())
    for command in (
        f"req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN={name} -keyout {key} -out {asked}",
        f"ca -batch -selfsign -config {config} -keyfile {key} -in {asked} -out {file} {dates}",
    ):
        subprocess.run(["openssl", *command.split()], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file, key)
    return context, file


def installed(folder: Path, **versions: str) -> dict[str, str]:
    """Return an environment with packages of these versions: only the parts that the doctor reads exist."""
    for name, number in versions.items():
        project = name.replace("_", "-")
        information = folder / f"{name}-{number}.dist-info"
        information.mkdir(parents=True)
        (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project}\nVersion: {number}\n")
    return {"PYTHONPATH": os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)}


class TestVariables:
    def test_a_misspelt_variable_is_named_with_the_nearest(self, tmp_path: Path) -> None:
        status, findings = examine(tmp_path, {"WHATSSELF_OTEL_MASK_LST": "0"})

        assert status == 1
        assert "WHATSSELF_OTEL_MASK_LAST" in found(findings, "variables", "WHATSSELF_OTEL_MASK_LST")["cause"]

    def test_a_wrong_value_is_named(self, tmp_path: Path) -> None:
        _, findings = examine(tmp_path, {"OTEL_EXPORTER_OTLP_TIMEOUT": "soon"})

        assert found(findings, "variables", "OTEL_EXPORTER_OTLP_TIMEOUT")["fix"]

    def test_a_key_file_that_is_not_there_is_named(self, tmp_path: Path) -> None:
        _, findings = examine(tmp_path, {"WHATSSELF_OTEL_PSEUDONYM_KEY_FILE": str(tmp_path / "none")})

        found(findings, "variables", "WHATSSELF_OTEL_PSEUDONYM_KEY_FILE")

    def test_everything_switched_off_is_a_fault(self, tmp_path: Path) -> None:
        status, findings = examine(tmp_path, {"OTEL_SDK_DISABLED": "true"})

        assert status == 1
        assert found(findings, "signals", "nothing is recorded")["fix"] == "Unset OTEL_SDK_DISABLED."

    def test_one_signal_switched_off_is_a_warning(self, tmp_path: Path) -> None:
        _, findings = examine(tmp_path, {"OTEL_LOGS_EXPORTER": "none"})

        assert found(findings, "signals", "logs are not sent")["state"] == "warning"

    def test_a_sampler_that_takes_nothing_is_a_warning(self, tmp_path: Path) -> None:
        _, findings = examine(tmp_path, {"OTEL_TRACES_SAMPLER": "always_off"})

        assert found(findings, "signals", "AlwaysOffSampler drops every trace")["state"] == "warning"

    def test_an_application_that_does_not_answer_is_a_fault(self, tmp_path: Path) -> None:
        status, findings = examine(tmp_path, None, "--no-probe", "--health-url=http://127.0.0.1:9/telemetry/health")

        assert (status, found(findings, "application", "does not answer")["fix"]) == (1, "Start the application.")


class TestEnvironment:
    def test_an_untested_sqlalchemy_is_named(self, tmp_path: Path) -> None:
        _, findings = examine(tmp_path / "data", installed(tmp_path / "site", sqlalchemy="3.7.0"))

        assert found(findings, "versions", "SQLAlchemy 3.7.0")["fix"]

    def test_an_old_fastapi_is_named(self, tmp_path: Path) -> None:
        _, findings = examine(tmp_path / "data", installed(tmp_path / "site", fastapi="0.99.0"))

        found(findings, "versions", "FastAPI 0.99.0")

    def test_versions_of_opentelemetry_that_do_not_belong_together_are_named(self, tmp_path: Path) -> None:
        environ = installed(tmp_path / "site", opentelemetry_instrumentation_fastapi="0.40b0")
        _, findings = examine(tmp_path / "data", environ)

        found(findings, "versions", "opentelemetry-instrumentation-fastapi 0.40b0")

    def test_another_package_that_instruments_is_named(self, tmp_path: Path) -> None:
        _, findings = examine(tmp_path / "data", installed(tmp_path / "site", ddtrace="4.16.0"))

        assert found(findings, "duplicates", "ddtrace 4.16.0")["state"] == "warning"

    @for_each("library", ["loguru", "structlog"])
    def test_a_library_that_prints_past_logging_is_named(self, tmp_path: Path, library: str) -> None:
        _, findings = examine(tmp_path / "data", installed(tmp_path / "site", **{library: "9.9.9"}))

        finding = found(findings, "log libraries", f"{library} 9.9.9")
        assert (finding["state"], "telemetry.log_handler" in finding["fix"] or "LoggerFactory" in finding["fix"]) == (
            "warning",
            True,
        )

    def test_fastapis_own_exporters_are_named(self, tmp_path: Path) -> None:
        _, findings = examine(tmp_path, {"FASTAPI_OTEL_AUTO_CONFIGURE": "true"})

        found(findings, "duplicates", "FASTAPI_OTEL_AUTO_CONFIGURE")

    def test_a_credential_in_the_clear_is_a_fault_that_does_not_show_it(self, tmp_path: Path) -> None:
        environ = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector.invalid:4318",
            "OTEL_EXPORTER_OTLP_HEADERS": "authorization=Bearer%20hunter2",
        }
        _, findings = examine(tmp_path, environ)

        found(findings, "secrets", "without TLS")
        assert "hunter2" not in str(findings)

    @pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX's")
    def test_a_key_file_that_others_can_read_is_named(self, tmp_path: Path) -> None:
        key = tmp_path / "key"
        key.write_bytes(b"k" * 32)
        key.chmod(0o644)
        _, findings = examine(tmp_path, {"WHATSSELF_OTEL_PSEUDONYM_KEY_FILE": str(key)})

        assert "chmod 600" in found(findings, "secrets", "can be read by other users")["fix"]

    def test_a_full_disk_is_named(self, tmp_path: Path) -> None:
        _, findings = examine(tmp_path, None, f"--least-free={10**12}")

        found(findings, "disk", "the collector's queue may not fit")

    def test_a_data_folder_that_cannot_be_written_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        _, findings = examine(tmp_path / "file")

        found(findings, "disk", "cannot be written")


class TestReceiver:
    def test_nobody_listening_is_named(self, tmp_path: Path) -> None:
        status, findings = examine(tmp_path)

        assert status == 1
        assert "stack up" in found(findings, "endpoint", "127.0.0.1:9")["fix"]

    def test_an_unknown_name_is_named(self, tmp_path: Path) -> None:
        _, findings = examine(tmp_path, endpoint("collector.invalid:4318"))

        found(findings, "endpoint", "collector.invalid is not known")

    def test_a_grpc_port_is_told_from_an_http_port(self, tmp_path: Path) -> None:
        with ThreadPoolExecutor(1) as pool:
            server = grpc.server(pool)
            port = server.add_insecure_port("127.0.0.1:0")
            server.start()
            _, findings = examine(tmp_path, endpoint(f"127.0.0.1:{port}"))
            server.stop(None).wait()

        assert "4318" in found(findings, "protocol", "is a gRPC port")["fix"]

    def test_an_http_port_is_told_from_a_grpc_port(self, tmp_path: Path) -> None:
        with answering() as address:
            _, findings = examine(tmp_path, {**endpoint(address), "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"})

        found(findings, "protocol", "speaks HTTP/1, not gRPC")

    def test_something_else_that_listens_is_named(self, tmp_path: Path) -> None:
        with answering(headers={"content-type": "text/html"}, body=b"<h1>Welcome</h1>") as address:
            _, findings = examine(tmp_path, endpoint(address))

        found(findings, "receiver", "is not an OTLP receiver's")

    def test_a_missing_credential_is_named(self, tmp_path: Path) -> None:
        with answering(401) as address:
            _, findings = examine(tmp_path, endpoint(address))

        assert "WHATSSELF_OTEL_BEARER_TOKEN_FILE" in found(findings, "authorisation", "401")["fix"]

    def test_the_token_file_is_used_as_the_exports_use_it(self, tmp_path: Path) -> None:
        file = tmp_path / "token"
        file.write_text("hunter2\n")
        file.chmod(0o600)
        with answering(token="hunter2") as address:  # noqa: S106 - invented
            status, findings = examine(tmp_path, {**endpoint(address), "WHATSSELF_OTEL_BEARER_TOKEN_FILE": str(file)})

        assert status == 0, findings
        assert "hunter2" not in str(findings)

    def test_a_clock_an_hour_ahead_is_named(self, tmp_path: Path) -> None:
        ahead = {"date": email.utils.formatdate(time.time() + 3600, usegmt=True), **PROTOBUF}
        with answering(headers=ahead) as address:
            _, findings = examine(tmp_path, endpoint(address), "--no-probe")

        found(findings, "clock", "s ahead of this machine's")

    def test_a_receiver_that_fails_is_named(self, tmp_path: Path) -> None:
        with answering(500) as address:
            _, findings = examine(tmp_path, endpoint(address))

        assert "collector's log" in found(findings, "receiver", "/v1/traces answers 500.")["fix"]

    def test_a_receiver_that_takes_nothing_but_an_empty_request_does_not_get_the_probe(self, tmp_path: Path) -> None:
        with answering(takes_bytes=0) as address:
            status, findings = examine(tmp_path, endpoint(address))

        assert status == 1
        found(findings, "receiver", "/v1/traces takes OTLP.")
        assert "receiver" in found(findings, "delivery", "400")["fix"]
        assert not [each for each in findings if each["check"].startswith("round trip")]

    def test_a_receiver_that_takes_otlp_is_well(self, tmp_path: Path) -> None:
        with answering() as address:
            status, findings = examine(tmp_path, endpoint(address))

        assert status == 0, findings
        found(findings, "receiver", "/v1/metrics takes OTLP")
        found(findings, "delivery", "were taken by the receiver")
        assert found(findings, "round trip: logs", "Nowhere to read it back")["state"] == "skipped"


class TestTls:
    def test_a_certificate_of_nobody_known_is_named(self, tmp_path: Path) -> None:
        context, _ = certificate(tmp_path)
        with answering(tls=context) as address:
            _, findings = examine(tmp_path, endpoint(address.replace("127.0.0.1", "localhost"), "https"))

        assert "OTEL_EXPORTER_OTLP_CERTIFICATE" in found(findings, "tls", "signed by nobody")["fix"]

    def test_a_certificate_for_another_host_is_named(self, tmp_path: Path) -> None:
        context, file = certificate(tmp_path, "elsewhere.example")
        with answering(tls=context) as address:
            environ = {**endpoint(address.replace("127.0.0.1", "localhost"), "https")}
            _, findings = examine(tmp_path, {**environ, "OTEL_EXPORTER_OTLP_CERTIFICATE": str(file)})

        found(findings, "tls", "is for another host than localhost")

    def test_what_else_is_wrong_with_a_certificate_is_told_in_the_words_of_tls(self, tmp_path: Path) -> None:
        context, file = certificate(tmp_path, years="2098 2099")
        with answering(tls=context) as address:
            environ = {**endpoint(address.replace("127.0.0.1", "localhost"), "https")}
            _, findings = examine(tmp_path, {**environ, "OTEL_EXPORTER_OTLP_CERTIFICATE": str(file)})

        found(findings, "tls", "does not hold (certificate is not yet valid")

    def test_an_expired_certificate_is_named(self, tmp_path: Path) -> None:
        context, file = certificate(tmp_path, years="2020 2021")
        with answering(tls=context) as address:
            environ = {**endpoint(address.replace("127.0.0.1", "localhost"), "https")}
            _, findings = examine(tmp_path, {**environ, "OTEL_EXPORTER_OTLP_CERTIFICATE": str(file)})

        found(findings, "tls", "has expired")

    def test_https_to_a_port_without_tls_is_named(self, tmp_path: Path) -> None:
        with answering() as address:
            _, findings = examine(tmp_path, endpoint(address, "https"))

        assert "http://" in found(findings, "tls", "does not speak TLS")["fix"]

    def test_http_to_a_port_with_tls_is_named(self, tmp_path: Path) -> None:
        context, _ = certificate(tmp_path)
        with answering(tls=context) as address:
            _, findings = examine(tmp_path, endpoint(address))

        assert "https://" in found(findings, "protocol", "speaks TLS")["fix"]


@pytest.mark.collector
class TestQueues:
    """A real collector's report of a real backend: away, refusing, slow; and an address without a server."""

    def ask(self, data: Path, sink: Sink, *arguments: str, **more: str) -> tuple[int, list[Finding]]:
        """Examine with a collector that sends to *sink* as its only vendor."""
        with run_collector("otlp", environ={"OTLP_ENDPOINT": sink.url}, settings=QUICK) as collector:
            environ = {
                "OTEL_EXPORTER_OTLP_ENDPOINT": collector.http_url,
                "OTELCOL_METRICS_PORT": str(urlsplit(collector.metrics_url).port),
                **more,
            }
            return examine(data, environ, *arguments)

    def test_nothing_that_leaves_is_named_by_exporter_and_signal_with_since_when(
        self, tmp_path: Path, sink: Sink
    ) -> None:
        sink.status = 503

        status, findings = self.ask(tmp_path, sink)

        assert status == 1
        for signal in ("traces", "metrics", "logs"):
            cause = f"Nothing has left for otlp_http/otlp ({signal}) since the collector started at 20"
            assert "takes the credential" in found(findings, "queue", cause)["fix"]

    def test_a_backend_that_refuses_for_good_is_named_by_exporter_and_signal(self, tmp_path: Path, sink: Sink) -> None:
        sink.status = 401

        status, findings = self.ask(tmp_path, sink)

        assert status == 1
        for signal in ("traces", "metrics", "logs"):
            found(findings, "queue", f"The backend of otlp_http/otlp ({signal}) has refused")

    def test_each_that_sends_is_named_and_what_nobody_can_read_back_is_not_well(
        self, tmp_path: Path, sink: Sink
    ) -> None:
        status, findings = self.ask(tmp_path, sink)

        assert status == 0, findings
        for signal in ("traces", "metrics", "logs"):
            assert found(findings, "queue", f"otlp_http/otlp ({signal})")["state"] == "ok"
            cause = f"Nobody here can ask the backend of otlp_http/otlp ({signal}) for the probe."
            assert found(findings, f"round trip: {signal}", cause)["state"] == "skipped"

    def test_a_wrong_port_of_its_metrics_is_named(self, tmp_path: Path, sink: Sink) -> None:
        (port,) = free_ports(1)

        _, findings = self.ask(tmp_path, sink, OTELCOL_METRICS_PORT=str(port))

        cause = f"No collector answers with its own metrics at http://127.0.0.1:{port}/metrics"
        assert found(findings, "queue", cause)["state"] == "warning"

    def test_metrics_of_something_else_are_not_taken_for_a_collectors(self, tmp_path: Path, sink: Sink) -> None:
        with answering(headers={"content-type": "text/plain"}, body=b'http_requests{exporter="x"} 3\n') as address:
            _, findings = self.ask(tmp_path, sink, OTELCOL_METRICS_PORT=address.rpartition(":")[2])

        assert found(findings, "queue", "No collector answers with its own metrics")["state"] == "warning"

    def test_a_vendor_behind_a_gate_whose_queue_is_full_is_named(
        self, tmp_path: Path, start: Callable[..., Telemetry]
    ) -> None:
        with three(tmp_path) as vendors:
            vendors.second.status = 503
            with vendors.collector() as collector:
                telemetry = start(endpoint=collector.http_url)
                spans = Spans(telemetry)
                for _ in range(15):
                    spans.send(400)
                wait_until_decided(collector, spans.sent)
                telemetry.shutdown()  # the doctor sets up its own in this process
                environ = {
                    "OTEL_EXPORTER_OTLP_ENDPOINT": collector.http_url,
                    "OTELCOL_METRICS_PORT": str(urlsplit(collector.metrics_url).port),
                }
                status, findings = examine(tmp_path, environ)

        assert status == 1
        found(findings, "queue", "Nothing has left for otlp_http/honeycomb (traces) since")
        found(findings, "queue", "spans (otlp_grpc/honeycomb_gate) since it started. The backend behind that gate")
        assert found(findings, "queue", "otlp_http/signoz (traces)")["state"] == "ok"

    METRICS = (
        'otelcol_exporter_queue_size{exporter="otlp_http/loki",data_type="logs"} 90\n'
        'otelcol_exporter_queue_capacity{exporter="otlp_http/loki",data_type="logs"} 100\n'
    )

    def test_a_queue_that_fills_though_it_moves_is_named(self) -> None:
        """A backend that is slow for long enough takes minutes, so a collector's words stand here."""
        slow = [f'{self.METRICS}otelcol_exporter_sent_log_records{{exporter="otlp_http/loki"}} {n}\n' for n in (1, 2)]

        before, after = map(queues.parse, slow)
        (finding,) = queues.check_queues(before, after, lambda *_: None)

        assert (finding.state, finding.check) == ("warning", "queue")
        assert "The collector's queue for otlp_http/loki (logs) is 90% full" in finding.cause

    def test_the_time_is_prometheus_where_it_knows(self) -> None:
        reading = queues.parse(f'{self.METRICS}otelcol_exporter_sent_log_records{{exporter="otlp_http/loki"}} 7\n')

        (known,) = queues.check_queues(reading, reading, lambda *_: 1795000000.0)
        (unknown,) = queues.check_queues(reading, reading, lambda *_: None)

        assert "(logs) since 2026-11-18 11:06:40Z; 90 bytes wait." in known.cause
        assert "(logs) in the 1 s of this check; 90 bytes wait." in unknown.cause

    def test_prometheus_is_asked_for_the_last_rise(self) -> None:
        values = [[100, "1"], [130, "4"], [160, "4"]]
        body = json.dumps({"data": {"result": [{"metric": {}, "values": values}]}}).encode()
        config = TelemetryConfig(log_to_stdout=False)

        with answering(headers={"content-type": "application/json"}, body=body) as address:
            assert queues.last_sent(f"http://{address}", config, "otlp_http/loki", "logs") == 130
        with answering(status=500) as address:
            assert queues.last_sent(f"http://{address}", config, "otlp_http/loki", "logs") is None


class TestRoundTrip:
    """The probe, read back: from the viewer that runs here, or from where the options say."""

    def test_the_viewer_that_runs_here_gives_all_three_back_masked(self, tmp_path: Path) -> None:
        with Viewer(ViewerConfig(note=tmp_path / "viewer.json")) as viewer:
            status, findings = examine(tmp_path, {"OTEL_EXPORTER_OTLP_ENDPOINT": viewer.url})

        assert status == 0, findings
        for signal in ("traces", "logs", "metrics"):
            assert found(findings, f"round trip: {signal}", "The viewer has it.")["state"] == "ok"
        assert found(findings, "masking", "arrived masked")["state"] == "ok"

    def ask(self, data: Path, **backend: Any) -> tuple[int, list[Finding]]:
        """Have the probe taken, and read back from one backend for all that answers as *backend* says."""
        with answering() as receiver, answering(**backend) as address:
            urls = [f"--{signal}-url=http://{address}/" for signal in ("traces", "logs", "metrics")]
            return examine(data, endpoint(receiver), *urls, "--patience=1")

    def test_a_backend_without_the_probe_is_named_with_where_to_look(self, tmp_path: Path) -> None:
        status, findings = self.ask(tmp_path, body=b"{}")

        assert status == 1
        assert "stack status" in found(findings, "round trip: traces", "The trace store at http://127.0.0.1")["fix"]
        found(findings, "round trip: logs", "but Loki does not have it.")
        found(findings, "round trip: metrics", "but Prometheus does not have it.")
        assert not [each for each in findings if each["check"] == "masking"]

    def test_a_backend_that_fails_is_named_with_its_answer(self, tmp_path: Path) -> None:
        _, findings = self.ask(tmp_path, status=503)

        found(findings, "round trip: logs", "but Loki answers 503.")

    def test_a_backend_that_wants_a_credential_is_named_at_once_with_the_option(self, tmp_path: Path) -> None:
        _, findings = self.ask(tmp_path, token="hunter2")  # noqa: S106 - invented

        assert found(findings, "round trip: traces", "answers 401")["fix"] == (
            "Give the credential with --query-header NAME=FILE."
        )

    def test_the_credential_is_read_from_its_file_and_sent(self, tmp_path: Path) -> None:
        (tmp_path / "token").write_text("Bearer hunter2\n")
        with (
            answering() as receiver,
            answering(token="hunter2", body=b"whatsself-otel doctor probe") as address,  # noqa: S106 - invented
        ):
            options = (f"--logs-url=http://{address}", f"--query-header=Authorization={tmp_path}/token")
            _, findings = examine(tmp_path, endpoint(receiver), *options, "--patience=1")

        assert found(findings, "round trip: logs", "Loki has it.")["state"] == "ok"
        assert "hunter2" not in str(findings)

    def test_victorialogs_is_asked_where_it_is_named(self, tmp_path: Path) -> None:
        with answering() as receiver, answering(body=b"whatsself-otel doctor probe") as address:
            options = (f"--victorialogs-url=http://{address}", "--patience=1")
            _, findings = examine(tmp_path, endpoint(receiver), *options)

        assert found(findings, "round trip: logs", "VictoriaLogs has it.")["state"] == "ok"

    def test_nobody_at_the_named_address_is_told(self, tmp_path: Path) -> None:
        with answering() as receiver:
            _, findings = examine(tmp_path, endpoint(receiver), "--logs-url=http://127.0.0.1:9", "--patience=1")

        found(findings, "round trip: logs", "but Loki does not answer (")
        assert "--traces-url" in found(findings, "round trip: traces", "Nowhere to read it back")["fix"]

    def test_a_phone_that_was_stored_unmasked_is_a_fault(self, tmp_path: Path) -> None:
        status, findings = self.ask(tmp_path, body=b"whatsself-otel doctor probe 5511987654321")

        assert status == 1
        assert "SECURITY.md" in found(findings, "masking", "stored unmasked")["fix"]


class TestRunningHere:
    """Which stack is asked when no option names one."""

    def test_a_native_stacks_own_ports_and_stores(self, tmp_path: Path) -> None:
        ports = {**PORTS, "LOKI_HTTP_PORT": 20_001, "TEMPO_HTTP_PORT": 20_002}
        with locked(lock_file(tmp_path)):
            programs = ("loki", "victorialogs", "jaeger", "tempo")
            Running(pid=1, ports=ports, ready_urls=dict.fromkeys(programs, "")).write(tmp_path)
            here = places.running_here(tmp_path)

        assert here is not None
        kind, asked, at = here
        assert (kind, at.ports) == ("native", ports)
        assert asked.traces == [at.tempo, at.jaeger]
        assert (asked.logs, asked.victorialogs) == ("http://127.0.0.1:20001", at.victorialogs)
        assert asked.metrics == at.prometheus

    def test_only_the_stores_that_run_are_asked(self, tmp_path: Path) -> None:
        with locked(lock_file(tmp_path)):
            Running(pid=1, ports=dict(PORTS), ready_urls={"victorialogs": "", "jaeger": ""}).write(tmp_path)
            here = places.running_here(tmp_path)

        assert here is not None
        assert (here[1].traces, here[1].logs) == ([here[2].jaeger], None)

    @pytest.mark.skipif(sys.platform == "win32", reason="a shell script stands in for Docker")
    def test_the_ports_that_compose_publishes(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "docker").write_text("#!/bin/sh\n" + 'case "$*" in *" port "*) echo 127.0.0.1:40000 ;; esac\n')
        (tmp_path / "docker").chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
        here = places.running_here(tmp_path)

        assert here is not None
        assert (here[0], here[1].traces, here[1].logs) == (
            "docker",
            ["http://127.0.0.1:40000"],
            "http://127.0.0.1:40000",
        )

    def test_nothing_where_nothing_runs(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PATH", str(tmp_path))

        assert places.running_here(tmp_path) is None


class TestUse:
    def test_a_query_header_whose_file_is_missing_is_wrong_use(self, tmp_path: Path) -> None:
        asked = subprocess.run(
            [sys.executable, "-m", "whatsself_otel.cli", "doctor", "--no-probe", f"--query-header=x={tmp_path}/none"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert asked.returncode == 2
        assert "--query-header needs NAME=FILE" in asked.stderr

    def test_people_get_a_line_a_check_and_the_fix(self, tmp_path: Path) -> None:
        asked = subprocess.run(
            [sys.executable, "-m", "whatsself_otel.cli", "doctor", "--no-probe", f"--data={tmp_path}"],
            env={**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTELCOL_METRICS_PORT": "9"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert asked.returncode == 1
        assert "FAULT    endpoint" in asked.stdout
        assert "-> Start the collector" in asked.stdout


def test_shows_nothing_that_a_terminal_obeys(capsys: pytest.CaptureFixture[str]) -> None:
    hostile = doctor_findings.Finding(
        check="endpoint", state="fault", cause="answered \x1b]52;c;aGk=\x07\nAll is well.", fix="\x9b2J"
    )

    doctor._tell(hostile, Paint())

    shown = capsys.readouterr().out
    assert not any(char in shown for char in "\x1b\x07\x9b")
    assert "\nAll is well." not in shown
