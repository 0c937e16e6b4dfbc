"""The expected telemetry, derived from the sender's counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from stores import Line, Span

from whatsself_otel.catalogue import CONTACT_ID, MESSAGE_ID, REQUEST_ID
from whatsself_otel.demo.traffic import Entry, Journal


def missing_from_trace(entry: Entry, spans: list[Span]) -> Iterator[str]:
    ids = {REQUEST_ID: entry.request_id, CONTACT_ID: entry.contact_id}
    yield from _missing(spans, "POST /webhook/messages", 1, {**ids, MESSAGE_ID: entry.message_id})
    if not any("db.system.name" in span.attributes and _has(span, ids) for span in spans):
        yield "no SQL span of the request"
    for reply, status in entry.reply_statuses.items():
        yield from _missing_from_reply(spans, {**ids, MESSAGE_ID: reply}, status)
    parents = {span.span_id for span in spans}
    if orphans := [span.name for span in spans if span.parent_id and span.parent_id not in parents]:
        yield f"parents are missing of {orphans}"


def _missing_from_reply(spans: list[Span], ids: dict[str, str | None], status: str) -> Iterator[str]:
    for name in ("publish outbound", "wait in queue", "process outbound", "send whatsapp"):
        yield from _missing(spans, name, 1, ids)
    if status == "read":
        yield from _missing(spans, "acknowledge whatsapp", 2, ids)
    else:
        yield from _missing(spans, "send whatsapp", 1, {**ids, "error.type": "timeout"})
    if not any("db.system.name" in span.attributes and _has(span, ids) for span in spans):
        yield "no SQL span of the worker"


def _missing(spans: list[Span], name: str, count: int, attributes: dict[str, str | None]) -> Iterator[str]:
    found = sum(span.name == name and _has(span, attributes) for span in spans)
    if found != count:
        named = sum(span.name == name for span in spans)
        yield f"{found} of {count} spans {name!r} with {attributes} ({named} of that name)"


def _has(span: Span, attributes: dict[str, str | None]) -> bool:
    return all(span.attributes.get(key) == value for key, value in attributes.items())


@dataclass(frozen=True, slots=True)
class Row:
    """A log line as the sender expects it."""

    begins: str
    message_id: str | None
    contact_id: str | None
    request_id: str | None
    trace_id: str | None


def expected_lines(entry: Entry) -> Iterator[Row]:
    def row(begins: str, message_id: str | None) -> Row:
        return Row(begins, message_id, entry.contact_id, entry.request_id, entry.trace_id)

    yield row("Message received from +55********", entry.message_id)
    yield row("Trigger fired", entry.message_id)
    for reply, status in entry.reply_statuses.items():
        yield row("Message queued", reply)
        if status == "failed":
            yield row("Message to +55********", reply)
        else:
            for begins in ("Message sent to +55********", "Message delivered", "Message read"):
                yield row(begins, reply)


def as_row(line: Line, beginnings: set[str]) -> Row | None:
    begins = next((each for each in beginnings if line.text.startswith(each)), None)
    if begins is None:
        return None
    fields = line.fields
    return Row(begins, fields.get(MESSAGE_ID), fields.get(CONTACT_ID), fields.get(REQUEST_ID), fields.get("trace_id"))


def expected_increases(journal: Journal) -> dict[str, float]:
    summary = journal.summary()
    statuses = Counter(each.status for entry in journal.entries for each in entry.attempts if each.status)
    return {
        "messages_inbound_total": summary["accepted"],
        "messages_outbound_total": summary["replies"],
        'messages_outbound_failed_total{reason="timeout"}': summary["replies_failed"],
        'messages_delivered_total{status="read"}': summary["replies_read"],
        **{
            f'http_server_request_duration_seconds_count{{http_route="/webhook/messages",http_response_status_code="{status}"}}': count  # noqa: E501
            for status, count in statuses.items()
        },
    }
