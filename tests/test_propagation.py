"""Nothing of ours, and nothing a stranger sent, travels on to other hosts but the trace context."""

from __future__ import annotations

import logging
from collections.abc import Callable

import httpx
import pytest
from fastapi import FastAPI
from opentelemetry import propagate
from opentelemetry.propagate import inject
from otlp_sink import Sink

from whatsself_otel import Telemetry

Start = Callable[..., Telemetry]
PHONE = "5511987654321"
HOSTILE = [
    f"contact.phone={PHONE}",
    f"a={PHONE}\r\nx: y",
    "=" * 5000,
    f"{PHONE}=\x00",
    ",".join(f"k{number}={PHONE}" for number in range(500)),
]


def build_app(outgoing: dict[str, str]) -> FastAPI:
    app = FastAPI()

    @app.get("/call")
    async def call() -> None:
        inject(outgoing)

    return app


async def request(app: FastAPI, headers: dict[str, str]) -> httpx.Response:
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://shop") as client:
        return await client.get("/call", headers=raw)


class TestBaggage:
    @pytest.mark.parametrize("header", HOSTILE, ids=range(len(HOSTILE)))
    async def test_what_a_stranger_sends_is_neither_passed_on_nor_logged(
        self, start: Start, sink: Sink, header: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        outgoing: dict[str, str] = {}
        app = build_app(outgoing)
        telemetry = start(app)
        with caplog.at_level(logging.DEBUG):
            answer = await request(app, {"baggage": header})
        telemetry.force_flush(5)

        assert (answer.status_code, list(outgoing)) == (200, ["traceparent"])
        assert PHONE not in caplog.text
        assert PHONE.encode() not in b"".join(export.body for export in sink.received)

    def test_it_can_be_asked_for(self, start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("OTEL_PROPAGATORS", "tracecontext,baggage")
        start()

        assert "baggage" in propagate.get_global_textmap().fields

    def test_the_default_is_put_back(self, start: Start) -> None:
        before = propagate.get_global_textmap()
        start().shutdown()

        assert propagate.get_global_textmap() is before


class TestTraceContext:
    @pytest.mark.parametrize(
        "headers",
        [
            {"traceparent": f"00-{PHONE}"},
            {"traceparent": "x" * 100_000},
            {"traceparent": "00-" + "a" * 32 + "-" + "b" * 16 + "-01", "tracestate": f"shop=+{PHONE}"},
            {"traceparent": "00-" + "a" * 32 + "-" + "b" * 16 + "-01", "tracestate": "=" * 5000},
        ],
        ids=["a phone", "far too long", "a phone in tracestate", "no tracestate at all"],
    )
    async def test_a_hostile_one_hurts_nobody_and_is_not_exported(
        self, start: Start, sink: Sink, headers: dict[str, str]
    ) -> None:
        app = build_app({})
        telemetry = start(app)
        answer = await request(app, headers)
        telemetry.force_flush(5)

        assert answer.status_code == 200
        assert PHONE.encode() not in b"".join(export.body for export in sink.received)

    async def test_a_good_one_is_continued(self, start: Start, sink: Sink) -> None:
        app = build_app({})
        telemetry = start(app)
        await request(app, {"traceparent": f"00-{'a' * 32}-{'b' * 16}-01"})
        telemetry.force_flush(5)

        assert [(span.trace_id, span.parent_id) for span in sink.spans()] == [("a" * 32, "b" * 16)]
