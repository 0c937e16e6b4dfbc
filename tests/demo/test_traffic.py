"""The traffic generator against a real HTTP server that misbehaves on demand."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from whatsself_otel.demo.traffic import Attempt, Entry, Journal, TrafficPlan, send_traffic

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@dataclass
class Server:
    """Answers as the demo does. The real one never fails in the ways that these tests need."""

    statuses: list[int] = field(default_factory=list)
    """Answers to the next posts, before everything goes well; 0 closes the connection without one."""
    received: list[dict[str, Any]] = field(default_factory=list)
    url: str = ""


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server()
    http = ThreadingHTTPServer(("127.0.0.1", 0), make_handler(state))
    http.daemon_threads = True
    state.url = f"http://127.0.0.1:{http.server_address[1]}"
    thread = threading.Thread(target=http.serve_forever, args=(0.05,))
    thread.start()
    yield state
    http.shutdown()
    http.server_close()
    thread.join()


def make_handler(state: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            state.received.append(body)
            status = state.statuses.pop(0) if state.statuses else 200
            name = body["externalId"].rpartition("-")[2]
            if status:
                self.answer(
                    status,
                    {"contactId": f"c{name}", "messageId": f"m{name}", "requestId": "r", "replyIds": [f"reply{name}"]},
                )

        def do_GET(self) -> None:
            name = self.path.rpartition("/m")[2]
            failed = any(
                "simulateFailure" in each for each in state.received if each["externalId"].endswith(f"-{name}")
            )
            self.answer(
                200,
                {
                    "replies": [
                        {
                            "messageId": f"reply{name}",
                            "status": "failed" if failed else "read",
                            "failureReason": "timeout" if failed else None,
                        }
                    ]
                },
            )

        def answer(self, status: int, value: dict[str, Any]) -> None:
            body = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.send_header("traceresponse", f"00-{'a' * 32}-{'b' * 16}-01")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            """Say nothing."""

    return Handler


def send(server: Server, **plan: Any) -> Journal:
    settings = {"url": server.url, "retry_s": 5.0, "settle_s": 5.0, **plan}
    return asyncio.run(send_traffic(TrafficPlan(**settings)))


class TestSendTraffic:
    def test_the_journal_holds_what_was_sent_and_what_came_back(self, server: Server) -> None:
        entry = send(server, messages=1, run="run1").entries[0]

        assert (entry.number, entry.external_id, entry.body) == (0, "run1-0", "precos")
        assert (entry.contact_id, entry.message_id, entry.request_id) == ("c0", "m0", "r")
        assert entry.trace_id == "a" * 32
        assert entry.reply_statuses == {"reply0": "read"}
        assert [attempt.status for attempt in entry.attempts] == [200]
        assert entry.is_settled

    def test_every_message_comes_from_another_contact(self, server: Server) -> None:
        send(server, messages=20)

        assert len({each["phone"] for each in server.received}) == 20

    def test_the_failing_share_is_exact_and_known_to_the_journal(self, server: Server) -> None:
        journal = send(server, messages=20, failing=0.1)
        marked = [each["externalId"].rpartition("-")[2] for each in server.received if "simulateFailure" in each]

        assert len(marked) == 2
        assert sorted(map(int, marked)) == [entry.number for entry in journal.entries if entry.expects_failure]
        assert journal.summary()["replies_failed"] == 2
        assert journal.summary()["settled"] == 20

    @pytest.mark.parametrize(("failure", "noted"), [(503, 503), (0, None)])
    def test_what_was_not_answered_is_sent_again_with_the_same_external_id(
        self, server: Server, failure: int, noted: int | None
    ) -> None:
        server.statuses = [failure]
        entry = send(server, messages=1).entries[0]

        assert [attempt.status for attempt in entry.attempts] == [noted, 200]
        assert len({each["externalId"] for each in server.received}) == 1

    def test_a_message_that_is_never_taken_is_not_accepted(self, server: Server) -> None:
        server.statuses = [500] * 100
        journal = send(server, messages=1, retry_s=0.1)

        assert not journal.entries[0].is_accepted
        assert journal.summary()["accepted"] == 0

    def test_no_server_at_all_is_an_unanswered_attempt(self) -> None:
        journal = asyncio.run(send_traffic(TrafficPlan(url="http://127.0.0.1:1", messages=1, retry_s=0.1)))

        assert journal.entries[0].attempts[0].error == "ConnectError"
        assert journal.entries[0].attempts[0].status is None


class TestJournal:
    def test_what_was_saved_is_read_back(self, tmp_path: Path) -> None:
        entry = Entry(number=0, external_id="run-0", body="precos", expects_failure=True)
        entry.attempts.append(Attempt(started_at=1.0, ended_at=2.0, status=200))
        Journal(entries=[entry]).save(tmp_path / "journal.jsonl")

        assert Journal.load(tmp_path / "journal.jsonl") == Journal(entries=[entry])

    def test_it_holds_no_phone(self, server: Server, tmp_path: Path) -> None:
        send(server, messages=3).save(tmp_path / "journal.jsonl")
        journal = (tmp_path / "journal.jsonl").read_text()

        assert not any(each["phone"].removeprefix("+55") in journal for each in server.received)


class TestCommand:
    def test_it_sends_writes_the_journal_and_sums_up(self, server: Server, tmp_path: Path) -> None:
        command = [sys.executable, "-m", "whatsself_otel.demo.traffic", "--url", server.url, "--messages", "4"]
        done = subprocess.run(
            [*command, "--journal", str(tmp_path / "journal.jsonl")],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

        assert (done.returncode, json.loads(done.stdout)["settled"]) == (0, 4)
        assert len(Journal.load(tmp_path / "journal.jsonl").entries) == 4

    def test_it_fails_when_a_message_was_lost(self) -> None:
        command = [sys.executable, "-m", "whatsself_otel.demo.traffic", "--url", "http://127.0.0.1:1", "--retry", "0.1"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

        assert done.returncode == 1
