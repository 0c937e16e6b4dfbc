"""
Several processes behind one port; each sets up its telemetry, and so has a distinct `service.instance.id`.

    gunicorn --chdir examples --workers 2 --preload --worker-class uvicorn_worker.UvicornWorker workers:app

Set up once, in the parent: each worker that is forked begins anew by itself, and sends what it holds when it ends.
"""

from __future__ import annotations

import os

from fastapi import FastAPI

from whatsself_otel import setup_telemetry

app = FastAPI()
telemetry = setup_telemetry(app=app)


@app.get("/worker")
def worker() -> int:
    """Say which process answered."""
    return os.getpid()
