"""
An application with Logfire and this package, set up in the order that its argument says; prints what each exported.

Logfire's configuration is the process's own, so each order has a process: c configures Logfire, i lets it instrument
FastAPI, o is our own set-up.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from typing import TYPE_CHECKING, Any

import logfire  # type: ignore[import-not-found]  # the test fetches it
from asgi_client import http, listen
from fastapi import FastAPI
from opentelemetry import trace
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from otlp_sink import Sink, run_sink
from sqlalchemy import create_engine, text

from whatsself_otel import Telemetry, TelemetryConfig, message_context, setup_telemetry

if TYPE_CHECKING:
    from collections.abc import Callable

theirs = InMemorySpanExporter()
engine = create_engine("sqlite://")
app = FastAPI()
log = logging.getLogger("shop")
handles: list[Telemetry] = []


@app.get("/contacts/{contact}")
async def show(contact: str) -> str:
    with message_context(contact_id=contact), logfire.span("theirs"):
        with (
            handles[0].tracer.start_as_current_span("ours"),
            logfire.span("theirs below ours"),
            engine.connect() as connection,
        ):
            connection.execute(text("select 1"))
            log.warning("in both")
        with trace.get_tracer("a library").start_as_current_span("of a library"):
            pass
    return contact


def configure() -> None:
    logfire.configure(send_to_logfire=False, console=False, additional_span_processors=[SimpleSpanProcessor(theirs)])


def set_up(sink: Sink) -> None:
    config = TelemetryConfig(endpoint=sink.url, log_to_stdout=False)
    handles.append(setup_telemetry(app, engine, config=config))


def exported_by_logfire() -> list[dict[str, Any]]:
    return [
        {
            "id": f"{span.context.span_id:016x}",
            "parent": f"{span.parent.span_id:016x}" if span.parent else "",
            "trace": f"{span.context.trace_id:032x}",
            "name": span.name,
            "is_server": span.kind is trace.SpanKind.SERVER,
        }
        for span in theirs.get_finished_spans()
        if span.context is not None and (span.attributes or {}).get("logfire.span_type") != "pending_span"
    ]


def exported_by_us(sink: Sink) -> list[dict[str, Any]]:
    return [
        {
            "id": span.span_id,
            "parent": span.parent_id,
            "trace": span.trace_id,
            "name": span.name,
            "is_server": span.kind == 2,
            "requestId": span.attributes.get("requestId"),
            "contactId": span.attributes.get("contactId"),
        }
        for span in sink.spans()
    ]


def main() -> None:
    with run_sink() as sink:
        steps: dict[str, Callable[[], object]] = {
            "c": configure,
            "i": lambda: logfire.instrument_fastapi(app),
            "o": lambda: set_up(sink),
        }
        for step in sys.argv[1]:
            steps[step]()
        answer, _ = asyncio.run(listen(app, http("/contacts/c-1"), []))
        (telemetry,) = handles
        problems = telemetry.health().problems
        telemetry.force_flush(10)
        seen = {
            "ours": exported_by_us(sink),
            "theirs": exported_by_logfire(),
            "logs": [(record.trace_id, record.span_id) for record in sink.logs() if record.scope == "shop"],
            "problems": problems,
            "headers": [name.decode() for name, _ in answer[0]["headers"]],
        }
        telemetry.shutdown()
        theirs.clear()
        asyncio.run(listen(app, http("/gone"), []))
        seen["theirs after our shutdown"] = exported_by_logfire()
    sys.stdout.write(json.dumps(seen))


if __name__ == "__main__":
    main()
