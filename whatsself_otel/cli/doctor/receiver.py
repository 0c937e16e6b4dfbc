"""Whether the configured receiver can be reached, is one, lets us in and keeps our time."""

from __future__ import annotations

import dataclasses
import re
import socket
import ssl
import time
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import urllib3

from whatsself_otel.cli.doctor.findings import SIGNALS, Finding, fault, ok
from whatsself_otel.export.exporters import target_of
from whatsself_otel.export.otlp import Target, build_tls

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from whatsself_otel.config import TelemetryConfig
    from whatsself_otel.export.otlp import Target

_TIMEOUT_S: Final = 5.0
_MOST_SKEW_S: Final = 30.0
"""Seconds of skew from which samples land in the wrong minute; Prometheus and Loki refuse the future."""
_HTTP2_PREFACE: Final = b"\x00\x00"
_CERTIFICATE: Final = (
    (re.compile("expired"), "The certificate of {host} has expired.", "Renew the receiver's certificate."),
    (
        re.compile("self.signed|unable to get local issuer"),
        "The certificate of {host} is signed by nobody this machine knows.",
        "Name the file of its CA in OTEL_EXPORTER_OTLP_CERTIFICATE.",
    ),
    (
        re.compile("[Hh]ostname mismatch|IP address mismatch"),
        "The certificate is for another host than {host}.",
        "Use the name that the certificate holds in the endpoint.",
    ),
)


def check_receiver(config: TelemetryConfig) -> Iterator[Finding]:
    """Reach every target of *config* in turn; a target that fails is not asked further."""
    targets = {target_of(config, signal).url: signal for signal in SIGNALS if config.exporter(signal) == "otlp"}
    reached: dict[tuple[str, int], list[Finding]] = {}
    for url, signal in targets.items():
        host, port = address(url)
        is_grpc = config.otlp(signal).protocol == "grpc"
        if (host, port) not in reached:
            reached[host, port] = list(_reach(target_of(config, signal), host, port, is_grpc=is_grpc))
            yield from reached[host, port]
        if all(finding.state == "ok" for finding in reached[host, port]) and not is_grpc:
            yield from _post_nothing(target_of(config, signal))


def address(url: str) -> tuple[str, int]:
    """Return host and port of *url*."""
    parts = urlsplit(url)
    return parts.hostname or "localhost", parts.port or (443 if parts.scheme == "https" else 80)


def _reach(target: Target, host: str, port: int, *, is_grpc: bool) -> Iterator[Finding]:
    try:
        socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except socket.gaierror:
        yield fault("endpoint", f"The name {host} is not known.", "Correct OTEL_EXPORTER_OTLP_ENDPOINT, or the DNS.")
        return
    try:
        with socket.create_connection((host, port), timeout=_TIMEOUT_S):
            yield ok("endpoint", f"{host}:{port} takes connections.")
    except OSError as error:
        yield fault(
            "endpoint",
            f"Nothing takes connections at {host}:{port} ({type(error).__name__}).",
            "Start the collector (whatsself-otel stack up), or correct OTEL_EXPORTER_OTLP_ENDPOINT.",
        )
        return
    if urlsplit(target.url).scheme == "https":
        yield from _check_tls(target, host, port)
    else:
        yield from _check_plain(host, port, is_grpc=is_grpc)


def _check_tls(target: Target, host: str, port: int) -> Iterator[Finding]:
    try:
        context = build_tls(target)
        with (
            socket.create_connection((host, port), timeout=_TIMEOUT_S) as raw,
            context.wrap_socket(raw, server_hostname=host) as secured,
        ):
            yield ok("tls", f"{secured.version()} with a certificate that holds for {host}.")
    except ssl.SSLCertVerificationError as error:
        yield _certificate_fault(error.verify_message, host)
    except (ssl.SSLError, OSError) as error:
        yield fault(
            "tls",
            f"{host}:{port} does not speak TLS ({type(error).__name__}).",
            "Use http:// in the endpoint, or give the receiver a certificate.",
        )


def _certificate_fault(message: str, host: str) -> Finding:
    for pattern, cause, fix in _CERTIFICATE:
        if pattern.search(message):
            return fault("tls", cause.format(host=host), fix)
    return fault("tls", f"The certificate of {host} does not hold ({message}).", "Correct the certificate.")


def _check_plain(host: str, port: int, *, is_grpc: bool) -> Iterator[Finding]:
    """Tell apart, by the first bytes of the answer, who listens on a port: HTTP, gRPC or TLS."""
    try:
        with socket.create_connection((host, port), timeout=_TIMEOUT_S) as connection:
            connection.sendall(f"GET / HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n".encode())
            first = connection.recv(64)
    except OSError:
        first = b""
    speaks_http = first.startswith(b"HTTP/1")
    if (b" 400 " in first or not first.startswith((b"HTTP/1", _HTTP2_PREFACE))) and _speaks_tls(host, port):
        yield fault("protocol", f"{host}:{port} speaks TLS.", "Use https:// in the endpoint.")
    elif is_grpc and speaks_http:
        yield fault(
            "protocol",
            f"{host}:{port} speaks HTTP/1, not gRPC.",
            "Use gRPC's port (4317), or unset OTEL_EXPORTER_OTLP_PROTOCOL.",
        )
    elif not is_grpc and first.startswith(_HTTP2_PREFACE):
        yield fault(
            "protocol",
            f"{host}:{port} is a gRPC port.",
            "Use HTTP's port (4318), or set OTEL_EXPORTER_OTLP_PROTOCOL=grpc.",
        )


def _speaks_tls(host: str, port: int) -> bool:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # nothing is sent: who it is does not matter
    try:
        with socket.create_connection((host, port), timeout=_TIMEOUT_S) as raw, context.wrap_socket(raw):
            return True
    except OSError:
        return False


def _post_nothing(target: Target) -> Iterator[Finding]:
    """Post an empty request, which every OTLP receiver takes, and judge the answer."""
    path = urlsplit(target.url).path
    try:
        answer = _request("POST", target, {**target.headers, "content-type": "application/x-protobuf"})
    except urllib3.exceptions.HTTPError as error:
        yield fault("receiver", f"{path} does not answer ({type(error).__name__}).", "Look into the collector's log.")
        return
    kind = answer.headers.get("content-type", "")
    if answer.status in {401, 403}:
        yield fault(
            "authorisation",
            f"{path} answers {answer.status}: the credential is missing or wrong.",
            "Set WHATSSELF_OTEL_BEARER_TOKEN_FILE, or OTEL_EXPORTER_OTLP_HEADERS for another scheme.",
        )
    elif answer.status in {404, 405} or (answer.status < 400 and answer.data and "protobuf" not in kind):
        yield fault(
            "receiver",
            f"{path} is not an OTLP receiver's: it answers {answer.status} {kind}.".replace(" .", "."),
            "Correct OTEL_EXPORTER_OTLP_ENDPOINT: base URL only, without a path.",
        )
    elif answer.status >= 300:
        yield fault("receiver", f"{path} answers {answer.status}.", "Look into the collector's log.")
    else:
        yield ok("receiver", f"{path} takes OTLP.")
    yield from _check_clock(answer.headers)


def request(method: str, url: str, config: TelemetryConfig, headers: Mapping[str, str] | None = None) -> Any:
    """Send one request to another program of the stack, with the CA and the client certificate of the exports."""
    return _request(method, dataclasses.replace(target_of(config, SIGNALS[0]), url=url), headers)


def _request(method: str, target: Target, headers: Mapping[str, str] | None) -> Any:
    """Send one request as the exports are sent: no redirect and no second try."""
    pool = open_pool(dataclasses.replace(target, timeout_s=_TIMEOUT_S))
    return pool.request(method, target.url, headers=headers, redirect=False)


def open_pool(target: Target) -> urllib3.PoolManager:
    """Return connections to *target* that neither try again nor follow redirects by themselves."""
    return urllib3.PoolManager(
        maxsize=2,
        retries=False,
        timeout=target.timeout_s,
        ca_certs=target.certificate_file,
        cert_file=target.client_certificate_file,
        key_file=target.client_key_file,
    )


def _check_clock(headers: Mapping[str, str]) -> Iterator[Finding]:
    try:
        theirs_s = parsedate_to_datetime(headers["date"]).timestamp()
    except (KeyError, ValueError, TypeError):
        return
    skew_s = theirs_s - time.time()
    if abs(skew_s) > _MOST_SKEW_S:
        ahead = "ahead of" if skew_s > 0 else "behind"
        yield fault(
            "clock",
            f"The receiver's clock is {abs(skew_s):.0f} s {ahead} this machine's.",
            "Synchronise both (chrony, w32time): backends refuse what is too old or in the future.",
        )
    else:
        yield ok("clock", f"The receiver's clock agrees within {_MOST_SKEW_S:.0f} s.")
