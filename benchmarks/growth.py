"""
What telemetry adds as an application grows: routes, contacts, requests at once, threads, length of texts.

    python benchmarks/growth.py             print the table
    python benchmarks/growth.py --write     write it to benchmarks/results/growth.md too

CPU of the whole process, exports to a receiver of another process included; the least of several rounds that take
turns, for what disturbs a round only makes it longer. Added is against the same application without telemetry.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from fastapi import FastAPI
from opentelemetry.sdk.trace import TracerProvider
from tables import circumstances, show

from whatsself_otel import Masker, Telemetry, TelemetryConfig, message_context, setup_telemetry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROUNDS: Final = 5
REQUESTS: Final = 200
RESULT: Final = Path(__file__).parent / "results" / "growth.md"
_LOG: Final = logging.getLogger("growth")
_SENTENCE: Final = "the customer wrote from +55 11 98765-4321 about order 4711 and would like it by Friday, as said. "
_RECEIVER: Final = """
import http.server
class Receiver(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-type", "application/x-protobuf")
        self.send_header("content-length", "0")
        self.end_headers()
    def log_message(self, *_):
        pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
print(server.server_port, flush=True)
server.serve_forever()
"""
_REPORT: Final = """\
# What telemetry adds as an application grows

{date}, {machine}, load {load} at the end; least CPU of {rounds} rounds. Flat is a ratio near 1.
Written by `python benchmarks/growth.py --write`.

| what grows | to | µs added | ratio to the first | unit |
|---|---|---|---|---|
{rows}

Requests: one span, one log line, one count, one duration. Machines that were not measured:
[what was not run](../../docs/evidence/unproven.md).
"""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One measured size."""

    grows: str
    size: int
    added_us: float
    unit: str


def main() -> None:
    """Measure and print."""
    show(__doc__, RESULT, measure)


def measure() -> str:
    """Return the table of every size."""
    with receiver() as endpoint, open(os.devnull, "w", encoding="utf-8") as nowhere:  # noqa: PTH123 - it is no path
        config = TelemetryConfig(endpoint=endpoint, log_format="json")
        rows: list[Row] = []
        with contextlib.redirect_stdout(nowhere):  # log lines are written, and read by nobody
            for row in chain(texts(), threads(config), contacts(config), requests_at_once(config), routes(config)):
                print(f"{row.grows}: {row.size:,}: {row.added_us:.1f} us", file=sys.stderr, flush=True)
                rows.append(row)
    return report(rows)


@contextlib.contextmanager
def receiver() -> Iterator[str]:
    """Run a receiver in a separate process, so that its CPU time does not count."""
    with subprocess.Popen([sys.executable, "-c", _RECEIVER], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout  # noqa: S101 - it was asked for
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.terminate()


def routes(config: TelemetryConfig) -> Iterator[Row]:
    """Ask for the first of many routes, because FastAPI's own search of all routes would hide the added cost."""
    for size in (1, 100, 10_000):
        yield Row(grows="routes", size=size, added_us=added(config, size, contact_ids=1), unit="request")


def contacts(config: TelemetryConfig) -> Iterator[Row]:
    """Each request is another contact's, of so many."""
    for size in (1, 100, 10_000):
        yield Row(grows="contacts", size=size, added_us=added(config, 1, contact_ids=size), unit="request")


def requests_at_once(config: TelemetryConfig) -> Iterator[Row]:
    """So many requests are open when each goes on."""
    for size in (1, 100, 10_000):
        cost_us = added(config, 1, contact_ids=1, at_once=size)
        yield Row(grows="requests at once", size=size, added_us=cost_us, unit="request")


def added(config: TelemetryConfig, size: int, *, contact_ids: int, at_once: int = 1) -> float:
    """Return the µs that telemetry adds to a request of an application with *size* routes."""
    bare = build_app(size, None, contact_ids)
    watched_app = FastAPI()
    telemetry = setup_telemetry(watched_app, config=config)
    watched = build_app(size, telemetry, contact_ids, watched_app)
    requests = max(REQUESTS, at_once)
    spent: dict[int, list[float]] = {0: [], 1: []}
    try:
        for _ in range(ROUNDS):
            spent[0].append(cpu_us(lambda: asyncio.run(ask(bare, requests, at_once)), requests))
            both = ask_and_send(watched, requests, at_once, telemetry)
            spent[1].append(cpu_us(lambda: asyncio.run(both), requests))  # noqa: B023 - called here
    finally:
        telemetry.shutdown()
    return min(spent[1]) - min(spent[0])


def build_app(size: int, telemetry: Telemetry | None, contact_ids: int, app: FastAPI | None = None) -> FastAPI:
    """Return an application with *size* routes that does the same work with and without telemetry."""
    app = app or FastAPI(openapi_url=None)
    turn = iter(range(sys.maxsize))

    async def receive(message_id: str) -> str:
        if telemetry is None:
            await asyncio.sleep(0)
            return message_id
        contact_id = f"c-{next(turn) % contact_ids}"
        with message_context(contact_id=contact_id, message_id=message_id):
            await asyncio.sleep(0)
            _LOG.info("message received")
            telemetry.metrics.message_inbound(kind="text", contact_id=contact_id)
        return message_id

    for number in range(size):
        app.add_api_route(f"/{number}/{{message_id}}", receive)
    return app


async def ask(app: Any, requests: int, at_once: int) -> None:
    """Send *requests*, *at_once* of them open together."""
    for begin in range(0, requests, at_once):
        now = min(at_once, requests - begin)
        await asyncio.gather(*[app(scope_of("/0/m"), nothing_more, ignore) for _ in range(now)])


async def ask_and_send(app: Any, requests: int, at_once: int, telemetry: Telemetry) -> None:
    """Do the same as `ask`, and export the records too."""
    await ask(app, requests, at_once)
    telemetry.force_flush(30)


def scope_of(path: str) -> dict[str, Any]:
    """Return the scope in which a server describes a request for *path*."""
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"127.0.0.1:8000"), (b"user-agent", b"benchmark")],
        "server": ("127.0.0.1", 8000),
        "client": ("127.0.0.1", 50_000),
        "state": {},
        "fastapi.telemetry": None,  # FastAPI's own telemetry leaves a request alone that has this: bare is to be bare
    }


async def nothing_more() -> dict[str, Any]:
    """Receive the end of a request without a body."""
    return {"type": "http.request", "body": b"", "more_body": False}


async def ignore(message: Any) -> None:
    """Ignore the application's message."""
    del message


def threads(config: TelemetryConfig) -> Iterator[Row]:
    """So many threads make spans and log lines together; the SDK's span and logging's line do so beside it."""
    yield from in_growing_threads("threads, the SDK and logging alone", *alone())
    telemetry = setup_telemetry(config=config)
    try:
        yield from in_growing_threads("threads", telemetry.tracer, _LOG, lambda: telemetry.force_flush(30))
    finally:
        telemetry.shutdown()


def alone() -> tuple[Any, logging.Logger, Callable[[], object]]:
    """Return what makes spans and lines without us."""
    logger = logging.getLogger("alone")
    logger.propagate = False
    logger.setLevel("INFO")
    logger.addHandler(logging.StreamHandler(sys.stdout))
    return TracerProvider(shutdown_on_exit=False).get_tracer("alone"), logger, lambda: None


def in_growing_threads(grows: str, tracer: Any, logger: logging.Logger, finish: Callable[[], object]) -> Iterator[Row]:
    """Measure a span with a log line in more and more threads."""
    for size in (1, 4, 16):
        each = 4_000 // size
        spent = [cpu_us(lambda: in_threads(size, each, tracer, logger, finish), size * each) for _ in range(ROUNDS)]  # noqa: B023 - called here
        yield Row(grows=grows, size=size, added_us=min(spent), unit="span with a log line")


def in_threads(size: int, each: int, tracer: Any, logger: logging.Logger, finish: Callable[[], object]) -> None:
    """Record *each* spans in *size* threads, and export them."""

    def work() -> None:
        for _ in range(each):
            with tracer.start_as_current_span("work"):
                logger.info("message received")

    running = [threading.Thread(target=work) for _ in range(size)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    finish()


def texts() -> Iterator[Row]:
    """Texts of a person's length and longer, each with one phone in 100 characters."""
    masker = Masker()
    for size in (100, 1_000, 10_000, 100_000):
        text = (_SENTENCE * (1 + size // len(_SENTENCE)))[:size]
        times = max(1, 20_000 // size)
        spent = [cpu_us(lambda: [masker.text(text) for _ in range(times)], times * size // 100) for _ in range(ROUNDS)]  # noqa: B023 - called here
        yield Row(grows="characters of a text", size=size, added_us=min(spent), unit="100 characters")


def cpu_us(work: Callable[[], object], times: int) -> float:
    """Return the CPU that *work* took, divided by *times*."""
    before = time.process_time()
    work()
    return (time.process_time() - before) / times * 1e6


def report(rows: list[Row]) -> str:
    """Return the table."""
    first: dict[str, float] = {}
    for row in rows:
        first.setdefault(row.grows, row.added_us)
    return _REPORT.format(
        **circumstances(),
        rounds=ROUNDS,
        rows="\n".join(
            f"| {row.grows} | {row.size:,} | {row.added_us:.1f} | {row.added_us / first[row.grows]:.2f} | {row.unit} |"
            for row in rows
        ),
    )


if __name__ == "__main__":
    main()
