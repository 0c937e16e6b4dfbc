"""Spans and log records as a page shows them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.proto.trace.v1.trace_pb2 import Span

from whatsself_otel.viewer.rows import ERROR
from whatsself_otel.viewer.values import as_text, attributes, cut, time_ns

if TYPE_CHECKING:
    from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
    from opentelemetry.proto.resource.v1.resource_pb2 import Resource

_LEVELS: Final = ((21, "fatal"), (17, "error"), (13, "warn"), (9, "info"), (5, "debug"), (1, "trace"))
_TABLE_OF: Final = re.compile(r"\b(?:INTO|UPDATE|FROM|TABLE)\s+[\"'`]?(\w+)", re.IGNORECASE)


def shown_span(span: Span, scope: str, owner: Resource) -> dict[str, Any]:
    """Return the fields of *span* for a page."""
    found, resource = attributes(span.attributes), attributes(owner.attributes)
    start_ns = time_ns(span.start_time_unix_nano)
    return {
        "spanId": span.span_id.hex(),
        "parentSpanId": span.parent_span_id.hex() or None,
        "name": cut(span.name),
        "title": _title(span.name, found),
        "kind": Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_").lower() if 0 <= span.kind <= 5 else "",
        "start_s": start_ns / 1e9,
        "start_ms": start_ns / 1e6,
        "took_ms": (time_ns(span.end_time_unix_nano) - start_ns) / 1e6,
        "isError": span.status.code == ERROR,
        "status": cut(span.status.message),
        "attributes": found,
        "events": [_event(event) for event in span.events[:100]],
        "links": [{"traceId": link.trace_id.hex(), "spanId": link.span_id.hex()} for link in span.links[:100]],
        "scope": scope,
        "service": str(resource.get("service.name") or ""),
        "resource": resource,
    }


def shown_log(record: LogRecord, number: int | str, scope: str, owner: Resource) -> dict[str, Any]:
    """Return the fields of *record* for a page; *number* is its id there."""
    resource = attributes(owner.attributes)
    at_ns = time_ns(record.time_unix_nano or record.observed_time_unix_nano)
    return {
        "id": number,
        "time_s": at_ns / 1e9,
        "ms": at_ns / 1e6,
        "level": _level(record.severity_number, record.severity_text),
        "text": as_text(record.body),
        "traceId": record.trace_id.hex() or None,
        "spanId": record.span_id.hex() or None,
        "attributes": attributes(record.attributes),
        "scope": scope,
        "service": str(resource.get("service.name") or ""),
        "resource": resource,
    }


def _event(event: Span.Event) -> dict[str, Any]:
    return {
        "name": cut(event.name),
        "ms": time_ns(event.time_unix_nano) / 1e6,
        "attributes": attributes(event.attributes),
    }


def _title(name: str, found: dict[str, Any]) -> str:
    """Return the span's name, or the verb and table of its statement."""
    query = found.get("db.query.text") or found.get("db.statement")
    if not isinstance(query, str) or not query.strip():
        return cut(name) or "(no name)"
    table = _TABLE_OF.search(query)
    return f"{query.split(maxsplit=1)[0].upper()} {table[1]}" if table else " ".join(query.split()[:3])


def _level(number: int, text: str) -> str:
    for least, name in _LEVELS:
        if number >= least:
            return name
    return text.lower()[:12] or "info"
