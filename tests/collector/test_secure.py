"""``collector/secure.yaml`` on the real collector: permitted senders, and settings that no shipped file has."""

from __future__ import annotations

import dataclasses
import ssl
import subprocess
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from binaries import ROOT, run_collector
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from rows import for_each

from whatsself_otel.config import TelemetryConfig
from whatsself_otel.export.exporters import build_client

if TYPE_CHECKING:
    from pathlib import Path

SHIPPED = sorted((ROOT / "collector").rglob("*.yaml"))
TOKEN = "a-long-token-for-tests"  # noqa: S105 - made for this test


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a CA, and a server's and a client's certificate of it."""
    folder = tmp_path_factory.mktemp("keys")
    (folder / "token").write_text(TOKEN, "utf-8")
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n", "utf-8")
    key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
    usage = "-addext keyUsage=critical,keyCertSign,cRLSign"  # Python 3.13 refuses an authority that does not say it
    openssl(folder, f"req -x509 {key} -keyout ca.key -out ca.crt -days 2 -subj /CN=test-ca {usage}")
    for name in ("server", "client"):
        openssl(folder, f"req {key} -keyout {name}.key -out {name}.csr -subj /CN={name}")
        signed = f"-CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -out {name}.crt"
        openssl(folder, f"x509 -req -in {name}.csr {signed} -extfile names")
    return folder


def openssl(folder: Path, words: str) -> None:
    subprocess.run(["openssl", *words.split()], cwd=folder, check=True, capture_output=True)


def environment(keys: Path, **more: str) -> dict[str, str]:
    return {
        "OTELCOL_TLS_CERT_FILE": str(keys / "server.crt"),
        "OTELCOL_TLS_KEY_FILE": str(keys / "server.key"),
        "OTELCOL_TOKEN_FILE": str(keys / "token"),
        "OTELCOL_EXTENSIONS": "[health_check, file_storage/queue, bearertokenauth/otlp]",
        **more,
    }


def send(url: str, keys: Path, *, token: str = "", client: bool = False) -> str:
    """Return the status of an export, or the name of what stopped it."""
    context = ssl.create_default_context(cafile=str(keys / "ca.crt"))
    if client:
        context.load_cert_chain(keys / "client.crt", keys / "client.key")
    headers = {"content-type": "application/x-protobuf", **({"authorization": f"Bearer {token}"} if token else {})}
    request = urllib.request.Request(f"{url}/v1/traces", ExportTraceServiceRequest().SerializeToString(), headers)
    try:
        with urllib.request.urlopen(request, timeout=10, context=context) as answer:
            return str(answer.status)
    except urllib.error.HTTPError as error:
        error.close()
        return str(error.code)
    except (urllib.error.URLError, OSError) as error:
        return type(error).__name__


SECURE = (f"file:{ROOT / 'collector/secure.yaml'}",)


@pytest.mark.collector
class TestSecure:
    """TLS, a token, and client certificates."""

    def test_takes_who_has_the_token_and_nobody_else(self, keys: Path) -> None:
        with run_collector(environ=environment(keys), files=SECURE) as collector:
            https = collector.http_url.replace("http:", "https:")

            assert send(https, keys, token=TOKEN) == "200"
            assert send(https, keys) == "401"
            assert send(https, keys, token="wrong") == "401"  # noqa: S106
            assert send(collector.http_url, keys, token=TOKEN) == "400"

    def test_asks_for_a_client_certificate_when_it_has_a_ca_for_it(self, keys: Path) -> None:
        environ = environment(keys, OTELCOL_TLS_CLIENT_CA_FILE=str(keys / "ca.crt"))
        with run_collector(environ=environ, files=SECURE) as collector:
            https = collector.http_url.replace("http:", "https:")

            assert send(https, keys, token=TOKEN, client=True) == "200"
            assert not send(https, keys, token=TOKEN).isdigit()
            assert send(https, keys, client=True) == "401"

    @pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
    def test_the_packages_own_options_are_what_it_asks_for(self, keys: Path, protocol: str) -> None:
        environ = environment(keys, OTELCOL_TLS_CLIENT_CA_FILE=str(keys / "ca.crt"))
        with run_collector(environ=environ, files=SECURE) as collector:
            grpc = protocol == "grpc"
            endpoint = f"https://{collector.grpc_address}" if grpc else collector.http_url.replace("http:", "https:")
            known = TelemetryConfig(
                protocol=protocol,
                endpoint=endpoint,
                certificate_file=keys / "ca.crt",
                client_certificate_file=keys / "client.crt",
                client_key_file=keys / "client.key",
                bearer_token_file=keys / "token",
                environ={},
            )
            request = ExportTraceServiceRequest().SerializeToString()

            assert post(known, request) == ""
            assert post(replace(known, bearer_token_file=None), request) != ""
            assert post(replace(known, client_certificate_file=None, client_key_file=None), request) != ""


def replace(config: TelemetryConfig, **changes: Any) -> TelemetryConfig:
    return dataclasses.replace(config, environ={}, **changes)


def post(config: TelemetryConfig, request: bytes) -> str:
    """Return why the package could not send *request*, or nothing."""
    client = build_client(config, "traces")
    try:
        return client.post(request).error or ""
    finally:
        client.close()


class TestShippedFiles:
    """Settings that no file of ``collector/`` has."""

    @for_each("path", SHIPPED, ids=lambda path: path.stem)
    def test_opens_nothing_to_everybody(self, path: Path) -> None:
        assert weaknesses(path.read_text("utf-8")) == []

    @for_each(
        "text, wanted",
        [
            ("extensions: {pprof: {}}", "pprof"),
            ("extensions: {zpages: {}}", "zpages"),
            ("receivers: {otlp: {protocols: {http: {cors: {allowed_origins: ['*']}}}}}", "cors"),
            ("receivers: {otlp: {protocols: {http: {endpoint: 0.0.0.0:4318}}}}", "0.0.0.0"),  # noqa: S104
            ("extensions: {bearertokenauth: {token: abc}}", "token"),
            ("exporters: {otlp_http: {tls: {insecure_skip_verify: true}}}", "insecure_skip_verify"),
            ("exporters: {otlp_http: {headers: {api-key: abc123}}}", "api-key"),
        ],
    )
    def test_sees_each_weakness(self, text: str, wanted: str) -> None:
        assert wanted in weaknesses(text)


NO_SECRET = {"compute_stats", "dd-otel-metric-config", "vl-stream-fields"}
"""Headers that ask a vendor for something and prove nothing: they may stand in a file as they are."""


def weaknesses(text: str) -> list[str]:
    """Return what in a collector file opens it to everybody or holds a secret."""
    return list(_weaknesses(yaml.safe_load(text)))


def _weaknesses(data: object, key: str = "") -> list[str]:
    if isinstance(data, dict):
        bad = {"pprof", "zpages", "cors", "insecure_skip_verify"}
        found = [name for name in data if str(name).split("/")[0] in bad]
        found += ["token"] if "token" in data and "${env:" not in str(data["token"]) else []
        found += (
            [name for name, value in data["headers"].items() if "${env:" not in str(value) and name not in NO_SECRET]
            if isinstance(data.get("headers"), dict)
            else []
        )
        return found + [each for name, value in data.items() for each in _weaknesses(value, str(name))]
    if isinstance(data, list):
        return [each for value in data for each in _weaknesses(value, key)]
    return ["0.0.0.0"] if str(data).startswith(("0.0.0.0", "[::]")) else []  # noqa: S104 - looked for, not bound
