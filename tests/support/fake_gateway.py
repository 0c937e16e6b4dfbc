"""
A gateway's webhooks: it takes an address, and plays documented payloads.

The real ones need a phone that is logged in to WhatsApp.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
import time
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from provider_fixtures import fixture

if TYPE_CHECKING:
    from collections.abc import Iterator

SEQUENCES = {
    "evolution": (
        *("connection_connecting_200", "connection_open_200", "upsert_text", "upsert_image", "send_message"),
        *("update_server_ack", "update_delivery_ack", "upsert_group", "upsert_text"),
    ),
    "waha": (
        *("session_starting", "session_working", "message_any_inbound", "message_webjs_image", "message_any_from_api"),
        *("message_group", "message_any_inbound"),
    ),
    "cloud_api": ("message_text", "message_image", "status_sent", "status_delivered", "message_audio", "message_text"),
}
"""Payload names of a login, a conversation and a repeated webhook."""
INBOUND = {"evolution": 3, "waha": 3, "cloud_api": 3}
"""Messages that came in each of them; the last webhook repeats one."""
_TIMES = {"messageTimestamp": 1, "timestamp": 1}


@dataclass
class Gateway:
    """The gateway's settings, and the answers to its webhooks."""

    provider: str
    port: int = 0
    told: list[tuple[str, str, dict[str, str], Any]] = field(default_factory=list)
    """Method, path, headers and JSON of each request to its API."""
    statuses: list[int] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Address for its webhooks, as its API received it."""
        *_, said = self.told[-1]
        return str(said["webhook"]["url"] if "webhook" in said else said["config"]["webhooks"][0]["url"])

    def play(self, url: str, secret: bytes | None = None) -> None:
        """Post its sequence to *url*, signed as Meta does if there is a secret."""
        for name in SEQUENCES[self.provider]:
            body = json.dumps(_as_of_now(fixture(self.provider, name))).encode()
            request = urllib.request.Request(url, data=body, headers={"content-type": "application/json"})
            if secret is not None:
                signature = hmac.new(secret, body, hashlib.sha256).hexdigest()
                request.add_header("X-Hub-Signature-256", f"sha256={signature}")
            with urllib.request.urlopen(request, timeout=20) as answer:
                self.statuses.append(answer.status)


def _as_of_now(value: Any) -> Any:
    """Return a payload with new messages: one older than a day is not live traffic."""
    if isinstance(value, dict):
        return {key: _now_like(item) if key in _TIMES else _as_of_now(item) for key, item in value.items()}
    return [_as_of_now(item) for item in value] if isinstance(value, list) else value


def _now_like(value: Any) -> Any:
    now = int(time.time())
    if isinstance(value, str):
        return str(now)
    return now * 1000 if isinstance(value, int) and value > 10**11 else now


@contextmanager
def fake_gateway(provider: str) -> Iterator[Gateway]:
    """Serve the API of a gateway."""
    gateway = Gateway(provider)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            gateway.told.append((self.command, self.path, dict(self.headers), json.loads(body)))
            self.send_response(201)
            self.send_header("content-length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def do_PUT(self) -> None:
            self.do_POST()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    gateway.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield gateway
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
