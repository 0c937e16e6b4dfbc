"""Outcomes of requests: by the stable conventions, and outside the objective if no client waits."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import httpx
import pytest
from asgi_client import http, listen
from fastapi import FastAPI, Request, WebSocket
from fastapi.responses import PlainTextResponse, StreamingResponse
from live_server import WebSocketClient, live
from otlp_sink import Sink, Span
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError
from starlette.websockets import WebSocketDisconnect

from whatsself_otel import Telemetry
from whatsself_otel.catalogue import SCHEMA_URL

Start = Callable[..., Telemetry]
OK, ERROR = 0, 2
WAIT_S = 10


class Gate:
    """Lets a test wait until a handler has come so far."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.left = threading.Event()

    def wait(self) -> None:
        assert self.reached.wait(WAIT_S)

    def wait_until_left(self) -> None:
        assert self.left.wait(WAIT_S)


def build_app(gate: Gate) -> FastAPI:
    app = FastAPI()

    @app.get("/waits")
    async def waits() -> None:
        gate.reached.set()
        try:
            await asyncio.Event().wait()
        finally:
            gate.left.set()

    @app.post("/reads")
    async def reads(request: Request) -> int:
        gate.reached.set()
        try:
            return len(await request.body())
        finally:
            gate.left.set()

    @app.get("/fails")
    async def fails() -> None:
        raise KeyError("of the application")

    @app.get("/breaks")
    async def breaks() -> StreamingResponse:
        async def parts() -> AsyncIterator[bytes]:
            yield b"a"
            raise ConnectionResetError("the source of this stream")

        return StreamingResponse(parts())

    @app.get("/fine")
    async def fine() -> str:
        return "ok"

    add_sockets(app, gate)
    return app


def add_sockets(app: FastAPI, gate: Gate) -> None:
    @app.websocket("/echo")
    async def echo(socket: WebSocket) -> None:
        await socket.accept()
        gate.reached.set()
        try:
            while True:
                await socket.send_text(await socket.receive_text())
        finally:
            gate.left.set()

    @app.websocket("/group")
    async def group(socket: WebSocket) -> None:
        await socket.accept()
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(socket.receive_text())
        finally:
            gate.left.set()

    @app.websocket("/refuses")
    async def refuses(socket: WebSocket) -> None:
        await socket.close()


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def app(start: Start, gate: Gate) -> FastAPI:
    application = build_app(gate)
    start(application)
    return application


def only_span(sink: Sink) -> Span:
    flush()
    (span,) = [span for span in sink.spans() if span.kind == 2]
    return span


def only_point(sink: Sink) -> dict[str, Any]:
    (point,) = points(sink)
    assert point.count == 1
    return {pair.key: pair.value.string_value or pair.value.int_value for pair in point.attributes}


def points(sink: Sink) -> list[Any]:
    """Return the counted points without the zero at the start of a series."""
    latest = sink.metrics()["http.server.request.duration"][-1].histogram.data_points
    return [point for point in latest if point.count]


def flush() -> None:
    from whatsself_otel.handle import HANDLE

    assert HANDLE.running is not None
    assert HANDLE.running.force_flush(30)


def outcome(attributes: dict[str, Any]) -> tuple[Any, Any]:
    return attributes.get("http.response.status_code"), attributes.get("error.type")


class TestARequest:
    def test_that_the_server_cancels_has_no_status_and_its_exceptions_name(
        self, app: FastAPI, gate: Gate, sink: Sink
    ) -> None:
        with live(app, timeout_graceful_shutdown=0) as server:
            client = socket.create_connection(("127.0.0.1", server.port))
            client.sendall(b"GET /waits HTTP/1.1\r\nhost: shop\r\n\r\n")
            gate.wait()
            server.stop()
            client.close()

        span = only_span(sink)
        assert (outcome(span.attributes), span.status_code) == ((None, "CancelledError"), ERROR)
        assert outcome(only_point(sink)) == (None, "CancelledError")

    def test_that_a_middleware_cancels_and_answers_for_has_the_status_of_that_answer(
        self, start: Start, sink: Sink
    ) -> None:
        app = FastAPI()

        class Limit:
            def __init__(self, app: Any) -> None:
                self.app = app

            async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
                try:
                    async with asyncio.timeout(0.05):
                        await self.app(scope, receive, send)
                except TimeoutError:
                    await PlainTextResponse("too slow", 504)(scope, receive, send)

        @app.get("/slow")
        async def slow() -> None:
            await asyncio.Event().wait()

        app.add_middleware(Limit)
        start(app)
        with live(app) as server:
            assert httpx.get(f"{server.url}/slow").status_code == 504

        span = only_span(sink)
        assert (outcome(span.attributes), span.status_code) == ((504, "504"), ERROR)
        assert outcome(only_point(sink)) == (504, "504")

    def test_whose_client_goes_while_it_sends_has_no_status(self, app: FastAPI, gate: Gate, sink: Sink) -> None:
        with live(app) as server:
            client = socket.create_connection(("127.0.0.1", server.port))
            client.sendall(b"POST /reads HTTP/1.1\r\nhost: shop\r\ncontent-length: 10\r\n\r\nhalf")
            gate.wait()
            client.close()
            gate.wait_until_left()

        assert outcome(only_span(sink).attributes) == (None, "ClientDisconnect")
        assert outcome(only_point(sink)) == (None, "ClientDisconnect")

    def test_that_fails_is_an_answer_of_500(self, app: FastAPI, sink: Sink) -> None:
        with live(app) as server:
            assert httpx.get(f"{server.url}/fails").status_code == 500

        span = only_span(sink)
        assert (outcome(span.attributes), span.status_code) == ((500, "500"), ERROR)
        assert outcome(only_point(sink)) == (500, "500")

    async def test_that_is_left_without_an_answer_is_one_of_500_as_servers_give_it(
        self, start: Start, sink: Sink
    ) -> None:
        app = FastAPI()

        async def silent(scope: Any, receive: Any, send: Any) -> None:
            pass

        app.mount("/silent", silent)
        start(app)
        await listen(app, http("/silent/"), [])

        assert outcome(only_span(sink).attributes) == outcome(only_point(sink)) == (500, "500")


class TestAStream:
    def test_that_breaks_has_its_status_and_what_broke_it(self, app: FastAPI, sink: Sink) -> None:
        with live(app) as server, pytest.raises(httpx.RemoteProtocolError):
            httpx.get(f"{server.url}/breaks")

        span = only_span(sink)
        assert (outcome(span.attributes), span.status_code) == ((200, "ConnectionResetError"), ERROR)
        assert outcome(only_point(sink)) == (200, "ConnectionResetError")

    async def test_with_trailers_ends_with_the_last_of_them(self, start: Start, sink: Sink) -> None:
        app = FastAPI()
        ended: list[bool] = []

        async def with_trailers(_scope: Any, _receive: Any, send: Any) -> None:
            from opentelemetry.trace import get_current_span

            for message in (
                {"type": "http.response.start", "status": 200, "headers": [], "trailers": True},
                {"type": "http.response.body", "body": b"a"},
                {"type": "http.response.trailers", "headers": [], "more_trailers": False},
            ):
                await send(message)
                ended.append(not get_current_span().is_recording())

        app.mount("/", with_trailers)
        start(app)
        await listen(app, http("/"), [])

        assert ended == [False, False, True]


class TestAWebSocket:
    @pytest.mark.parametrize("path", ["/echo", "/group"])
    @pytest.mark.parametrize("code", [1000, 1001, 1005])
    def test_that_is_closed_as_it_should_be_has_not_failed(
        self, app: FastAPI, gate: Gate, sink: Sink, code: int, path: str
    ) -> None:
        with live(app) as server:
            client = WebSocketClient(server.port, path)
            client.close(code)
            gate.wait_until_left()

        span = only_span(sink)
        assert (client.accepted, span.status_code, span.status, span.events) == (True, OK, "", [])
        assert outcome(span.attributes) == (101, None)

    @pytest.mark.parametrize("code", [1011, 1008])
    def test_that_ends_otherwise_has_failed(self, app: FastAPI, gate: Gate, sink: Sink, code: int) -> None:
        with live(app) as server:
            client = WebSocketClient(server.port, "/echo")
            client.say("hello")
            client.receive()
            client.close(code)
            gate.wait_until_left()

        span = only_span(sink)
        assert (outcome(span.attributes), span.status_code) == ((101, WebSocketDisconnect.__name__), ERROR)
        assert [name for name, _ in span.events] == ["exception"]

    def test_that_is_refused_has_the_status_that_the_server_gives(self, app: FastAPI, sink: Sink) -> None:
        with live(app) as server:
            client = WebSocketClient(server.port, "/refuses")
            client.close(None)

        span = only_span(sink)
        assert (client.accepted, outcome(span.attributes), span.status_code) == (False, (403, None), OK)


class TestConventions:
    def test_server_and_client_are_addresses_without_ports(self, app: FastAPI, sink: Sink) -> None:
        with live(app) as server:
            httpx.get(f"{server.url}/fine")

        attributes = only_span(sink).attributes
        assert (attributes["server.address"], attributes["server.port"]) == ("127.0.0.1", server.port)
        assert (attributes["client.address"], attributes["network.protocol.version"]) == ("127.0.0.1", "1.1")
        assert only_point(sink)["network.protocol.version"] == "1.1"

    async def test_a_version_that_no_protocol_has_makes_no_series(self, app: FastAPI, sink: Sink) -> None:
        for version in ("1.1", "6.6.6", "7"):
            await listen(app, http("/fine", http_version=version), [])
        flush()

        assert sorted(point.count for point in points(sink)) == [1, 2]

    def test_a_statement_that_fails_says_of_which_kind(self, start: Start, sink: Sink) -> None:
        engine = create_engine("sqlite://")
        start(engine=engine)
        with engine.connect() as connection, pytest.raises(DBAPIError):
            connection.execute(text("select nothing from nowhere"))
        engine.dispose()
        flush()

        (span,) = sink.spans()
        assert (span.attributes["error.type"], span.status_code) == ("OperationalError", ERROR)

    def test_spans_and_metrics_of_the_conventions_name_their_schema(
        self, app: FastAPI, start: Start, sink: Sink
    ) -> None:
        engine = create_engine("sqlite://")
        telemetry = start()
        telemetry.instrument_engine(engine)
        with live(app) as server, engine.connect() as connection:
            httpx.get(f"{server.url}/fine")
            connection.execute(text("select 1"))
        engine.dispose()
        flush()

        assert {name: url for name, url in schemas(sink) if "instrumentation" in name} == {
            "opentelemetry.instrumentation.fastapi": SCHEMA_URL,
            "opentelemetry.instrumentation.sqlalchemy": SCHEMA_URL,
        }
        assert ("whatsself_otel", SCHEMA_URL) in schemas(sink)


def schemas(sink: Sink) -> Iterator[tuple[str, str]]:
    for received in sink.received:
        kind = received.path.rsplit("/", 1)[1]
        for resource in getattr(received.message, {"traces": "resource_spans"}.get(kind, f"resource_{kind}")):
            for scope in getattr(resource, {"traces": "scope_spans"}.get(kind, f"scope_{kind}")):
                yield scope.scope.name, scope.schema_url
