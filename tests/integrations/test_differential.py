"""Our own instrumentation records what contrib's does: every name, kind, attribute, status, parent, event and point."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from asgi_client import Message, http, listen
from fastapi import APIRouter, BackgroundTasks, FastAPI, HTTPException
from fastapi.responses import JSONResponse
from opentelemetry.trace import NoOpTracer
from otlp_sink import Sink, Span
from rows import for_each
from sqlalchemy import create_engine, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import create_async_engine
from starlette.background import BackgroundTask
from test_hostile_asgi import CORPUS as HOSTILE
from test_hostile_asgi import build_app as build_hostile_app

from whatsself_otel import Telemetry, message_context
from whatsself_otel.integrations.background_tasks import trace_background_tasks

Start = Callable[..., Telemetry]
SERVER = 2
FAILED = 2
log = logging.getLogger("shop")

STATEMENTS = {
    "a table": "create table contact (id varchar primary key, flow varchar)",
    "a row": "insert into contact values ('c-1', 'welcome')",
    "a read": "select flow from contact where id = :id",
    "a change": "UPDATE contact SET flow = 'tour' WHERE id = :id",
    "a removal": "  delete from contact where id = 'nobody'",
    "a comment before it": "/* who */ select 1",
    "a common table expression": "with c as (select * from contact) select * from c",
    "several lines": "select\n  id\nfrom\n  contact",
    "no name that SQL knows": "pragma user_version",
    "a broken one": "selct 1",
    "a second row of one key": "insert into contact values ('c-1', 'again')",
}
ORDINARY: dict[str, Message] = {
    "a route": http("/contacts/c-1"),
    "a route of a router": http("/shop/orders/7", query_string=b"limit=2"),
    "a route of a mounted application": http("/inner/deep/x"),
    "a method that is not allowed": http("/contacts/c-1", method="DELETE"),
    "an invalid parameter": http("/shop/orders/seven"),
    "an answer of 4xx": http("/gone"),
    "an answer of 5xx": http("/broken"),
    "background work": http("/later", method="POST"),
    "a sender's trace": http(
        "/contacts/c-1", headers=[(b"host", b"shop"), (b"traceparent", b"00-" + b"ab" * 16 + b"-" + b"cd" * 8 + b"-01")]
    ),
    "a robot": http("/contacts/c-1", headers=[(b"host", b"shop"), (b"user-agent", b"Googlebot/2.1")]),
    "an excluded path": http("/health"),
    "HTTP/2 by a proxy": http("/contacts/c-1", http_version="2", scheme="https", root_path="/proxy"),
}


def build_app() -> FastAPI:
    app, router, inner = FastAPI(), APIRouter(prefix="/shop"), FastAPI()

    @app.get("/contacts/{contact_id}")
    async def contact(contact_id: str) -> str:
        with message_context(contact_id=contact_id):
            log.info("asked for %s", contact_id, extra={"kind": "text"})
        return contact_id

    @router.get("/orders/{number}")
    async def order(number: int, limit: int = 1) -> int:
        return number + limit

    @inner.get("/deep/{name}")
    def deep(name: str) -> str:
        return name

    @app.get("/gone")
    async def gone() -> None:
        raise HTTPException(410)

    @app.get("/broken")
    async def broken() -> JSONResponse:
        return JSONResponse({}, status_code=503)

    @app.post("/later")
    async def later(tasks: BackgroundTasks) -> None:
        tasks.add_task(work)

    async def work() -> None:
        with message_context(message_id="m-1"):
            log.warning("done later")

    @app.get("/health")
    async def health() -> str:
        return "ok"

    app.include_router(router)
    app.mount("/inner", inner)
    return app


@dataclass(frozen=True)
class Seen:
    """The exports of one instrumentation, without ids, times and the request's own id."""

    spans: list[Any]
    logs: list[Any]
    points: list[Any]

    @classmethod
    def of(cls, sink: Sink) -> Seen:
        spans = sink.spans()
        names = {span.span_id: span.name for span in spans}
        logs = [
            (record.body, record.level, record.scope, _settled(record.attributes), names.get(record.span_id))
            for record in sink.logs()
        ]
        # Sorted: a batch groups spans by their scope, so its moment, and who traced before, decide their order.
        return cls(sorted([_shown(span, names) for span in spans], key=repr), logs, _points(sink))


def _shown(span: Span, names: dict[str, str]) -> Any:
    parent = names.get(span.parent_id, "elsewhere" if span.parent_id else "")
    events = [(name, {key: value for key, value in held.items() if "stack" not in key}) for name, held in span.events]
    # The one difference: contrib records what a stream raises twice, where it comes out and where it ends the span.
    events = [event for number, event in enumerate(events) if event not in events[:number]]
    return span.name, span.kind, _settled(span.attributes), span.status_code, span.status, parent, events


def _settled(attributes: dict[str, Any]) -> dict[str, Any]:
    return {key: "made" if key == "requestId" else value for key, value in attributes.items()}


def _points(sink: Sink) -> list[Any]:
    latest = sink.metrics()["http.server.request.duration"][-1].histogram.data_points
    found = [(sorted((pair.key, str(pair.value)) for pair in point.attributes), point.count) for point in latest]
    return sorted(found)


def record(start: Start, sink: Sink, way: str, app: FastAPI, scopes: list[tuple[Message, list[Message]]]) -> Seen:
    """Serve *scopes* one after the other with *way*."""
    sink.received.clear()
    telemetry = start(app=app, instrumentation=way, excluded_paths=("/health",))

    async def serve() -> None:
        for scope, body in scopes:
            await listen(app, scope, body)

    asyncio.run(serve())
    return _end(telemetry, sink)


def _end(telemetry: Telemetry, sink: Sink) -> Seen:
    assert telemetry.force_flush(30)
    seen = Seen.of(sink)
    telemetry.shutdown()
    return seen


def assert_same(own: Seen, contrib: Seen) -> None:
    """Compare item by item: a difference is found where it is."""
    for ours, theirs in ((own.spans, contrib.spans), (own.logs, contrib.logs), (own.points, contrib.points)):
        for our_item, their_item in zip(ours, theirs, strict=True):
            assert our_item == their_item


PARTS = ("name", "kind", "attributes", "status code", "status", "parent", "events")


def differences(own: Seen, contrib: Seen) -> set[str]:
    """Return the differences as ``place: theirs -> ours``; logs must be equal."""
    assert own.logs == contrib.logs
    found = set()
    for ours, theirs in zip(own.spans, contrib.spans, strict=True):
        flat = [{**dict(zip(PARTS, each, strict=True)), "attributes": "", **each[2]} for each in (ours, theirs)]
        found |= {f"{key}: {theirs} -> {ours}" for key, ours, theirs in _unequal(*flat)}
    ours, theirs = ([item for item in one.points if item not in other.points] for one, other in _both(own, contrib))
    for one, other in zip(ours, theirs, strict=True):
        pairs = _unequal(dict([*one[0], ("count", one[1])]), dict([*other[0], ("count", other[1])]))
        found |= {f"point, {key}: {theirs} -> {ours}" for key, ours, theirs in pairs}
    return found


def _both(own: Seen, contrib: Seen) -> tuple[tuple[Seen, Seen], tuple[Seen, Seen]]:
    return (own, contrib), (contrib, own)


def _unequal(ours: dict[str, Any], theirs: dict[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    for key in {*ours, *theirs}:
        if ours.get(key) != theirs.get(key):
            yield key, _brief(ours.get(key)), _brief(theirs.get(key))


def _brief(value: Any) -> Any:
    return value.split('"')[1] if isinstance(value, str) and value.startswith("string_value") else value


ABANDONED = {
    "error.type: 500 -> ClientDisconnect",
    "http.response.status_code: 500 -> None",
    "status:  -> ClientDisconnect: ",
    "point, error.type: 500 -> ClientDisconnect",
    "point, http.response.status_code: int_value: 500\n -> None",
}
DELIBERATE: dict[str, set[str]] = {
    "no client and no server": {"server.address: 0.0.0.0 -> None", "server.port: 80 -> None"},
    "a client that is a socket": {"server.address: /run/app.sock:None -> /run/app.sock"},
    "a client that goes while it sends": ABANDONED,
    "a handler that is cancelled": {
        "error.type: None -> CancelledError",
        "status code: 0 -> 2",
        "status:  -> CancelledError",
    },
    "a stream that breaks": {"error.type: None -> RuntimeError"},
    "a websocket": {"http.response.status_code: 200 -> 101"},
    "a websocket that nobody serves": {"http.response.status_code: None -> 403"},
}
"""Where we follow the stable conventions, and contrib does not: docs/evidence/upstream.md has the reasons."""


class TestRequests:
    def test_of_an_ordinary_application_are_recorded_the_same(self, start: Start, sink: Sink) -> None:
        body: list[Message] = [{"type": "http.request", "body": b"", "more_body": False}]
        scopes = [(scope, body) for scope in ORDINARY.values()]
        contrib, own = (record(start, sink, way, build_app(), scopes) for way in ("contrib", "own"))

        assert_same(own, contrib)
        assert sum(kind == SERVER for _, kind, *_ in contrib.spans) == len(ORDINARY) - 1
        assert len(contrib.logs) == sum(scope["path"].startswith("/contacts") for scope in ORDINARY.values())

    @for_each("name", HOSTILE)
    def test_that_are_hostile_are_recorded_the_same(self, start: Start, sink: Sink, name: str) -> None:
        body: list[Message] = [{"type": "http.request", "body": b"", "more_body": False}]
        scopes = [HOSTILE[name], (http(), body)]
        contrib, own = (record(start, sink, way, build_hostile_app(), scopes) for way in ("contrib", "own"))

        assert differences(own, contrib) == DELIBERATE.get(name, set())

    def test_a_change_of_any_one_thing_is_noticed(self, start: Start, sink: Sink) -> None:
        body: list[Message] = [{"type": "http.request", "body": b"", "more_body": False}]
        seen = record(start, sink, "contrib", build_app(), [(scope, body) for scope in ORDINARY.values()])

        changes = list(changed_items(seen))
        for signal, changed in changes:
            with pytest.raises(AssertionError):
                assert_same(replace(seen, **{signal: changed}), seen)
        assert len(changes) > 200


def changed_items(seen: Seen) -> Iterator[tuple[str, list[Any]]]:
    """Everything once with one thing changed: a part of an item, an attribute's value, an attribute left out."""
    for signal in ("spans", "logs", "points"):
        items = getattr(seen, signal)
        for number, item in enumerate(items):
            for changed in changed_parts(item):
                yield signal, [*items[:number], changed, *items[number + 1 :]]


def changed_parts(item: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    """Return *item* with each of its parts changed in turn."""
    for place, part in enumerate(item):
        others: list[Any] = ["other"]
        if isinstance(part, dict):
            others += [{**part, key: "other"} for key in part] + [without(part, key) for key in part]
        for other in others:
            yield (*item[:place], other, *item[place + 1 :])


def without(attributes: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in attributes.items() if name != key}


class TestStatements:
    def test_are_recorded_the_same(self, start: Start, sink: Sink) -> None:
        contrib, own = (self._run(start, sink, way) for way in ("contrib", "own"))

        assert [_without_error_type(span) for span in own] == contrib
        assert {span[2]["error.type"] for span in own if span[3] == FAILED} == {"OperationalError", "IntegrityError"}
        assert len(contrib) > 2 * len(STATEMENTS)

    def _run(self, start: Start, sink: Sink, way: str) -> list[Any]:
        sink.received.clear()
        engine = create_engine("sqlite://")
        telemetry = start(engine=engine, instrumentation=way)
        with engine.connect() as connection, telemetry.tracer.start_as_current_span("work"):
            for statement in STATEMENTS.values():
                with suppress(SQLAlchemyError):
                    connection.execute(text(statement), {"id": "c-1"} if ":id" in statement else {})
            rows = [{"id": f"many-{number}"} for number in range(3)]
            connection.execute(text("insert into contact (id) values (:id)"), rows)
            with suppress(ZeroDivisionError), connection.begin_nested():
                connection.execute(text("select count(*) from contact"))
                raise ZeroDivisionError
            connection.commit()
        for statement in STATEMENTS.values():
            with engine.connect() as connection, suppress(SQLAlchemyError):
                connection.exec_driver_sql(statement.replace(":id", "'c-1'"))
        assert telemetry.force_flush(30)
        spans = sink.spans()
        names = {span.span_id: span.name for span in spans}
        telemetry.shutdown()
        engine.dispose()
        return [_shown(span, names) for span in spans]

    def test_of_an_async_engine_are_recorded_the_same(self, start: Start, sink: Sink, tmp_path: Path) -> None:
        contrib, own = (self._run_async(start, sink, way, tmp_path / f"{way}.db") for way in ("contrib", "own"))

        assert [_without_error_type(span) for span in own] == contrib
        assert contrib

    def _run_async(self, start: Start, sink: Sink, way: str, database: Path) -> list[Any]:
        sink.received.clear()

        async def work() -> None:
            async with engine.connect() as connection:
                for statement in STATEMENTS.values():
                    with suppress(SQLAlchemyError):
                        await connection.execute(text(statement), {"id": "c-1"} if ":id" in statement else {})
            await engine.dispose()

        engine = create_async_engine(f"sqlite+aiosqlite:///{database}")
        telemetry = start(engine=engine, instrumentation=way)
        asyncio.run(work())
        assert telemetry.force_flush(30)
        shown = [_shown(span, {}) for span in sink.spans()]
        telemetry.shutdown()
        return [(name, kind, _anywhere(held), *rest) for name, kind, held, *rest in shown]


def _without_error_type(span: Any) -> Any:
    """Contrib does not say what kind of error a statement failed with."""
    name, kind, attributes, *rest = span
    return name, kind, without(attributes, "error.type"), *rest


def _anywhere(attributes: dict[str, Any]) -> dict[str, Any]:
    """Return the text without the file's name, which differs each time."""
    return {key: value for key, value in attributes.items() if key != "db.namespace"}


class TestBackgroundTasks:
    def test_are_traced_by_the_telemetry_that_runs_after_one_that_was_never_undone(
        self, start: Start, sink: Sink, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def work() -> None:
            pass

        call: Any = BackgroundTask.__call__
        monkeypatch.setattr(BackgroundTask, "__call__", getattr(call, "_whatsself_otel_original", call))
        trace_background_tasks(NoOpTracer())
        telemetry = start()
        undo = trace_background_tasks(telemetry.tracer)

        asyncio.run(BackgroundTask(work)())
        undo()
        assert telemetry.force_flush(30)
        assert [span.name for span in sink.spans()] == ["BackgroundTask work"]
