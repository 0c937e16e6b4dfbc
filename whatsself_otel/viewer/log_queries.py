"""Queries about log lines in the viewer's own store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from whatsself_otel.viewer.fields import fold
from whatsself_otel.viewer.query import LogQuery, Page
from whatsself_otel.viewer.shown import shown_log

if TYPE_CHECKING:
    from whatsself_otel.viewer.store import Store

_LETTERS: Final = 3
"""Of a part that the index knows."""
_RARE: Final = 2_000
"""Up to this many matches the index is faster than reading in order of time."""


def logs(store: Store, query: LogQuery) -> Page:
    """Return the log lines that *query* asks for, newest first by their own time."""
    tests, values = ["severity >= ?"], list[Any]([query.severity])
    for test, bound in (("time_ns >= ?", query.span.from_s), ("time_ns < ?", query.span.to_s)):
        if bound is not None:
            tests.append(test)
            values.append(int(bound * 1e9))
    if query.service:
        tests.append("resource IN (SELECT id FROM resources WHERE service = ?)")
        values.append(query.service)
    wanted = [fold(query.text)] if query.text else []
    wanted += [fold(f"\n{name}={value}\n") for name, value in query.fields]
    for part in wanted:
        test, more = with_text(store, part)
        tests.append(test)
        values += more
    rows = store.read(
        "SELECT logs.id, logs.body, logs.scope, resources.body AS resource FROM logs"  # noqa: S608 - tests of our own
        f" JOIN resources ON resources.id = logs.resource WHERE {' AND '.join(tests)}"
        " ORDER BY time_ns DESC, logs.id DESC LIMIT ?",
        (*values, query.limit + 1),
    )
    shown = [
        shown_log(LogRecord.FromString(row["body"]), row["id"], row["scope"], Resource.FromString(row["resource"]))
        for row in rows[: query.limit]
    ]
    return Page(rows=shown, is_cut=len(rows) > query.limit)


def is_indexed(store: Store, part: str) -> bool:
    """Return whether the index can tell how frequent *part* is."""
    return store.no_index is None and len(part) >= _LETTERS


def with_text(store: Store, part: str) -> tuple[str, list[Any]]:
    """
    Return a test of a log line, and its values.

    Args:
        store: Where the lines are.
        part: What the line must hold, without case and accents.
    """
    holds = "instr(text, ?) > 0"
    if not is_indexed(store, part):
        return holds, [part]
    letters = sorted({part[at : at + _LETTERS] for at in range(len(part) - _LETTERS + 1)})
    match = " AND ".join('"' + each.replace('"', '""') + '"' for each in letters)
    indexed = "SELECT rowid FROM log_search WHERE log_search MATCH ?"
    (count,) = store.read(f"SELECT count(*) FROM ({indexed} LIMIT ?)", (match, _RARE))[0]  # noqa: S608
    if count >= _RARE:
        return holds, [part]
    return f"logs.id IN ({indexed}) AND {holds}", [match, part]
