"""The end of a request, for its span and its duration, by the stable conventions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from opentelemetry.util.http import sanitize_method
from starlette.requests import ClientDisconnect
from starlette.websockets import WebSocketDisconnect

from whatsself_otel.catalogue import HTTP_SERVER_REQUEST_DURATION, PROTOCOL_VERSION
from whatsself_otel.metrics.bound_instruments import BoundInstrument
from whatsself_otel.metrics.recording import create_histogram
from whatsself_otel.remembered import Remembered
from whatsself_otel.traces.failures import error_type

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from opentelemetry.context import Context
    from opentelemetry.metrics import Meter

    Scope = MutableMapping[str, Any]

MAX_REMEMBERED: Final = 1024
MAX_REMEMBERED_CHARS: Final = 512
"""Longest part of a request that is cached: a header may have 64 KB."""
NORMAL_CLOSES: Final = frozenset({1000, 1001, 1005})
"""Normal close codes of a WebSocket: done, going away, no code given."""


class Outcome:
    """
    How one request ended.

    Args:
        is_http: False for a WebSocket.
    """

    __slots__ = ("_is_abandoned", "_is_http", "_started", "failure")

    def __init__(self, *, is_http: bool) -> None:
        self.failure: str | None = None
        """Class of the first exception that left the application; None if that was no failure."""
        self._started: int | None = None
        self._is_abandoned = False
        self._is_http = is_http

    def start(self, status: int) -> None:
        """Note the status of the answer. Ignore it for an abandoned request: nobody receives that answer."""
        if not self._is_abandoned:
            self._started = int(status)

    def close(self) -> None:
        """Note that a WebSocket closed. Before its acceptance, the server answers 403."""
        if self._started is None:
            self._started = 403

    def fail(self, error: BaseException) -> bool:
        """Note an exception that left the application; return whether it is the first failure."""
        if self.failure is not None or is_normal_close(error):
            return False
        self.failure = error_type(error)
        self._is_abandoned = self._is_http and self._started is None and is_abandoned(error)
        return True

    @property
    def status(self) -> int | None:
        """The answer's status code. If the application sent none, the server answers 500, unless the client left."""
        if self._started is None and self._is_http and not self._is_abandoned:
            return 500
        return self._started

    @property
    def result(self) -> tuple[int | None, str | None]:
        """The status code, and ``error.type``: the status code of a server's error, else the exception's name."""
        status = self.status
        return status, str(status) if status is not None and not 100 <= status < 500 else self.failure

    @property
    def attributes(self) -> dict[str, str | int]:
        """The attributes for a span and a duration."""
        status, error = self.result
        found: dict[str, str | int] = {} if status is None else {"http.response.status_code": status}
        return found if error is None else {**found, "error.type": error}


def is_abandoned(error: BaseException) -> bool:
    """Return whether *error* means that the client no longer waits: cancelled, disconnected, or the process ends."""
    if isinstance(error, BaseExceptionGroup):
        return all(map(is_abandoned, error.exceptions))
    return not isinstance(error, Exception) or isinstance(error, ClientDisconnect)


def is_normal_close(error: BaseException) -> bool:
    """Return whether *error* only says that a WebSocket was closed as it should be."""
    if isinstance(error, BaseExceptionGroup):
        return all(map(is_normal_close, error.exceptions))
    return isinstance(error, WebSocketDisconnect) and error.code in NORMAL_CLOSES


class Durations:
    """
    The histogram of requests' durations, with each of its series found once.

    Args:
        meter: Where it is created.
    """

    def __init__(self, meter: Meter) -> None:
        self._histogram = create_histogram(meter, HTTP_SERVER_REQUEST_DURATION)
        self.series: Remembered[tuple[Any, ...], BoundInstrument] = Remembered(MAX_REMEMBERED)

    def record(
        self, request: tuple[Any, ...], route: str | None, outcome: Outcome, elapsed_s: float, context: Context
    ) -> None:
        """
        Record one request.

        Args:
            request: What `kind_of` says of it.
            route: Its template.
            outcome: How it ended.
            elapsed_s: Seconds from its first byte to the last of its answer; >= 0.
            context: Where its span is, for the exemplar.
        """
        key = (request, route, outcome.result)
        series = self.series.get(key)
        if series is None:
            series = BoundInstrument(self._histogram, _attributes(request, route) | outcome.attributes)
            if is_short(request[0]):
                self.series.keep(key, series)
        series.record(elapsed_s, context)


def kind_of(scope: Scope) -> tuple[Any, ...]:
    """Return method, scheme and protocol version of a request."""
    return scope.get("method", ""), scope.get("scheme"), scope.get("http_version")


def is_short(given: str | bytes) -> bool:
    """Return whether the client's *given* is short enough to be cached."""
    return len(given) <= MAX_REMEMBERED_CHARS


def _attributes(request: tuple[Any, ...], route: str | None) -> dict[str, str | int]:
    method, scheme, version = request
    attributes = {
        "http.request.method": sanitize_method(str(method).strip()),
        "url.scheme": "https" if scheme == "https" else "http",
        "network.protocol.version": version if version in PROTOCOL_VERSION.values else None,
        "http.route": route,
    }
    return {name: value for name, value in attributes.items() if value}
