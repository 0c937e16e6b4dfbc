"""A day's webhooks of the Cloud API beside messages: invented content, the real shape."""

from __future__ import annotations

import time
from typing import Any, Final

from whatsself_otel.whatsapp.events import DEFAULT_SESSION

_ACCOUNT: Final = "100000000000900"
_NUMBER: Final = {"display_phone_number": "5511980000099", "phone_number_id": DEFAULT_SESSION}
_PHONE: Final = "5511980000001"


def webhooks(session: str = DEFAULT_SESSION) -> list[dict[str, Any]]:
    """
    Return a template that is paused, a number that is rated, a limit, a billed message and a call.

    Args:
        session: Which of the business's numbers they are about.
    """
    number = {**_NUMBER, "phone_number_id": session}
    template = {"message_template_id": 100000000000901, "message_template_name": "novidades"}
    return [
        _webhook("messages", {"metadata": number, "statuses": [_billed()]}),
        _webhook(
            "message_template_status_update", {"event": "PAUSED", **template, "message_template_language": "pt_BR"}
        ),
        _webhook("phone_number_quality_update", {**number, "event": "FLAGGED", "current_limit": "TIER_1K"}),
        _webhook("calls", {"metadata": number, "calls": [_call("connect"), _call("terminate")]}),
    ]


def _webhook(field: str, value: dict[str, Any]) -> dict[str, Any]:
    entry = {"id": _ACCOUNT, "time": int(time.time()), "changes": [{"field": field, "value": value}]}
    return {"object": "whatsapp_business_account", "entry": [entry]}


def _billed() -> dict[str, Any]:
    pricing = {"billable": True, "pricing_model": "PMP", "category": "marketing"}
    at = str(int(time.time()) - 1)
    return {"id": "wamid.REVNTw==", "status": "sent", "timestamp": at, "recipient_id": _PHONE, "pricing": pricing}


def _call(event: str) -> dict[str, Any]:
    call = {"id": "wacid.REVNTw==", "from": _PHONE, "event": event, "timestamp": str(int(time.time()))}
    return {**call, "direction": "USER_INITIATED", **({"status": "COMPLETED"} if event == "terminate" else {})}
