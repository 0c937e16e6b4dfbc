"""The demo application answers every request the same with and without telemetry."""

from __future__ import annotations

import asyncio
import copy
import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import pytest
import requests
from asgi_client import OURS, Answer, Message, http, listen, talk
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from whatsself_otel import Telemetry, TelemetryConfig
from whatsself_otel.demo import app as demo
from whatsself_otel.demo import identifiers, routes
from whatsself_otel.demo.database import create_schema
from whatsself_otel.demo.models import Contact
from whatsself_otel.demo.models import Message as MessageRow
from whatsself_otel.demo.services import Services
from whatsself_otel.demo.settings import DemoSettings

if TYPE_CHECKING:
    from schemathesis import Case

CONTACT_ID, MESSAGE_ID = "contact-1", "message-1"
"""Ids that both applications know from the start; a random id would belong to no record."""
KNOWN = {
    "Contact Id": [CONTACT_ID],
    "Contactids": [[CONTACT_ID], [CONTACT_ID, "nobody"]],
    "Message Id": [MESSAGE_ID],
    "Body": ["precos", "pedido", "tour", "sair"],
}
"""By the title of a field: these or whatever its own rules allow."""
Operation = Any  # schemathesis' own class for it has four type parameters
PATIENCE = settings(
    derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)


class SameIds(random.Random):
    """Stands in for `secrets` in the demo, which else gives each application other ids."""

    def token_hex(self, nbytes: int) -> str:
        return self.randbytes(nbytes).hex()


@dataclass
class Pair:
    """The demo without telemetry and the demo with it, kept in the same state by the same requests."""

    plain: FastAPI
    instrumented: FastAPI
    runner: asyncio.Runner
    ids: SameIds
    asked: int = 0
    statuses: Counter[int] = field(default_factory=Counter)

    def ask(self, scope: Message, body: list[Message]) -> tuple[Answer, Answer]:
        """Return the answers of both."""
        self.asked += 1
        plain, instrumented = (self._ask(app, scope, body) for app in (self.plain, self.instrumented))
        self.statuses.update(message["status"] for message in plain[0] if "status" in message)
        return plain, instrumented

    def _ask(self, app: FastAPI, scope: Message, body: list[Message]) -> Answer:
        self.ids.seed(self.asked)
        return self.runner.run(talk(app, scope, body))


@pytest.fixture(params=["contrib", "own"])
def pair(
    request: pytest.FixtureRequest,
    start: Callable[..., Telemetry],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Iterator[Pair]:
    monkeypatch.setattr(identifiers, "secrets", ids := SameIds())
    # The one value in an answer that comes from telemetry, on purpose: the demo shows what `current_attributes` has.
    monkeypatch.setattr(routes, "_request_id", lambda: "request-1")
    with asyncio.Runner() as runner:
        plain = _build(monkeypatch, tmp_path / "plain.db", _no_telemetry)
        instrumented = _build(monkeypatch, tmp_path / "ours.db", partial(start, instrumentation=request.param))
        apps = (plain, instrumented)
        for app in apps:
            runner.run(_fill(app.state.services))
        yield Pair(plain, instrumented, runner, ids)
        for app in apps:
            runner.run(app.state.services.engine.dispose())


def _no_telemetry(**_: object) -> Telemetry:
    return Telemetry(TelemetryConfig(enabled=False))


def _build(monkeypatch: pytest.MonkeyPatch, database: Path, setup: Callable[..., Telemetry]) -> FastAPI:
    monkeypatch.setattr(demo, "setup_telemetry", setup)
    # A session that comes back by itself would do so for one application before the other.
    url = f"sqlite:///{database.as_posix()}"
    return demo.create_app(DemoSettings(database_url=url, faults=True, reconnect_s=1e6))


async def _fill(services: Services) -> None:
    """Do the lifespan's work without the background tasks, which change the state at random times."""
    await create_schema(services.sessions)
    await services.session.refresh()
    async with services.sessions.begin() as session:
        session.add(Contact(id=CONTACT_ID, phone="+5511900000001"))
        await session.flush()
        received = {"direction": "inbound", "status": "received", "created_at": 0.0}
        session.add(MessageRow(id=MESSAGE_ID, contact_id=CONTACT_ID, **received))


def operations(app: FastAPI) -> list[Operation]:
    """Return the operations of *app*'s OpenAPI description, with known ids and texts in half of the calls."""
    import schemathesis  # takes seconds: a run of other tests does not pay for it

    description = schemathesis.openapi.from_dict(_offer_known(copy.deepcopy(app.openapi())))
    return [description[path][method] for path in description for method in description[path]]


def _offer_known(part: Any) -> Any:
    if isinstance(part, list):
        return [_offer_known(each) for each in part]
    if not isinstance(part, dict):
        return part
    return {
        key: {"anyOf": [{"enum": KNOWN[value["title"]]}, value]} if _title(value) in KNOWN else _offer_known(value)
        for key, value in part.items()
    }


def _title(part: Any) -> Any:
    return part.get("title") if isinstance(part, dict) else None


def requests_to(operation: Operation) -> st.SearchStrategy[Case[Any]]:
    """Return requests that the description allows, and such that it forbids."""
    from schemathesis import GenerationMode

    return st.one_of([operation.as_strategy(generation_mode=mode) for mode in GenerationMode])


def as_scope(case: Case[Any]) -> tuple[Message, list[Message]]:
    """Return *case* as a server hands it to the application."""
    sent = requests.Request(**case.as_transport_kwargs(base_url="http://shop")).prepare()
    address = urlsplit(str(sent.url))
    headers = [(name.lower().encode("latin-1"), _bytes(value)) for name, value in sent.headers.items()]
    scope = http(
        unquote(address.path),
        method=sent.method,
        raw_path=address.path.encode(),
        query_string=address.query.encode(),
        headers=[(b"host", b"shop"), *headers],
    )
    return scope, [{"type": "http.request", "body": _bytes(sent.body or b""), "more_body": False}]


def _bytes(value: object) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode("utf-8")


class TestDescribedRequests:
    def test_are_answered_the_same(self, pair: Pair) -> None:
        offered = operations(pair.plain)
        met: set[str] = set()

        @settings(PATIENCE, max_examples=120)
        @given(st.one_of([requests_to(operation) for operation in offered]))
        def ask(case: Case[Any]) -> None:
            met.add(case.operation.label)
            plain, instrumented = pair.ask(*as_scope(case))
            assert instrumented == plain

        ask()
        assert met == {operation.label for operation in offered}
        assert {200, 202, 404, 422, 500} <= set(pair.statuses)


PATHS = [b"/health", b"/webhook/messages", b"/api/send", b"/api/messages/message-1", b"/openapi.json", b"/docs", b""]
HEADER_NAMES = [b"host", b"content-type", b"content-length", b"transfer-encoding", b"expect", b"x-forwarded-for"]
TRACE_NAMES = [b"traceparent", b"tracestate", b"baggage", b"x-request-id", b"user-agent"]
METHODS = ["GET", "POST", "HEAD", "OPTIONS", "PUT", "TRACE", "CONNECT", "_OTHER", "", "get"]
paths = st.builds(bytes.__add__, st.sampled_from(PATHS), st.one_of(st.just(b""), st.binary(max_size=30)))
header = st.tuples(
    st.one_of(st.sampled_from(HEADER_NAMES + TRACE_NAMES), st.binary(max_size=20)), st.binary(max_size=100)
)
address = st.one_of(st.none(), st.tuples(st.text(max_size=20), st.one_of(st.none(), st.integers(-1, 99_999))))
raw_scopes = st.builds(
    lambda path, **changes: http(path.decode("utf-8", "surrogateescape"), raw_path=path, **changes),
    path=paths,
    method=st.one_of(st.sampled_from(METHODS), st.text(max_size=10)),
    query_string=st.binary(max_size=50),
    headers=st.lists(header, max_size=5),
    client=address,
    server=address,
    root_path=st.sampled_from(["", "/", "/proxy", "/health", "\udcff"]),
    scheme=st.sampled_from(["http", "https", "", "\udcff"]),
    http_version=st.sampled_from(["1.0", "1.1", "2", "", "x"]),
)
chunks = st.builds(
    lambda body, more: {"type": "http.request", "body": body, "more_body": more}, st.binary(), st.booleans()
)


class TestRawRequests:
    def test_are_answered_the_same(self, pair: Pair) -> None:
        @settings(PATIENCE, max_examples=120)
        @given(raw_scopes, st.lists(chunks, max_size=3))
        def ask(scope: Message, body: list[Message]) -> None:
            plain, instrumented = pair.ask(scope, body)
            assert instrumented == plain

        ask()
        assert {200, 404, 405} <= set(pair.statuses)


class TestPair:
    def test_one_is_instrumented_and_one_is_not(self, pair: Pair) -> None:
        asked = http("/api/messages/message-1")
        plain, instrumented = (
            {name for message in pair.runner.run(listen(app, asked, []))[0] for name, _ in message.get("headers", ())}
            for app in (pair.plain, pair.instrumented)
        )

        assert plain.isdisjoint(OURS)
        assert instrumented - plain == OURS
