"""
OTLP over gRPC, with the answer read for what it says.

The official exporter hides a partial success, and its library cannot be used after a fork: see `http2`.
"""

from __future__ import annotations

import base64
import binascii
import codecs
import gzip
import struct
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from whatsself_otel.forks import run_in_child
from whatsself_otel.http2 import Answer, Connection, Http2Error
from whatsself_otel.otlp import MAX_RETRY_AFTER_S, SendResult, Target, build_tls, describe_error, read_rejected

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping

RETRYABLE: Final = frozenset({1, 4, 10, 11, 14, 15})
"""CANCELLED, DEADLINE_EXCEEDED, ABORTED, OUT_OF_RANGE, UNAVAILABLE and DATA_LOSS; RESOURCE_EXHAUSTED if it says when.
Source: https://opentelemetry.io/docs/specs/otlp/#failures"""

_EXHAUSTED: Final = 8
_CODES: Final = (
    *("OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS"),
    *("PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED"),
    *("INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED"),
)
_SERVICES: Final = {"traces": "trace.v1.Trace", "metrics": "metrics.v1.Metrics", "logs": "logs.v1.Logs"}
_RETRYABLE_HTTP: Final = frozenset({"429", "502", "503", "504"})


class OtlpGrpcClient:
    """
    Sends encoded requests to one receiver.

    Args:
        target: Where and how; of the URL, scheme, host and port count.
        signal: traces, metrics or logs.
        answer: The protobuf class of the receiver's answer, for its partial success.
    """

    def __init__(self, target: Target, signal: str, answer: type[Any]) -> None:
        from google.rpc.error_details_pb2 import RetryInfo  # type: ignore[import-untyped]
        from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]

        self._details = (Status, RetryInfo)  # imported here: a fork during an import is for ever
        codecs.lookup("idna")
        url = urlsplit(target.url)
        self._target = target
        self._answer = answer
        self._host = url.hostname or "localhost"
        self._port = url.port or (443 if url.scheme == "https" else 4317)
        self._is_secure = url.scheme == "https"
        self._headers = self._build_headers(url.scheme, f"{url.netloc.rpartition('@')[2]}", signal)
        self._connection: Connection | None = None
        run_in_child(self._forget_connection)

    def _build_headers(self, scheme: str, authority: str, signal: str) -> list[tuple[str, str]]:
        path = f"/opentelemetry.proto.collector.{_SERVICES[signal]}Service/Export"
        headers = {
            ":method": "POST",
            ":scheme": scheme,
            ":path": path,
            ":authority": authority,
            "te": "trailers",
            "content-type": "application/grpc",
            "user-agent": "whatsself-otel",
            "grpc-timeout": f"{int(self._target.timeout_s * 1000)}m",
        }
        if self._target.compress:
            headers["grpc-encoding"] = "gzip"
        return list((headers | {name.lower(): value for name, value in self._target.headers.items()}).items())

    def post(self, body: bytes) -> SendResult:
        """Send one encoded request; never raises."""
        packed = gzip.compress(body, 3) if self._target.compress else body
        message = struct.pack(">BI", self._target.compress, len(packed)) + packed
        try:
            answer = self._connected().call(self._headers, message, self._target.timeout_s)
        except (OSError, ValueError) as error:
            self.close()
            return SendResult(error=str(error) if isinstance(error, Http2Error) else describe_error(error), retry=True)
        return self._judge(answer)

    def close(self) -> None:
        """Close the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _forget_connection(self) -> None:
        """Two processes on one connection would mix their frames; the socket of the parent stays open."""
        self._connection = None

    def _connected(self) -> Connection:
        if self._connection is None or not self._connection.is_usable():
            self.close()
            tls = _tls(self._target) if self._is_secure else None  # here, where a file that is no certificate is told
            self._connection = Connection(self._host, self._port, tls, self._target.timeout_s)
        return self._connection

    def _judge(self, answer: Answer) -> SendResult:
        status = answer.headers.get(":status")
        if status != "200":
            return SendResult(error=f"HTTP {status}", retry=status in _RETRYABLE_HTTP, too_large=status == "413")
        if not answer.headers.get("content-type", "").startswith("application/grpc"):
            return SendResult(error="the answer is not gRPC: something else listens there", retry=True)
        code = _number(answer.headers.get("grpc-status"))
        if code == 0:
            return SendResult(rejected=read_rejected(self._answer, answer.body[5:]))
        return self._judge_failure(code, answer.headers)

    def _judge_failure(self, code: int, headers: Mapping[str, str]) -> SendResult:
        pause_s = self._read_retry_info(headers)
        return SendResult(
            error=f"gRPC {_CODES[code] if code < len(_CODES) else 'UNKNOWN'}",
            retry=code in RETRYABLE or (code == _EXHAUSTED and pause_s is not None),
            retry_after_s=pause_s,
            too_large=code == _EXHAUSTED and "larger than max" in headers.get("grpc-message", "").replace("%20", " "),
        )

    def _read_retry_info(self, headers: Mapping[str, str]) -> float | None:
        """Return the seconds the receiver asked to wait, 60 at most; None when it asked for nothing."""
        status_class, info_class = self._details
        packed = headers.get("grpc-status-details-bin", "")
        try:
            status = status_class.FromString(base64.b64decode(packed + "=" * (-len(packed) % 4)))
            for detail in status.details:
                info = info_class()
                if detail.Unpack(info):
                    delay_s = info.retry_delay.seconds + info.retry_delay.nanos / 1e9
                    return float(min(max(delay_s, 0.0), MAX_RETRY_AFTER_S))
        except (binascii.Error, ValueError):
            return None
        except Exception:  # noqa: BLE001 - protobuf raises its own error
            return None
        return None


def _number(text: str | None) -> int:
    return int(text) if text is not None and text.isdecimal() and len(text) < 5 else 2


def _tls(target: Target) -> ssl.SSLContext:
    context = build_tls(target)
    context.set_alpn_protocols(["h2"])
    return context
