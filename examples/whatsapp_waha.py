import os
from typing import Any

import httpx
from fastapi import BackgroundTasks, FastAPI, Request

from whatsself_otel import setup_telemetry

GATEWAY = os.environ.get("WAHA_URL", "http://localhost:3000")
HEADERS = {"X-Api-Key": os.environ.get("WAHA_API_KEY", "")}

app = FastAPI()
telemetry = setup_telemetry(app=app)
telemetry.whatsapp.instrument_webhook(app, path="/webhook")


@app.post("/webhook")
async def receive(request: Request, tasks: BackgroundTasks) -> None:
    webhook = await request.json()
    if webhook["event"] == "message":
        tasks.add_task(reply, webhook["session"], webhook["payload"]["from"])


async def reply(session: str, to: str) -> None:
    answer: Any
    try:
        async with httpx.AsyncClient(base_url=GATEWAY, headers=HEADERS, trust_env=False) as gateway:
            answer = await gateway.post("/api/sendText", json={"session": session, "chatId": to, "text": "Olá!"})
    except httpx.HTTPError as error:
        answer = error
    telemetry.whatsapp.observe_send(answer, session=session)
