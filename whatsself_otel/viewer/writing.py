"""How a batch gets into the store's file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from whatsself_otel.catalogue import MESSAGE_ID
from whatsself_otel.viewer.fields import IDS
from whatsself_otel.viewer.rows import ERROR_SEVERITY
from whatsself_otel.viewer.signs import Signs

if TYPE_CHECKING:
    import sqlite3

    from whatsself_otel.viewer.rows import Batch, PointRow, SpanRow, TraceNews

_EXEMPLARS: Final = 5
"""Kept of each series."""
_FAILED: Final = """
    WITH RECURSIVE
        failed (span_id) AS (SELECT span_id FROM spans WHERE trace_id = ?1 AND is_error),
        above (span_id) AS (
            SELECT parent_id FROM spans WHERE trace_id = ?1 AND is_error AND parent_id != ''
            UNION
            SELECT parent_id FROM spans JOIN above USING (span_id) WHERE trace_id = ?1 AND parent_id != ''
        )
    SELECT
        (SELECT count(*) FROM failed WHERE span_id NOT IN (SELECT span_id FROM above))
        + (SELECT count(DISTINCT CASE span_id WHEN '' THEN id ELSE span_id END) FROM logs
           WHERE trace_id = ?1 AND severity >= ?2
             AND span_id NOT IN (SELECT span_id FROM failed UNION ALL SELECT span_id FROM above))
"""
"""An error counts where it began: not again in the spans above it, nor in the lines that tell of it there."""


class Writer:
    """
    Writes batches over one connection, inside a transaction of its caller's.

    Args:
        db: Connection.
        most_series: Series that may be born.
    """

    def __init__(self, db: sqlite3.Connection, most_series: int) -> None:
        self._db = db
        self._most_series = most_series

    def write(self, batch: Batch, now_s: float) -> int:
        """Write *batch*; return the count of points rejected because their series would exceed the limit."""
        resources = {body: self._resource(body, service) for body, service in batch.services.items()}
        self._write_traces(batch, now_s)
        for row in batch.spans:
            self._write_span(row, resources)
        self._write_logs(batch, resources, now_s)
        self._count_errors(batch)
        return sum(not self._write_point(point, now_s) for point in batch.points)

    def _resource(self, body: bytes, service: str) -> int:
        self._db.execute("INSERT OR IGNORE INTO resources (service, body) VALUES (?, ?)", (service, body))
        return int(self._db.execute("SELECT id FROM resources WHERE body = ?", (body,)).fetchone()[0])

    def _write_traces(self, batch: Batch, now_s: float) -> None:
        self._db.executemany(
            """
            INSERT INTO traces (trace_id, received_s, start_ns, end_ns, name, service, request_id, contact_id,
                                message_id)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
            ON CONFLICT (trace_id) DO UPDATE SET
                received_s = excluded.received_s,
                start_ns = min(start_ns, excluded.start_ns),
                end_ns = max(end_ns, excluded.end_ns),
                name = CASE excluded.name WHEN '' THEN name ELSE excluded.name END,
                service = CASE excluded.service WHEN '' THEN service ELSE excluded.service END,
                request_id = coalesce(excluded.request_id, request_id),
                contact_id = coalesce(excluded.contact_id, contact_id),
                message_id = coalesce(excluded.message_id, message_id)
            """,
            (
                (
                    trace_id,
                    now_s,
                    news.start_ns,
                    news.end_ns,
                    news.name,
                    news.service,
                    *(news.ids.get(name) for name in IDS),
                )
                for trace_id, news in batch.traces.items()
            ),
        )
        for trace_id, news in batch.traces.items():
            self._write_fields(trace_id, news)
            self._write_signs(trace_id, news)

    def _write_fields(self, trace_id: str, news: TraceNews) -> None:
        found = sorted(news.fields)
        self._db.executemany("INSERT OR IGNORE INTO fields (name, value) VALUES (?, ?)", found)
        (trace,) = self._db.execute("SELECT id FROM traces WHERE trace_id = ?", (trace_id,)).fetchone()
        self._db.executemany(
            "INSERT OR IGNORE INTO trace_fields (field, trace)"  # noqa: S608 - a number of our own
            f" SELECT id, {int(trace)} FROM fields WHERE name = ? AND value = ?",
            found,
        )

    def _write_signs(self, trace_id: str, news: TraceNews) -> None:
        """Add each message's signs to its home too: deliveries come in another request than the sending."""
        self._settle(trace_id, news)
        told = Signs()
        for message_id, signs in news.signs.items():
            told.merge(signs)
            home = self._home(message_id)
            if home not in {None, trace_id}:
                self._merge_signs(str(home), signs)
        self._merge_signs(trace_id, told)

    def _settle(self, trace_id: str, news: TraceNews) -> None:
        """Make *trace_id* the home of messages not seen earlier; it takes over their signs."""
        for message_id in sorted(value for name, value in news.fields if name == MESSAGE_ID):
            known = self._db.execute(
                "SELECT trace_id, start_ns FROM homes WHERE message_id = ?", (message_id,)
            ).fetchone()
            if known is not None and known[1] <= news.start_ns:
                continue
            self._db.execute(
                "INSERT OR REPLACE INTO homes (message_id, trace_id, start_ns) VALUES (?, ?, ?)",
                (message_id, trace_id, news.start_ns),
            )
            if known is not None and known[0] != trace_id:
                news.signs.setdefault("", Signs()).merge(self._signs(known[0]))

    def _home(self, message_id: str) -> str | None:
        found = self._db.execute("SELECT trace_id FROM homes WHERE message_id = ?", (message_id,)).fetchone()
        return None if found is None else str(found[0])

    def _signs(self, trace_id: str) -> Signs:
        found = self._db.execute("SELECT signs FROM traces WHERE trace_id = ?", (trace_id,)).fetchone()
        return Signs.from_json(json.loads(found[0])) if found else Signs()

    def _merge_signs(self, trace_id: str, told: Signs) -> None:
        signs = self._signs(trace_id)
        signs.merge(told)
        columns = ("direction", "kind", "session", "provider")
        reason = signs.reason if signs.outcome == "failed" else ""
        self._db.execute(
            "UPDATE traces SET signs = ?, outcome = ?, reason = ?, direction = ?, kind = ?, session = ?, provider = ?"
            " WHERE trace_id = ?",
            (
                json.dumps(signs.as_json()),
                signs.outcome,
                reason,
                *(getattr(signs, name) for name in columns),
                trace_id,
            ),
        )

    def _write_span(self, row: SpanRow, resources: dict[bytes, int]) -> None:
        # The collector delivers at least once: a span that comes twice is one.
        cursor = self._db.execute(
            "INSERT OR IGNORE INTO spans (trace_id, span_id, parent_id, start_ns, is_error, scope, resource, body)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                row.trace_id,
                row.span_id,
                row.parent_id,
                row.start_ns,
                row.is_error,
                row.scope,
                resources[row.resource],
                row.body,
            ),
        )
        if cursor.rowcount:
            self._db.execute("UPDATE traces SET spans = spans + 1 WHERE trace_id = ?", (row.trace_id,))

    def _write_logs(self, batch: Batch, resources: dict[bytes, int], now_s: float) -> None:
        self._db.executemany(
            "INSERT INTO logs (received_s, time_ns, trace_id, span_id, severity, scope, resource, text, body)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                (
                    now_s,
                    row.time_ns,
                    row.trace_id,
                    row.span_id,
                    row.severity,
                    row.scope,
                    resources[row.resource],
                    row.text,
                    row.body,
                )
                for row in batch.logs
            ),
        )
        self._db.executemany(
            "UPDATE traces SET logs = logs + 1 WHERE trace_id = ?",
            ((row.trace_id,) for row in batch.logs if row.trace_id),
        )

    def _count_errors(self, batch: Batch) -> None:
        failed = {row.trace_id for row in batch.spans if row.is_error}
        failed |= {row.trace_id for row in batch.logs if row.trace_id and row.severity >= ERROR_SEVERITY}
        # A span that joins the others may stand between two that failed.
        touched = {row.trace_id for row in batch.spans} - failed
        failed |= {each for each in touched if self._has_errors(each)}
        for trace_id in sorted(failed):
            (errors,) = self._db.execute(_FAILED, (trace_id, ERROR_SEVERITY)).fetchone()
            self._db.execute("UPDATE traces SET errors = ? WHERE trace_id = ?", (errors, trace_id))

    def _has_errors(self, trace_id: str) -> bool:
        return bool(self._db.execute("SELECT errors FROM traces WHERE trace_id = ?", (trace_id,)).fetchone()[0])

    def _write_point(self, row: PointRow, now_s: float) -> bool:
        series = self._series(row)
        if series is None:
            return False
        self._db.execute(
            "INSERT OR REPLACE INTO points (series, time_s, received_s, value, total, buckets)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (series, row.time_s, now_s, row.value, row.total, row.buckets),
        )
        self._db.executemany(
            "INSERT OR REPLACE INTO exemplars (series, trace_id, time_s, value) VALUES (?, ?, ?, ?)",
            ((series, *exemplar) for exemplar in row.exemplars),
        )
        if row.exemplars:
            self._db.execute(
                "DELETE FROM exemplars WHERE series = ?1 AND trace_id NOT IN"
                " (SELECT trace_id FROM exemplars WHERE series = ?1 ORDER BY time_s DESC LIMIT ?2)",
                (series, _EXEMPLARS),
            )
        return True

    def _series(self, row: PointRow) -> int | None:
        key: tuple[Any, ...] = (row.name, row.labels, row.service, row.instance)
        known = self._db.execute(
            "SELECT id FROM series WHERE name = ? AND labels = ? AND service = ? AND instance = ?", key
        ).fetchone()
        if known is not None:
            return int(known[0])
        if int(self._db.execute("SELECT count(*) FROM series").fetchone()[0]) >= self._most_series:
            return None
        cursor = self._db.execute(
            "INSERT INTO series (name, labels, service, instance, kind, unit) VALUES (?, ?, ?, ?, ?, ?)",
            (*key, row.kind, row.unit),
        )
        return cursor.lastrowid
