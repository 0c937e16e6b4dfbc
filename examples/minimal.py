from fastapi import FastAPI
from sqlalchemy import create_engine

from whatsself_otel import message_context, setup_telemetry

app = FastAPI()
engine = create_engine("sqlite://")
telemetry = setup_telemetry(app=app, engine=engine)


@app.post("/messages/{message_id}")
def receive(message_id: str, contact_id: str) -> None:
    with message_context(contact_id=contact_id, message_id=message_id):
        telemetry.metrics.message_inbound(kind="text", contact_id=contact_id)
