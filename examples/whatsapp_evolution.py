import os
from typing import Any

import httpx
from fastapi import FastAPI, Request

from whatsself_otel import setup_telemetry
from whatsself_otel.whatsapp import MessageReceived

GATEWAY = os.environ.get("EVOLUTION_URL", "http://localhost:8080")
HEADERS = {"apikey": os.environ.get("EVOLUTION_API_KEY", "")}

app = FastAPI()
telemetry = setup_telemetry(app=app)


@app.post("/webhook")
async def receive(request: Request) -> dict[str, int]:
    webhook = await request.json()
    events = telemetry.whatsapp.observe(webhook)
    for event in events:
        if isinstance(event, MessageReceived) and event.chat == "person" and not event.is_repeat:
            with event.message_context:
                await reply(webhook["instance"], webhook["data"]["key"]["remoteJid"])
    return {"events": len(events)}


async def reply(instance: str, to: str) -> None:
    answer: Any
    try:
        async with httpx.AsyncClient(base_url=GATEWAY, headers=HEADERS, trust_env=False) as gateway:
            answer = await gateway.post(f"/message/sendText/{instance}", json={"number": to, "text": "Olá!"})
    except httpx.HTTPError as error:
        answer = error
    telemetry.whatsapp.observe_send(answer, session=instance)
