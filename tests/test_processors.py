"""Spans of our own instrumentation skip the SDK's second look at their attributes, and nobody can tell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from opentelemetry.attributes import BoundedAttributes
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanLimits, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, Decision, ParentBased, Sampler, SamplingResult
from opentelemetry.trace import SpanKind

from whatsself_otel.processors import GuardedProcessors, put_clean, with_attributes
from whatsself_otel.spans import SpanMaker

ATTRIBUTES: Mapping[str, str | int] = {"url.path": "/messages/m-1", "server.port": 8000}


class Watching(SpanProcessor):
    """A processor of an application's own: it notes what a span has as it starts."""

    def __init__(self) -> None:
        self.seen: list[dict[str, Any]] = []

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        del parent_context
        self.seen.append(dict(span.attributes or {}))


class Reading(Sampler):
    """A sampler that decides by attributes."""

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Any = None,
        *_: Any,
    ) -> SamplingResult:
        is_known = "url.path" in (attributes or {})
        return SamplingResult(Decision.RECORD_AND_SAMPLE if is_known else Decision.DROP, attributes)

    def get_description(self) -> str:
        return "Reading"


def provider(*processors: SpanProcessor, sampler: Sampler = ALWAYS_ON, **limits: int) -> TracerProvider:
    made = TracerProvider(
        sampler=sampler,
        shutdown_on_exit=False,
        span_limits=SpanLimits(**limits),
        active_span_processor=GuardedProcessors(lambda _component: None),
    )
    for processor in processors:
        made.add_span_processor(processor)
    return made


def started(of: TracerProvider) -> Any:
    return SpanMaker(of.get_tracer("test")).start("GET /messages/{id}", Context(), SpanKind.SERVER, ATTRIBUTES)


@pytest.mark.parametrize("sampler", [ALWAYS_ON, ParentBased(ALWAYS_ON), Reading()], ids=["plain", "parent", "reading"])
def test_a_span_has_the_attributes_it_was_given(sampler: Sampler) -> None:
    span: ReadableSpan = started(provider(sampler=sampler))

    assert dict(span.attributes or {}) == ATTRIBUTES
    assert span.kind is SpanKind.SERVER


def test_a_processor_of_the_application_sees_them_as_the_span_starts() -> None:
    watching = Watching()
    started(provider(watching))

    assert watching.seen == [ATTRIBUTES]


def test_a_span_that_is_not_recorded_is_left_alone() -> None:
    assert not started(provider(sampler=ALWAYS_OFF)).is_recording()


def test_more_than_the_limit_is_dropped_and_counted_as_the_sdk_does() -> None:
    span = started(provider(max_span_attributes=2))
    put_clean(span, {"route": "/messages/{id}"})

    assert dict(span.attributes) == {"server.port": 8000, "route": "/messages/{id}"}
    assert span.dropped_attributes == 1


def test_with_a_limit_of_none_nothing_is_kept() -> None:
    span = started(provider(max_span_attributes=0))

    assert (dict(span.attributes), span.dropped_attributes) == ({}, len(ATTRIBUTES))


class TestLateIds:
    @pytest.mark.parametrize(
        "attributes", [None, {}, {"url.path": "/"}, BoundedAttributes(attributes={"url.path": "/"})]
    )
    def test_are_added_to_whatever_a_span_holds(self, attributes: Mapping[str, Any] | None) -> None:
        span = ReadableSpan("served", attributes=attributes)

        assert dict(with_attributes(span, {"contactId": "c-1"}).attributes or {}) == {
            **(attributes or {}),
            "contactId": "c-1",
        }

    def test_do_not_hide_how_many_attributes_were_dropped(self) -> None:
        full = BoundedAttributes(maxlen=1, attributes={"a": 1, "b": 2}, immutable=False)

        span = with_attributes(ReadableSpan("served", attributes=full), {"contactId": "c-1"})

        assert span.dropped_attributes == 1
        assert (span.attributes or {})["contactId"] == "c-1"
