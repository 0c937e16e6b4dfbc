"""A pretend WhatsApp: it takes messages, refuses some, and reports the outcome of the others later."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

FAILS_LATER: Final = frozenset({"undeliverable", "marketing_limit", "experiment", "recipient_identity"})
"""Reasons that a real provider reports after it has accepted a message."""


class SendError(Exception):
    """
    WhatsApp refused a message.

    Args:
        reason: One of the catalogue's failure reasons.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(f"WhatsApp refused the message: {reason}")
        self.reason = reason


class SessionDownError(Exception):
    """Nothing was attempted: the session is not connected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ack:
    """WhatsApp's word on a message it took."""

    provider_id: str
    status: str
    """``delivered``, ``read`` or ``failed``."""
    reason: str | None = None
    """Why it failed."""


class WhatsAppClient:
    """
    Sends through the session of this process.

    Args:
        is_connected: Whether the session is up.
        send_s: Seconds between a message and WhatsApp's answer, and between that and each acknowledgement.
    """

    def __init__(self, is_connected: Callable[[], bool], *, send_s: float) -> None:
        self.acks: asyncio.Queue[Ack] = asyncio.Queue()
        self.answers: set[str] = set()
        """Provider ids of messages that were recorded as first responses and may still fail."""
        self._is_connected = is_connected
        self._send_s = send_s
        self._promised: set[asyncio.Task[None]] = set()

    def is_ready(self) -> bool:
        """Whether a message could be sent now."""
        return self._is_connected()

    async def send(self, *, provider_id: str, phone: str, body: str, fails_with: str | None = None) -> None:
        """
        Send *body* to *phone*.

        Args:
            provider_id: The id that acknowledgements will name.
            phone: E.164 number.
            body: Text, not empty.
            fails_with: Reason with which this message is refused, or fails later if it is one of `FAILS_LATER`.

        Raises:
            SendError: If WhatsApp refuses the message.
            SessionDownError: If the session is not connected; nothing was sent.
        """
        if not self._is_connected():
            raise SessionDownError
        await asyncio.sleep(self._send_s)
        fails_later = fails_with in FAILS_LATER
        if (fails_with and not fails_later) or not (phone and body):
            raise SendError(fails_with or "not_on_whatsapp")
        promise = asyncio.create_task(self._acknowledge(provider_id, fails_with))
        self._promised.add(promise)
        promise.add_done_callback(self._promised.discard)

    async def drain(self) -> None:
        """Wait until every acknowledgement promised so far is in `acks` and was taken out of it."""
        if self._promised:
            await asyncio.wait(self._promised)
        await self.acks.join()

    async def _acknowledge(self, provider_id: str, fails_with: str | None) -> None:
        for status in ("failed",) if fails_with else ("delivered", "read"):
            await asyncio.sleep(self._send_s)
            reason = fails_with if status == "failed" else None
            self.acks.put_nowait(Ack(provider_id=provider_id, status=status, reason=reason))
