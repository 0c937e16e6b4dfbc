"""Applications in applications: one server span and one duration a request, with the whole pattern of its route."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from asgi_client import http, listen
from fastapi import APIRouter, FastAPI, WebSocket
from otlp_sink import Sink, Span
from rows import for_each
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import PlainTextResponse
from starlette.routing import Host, Mount, Route, Router
from starlette.staticfiles import StaticFiles

from whatsself_otel import Telemetry

Start = Callable[..., Telemetry]
SERVER = 2


@pytest.fixture(params=["contrib", "own"], autouse=True)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test holds for both ways of instrumenting."""
    monkeypatch.setenv("WHATSSELF_OTEL_INSTRUMENTATION", request.param)


async def answer(_request: Any) -> PlainTextResponse:
    return PlainTextResponse("ok")


def shop() -> FastAPI:
    app = FastAPI(openapi_url=None)

    @app.get("/")
    @app.get("/items/{item}")
    @app.get("/files/{name:path}")
    async def show() -> str:
        return "shop"

    @app.get("/fails")
    async def fails() -> None:
        raise KeyError("of the mounted application")

    @app.websocket("/talk/{contact}")
    async def talk(socket: WebSocket) -> None:
        await socket.accept()
        await socket.close()

    return app


def build_app(assets: Path) -> FastAPI:
    """Build an application with everything that can be mounted, in every way."""
    inner = FastAPI(openapi_url=None)
    inner.mount("/deep", shop())
    tenants = Router([Mount("/{tenant}", app=shop())])
    router = APIRouter(prefix="/included")
    router.add_api_route("/items/{item}", lambda: "included")
    app = FastAPI(openapi_url=None)
    app.add_api_route("/own/{name}", lambda: "own")
    app.mount("/sub", shop())
    app.mount("/inner", inner)
    app.mount("/tenants", tenants)
    app.mount("/wrapped", GZipMiddleware(GZipMiddleware(shop())))
    app.routes.append(Mount("/layered", app=shop(), middleware=[Middleware(GZipMiddleware)]))
    app.mount("/static", StaticFiles(directory=assets))
    app.routes.append(Host("api.shop", app=shop()))
    app.include_router(router)
    app.mount("", Router([Route("/last/{name}", answer)]))
    return app


ROUTES: dict[str, str | None] = {
    "/own/1": "/own/{name}",
    "/sub/": "/sub/",
    "/sub/items/1": "/sub/items/{item}",
    "/sub/files/a/b": "/sub/files/{name:path}",
    "/sub/nowhere": "/sub",
    "/inner/deep/items/1": "/inner/deep/items/{item}",
    "/tenants/t1/items/1": "/tenants/{tenant}/items/{item}",
    "/wrapped/items/1": "/wrapped/items/{item}",
    "/layered/items/1": "/layered/items/{item}",
    "/static/logo.txt": "/static",
    "/included/items/1": "/included/items/{item}",
    "/last/one": "/last/{name}",
    "/nowhere": None,
}


def server_spans(sink: Sink) -> list[Span]:
    from whatsself_otel.handle import HANDLE

    assert HANDLE.running is not None
    assert HANDLE.running.force_flush(30)
    return [span for span in sink.spans() if span.kind == SERVER]


def points(sink: Sink) -> dict[str | None, int]:
    latest = sink.metrics()["http.server.request.duration"][-1].histogram.data_points
    by_route: dict[str | None, int] = {}
    for point in latest:
        route = {pair.key: pair.value.string_value for pair in point.attributes}.get("http.route")
        by_route[route] = by_route.get(route, 0) + point.count
    return by_route


class TestRoutes:
    @for_each("path", ROUTES)
    async def test_are_whole_patterns_of_span_and_duration(
        self, path: str, start: Start, sink: Sink, tmp_path: Path
    ) -> None:
        (tmp_path / "logo.txt").write_text("logo")
        app = build_app(tmp_path)
        telemetry = start(app)
        await listen(app, http(path), [{"type": "http.request", "body": b""}])
        spans, durations, route = server_spans(sink), points(sink), ROUTES[path]
        telemetry.shutdown()
        sink.received.clear()

        (span,) = spans
        assert span.attributes.get("http.route") == route
        assert span.name == ("GET" if route is None else f"GET {route}")
        assert durations == {route: 1}

    async def test_by_the_host_are_patterns_too_and_never_the_path_itself(
        self, start: Start, sink: Sink, tmp_path: Path
    ) -> None:
        app = build_app(tmp_path)
        start(app)
        host = [(b"host", b"api.shop")]
        await listen(app, http("/items/5511987654321", headers=host), [])
        await listen(app, http("/unknown/5511987654321", headers=host), [])

        assert [span.attributes.get("http.route") for span in server_spans(sink)] == ["/items/{item}", None]

    async def test_of_websockets_are_whole_patterns(self, start: Start, sink: Sink, tmp_path: Path) -> None:
        app = build_app(tmp_path)
        start(app)
        scope = http("/sub/talk/c-1", type="websocket", subprotocols=[]) | {"scheme": "ws"}
        await listen(app, scope, [{"type": "websocket.connect"}])

        (span,) = server_spans(sink)
        assert span.attributes["http.route"] == "/sub/talk/{contact}"

    async def test_below_a_root_path_and_added_late_are_found(self, start: Start, sink: Sink) -> None:
        app, late = FastAPI(openapi_url=None), FastAPI(openapi_url=None)
        app.mount("/late", late)
        start(app)
        below = httpx.ASGITransport(app, root_path="/proxy")
        async with httpx.AsyncClient(transport=below, base_url="http://shop") as client:
            await client.get("/proxy/late/items/1")
            late.add_api_route("/items/{item}", lambda: "late")
            await client.get("/proxy/late/items/1")

        assert [span.attributes.get("http.route") for span in server_spans(sink)] == ["/late", "/late/items/{item}"]


class TestAnApplicationAndItsMountedChild:
    @pytest.mark.parametrize("first", ["parent", "child"])
    async def test_both_instrumented_give_one_span_and_one_duration(self, start: Start, sink: Sink, first: str) -> None:
        app, child = FastAPI(openapi_url=None), shop()
        app.mount("/sub", child)
        telemetry = start()
        for each in (app, child) if first == "parent" else (child, app):
            telemetry.instrument_app(each)
        sent, _ = await listen(app, http("/sub/items/1"), [])

        (span,) = server_spans(sink)
        assert (span.name, points(sink)) == ("GET /sub/items/{item}", {"/sub/items/{item}": 1})
        names = [name for name, _ in sent[0]["headers"]]
        assert names.count(b"x-request-id") == names.count(b"traceresponse") == 1
        assert span.attributes["requestId"] == dict(sent[0]["headers"])[b"x-request-id"].decode()

    async def test_record_an_exception_once(self, start: Start, sink: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("WHATSSELF_OTEL_INSTRUMENTATION", "own")  # contrib never records one of a mounted child
        app, child = FastAPI(openapi_url=None), shop()
        app.mount("/sub", child)
        telemetry = start(app)
        telemetry.instrument_app(child)
        _, error = await listen(app, http("/sub/fails"), [])

        (span,) = server_spans(sink)
        assert (error, span.status_code, span.attributes["http.response.status_code"]) == ("KeyError", 2, 500)
        assert [name for name, _ in span.events] == ["exception"]
        assert points(sink) == {"/sub/fails": 1}

    async def test_that_is_served_alone_has_spans_of_its_own(self, start: Start, sink: Sink) -> None:
        app, child = FastAPI(openapi_url=None), shop()
        app.mount("/sub", child)
        telemetry = start(app)
        telemetry.instrument_app(child)
        await listen(child, http("/items/1"), [])

        (span,) = server_spans(sink)
        assert (span.name, points(sink)) == ("GET /items/{item}", {"/items/{item}": 1})

    async def test_that_calls_another_application_in_process_starts_a_request_there(
        self, start: Start, sink: Sink
    ) -> None:
        other, app = shop(), FastAPI(openapi_url=None)

        @app.get("/asks")
        async def asks() -> int:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(other), base_url="http://other") as client:
                return (await client.get("/items/1")).status_code

        telemetry = start(app)
        telemetry.instrument_app(other)
        await listen(app, http("/asks"), [])

        assert len(server_spans(sink)) == 1
        assert points(sink) == {"/asks": 1, "/items/{item}": 1}
