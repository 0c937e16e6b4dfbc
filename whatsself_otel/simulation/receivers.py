"""Receivers of Alertmanager's notifications on loopback: a Slack-like webhook, a mail server and a heartbeat."""

from __future__ import annotations

import email
import email.policy
import json
import socketserver
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One notification that reached a person."""

    at: float
    """Seconds since the epoch."""
    by: str
    """``slack`` or ``email``."""
    title: str
    text: str

    @property
    def is_over(self) -> bool:
        """Whether it says that the trouble is over."""
        return self.title.startswith("[OK]")


@dataclass(slots=True)
class Receivers:
    """Addresses of the receivers, and the notifications that arrived."""

    slack_port: int
    smtp_port: int
    told: list[Told] = field(default_factory=list)
    heartbeats: int = 0
    refuses: bool = False
    """Whether Slack's part answers 403, as after its webhook was revoked."""

    def environment(self, folder: Path) -> dict[str, str]:
        """Return the ``ALERT_*`` variables for these receivers; write the secrets' files into *folder*."""
        for name in ("slack", "heartbeat"):
            (folder / name).write_text(f"http://{HOST}:{self.slack_port}/{name}", "utf-8")
        return {
            "ALERT_SLACK_URL_FILE": str(folder / "slack"),
            "ALERT_HEARTBEAT_URL_FILE": str(folder / "heartbeat"),
            "ALERT_SMTP_SMARTHOST": f"{HOST}:{self.smtp_port}",
            "ALERT_SMTP_FROM": "alertas@example.org",
            "ALERT_SMTP_REQUIRE_TLS": "false",
            "ALERT_EMAIL_TO": "dono@example.org",
        }

    def post(self, path: str, body: bytes) -> None:
        """Take a posted notification."""
        if path == "/heartbeat":
            self.heartbeats += 1
            return
        for attachment in json.loads(body)["attachments"]:
            self.told.append(Told(at=time.time(), by="slack", title=attachment["title"], text=attachment["text"]))

    def mail(self, message: bytes) -> None:
        """Take a mail."""
        parsed = email.message_from_bytes(message, policy=email.policy.default)
        body: Any = parsed.get_body(("plain",))
        text = body.get_content().replace("\r\n", "\n") if body is not None else ""
        self.told.append(Told(at=time.time(), by="email", title=str(parsed["Subject"]), text=text))


@contextmanager
def receiving() -> Iterator[Receivers]:
    """Listen until the block ends."""
    with (
        _serving(ThreadingHTTPServer((HOST, 0), _Hook)) as web,
        _serving(_MailServer((HOST, 0), _Mail)) as smtp,
    ):
        receivers = Receivers(slack_port=web.server_address[1], smtp_port=smtp.server_address[1])
        web.receivers = smtp.receivers = receivers
        yield receivers


@contextmanager
def _serving(server: Any) -> Iterator[Any]:
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Hook(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        receivers, body = self.server.receivers, self.rfile.read(int(self.headers["Content-Length"]))  # type: ignore[attr-defined]
        refused = receivers.refuses and self.path == "/slack"
        if not refused:
            receivers.post(self.path, body)
        self.send_response(403 if refused else 200)
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_: object) -> None:
        """Stay silent."""


class _MailServer(socketserver.ThreadingTCPServer):
    daemon_threads = True


class _Mail(socketserver.StreamRequestHandler):
    """Takes mail as SMTP, without TLS or login."""

    def handle(self) -> None:
        self.wfile.write(b"220 simulation\r\n")
        for line in self.rfile:
            command = line[:4].upper()
            if command == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                lines = iter(self.rfile.readline, b".\r\n")
                # A dot at the beginning of a line is doubled on the way (RFC 5321, 4.5.2).
                self.server.receivers.mail(b"".join(each.removeprefix(b".") for each in lines))  # type: ignore[attr-defined]
            self.wfile.write(b"221 bye\r\n" if command == b"QUIT" else b"250 ok\r\n")
            if command == b"QUIT":
                return
