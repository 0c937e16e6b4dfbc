"""Observe a copy of each webhook beside the application, unnoticed by it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    from whatsself_otel.whatsapp.observe import WhatsApp

    Scope = MutableMapping[str, Any]
    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]

_IN_THREAD_BYTES: Final = 65_536
"""Bytes above which a body is parsed in a thread, so that the event loop continues."""


class WebhookMiddleware:
    """
    ASGI middleware that observes the webhooks of one path.

    Events are recorded when the last byte of the body has come, before the application reads it. So messages that the
    application then sends answer them.

    Args:
        app: What is served.
        whatsapp: Where webhooks are observed.
        path: Of the webhook; paths below it count too, as Evolution makes them for each event.
        options: More arguments of `WhatsApp.observe`.
    """

    def __init__(self, app: Any, *, whatsapp: WhatsApp, path: str, options: dict[str, Any] | None = None) -> None:
        self._app = app
        self._whatsapp = whatsapp
        self._path = path.rstrip("/")
        self._options = options or {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http" and scope["method"] == "POST" and self._is_webhook(scope["path"]):
            copy = _Copy(receive, self._whatsapp, scope, self._options)
            await self._app(scope, copy.receive, send)
        else:
            await self._app(scope, receive, send)

    def _is_webhook(self, path: str) -> bool:
        return path.rstrip("/") == self._path or path.startswith(f"{self._path}/")


class _Copy:
    """The body of one request, kept up to a limit while the application reads it."""

    def __init__(self, receive: Receive, whatsapp: WhatsApp, scope: Scope, options: dict[str, Any]) -> None:
        self._receive = receive
        self._whatsapp = whatsapp
        self._headers = scope["headers"]
        self._url = _url_of(scope)
        self._options = options
        self._body = bytearray()
        self._is_done = False

    async def receive(self) -> Message:
        """Return the next message of the request."""
        message = await self._receive()
        if message["type"] == "http.request" and not self._is_done:
            self._keep(message.get("body") or b"")
            if not message.get("more_body"):
                await self._observe()
        return message

    def _keep(self, chunk: bytes) -> None:
        room = self._whatsapp.config.max_body_bytes + 1 - len(self._body)
        self._body += chunk[: max(0, room)]

    async def _observe(self) -> None:
        self._is_done = True
        body, self._body = bytes(self._body), bytearray()
        arguments = {"headers": self._headers, "body": body, "url": self._url, **self._options}
        if len(body) > _IN_THREAD_BYTES:
            await asyncio.to_thread(self._whatsapp.observe, **arguments)
        else:
            self._whatsapp.observe(**arguments)


def _url_of(scope: Scope) -> str:
    """Return the called address, as far as the server knows it."""
    headers = {name.lower(): value.decode("latin-1") for name, value in scope["headers"]}
    scheme = headers.get(b"x-forwarded-proto") or scope.get("scheme", "http")
    path = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1").partition("?")[0]
    query = scope.get("query_string", b"").decode("latin-1")
    return f"{scheme}://{headers.get(b'host', '')}{path}{'?' if query else ''}{query}"
