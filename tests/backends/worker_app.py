"""The application of test_workers: each answer says which worker gave it."""

from __future__ import annotations

import os

from fastapi import FastAPI

from whatsself_otel import setup_telemetry

app = FastAPI()
telemetry = setup_telemetry(app)


@app.get("/work")
async def work() -> dict[str, str | int]:
    telemetry.metrics.message_sent(origin="manual")
    resource = telemetry.meter_provider._sdk_config.resource  # type: ignore[attr-defined]
    return {"pid": os.getpid(), "instance": str(resource.attributes["service.instance.id"])}
