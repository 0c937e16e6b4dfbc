"""Each example is run as a user runs it, and what it tells the collector is looked at."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from otlp_sink import Sink

EXAMPLES = Path(__file__).parent.parent / "examples"


def test_every_example_has_a_test() -> None:
    tests = Path(__file__).read_text(encoding="utf-8")

    assert [path.name for path in EXAMPLES.glob("*.py") if f'"{path.name}"' not in tests] == []


class TestMinimal:
    def test_its_request_is_a_trace_with_ids_and_a_metric(self, sink: Sink) -> None:
        with served("minimal.py", sink) as url:
            answer = httpx.post(f"{url}/messages/message-1", params={"contact_id": "contact-1"}, trust_env=False)
        (server,) = (span for span in sink.spans() if span.name == "POST /messages/{message_id}")

        assert answer.status_code == 200
        assert answer.headers["traceresponse"].split("-")[1] == server.trace_id
        assert answer.headers["x-request-id"] == server.attributes["requestId"]
        assert (server.attributes["contactId"], server.attributes["messageId"]) == ("contact-1", "message-1")
        assert max(point.as_int for point in sink.metrics()["messages.inbound"][-1].sum.data_points) == 1


class TestQueueWorker:
    def test_two_processes_make_one_trace_with_the_same_ids(self, sink: Sink, tmp_path: Path) -> None:
        jobs = str(tmp_path / "jobs.jsonl")
        for step in ("receive", "send"):
            subprocess.run(
                [sys.executable, EXAMPLES / "queue_worker.py", step, jobs],
                env=environment(sink),
                check=True,
                timeout=60,
            )
        queued, sent = (next(span for span in sink.spans() if span.name == name) for name in NAMES)
        logs = {log.body: log for log in sink.logs()}

        assert (sent.trace_id, sent.parent_id) == (queued.trace_id, queued.span_id)
        for item in (queued, sent, logs["Reply queued"], logs["Reply sent"]):
            assert (item.attributes["contactId"], item.attributes["messageId"]) == ("contact-1", "message-1")
            assert item.trace_id == queued.trace_id


NAMES = ("receive message", "send reply")


@contextmanager
def served(example: str, sink: Sink) -> Iterator[str]:
    """Serve an example with uvicorn until the block ends, then let it end as a service manager would."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = str(probe.getsockname()[1])
    command = [sys.executable, "-m", "uvicorn", "--app-dir", str(EXAMPLES), f"{Path(example).stem}:app", "--port", port]
    with subprocess.Popen(command, env=environment(sink)) as server:
        try:
            yield wait_until_served(f"http://127.0.0.1:{port}")
        finally:
            server.terminate()


def wait_until_served(url: str) -> str:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            httpx.get(f"{url}/health", trust_env=False)
        except httpx.TransportError:
            time.sleep(0.05)
        else:
            return url
    pytest.fail(f"nothing answers at {url}")


def environment(sink: Sink) -> dict[str, str]:
    return {**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": sink.url}
