"""The viewer's web application: OTLP in, one page and its data out."""

from __future__ import annotations

import time
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, LogsData
from opentelemetry.proto.trace.v1.trace_pb2 import Span, TracesData
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from whatsself_otel import __version__
from whatsself_otel.viewer import objectives, queries, series
from whatsself_otel.viewer.guard import Guard
from whatsself_otel.viewer.otlp import PROTOBUF, SIGNALS
from whatsself_otel.viewer.receiver import Receiver

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

    from starlette.requests import Request
    from starlette.types import ASGIApp

    from whatsself_otel.viewer.store import Store

STATIC: Final = Path(__file__).parent / "static"
_WINDOWS_S: Final = (300, 900, 3600, 21600)
_SEVERITIES: Final = {"all": 0, "info": 9, "warn": 13, "error": 17}


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """Where applications send to, for the page to say."""

    http: str
    grpc: str | None = None


class Pages:
    """
    Everything the page asks for. Handlers are plain functions: Starlette runs them in threads.

    Args:
        store: What to show.
        receiver: Whose refusals to show.
        addresses: Where applications send to.
    """

    def __init__(self, store: Store, receiver: Receiver, addresses: Addresses) -> None:
        self._store = store
        self._receiver = receiver
        self._addresses = addresses

    def routes(self) -> list[Route]:
        """Return the page's routes."""
        return [
            Route("/", lambda _request: FileResponse(STATIC / "index.html")),
            Route("/api/state", self.state),
            Route("/api/traces", self.traces),
            Route("/api/traces/{trace_id}", self.trace),
            Route("/api/traces/{trace_id}/{signal}.pb", self.raw),
            Route("/api/find", self.find),
            Route("/api/logs", self.logs),
            Route("/api/metrics", self.metrics),
            Route("/api/health", self.health),
        ]

    def state(self, _request: Request) -> Response:
        """Say whether anything is new, and where to send to."""
        where = {"http": self._addresses.http, "grpc": self._addresses.grpc}
        return JSONResponse({"version": self._store.version, "app": __version__, "send_to": where})

    def traces(self, request: Request) -> Response:
        """List the newest messages, or other traces."""
        which = request.query_params.get("which", "messages")
        if which not in {"messages", "errors", "all"}:
            return _wrong("which must be messages, errors or all")
        return JSONResponse({"traces": queries.recent(self._store, which)})

    def trace(self, request: Request) -> Response:
        """Return one trace with its logs."""
        found = queries.trace(self._store, request.path_params["trace_id"].lower())
        if found is None:
            return JSONResponse({"problem": "unknown trace"}, HTTPStatus.NOT_FOUND)
        return JSONResponse(found)

    def raw(self, request: Request) -> Response:
        """Return spans or log records as they came, as OTLP's TracesData or LogsData."""
        trace_id, signal = request.path_params["trace_id"].lower(), request.path_params["signal"]
        if signal == "traces":
            return _protobuf(_traces_data(queries.span_rows(self._store, trace_id)))
        if signal == "logs":
            return _protobuf(_logs_data(queries.log_rows(self._store, trace_id)))
        return _wrong("signal must be traces or logs")

    def find(self, request: Request) -> Response:
        """Find traces by any id."""
        value = request.query_params.get("id", "").strip()
        if not 0 < len(value) <= 200:
            return _wrong("id must have 1 to 200 characters")
        return JSONResponse({"traces": queries.find(self._store, value)})

    def logs(self, request: Request) -> Response:
        """List the newest log lines."""
        level, text = request.query_params.get("level", "all"), request.query_params.get("text", "")
        if level not in _SEVERITIES or len(text) > 200:
            return _wrong("level must be all, info, warn or error, and text at most 200 characters")
        return JSONResponse({"logs": queries.logs(self._store, severity=_SEVERITIES[level], text=text)})

    def metrics(self, request: Request) -> Response:
        """Return every metric, ready to be drawn."""
        window = request.query_params.get("window_s", "900")
        if window not in {str(each) for each in _WINDOWS_S}:
            return _wrong(f"window_s must be one of {', '.join(map(str, _WINDOWS_S))}")
        return JSONResponse({"window_s": int(window), "metrics": series.metrics(self._store, time.time(), int(window))})

    def health(self, _request: Request) -> Response:
        """Return objectives, counters, and how full the store is."""
        return JSONResponse(
            {
                "objectives": objectives.measured(self._store),
                "window_s": objectives.WINDOW_S,
                "counters": objectives.counters(self._store),
                "store": queries.usage(self._store),
                "refused": dict(self._receiver.refused),
                "rejected": {signal: count for signal, count in self._receiver.rejected.items() if count},
            }
        )


def create_app(store: Store, token: str, addresses: Addresses, receiver: Receiver | None = None) -> ASGIApp:
    """
    Return the viewer as an ASGI application.

    Args:
        store: Where telemetry goes and comes from.
        token: What whoever looks must know.
        addresses: Where applications send to, for the page to say.
        receiver: Shared with gRPC; its own when None.
    """
    receiver = receiver or Receiver(store)
    routes = [
        *(Route(f"/v1/{signal}", receiver.endpoint(signal), methods=["POST"]) for signal in SIGNALS),
        *Pages(store, receiver, addresses).routes(),
        Mount("/static", StaticFiles(directory=STATIC)),
    ]
    return Starlette(routes=routes, middleware=[Middleware(Guard, token=token)])


def _wrong(problem: str) -> Response:
    return JSONResponse({"problem": problem}, HTTPStatus.BAD_REQUEST)


def _protobuf(message: Any) -> Response:
    return Response(message.SerializeToString(), media_type=PROTOBUF)


def _traces_data(rows: Iterable[sqlite3.Row]) -> TracesData:
    data = TracesData()
    for row in rows:
        owner = data.resource_spans.add()
        owner.resource.ParseFromString(row["resource"])
        scope = owner.scope_spans.add()
        scope.scope.name = row["scope"]
        scope.spans.append(Span.FromString(row["body"]))
    return data


def _logs_data(rows: Iterable[sqlite3.Row]) -> LogsData:
    data = LogsData()
    for row in rows:
        owner = data.resource_logs.add()
        owner.resource.ParseFromString(row["resource"])
        scope = owner.scope_logs.add()
        scope.scope.name = row["scope"]
        scope.log_records.append(LogRecord.FromString(row["body"]))
    return data
