"""The public test doubles."""

from __future__ import annotations

import logging

import httpx
import pytest
from fastapi import FastAPI

from whatsself_otel import TelemetryConfig, message_context, setup_telemetry
from whatsself_otel.testing import PiiError, record_telemetry

pytest_plugins = ["pytester"]


class TestRecordTelemetry:
    def test_shows_spans_logs_and_metrics_with_ids_that_repeat(self) -> None:
        for _ in range(2):
            with record_telemetry() as recorded:
                with message_context(contact_id="c1"), recorded.telemetry.tracer.start_as_current_span("work"):
                    logging.getLogger("shop").info("working")
                    recorded.telemetry.metrics.message_sent(origin="reply", contact_id="c1")

                (span,) = recorded.spans
                (record,) = recorded.logs
                assert (span.name, dict(span.attributes or {})) == ("work", {"contactId": "c1"})
                assert (record.log_record.body, record.log_record.trace_id) == ("working", 1)
                assert recorded.counter("messages.outbound", origin="reply") == 1
                assert recorded.counter("messages.outbound", origin="broadcast") == 0

    async def test_the_application_gets_it_from_its_own_setup(self) -> None:
        with record_telemetry() as recorded:
            app = FastAPI()
            setup_telemetry(app, config=TelemetryConfig(service_name="shop"))

            @app.get("/work")
            async def work() -> None: ...

            async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://shop") as client:
                await client.get("/work")

            assert [span.name for span in recorded.spans] == ["GET /work"]
            assert recorded.count("http.server.request.duration") == 1

    def test_refuses_to_record_beside_running_telemetry(self) -> None:
        with (
            record_telemetry(),
            pytest.raises(RuntimeError, match="already runs in this process"),
            record_telemetry(),
        ):
            pass

    def test_finds_what_masking_was_told_to_let_through(self) -> None:
        with record_telemetry() as recorded:
            with recorded.telemetry.tracer.start_as_current_span("order 4711"):
                pass

            recorded.assert_no_pii()
            with pytest.raises(PiiError, match="canary"):
                recorded.assert_no_pii(canaries=["order 4711"])


class TestFixture:
    def test_passes_and_fails_as_it_should(self, pytester: pytest.Pytester) -> None:
        pytester.makeconftest("pytest_plugins = ['whatsself_otel.pytest_plugin']")
        pytester.makepyfile(
            """
            def test_clean(recorded_telemetry):
                recorded_telemetry.telemetry.metrics.message_sent(origin="reply", contact_id="c1")
                assert recorded_telemetry.counter("messages.outbound") == 1

            def test_leak(recorded_telemetry):
                recorded_telemetry._items.spans.items.append(
                    type("Raw", (), {"to_json": lambda self: '{"name": "to +5511987654321"}'})()
                )
            """
        )

        result = pytester.runpytest_subprocess("-p", "no:randomly", "-q")

        result.assert_outcomes(passed=2, errors=1)
