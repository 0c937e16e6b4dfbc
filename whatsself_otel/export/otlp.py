"""
OTLP over HTTP, with the whole answer read.

The official exporter takes every status below 400 for success, even a redirect to a login page. It never reads a
partial success. It drops a whole batch if one record cannot be encoded (opentelemetry-python#2882, #4803).
"""

from __future__ import annotations

import codecs
import functools
import gzip
import math
import ssl
import time
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from http.client import HTTPException
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final, Protocol

from whatsself_otel.catalogue import OTHER
from whatsself_otel.export.http_connection import AWAITING, Answer, Connection
from whatsself_otel.processes.forks import run_in_child

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

RETRYABLE: Final = frozenset({429, 502, 503, 504})
"""Statuses after which the same request may succeed. Source: https://opentelemetry.io/docs/specs/otlp/#failures-1"""

TOO_LARGE: Final = 413
MAX_RETRY_AFTER_S: Final = 60.0
"""Longest pause in seconds; a receiver that asks for more is asked again after this one."""

_QUICK_RETRY_S: Final = 0.3
_LONGEST_WAIT_S: Final = 2.0
"""Longest pause that is waited for, because nothing is sent meanwhile."""
_WHILE: Final = " while "
PAUSED: Final = "the receiver asked for a pause"
NO_OTLP: Final = "the answer is not OTLP: something else listens there"
_OTLP_TYPES: Final = ("application/x-protobuf", "application/json")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportResult:
    """
    The result of one request.

    Args:
        error: Why it failed, without any payload; None when it was accepted.
        retry: The same request may succeed later.
        retry_after_s: Seconds the receiver asked to wait.
        too_large: A smaller request may succeed.
        rejected: Items that an accepting receiver refused.
        may_have_arrived_before: An earlier try of the same request may have arrived.
    """

    error: str | None = None
    retry: bool = False
    retry_after_s: float | None = None
    too_large: bool = False
    rejected: int = 0
    may_have_arrived_before: bool = False

    @property
    def accepted(self) -> bool:
        """Whether the request arrived."""
        return self.error is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """
    The receiver of one signal, and how to reach it.

    Args:
        url: Whole URL, path included.
        headers: Sent with every request; may hold credentials.
        timeout_s: Seconds for one request: connect, TLS, request and answer.
        compress: Send gzip.
        certificate_file: CA certificate the receiver is checked against; None: the system's.
        client_certificate_file: What this side shows to a receiver that asks (mTLS).
        client_key_file: Its key.
    """

    url: str
    headers: Mapping[str, str]
    timeout_s: float
    compress: bool
    certificate_file: str | None = None
    client_certificate_file: str | None = None
    client_key_file: str | None = None


def build_tls(target: Target) -> ssl.SSLContext:
    """Return the TLS settings for *target*, TLS 1.2 at least."""
    context = ssl.create_default_context(cafile=target.certificate_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if target.client_certificate_file is not None:
        context.load_cert_chain(target.client_certificate_file, target.client_key_file)
    return context


@functools.cache
def user_agent() -> str:
    """Return the User-Agent header: this package and its version."""
    return f"whatsself-otel/{version('whatsself-otel')}"


class Client(Protocol):
    """Sends encoded requests of one signal to one receiver."""

    def post(self, body: bytes) -> ExportResult:
        """Send one encoded request; never raises."""

    def close(self) -> None:
        """Close the connections."""


class OtlpHttpClient:
    """
    Posts encoded requests to one receiver.

    Args:
        target: Where and how.
        answer: The protobuf class of the receiver's answer, for its partial success.
    """

    def __init__(self, target: Target, answer: type[Any]) -> None:
        self._target = target
        self._answer = answer
        self._headers = {**target.headers, "content-type": "application/x-protobuf", "user-agent": user_agent()}
        if target.compress:
            self._headers["content-encoding"] = "gzip"
        codecs.lookup("idna")  # imported at the first connection else, and a fork during an import is for ever
        self._connection = Connection(target.url, lambda: build_tls(target))
        run_in_child(self._forget)  # two processes on one connection would mix their requests

    def post(self, body: bytes) -> ExportResult:
        """Send one encoded request; never raises."""
        packed = gzip.compress(body, 3) if self._target.compress else body
        try:
            answer = self._connection.post(packed, self._headers, self._target.timeout_s)
        except (OSError, HTTPException, ValueError) as error:
            return ExportResult(error=describe_error(error, self._connection.deadline.stage), retry=True)
        return self._judge(answer)

    def close(self) -> None:
        """Close the connection."""
        self._connection.end()

    def _forget(self) -> None:
        """Close this process's side; the parent's stays open."""
        self._connection.close()

    def _judge(self, answer: Answer) -> ExportResult:
        status, headers = answer.status, answer.headers
        if 200 <= status < 300:
            return self._judge_success(headers.get("content-type", ""), answer.body)
        return judge_status(status, headers.get("retry-after"))

    def _judge_success(self, content_type: str, content: bytes) -> ExportResult:
        if content and not content_type.startswith(_OTLP_TYPES):
            return ExportResult(error=NO_OTLP, retry=True)
        if not content or not content_type.startswith("application/x-protobuf"):
            return ExportResult()
        return ExportResult(rejected=read_rejected(self._answer, content))


class PatientClient:
    """
    Posts requests that wait in no queue. It retries once after a short pause, and never before the receiver allows it.

    Args:
        client: Sends one request.
        patience_s: Seconds after which no second try begins.
    """

    def __init__(self, client: Client, patience_s: float = math.inf) -> None:
        self._client = client
        self._patience_s = patience_s
        self._resume_s = 0.0
        self.close = client.close

    def post(self, body: bytes, on_retry: Callable[[str], object] = lambda _reason: None) -> ExportResult:
        """
        Send one encoded request. Never raises; takes at most a few seconds longer than one try.

        Args:
            body: The request.
            on_retry: Told why it is sent again.
        """
        end_s = time.monotonic() + self._patience_s
        left_s = self._resume_s - time.monotonic()
        if left_s > _LONGEST_WAIT_S:
            return ExportResult(error=PAUSED, retry=True, retry_after_s=left_s)
        time.sleep(max(left_s, 0.0))
        result = self._try(body)
        pause_s = _QUICK_RETRY_S if result.retry_after_s is None else result.retry_after_s
        if not result.retry or pause_s > _LONGEST_WAIT_S or time.monotonic() + pause_s > end_s:
            return result
        on_retry(retry_reason(result.error))
        time.sleep(pause_s)
        return replace(self._try(body), may_have_arrived_before=may_have_arrived(result))

    def _try(self, body: bytes) -> ExportResult:
        result = self._client.post(body)
        self._resume_s = time.monotonic() + (result.retry_after_s or 0.0)
        return result


def judge_status(status: int, retry_after: str | None = None) -> ExportResult:
    """Return the result for an HTTP *status* other than success, with its ``Retry-After``."""
    return ExportResult(
        error=f"HTTP {status}",
        retry=status in RETRYABLE or 300 <= status < 400,
        retry_after_s=parse_retry_after(retry_after) if status in RETRYABLE else None,
        too_large=status == TOO_LARGE,
    )


def read_rejected(answer: type[Any], content: bytes) -> int:
    """Return the number of rejected items in *content* by the *answer* class; 0 if it cannot be read."""
    try:
        partial = answer.FromString(content).partial_success
    except Exception:  # noqa: BLE001 - protobuf raises its own error, the answer was accepting all the same
        return 0
    return max(next((int(value) for name, value in _numbers(partial) if name.startswith("rejected_")), 0), 0)


def parse_retry_after(value: str | None, now_s: float | None = None) -> float | None:
    """
    Return the seconds of a ``Retry-After`` header, 60 at most; None if it is unusable.

    Args:
        value: Seconds or an HTTP date.
        now_s: Unix time; default: now.

    Source: https://www.rfc-editor.org/rfc/rfc9110#field.retry-after
    """
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(value).timestamp() - (time.time() if now_s is None else now_s)
        except (ValueError, TypeError, OverflowError):
            return None
    return min(max(seconds, 0.0), MAX_RETRY_AFTER_S) if math.isfinite(seconds) else None


_RETRY_REASONS: Final = {
    "HTTP 429": "throttled",
    "gRPC RESOURCE_EXHAUSTED": "throttled",
    "HTTP 502": "unavailable",
    "HTTP 503": "unavailable",
    "HTTP 504": "unavailable",
    "gRPC UNAVAILABLE": "unavailable",
    "gRPC DEADLINE_EXCEEDED": "timeout",
    "TimeoutError": "timeout",
    "ConnectionRefusedError": "unreachable",
    "ConnectionResetError": "unreachable",
    "ConnectionAbortedError": "unreachable",
    "BrokenPipeError": "unreachable",
    "RemoteDisconnected": "unreachable",
    "OSError": "unreachable",
    "gaierror": "unreachable",
    "the connection was closed": "unreachable",
}


def retry_reason(error: str | None) -> str:
    """Return the reason under which ``telemetry.retried_items`` counts *error* of an `ExportResult`."""
    return _RETRY_REASONS.get((error or "").partition(_WHILE)[0], OTHER)


_NEVER_ARRIVED: Final = (
    *("ConnectionRefusedError", "gaierror", "TLS: ", "HTTP 3", "HTTP 4", NO_OTLP, PAUSED),
    *("gRPC INVALID_ARGUMENT", "gRPC NOT_FOUND", "gRPC PERMISSION_DENIED", "gRPC UNAUTHENTICATED"),
    *("gRPC RESOURCE_EXHAUSTED", "gRPC UNIMPLEMENTED", "gRPC cannot"),
)
"""Beginnings of errors of requests that were not sent, or were refused for good."""


def may_have_arrived(result: ExportResult) -> bool:
    """
    Return whether a backend may hold the request.

    A request that ends while it waits for the answer may have arrived. One that a collector answers with 503 may be in
    one of its backends.
    """
    if result.error is None or result.may_have_arrived_before:
        return True
    _, _, stage = result.error.partition(_WHILE)
    return not result.error.startswith(_NEVER_ARRIVED) and stage in {"", AWAITING}


def drop_reason(result: ExportResult) -> str:
    """Return the reason under which ``telemetry.dropped_items`` counts a lost *result*."""
    return "too_large" if result.too_large else "export_failed" if result.retry else "rejected"


def _numbers(message: Any) -> list[tuple[str, Any]]:
    return [(field.name, value) for field, value in message.ListFields()]


def describe_error(error: Exception, stage: str = "") -> str:
    """
    Return the class of *error*, never its text: that may hold the URL and a credential. TLS errors give a reason.

    Args:
        error: What was raised.
        stage: What was under way.
    """
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"TLS: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"TLS: {error.reason}"
    name = type(error).__name__
    return f"{name}{_WHILE}{stage}" if stage else name
