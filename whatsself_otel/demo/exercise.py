"""Uses every part of the demo once, so that every metric has something to show."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from whatsself_otel.demo.provider import webhooks
from whatsself_otel.whatsapp.events import DEFAULT_SESSION

if TYPE_CHECKING:
    import httpx

_POLL_S: Final = 0.1
_FAILURES: Final = 20
"""Attempts that open a breaker."""
_NEVER_ANSWERED: Final = 7
_BROADCAST_TO: Final = (1, 2, 3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exercise:
    """
    A day in the life of a small business, in seconds.

    Needs DEMO_FAULTS=1 and no pacing. It ends with the breakers open, messages waiting and a QR code to scan.

    Args:
        client: Talks to the demo.
        patience_s: Seconds to wait for each thing that has to happen.
        session: The demo's DEMO_SESSION.
    """

    client: httpx.AsyncClient
    patience_s: float = 30.0
    session: str = DEFAULT_SESSION
    _contacts: dict[int, str] = field(default_factory=dict)

    async def run(self) -> None:
        """Live the day."""
        for body in ("menu", "precos", "pedido", "um bolo", "entrar", "tour", "tour", "tour"):
            await self._wait_for(await self._write(1, body))
        for number in (2, 3):
            await self._wait_for(await self._write(number, "sair" if number == 2 else "precos"))
        await self._write(_NEVER_ANSWERED, "alguém aí?")
        await self._send([_NEVER_ANSWERED], "Em que posso ajudar?", origin="manual")
        await self._send(_BROADCAST_TO, "Novidade: agora abrimos aos sábados.", origin="broadcast")
        await self._lose_the_connection()
        await self._hear_from_the_provider()
        await self._write(_NEVER_ANSWERED, "e agora?")
        await self._fail()
        await self._act("qr")
        await self._write(1, "menu")

    async def _lose_the_connection(self) -> None:
        await self._act("disconnect")
        await self._wait_for(await self._write(3, "precos"))

    async def _hear_from_the_provider(self) -> None:
        """Let a reply fail after it was accepted, and a provider tell the rest, one thing twice and one cut short."""
        await self._wait_for(await self._write(6, "precos", fails_with="undeliverable"))
        for webhook in [*(told := webhooks(self.session)), told[0]]:
            await self._post("/webhook/whatsapp", webhook)
        await self.client.post("/webhook/whatsapp", content=b'{"object": "whatsapp_busin')

    async def _fail(self) -> None:
        """Open one contact's breaker, then the global one; later messages stay in the queue."""
        for _ in range(_FAILURES):
            await self._wait_for(await self._write(4, "precos", fails_with="timeout"))
        for _ in range(2 * _FAILURES):
            await self._write(5, "precos", fails_with="blocked")

    async def _write(self, number: int, body: str, *, fails_with: str | None = None) -> str:
        payload = {
            "phone": f"+55119800000{number:02d}",
            "name": f"Cliente {number}",
            "body": body,
            "simulateFailure": fails_with,
        }
        answer = await self._post("/webhook/messages", payload)
        self._contacts[number] = answer["contactId"]
        return str(answer["messageId"])

    async def _send(self, numbers: tuple[int, ...] | list[int], body: str, *, origin: str) -> None:
        contact_ids = [self._contacts[number] for number in numbers]
        await self._post("/api/send", {"contactIds": contact_ids, "body": body, "origin": origin})

    async def _act(self, action: str) -> None:
        await self._post(f"/api/session/{action}", {})

    async def _post(self, path: str, payload: dict[str, Any]) -> Any:
        return (await self.client.post(path, json=payload)).raise_for_status().json()

    async def _wait_for(self, message_id: str) -> None:
        """Wait until every reply to *message_id* was read or has failed."""
        deadline = time.monotonic() + self.patience_s
        while not await self._has_ended(message_id):
            if time.monotonic() > deadline:
                raise TimeoutError(f"Message {message_id} was not answered in {self.patience_s:g} s.")
            await asyncio.sleep(_POLL_S)

    async def _has_ended(self, message_id: str) -> bool:
        message = (await self.client.get(f"/api/messages/{message_id}")).raise_for_status().json()
        return all(reply["status"] in {"read", "failed"} for reply in message["replies"])
