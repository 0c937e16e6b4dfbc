"""
The application that benchmarks/request_parts.py counts, served without a server, under callgrind.

    python request_parts_app.py SUBJECT REQUESTS FIRST

It serves requests with the first parts only, then with one more, until all are there; FIRST is where it begins.
Callgrind writes its counts whenever ``getloadavg`` is called, which nothing else here does.
"""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import fastapi
from overhead_app import Message, build_engine, contacts, logger, messages, serve_within
from overhead_subjects import SUBJECTS
from sqlalchemy import insert, select

if TYPE_CHECKING:
    from overhead_subjects import Running
    from sqlalchemy import Engine

PARTS = ("ids", "two statements", "a count", "two log records")
WARM_UP = 60


def main() -> None:
    """Serve as the arguments say."""
    subject, requests, first = SUBJECTS[sys.argv[1]], int(sys.argv[2]), int(sys.argv[3])
    subject.load()
    subject.patch()
    app, engine = fastapi.FastAPI(), build_engine()
    running = subject.start(app, engine)
    wanted = {*PARTS}
    add_route(app, engine, running, wanted)
    asyncio.run(serve_parts(app, running, wanted, requests, first))
    sys.stdout.flush()
    os._exit(0)  # the end is not what a request costs


def add_route(app: fastapi.FastAPI, engine: Engine, running: Running, wanted: set[str]) -> None:
    """Give *app* the route of overhead_app.py, which does only the *wanted* parts."""

    @app.post("/messages/{message_id}")
    async def receive(message_id: str, message: Message) -> dict[str, Any]:
        if "ids" not in wanted:
            return answer(message_id, message)
        with running.bind(message.contact_id, message_id):
            return answer(message_id, message)

    def answer(message_id: str, message: Message) -> dict[str, Any]:
        flow: Any = "welcome"
        if "two log records" in wanted:
            logger.info("message received", extra={"kind": message.kind})
        if "two statements" in wanted:
            with engine.begin() as connection:
                connection.execute(insert(messages).values(contact_id=message.contact_id))
                flow = connection.execute(select(contacts.c.flow).where(contacts.c.id == message.contact_id)).scalar()
        if "a count" in wanted:
            running.count(message.kind)
        if "two log records" in wanted:
            logger.info("message stored in flow %s", flow, extra={"kind": message.kind})
        return {"id": message_id, "flow": flow}


async def serve_parts(app: Any, running: Running, wanted: set[str], requests: int, first: int) -> None:
    """Serve *requests* requests with each beginning of the parts, and send what they recorded."""
    await serve_within(app, WARM_UP)
    running.flush()
    gc.collect()
    gc.disable()  # when it runs depends on all that was made before, and would hide a small change
    count_from_now_on()
    for number in range(first, len(PARTS) + 1):
        wanted.clear()
        wanted.update(PARTS[:number])
        await serve_within(app, WARM_UP // 3)
        running.flush()
        os.getloadavg()
        await serve_within(app, requests)
        os.getloadavg()
        running.flush()
        os.getloadavg()
        running.flush()  # now only metrics leave
        os.getloadavg()


def count_from_now_on() -> None:
    """Let callgrind count: until here it only ran."""
    with subprocess.Popen(["callgrind_control", "--instr=on", str(os.getpid())], stdout=subprocess.DEVNULL) as control:
        while control.poll() is None:  # callgrind hears it only while this process runs
            pass


if __name__ == "__main__":
    main()
