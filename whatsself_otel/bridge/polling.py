"""Polling: asks gateways for the states of their sessions."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import aiohttp

from whatsself_otel.bridge.config import problems_of_url
from whatsself_otel.errors import ConfigError
from whatsself_otel.messages import OwnLogger
from whatsself_otel.whatsapp.reading import at_path, objects, text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from whatsself_otel.whatsapp.observe import WhatsApp

_logger: Final = OwnLogger("whatsself_bridge")
_TIMEOUT_S: Final = 10.0
_LONGEST_BYTES: Final = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Api:
    """How a gateway lists its sessions."""

    path: str
    key_header: str
    read: Callable[[Mapping[str, Any]], tuple[str | None, dict[str, Any]]]
    """Returns the name of a session, and the webhook that would tell its state."""


def _waha(session: Mapping[str, Any]) -> tuple[str | None, dict[str, Any]]:
    name = text(session.get("name"))
    return name, {"event": "session.status", "session": name, "payload": {"status": session.get("status")}}


def _evolution(instance: Mapping[str, Any]) -> tuple[str | None, dict[str, Any]]:
    name = text(instance.get("name")) or text(at_path(instance, "instance", "instanceName"))
    state = instance.get("connectionStatus") or at_path(instance, "instance", "status")
    data = {"state": state, "statusReason": instance.get("disconnectionReasonCode")}
    return name, {"event": "connection.update", "instance": name, "data": data}


APIS: Final = {
    "waha": Api("/api/sessions?all=true", "X-Api-Key", _waha),
    "evolution": Api("/instance/fetchInstances", "apikey", _evolution),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Poll:
    """
    A gateway that is asked.

    Args:
        provider: One of `APIS`.
        url: Of its API.
        key: That its API asks for.
        interval_s: Seconds from one question to the next; above 0.
    """

    provider: str
    url: str
    key: str | None = field(default=None, repr=False)
    interval_s: float = 30.0

    @classmethod
    def parse(cls, given: str, read_key: Callable[[Path], str], interval_s: float) -> Poll:
        """
        Read ``PROVIDER=URL`` or ``PROVIDER=URL,KEY_FILE``.

        Raises:
            ConfigError: *given* is neither.
        """
        from pathlib import Path

        provider, _, rest = given.partition("=")
        url, _, file = rest.partition(",")
        problems = [] if provider in APIS else [f"--poll must begin with one of {', '.join(APIS)}, got {provider!r}."]
        problems += problems_of_url(url)
        if problems:
            raise ConfigError(problems)
        return cls(provider=provider, url=url, key=read_key(Path(file)) if file else None, interval_s=interval_s)


class Poller:
    """
    Asks one gateway, and records each change of a state.

    Args:
        poll: Which.
        whatsapp: Where states are recorded.
    """

    def __init__(self, poll: Poll, whatsapp: WhatsApp) -> None:
        self._poll = poll
        self._whatsapp = whatsapp
        self._told: dict[str, str] = {}
        self.is_answered = True
        """Whether the last question was answered."""

    async def run(self) -> None:
        """Ask until cancelled."""
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_TIMEOUT_S)) as session:
            while True:
                await self._ask(session)
                await asyncio.sleep(self._poll.interval_s)

    async def _ask(self, session: aiohttp.ClientSession) -> None:
        api = APIS[self._poll.provider]
        headers = {} if self._poll.key is None else {api.key_header: self._poll.key}
        try:
            async with session.get(f"{self._poll.url.rstrip('/')}{api.path}", headers=headers) as response:
                body = await response.content.read(_LONGEST_BYTES)
                found = json.loads(body) if response.status == 200 else None
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError):
            found = None
        if isinstance(found, list):
            self._record(api, found)
        self._note(is_answered=isinstance(found, list))

    def _record(self, api: Api, sessions: list[Any]) -> None:
        named = dict(api.read(each) for each in objects(sessions))
        for name, webhook in named.items():
            state = json.dumps(webhook)
            if name is not None and self._told.get(name) != state:
                self._told[name] = state
                self._whatsapp.record_states(webhook, self._poll.provider)
        for name in self._told.keys() - named.keys():
            del self._told[name]
            self._whatsapp.retire_session(name)

    def _note(self, *, is_answered: bool) -> None:
        if self.is_answered and not is_answered:
            _logger.warning("bridge: the API of %s does not tell its sessions: check URL and key.", self._poll.provider)
        self.is_answered = is_answered
