"""Queries about traces in the viewer's own store, for the page and the command line."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from whatsself_otel.viewer import log_queries
from whatsself_otel.viewer.fields import DOCTOR, IDS, fold
from whatsself_otel.viewer.query import Page, TraceQuery
from whatsself_otel.viewer.shown import shown_log, shown_span
from whatsself_otel.viewer.traffic import Events, summed
from whatsself_otel.whatsapp.references import as_message_ref

if TYPE_CHECKING:
    import sqlite3

    from whatsself_otel.viewer.store import Store

SHOWN_SPANS: Final = 2_000
SHOWN_LOGS: Final = 2_000
_CHOICES: Final = ("service", "route", "http.response.status_code")
_SUMMARIES: Final = ("kind", "session", "provider", "reason")
_MOST_CHOICES: Final = 50
_TRACE_ID: Final = re.compile(r"[0-9a-f]{32}")
_PART_OF_ID: Final = re.compile(r"[0-9a-f]{4,32}")
_WHICH: Final = {
    "messages": (
        f"service != '{DOCTOR}' AND message_id IS NOT NULL"  # noqa: S608 - a constant
        " AND (SELECT trace_id FROM homes WHERE homes.message_id = traces.message_id) = traces.trace_id"
    ),
    "errors": f"errors > 0 AND service != '{DOCTOR}'",
    "all": "1",
}
_SORTS: Final = {
    "newest": "start_ns DESC",
    "oldest": "start_ns",
    "slowest": "end_ns - start_ns DESC, start_ns DESC",
    "errors": "errors DESC, start_ns DESC",
}
_TRACE: Final = """
    SELECT trace_id AS traceId, start_ns / 1e9 AS start_s, (end_ns - start_ns) / 1e6 AS took_ms, name, service,
           request_id AS requestId, contact_id AS contactId, message_id AS messageId, spans, logs, errors, outcome,
           reason, signs
    FROM traces
"""
_WITH_FIELD: Final = """
    id IN (SELECT trace FROM trace_fields WHERE field = (SELECT id FROM fields WHERE value = ? AND name = ?))
"""
_BEGINS_WITH: Final = (
    "SELECT trace FROM trace_fields WHERE field IN (SELECT id FROM fields WHERE value >= ? AND value < ?)"
)
_AFTER_ALL: Final = "\U0010ffff"


def traces(store: Store, query: TraceQuery) -> Page:
    """Return the traces that *query* asks for."""
    where, values = _where(store, query)
    rows = store.read(
        f"{_TRACE} WHERE {where} ORDER BY {_SORTS[query.sort]} LIMIT ?",
        (*values, query.limit + 1),
    )
    return Page(rows=[_row(row) for row in rows[: query.limit]], is_cut=len(rows) > query.limit)


def traffic(store: Store, query: TraceQuery) -> dict[str, Any]:
    """Return how much of *query* there is when, and how long it took."""
    where, values = _where(store, query)
    # One row with everything in it: between rows SQLite lets other threads run, and each would wait for its turn again.
    found = store.read(
        "SELECT group_concat(start_ns), group_concat(end_ns - start_ns),"  # noqa: S608 - tests of our own
        " group_concat(outcome = 'failed' OR (outcome = '' AND errors > 0))"
        f" FROM traces WHERE {where}",
        values,
    )[0]
    starts_ns, took_ns, failed = ([int(each) for each in column.split(",")] if column else [] for column in found)
    events = Events(times_s=[each / 1e9 for each in starts_ns], took_ms=[each / 1e6 for each in took_ns], failed=failed)
    return summed(events, query.span)


def choices(store: Store) -> dict[str, list[str]]:
    """Return what traces can be narrowed down by: the values that there are, the most frequent first."""
    found = {}
    for name in _CHOICES:
        rows = store.read(
            "SELECT value, (SELECT count(*) FROM trace_fields WHERE field = fields.id) AS n FROM fields"
            " WHERE name = ? AND value != '' ORDER BY n DESC, value LIMIT ?",
            (name, _MOST_CHOICES),
        )
        found["status" if name.startswith("http.") else name] = [row["value"] for row in rows]
    for name in _SUMMARIES:
        rows = store.read(
            f"SELECT {name}, count(*) AS n FROM traces WHERE {name} != '' GROUP BY 1 ORDER BY n DESC LIMIT ?",  # noqa: S608
            (_MOST_CHOICES,),
        )
        found[name] = [row[0] for row in rows]
    return found


def recent(store: Store, which: str, limit: int = 50) -> list[dict[str, Any]]:
    """Return the newest traces, newest first; *which* is one of `query.WHICH`."""
    return traces(store, TraceQuery(which=which, limit=limit)).rows


def find(store: Store, value: str, limit: int = 200) -> list[dict[str, Any]]:
    """Return the traces of a requestId, contactId, messageId (a provider's too) or trace id, newest first."""
    if _TRACE_ID.fullmatch(value.lower()):
        rows = store.read(f"{_TRACE} WHERE trace_id = ?", (value.lower(),))
        if rows:
            return [_row(row) for row in rows]
    marks = ", ".join("?" * len(IDS))
    rows = store.read(
        f"{_TRACE} WHERE id IN (SELECT trace FROM trace_fields WHERE field IN"  # noqa: S608 - constants
        f" (SELECT id FROM fields WHERE value IN (?, ?) AND name IN ({marks}))) ORDER BY start_ns DESC LIMIT ?",
        (value, as_message_ref(value), *IDS, limit),
    )
    return [_row(row) for row in rows]


def trace(store: Store, trace_id: str) -> dict[str, Any] | None:
    """Return one trace with its spans and log lines, or None when it is unknown."""
    found = store.read(f"{_TRACE} WHERE trace_id = ?", (trace_id,))
    if not found:
        return None
    return {
        **_row(found[0]),
        "ids": _ids(store, trace_id),
        "spans_shown": [_span(row) for row in span_rows(store, trace_id)],
        "logs_shown": [_log(row) for row in log_rows(store, trace_id)],
    }


def span_rows(store: Store, trace_id: str) -> list[sqlite3.Row]:
    """Return the spans of a trace with their resources, in order of time."""
    return store.read(
        "SELECT spans.body, spans.scope, resources.body AS resource FROM spans"
        " JOIN resources ON resources.id = spans.resource WHERE trace_id = ?"
        " ORDER BY start_ns, parent_id != '', spans.id LIMIT ?",
        (trace_id, SHOWN_SPANS),
    )


def log_rows(store: Store, trace_id: str) -> list[sqlite3.Row]:
    """Return the log records of a trace with their resources, in order of time."""
    return store.read(
        "SELECT logs.id, logs.body, logs.scope, resources.body AS resource FROM logs"
        " JOIN resources ON resources.id = logs.resource WHERE trace_id = ? ORDER BY time_ns, logs.id LIMIT ?",
        (trace_id, SHOWN_LOGS),
    )


def usage(store: Store) -> dict[str, Any]:
    """Return the store's counts and its limits."""
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
        "no_index": store.no_index,
    }


def _where(store: Store, query: TraceQuery) -> tuple[str, list[Any]]:
    tests, values = [_WHICH[query.which]], list[Any]()
    bounds = (
        ("start_ns >= ?", query.span.from_s, 1e9),
        ("start_ns < ?", query.span.to_s, 1e9),
        ("end_ns - start_ns >= ?", query.least_ms, 1e6),
        ("end_ns - start_ns <= ?", query.most_ms, 1e6),
    )
    for test, bound, scale in bounds:
        if bound is not None:
            tests.append(test)
            values.append(int(bound * scale))
    for name, value in query.columns.items():
        tests.append(f"{name} = ?")
        values.append(value)
    for name, value in query.fields:
        tests.append(_WITH_FIELD)
        values += (value, name)
    if query.text:
        test, more = _with_text(store, query.text)
        tests.append(test)
        values += more
    return " AND ".join(f"({test})" for test in tests), values


def _with_text(store: Store, text: str) -> tuple[str, list[Any]]:
    """Return the test for traces with *text* in a log line, at the beginning of an id, or in a trace id."""
    begins, value = [text, as_message_ref(text)], list[Any]()
    tests = []
    for each in dict.fromkeys(begins):
        tests.append(f"id IN ({_BEGINS_WITH})")
        value += (each, each + _AFTER_ALL)
    if _PART_OF_ID.fullmatch(text.lower()):
        tests.append("trace_id >= ? AND trace_id < ?")
        value += (text.lower(), text.lower() + "g")
    found, more = log_queries.with_text(store, fold(text))
    if log_queries.is_indexed(store, fold(text)) and len(more) == 1:
        # Frequent: the newest traces are soon found one by one, and the others need not be read.
        tests.append(f"EXISTS (SELECT 1 FROM logs WHERE logs.trace_id = traces.trace_id AND {found})")  # noqa: S608
    else:
        tests.append(f"trace_id IN (SELECT trace_id FROM logs WHERE {found})")  # noqa: S608
    return " OR ".join(f"({test})" for test in tests), [*value, *more]


def _row(row: sqlite3.Row) -> dict[str, Any]:
    found = dict(row)
    return {**found, "signs": json.loads(found["signs"])}


def _ids(store: Store, trace_id: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    marks = ", ".join("?" * len(IDS))
    rows = store.read(
        "SELECT name, value FROM trace_fields JOIN fields ON fields.id = field"  # noqa: S608 - constants
        f" WHERE trace = (SELECT id FROM traces WHERE trace_id = ?) AND name IN ({marks})"
        " ORDER BY name, value LIMIT 100",
        (trace_id, *IDS),
    )
    for row in rows:
        found.setdefault(row["name"], []).append(row["value"])
    return found


def _span(row: sqlite3.Row) -> dict[str, Any]:
    return shown_span(Span.FromString(row["body"]), row["scope"], Resource.FromString(row["resource"]))


def _log(row: sqlite3.Row) -> dict[str, Any]:
    resource = Resource.FromString(row["resource"])
    return shown_log(LogRecord.FromString(row["body"]), row["id"], row["scope"], resource)
