"""FastAPI: one server span a request, with ids that became known late, and ids returned to the caller."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from fastapi import BackgroundTasks, FastAPI, HTTPException, WebSocket
from fastapi.responses import StreamingResponse
from opentelemetry.propagate import inject
from rows import for_each

from whatsself_otel import Telemetry, message_context

if TYPE_CHECKING:
    from otlp_sink import Sink, Span

SERVER = 2
Start = Callable[..., Telemetry]
log = logging.getLogger("shop")


@pytest.fixture(params=["contrib", "own"], autouse=True)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test holds for both ways of instrumenting."""
    monkeypatch.setenv("WHATSSELF_OTEL_INSTRUMENTATION", request.param)


def build_app() -> FastAPI:
    app = FastAPI()

    @app.post("/messages/{kind}")
    async def receive(kind: str, tasks: BackgroundTasks, contact: str = "c1", message: str = "m1") -> dict[str, str]:
        with message_context(contact_id=contact):
            await asyncio.sleep(0)
            log.info("received")
        tasks.add_task(finish, message)
        return {"kind": kind}

    async def finish(message: str) -> None:
        with message_context(message_id=message):
            log.info("finished")

    @app.get("/health")
    async def health() -> str:
        return "ok"

    @app.get("/fail")
    async def fail() -> None:
        raise RuntimeError("no phone +5511987654321 here")

    @app.get("/missing")
    async def missing() -> None:
        raise HTTPException(404)

    @app.get("/stream")
    async def stream() -> StreamingResponse:
        async def parts() -> AsyncIterator[bytes]:
            for part in (b"a", b"b"):
                await asyncio.sleep(0)
                yield part

        return StreamingResponse(parts())

    return app


@asynccontextmanager
async def client_of(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://shop") as client:
        yield client


@pytest.fixture
def app(start: Start) -> FastAPI:
    application = build_app()
    start(application)
    return application


def flush(sink: Sink) -> list[Span]:
    from whatsself_otel.handle import HANDLE

    assert HANDLE.running is not None
    assert HANDLE.running.force_flush(30)
    return sink.spans()


def server_spans(sink: Sink) -> list[Span]:
    return [span for span in flush(sink) if span.kind == SERVER]


class TestServerSpan:
    async def test_there_is_one_span_with_stable_attributes_and_no_send_or_receive_spans(
        self, app: FastAPI, sink: Sink
    ) -> None:
        async with client_of(app) as client:
            await client.get("/stream")

        spans = flush(sink)
        assert [span.name for span in spans] == ["GET /stream"]
        assert spans[0].attributes["http.route"] == "/stream"
        assert spans[0].attributes["http.response.status_code"] == 200

    async def test_carries_ids_bound_in_the_handler_and_in_a_background_task(self, app: FastAPI, sink: Sink) -> None:
        async with client_of(app) as client:
            response = await client.post("/messages/text")

        (span,) = server_spans(sink)
        ids = {key: span.attributes.get(key) for key in ("requestId", "contactId", "messageId")}
        assert ids == {"requestId": response.headers["x-request-id"], "contactId": "c1", "messageId": "m1"}

    async def test_carries_ids_bound_in_tasks_and_in_threads_with_a_copied_context(
        self, start: Start, sink: Sink
    ) -> None:
        app = FastAPI()

        async def bind_contact() -> None:
            with message_context(contact_id="from-task"):
                await asyncio.sleep(0)

        def bind_message() -> None:
            with message_context(message_id="from-thread"):
                pass

        @app.get("/work")
        async def work() -> None:
            await asyncio.create_task(bind_contact())
            context = contextvars.copy_context()
            thread = threading.Thread(target=context.run, args=(bind_message,))
            thread.start()
            await asyncio.to_thread(thread.join)

        start(app)
        async with client_of(app) as client:
            await client.get("/work")

        (span,) = server_spans(sink)
        assert (span.attributes["contactId"], span.attributes["messageId"]) == ("from-task", "from-thread")

    async def test_the_first_of_several_messages_stays_and_the_others_are_events(
        self, start: Start, sink: Sink
    ) -> None:
        app = FastAPI()

        @app.get("/batch")
        async def batch() -> None:
            for message in ("m1", "m2", "m3"):
                with message_context(message_id=message):
                    pass

        start(app)
        async with client_of(app) as client:
            await client.get("/batch")

        (span,) = server_spans(sink)
        assert span.attributes["messageId"] == "m1"
        assert span.events == [("message_context", {"messageId": "m2"}), ("message_context", {"messageId": "m3"})]

    async def test_health_and_metrics_paths_have_no_span(self, app: FastAPI, sink: Sink) -> None:
        async with client_of(app) as client:
            response = await client.get("/health")

        assert (flush(sink), "x-request-id" in response.headers) == ([], True)

    async def test_a_failure_is_recorded_masked_and_answered_with_the_ids(self, app: FastAPI, sink: Sink) -> None:
        async with client_of(app) as client:
            response = await client.get("/fail")

        (span,) = server_spans(sink)
        assert response.status_code == 500
        assert [attributes["exception.message"] for name, attributes in span.events if name == "exception"] == [
            "no phone +55********4321 here"
        ]
        assert response.headers["traceresponse"].split("-")[1] == span.trace_id
        assert b"987654321" not in b"".join(export.body for export in sink.received)

    async def test_a_websocket_has_an_id_too(self, start: Start, sink: Sink) -> None:
        app = FastAPI()

        @app.websocket("/ws")
        async def serve(socket: WebSocket) -> None:
            await socket.accept()
            with message_context(contact_id="c9"):
                await socket.send_text("hi")
            await socket.close()

        start(app)
        scope = {"type": "websocket", "path": "/ws", "headers": [], "query_string": b"", "subprotocols": []}
        incoming: Iterator[dict[str, Any]] = iter(
            [{"type": "websocket.connect"}, {"type": "websocket.disconnect", "code": 1000}]
        )
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return next(incoming)

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        await app(scope, receive, send)  # type: ignore[arg-type]

        (span,) = server_spans(sink)
        assert (span.attributes["contactId"], sent[0]["type"]) == ("c9", "websocket.accept")


class TestAccessLog:
    async def test_its_line_carries_the_ids_of_the_server_span(self, start: Start, sink: Sink) -> None:
        app = FastAPI()

        @app.get("/work")
        async def work() -> None:
            with message_context(contact_id="c1", message_id="m1"):
                pass
            logging.getLogger("uvicorn.access").info("GET /work 200")
            log.info("about no message in particular")

        telemetry = start(app)
        async with client_of(app) as client:
            await client.get("/work")
        telemetry.force_flush(5)

        ids = {record.scope: record.attributes.get("messageId") for record in sink.logs()}
        assert (ids["uvicorn.access"], ids["shop"]) == ("m1", None)


class TestIdsReturned:
    async def test_the_caller_gets_the_request_id_and_the_trace_id(self, app: FastAPI, sink: Sink) -> None:
        async with client_of(app) as client:
            response = await client.post("/messages/text", headers={"x-request-id": "order-42"})

        (span,) = server_spans(sink)
        assert response.headers["x-request-id"] == "order-42"
        assert response.headers["traceresponse"].startswith(f"00-{span.trace_id}-{span.span_id}-")
        assert response.headers["server-timing"] == f'traceparent;desc="{response.headers["traceresponse"]}"'

    @for_each(
        "hostile",
        [
            "",
            "a" * 129,
            "with space",
            "+5511987654321",
            "5511987654321@s.whatsapp.net",
            "5511987654321",
            "línea",
            "a\tb",
        ],
    )
    async def test_a_foreign_request_id_that_is_long_odd_or_personal_is_replaced(
        self, app: FastAPI, hostile: str
    ) -> None:
        async with client_of(app) as client:
            response = await client.get("/stream", headers=[(b"x-request-id", hostile.encode("latin-1"))])

        assert response.headers["x-request-id"] != hostile
        assert len(response.headers["x-request-id"]) == 32

    async def test_a_request_id_of_the_application_itself_stands(self, start: Start) -> None:
        app = FastAPI()

        @app.get("/own")
        async def own() -> Any:
            from fastapi import Response

            return Response(headers={"X-Request-ID": "mine"})

        start(app)
        async with client_of(app) as client:
            response = await client.get("/own")

        assert response.headers.get_list("x-request-id") == ["mine"]

    async def test_ids_never_travel_in_outgoing_headers(self, start: Start) -> None:
        app = FastAPI()
        outgoing: dict[str, str] = {}

        @app.get("/out")
        async def out() -> None:
            with message_context(contact_id="c1", message_id="m1"):
                inject(outgoing)

        start(app)
        async with client_of(app) as client:
            await client.get("/out", headers={"x-request-id": "order-42"})

        assert list(outgoing) == ["traceparent"]
        assert not {"c1", "m1", "order-42"} & set(outgoing.values())

    async def test_trace_headers_can_be_switched_off(self, start: Start) -> None:
        app = build_app()
        start(app, return_trace_id=False)
        async with client_of(app) as client:
            response = await client.get("/stream")

        assert [name for name in ("traceresponse", "server-timing") if name in response.headers] == []


class TestIsolation:
    async def test_no_id_of_2000_concurrent_requests_appears_on_another(self, app: FastAPI, sink: Sink) -> None:
        async with client_of(app) as client:
            await asyncio.gather(
                *(
                    client.post(f"/messages/text?contact=c{n}&message=m{n}", headers={"x-request-id": f"r{n}"})
                    for n in range(2000)
                )
            )

        spans = server_spans(sink)
        assert len(spans) == 2000
        assert {tuple(span.attributes[key] for key in ("requestId", "contactId", "messageId")) for span in spans} == {
            (f"r{n}", f"c{n}", f"m{n}") for n in range(2000)
        }
        trace_of = {span.attributes["requestId"]: span.trace_id for span in spans}
        records = [record for record in sink.logs() if record.scope == "shop"]
        assert len(records) == 4000
        for record in records:
            number = record.attributes["requestId"][1:]
            bound = {record.attributes.get("contactId"), record.attributes.get("messageId")} - {None}
            assert bound <= {f"c{number}", f"m{number}"}
            assert record.trace_id == trace_of[f"r{number}"]


def routes_of(sink: Sink) -> list[Any]:
    return [span.attributes.get("http.route") for span in sink.spans()]


class TestDuration:
    async def test_is_recorded_with_the_route_template_and_without_excluded_paths(
        self, app: FastAPI, sink: Sink
    ) -> None:
        async with client_of(app) as client:
            for path in ("/stream", "/stream", "/health", "/missing", "/nowhere/+5511987654321"):
                await client.get(path)
        flush(sink)

        points = sink.metrics()["http.server.request.duration"][-1].histogram.data_points
        counts = {
            (_attributes(point).get("http.route"), _attributes(point)["http.response.status_code"]): point.count
            for point in points
        }
        assert counts == {("/stream", 200): 2, ("/missing", 404): 1, (None, 404): 1}

    async def test_has_no_route_where_the_only_one_that_might_match_does_not(self, start: Start, sink: Sink) -> None:
        app = FastAPI(openapi_url=None)

        @app.get("/items/{number:int}")
        async def show(number: int) -> int:
            return number

        start(app=app)
        async with client_of(app) as client:
            answers = [await client.get(path) for path in ("/items/1", "/items/one", "/items/2")]
            answers.append(await client.post("/items/3"))
        flush(sink)

        assert [answer.status_code for answer in answers] == [200, 404, 200, 405]
        assert routes_of(sink) == ["/items/{number:int}", None, "/items/{number:int}", "/items/{number:int}"]

    async def test_has_the_route_that_takes_it_where_several_look_alike(self, start: Start, sink: Sink) -> None:
        app = FastAPI(openapi_url=None)
        for method, path in (
            ("GET", "/a/{number:int}"),
            ("GET", "/a/{name}"),
            ("POST", "/b/{first}"),
            ("GET", "/b/{second}"),
        ):
            app.add_api_route(path, lambda: None, methods=[method])
        app.add_api_websocket_route("/ws", lambda _: None)
        start(app=app)
        async with client_of(app) as client:
            for path in ("/a/1", "/a/one", "/b/1", "/ws"):
                await client.get(path)
        flush(sink)

        assert routes_of(sink) == ["/a/{number:int}", "/a/{name}", "/b/{second}", None]

    @for_each("path, route", [("/api/items", "/items"), ("/api2/items", "/api2/items"), ("/items", "/items")])
    async def test_has_its_route_below_a_root_path(self, path: str, route: str, start: Start, sink: Sink) -> None:
        app = FastAPI(openapi_url=None)
        app.add_api_route("/items", lambda: None)
        app.add_api_route("/api2/items", lambda: None)
        telemetry = start(app=app)
        below = httpx.ASGITransport(app, root_path="/api")
        async with httpx.AsyncClient(transport=below, base_url="http://testserver") as client:
            await client.get(path)
        flush(sink)
        routes = routes_of(sink)
        telemetry.shutdown()
        sink.received.clear()

        assert routes == [route]

    async def test_leaves_out_the_time_of_background_tasks(self, start: Start, sink: Sink) -> None:
        app = FastAPI()
        answered = asyncio.Event()

        @app.get("/slow")
        async def slow(tasks: BackgroundTasks) -> None:
            tasks.add_task(asyncio.sleep, 0.5)
            answered.set()

        start(app)
        async with client_of(app) as client:
            await client.get("/slow")
        flush(sink)

        points = sink.metrics()["http.server.request.duration"][-1].histogram.data_points
        assert sum(point.count for point in points) == 1
        assert sum(point.sum for point in points) < 0.5

    async def test_an_unknown_method_cannot_make_a_series(self, app: FastAPI, sink: Sink) -> None:
        async with client_of(app) as client:
            for number in range(20):
                await client.request(f"HACK{number}", "/stream")
        flush(sink)

        points = sink.metrics()["http.server.request.duration"][-1].histogram.data_points
        assert {_attributes(point)["http.request.method"] for point in points} == {"_OTHER"}


class TestMemory:
    async def test_what_a_client_sends_is_not_remembered_at_any_length(
        self, start: Start, sink: Sink, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("WHATSSELF_OTEL_INSTRUMENTATION", "own")  # contrib remembers nothing
        app = FastAPI()
        start(app=app)
        async with client_of(app) as client:
            for length in (10, 10_000):
                await client.request("X" * length, "/", headers={"user-agent": "y" * length})
        flush(sink)

        stack: Any = app.middleware_stack
        requests = stack._serving.serve.__self__
        assert [len(agent) for agent in requests._user_agents] == [10]
        assert [len(key[0]) for key in requests._constant] == [10]
        assert [len(kind[0]) for kind, *_ in requests.durations.series] == [10]
        assert [len(span.attributes["user_agent.original"]) for span in sink.spans()] == [10, 10_000]


class TestNotRecorded:
    async def test_a_request_that_is_not_sampled_has_its_ids_and_its_route_all_the_same(
        self, start: Start, sink: Sink, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_off")
        app = build_app()
        start(app)
        async with client_of(app) as client:
            answer = await client.post("/messages/text")

        assert server_spans(sink) == []
        lines = [record for record in sink.logs() if record.scope == "shop"]
        assert [line.attributes["route"] for line in lines] == ["/messages/{kind}"] * 2
        assert {line.attributes["requestId"] for line in lines} == {answer.headers["x-request-id"]}

    async def test_a_flush_while_a_background_task_runs_lets_the_answered_request_go(
        self, start: Start, sink: Sink
    ) -> None:
        app = FastAPI()
        seen: list[str] = []

        def look() -> None:
            with message_context(message_id="m1"):
                seen.extend(span.attributes["messageId"] for span in server_spans(sink))

        @app.get("/slow")
        async def slow(tasks: BackgroundTasks) -> None:
            tasks.add_task(look)

        start(app)
        async with client_of(app) as client:
            await client.get("/slow")

        assert seen == ["m1"]
        assert len(server_spans(sink)) == 1


class TestLifecycle:
    async def test_what_is_queued_leaves_when_the_server_ends_the_application(self, app: FastAPI, sink: Sink) -> None:
        async with client_of(app) as client:
            await client.get("/stream")
        incoming = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])
        sent: list[str] = []

        async def receive() -> dict[str, Any]:
            return next(incoming)

        async def send(message: dict[str, Any]) -> None:
            sent.append(message["type"])

        await app({"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}, receive, send)  # type: ignore[arg-type]

        assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
        assert [span.name for span in sink.spans()] == ["GET /stream"]

    async def test_an_application_that_already_answered_can_be_instrumented(self, start: Start, sink: Sink) -> None:
        app = build_app()
        async with client_of(app) as client:
            await client.get("/stream")
            start(app)
            await client.get("/stream")

        assert len(server_spans(sink)) == 1

    async def test_instrumenting_twice_changes_nothing(self, app: FastAPI, start: Start, sink: Sink) -> None:
        start(app)
        async with client_of(app) as client:
            response = await client.get("/stream")

        assert len(server_spans(sink)) == 1
        assert len(response.headers.get_list("x-request-id")) == 1

    async def test_after_shutdown_the_application_answers_as_if_never_instrumented(self, start: Start) -> None:
        app = build_app()
        telemetry = start(app)
        telemetry.shutdown()
        async with client_of(app) as client:
            response = await client.get("/stream")

        assert (response.status_code, "x-request-id" in response.headers) == (200, False)


def _attributes(point: Any) -> dict[str, Any]:
    return {pair.key: pair.value.string_value or pair.value.int_value for pair in point.attributes}


def test_the_way_that_the_test_names_is_the_one_that_is_taken(start: Start, request: pytest.FixtureRequest) -> None:
    assert start().config.instrumentation == request.node.callspec.params["way"]
