"""Health: the report to an operator, without anything secret."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from children import unmeasured_environment
from fastapi import FastAPI, Response
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from otlp_sink import Sink

from whatsself_otel import Telemetry, TelemetryConfig
from whatsself_otel.export.exporters import Exporters
from whatsself_otel.export.otlp import ExportResult

Start = Callable[..., Telemetry]


async def ask(app: FastAPI, path: str = "/telemetry/health") -> httpx.Response:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://shop") as client:
        return await client.get(path)


class TestHealth:
    def test_it_names_queues_their_bounds_and_the_last_success(self, start: Start, sink: Sink) -> None:
        telemetry = start(span_queue_size=100)
        with telemetry.tracer.start_as_current_span("span"):
            pass
        assert telemetry.force_flush(30)
        traces = telemetry.health().signals["traces"]

        assert (traces["exported"], traces["dropped"], traces["queued"], traces["queued_bytes"]) == (1, 0, 0, 0)
        assert (traces["queue_limit"], traces["queue_limit_bytes"]) == (100, 64 * 1024 * 1024)
        assert traces["last_success_age_s"] < 60

    def test_it_names_the_versions_that_matter(self, start: Start) -> None:
        versions = start().health().versions

        assert versions["opentelemetry-sdk"]
        assert versions["fastapi"]
        assert versions["python"]

    def test_its_configuration_holds_every_setting_and_no_secret(self, start: Start, sink: Sink) -> None:
        port = sink.url.rpartition(":")[2]
        telemetry = start(
            endpoint=f"http://user:s3cretpass@127.0.0.1:{port}", headers={"authorization": "Bearer t0kenvalue"}
        )
        shown = telemetry.health().configuration

        assert shown["headers"] == {"authorization": "(hidden)"}
        assert "127.0.0.1" in shown["endpoint"]
        assert shown["metric_interval_s"] == 15.0
        assert "s3cretpass" not in json.dumps(shown)
        assert "t0kenvalue" not in json.dumps(shown)


class TestHealthApp:
    @pytest.mark.parametrize("kind", ["lifespan", "websocket"])
    async def test_what_is_no_request_gets_no_answer(self, start: Start, kind: str) -> None:
        sent: list[Any] = []

        async def receive() -> Any:
            raise AssertionError

        async def send(message: Any) -> None:
            sent.append(message)

        await start().health_app({"type": kind}, receive, send)

        assert sent == []

    async def test_all_well_is_200_with_json(self, start: Start) -> None:
        app = FastAPI()
        telemetry = start(app)
        app.add_route("/telemetry/health", telemetry.health_app)
        answer = await ask(app)

        assert (answer.status_code, answer.json()["ok"], answer.json()["problems"]) == (200, True, [])

    async def test_a_failed_export_is_503_and_says_what_to_do(self, start: Start) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            nobody = f"http://127.0.0.1:{probe.getsockname()[1]}"
        app = FastAPI()
        telemetry = start(app, endpoint=nobody)
        app.add_route("/telemetry/health", telemetry.health_app)
        with telemetry.tracer.start_as_current_span("lost"):
            pass
        telemetry.force_flush(2)
        answer = await ask(app)

        assert answer.status_code == 503
        assert any(f"is a collector listening at {nobody}/v1/traces?" in text for text in answer.json()["problems"])


class Broken(SpanProcessor):
    def on_start(self, span: object, parent_context: object = None) -> None:
        raise ValueError("their processor")

    def on_end(self, span: ReadableSpan) -> None:
        raise ValueError("their processor")


class TestErrors:
    def test_a_processor_of_the_application_that_raises_is_counted_and_hurts_nobody(
        self, start: Start, sink: Sink
    ) -> None:
        telemetry = start()
        telemetry.tracer_provider.add_span_processor(Broken())  # type: ignore[attr-defined]
        with telemetry.tracer.start_as_current_span("span"):
            pass
        assert telemetry.force_flush(30)

        assert [span.name for span in sink.spans()] == ["span"]
        assert errors(sink, "export") == 2

    @pytest.mark.parametrize(
        ("instrumentation", "broken"),
        [
            ("contrib", "opentelemetry.instrumentation.asgi.collect_request_attributes"),
            ("own", "whatsself_otel.integrations.own_fastapi.ServerSpanMiddleware._enter"),
        ],
    )
    async def test_a_request_that_cannot_be_traced_is_served_and_counted(
        self, instrumentation: str, broken: str, start: Start, sink: Sink, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_: object) -> None:
            raise ValueError

        monkeypatch.setattr(broken, fail)
        app = FastAPI()
        telemetry = start(app, instrumentation=instrumentation)
        app.add_route("/work", lambda _: Response("done"))
        assert (await ask(app, "/work")).text == "done"
        assert telemetry.force_flush(30)

        assert errors(sink, "instrumentation") == 1
        assert any("An error inside instrumentation" in problem for problem in telemetry.health().problems)


def errors(sink: Sink, component: str) -> Any:
    """The last value of the counter; its zero point may stand beside it."""
    points = sink.metrics()["telemetry.errors"][-1].sum.data_points
    return max(point.as_int for point in points if point.attributes[0].value.string_value == component)


class Refusing:
    """Refuses every batch for good."""

    def send(self, batch: list[Any]) -> ExportResult:
        return ExportResult(error="HTTP 400")

    def close(self) -> None:
        """Hold nothing."""


class TestEnd:
    def test_what_is_given_up_during_the_last_flush_is_named_as_lost(self, caplog: pytest.LogCaptureFixture) -> None:
        config = TelemetryConfig(shutdown_timeout_s=0.5, environ={})
        telemetry = Telemetry(config, Exporters(spans=Refusing()))
        telemetry.tracer.start_span("lost").end()

        telemetry._flush_at_end()
        telemetry.shutdown(0.1)

        assert "telemetry was not delivered at the end: {'traces': 1}" in caplog.text


class TestQueues:
    def test_what_waits_for_a_sender_that_does_not_encode_is_counted_in_bytes_too(self) -> None:
        telemetry = Telemetry(TelemetryConfig(span_delay_s=60, environ={}), Exporters(spans=Refusing()))
        telemetry.tracer.start_span("long", attributes={"note": "x" * 50_000}).end()

        held_bytes = telemetry.health().signals["traces"]["queued_bytes"]
        telemetry.shutdown(0.1)

        assert 50_000 < held_bytes < 52_000


class TestAfterShutdown:
    def test_every_call_is_a_no_op(self, start: Start, sink: Sink) -> None:
        import logging

        app = FastAPI()
        telemetry = start(app)
        telemetry.shutdown()
        before = len(sink.received)
        with telemetry.tracer.start_as_current_span("late"):
            logging.getLogger("shop").warning("late")
        telemetry.metrics.message_sent(origin="reply", contact_id="c1")
        telemetry.metrics.session_state(session="main", state="connected")
        telemetry.instrument_app(app)
        telemetry.force_flush(1)
        telemetry.health()

        assert telemetry.shutdown()
        assert len(sink.received) == before


class TestRounds:
    def test_a_hundred_rounds_leave_no_thread_descriptor_handler_or_memory(self, sink: Sink) -> None:
        import subprocess
        import sys

        done = subprocess.run(
            [sys.executable, "-c", ROUNDS],
            env=unmeasured_environment(OTEL_EXPORTER_OTLP_ENDPOINT=sink.url),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
        more = json.loads(done.stdout.splitlines()[-1])

        assert (more["threads"], more["descriptors"], more["handlers"], max(more["handles"], 0)) == (0, 0, 0, 0)
        assert more["bytes"] < 100 * 5_000  # Python forgets no hook of a fork: some 3 KB a round are theirs


ROUNDS = """
import gc, json, logging, os, sys, threading, tracemalloc
from fastapi import FastAPI
from sqlalchemy import create_engine
from whatsself_otel import Telemetry, TelemetryConfig, setup_telemetry

config = TelemetryConfig(log_to_stdout=False)
hooks = (sys.excepthook, threading.excepthook, logging.getLogRecordFactory())
def round_trip():
    telemetry = setup_telemetry(FastAPI(), create_engine("sqlite://"), config=config)
    with telemetry.tracer.start_as_current_span("round"):
        logging.getLogger("shop").info("round")
    telemetry.shutdown()
def state():
    gc.collect()
    return {"threads": threading.active_count(), "descriptors": len(os.listdir("/proc/self/fd")),
            "handlers": len(logging.getLogger().handlers),
            "handles": sum(isinstance(each, Telemetry) for each in gc.get_objects()),
            "bytes": tracemalloc.get_traced_memory()[0]}
tracemalloc.start()
for _ in range(5): round_trip()
before = state()
for _ in range(100): round_trip()
after = state()
assert hooks == (sys.excepthook, threading.excepthook, logging.getLogRecordFactory())
print(json.dumps({name: after[name] - before[name] for name in before}))
"""
