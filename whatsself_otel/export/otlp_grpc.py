"""
OTLP over gRPC, with the whole answer read.

It uses grpcio, which the official exporter needs too; that exporter hides a partial success. grpcio cannot be used on
both sides of a fork: docs/decisions/0010-grpc-by-grpcio.md.
"""

from __future__ import annotations

import os
import re
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from whatsself_otel.export.otlp import (
    MAX_RETRY_AFTER_S,
    NO_OTLP,
    ExportResult,
    Target,
    build_tls,
    describe_error,
    judge_status,
    read_rejected,
    user_agent,
)
from whatsself_otel.messages import OwnLogger

if TYPE_CHECKING:
    from collections.abc import Mapping

_logger: Final = OwnLogger("whatsself_otel")

RETRYABLE: Final = frozenset({"CANCELLED", "DEADLINE_EXCEEDED", "ABORTED", "OUT_OF_RANGE", "UNAVAILABLE", "DATA_LOSS"})
"""
Retried; RESOURCE_EXHAUSTED too if it gives a time. Source: https://opentelemetry.io/docs/specs/otlp/#failures
"""

_SERVICES: Final = {"traces": "trace.v1.Trace", "metrics": "metrics.v1.Metrics", "logs": "logs.v1.Logs"}
_OPTIONS: Final = (
    ("grpc.enable_retries", 0),  # the queue tries again, and counts it
    ("grpc.enable_http_proxy", 0),  # a collector stands beside its application
    ("grpc.service_config_disable_resolution", 1),
    ("grpc.initial_reconnect_backoff_ms", 500),
    ("grpc.max_reconnect_backoff_ms", 5000),
)
_FORKED: Final = "gRPC cannot be used in a process that was forked from one that has used it"
_HTTP_STATUS: Final = re.compile(r"header with status: (\d{3})|:status[: ]+(\d{3})")
_CAUSES: Final = tuple(
    (re.compile(pattern), cause)
    for pattern, cause in (
        ("Connection refused", "ConnectionRefusedError while connecting"),
        ("Domain name not found|address lookup failed", "gaierror while connecting"),
        ("Hostname Verification", "TLS: Hostname mismatch"),
        (r"CERTIFICATE_VERIFY_FAILED: ([\w ]+)", r"TLS: \1"),
        (r"SSL routines:\w+:(\w+)", r"TLS: \1"),
        ("Failed parsing HTTP/2|No status received|Data frame with END_STREAM|Error parsing", NO_OTLP),
    )
)
"""Meanings of grpcio's details, in the words used for HTTP. The details themselves hold addresses."""


@dataclass(slots=True)
class _Use:
    """The process that used grpcio first, and the one that has said that it cannot."""

    pid: int | None = None
    said_pid: int | None = None


_USE: Final = _Use()


class OtlpGrpcClient:
    """
    Sends encoded requests to one receiver.

    Args:
        target: Where and how; of the URL, scheme, host and port count.
        signal: traces, metrics or logs.
        answer: The protobuf class of the receiver's answer, for its partial success.
    """

    def __init__(self, target: Target, signal: str, answer: type[Any]) -> None:
        import grpc  # type: ignore[import-untyped]
        from google.rpc.error_details_pb2 import RetryInfo  # type: ignore[import-untyped]
        from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]

        self._grpc = grpc
        self._details = (Status, RetryInfo)  # imported here: a fork during an import is for ever
        self._target = target
        self._answer = answer
        self._path = f"/opentelemetry.proto.collector.{_SERVICES[signal]}Service/Export"
        named = ((name.lower(), value) for name, value in target.headers.items())
        self._metadata = [(name, value.encode() if name.endswith("-bin") else value) for name, value in named]
        self._channel: Any = None

    def post(self, body: bytes) -> ExportResult:
        """Send one encoded request; never raises."""
        if is_forked():
            return _refuse()
        _USE.pid = os.getpid()
        try:
            call = self._open().unary_unary(self._path)  # bytes in, bytes out
            answer = call(body, timeout=self._target.timeout_s, metadata=self._metadata)
        except self._grpc.RpcError as error:
            return self._judge(error)
        except (OSError, ValueError) as error:
            return ExportResult(error=describe_error(error), retry=True)
        return ExportResult(rejected=read_rejected(self._answer, answer))

    def close(self) -> None:
        """Close the connection. In a forked child it is the parent's, and stays open."""
        channel, self._channel = self._channel, None
        if channel is not None and not is_forked():
            channel.close()

    def _open(self) -> Any:
        if self._channel is None:
            url = urlsplit(self._target.url)
            is_secure = url.scheme == "https"
            address = f"{url.netloc.rpartition('@')[2]}" + ("" if url.port else ":443" if is_secure else ":4317")
            packing = self._grpc.Compression.Gzip if self._target.compress else self._grpc.Compression.NoCompression
            said = (*_OPTIONS, ("grpc.primary_user_agent", user_agent()))
            options: dict[str, Any] = {"options": said, "compression": packing}
            if is_secure:
                self._channel = self._grpc.secure_channel(address, self._build_credentials(), **options)
            else:
                self._channel = self._grpc.insecure_channel(address, **options)
        return self._channel

    def _build_credentials(self) -> Any:
        target = self._target
        tls = build_tls(target)  # which says what is wrong with a file, and knows the authorities of this machine
        authorities = [ssl.DER_cert_to_PEM_cert(each) for each in tls.get_ca_certs(binary_form=True)]
        roots = _read(target.certificate_file) or "".join(authorities).encode() or None
        key, certificate = _read(target.client_key_file), _read(target.client_certificate_file)
        return self._grpc.ssl_channel_credentials(roots, key, certificate)

    def _judge(self, error: Any) -> ExportResult:
        code, details = error.code().name, error.details() or ""
        if status := _HTTP_STATUS.search(details):
            return judge_status(int(status[1] or status[2]))
        pause_s = self._read_retry_info(dict(error.trailing_metadata() or ()))
        said = _find_cause(details) or f"gRPC {code}"
        return ExportResult(
            error=said,
            retry=code in RETRYABLE or said == NO_OTLP or (code == "RESOURCE_EXHAUSTED" and pause_s is not None),
            retry_after_s=pause_s,
            too_large=code == "RESOURCE_EXHAUSTED" and "larger than max" in details,
        )

    def _read_retry_info(self, trailers: Mapping[str, Any]) -> float | None:
        """Return the seconds that the receiver asked to wait, 60 at most; None without such a request."""
        status_class, info_class = self._details
        try:
            for detail in status_class.FromString(trailers.get("grpc-status-details-bin", b"")).details:
                info = info_class()
                if detail.Unpack(info):
                    delay_s = info.retry_delay.seconds + info.retry_delay.nanos / 1e9
                    return float(min(max(delay_s, 0.0), MAX_RETRY_AFTER_S))
        except Exception:  # noqa: BLE001 - protobuf raises its own error
            return None
        return None


def is_forked() -> bool:
    """Return whether this process was forked from one that has used grpcio."""
    return _USE.pid not in {None, os.getpid()}


def _refuse() -> ExportResult:
    """Log once that this process cannot send."""
    if _USE.said_pid != os.getpid():
        _USE.said_pid = os.getpid()
        _logger.warning(
            "%s: no telemetry of process %d leaves. Set OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf.",
            _FORKED,
            os.getpid(),
        )
    return ExportResult(error=_FORKED)


def _find_cause(details: str) -> str | None:
    return next((found.expand(cause).strip() for pattern, cause in _CAUSES if (found := pattern.search(details))), None)


def _read(file: str | None) -> bytes | None:
    return None if file is None else Path(file).read_bytes()
