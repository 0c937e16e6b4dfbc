"""However telemetry fails, the application gives its own answer and its own exception."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any
from unittest.mock import ANY

import pytest
from asgi_client import Answer, Message, http, listen, talk
from fastapi import BackgroundTasks, FastAPI, Request, WebSocket
from fastapi.responses import PlainTextResponse, StreamingResponse
from otlp_sink import Sink
from rows import for_each
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.pool import QueuePool

from whatsself_otel import Telemetry, message_context
from whatsself_otel.integrations.fastapi import _silence_native

Start = Callable[..., Telemetry]


class MuteError(Exception):
    """An exception without a text: many libraries format theirs only when it is shown, and fail then."""

    def __str__(self) -> str:
        raise IndexError("an exception's own text fails")


class LoudError(MuteError):
    def __str__(self) -> str:
        raise UnicodeDecodeError("utf-8", b"\xff", 0, 1, "as a driver says it")


MUTE = [MuteError, LoudError]


def build_app(error: type[Exception]) -> FastAPI:
    app = FastAPI()

    @app.exception_handler(Exception)
    async def answer(_request: Request, raised: Exception) -> PlainTextResponse:
        return PlainTextResponse(f"handled {type(raised).__name__}", status_code=418)

    @app.get("/handled")
    async def handled() -> None:
        raise error

    @app.get("/task")
    async def task(tasks: BackgroundTasks) -> None:
        tasks.add_task(fail)

    @app.get("/stream")
    async def stream() -> StreamingResponse:
        def parts() -> Iterator[bytes]:
            yield b"a"
            raise error

        return StreamingResponse(parts())

    @app.websocket("/socket")
    async def socket(socket: WebSocket) -> None:
        await socket.accept()
        raise error

    async def fail() -> None:
        raise error

    return app


BODY: list[Message] = [{"type": "http.request", "body": b"", "more_body": False}]
REQUESTS: dict[str, tuple[Message, list[Message]]] = {
    path: (http(f"/{path}", asgi={"version": "3.0", "spec_version": "2.4"}), BODY)
    for path in ("handled", "task", "stream")
} | {
    "socket": (
        http("/socket", type="websocket", subprotocols=[]) | {"scheme": "ws"},
        [{"type": "websocket.connect"}],
    )
}


async def talk_without_telemetry(app: FastAPI, scope: Message, incoming: list[Message]) -> Answer:
    """Talk to *app* without telemetry: FastAPI's own telemetry would use the installed SDK and lose such exceptions."""
    undo = _silence_native(app)
    answer = await talk(app, scope, incoming)
    undo()
    return answer


class TestAnExceptionWithoutAText:
    @pytest.mark.parametrize("error", MUTE)
    @for_each("name", REQUESTS)
    async def test_reaches_the_applications_own_handlers(self, start: Start, name: str, error: type[Exception]) -> None:
        app = build_app(error)
        assert await talk_without_telemetry(app, *REQUESTS[name]) == (ANY, error.__name__)
        telemetry = start(app)
        answer = await talk(app, *REQUESTS[name])
        telemetry.shutdown()

        assert answer == await talk_without_telemetry(build_app(error), *REQUESTS[name])

    @pytest.mark.parametrize("error", MUTE)
    async def test_is_recorded_by_its_kind_and_its_stack(
        self, start: Start, sink: Sink, error: type[Exception]
    ) -> None:
        app = FastAPI()

        @app.get("/fail")
        async def fail() -> None:
            raise error

        telemetry = start(app)
        await listen(app, http("/fail"), BODY)

        assert telemetry.force_flush(30)
        (span,) = sink.spans()
        ((name, attributes),) = span.events
        assert (name, span.status_code) == ("exception", 2)
        assert attributes["exception.type"] == f"{__name__}.{error.__name__}"
        assert "in fail" in attributes["exception.stacktrace"]

    @pytest.mark.parametrize("error", MUTE)
    def test_of_a_driver_reaches_its_caller(
        self, start: Start, sink: Sink, error: type[Exception], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        engine = create_engine("sqlite://")

        def execute(*_: Any) -> None:
            raise error

        monkeypatch.setattr(engine.dialect, "do_execute", execute)
        telemetry = start(engine=engine)
        with engine.connect() as connection, pytest.raises(error):
            connection.execute(text("select 1"))
        engine.dispose()

        assert telemetry.force_flush(30)
        (span,) = sink.spans()
        assert (span.status_code, span.status) == (2, error.__name__)

    @pytest.mark.parametrize("error", MUTE)
    def test_leaves_a_span_of_the_application(self, start: Start, sink: Sink, error: type[Exception]) -> None:
        telemetry = start()
        with pytest.raises(error), telemetry.tracer.start_as_current_span("work"):
            raise error

        assert telemetry.force_flush(30)
        (span,) = sink.spans()
        assert (span.name, span.status_code) == ("work", 2)


def make_engine() -> Engine:
    return create_engine("sqlite://", poolclass=QueuePool, connect_args={"check_same_thread": False})


def build_ordinary_app(engine: Engine) -> FastAPI:
    app = FastAPI()

    @app.get("/work/{name}")
    def work(name: str, tasks: BackgroundTasks) -> str:
        with message_context(message_id=name), engine.connect() as connection:
            tasks.add_task(len, "")
            with suppress(sqlite3.Error, Exception):
                connection.execute(text("selct"))
            return str(connection.execute(text("select 'found'")).scalar())

    @app.get("/fail")
    async def fail() -> None:
        raise KeyError("of the application")

    @app.get("/stream")
    async def stream() -> StreamingResponse:
        return StreamingResponse(iter([b"a", b"b"]))

    @app.websocket("/socket")
    async def socket(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_text("hi")
        raise KeyError("of the application")

    return app


ORDINARY = {name: (http(name), BODY) for name in ("/work/m-1", "/fail", "/stream", "/none")} | {
    "socket": REQUESTS["socket"]
}

FAILING = [
    "whatsself_otel.integrations.routes.RouteIndex.find",
    "whatsself_otel.traces.spans.SpanMaker.start",
    "whatsself_otel.metrics.bound_instruments.BoundInstrument.record",
    "whatsself_otel.traces.processors.OpenRequests.add",
    "whatsself_otel.traces.processors.OpenRequests.park",
    "whatsself_otel.traces.processors.OpenRequests.finish",
    "whatsself_otel.traces.processors.CorrelationProcessor.on_start",
    "whatsself_otel.traces.processors.ExportProcessor.on_end",
    "whatsself_otel.export.batch_queue.BatchQueue.put",
    "whatsself_otel.integrations.fastapi.RequestMiddleware._request_id",
    "whatsself_otel.metrics.runtime.EventLoopSampler",
    "whatsself_otel.context.RequestContext.bind",
    "whatsself_otel.masking.Masker.text",
    "whatsself_otel.traces.spans.OwnSpan.put",
    "whatsself_otel.traces.spans.OwnSpan.set_status",
    "whatsself_otel.traces.spans.OwnSpan.add_event",
    "whatsself_otel.traces.spans.OwnSpan.record_exception",
    "whatsself_otel.traces.spans.OwnSpan.end",
    "opentelemetry.sdk.trace.Span.end",
]
"""One part of telemetry after the other that an application's request or statement passes."""


class TestAnyPartOfTelemetryThatFails:
    @for_each("part", FAILING)
    async def test_leaves_answers_and_exceptions_as_they_are(
        self, start: Start, part: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        engine = make_engine()
        app = build_ordinary_app(engine)
        without = [await talk_without_telemetry(app, *ORDINARY[name]) for name in ORDINARY]
        called: list[int] = []

        def fail(*_: Any, **__: Any) -> None:
            called.append(1)
            raise LookupError("of telemetry")

        telemetry = start(app, engine)
        with monkeypatch.context() as patch:
            patch.setattr(part, fail)
            answers = [await talk(app, *ORDINARY[name]) for name in ORDINARY]
        telemetry.shutdown()
        engine.dispose()

        assert answers == without
        assert called
