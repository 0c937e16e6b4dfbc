"""What the page and the command line ask the store."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from whatsself_otel.viewer.rows import ERROR
from whatsself_otel.viewer.values import as_text, attributes, cut, time_ns
from whatsself_otel.whatsapp.references import as_message_ref

if TYPE_CHECKING:
    import sqlite3

    from whatsself_otel.viewer.store import Store

SHOWN_SPANS: Final = 2_000
SHOWN_LOGS: Final = 2_000
LISTED: Final = 200
_TRACE_ID: Final = re.compile(r"[0-9a-f]{32}")
_LEVELS: Final = ((21, "fatal"), (17, "error"), (13, "warn"), (9, "info"), (5, "debug"), (1, "trace"))
_BEGUN_EARLIER: Final = """
    SELECT 1 FROM ids JOIN traces AS earlier USING (trace_id)
    WHERE value = traces.message_id AND ids.name = 'messageId' AND earlier.start_ns < traces.start_ns
"""
_WHICH: Final = {
    "messages": f"message_id IS NOT NULL AND NOT EXISTS ({_BEGUN_EARLIER})",
    "errors": "errors > 0",
    "all": "1",
}
_TRACE: Final = """
    SELECT trace_id AS traceId, start_ns / 1e9 AS start_s, (end_ns - start_ns) / 1e6 AS took_ms, name, service,
           request_id AS requestId, contact_id AS contactId, message_id AS messageId, spans, logs, errors
    FROM traces
"""
_TABLE_OF: Final = re.compile(r"\b(?:INTO|UPDATE|FROM|TABLE)\s+[\"'`]?(\w+)", re.IGNORECASE)


def recent(store: Store, which: str, limit: int = 50) -> list[dict[str, Any]]:
    """
    Return the newest traces, newest first.

    Args:
        store: Where to look.
        which: ``messages`` (those in which a messageId is seen for the first time, so that whoever asks about a message
            later does not count as one), ``errors`` or ``all``.
        limit: How many at most, from 1 to `LISTED`.
    """
    rows = store.read(f"{_TRACE} WHERE {_WHICH[which]} ORDER BY start_ns DESC LIMIT ?", (min(limit, LISTED),))
    return [dict(row) for row in rows]


def find(store: Store, value: str) -> list[dict[str, Any]]:
    """Return the traces of a requestId, contactId, messageId (a provider's too) or trace id, newest first."""
    if _TRACE_ID.fullmatch(value.lower()):
        rows = store.read(f"{_TRACE} WHERE trace_id = ?", (value.lower(),))
        if rows:
            return [dict(row) for row in rows]
    rows = store.read(
        f"{_TRACE} WHERE trace_id IN (SELECT trace_id FROM ids WHERE value IN (?, ?))"  # noqa: S608 - a constant
        " ORDER BY start_ns DESC LIMIT ?",
        (value, as_message_ref(value), LISTED),
    )
    return [dict(row) for row in rows]


def trace(store: Store, trace_id: str) -> dict[str, Any] | None:
    """Return one trace with its spans and log lines, or None when it is unknown."""
    found = store.read(f"{_TRACE} WHERE trace_id = ?", (trace_id,))
    if not found:
        return None
    return {
        **dict(found[0]),
        "ids": _ids(store, trace_id),
        "spans_shown": [_span(row) for row in span_rows(store, trace_id)],
        "logs_shown": [_log(row) for row in log_rows(store, trace_id)],
    }


def span_rows(store: Store, trace_id: str) -> list[sqlite3.Row]:
    """Return the spans of a trace with their resources, in order of time."""
    return store.read(
        "SELECT spans.body, spans.scope, resources.body AS resource FROM spans"
        " JOIN resources ON resources.id = spans.resource WHERE trace_id = ? ORDER BY start_ns, spans.id LIMIT ?",
        (trace_id, SHOWN_SPANS),
    )


def log_rows(store: Store, trace_id: str) -> list[sqlite3.Row]:
    """Return the log records of a trace with their resources, in order of time."""
    return store.read(
        "SELECT logs.id, logs.body, logs.scope, resources.body AS resource FROM logs"
        " JOIN resources ON resources.id = logs.resource WHERE trace_id = ? ORDER BY time_ns, logs.id LIMIT ?",
        (trace_id, SHOWN_LOGS),
    )


def logs(store: Store, *, severity: int = 0, text: str = "", limit: int = LISTED) -> list[dict[str, Any]]:
    """
    Return the newest log lines of everything, newest first.

    Args:
        store: Where to look.
        severity: OTLP's severity number from which on a line counts.
        text: What the line must hold, in any case; looked for in the newest few thousand.
        limit: How many at most.
    """
    rows = store.read(
        "SELECT logs.id, logs.body, logs.scope, resources.body AS resource FROM logs"
        " JOIN resources ON resources.id = logs.resource WHERE severity >= ? ORDER BY logs.id DESC LIMIT ?",
        (severity, 10 * limit if text else limit),
    )
    lines = (_log(row) for row in rows)
    wanted = text.casefold()
    return [line for line in lines if wanted in line["text"].casefold()][:limit]


def usage(store: Store) -> dict[str, Any]:
    """Return what the store holds, and what it may hold."""
    pages, free, page = (store.read(f"PRAGMA {name}")[0][0] for name in ("page_count", "freelist_count", "page_size"))
    counts = {
        table: store.read(f"SELECT count(*) FROM {table}")[0][0]  # noqa: S608 - names of our own
        for table in ("traces", "spans", "logs", "series")
    }
    limits = store.retention
    return {
        **counts,
        "bytes": (pages - free) * page,
        "limit_bytes": limits.size_bytes,
        "limit_spans": limits.spans,
        "limit_logs": limits.logs,
        "limit_age_s": limits.age_s,
    }


def _ids(store: Store, trace_id: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for row in store.read("SELECT name, value FROM ids WHERE trace_id = ? ORDER BY name, value LIMIT 100", (trace_id,)):
        found.setdefault(row["name"], []).append(row["value"])
    return found


def _span(row: sqlite3.Row) -> dict[str, Any]:
    span, resource = Span.FromString(row["body"]), attributes(Resource.FromString(row["resource"]).attributes)
    found = attributes(span.attributes)
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
        "scope": row["scope"],
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
    """Return the span's name, or for a statement what it does to which table."""
    query = found.get("db.query.text") or found.get("db.statement")
    if not isinstance(query, str) or not query.strip():
        return cut(name) or "(no name)"
    table = _TABLE_OF.search(query)
    return f"{query.split(maxsplit=1)[0].upper()} {table[1]}" if table else " ".join(query.split()[:3])


def _log(row: sqlite3.Row) -> dict[str, Any]:
    record, resource = LogRecord.FromString(row["body"]), attributes(Resource.FromString(row["resource"]).attributes)
    at_ns = time_ns(record.time_unix_nano or record.observed_time_unix_nano)
    return {
        "id": row["id"],
        "time_s": at_ns / 1e9,
        "ms": at_ns / 1e6,
        "level": _level(record.severity_number, record.severity_text),
        "text": as_text(record.body),
        "traceId": record.trace_id.hex() or None,
        "spanId": record.span_id.hex() or None,
        "attributes": attributes(record.attributes),
        "scope": row["scope"],
        "service": str(resource.get("service.name") or ""),
        "resource": resource,
    }


def _level(number: int, text: str) -> str:
    for least, name in _LEVELS:
        if number >= least:
            return name
    return text.lower()[:12] or "info"
