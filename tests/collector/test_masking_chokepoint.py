"""Unmasked data from any sender never leaves the collector, in any field of any signal."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

import pytest
from binaries import Collector, post_otlp, run_collector
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from otlp_sink import Received, Sink, run_sink

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.collector

LINK = Span.Link(trace_id=b"\x03" * 16, span_id=b"\x04" * 8)
QUICK = (
    "exporters::otlp_http/otlp::sending_queue::batch::flush_timeout: 10ms",
    "connectors::span_metrics::metrics_flush_interval: 200ms",
)
"""No wait, because these tests do not test waiting."""

PHONE = "5511987654321"
TAIL = PHONE[-8:]
"""Eight digits are enough to find a person: no run of them may be left."""

SECRETS = {
    "E.164": f"sent to +{PHONE} just now",
    "spaced": "ligue +55 11 98765-4321 hoje",
    "percent-encoded": f"/contacts/%2B{PHONE}",
    "doubly encoded": f"/contacts/%252B{PHONE}",
    "international prefix": f"00{PHONE}",
    "bare": PHONE,
    "bare in a path": f"/contacts/{PHONE}/messages",
    "national": "(11) 98765-4321",
    "national, bare": "11987654321",
    "national, landline": "(11) 3456-7890",
    "without the ninth digit": "551187654321",
    "Portuguese": "tel +351912345678",
    "Portuguese, bare": "351912345678",
    "of the United States, bare": "14155552671",
    "JID": f"{PHONE}@s.whatsapp.net",
    "JID of a device": f"{PHONE}:12@s.whatsapp.net",
    "JID in a message id": f"false_{PHONE}@c.us_3EB0C767D097E9E",
    "JID of a group": f"{PHONE}-1612345678@g.us",
    "JID, encoded": f"/chats/{PHONE}%40c.us",
    "hidden id": "123456789012345@lid",
    "click to chat": f"https://wa.me/{PHONE}",
    "e-mail": "maria.souza@example.com.br",
    "CPF": "cpf 529.982.247-25",
    "CNPJ": "12.345.678/0001-95",
    "CNPJ with letters": "12.ABC.345/01DE-35",
    "card": "4111 1111 1111 1111",
    "card, bare": "card=4111111111111111",
    "JWT": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
    "bearer": "Authorization: Bearer abcdef0123456789",
    "database URL": "postgresql://app:hunter2xyz@db/whatsself",
    "signed URL": "https://cdn/file?sig=c2VjcmV0c2ln&w=1",
    "JSON text": '{"body":"oi, tudo bem com voce?","pushName":"Maria Souza"}',
}
LEAKS = {
    "national, landline": "3456-7890",
    "e-mail": "maria.souza",
    "CPF": "982.247",
    "CNPJ": "345.678",
    "CNPJ with letters": "ABC.345",
    "card": "1111 1111",
    "card, bare": "11111111",
    "JWT": "eyJzdWIi",
    "bearer": "abcdef0123",
    "database URL": "hunter2xyz",
    "signed URL": "c2VjcmV0",
    "JSON text": "tudo bem",
}
"""What would betray each secret that is not a number."""

HARMLESS = {
    "requestId": "0b8e7c1e-5a5e-4a8e-9d5b-3f1e8a7c9d10",
    "contactId": "clx3k2j9h0000qzrm8f2d1a7b",
    "messageId": "msg_1763898000123_k3j9x2",
    "traceId": "4bf92f3577b34da6a3ce929d0e0e4736",
    "ulid": "01ARZ3NDEKTSV4RRFFQ69G5FAV",
    "time": "2026-11-23T12:00:00.123456Z",
    "compact time": "20261123120000",
    "milliseconds": "1763898000123",
    "nanoseconds": "1763898000123456789",
    "seconds": "1763898000",
    "price": "R$ 1.234,56",
    "address": "192.168.10.20:54321",
    "order": "order 12345678",
    "masked already": "+55********1234",
    "version": "1.45.1",
    "sql": "SELECT id FROM messages WHERE id = ? LIMIT 100",
    "trace parent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
}
NUMBERS = {"bytes": 1048576, "nanoseconds": 1763898000123456789, "milliseconds": 1763898000123, "port": 54321}
FLOATS = {"seconds": 0.4123456789012345, "ratio": 0.55119876543, "time": 1763898000.123456}


def text(key: str, value: str) -> KeyValue:
    return KeyValue(key=key, value=AnyValue(string_value=value))


OURS = Resource(attributes=[text("telemetry.distro.name", "whatsself_otel")])


def texts(values: dict[str, str]) -> list[KeyValue]:
    return [text(key, value) for key, value in values.items()]


@pytest.fixture(scope="module")
def sink() -> Iterator[Sink]:
    with run_sink() as running:
        yield running


@pytest.fixture(scope="module")
def collector(sink: Sink, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    folder: Path = tmp_path_factory.mktemp("collector")
    with run_collector("otlp", environ={"OTLP_ENDPOINT": sink.url}, folder=folder, settings=QUICK) as running:
        yield running


class Wire:
    """Sends one request and returns the collector's output for it."""

    def __init__(self, collector: Collector, sink: Sink) -> None:
        self._collector = collector
        self._sink = sink

    def spans(self, *spans: Span, resource: Resource | None = None, scope: InstrumentationScope | None = None) -> bytes:
        request = ExportTraceServiceRequest()
        owner = request.resource_spans.add()
        owner.resource.CopyFrom(resource or Resource())
        scoped = owner.scope_spans.add()
        scoped.scope.CopyFrom(scope or InstrumentationScope())
        scoped.spans.extend(spans)
        return self._send("/v1/traces", request)

    def logs(self, *records: LogRecord, resource: Resource | None = None) -> bytes:
        request = ExportLogsServiceRequest()
        owner = request.resource_logs.add()
        owner.resource.CopyFrom(resource or Resource())
        owner.scope_logs.add().log_records.extend(records)
        return self._send("/v1/logs", request)

    def metrics(self, request: ExportMetricsServiceRequest) -> bytes:
        return self._send("/v1/metrics", request)

    def _send(self, path: str, request: object) -> bytes:
        self._sink.received.clear()
        post_otlp(self._collector.http_url + path, request)
        self._sink.wait_for(lambda sink: any(is_answer(each, path) for each in sink.received))
        return next(each.body for each in self._sink.received if is_answer(each, path))


def is_answer(export: Received, path: str) -> bool:
    """Separate the telemetry of a test from the span metrics, which are sent at other times."""
    metrics = [
        metric.name
        for resource in getattr(export.message, "resource_metrics", ())
        for scope in resource.scope_metrics
        for metric in scope.metrics
    ]
    return export.path == path and not all(name.startswith("traces.span.metrics") for name in metrics or ["own"])


@pytest.fixture
def wire(collector: Collector, sink: Sink) -> Wire:
    return Wire(collector, sink)


def span(**fields: object) -> Span:
    now_ns = time.time_ns()
    given = {"name": "send", "trace_id": b"\x01" * 16, "span_id": b"\x02" * 8}
    return Span(**{**given, "start_time_unix_nano": now_ns, "end_time_unix_nano": now_ns + 1000, **fields})  # type: ignore[arg-type]


def assert_clean(out: bytes, secret: str = "") -> None:
    """No secret is left, nor any scaffolding of the masking."""
    shown = out.decode("latin-1")
    assert not re.search(r"(?<![0-9])55?1?1?9?87654321|98765-4321|" + TAIL, shown), shown
    assert "masking." not in shown
    if secret in LEAKS:
        assert LEAKS[secret] not in shown, shown
    digits = max(re.findall(r"[0-9]+", SECRETS.get(secret, "")), key=len, default="")
    if len(digits) >= 8:
        assert digits not in shown, shown


class TestEveryField:
    """A phone in any field a sender can fill."""

    @pytest.mark.parametrize("name", [f"POST /send/{PHONE}", f"chat {PHONE}@c.us"])
    def test_span_name(self, wire: Wire, name: str) -> None:
        assert_clean(wire.spans(span(name=name)))

    def test_span_status(self, wire: Wire) -> None:
        out = wire.spans(
            span(status=Status(code=Status.STATUS_CODE_ERROR, message=f"Key (phone)=({PHONE}) already exists"))
        )

        assert_clean(out)
        assert b"exists" in out

    def test_trace_state(self, wire: Wire) -> None:
        assert_clean(wire.spans(span(trace_state=f"shop={PHONE}")))

    @pytest.mark.parametrize("key", ["http.url", "db.statement", "anything"])
    def test_span_attribute(self, wire: Wire, key: str) -> None:
        assert_clean(wire.spans(span(attributes=[text(key, f"x {PHONE} y")])))

    def test_attribute_key(self, wire: Wire) -> None:
        assert_clean(wire.spans(span(attributes=[text(f"contact.{PHONE}", "1")])))

    def test_number_attribute(self, wire: Wire) -> None:
        number = KeyValue(key="contact", value=AnyValue(int_value=int(PHONE)))

        out = wire.spans(span(attributes=[number]))

        assert_clean(out)
        assert b"****" in out

    def test_list_and_map_attributes(self, wire: Wire) -> None:
        listed, mapped = KeyValue(key="contacts"), KeyValue(key="contact")
        listed.value.array_value.values.add(string_value=PHONE)
        mapped.value.kvlist_value.values.append(text("body", "oi, tudo bem"))
        mapped.value.kvlist_value.values.append(text(PHONE, "1"))

        out = wire.spans(span(attributes=[listed, mapped]))

        assert_clean(out)
        assert b"tudo bem" not in out

    def test_event_name_and_attributes(self, wire: Wire) -> None:
        event = Span.Event(name=f"retry {PHONE}", attributes=[text("exception.message", f"no session for {PHONE}")])

        assert_clean(wire.spans(span(events=[event])))

    def test_links_of_strangers_go(self, wire: Wire) -> None:
        link = Span.Link(trace_id=b"\x03" * 16, span_id=b"\x04" * 8, attributes=[text("to", PHONE)])

        assert_clean(wire.spans(span(links=[link])))

    def test_links_go_whatever_an_unknown_sender_says_it_is(self, wire: Wire) -> None:
        assert LINK.trace_id not in wire.spans(span(links=[LINK]), resource=OURS)

    def test_links_of_this_package_stay_where_the_receiver_knows_its_senders(self, sink: Sink, tmp_path: Path) -> None:
        known = "receivers::otlp::protocols::http::include_metadata: true"
        environ = {"OTLP_ENDPOINT": sink.url}
        with run_collector("otlp", environ=environ, folder=tmp_path, settings=(*QUICK, known)) as collector:
            wire = Wire(collector, sink)

            assert LINK.trace_id in wire.spans(span(links=[LINK]), resource=OURS)
            assert LINK.trace_id not in wire.spans(span(links=[LINK]))

    def test_resource_and_scope(self, wire: Wire) -> None:
        resource = Resource(attributes=[text("process.command_args", f"--to={PHONE}"), text(f"k{PHONE}", "1")])
        scope = InstrumentationScope(name=f"bot {PHONE}", version=PHONE, attributes=[text("owner", PHONE)])

        assert_clean(wire.spans(span(), resource=resource, scope=scope))

    def test_schema_url(self, wire: Wire) -> None:
        request = ExportTraceServiceRequest()
        owner = request.resource_spans.add(schema_url=f"https://schemas/{PHONE}")
        owner.scope_spans.add(schema_url=f"https://schemas/{PHONE}").spans.append(span())

        assert_clean(wire._send("/v1/traces", request))

    @pytest.mark.parametrize("body", [f"to {PHONE}", f'{{"to":"{PHONE}","n":1}}'])
    def test_log_text(self, wire: Wire, body: str) -> None:
        assert_clean(wire.logs(LogRecord(body=AnyValue(string_value=body))))

    def test_structured_log(self, wire: Wire) -> None:
        record = LogRecord()
        inner = record.body.kvlist_value.values.add(key="data").value
        inner.kvlist_value.values.append(text("pushName", "Maria Souza"))
        inner.kvlist_value.values.append(text("anything", PHONE))

        out = wire.logs(record)

        assert_clean(out)
        assert b"Maria" not in out

    @pytest.mark.parametrize("listed", [False, True], ids=["in a map", "in a list"])
    @pytest.mark.parametrize("key", ["requestId", "http.route", "elsewhere"])
    def test_what_lies_below_a_key_of_a_structured_log(self, wire: Wire, key: str, *, listed: bool) -> None:
        record = LogRecord()
        body = record.body.array_value.values.add() if listed else record.body
        inner = body.kvlist_value.values.add(key="data").value.kvlist_value.values.add(key=key).value
        inner.kvlist_value.values.append(text("contactName", "Maria Souza"))

        assert b"Maria" not in wire.logs(record)

    def test_keys_in_a_list_of_a_structured_log(self, wire: Wire) -> None:
        record = LogRecord()
        record.body.array_value.values.add().kvlist_value.values.append(text(f"{PHONE}@c.us", "typing"))

        assert_clean(wire.logs(record))

    def test_keys_of_a_structured_log(self, wire: Wire) -> None:
        record = LogRecord()
        record.body.kvlist_value.values.append(text(f"{PHONE}@c.us", "typing"))

        assert_clean(wire.logs(record))

    def test_event_name_and_severity_text_of_a_log(self, wire: Wire) -> None:
        assert_clean(wire.logs(LogRecord(event_name=f"qr {PHONE}", severity_text=PHONE)))

    def test_metric_point_name_and_description(self, wire: Wire) -> None:
        request = ExportMetricsServiceRequest()
        scoped = request.resource_metrics.add().scope_metrics.add()
        metric = scoped.metrics.add(name=f"sent.{PHONE}", description=f"to {PHONE}", unit=PHONE)
        metric.gauge.data_points.add(as_int=1, attributes=[text("to", PHONE), text(PHONE, "1")])

        assert_clean(wire.metrics(request))

    @pytest.mark.parametrize(
        "value", ["bearer hunter2hunter2", "/x/accesstoken/hunter2hunter2", "password=hunter2hunter2", f"a-{PHONE}"]
    )
    def test_attribute_of_a_metric(self, wire: Wire, value: str) -> None:
        request = ExportMetricsServiceRequest()
        metric = request.resource_metrics.add().scope_metrics.add().metrics.add(name="m")
        metric.gauge.data_points.add(as_int=1, attributes=[text("origin", value), text("route", "/api/send")])

        out = wire.metrics(request)

        assert_clean(out)
        assert b"hunter2" not in out
        assert b"/api/send" in out

    def test_exemplar(self, wire: Wire) -> None:
        request = ExportMetricsServiceRequest()
        metric = request.resource_metrics.add().scope_metrics.add().metrics.add(name="latency")
        metric.histogram.aggregation_temporality = 2
        point = metric.histogram.data_points.add(count=1, sum=1, bucket_counts=[1, 0], explicit_bounds=[5])
        point.exemplars.add(as_double=1, trace_id=b"\x05" * 16, filtered_attributes=[text("to", PHONE)])

        out = wire.metrics(request)

        assert_clean(out)
        assert b"\x05" * 16 in out

    def test_span_metrics_are_made_of_masked_names(self, wire: Wire, sink: Sink) -> None:
        wire.spans(span(name=f"GET /contacts/{PHONE}"))

        sink.wait_for(lambda sink: "traces.span.metrics.calls" in sink.metrics(), timeout_s=40)

        assert_clean(b"".join(each.body for each in sink.received))


class TestEveryForm:
    """Each form of personal data, as an attribute and as a log's text."""

    @pytest.mark.parametrize("form", SECRETS)
    def test_is_masked_in_an_attribute(self, wire: Wire, form: str) -> None:
        assert_clean(wire.spans(span(attributes=[text("anything", SECRETS[form])])), form)

    @pytest.mark.parametrize("form", SECRETS)
    def test_is_masked_in_a_span_name(self, wire: Wire, form: str) -> None:
        assert_clean(wire.spans(span(name=SECRETS[form])), form)

    @pytest.mark.parametrize("form", SECRETS)
    def test_is_masked_in_a_log(self, wire: Wire, form: str) -> None:
        assert_clean(wire.logs(LogRecord(body=AnyValue(string_value=SECRETS[form]))), form)

    @pytest.mark.parametrize(
        "key",
        [
            "phone",
            "contactPhone",
            "contact_phone_number",
            "to",
            "from",
            "body",
            "messageBody",
            "message.text",
            "caption",
            "pushName",
            "contact.name",
            "email",
            "qr",
            "qrCode",
            "password",
            "access_token",
            "http.request.header.cookie",
            "http.request.header.authorization",
            "x-api-key",
            "DATABASE_URL",
            "remoteJid",
            "cpf",
        ],
    )
    def test_known_keys_are_masked_whatever_they_hold(self, wire: Wire, key: str) -> None:
        out = wire.spans(span(attributes=[text(key, "any thing\nat all")]))

        assert b"any thing" not in out
        assert b"at all" not in out


class TestWhatIsHarmless:
    """Ids, times and prices keep their meaning, else messages cannot be followed."""

    def test_stays_in_attributes(self, wire: Wire) -> None:
        sent = [*texts(HARMLESS), *(KeyValue(key=f"int {k}", value=AnyValue(int_value=v)) for k, v in NUMBERS.items())]
        sent += [KeyValue(key=f"float {key}", value=AnyValue(double_value=value)) for key, value in FLOATS.items()]

        request = ExportTraceServiceRequest()
        request.ParseFromString(wire.spans(span(attributes=sent)))

        attributes = request.resource_spans[0].scope_spans[0].spans[0].attributes
        assert {pair.key: pair.value for pair in sent} == {pair.key: pair.value for pair in attributes}

    def test_stays_in_a_log(self, wire: Wire) -> None:
        line = " ".join(HARMLESS.values())

        assert line.encode() in wire.logs(LogRecord(body=AnyValue(string_value=line)))

    def test_names_and_status_come_out_as_they_went_in(self, wire: Wire) -> None:
        status = Status(code=Status.STATUS_CODE_ERROR, message="timeout")
        event = Span.Event(name="exception")

        out = wire.spans(
            span(name="POST /api/send", status=status, events=[event], trace_state="ot=th:8"),
            scope=InstrumentationScope(name="whatsself", version="1.0"),
        )

        request = ExportTraceServiceRequest()
        request.ParseFromString(out)
        scoped = request.resource_spans[0].scope_spans[0]
        back = scoped.spans[0]
        assert (back.name, back.status.message, back.trace_state) == ("POST /api/send", "timeout", "ot=th:8")
        assert (back.events[0].name, scoped.scope.name, scoped.scope.version) == ("exception", "whatsself", "1.0")
        assert list(back.attributes) == []


class TestOrigin:
    """Every record says where it comes from."""

    def test_a_log_without_a_source_gets_one(self, wire: Wire, sink: Sink) -> None:
        wire.logs(LogRecord(body=AnyValue(string_value="hello")))

        expected = {"service.name": "unknown_service", "deployment.environment.name": "development"}
        assert expected == sink.logs()[0].resource

    def test_a_log_with_a_source_keeps_it(self, wire: Wire, sink: Sink) -> None:
        origin = {"service.name": "whatsself", "deployment.environment.name": "production"}

        wire.logs(LogRecord(body=AnyValue(string_value="hello")), resource=Resource(attributes=texts(origin)))

        assert origin == sink.logs()[0].resource
