"""The bridge's own answers, in the form that each provider expects."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import parse_qs

from whatsself_otel.bridge.requests import Answer, WebhookRequest

_PLAIN: Final = ((b"Content-Type", b"text/plain; charset=utf-8"),)
_CHALLENGE: Final = re.compile(r"[A-Za-z0-9_.-]{1,256}")
_TWIML: Final = Answer(200, ((b"Content-Type", b"text/xml"),), b"<Response/>")
"""Twilio logs a warning for anything else; this says that nothing is sent back."""


def own_answer(request: WebhookRequest, provider: str) -> Answer:
    """
    Return the bridge's own answer to an admitted request.

    Args:
        request: A webhook, or Meta's question whether the address wants them.
        provider: Whose it is.
    """
    if request.method == "GET" and (found := _challenge(request)) is not None:
        return Answer(200, _PLAIN, found.encode())
    if request.method not in {"POST", "PUT"}:
        return refusal(405, "Webhooks come by POST.")
    return _TWIML if provider == "twilio" else Answer(200, _PLAIN, b"")


def refusal(status: int, text: str, *headers: tuple[bytes, bytes]) -> Answer:
    """Return an answer that says why a request was not taken."""
    return Answer(status, (*_PLAIN, *headers), f"{text}\n".encode())


def _challenge(request: WebhookRequest) -> str | None:
    """Return what Meta wants to read back, None if it does not ask."""
    given = parse_qs(request.target.partition("?")[2]).get("hub.challenge", [""])[0]
    return given if _CHALLENGE.fullmatch(given) else None
