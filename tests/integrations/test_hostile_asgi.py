"""For every hostile client or server, the answer equals that of the application without us."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from asgi_client import Message, http, talk
from fastapi import FastAPI, Request, WebSocket
from fastapi.responses import PlainTextResponse, StreamingResponse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rows import for_each

from whatsself_otel import Telemetry
from whatsself_otel.integrations.fastapi import _REQUEST_ID

Start = Callable[..., Telemetry]


@pytest.fixture(params=["contrib", "own"], autouse=True)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test holds for both ways of instrumenting."""
    monkeypatch.setenv("WHATSSELF_OTEL_INSTRUMENTATION", request.param)


def build_app() -> FastAPI:
    app = FastAPI()

    @app.api_route("/echo/{rest:path}", methods=["GET", "POST", "PUT", "HEAD", "OPTIONS"])
    async def echo(rest: str, request: Request) -> PlainTextResponse:
        body = await request.body()
        return PlainTextResponse(repr((rest, request.scope["query_string"], body)), headers={"x-own": "1"})

    @app.get("/fail")
    async def fail() -> None:
        raise RuntimeError("application")

    @app.get("/stream")
    async def stream() -> StreamingResponse:
        async def parts() -> Any:
            yield b"a"
            raise RuntimeError("in the middle")

        return StreamingResponse(parts())

    @app.get("/disconnected")
    async def disconnected(request: Request) -> str:
        return str(await request.is_disconnected())

    @app.get("/cancelled")
    async def cancelled() -> None:
        raise asyncio.CancelledError

    @app.websocket("/ws")
    async def serve(socket: WebSocket) -> None:
        await socket.accept(headers=[(b"x-own", b"1")])
        await socket.send_text(await socket.receive_text())
        await socket.close(4000, "done")

    return app


BODY: list[Message] = [{"type": "http.request", "body": b"hello", "more_body": False}]
CORPUS: dict[str, tuple[Message, list[Message]]] = {
    "plain": (http(), BODY),
    "a query that is not UTF-8": (http(query_string=b"a=\xff\xfe"), BODY),
    "a path with half a character": (http("/echo/\udcff"), BODY),
    "an empty path": (http(""), BODY),
    "no raw path": ({key: value for key, value in http().items() if key != "raw_path"}, BODY),
    "no client and no server": (http(client=None, server=None), BODY),
    "a client that is a socket": (http(client=("/run/app.sock", None), server=("/run/app.sock", None)), BODY),
    "no headers at all": (http(headers=[]), BODY),
    "headers in Latin-1": (http(headers=[(b"host", b"shop"), (b"user-agent", b"caf\xe9"), (b"x-\xff", b"\xff")]), BODY),
    "a header with a broken escape": (http(headers=[(b"host", b"shop"), (b"user-agent", b"\\x\x80")]), BODY),
    "a hostile host": (http(headers=[(b"host", b"[::1")]), BODY),
    "a host with a bad port": (http(headers=[(b"host", b"shop:99999999")]), BODY),
    "an odd method": (http(method="P\udcffT"), BODY),
    "an empty method": (http(method=""), BODY),
    "a wrong content length": (http(headers=[(b"host", b"shop"), (b"content-length", b"abc")]), BODY),
    "100-continue": (http(method="POST", headers=[(b"host", b"shop"), (b"expect", b"100-continue")]), BODY),
    "a body in parts": (
        http(method="POST"),
        [{"type": "http.request", "body": b"a", "more_body": True}, {"type": "http.request", "body": b"b"}],
    ),
    "a client that has gone": (http("/disconnected"), [{"type": "http.disconnect"}]),
    "a client that goes while it sends": (
        http(method="POST"),
        [{"type": "http.request", "body": b"a", "more_body": True}],
    ),
    "a handler that raises": (http("/fail"), BODY),
    "a handler that is cancelled": (http("/cancelled"), BODY),
    "a stream that breaks": (http("/stream"), BODY),
    "a path that nobody serves": (http("/nowhere"), BODY),
    "a root path": (http(root_path="/proxy"), BODY),
    "a hostile trace": (http(headers=[(b"traceparent", b"\xff" * 1000), (b"tracestate", b"\x00" * 1000)]), BODY),
    "a hostile request id": (http(headers=[(b"x-request-id", b"\xff\r\n")]), BODY),
    "HTTP/2 without a host": (http(http_version="2", headers=[]), BODY),
    "no scheme": ({key: value for key, value in http().items() if key != "scheme"}, BODY),
    "a websocket": (
        http("/ws", type="websocket", subprotocols=[]) | {"scheme": "ws"},
        [{"type": "websocket.connect"}, {"type": "websocket.receive", "text": "hi"}],
    ),
    "a websocket that nobody serves": (
        http("/none", type="websocket", subprotocols=[]) | {"scheme": "ws"},
        [{"type": "websocket.connect"}],
    ),
    "a protocol that does not exist": ({"type": "carrier-pigeon"}, []),
}


@pytest.fixture
def apps(start: Start) -> tuple[FastAPI, FastAPI]:
    plain, instrumented = build_app(), build_app()
    start(instrumented)
    return plain, instrumented


class TestSameAnswer:
    @for_each("case", CORPUS)
    async def test_with_and_without_telemetry(self, case: str, apps: tuple[FastAPI, FastAPI]) -> None:
        scope, incoming = CORPUS[case]
        plain, instrumented = apps

        assert await talk(instrumented, scope, incoming) == await talk(plain, scope, incoming)

    async def test_even_when_contrib_fails_on_every_request(
        self, apps: tuple[FastAPI, FastAPI], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_: object) -> None:
            raise ValueError

        monkeypatch.setattr("opentelemetry.instrumentation.asgi.collect_request_attributes", fail)
        plain, instrumented = apps

        for scope, incoming in CORPUS.values():
            assert await talk(instrumented, scope, incoming) == await talk(plain, scope, incoming)

    async def test_a_lifespan_that_fails_fails_the_same_way(self, start: Start) -> None:
        async def lifespan(_app: FastAPI) -> Any:
            raise RuntimeError("no database")
            yield

        from contextlib import asynccontextmanager

        plain, instrumented = (
            FastAPI(lifespan=asynccontextmanager(lifespan)),
            FastAPI(lifespan=asynccontextmanager(lifespan)),
        )
        start(instrumented)
        scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}
        with_us, without = [await talk(app, scope, [{"type": "lifespan.startup"}]) for app in (instrumented, plain)]

        assert ([message["type"] for message in with_us[0]], with_us[1]) == (
            [message["type"] for message in without[0]],
            without[1],
        )


header = st.tuples(
    st.sampled_from(
        [b"host", b"user-agent", b"content-length", b"traceparent", b"tracestate", b"baggage", b"x-request-id"]
    ),
    st.binary(max_size=200),
)


class TestFuzz:
    @settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        query=st.binary(max_size=100),
        path=st.text(max_size=50),
        method=st.text(max_size=10),
        headers=st.lists(header, max_size=5),
    )
    def test_any_bytes_get_the_same_answer(
        self, apps: tuple[FastAPI, FastAPI], query: bytes, path: str, method: str, headers: list[tuple[bytes, bytes]]
    ) -> None:
        scope = http(f"/echo/{path}", query_string=query, method=method, headers=headers, raw_path=b"/echo/x")
        plain, instrumented = apps

        assert asyncio.run(talk(instrumented, scope, BODY)) == asyncio.run(talk(plain, scope, BODY))

    @given(st.text())
    def test_a_request_id_that_is_taken_is_short_and_plain(self, given_id: str) -> None:
        if _REQUEST_ID.fullmatch(given_id):
            assert len(given_id) <= 128
            assert given_id.isascii()
