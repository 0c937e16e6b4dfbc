"""The viewer's web application: OTLP in, one page and its data out."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from whatsself_otel import __version__
from whatsself_otel.stack.store_http import SourceError
from whatsself_otel.viewer import objectives, overview, series
from whatsself_otel.viewer.guard import Guard
from whatsself_otel.viewer.otlp import JSON, PROTOBUF, SIGNALS, otlp_json
from whatsself_otel.viewer.own_source import OwnSource
from whatsself_otel.viewer.page_files import page_routes
from whatsself_otel.viewer.query import MOST_LISTED, MOST_REACH, LogQuery, QueryError, TraceQuery
from whatsself_otel.viewer.receiver import Receiver
from whatsself_otel.viewer.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request
    from starlette.routing import BaseRoute
    from starlette.types import ASGIApp

    from whatsself_otel.viewer.query import Page
    from whatsself_otel.viewer.source import Source

_WINDOWS_S: Final = (300, 900, 3600, 21600)


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """Where applications send to, for the page to say."""

    http: str | None
    grpc: str | None = None


class Pages:
    """
    Everything the page asks for. Handlers are plain functions: Starlette runs them in threads.

    Args:
        source: What to show.
        receiver: Whose refusals to show; None if nothing is received here.
        addresses: Where applications send to.
    """

    def __init__(self, source: Source, receiver: Receiver | None, addresses: Addresses) -> None:
        self._source = source
        self._receiver = receiver
        self._addresses = addresses

    def routes(self) -> list[Route]:
        """Return the routes of the page's data."""
        asked = {
            "/api/state": self.state,
            "/api/overview": self.overview,
            "/api/traces": self.traces,
            "/api/traffic": self.traffic,
            "/api/choices": self.choices,
            "/api/traces/{trace_id}": self.trace,
            "/api/traces/{trace_id}/{signal}.{form}": self.raw,
            "/api/find": self.find,
            "/api/logs": self.logs,
            "/api/metrics": self.metrics,
            "/api/health": self.health,
        }
        return [Route(path, _answering(handler)) for path, handler in asked.items()]

    def state(self, _request: Request) -> Any:
        """Say whether anything is new, and where to send to."""
        where = {"http": self._addresses.http, "grpc": self._addresses.grpc}
        return {"version": self._source.version, "app": __version__, "from": self._source.name, "send_to": where}

    def overview(self, _request: Request) -> Any:
        """Return the overview."""
        return overview.overview(self._source)

    def traces(self, request: Request) -> Any:
        """List messages, or other traces."""
        query = TraceQuery.of(request.query_params, request.query_params.getlist("field"))
        page = self._source.traces(query)
        looked = asdict(page.looked) if page.looked else None
        return {**_page("traces", page, query.limit), "looked": looked, "reach": query.reach, "most_reach": MOST_REACH}

    def traffic(self, request: Request) -> Any:
        """Say how many of the same there were when, and how long they took."""
        return self._source.traffic(TraceQuery.of(request.query_params, request.query_params.getlist("field")))

    def choices(self, _request: Request) -> Any:
        """Say what can be narrowed down by."""
        return self._source.choices()

    def trace(self, request: Request) -> Any:
        """Return one trace with its logs."""
        return self._source.trace(request.path_params["trace_id"].lower())

    def raw(self, request: Request) -> Any:
        """Return spans or log records as they came, as OTLP's TracesData or LogsData in protobuf or JSON."""
        trace_id, signal = request.path_params["trace_id"].lower(), request.path_params["signal"]
        form = request.path_params["form"]
        if signal not in {"traces", "logs"} or form not in {"pb", "json"}:
            raise QueryError("there are traces.pb, traces.json, logs.pb and logs.json")
        traces, logs = self._source.raw(trace_id)
        data = traces if signal == "traces" else logs
        if form == "pb":
            return Response(data.SerializeToString(), media_type=PROTOBUF)
        name = f"{signal}-{trace_id[:32]}.json" if trace_id.isalnum() else f"{signal}.json"
        headers = {"content-disposition": f'attachment; filename="{name}"'}
        return Response(otlp_json(data), media_type=JSON, headers=headers)

    def find(self, request: Request) -> Any:
        """Find traces by any id."""
        value = request.query_params.get("id", "").strip()
        if not 0 < len(value) <= 200:
            raise QueryError("id must have 1 to 200 characters")
        return {"traces": self._source.find(value)}

    def logs(self, request: Request) -> Any:
        """List log lines."""
        query = LogQuery.of(request.query_params, request.query_params.getlist("field"))
        return _page("logs", self._source.logs(query), query.limit)

    def metrics(self, request: Request) -> Any:
        """Return every metric, ready to be drawn."""
        window = request.query_params.get("window_s", "900")
        if window not in {str(each) for each in _WINDOWS_S}:
            raise QueryError(f"window_s must be one of {', '.join(map(str, _WINDOWS_S))}")
        now_s = time.time()
        found = series.metrics(self._source.metrics, now_s, int(window))
        return {"window_s": int(window), "now_s": now_s, "metrics": found}

    def health(self, _request: Request) -> Any:
        """Return objectives, counters, and how full the store is."""
        receiver, metrics = self._receiver, self._source.metrics
        return {
            "objectives": objectives.measured(metrics),
            "window_s": objectives.WINDOW_S,
            "counters": objectives.counters(metrics),
            "store": self._source.usage(),
            "refused": dict(receiver.refused) if receiver else {},
            "rejected": {signal: n for signal, n in receiver.rejected.items() if n} if receiver else {},
        }


def create_app(source: Source | Store, token: str, addresses: Addresses, receiver: Receiver | None = None) -> ASGIApp:
    """
    Return the viewer as an ASGI application.

    Args:
        source: What is shown; a store of one's own receives too.
        token: What whoever looks must know.
        addresses: Where applications send to, for the page to say.
        receiver: Shared with gRPC; its own when None.
    """
    taking: list[BaseRoute] = []
    if isinstance(source, Store):
        receiver = receiver or Receiver(source)
        taking = [Route(f"/v1/{signal}", receiver.endpoint(signal), methods=["POST"]) for signal in SIGNALS]
        source = OwnSource(source)
    pages = Pages(source, receiver, addresses)
    routes = [*taking, *pages.routes(), *page_routes(pages.state)]
    return Starlette(routes=routes, middleware=[Middleware(Guard, token=token)])


def _answering(handler: Callable[[Request], Any]) -> Callable[[Request], Response]:
    def answer(request: Request) -> Response:
        try:
            found = handler(request)
        except QueryError as error:
            return JSONResponse({"problem": str(error)}, HTTPStatus.BAD_REQUEST)
        except SourceError as error:
            return JSONResponse({"problem": str(error)}, HTTPStatus.BAD_GATEWAY)
        if found is None:
            return JSONResponse({"problem": "unknown trace"}, HTTPStatus.NOT_FOUND)
        return found if isinstance(found, Response) else JSONResponse(found)

    return answer


def _page(name: str, page: Page, limit: int) -> dict[str, Any]:
    return {name: page.rows, "more": page.is_cut, "limit": limit, "most": MOST_LISTED}
