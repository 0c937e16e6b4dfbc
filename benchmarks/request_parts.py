"""
The time of each part of our request path, beside the SDK's minimum for the same work.

    python benchmarks/request_parts.py             print the table
    python benchmarks/request_parts.py --write     write it to benchmarks/results/request_parts.md too

A part is run many times in one thread; the least of several rounds counts, for what disturbs a round only makes it
longer. Only that thread's CPU is counted; what is sent meanwhile goes to a receiver in a process of its own.
"""

from __future__ import annotations

import asyncio
import io
import logging
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from fastapi import FastAPI
from growth import ignore, nothing_more, receiver, scope_of
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.pool import StaticPool
from tables import circumstances, show

from whatsself_otel import Masker, Telemetry, TelemetryConfig, message_context, setup_telemetry
from whatsself_otel.export.encoding import Encoder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROUNDS: Final = 9
CALLS: Final = 2_000
RESULT: Final = Path(__file__).parent / "results" / "request_parts.md"
_REPORT: Final = """\
# Where the microseconds go

{date}, {machine}, load {load} at the end; least of {rounds} rounds of {calls} calls.
Written by `python benchmarks/request_parts.py --write`.

| part | µs |
|---|---|
{rows}

Machines that were not measured: [what was not run](../../docs/evidence/unproven.md).
"""


@dataclass(frozen=True, kw_only=True)
class Part:
    """One part of the path."""

    name: str
    us: float


def main() -> None:
    """Measure and print."""
    show(__doc__, RESULT, measure)


def measure() -> str:
    """Return the table of every part."""
    parts = [*the_sdk_alone(), *logging_alone(), *without_us()]
    with receiver() as endpoint:
        app, engine = FastAPI(), build_engine()
        telemetry = setup_telemetry(app, engine, config=TelemetryConfig(endpoint=endpoint, log_to_stdout=False))
        try:
            parts += ours(telemetry, app, engine)
        finally:
            telemetry.shutdown()
    return report(parts)


def the_sdk_alone() -> Iterator[Part]:
    """The floor: the bare objects, without a processor, an exporter or masking."""
    tracer = TracerProvider(shutdown_on_exit=False).get_tracer("parts")
    yield part("the SDK's span, started and ended", lambda: tracer.start_span("work").end())
    meter = MeterProvider([InMemoryMetricReader()], shutdown_on_exit=False).get_meter("parts")
    counter, histogram = meter.create_counter("counted"), meter.create_histogram("measured")
    yield part("the SDK's counter", lambda: counter.add(1, {"kind": "text"}))
    yield part("the SDK's histogram", lambda: histogram.record(0.1, {"kind": "text"}))
    span: Any = tracer.start_span("UPDATE contact", attributes=_ATTRIBUTES)
    span.end()
    ended: ReadableSpan = span._readable_span()  # noqa: SLF001 - what processors are given
    encoder = Encoder(Masker())
    yield part("our encoder: a span of 8 attributes, masked", lambda: encoder.span(ended))


def logging_alone() -> Iterator[Part]:
    """A log line as logging's own handler writes it."""
    logger = logging.getLogger("plain")
    logger.propagate = False
    logger.addHandler(logging.StreamHandler(io.StringIO()))
    logger.setLevel("INFO")
    yield part("logging's own line", lambda: logger.info("message stored in flow %s", "welcome"))


def without_us() -> Iterator[Part]:
    """A statement and a request before any telemetry runs: FastAPI's own would begin with the first provider."""
    engine = build_engine()
    with engine.connect() as connection:
        yield part("a statement without telemetry", lambda: connection.execute(_STATEMENT, _VALUES).scalar())
    app = FastAPI()
    app.add_api_route("/messages/{message_id}", answer)
    yield request("a request without telemetry", app)


def build_engine() -> Engine:
    """Return a database in memory."""
    return create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})


def ours(telemetry: Telemetry, app: FastAPI, engine: Any) -> Iterator[Part]:
    """What we do, encoding and queueing included."""
    tracer, metrics, logger = telemetry.tracer, telemetry.metrics, logging.getLogger("shop")
    with message_context(contact_id="c-1", message_id="m-1"):
        yield part("our span, to the queue", lambda: tracer.start_span("work").end())
        yield part("our log line, exported only", lambda: logger.info("message stored in flow %s", "welcome"))
        with engine.connect() as connection:
            yield part("a statement with its span", lambda: connection.execute(_STATEMENT, _VALUES).scalar())
        yield part("`message_inbound`", lambda: metrics.message_inbound(kind="text", contact_id="c-1"))
    yield part("`message_context`", bind)
    app.add_api_route("/messages/{message_id}", answer)
    yield request("a request with its span and duration", app)


def bind() -> None:
    """Enter and leave a context."""
    with message_context(contact_id="c-1", message_id="m-1"):
        pass


async def answer(message_id: str) -> str:
    """Answer with the least of work."""
    return message_id


def request(name: str, app: Any) -> Part:
    """Measure a request for *app* between the server and the application, and return its cost."""

    async def ask() -> float:
        for _ in range(CALLS // 10):
            await app(scope_of("/messages/m-1"), nothing_more, ignore)
        begin = time.thread_time()
        for _ in range(CALLS // 10):
            await app(scope_of("/messages/m-1"), nothing_more, ignore)
        return (time.thread_time() - begin) / (CALLS // 10)

    return Part(name=name, us=min(asyncio.run(ask()) for _ in range(ROUNDS)) * 1e6)


def part(name: str, work: Callable[[], object]) -> Part:
    """Return what *work* takes."""
    rounds = []
    for _ in range(ROUNDS):
        begin = time.thread_time()
        for _ in range(CALLS):
            work()
        rounds.append((time.thread_time() - begin) / CALLS)
    return Part(name=name, us=min(rounds) * 1e6)


_STATEMENT: Final = text("select :contact_id")
_VALUES: Final = {"contact_id": "c-1"}
_ATTRIBUTES: Final[dict[str, Any]] = {
    "db.system.name": "postgresql",
    "db.namespace": "shop",
    "db.operation.name": "UPDATE",
    "db.query.text": "UPDATE contact SET flow = ? WHERE id = ?",
    "server.address": "db",
    "server.port": 5432,
    "contactId": "c-1",
    "messageId": "m-1",
}


def report(parts: list[Part]) -> str:
    """Return the table."""
    return _REPORT.format(
        **circumstances(),
        rounds=ROUNDS,
        calls=CALLS,
        rows="\n".join(f"| {each.name} | {each.us:.1f} |" for each in parts),
    )


if __name__ == "__main__":
    main()
