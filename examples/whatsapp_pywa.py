import os

from fastapi import FastAPI
from pywa import WhatsApp, filters, handlers, types

from whatsself_otel import setup_telemetry
from whatsself_otel.integrations import instrument_pywa

app = FastAPI()
telemetry = setup_telemetry(app=app)
client = WhatsApp(
    phone_id=os.environ.get("WHATSAPP_PHONE_ID", "100000000000111"),
    token=os.environ.get("WHATSAPP_TOKEN", "none"),
    server=app,
    webhook_endpoint="/webhook",
    verify_token=os.environ.get("WHATSAPP_VERIFY_TOKEN", "any word of yours"),
    app_secret=os.environ.get("WHATSAPP_APP_SECRET", "none"),
)
instrument_pywa(client)


def answer(_: WhatsApp, message: types.Message) -> None:
    message.reply("Olá! Em que posso ajudar?")


client.add_handlers(handlers.MessageHandler(answer, filters.text))
