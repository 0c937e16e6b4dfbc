"""
The application that benchmarks/scale_up.py measures: one kind of work, much of it, served without a server.

    python scale_up_app.py SUBJECT statements     200 statements a request
    python scale_up_app.py SUBJECT lines          100 log lines a request
    python scale_up_app.py SUBJECT websocket      10,000 messages on one WebSocket, each answered

It prints the least CPU of several rounds, in microseconds a statement, line or message, exports included.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from typing import TYPE_CHECKING, Any, Final

import fastapi
from overhead_app import build_engine, contacts, logger, scope_of
from overhead_subjects import SUBJECTS
from sqlalchemy import select

if TYPE_CHECKING:
    from overhead_subjects import Running
    from sqlalchemy import Engine

ROUNDS: Final = 5
STATEMENTS: Final = 200
LINES: Final = 100
MESSAGES: Final = 10_000
REQUESTS: Final = {"statements": 10, "lines": 20, "websocket": 1}
EACH: Final = {"statements": STATEMENTS, "lines": LINES, "websocket": MESSAGES}
"""Units of work a request."""


def main() -> None:
    """Measure what the arguments say."""
    subject, what = SUBJECTS[sys.argv[1]], sys.argv[2]
    subject.load()
    subject.patch()
    app, engine = fastapi.FastAPI(), build_engine()
    running = subject.start(app, engine)
    add_routes(app, engine, running)
    least_s = asyncio.run(measure(app, running, what))
    print(least_s / REQUESTS[what] / EACH[what] * 1e6, file=sys.stderr)
    sys.stdout.flush()
    os._exit(0)  # what some do at the end is not what a request costs


def add_routes(app: fastapi.FastAPI, engine: Engine, running: Running) -> None:
    """Give *app* a route for each kind of work."""

    @app.post("/statements")
    def statements() -> dict[str, Any]:
        with running.bind("c-1", "m-1"), engine.begin() as connection:
            for _ in range(STATEMENTS):
                connection.execute(select(contacts.c.flow).where(contacts.c.id == "c-1")).scalar()
        return {}

    @app.post("/lines")
    def lines() -> dict[str, Any]:
        with running.bind("c-1", "m-1"):
            for number in range(LINES):
                logger.info("step %d of the flow is done", number, extra={"kind": "text"})
        return {}

    @app.websocket("/websocket")
    async def websocket(socket: fastapi.WebSocket) -> None:
        await socket.accept()
        async for text in socket.iter_text():
            running.count("text")
            await socket.send_text(text)


async def measure(app: Any, running: Running, what: str) -> float:
    """Return the least CPU seconds of a round."""
    serve = serve_websocket if what == "websocket" else serve_request
    spent_s: list[float] = []
    for _ in range(ROUNDS + 1):
        before_s = time.process_time()
        for _ in range(REQUESTS[what]):
            await serve(app, f"/{what}")
        running.flush()
        spent_s.append(time.process_time() - before_s)
    return min(spent_s[1:])


async def serve_request(app: Any, path: str) -> None:
    """Serve one request of *path*."""

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        if message.get("status", 200) != 200:
            sys.exit(f"answered {message['status']}")

    await app(scope_of(path), receive, send)


async def serve_websocket(app: Any, path: str) -> None:
    """Open a WebSocket, send all messages, and hang up."""
    sent, answered = -1, 0

    async def receive() -> dict[str, Any]:
        nonlocal sent
        sent += 1
        if sent == 0:
            return {"type": "websocket.connect"}
        if sent > MESSAGES:
            return {"type": "websocket.disconnect", "code": 1000}
        return {"type": "websocket.receive", "text": "hello"}

    async def send(message: dict[str, Any]) -> None:
        nonlocal answered
        answered += message["type"] == "websocket.send"

    await app(scope_of(path, type="websocket", scheme="ws", subprotocols=[]), receive, send)
    if answered != MESSAGES:
        sys.exit(f"answered {answered} of {MESSAGES} messages")


if __name__ == "__main__":
    main()
