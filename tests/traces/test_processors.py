"""Ids land on the spans of an application, and on one that has begun before they are known."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk.trace import ReadableSpan
from otlp_sink import Sink
from rows import for_each

from whatsself_otel import Telemetry, message_context
from whatsself_otel.traces.processors import with_attributes

Start = Callable[..., Telemetry]


def test_an_applications_span_carries_the_ids_of_its_context(start: Start, sink: Sink) -> None:
    telemetry = start()
    ids = message_context(contact_id="c-1", message_id="m-1")
    with ids, telemetry.tracer.start_as_current_span("work"):
        pass
    assert telemetry.force_flush(30)

    (span,) = sink.spans()
    assert (span.attributes["contactId"], span.attributes["messageId"]) == ("c-1", "m-1")


class TestLateIds:
    @for_each("attributes", [None, {}, {"url.path": "/"}, BoundedAttributes(attributes={"url.path": "/"})])
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
