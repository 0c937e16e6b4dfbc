"""The telemetry of a WhatsApp application whose messages are read, fail or wait, as in the demo."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from parts import SCRIPT, counter, gauge, histogram, logs, set_all, spans, trace_id

if TYPE_CHECKING:
    from collections.abc import Sequence

REASONS = ("timeout", "timeout", "blocked")
DAY_S = 86_400.0
CONTACT = "contact-of-days"
DAYS = {101: 1, 102: 1, 103: 2}
"""Number of a message of `CONTACT`: how many days before today it came; number 102 failed."""


def message(
    number: int, *, reason: str = "", ago_s: float = 0.0, read_s: float = 12.0, contact: str = ""
) -> Sequence[Any]:
    """Return the exports of one message in and its answer, read after *read_s* or failed for *reason*."""
    start_ns = time.time_ns() - int(ago_s * 1e9)
    request = spans(number, count=4, flowId="flow_price_list", contact=contact)
    set_all(request.resource_spans[0].scope_spans[0].spans[0].attributes, {"http.route": "/webhook/messages"})
    received, sent, told = request.resource_spans[0].scope_spans[0].spans[1:]
    told.ClearField("status")
    sent.name, sent.kind = "send whatsapp", 3
    if reason:
        sent.status.code, sent.status.message = 2, reason
        set_all(sent.attributes, {"error.type": reason})
    else:
        set_all(told.attributes, {"status": "read"})
    ends_s = (0.5, 0.1, 0.4, 0.5 if reason else read_s)
    for span, after_s in zip(request.resource_spans[0].scope_spans[0].spans, ends_s, strict=True):
        span.end_time_unix_nano = start_ns + int(after_s * 1e9)
        span.start_time_unix_nano = min(start_ns + int(0.02e9 * (span is not received)), span.end_time_unix_nano)
    request.resource_spans[0].scope_spans[0].spans[0].start_time_unix_nano = start_ns
    told_of = "Message failed: the provider hung up" if reason else "Message sent"
    said = logs(number, "Message received", told_of, contact=contact)
    for record, fields in zip(
        said.resource_logs[0].scope_logs[0].log_records,
        ({"kind": "text"}, {"reason": reason} if reason else {"origin": "reply"}),
        strict=True,
    ):
        record.time_unix_nano = start_ns + (400_000_000 if "reason" in fields or "origin" in fields else 10_000_000)
        set_all(record.attributes, fields)
    if reason:
        line = said.resource_logs[0].scope_logs[0].log_records[1]
        line.severity_number, line.span_id = 17, sent.span_id
    return request, said


def business(count: int = 12) -> list[Any]:
    """Return a morning's messages, a minute apart; each fourth fails, for one reason after the other."""
    exports: list[Any] = []
    for number in range(count):
        reason = REASONS[number // 4 % len(REASONS)] if number % 4 == 3 else ""
        exports += message(number, reason=reason, ago_s=60.0 * (count - number))
    return exports


def days_of_a_contact() -> list[Any]:
    """Return messages of one contact over three days, those of `DAYS`."""
    told = ((number, DAY_S * days + 120.0, "network" if number == 102 else "") for number, days in DAYS.items())
    return [each for number, ago_s, why in told for each in message(number, ago_s=ago_s, reason=why, contact=CONTACT)]


def lively_business() -> list[Any]:
    """Return what fills every page: messages, their days, a deep trace, hostile and long lines, and metrics."""
    now_s = time.time()
    metrics = []
    for age_s, value in ((600, 0), (300, 180), (60, 400), (1, 412)):
        at_s = now_s - age_s
        metrics += [counter("messages.inbound", value, at_s=at_s, kind="text")]
        metrics += [counter("messages.outbound", value, at_s=at_s, origin="reply")]
        metrics += [counter("messages.outbound.failed", value // 100, at_s=at_s, reason="timeout")]
        metrics += [counter("telemetry.masked_values", value, at_s=at_s, rule="phone")]
        metrics += [counter("telemetry.dropped_items", value // 50, at_s=at_s, signal="traces", reason="queue_full")]
        metrics += [histogram("first_response.latency", [value, value // 9], [120.0], at_s=at_s)]
        metrics += [gauge("queue.depth", value // 40, at_s=at_s), gauge("queue.oldest_age", 42.0, at_s=at_s, unit="s")]
        for session, state in (("loja-centro", "connected"), ("loja-norte", "disconnected")):
            metrics += [gauge("whatsapp.session.state", 1.0, at_s=at_s, session=session, state=state)]
    lines = [
        logs(7, SCRIPT, severity=17),
        logs(None, "x" * 400, "Worker started with a very long line: " + "many words " * 40, severity=13),
    ]
    return [*business(), *days_of_a_contact(), deep_trace(200), *lines, *metrics]


def deep_trace(number: int) -> Any:
    """Return a trace of 40 spans of every kind, twelve deep, one of which failed."""
    request = spans(number, count=40, name="POST /webhook/messages")
    kinds: tuple[dict[str, str], ...] = (
        {"db.query.text": "SELECT id FROM contacts"},
        {"messaging.system": "celery"},
        {"url.full": "x"},
        {},
    )
    made = request.resource_spans[0].scope_spans[0].spans
    for index, span in enumerate(made[1:], start=1):
        span.parent_span_id = made[index - 1 if index <= 12 else index // 4].span_id
        set_all(span.attributes, kinds[index % 4])
        span.kind = 3 if index % 4 in {0, 2} else 1
    return request


__all__ = ["business", "message", "trace_id"]
