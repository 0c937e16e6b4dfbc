"""
The demo application. Start it with uvicorn, with as many workers as you like.

    uvicorn whatsself_otel.demo.app:create_app --factory --workers 2
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from fastapi import FastAPI

from whatsself_otel import setup_telemetry
from whatsself_otel.demo.database import open_database
from whatsself_otel.demo.routes import router
from whatsself_otel.demo.services import Services
from whatsself_otel.demo.settings import DemoSettings

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator


def create_app(settings: DemoSettings | None = None) -> FastAPI:
    """
    Return the application, instrumented by one call.

    Args:
        settings: How it behaves; default: from the environment.
    """
    chosen = settings or DemoSettings.from_env()
    app = FastAPI(title="WhatsSelf demo", lifespan=_lifespan)
    engine = open_database(chosen.database_url)
    telemetry = setup_telemetry(app=app, engine=engine)
    telemetry.whatsapp.instrument_webhook(app, path="/webhook/whatsapp")
    app.state.services = Services.build(chosen, engine, telemetry)
    app.include_router(router)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncGenerator[None]:
    services: Services = app.state.services
    async with services.running():
        yield
