"""The one call: idempotent, honest about a wrong environment, quick to end, and nothing left behind."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from children import environment
from fastapi import FastAPI
from opentelemetry import metrics, trace
from otlp_sink import Sink, run_sink
from sqlalchemy import create_engine, text

import whatsself_otel
from whatsself_otel import ConfigError, Telemetry, TelemetryConfig, setup_telemetry

if TYPE_CHECKING:
    from pathlib import Path

Start = Callable[..., Telemetry]
REFUSED = "http://127.0.0.1:9"
"""The discard port of the loopback: nothing listens there."""


class TestIdempotence:
    def test_a_second_call_with_the_same_settings_returns_the_same_handle(self, start: Start, sink: Sink) -> None:
        assert start() is start()

    def test_a_second_call_with_other_settings_fails_and_names_them(self, start: Start) -> None:
        start(service_name="one")

        with pytest.raises(ConfigError, match=r"already runs with other settings \(service_name\)"):
            start(service_name="two")

    def test_after_a_shutdown_it_can_be_called_again(self, start: Start, sink: Sink) -> None:
        start().shutdown()
        telemetry = start()
        with telemetry.tracer.start_as_current_span("again"):
            pass

        assert telemetry.force_flush(30)
        assert [span.name for span in sink.spans()] == ["again"]

    def test_the_globals_follow_the_running_telemetry(self, start: Start, sink: Sink) -> None:
        start().shutdown()
        telemetry = start()
        with trace.get_tracer("library").start_as_current_span("from a library"):
            metrics.get_meter("library").create_counter("library.calls").add(1)

        assert telemetry.force_flush(30)
        assert [span.name for span in sink.spans()] == ["from a library"]
        assert "library.calls" in sink.metrics()

    def test_twenty_rounds_leave_no_thread_and_no_handler(self, sink: Sink) -> None:
        config = TelemetryConfig(endpoint=sink.url, log_to_stdout=False)
        setup_telemetry(config=config).shutdown()
        before = (_own_threads(), list(logging.getLogger().handlers))
        for _ in range(20):
            telemetry = setup_telemetry(config=config)
            with telemetry.tracer.start_as_current_span("round"):
                logging.getLogger("shop").info("round")
            telemetry.shutdown()

        assert (_own_threads(), list(logging.getLogger().handlers)) == before


class TestWrongEnvironment:
    def test_is_logged_defaults_apply_and_health_turns_red(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "nowhere")
        monkeypatch.setenv("OTEL_METRIC_EXPORT_INTERVAL", "soon")
        monkeypatch.setenv("WHATSSELF_OTEL_ENVIROMENT", "production")
        with setup_telemetry() as telemetry:
            health = telemetry.health()
            said = [record.getMessage() for record in caplog.records if record.name == "whatsself_otel"]

        assert not health.ok
        assert len(health.problems) == 3
        assert said == list(health.problems)
        assert telemetry.config.target("traces") == "http://localhost:4318/v1/traces"

    def test_a_refusing_collector_turns_health_red_and_names_the_remedy(self) -> None:
        config = TelemetryConfig(endpoint=REFUSED, export_timeout_s=0.3, log_to_stdout=False)
        with setup_telemetry(config=config) as telemetry:
            with telemetry.tracer.start_as_current_span("lost"):
                pass
            deadline_s = time.monotonic() + 10
            while telemetry.health().ok and time.monotonic() < deadline_s:
                telemetry.force_flush(1)
            health = telemetry.health()

        assert not health.ok
        assert any("is a collector listening at http://127.0.0.1:9/v1/traces?" in text for text in health.problems)

    def test_sdk_disabled_makes_every_call_a_no_op(self, monkeypatch: pytest.MonkeyPatch, sink: Sink) -> None:
        monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", sink.url)
        with setup_telemetry() as telemetry:
            with telemetry.tracer.start_as_current_span("nothing") as span:
                telemetry.metrics.message_sent(origin="reply", contact_id="c1")
                assert not span.is_recording()
            assert telemetry.force_flush(30)

        assert (sink.received, telemetry.health().ok) == ([], True)

    async def test_sdk_disabled_leaves_application_and_engine_as_they_are(
        self, monkeypatch: pytest.MonkeyPatch, sink: Sink
    ) -> None:
        monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
        app, engine = FastAPI(), create_engine("sqlite://")
        before = dict(app.__dict__)
        with setup_telemetry() as telemetry:
            telemetry.instrument_app(app)
            telemetry.instrument_engine(engine)
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://shop") as client:
                answer = await client.get("/none")
            with engine.connect() as connection:
                connection.execute(text("select 1"))
            telemetry.shutdown()

        assert before.keys() == app.__dict__.keys()
        assert [name for name in ("x-request-id", "traceresponse") if name in answer.headers] == []
        assert sink.received == []

    def test_a_foreign_tracer_provider_is_left_alone_and_reported(self) -> None:
        code = (
            "from opentelemetry import trace\n"
            "from opentelemetry.sdk.trace import TracerProvider\n"
            "theirs = TracerProvider(); trace.set_tracer_provider(theirs)\n"
            "from whatsself_otel import setup_telemetry\n"
            "telemetry = setup_telemetry()\n"
            "assert trace.get_tracer_provider() is theirs\n"
            "assert 'Another OpenTelemetry tracer provider' in telemetry.health().problems[0]\n"
        )
        assert _run(code, "OTEL_TRACES_EXPORTER=none").returncode == 0


class TestEnd:
    def test_a_script_that_ends_delivers_what_was_queued(self, sink: Sink) -> None:
        code = (
            "import logging\n"
            "from whatsself_otel import setup_telemetry\n"
            "telemetry = setup_telemetry()\n"
            "with telemetry.tracer.start_as_current_span('last words'):\n"
            "    logging.getLogger('shop').info('bye')\n"
            "telemetry.metrics.message_sent(origin='reply', contact_id='c1')\n"
        )
        done = _run(code, f"OTEL_EXPORTER_OTLP_ENDPOINT={sink.url}")

        assert (done.returncode, done.stderr) == (0, "")
        assert [span.name for span in sink.spans()] == ["last words"]
        assert [record.body for record in sink.logs()] == ["bye"]
        assert "messages.outbound" in sink.metrics()

    @pytest.mark.parametrize("kind", ["refused", "silent"])
    def test_a_dead_collector_delays_the_exit_by_five_seconds_at_most(self, kind: str) -> None:
        code = (
            "import logging\n"
            "from whatsself_otel import setup_telemetry\n"
            "telemetry = setup_telemetry()\n"
            "for number in range(3000):\n"
            "    with telemetry.tracer.start_as_current_span('lost'):\n"
            "        logging.getLogger('shop').info('lost %d', number)\n"
            "import time; open(PATH, 'w').write(str(time.time()))\n"
        )
        with _black_hole() as silent:
            endpoint = REFUSED if kind == "refused" else silent
            done, exit_s = _time_exit(code, endpoint)

        assert done.returncode == 0
        assert exit_s < 5.0


class TestImport:
    def test_does_no_work_and_starts_no_thread(self) -> None:
        code = (
            "import logging, sys, threading, atexit\n"
            "state = lambda: (threading.active_count(), logging.getLogger().handlers[:], sys.excepthook)\n"
            "before = state()\n"
            "import whatsself_otel\n"
            "assert before == state()\n"
            "assert 'grpc' not in sys.modules and 'fastapi' not in sys.modules and 'sqlalchemy' not in sys.modules\n"
        )
        assert _run(code).stderr == ""

    def test_a_worker_without_a_web_framework_or_a_database_can_be_set_up(self) -> None:
        code = (
            "import sys\n"
            "from whatsself_otel import TelemetryConfig, setup_telemetry\n"
            f"config = TelemetryConfig(endpoint={REFUSED!r}, shutdown_timeout_s=0.1, log_to_stdout=False)\n"
            "setup_telemetry(config=config).shutdown()\n"
            "found = {'starlette', 'fastapi', 'sqlalchemy', 'grpc'} & set(sys.modules)\n"
            "assert not found, found\n"
        )
        ran = _run(code)

        assert ran.returncode == 0, ran.stderr

    def test_every_exported_name_is_there_and_sorted(self) -> None:
        assert whatsself_otel.__all__ == sorted(whatsself_otel.__all__)
        assert [name for name in whatsself_otel.__all__ if not hasattr(whatsself_otel, name)] == []


class TestResource:
    def test_every_signal_carries_its_source_and_environment(self, start: Start, sink: Sink) -> None:
        telemetry = start(service_name="shop", environment="production", service_version="1.2.3")
        with telemetry.tracer.start_as_current_span("span"):
            logging.getLogger("shop").info("line")
        assert telemetry.force_flush(30)

        expected = {"service.name": "shop", "deployment.environment.name": "production", "service.version": "1.2.3"}
        for item in (sink.spans()[0], sink.logs()[0]):
            assert {key: item.resource[key] for key in expected} == expected
        assert "service.instance.id" in sink.spans()[0].resource


def _own_threads() -> list[str]:
    """Return the threads except the sink's: it has one for each connection of a closed client."""
    return sorted(thread.name for thread in threading.enumerate() if "process_request" not in thread.name)


def _run(code: str, *variables: str) -> subprocess.CompletedProcess[str]:
    given = dict(variable.split("=", 1) for variable in variables)
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env=environment({"WHATSSELF_OTEL_LOG_TO_STDOUT": "false", **given}),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def _time_exit(code: str, endpoint: str) -> tuple[subprocess.CompletedProcess[str], float]:
    """Run *code*, which writes its end time, and return the seconds from there to the exit."""
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "end"
        done = _run(f"PATH = {str(path)!r}\n{code}", f"OTEL_EXPORTER_OTLP_ENDPOINT={endpoint}")
        return done, time.time() - float(path.read_text())


def _black_hole() -> Any:
    """A port that accepts connections and never answers."""
    import socket
    from contextlib import contextmanager

    @contextmanager
    def listen() -> Any:
        with socket.socket() as server:
            server.bind(("127.0.0.1", 0))
            server.listen(128)
            yield f"http://127.0.0.1:{server.getsockname()[1]}"

    return listen()


class TestCollectorComesBack:
    def test_what_was_queued_while_it_was_away_arrives(self, sink: Sink) -> None:
        port = int(sink.url.rsplit(":", 1)[1])
        config = TelemetryConfig(
            endpoint=f"http://127.0.0.1:{port + 0}", export_timeout_s=0.5, span_delay_s=0.05, log_to_stdout=False
        )
        sink.status = 503
        with setup_telemetry(config=config) as telemetry:
            for number in range(50):
                with telemetry.tracer.start_as_current_span(f"span {number}"):
                    pass
            time.sleep(1.0)
            sink.status = 200
            sink.wait_for(lambda seen: len(seen.spans()) == 50)

        assert {span.name for span in sink.spans()} == {f"span {number}" for number in range(50)}
        assert telemetry.health().signals["traces"]["dropped"] == 0


def test_the_sink_itself_can_be_started_twice() -> None:
    with run_sink() as first, run_sink() as second:
        assert first.url != second.url


class TestMetrics:
    def test_attributes_and_exemplars_leave_masked(self, start: Start, sink: Sink) -> None:
        telemetry = start()
        counter = metrics.get_meter("shop").create_counter("shop.calls")
        with telemetry.tracer.start_as_current_span("work"):
            counter.add(1, {"phone": "11987654321", "note": "call +5511987654321"})
        assert telemetry.force_flush(30)

        (point, *_) = sink.metrics()["shop.calls"][-1].sum.data_points
        assert {pair.key: pair.value.string_value for pair in point.attributes}["note"] == "call +55********4321"
        assert b"987654321" not in b"".join(export.body for export in sink.received)

    def test_an_unforeseen_series_is_born_with_a_zero_point(self, start: Start, sink: Sink) -> None:
        telemetry = start()
        metrics.get_meter("shop").create_counter("shop.calls").add(1, {"kind": "new"})
        assert telemetry.force_flush(30)

        points = sink.metrics()["shop.calls"][0].sum.data_points
        assert [point.as_int for point in sorted(points, key=lambda point: point.time_unix_nano)] == [0, 1]

    async def test_prometheus_can_scrape_the_application(self, start: Start) -> None:
        import httpx
        from fastapi import FastAPI

        app = FastAPI()
        telemetry = start(app, prometheus=True)
        telemetry.metrics.message_sent(origin="reply", contact_id="c1")
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://shop") as client:
            answer = await client.get("/metrics")

        assert 'messages_outbound_total{origin="reply",session="main"} 1.0' in answer.text.splitlines()

    def test_a_missing_extra_is_a_problem_and_not_an_exception(
        self, start: Start, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("whatsself_otel.providers.find_spec", lambda _name: None)
        telemetry = start(prometheus=True)

        assert "pip install prometheus-client, or" in telemetry.health().problems[0]

    async def test_an_empty_token_file_closes_the_scrape_and_not_the_application(
        self, start: Start, tmp_path: Path
    ) -> None:
        import httpx
        from fastapi import FastAPI

        (tmp_path / "token").write_text("\n")
        app = FastAPI()
        telemetry = start(app, prometheus=True, prometheus_token_file=tmp_path / "token")
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://shop") as client:
            answer = await client.get("/metrics")

        assert (answer.status_code, telemetry.health().ok) == (404, False)

    async def test_a_token_guards_the_scrape(self, start: Start, tmp_path: Path) -> None:
        import httpx
        from fastapi import FastAPI

        (tmp_path / "token").write_text("s3cret\n")
        app = FastAPI()
        start(app, prometheus=True, prometheus_token_file=tmp_path / "token")
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://shop") as client:
            refused = await client.get("/metrics")
            allowed = await client.get("/metrics", headers={"authorization": "Bearer s3cret"})

        assert (refused.status_code, allowed.status_code) == (401, 200)
