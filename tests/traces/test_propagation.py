"""Nothing of ours, and nothing a stranger sent, travels on to other hosts but the trace context."""

from __future__ import annotations

import logging
from collections.abc import Callable

import httpx
import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from opentelemetry import baggage, propagate
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from opentelemetry.propagate import inject
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, TraceFlags, set_span_in_context
from otlp_sink import Sink
from rows import for_each

from whatsself_otel import ConfigError, Masker, Telemetry, TelemetryConfig
from whatsself_otel.traces.propagation import CleanTraceContext

Start = Callable[..., Telemetry]
PHONE = "5511987654321"
CLIENT = SpanMessage.SPAN_KIND_CLIENT
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

    def test_what_is_personal_in_it_is_left_out_on_its_way_in_and_out(
        self, start: Start, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("OTEL_PROPAGATORS", "tracecontext,baggage")
        start()
        outgoing: dict[str, str] = {}
        context = propagate.extract({"baggage": f"shop=yes,contact={PHONE}"})
        inject(outgoing, baggage.set_baggage("to", f"+{PHONE}", context))

        assert dict(baggage.get_all(context)) == {"shop": "yes"}
        assert outgoing["baggage"] == "shop=yes"

    def test_a_host_that_may_not_see_the_trace_context_sees_none(
        self, start: Start, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("OTEL_PROPAGATORS", "tracecontext,baggage")
        telemetry = start(trace_context_hosts=("api.example.com",))
        seen = []
        for host in ("api.example.com", "evil.example"):
            carrier: dict[str, str] = {}
            attributes = {"server.address": host}
            with telemetry.tracer.start_as_current_span("call", kind=SpanKind.CLIENT, attributes=attributes):
                inject(carrier, baggage.set_baggage("shop", "yes"))
            seen.append(sorted(carrier))

        assert seen == [["baggage", "traceparent"], []]

    def test_a_personal_tracestate_is_left_out_beside_it(self, start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("OTEL_PROPAGATORS", "baggage,tracecontext,tracecontext")
        start()
        outgoing: dict[str, str] = {}
        parent = f"00-{'a' * 32}-{'b' * 16}-01"
        inject(outgoing, propagate.extract({"traceparent": parent, "tracestate": f"shop=+{PHONE}"}))

        assert outgoing == {"traceparent": parent}

    def test_none_carries_nothing(self, start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("OTEL_PROPAGATORS", "none")
        telemetry = start()
        carrier: dict[str, str] = {}
        with telemetry.tracer.start_as_current_span("x"):
            inject(carrier)

        assert carrier == {}

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


@pytest.fixture
def called(start: Start) -> Callable[..., list[str]]:
    """Call a URL with an instrumented httpx; the names of the headers that the host has seen."""

    def call(url: str, hosts: tuple[str, ...]) -> list[str]:
        seen: list[str] = []

        def answer(request: httpx.Request) -> httpx.Response:
            seen.extend(request.headers)
            return httpx.Response(200)

        telemetry = start(trace_context_hosts=hosts)
        with httpx.Client(transport=httpx.MockTransport(answer)) as client, telemetry.tracer.start_as_current_span("x"):
            HTTPXClientInstrumentor.instrument_client(client)
            client.get(url)
        assert telemetry.force_flush(30)
        telemetry.shutdown()
        return seen

    return call


class TestTraceContextOfOtherHosts:
    """Sent by contrib's instrumentation of httpx; only the wire is played: there is no other host here."""

    @for_each(
        "host, hosts, told",
        [
            ("api.example.com", ("*",), True),
            ("api.example.com", ("api.example.com",), True),
            ("API.example.com:8443", ("api.example.com",), True),
            ("api.example.com", (".example.com",), True),
            ("evilexample.com", (".example.com",), False),
            ("other.example.org", ("api.example.com", ".internal"), False),
            ("api.example.com.evil.org", ("api.example.com", ".example.com"), False),
            ("api.example.com", (), False),
        ],
    )
    def test_are_told_it_only_when_the_list_names_them(
        self, called: Callable[..., list[str]], host: str, hosts: tuple[str, ...], *, told: bool
    ) -> None:
        seen = called(f"https://{host}/send", hosts)

        assert ("traceparent" in seen) is told
        assert "host" in seen
        assert [name for name in seen if name in {"baggage", "tracestate", "b3"}] == []

    def test_their_urls_are_masked_in_the_clients_span(self, called: Callable[..., list[str]], sink: Sink) -> None:
        called(f"https://user:s3cr3t@api.example.com/contacts/{PHONE}?to=%2B{PHONE}&token=t0k3n", ("*",))

        (client,) = [span for span in sink.spans() if span.kind == CLIENT]
        assert "********4321" in str(client.attributes)
        exported = b"".join(export.body for export in sink.received)
        assert [word for word in (PHONE[2:], "s3cr3t", "t0k3n") if word.encode() in exported] == []

    def test_a_wrong_list_is_an_error_that_says_what_is_right(self) -> None:
        with pytest.raises(ConfigError, match="host names"):
            TelemetryConfig(trace_context_hosts=("https://api.example.com/",))

    @pytest.mark.parametrize(
        ("attributes", "told"),
        [
            ({"server.address": "API.example.com"}, True),
            ({"net.peer.name": "api.example.com"}, True),
            ({"server.address": "elsewhere.example"}, False),
            ({"http.url": "https://api.example.com/send", "server.address": "proxy"}, True),
            ({}, False),
        ],
    )
    def test_the_host_is_known_by_whatever_convention_the_client_follows(
        self,
        start: Start,
        attributes: dict[str, str],
        told: bool,  # noqa: FBT001
    ) -> None:
        carrier: dict[str, str] = {}
        telemetry = start(trace_context_hosts=("api.example.com",))
        with telemetry.tracer.start_as_current_span("call", kind=SpanKind.CLIENT, attributes=attributes):
            inject(carrier)

        assert ("traceparent" in carrier) is told

    def test_what_is_not_recorded_tells_nobody(self, start: Start) -> None:
        carrier: dict[str, str] = {}
        start(trace_context_hosts=("api.example.com",))
        unknown = NonRecordingSpan(SpanContext(trace_id=1, span_id=1, is_remote=True, trace_flags=TraceFlags(1)))
        inject(carrier, set_span_in_context(unknown))

        assert carrier == {}

    def test_a_message_that_goes_to_no_host_keeps_it(self, start: Start) -> None:
        carrier: dict[str, str] = {}
        telemetry = start(trace_context_hosts=("api.example.com",))
        with telemetry.tracer.start_as_current_span("send", kind=SpanKind.PRODUCER):
            inject(carrier)

        assert list(carrier) == ["traceparent"]


header = st.text(max_size=300) | st.builds(
    lambda part, times: part * times, st.text(min_size=1, max_size=5), st.integers(0, 20_000)
)


class TestAnyHeader:
    """The installed propagator parses a stranger's headers without an exception, and keeps nothing personal."""

    @settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(traceparent=header, tracestate=header, baggage=header)
    def test_is_parsed_without_an_exception(self, traceparent: str, tracestate: str, baggage: str) -> None:
        propagator = CleanTraceContext(Masker())
        good = f"00-{'a' * 32}-{'b' * 16}-01"
        for parent in (traceparent, good):
            carrier = {"traceparent": parent, "tracestate": tracestate, "baggage": baggage}
            outgoing: dict[str, str] = {}
            propagator.inject(outgoing, propagator.extract(carrier))

            assert set(outgoing) <= {"traceparent", "tracestate"}

    @settings(deadline=None)
    @given(before=st.text(max_size=20), after=st.text(max_size=20))
    @example(before="", after="0000")
    def test_takes_no_number_further(self, before: str, after: str) -> None:
        carrier = {"traceparent": f"00-{'a' * 32}-{'b' * 16}-01", "tracestate": f"a=1,shop={before}+{PHONE}{after}"}
        outgoing: dict[str, str] = {}
        propagator = CleanTraceContext(Masker())
        propagator.inject(outgoing, propagator.extract(carrier))

        assert f"+{PHONE}" not in str(outgoing)
