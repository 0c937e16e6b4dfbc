"""A small server that the supervisor tests run: NAME PORT JOURNAL [slow|stubborn|fails|short]."""

from __future__ import annotations

import signal
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType

NAME, PORT, JOURNAL, *FLAGS = sys.argv[1:]


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Keep requests out of the log that the tests read."""


def _write(event: str) -> None:
    with Path(JOURNAL).open("a", encoding="utf-8") as file:
        file.write(f"{NAME} {event}\n")


def _stop(_number: int, _frame: FrameType | None) -> None:
    _write("told to stop")
    if "stubborn" not in FLAGS:
        time.sleep(0.2 if "slow" in FLAGS else 0)
        _write("stopped")
        sys.exit(0)


signal.signal(signal.SIGTERM, _stop)
_write("started")
sys.stdout.write(f"{NAME} says: line one\n{NAME} says: the reason\n")
sys.stdout.flush()
if "fails" in FLAGS:
    sys.exit(7)
if "slow" in FLAGS:
    time.sleep(0.5)
if "deaf" in FLAGS:
    time.sleep(60)
server = HTTPServer(("127.0.0.1", int(PORT)), _Handler)
_write("ready")
if "short" in FLAGS:
    server.handle_request()
    sys.exit(5)
server.serve_forever()
