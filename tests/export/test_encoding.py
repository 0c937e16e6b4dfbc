"""Our OTLP bytes equal the official encoder's messages, for everything that the SDK can hold."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.attributes import BoundedAttributes
from opentelemetry.exporter.otlp.proto.common import _log_encoder, metrics_encoder, trace_encoder
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk.metrics import Exemplar
from opentelemetry.sdk.metrics._internal.point import Buckets
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    ExponentialHistogram,
    ExponentialHistogramDataPoint,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState
from rows import for_each

from whatsself_otel.export import encoding
from whatsself_otel.export.encoding import Encoder, join
from whatsself_otel.masking import Masker
from whatsself_otel.metrics.metric_masking import Losses
from whatsself_otel.traces.processors import mask_span

_PHONE = "+5511987654321"
_MANY = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
int64 = st.integers(-(2**63), 2**63 - 1)
uint64 = st.integers(0, 2**64 - 1)
uint32 = st.integers(0, 2**32 - 1)
doubles = st.floats(allow_nan=True, allow_infinity=True)
scalars = st.none() | texts | st.booleans() | int64 | doubles | st.binary(max_size=20)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4), max_leaves=8
)
unencodable = st.just(object()) | st.just({1, 2})
attributes = st.none() | st.dictionaries(texts, values | unencodable, max_size=6)
trace_ids = st.integers(1, 2**128 - 1)
span_ids = st.integers(1, 2**64 - 1)
resources = st.builds(Resource, st.dictionaries(texts.filter(bool), st.text("ab"), max_size=3), texts)
named = texts.filter(bool)
scopes = st.builds(
    InstrumentationScope, named, st.none() | named, st.none() | named, st.dictionaries(named, texts, max_size=2)
)
maybe_scopes = st.none() | scopes
"""Scopes without a name are no scopes to us, and another to the official encoder; so they stay out."""
trace_states = st.sampled_from(
    [None, TraceState(), TraceState([("vendor", "a")]), TraceState([("b", "1"), ("c", "2")])]
)
span_contexts = st.builds(
    SpanContext,
    trace_ids,
    span_ids,
    st.booleans(),
    st.sampled_from([TraceFlags(0), TraceFlags(1), TraceFlags(3)]),
    trace_states,
)


def bounded(found: Any) -> Any:
    kept = BoundedAttributes(attributes=None, immutable=False)
    kept._dict = dict(found or {})
    kept.dropped = len(kept._dict) % 3
    return kept


wrapped = attributes.map(bounded) | attributes
statuses = st.builds(Status, st.just(StatusCode.ERROR), st.none() | texts) | st.sampled_from(
    [Status(), Status(StatusCode.OK)]
)
events = st.builds(Event, texts, wrapped, uint64)
links = st.builds(Link, span_contexts, wrapped)
spans = st.builds(
    ReadableSpan,
    name=texts,
    context=span_contexts,
    parent=st.none() | span_contexts,
    resource=resources,
    attributes=wrapped,
    events=st.lists(events, max_size=3),
    links=st.lists(links, max_size=3),
    kind=st.sampled_from(list(SpanKind)),
    status=statuses,
    start_time=st.none() | uint64,
    end_time=st.none() | uint64,
    instrumentation_scope=maybe_scopes,
)


def log_record(**fields: Any) -> LogRecord:
    record = LogRecord(
        timestamp=fields["timestamp"],
        observed_timestamp=fields["observed"],
        severity_text=fields["severity_text"],
        severity_number=fields["severity"],
        body=fields["body"],
        attributes=fields["attributes"],
        event_name=fields["event_name"],
    )
    record.trace_id, record.span_id, record.trace_flags = fields["trace_id"], fields["span_id"], fields["flags"]
    return record


logs = st.builds(
    ReadableLogRecord,
    log_record=st.builds(
        log_record,
        timestamp=st.none() | uint64,
        observed=uint64,
        severity_text=st.none() | texts,
        severity=st.none() | st.sampled_from(list(SeverityNumber)),
        body=values,
        attributes=wrapped,
        event_name=st.none() | texts,
        trace_id=st.just(0) | trace_ids,
        span_id=st.just(0) | span_ids,
        flags=st.sampled_from([TraceFlags(0), TraceFlags(1)]),
    ),
    resource=resources,
    instrumentation_scope=maybe_scopes,
)
exemplars = st.builds(
    Exemplar,
    st.dictionaries(texts, scalars, max_size=2),
    doubles | int64,
    uint64,
    st.none() | span_ids,
    st.none() | trace_ids,
)
point = {
    "attributes": attributes,
    "start_time_unix_nano": uint64,
    "time_unix_nano": uint64,
    "exemplars": st.lists(exemplars, max_size=2),
}
numbers = st.builds(NumberDataPoint, value=int64 | doubles, **point)
histograms = st.builds(
    HistogramDataPoint,
    count=uint64,
    sum=int64 | doubles,
    bucket_counts=st.lists(uint64, max_size=5),
    explicit_bounds=st.lists(doubles, max_size=4),
    min=doubles,
    max=doubles,
    **point,
)
buckets = st.builds(Buckets, st.integers(-(2**31), 2**31 - 1), st.lists(uint64, max_size=5))
exponentials = st.builds(
    ExponentialHistogramDataPoint,
    count=uint64,
    sum=doubles,
    scale=st.integers(-10, 20),
    zero_count=uint64,
    positive=buckets,
    negative=buckets,
    flags=uint32,
    min=doubles,
    max=doubles,
    **point,
)
temporalities = st.sampled_from(list(AggregationTemporality))
metric_data = (
    st.builds(Gauge, st.lists(numbers, min_size=1, max_size=3))
    | st.builds(Sum, st.lists(numbers, min_size=1, max_size=3), temporalities, st.booleans())
    | st.builds(Histogram, st.lists(histograms, min_size=1, max_size=3), temporalities)
    | st.builds(ExponentialHistogram, st.lists(exponentials, min_size=1, max_size=3), temporalities)
)
metrics = st.builds(Metric, texts, texts, texts, metric_data)
scope_metrics = st.builds(ScopeMetrics, scopes, st.lists(metrics, min_size=1, max_size=3), st.just(""))
resource_metrics = st.builds(
    ResourceMetrics,
    resources,
    st.lists(scope_metrics, min_size=1, max_size=2, unique_by=lambda each: each.scope),
    st.just(""),
)
metrics_data = st.builds(MetricsData, st.lists(resource_metrics, max_size=2, unique_by=lambda each: each.resource))


def encode_spans(batch: list[ReadableSpan], encoder: Encoder | None = None) -> bytes:
    return join(map((encoder or Encoder()).span, batch))


def encode_logs(batch: list[ReadableLogRecord]) -> bytes:
    return join(map(Encoder().log, batch))


def same(message: Any, written: bytes) -> bool:
    """Compare as bytes of one encoder: messages with a NaN in them are never equal."""
    read = type(message).FromString(written)
    return bool(read.SerializeToString(deterministic=True) == message.SerializeToString(deterministic=True))


@pytest.mark.filterwarnings("ignore")
class TestOurBytesAreReadAsTheOfficialMessage:
    @given(st.lists(spans, max_size=4))
    @_MANY
    def test_for_spans(self, batch: list[ReadableSpan]) -> None:
        assert same(trace_encoder.encode_spans(batch), encode_spans(batch))

    @given(st.lists(logs, max_size=4))
    @_MANY
    def test_for_log_records(self, batch: list[ReadableLogRecord]) -> None:
        assert same(_log_encoder.encode_logs(batch), encode_logs(batch))

    @given(metrics_data)
    @_MANY
    def test_for_metrics(self, data: MetricsData) -> None:
        assert same(metrics_encoder.encode_metrics(data), Encoder().metrics(data, Losses()))

    @given(st.lists(st.lists(spans, max_size=3), max_size=4))
    @_MANY
    def test_for_one_encoder_that_remembers(self, batches: list[list[ReadableSpan]]) -> None:
        encoder = Encoder()
        for batch in [*batches, *batches]:
            assert same(trace_encoder.encode_spans(batch), encode_spans(batch, encoder))


def span(**changes: Any) -> ReadableSpan:
    return ReadableSpan(
        **{
            "name": "GET /contacts",
            "context": SpanContext(1, 2, is_remote=False),
            "resource": Resource({}),
            "start_time": 1,
            "end_time": 2,
            **changes,
        }
    )


def read(written: bytes) -> Any:
    return ExportTraceServiceRequest.FromString(written).resource_spans[0].scope_spans[0].spans[0]


class TestMaskingWhileEncoding:
    texts_with_phones = st.lists(
        st.sampled_from([_PHONE, "5511987654321@c.us", "hello", "a@b.com.br", "12"]), max_size=3
    )

    @given(
        st.dictionaries(
            st.sampled_from(["body", "http.route", "contactId", "note", "url.path", "db.query.text", _PHONE]),
            texts_with_phones.map(" ".join) | texts_with_phones | st.sampled_from([5511987654321, 200, True, 2.5]),
        ),
        texts_with_phones.map(" ".join),
    )
    @_MANY
    def test_gives_what_masking_before_encoding_gives(self, found: dict[str, Any], text: str) -> None:
        masker = Masker()
        encoder = Encoder(masker)
        original = span(
            name=text,
            attributes=found,
            events=[Event(text, found, 3)],
            links=[Link(SpanContext(3, 4, is_remote=True), found)],
            status=Status(StatusCode.ERROR, text),
        )
        masked = mask_span(original, masker)
        for _ in range(2):
            assert same(trace_encoder.encode_spans([masked]), encode_spans([original], encoder))

    def test_masks_a_tracestate(self) -> None:
        state = TraceState([("contact", "5511987654321")])
        context = SpanContext(1, 2, is_remote=False, trace_state=state)
        assert b"5511987654321" not in encode_spans([span(context=context)], Encoder(Masker()))

    def test_remembers_nothing_that_had_to_be_masked(self) -> None:
        counted: list[str] = []
        encoder = Encoder(Masker(on_masked=lambda rule, _count: counted.append(rule)))
        original = span(name=f"call {_PHONE}", attributes={"note": _PHONE, "http.route": "/contacts"})
        for _ in range(3):
            encode_spans([original], encoder)
        assert counted.count("phone") == 6
        assert _PHONE not in str(vars(encoder._attributes))
        assert ("http.route", "/contacts") in encoder._attributes._texts

    def test_replaces_what_masking_fails_on(self, monkeypatch: pytest.MonkeyPatch) -> None:
        masker = Masker()
        monkeypatch.setattr(masker, "_plan", lambda _key: 1 / 0)
        written = encode_spans([span(attributes={"note": _PHONE})], Encoder(masker))
        assert _PHONE.encode() not in written
        assert read(written).attributes[0].value.string_value == "[masked:error]"


class TestOneBadValueCostsItselfOnly:
    @for_each("value", [2**63, -(2**63) - 1, 10**30])
    def test_a_number_beyond_64_bits_becomes_text(self, value: int) -> None:
        """As https://opentelemetry.io/docs/specs/otel/common/attribute-type-mapping/#integer-values has it."""
        (pair, listed) = read(encode_spans([span(attributes={"n": value, "l": [1, value]})])).attributes
        assert pair.value.string_value == str(value)
        assert [each.WhichOneof("value") for each in listed.value.array_value.values] == ["int_value", "string_value"]

    @for_each("value", [object(), {1}, [object()]])
    def test_an_attribute_without_a_type_is_left_out(self, value: Any) -> None:
        attributes = BoundedAttributes(attributes={"good": 1}, immutable=False)
        attributes._dict["bad"] = value
        assert [pair.key for pair in read(encode_spans([span(attributes=attributes)])).attributes] == ["good"]

    def test_a_cycle_is_left_out(self) -> None:
        cycle: list[Any] = []
        cycle.append(cycle)
        attributes = BoundedAttributes(attributes={"good": 1}, immutable=False)
        attributes._dict["bad"] = cycle
        assert [pair.key for pair in read(encode_spans([span(attributes=attributes)])).attributes] == ["good"]

    def test_half_a_character_is_replaced(self) -> None:
        written = read(encode_spans([span(name="a\ud800b", attributes={"note": "\udfff"})]))
        assert written.name == "a?b"
        assert written.attributes[0].value.string_value == "?"


def sums(*values: Any, exemplars: tuple[Exemplar, ...] = ()) -> Metric:
    points = [NumberDataPoint({"n": str(place)}, 1, 2, value, exemplars) for place, value in enumerate(values)]
    return Metric("shop.total", "", "", Sum(points, AggregationTemporality.CUMULATIVE, is_monotonic=True))


def encode_metrics(*found: Metric) -> tuple[Any, Losses]:
    """Return the metrics that a receiver finds, and the omitted points."""
    losses = Losses()
    scope = ScopeMetrics(InstrumentationScope("shop"), found, "")
    written = Encoder().metrics(MetricsData([ResourceMetrics(Resource({}), [scope], "")]), losses)
    resources = ExportMetricsServiceRequest.FromString(written).resource_metrics
    return [metric for each in resources for metric in each.scope_metrics[0].metrics], losses


class TestOneBadPointCostsItselfOnly:
    @for_each("value", [2**63, -(2**63) - 1, "seven", object()])
    def test_its_neighbours_leave(self, value: Any) -> None:
        found, losses = encode_metrics(sums(1, value, 3), sums(4))
        assert [[point.as_int for point in metric.sum.data_points] for metric in found] == [[1, 3], [4]]
        assert (losses.points, losses.exemplars) == (1, 0)
        assert losses.last is not None
        assert losses.last.endswith("in shop.total")

    def test_an_exemplar_costs_itself_only(self) -> None:
        exemplars = (Exemplar({}, 2**64, 1), Exemplar({}, 5, 1))
        (found,), losses = encode_metrics(sums(1, exemplars=exemplars))
        (point,) = found.sum.data_points
        assert (point.as_int, [each.as_int for each in point.exemplars]) == (1, [5])
        assert (losses.points, losses.exemplars) == (0, 1)

    def test_a_metric_without_points_is_left_out(self) -> None:
        """Prometheus refuses the whole request for a metric of no type."""
        found, losses = encode_metrics(sums(2**64), sums(1))
        assert len(found) == 1
        assert losses.points == 1

    def test_nothing_is_left_of_bad_points_alone(self) -> None:
        losses = Losses()
        scope = ScopeMetrics(InstrumentationScope("shop"), [sums(2**64)], "")
        assert Encoder().metrics(MetricsData([ResourceMetrics(Resource({}), [scope], "")]), losses) == b""


def test_a_point_that_no_backend_takes_goes_alone() -> None:
    large = NumberDataPoint({str(number): "x" * 50_000 for number in range(11)}, 1, 2, 5, ())
    points = [NumberDataPoint({}, 1, 2, 1, ()), large, NumberDataPoint({}, 1, 2, 3, ())]
    data = Sum(points, AggregationTemporality.CUMULATIVE, is_monotonic=True)

    (found,), losses = encode_metrics(Metric("shop.total", "", "", data))

    assert [point.as_int for point in found.sum.data_points] == [1, 3]
    assert (losses.points, losses.too_large) == (0, 1)


class TestMemory:
    def test_what_is_remembered_has_a_bound(self) -> None:
        encoder = Encoder()
        for number in range(3 * encoding.MAX_REMEMBERED):
            encode_spans([span(name=str(number), attributes={str(number): str(number), "n": number})], encoder)
            encoder._body(str(number))
        known = (
            encoder._names,
            encoder._bodies,
            *[vars(encoder._attributes)[name] for name in ("_texts", "_numbers", "_keys")],
        )
        assert all(len(each) <= encoding.MAX_REMEMBERED for each in known)

    def test_a_long_value_is_not_remembered(self) -> None:
        encoder = Encoder()
        encode_spans([span(attributes={"note": "x" * (encoding.MAX_REMEMBERED_CHARS + 1)})], encoder)
        assert not encoder._attributes._texts

    def test_one_resource_is_written_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        written: list[Any] = []
        write = encoding._Attributes.write

        def spy(self: Any, tag: bytes, attributes: Any) -> bytes:
            written.append(attributes)
            return write(self, tag, attributes)

        monkeypatch.setattr(encoding._Attributes, "write", spy)
        resource = Resource({"service.name": "whatsself"})
        encoder = Encoder()
        for _ in range(3):
            encode_spans([span(resource=resource) for _ in range(5)], encoder)
        assert sum(found == {"service.name": "whatsself"} for found in written) == 1
