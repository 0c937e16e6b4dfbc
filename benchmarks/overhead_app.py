"""
The application that benchmarks/overhead.py measures: one POST, a transaction of two statements, two log lines, a count.

    python overhead_app.py SUBJECT --port 8000      serve until stopped; --workers 4 by so many processes
    python overhead_app.py SUBJECT --start-only     print what importing and setting up the subject takes, as JSON
    python overhead_app.py SUBJECT --requests 100   serve that many requests without a server, send all, and end

Runs in the subject's own environment, so it imports nothing of this repository but its neighbour.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import resource
import sys
import time
from typing import Any

import fastapi
import sqlalchemy
import uvicorn
from overhead_subjects import SUBJECTS, Running
from pydantic import BaseModel
from sqlalchemy import Column, Engine, Integer, MetaData, String, Table, insert, select
from sqlalchemy.pool import StaticPool

metadata = MetaData()
contacts = Table("contacts", metadata, Column("id", String, primary_key=True), Column("flow", String))
messages = Table("messages", metadata, Column("id", Integer, primary_key=True), Column("contact_id", String))
logger = logging.getLogger("application")


class Message(BaseModel):
    """The body of the webhook's request."""

    contact_id: str
    kind: str


def main() -> None:
    """Serve the application, or print the cost of its start."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("subject", choices=sorted(SUBJECTS))
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--start-only", action="store_true")
    parser.add_argument("--requests", type=int)
    arguments = parser.parse_args()
    subject = SUBJECTS[arguments.subject]
    if arguments.workers > 1:
        os.environ["OVERHEAD_SUBJECT"] = arguments.subject
        serve("overhead_app:make_worker", arguments.port, workers=arguments.workers, factory=True)
        return
    before = time.perf_counter()
    subject.load()
    loaded = time.perf_counter()
    subject.patch()
    patched = time.perf_counter()
    app, engine = fastapi.FastAPI(), build_engine()
    built = time.perf_counter()
    running = subject.start(app, engine)
    setup_s = time.perf_counter() - built + patched - loaded
    if arguments.start_only:
        print(json.dumps({"import_s": loaded - before, "setup_s": setup_s, "rss_bytes": rss_bytes()}))
        return
    add_routes(app, engine, running)
    if arguments.requests:
        asyncio.run(serve_within(app, arguments.requests))
        running.flush()
        sys.stdout.flush()
        os._exit(0)  # what some do at the end is not what a request costs
    serve(Control(app, running.flush), arguments.port)


def serve(app: Any, port: int, **options: Any) -> None:
    """Serve *app* until stopped."""
    uvicorn.run(app, host="127.0.0.1", port=port, access_log=False, log_level="warning", **options)


def make_worker() -> Any:
    """Return the application of one of several workers, which sets its subject up for itself."""
    subject = SUBJECTS[os.environ["OVERHEAD_SUBJECT"]]
    subject.load()
    subject.patch()
    app, engine = fastapi.FastAPI(), build_engine()
    running = subject.start(app, engine)
    add_routes(app, engine, running)
    return Control(app, running.flush)


def build_engine() -> Engine:
    """Return a database in memory with one contact: its own cost is small and steady."""
    engine = sqlalchemy.create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})
    metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(insert(contacts).values(id="c-1", flow="welcome"))
    return engine


def add_routes(app: fastapi.FastAPI, engine: Engine, running: Running) -> None:
    """Give *app* its one route."""

    @app.post("/messages/{message_id}")
    async def receive(message_id: str, message: Message) -> dict[str, Any]:
        with running.bind(message.contact_id, message_id):
            logger.info("message received", extra={"kind": message.kind})
            with engine.begin() as connection:
                connection.execute(insert(messages).values(contact_id=message.contact_id))
                flow = connection.execute(select(contacts.c.flow).where(contacts.c.id == message.contact_id)).scalar()
            running.count(message.kind)
            logger.info("message stored in flow %s", flow, extra={"kind": message.kind})
        return {"id": message_id, "flow": flow}


async def serve_within(app: Any, count: int) -> None:
    """Serve *count* requests in this process, one after the other."""
    body = json.dumps({"contact_id": "c-1", "kind": "text"}).encode()
    headers = [
        (b"host", b"127.0.0.1:8000"),
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
    ]

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        if message.get("status", 200) != 200:
            sys.exit(f"answered {message['status']}")

    for number in range(count):
        await app(scope_of(f"/messages/m-{number}", headers=headers), receive, send)


def scope_of(path: str, **changes: Any) -> dict[str, Any]:
    """Return the scope in which a server describes a POST to *path*, with *changes*."""
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"127.0.0.1:8000")],
        "server": ("127.0.0.1", 8000),
        "client": ("127.0.0.1", 51234),
        "state": {},
        **changes,
    }


class Control:
    """
    Answers the benchmark's own questions before anything of the subject sees them.

    Args:
        app: The application.
        flush: Sends what the subject still holds.
    """

    def __init__(self, app: Any, flush: Any) -> None:
        self._app = app
        self._flush = flush

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one request."""
        if scope["type"] != "http" or not scope["path"].startswith("/_"):
            await self._app(scope, receive, send)
            return
        if scope["path"] == "/_flush":
            self._flush()
        body = json.dumps({"cpu_ns": time.process_time_ns(), "rss_bytes": rss_bytes()}).encode()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
        await send({"type": "http.response.body", "body": body})


def rss_bytes() -> int:
    """Return the memory this process holds now, or where the system does not say, at most held."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123 - nothing may be imported before the start
            return int(file.read().split()[1]) * resource.getpagesize()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    main()
