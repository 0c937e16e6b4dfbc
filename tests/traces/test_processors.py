"""Ids that are bound late land on a span whatever holds its attributes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk.trace import ReadableSpan

from whatsself_otel.traces.processors import with_attributes


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
