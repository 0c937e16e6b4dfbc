"""
Test your application's telemetry: look at its output, and assert that nothing personal is in it.

    pytest examples/test_reply.py
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from whatsself_otel import Telemetry, message_context

if TYPE_CHECKING:
    from whatsself_otel.testing import RecordedTelemetry

pytest_plugins = ["whatsself_otel.pytest_plugin"]


def reply(telemetry: Telemetry, contact_id: str, phone: str) -> None:
    """Send a reply; in a real application this stands elsewhere."""
    with message_context(contact_id=contact_id), telemetry.tracer.start_as_current_span("send reply"):
        logging.getLogger("shop").info("reply to %s", phone)
        telemetry.metrics.message_sent(origin="reply", contact_id=contact_id)


def test_a_reply_is_traced_logged_and_counted(recorded_telemetry: RecordedTelemetry) -> None:
    reply(recorded_telemetry.telemetry, "contact-1", "+55 11 98765-4321")

    (span,) = recorded_telemetry.spans
    (record,) = recorded_telemetry.logs
    assert span.name == "send reply"
    assert dict(span.attributes or {}) == {"contactId": "contact-1"}
    assert record.log_record.body == "reply to +55********4321"
    assert recorded_telemetry.counter("messages.outbound", origin="reply") == 1
