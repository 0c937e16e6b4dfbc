"""
An application that does everything that a standard variable may change, and reports the effects.

    python environment_probe.py ARGUMENTS REPORT

Args:
    ARGUMENTS: Arguments of `TelemetryConfig`, as JSON.
    REPORT: File that gets the report, as JSON.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from whatsself_otel import Telemetry, TelemetryConfig, setup_telemetry
from whatsself_otel.export.exporters import target_of

if TYPE_CHECKING:
    from fastapi import FastAPI  # which imports OpenTelemetry: a wrong variable stops it where it is imported first

PHONE = "+5511987654321"
LONG = f"call {PHONE} and ask for the order"
SIX = {f"attribute.{number}": LONG for number in range(6)}
BURST = 30


def main() -> None:
    """Run the application."""
    arguments, report = json.loads(sys.argv[1]), Path(sys.argv[2])
    config = TelemetryConfig(**arguments)
    app = build_app()
    telemetry = setup_telemetry(app, config=config)
    problems = telemetry.health().problems
    begun_s = time.monotonic()
    outgoing = asyncio.run(call(app))
    exercise(telemetry)
    waited = wait_for_exports(telemetry, begun_s, is_quick=config.metric_interval_s < 1)
    health = telemetry.health()
    telemetry.shutdown()
    shown = {
        "problems": problems,
        "limits": {signal: status.get("queue_limit") for signal, status in health.signals.items()},
        "targets": {signal: config.target(signal) for signal in ("traces", "metrics", "logs")},
        "timeouts": {signal: target_of(config, signal).timeout_s for signal in ("traces", "metrics", "logs")},
        "outgoing": outgoing,
        "context": type(_runtime_context()).__name__,
        **waited,
    }
    report.write_text(json.dumps(shown), "utf-8")


def build_app() -> FastAPI:
    """Return an application whose one request says which headers it would send on."""
    from fastapi import FastAPI

    app = FastAPI()

    @app.api_route("/{path:path}", methods=["GET", "BREW"])
    async def answer() -> dict[str, str]:
        from opentelemetry.propagate import inject

        carrier: dict[str, str] = {}
        inject(carrier)
        return carrier

    return app


async def call(app: FastAPI) -> dict[str, str]:
    """Ask the application, and return the headers that it would send on."""
    headers = {"x-captured": "seen", "x-other": "seen too", "baggage": f"shop=yes,phone={PHONE}"}
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://shop", headers=headers) as client:
        await client.get("/private/orders")
        await client.request("BREW", "/coffee")
        answer = await client.get("/open")
        carrier: dict[str, str] = answer.json()
        with suppress(re.error):  # contrib compiles its variables when it is imported, and at each request
            from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor

            HTTPXClientInstrumentor.instrument_client(client)
            await client.get("/called")
    return carrier


def exercise(telemetry: Telemetry) -> None:
    """Make spans, records and measurements of every kind."""
    from opentelemetry.trace import Link

    tracer = telemetry.tracer
    meter = telemetry.meter_provider.get_meter("probe")
    with tracer.start_as_current_span("other") as other:
        link = Link(other.get_span_context(), SIX)
    with tracer.start_as_current_span("wide", attributes=SIX, links=[link] * 4) as span:
        for number in range(4):
            span.add_event(f"event {number}", SIX)
        meter.create_histogram("probe.duration", "s").record(0.2)
        meter.create_counter("probe.events").add(1)
        logging.getLogger("probe").info("a line", extra=SIX)
    for _ in range(BURST):
        tracer.start_span("burst").end()
        logging.getLogger("probe").info("burst")
    logging.getLogger("opentelemetry.probe").debug("a detail of the SDK")


def wait_for_exports(telemetry: Telemetry, begun_s: float, *, is_quick: bool) -> dict[str, Any]:
    """
    Wait until each signal that is on has left or failed, and say how long that took.

    Args:
        telemetry: What to ask.
        begun_s: When the application began.
        is_quick: Metrics leave by themselves, so three exports of theirs are waited for too.
    """
    took_s: dict[str, float] = {}
    errors: dict[str, str] = {}
    exported: set[int] = set()
    while time.monotonic() < begun_s + 30:
        states = telemetry.health().signals.items()
        signals = {signal: state for signal, state in states if "exported" in state}  # what is off has no such thing
        for signal, status in signals.items():
            if signal not in took_s and (status["exported"] or status["last_error"]):
                took_s[signal] = time.monotonic() - begun_s
        errors |= {signal: str(status["last_error"]) for signal, status in signals.items() if status["last_error"]}
        exported.add(signals.get("metrics", {}).get("exported", 0))
        is_measured = not is_quick or len(exported) > 3 or "metrics" in errors
        if signals.keys() - {"metrics"} <= took_s.keys() and is_measured:
            break
        time.sleep(0.02)
    return {"took_s": took_s, "errors": errors}


def _runtime_context() -> object:
    from opentelemetry import context

    return context._RUNTIME_CONTEXT


if __name__ == "__main__":
    main()
