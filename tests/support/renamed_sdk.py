"""
An application on copies of OpenTelemetry in which one private name is another: what `_sdk.py` uses may be renamed.

    python renamed_sdk.py RECEIVER NAME=WAY+WAY ...     prints what became of each, one JSON object a line

Each name gets a process that has not imported OpenTelemetry before, forked from one that has imported the rest.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import sys
import tempfile
import traceback
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pydantic.main  # noqa: F401 - once for all; not FastAPI, which imports OpenTelemetry
import starlette.applications  # noqa: F401 - as above
from asgi_client import http, listen
from sqlalchemy import create_engine, text
from sqlalchemy.pool import StaticPool

SUFFIX = "_of_a_new_release"


def copy_with(name: str, to: Path) -> Path:
    """Copy OpenTelemetry, *name* being another: files without it are linked, with what Python compiled of them."""
    word = re.compile(rf"\b{name}\b")
    for source in _files():
        relative = source[1].relative_to(source[0])
        target = to / "opentelemetry" / Path(*(re.sub(word, name + SUFFIX, part) for part in relative.parts))
        target.parent.mkdir(parents=True, exist_ok=True)
        written = word.sub(name + SUFFIX, source[1].read_text()) if source[1].suffix == ".py" else ""
        if written and word.search(source[1].read_text()):
            target.write_text(written)
        elif not (source[1].suffix == ".pyc" and word.search(_source_of(source[1]))):
            target.symlink_to(source[1])
    return to


def _files() -> Iterator[tuple[Path, Path]]:
    roots = find_spec("opentelemetry").submodule_search_locations or ()  # type: ignore[union-attr]
    for root in map(Path, roots):
        yield from ((root, file) for file in root.rglob("*") if file.is_file())


def _source_of(compiled: Path) -> str:
    source = compiled.parent.parent / f"{compiled.name.split('.')[0]}.py"
    return source.read_text() if source.exists() else ""


def serve(receiver: str, service: str, way: str) -> dict[str, Any]:
    """Set telemetry up, serve one request with a statement, a line and a count, and end."""
    from fastapi import FastAPI

    from whatsself_otel import TelemetryConfig, message_context, setup_telemetry

    app = FastAPI()
    engine = create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})
    config = TelemetryConfig(endpoint=receiver, service_name=service, instrumentation=way, log_to_stdout=False)
    telemetry = setup_telemetry(app, engine, config=config)

    @app.post("/messages/{kind}")
    async def receive(kind: str) -> dict[str, int]:
        with message_context(contact_id="c-1"), telemetry.tracer.start_as_current_span("own work"):
            logging.getLogger("shop").info("message received", extra={"kind": kind})
            telemetry.metrics.message_inbound(kind=kind, contact_id="c-1")
            with engine.connect() as connection:
                return {"one": connection.execute(text("select 1")).scalar_one()}

    answers, _ = asyncio.run(
        listen(app, http("/messages/text", method="POST"), [{"type": "http.request", "body": b""}])
    )
    is_whole = telemetry.force_flush(20)
    health = telemetry.health()
    telemetry.shutdown()
    return {
        "way": way,
        "status": [answer["status"] for answer in answers if answer["type"] == "http.response.start"],
        "flushed": is_whole,
        "ok": health.ok,
        "problems": health.problems,
    }


def run(receiver: str, name: str, ways: str) -> list[dict[str, Any]]:
    """Run the application by each of the *ways* to instrument it, in a copy without *name*."""
    with tempfile.TemporaryDirectory() as directory:
        # A namespace package is all the folders of its name: only this one may be seen.
        import_module("opentelemetry").__path__ = [str(copy_with(name, Path(directory)) / "opentelemetry")]
        return [serve(receiver, f"{name} {way}", way) for way in ways.split("+")]


def main() -> None:
    """Run the application once for each name."""
    assert not any(module.startswith("opentelemetry") for module in sys.modules), "OpenTelemetry is imported already"
    receiver, *tasks = sys.argv[1:]
    for name, _, ways in (task.partition("=") for task in tasks):
        child = os.fork()
        if child == 0:
            try:
                report: Any = run(receiver, name, ways)
            except BaseException:  # noqa: BLE001 - the test shows it
                report = traceback.format_exc()
            sys.stdout.write(json.dumps({"name": name, "report": report}) + "\n")
            sys.stdout.flush()
            os._exit(0)
        os.waitpid(child, 0)


if __name__ == "__main__":
    main()
