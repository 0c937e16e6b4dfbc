"""The gate that compose waits at asks until every URL answers, or says which did not."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from whatsself_otel.demo import ready

if TYPE_CHECKING:
    from collections.abc import Iterator


class Server:
    """Answers with each status in turn, then always with the last."""

    def __init__(self, statuses: list[int]) -> None:
        outer = self
        self.statuses = statuses
        self.asked = 0

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked += 1
                status = outer.statuses.pop(0) if len(outer.statuses) > 1 else outer.statuses[0]
                self.send_response(status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}/ready"


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server([503, 503, 200])
    thread = threading.Thread(target=running.http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield running
    running.http.shutdown()
    running.http.server_close()
    thread.join()


class TestReady:
    """``python -m whatsself_otel.demo.ready``."""

    def test_asks_again_until_the_answer_is_good(self, server: Server) -> None:
        assert ready.main(["--every", "0.01", server.url]) == 0
        assert server.asked == 3

    def test_names_what_did_not_answer_in_time(self, server: Server, capsys: pytest.CaptureFixture[str]) -> None:
        nobody = "http://127.0.0.1:9/ready"
        server.statuses[:] = [200]

        assert ready.main(["--every", "0.01", "--timeout", "0.05", server.url, nobody]) == 1
        assert capsys.readouterr().err == f"not ready within 0.05 s: {nobody}\n"
