"""Each example is run as a user runs it, and its telemetry is checked."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import postgres_server
import pytest
from binaries import free_ports, need

if TYPE_CHECKING:
    from collections.abc import Iterator

    from otlp_sink import Sink

EXAMPLES = Path(__file__).parent.parent.parent / "examples"


def test_every_example_has_a_test() -> None:
    tests = Path(__file__).read_text(encoding="utf-8")

    assert [path.name for path in EXAMPLES.iterdir() if path.is_file() and f'"{path.name}"' not in tests] == []


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
        assert (sink.total("first_response.latency"), sink.total("first_response.unanswered")) == (1, 0)


@pytest.mark.skipif(sys.platform == "win32", reason="gunicorn forks")
class TestWorkers:
    def test_each_worker_sends_as_itself_and_loses_nothing_at_the_end(self, sink: Sink) -> None:
        options = ("--workers", "2", "--preload", "--worker-class", "uvicorn_worker.UvicornWorker")
        with served("workers.py", sink, "gunicorn", "--chdir", str(EXAMPLES), *options) as url:
            answers = [httpx.get(f"{url}/worker", trust_env=False).json() for _ in range(8)]
            deadline = time.monotonic() + 30
            while len(set(answers)) < 2 and time.monotonic() < deadline:  # the kernel chooses who answers
                answers.append(httpx.get(f"{url}/worker", trust_env=False).json())
        spans = [span for span in sink.spans() if span.name == "GET /worker"]
        by_sender = Counter(span.resource["service.instance.id"] for span in spans)

        assert len(by_sender) == 2
        assert sorted(by_sender.values()) == sorted(Counter(answers).values())


class TestAsyncPostgres:
    def test_statements_are_spans_without_their_values_and_the_pool_is_measured(
        self, sink: Sink, postgres: str
    ) -> None:
        environ = {"DATABASE_URL": postgres.replace("postgresql:", "postgresql+asyncpg:")}
        with served("async_postgres.py", sink, environ=environ) as url:
            params = {"contact_id": "contact-1", "body": "where is my order"}
            assert httpx.post(f"{url}/messages/message-1", params=params, trust_env=False).status_code == 200
        (insert,) = (span for span in sink.spans() if "INSERT" in span.name)

        assert insert.attributes["db.system.name"] == "postgresql"
        assert insert.attributes["messageId"] == "message-1"
        assert "db.pool.max" in sink.metrics()
        assert b"where is my order" not in b"".join(export.body for export in sink.received)


class TestStructlog:
    def test_its_event_is_a_masked_record_of_the_trace(self, sink: Sink) -> None:
        subprocess.run([sys.executable, EXAMPLES / "structlog_logs.py"], env=environment(sink), check=True, timeout=60)
        (record,) = (log for log in sink.logs() if log.body == "no answer")
        (span,) = sink.spans()

        assert record.trace_id == span.trace_id
        assert record.attributes == {
            "contactId": "contact-1",
            "messageId": "message-1",
            "phone": "+55********4321",
            "attempt": 2,
        }


@pytest.mark.collector
class TestSecondVendor:
    def test_gets_all_signals_beside_another_backend(self, sink: Sink, tmp_path: Path) -> None:
        grpc, http, health, metrics = (str(port) for port in free_ports(4))
        environ = {
            **os.environ,
            "OTLP_ENDPOINT": sink.url,
            "OTLP_HEADERS": "{x-backend: first}",
            "MY_OTLP_ENDPOINT": sink.url,
            "MY_TOKEN": "mine",
            "OTELCOL_BIN": str(need("otelcol-whatsself")),
            "OTELCOL_GRPC_PORT": grpc,
            "OTELCOL_HTTP_PORT": http,
            "OTELCOL_HEALTH_PORT": health,
            "OTELCOL_METRICS_PORT": metrics,
            "WHATSSELF_OTEL_DATA": str(tmp_path),
        }
        command = [sys.executable, "-m", "whatsself_otel.cli", "collector", "run", "--vendor", "otlp"]
        with subprocess.Popen([*command, "--config", EXAMPLES / "second_vendor.yaml"], env=environ) as collector:
            try:
                wait_until_served(f"http://127.0.0.1:{health}")
                own = {**environment(sink), "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{http}"}
                subprocess.run(
                    [sys.executable, EXAMPLES / "queue_worker.py", "receive", str(tmp_path / "jobs")],
                    env=own,
                    check=True,
                    timeout=60,
                )
                sink.wait_for(lambda sink: got(sink, "authorization", "Bearer mine") == ALL)
                sink.wait_for(lambda sink: got(sink, "x-backend", "first") == ALL)
            finally:
                collector.terminate()


class Gateway(BaseHTTPRequestHandler):
    """Answers to each message as Evolution API and WAHA do."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        key = {"remoteJid": "5511900000001@s.whatsapp.net", "fromMe": True, "id": "3EB0EXEMPLO"}
        body = json.dumps({"key": key, "status": "PENDING"}).encode()
        self.send_response(201)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def gateway() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Gateway) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def webhook(provider: str, name: str) -> dict[str, Any]:
    """Return a fixture's payload, written now."""
    text = (EXAMPLES.parent / f"registry/vectors/payloads/{provider}.json").read_text(encoding="utf-8")
    text = re.sub(r"17959[0-9]{5}", str(int(time.time())), text)
    payload: dict[str, Any] = json.loads(text)[name]["payload"]
    return payload


class TestWhatsApp:
    @pytest.mark.parametrize(
        ("example", "payload", "variable"),
        [
            ("whatsapp_evolution.py", ("evolution", "upsert_text"), "EVOLUTION_URL"),
            ("whatsapp_waha.py", ("waha", "message_noweb"), "WAHA_URL"),
        ],
    )
    def test_a_message_and_its_answer_are_counted_once(
        self, sink: Sink, gateway: str, example: str, payload: tuple[str, str], variable: str
    ) -> None:
        with served(example, sink, environ={variable: gateway}) as url:
            for _ in range(2):
                assert httpx.post(f"{url}/webhook", json=webhook(*payload), trust_env=False).is_success
        assert sink.total("messages.inbound") == 1
        assert sink.total("messages.outbound") == 1
        assert b"5511900000001" not in b"".join(export.body for export in sink.received)

    def test_pywas_webhooks_are_counted(self, sink: Sink) -> None:
        with served("whatsapp_pywa.py", sink, environ={"WHATSAPP_APP_SECRET": "s"}) as url:
            for name in ("message_image", "status_delivered"):
                body = json.dumps(webhook("cloud_api", name)).encode()
                signature = {"X-Hub-Signature-256": f"sha256={hmac.new(b's', body, hashlib.sha256).hexdigest()}"}
                posted = httpx.post(f"{url}/webhook", content=body, headers=signature, trust_env=False)
                assert posted.is_success
        assert sink.total("messages.inbound") == 1
        assert sink.total("messages.delivered") == 1


class TestOwnTests:
    def test_the_fixture_serves_the_tests_of_an_application(self, tmp_path: Path) -> None:
        shutil.copy(EXAMPLES / "test_reply.py", tmp_path)  # away from this project's own settings of pytest
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:randomly", "test_reply.py"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

        assert "1 passed" in done.stdout, done.stdout + done.stderr


NAMES = ("receive message", "send reply")
ALL = {"/v1/traces", "/v1/metrics", "/v1/logs"}


def got(sink: Sink, header: str, value: str) -> set[str]:
    return {each.path for each in sink.received if each.headers.get(header) == value}


@pytest.fixture
def postgres() -> Iterator[str]:
    if (why := postgres_server.absent()) is not None:
        pytest.skip(why)
    with postgres_server.run() as url:
        yield url


@contextmanager
def served(example: str, sink: Sink, *server: str, environ: dict[str, str] | None = None) -> Iterator[str]:
    """Serve an example, with uvicorn if no other is named, then let it end as a service manager would."""
    (port,) = free_ports(1)
    address = ("--bind", f"127.0.0.1:{port}") if server else ("--port", str(port))
    command = [sys.executable, "-m", *(server or ("uvicorn", "--app-dir", str(EXAMPLES)))]
    everything = {**environment(sink), **(environ or {})}
    with subprocess.Popen([*command, f"{Path(example).stem}:app", *address], env=everything) as server_process:
        try:
            yield wait_until_served(f"http://127.0.0.1:{port}")
        finally:
            server_process.terminate()


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
