"""Ids that are bound in generators which FastAPI and Starlette run in threads, and in functions of every kind."""

from __future__ import annotations

import asyncio
import contextvars
import importlib
import logging
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from typing import Annotated, Any

import httpx
import pytest
from fastapi import Depends, FastAPI, Request
from fastapi.responses import StreamingResponse
from live_server import live
from otlp_sink import Sink

from whatsself_otel import Telemetry, capture_context, current_attributes, message_context, resume_context

Start = Callable[..., Telemetry]
log = logging.getLogger("shop")


class TestAsADecorator:
    async def test_of_a_coroutine_function_it_binds_while_it_runs(self) -> None:
        @message_context(contact_id="c1")
        async def work() -> dict[str, str]:
            await asyncio.sleep(0)
            return dict(current_attributes())

        assert list(await asyncio.gather(work(), work())) == [{"contactId": "c1"}] * 2
        assert current_attributes() == {}

    def test_of_a_function_it_binds_at_every_call_and_in_calls_of_itself(self) -> None:
        @message_context(contact_id="c1")
        def work(depth: int) -> list[dict[str, str]]:
            below = work(depth - 1) if depth else []
            return [dict(current_attributes()), *below]

        assert work(2) + work(0) == [{"contactId": "c1"}] * 4
        assert current_attributes() == {}

    def test_of_a_generator_it_binds_in_each_step_and_not_in_its_callers(self) -> None:
        cleaned: list[dict[str, str]] = []

        @message_context(contact_id="c1")
        def steps() -> Iterator[Any]:
            try:
                given = yield dict(current_attributes())
                yield given, dict(current_attributes())
            except KeyError:
                yield "caught"
            finally:
                cleaned.append(dict(current_attributes()))

        generator: Any = steps()
        with message_context(message_id="m1"):
            assert next(generator) == {"contactId": "c1", "messageId": "m1"}
            assert current_attributes() == {"messageId": "m1"}
        assert generator.send("sent") == ("sent", {"contactId": "c1"})
        assert generator.throw(KeyError()) == "caught"
        generator.close()
        assert cleaned == [{"contactId": "c1"}]
        assert list(message_context(contact_id="c1")(lambda: range(2))()) == [0, 1]

    def test_of_a_generator_it_hands_on_what_it_returns_and_raises(self) -> None:
        @message_context(contact_id="c1")
        def returns() -> Generator[Any, None, str]:
            yield 1
            return "done"

        def outer() -> Iterator[Any]:
            yield (yield from returns())

        @message_context(contact_id="c1")
        def raises() -> Iterator[int]:
            yield 1
            raise ZeroDivisionError

        assert list(outer()) == [1, "done"]
        with pytest.raises(ZeroDivisionError):
            list(raises())

    async def test_of_an_asynchronous_generator_it_binds_in_each_step(self) -> None:
        cleaned: list[dict[str, str]] = []

        @message_context(contact_id="c1")
        async def steps() -> AsyncIterator[dict[str, str]]:
            try:
                for _ in range(3):
                    await asyncio.sleep(0)
                    yield dict(current_attributes())
            finally:
                cleaned.append(dict(current_attributes()))

        seen = [(step, dict(current_attributes())) async for step in steps()]
        assert seen == [({"contactId": "c1"}, {})] * 3
        open_steps: Any = steps()
        await anext(open_steps)
        await open_steps.aclose()
        assert cleaned == [{"contactId": "c1"}] * 2

    async def test_a_resumed_context_decorates_too(self) -> None:
        with message_context(contact_id="c1"):
            carrier = capture_context()

        @resume_context(carrier)
        async def work() -> dict[str, str]:
            return dict(current_attributes())

        assert await work() == {"contactId": "c1"}
        assert work.__name__ == "work"


class TestABlock:
    def test_that_ends_in_another_context_says_nothing_and_restores_nothing(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        block = message_context(contact_id="c1")
        contextvars.copy_context().run(block.__enter__)
        with message_context(contact_id="c2"):
            contextvars.copy_context().run(block.__exit__, None, None, None)
            assert current_attributes() == {"contactId": "c2"}

        assert current_attributes() == {}
        assert caplog.records == []

    def test_keeps_no_context_alive_that_somebody_holds_on_to(self) -> None:
        """Tasks that start the next in a block would otherwise hold on to all before."""
        import gc
        import weakref

        class Held:
            pass

        def step(held: Held) -> contextvars.Context:
            with message_context(contact_id="c1"):
                kept.set(held)
                return contextvars.copy_context()

        kept: contextvars.ContextVar[Any] = contextvars.ContextVar("kept")
        first = Held()
        gone = weakref.ref(first)
        context = contextvars.copy_context().run(step, first)
        del first
        for _ in range(3):
            context = context.run(step, Held())
        gc.collect()

        assert gone() is None


def contact(request: Request) -> Iterator[str]:
    with message_context(contact_id="c1"):
        yield "contact"
        request.app.state.after.append(dict(current_attributes()))


def session(_contact: Annotated[str, Depends(contact)]) -> Iterator[str]:
    with message_context(session="main"):
        yield "session"


Session = Annotated[str, Depends(session)]


def build_app() -> FastAPI:
    app = FastAPI()
    app.state.after = []

    @app.get("/sync")
    def sync(_session: Session) -> None:
        log.info("in the endpoint")

    @app.get("/async")
    async def asynchronous(_session: Session) -> None:
        log.info("in the endpoint")

    @app.get("/fails")
    async def fails(_session: Session) -> None:
        log.info("in the endpoint")
        raise KeyError("of the endpoint")

    @app.get("/stream")
    def stream() -> StreamingResponse:
        def parts() -> Iterator[str]:
            with message_context(contact_id="c1"):
                for number in range(3):
                    log.info("part")
                    yield f"{number}"

        return StreamingResponse(parts())

    return app


class TestADependencyInAThread:
    @pytest.mark.parametrize("path", ["/sync", "/async", "/fails"])
    @pytest.mark.parametrize("way", ["contrib", "own"])
    def test_binds_for_its_endpoint_and_says_nothing(
        self, path: str, way: str, start: Start, sink: Sink, caplog: pytest.LogCaptureFixture
    ) -> None:
        app = build_app()
        telemetry = start(app, instrumentation=way)
        with live(app) as server:
            for _ in range(2):
                httpx.get(server.url + path)

        assert telemetry.force_flush(30)
        bound = [record.attributes for record in sink.logs() if record.scope == "shop"]
        assert [(each["contactId"], each["session"]) for each in bound] == [("c1", "main")] * 2
        assert [each["contactId"] for each in app.state.after] == ([] if path == "/fails" else ["c1"] * 2)
        assert [record for record in caplog.records if record.name.startswith("opentelemetry")] == []
        assert {span.attributes["contactId"] for span in sink.spans() if span.kind == 2} == {"c1"}


class TestAStreamInAThread:
    @pytest.mark.parametrize("way", ["contrib", "own"])
    def test_binds_for_all_its_parts_and_says_nothing(
        self, way: str, start: Start, sink: Sink, caplog: pytest.LogCaptureFixture
    ) -> None:
        app = build_app()
        telemetry = start(app, instrumentation=way)
        with live(app) as server:
            assert httpx.get(f"{server.url}/stream").text == "012"

        assert telemetry.force_flush(30)
        bound = [record.attributes for record in sink.logs() if record.scope == "shop"]
        assert [each.get("contactId") for each in bound] == ["c1"] * 3
        assert [record for record in caplog.records if record.name.startswith("opentelemetry")] == []


class TestAfterShutdown:
    def test_the_functions_of_the_frameworks_are_their_own_again(self, start: Start) -> None:
        def functions() -> list[Any]:
            places = (
                ("starlette.responses", "iterate_in_threadpool"),
                ("fastapi.routing", "iterate_in_threadpool"),
                ("fastapi.dependencies.utils", "contextmanager_in_threadpool"),
            )
            return [getattr(importlib.import_module(module), name) for module, name in places]

        before = functions()
        telemetry = start(FastAPI())
        telemetry.instrument_app(FastAPI())
        assert not any(map(before.__contains__, functions()))
        telemetry.shutdown()
        assert functions() == before
