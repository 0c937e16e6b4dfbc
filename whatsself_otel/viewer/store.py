"""The bounded store: one SQLite file that never outgrows its limits, whatever arrives."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from whatsself_otel.viewer.rows import IDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from whatsself_otel.viewer.rows import Batch, PointRow

_PAGE_BYTES: Final = 4096
_PURGED: Final = 200
"""Traces that go at once, at most; of log lines and points, where there are no traces, five times as many."""
_FULL: Final = 0.9
"""Share of the size from which on the oldest goes; the rest is room for the batch that arrives."""
_SWEEP_S: Final = 1.0
_EXEMPLARS: Final = 5
"""Kept of each series."""
_RESOURCES: Final = 1_000
"""From this many on, those that nothing refers to go."""
_LAST_ID: Final = 2**63 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """When the oldest data goes; whichever limit is met first."""

    spans: int = 200_000
    logs: int = 200_000
    points: int = 500_000
    series: int = 5_000
    """Series that may be born; further ones are rejected."""
    size_bytes: int = 256 * 1024 * 1024
    """Size of the file, at least 4 MiB; the write-ahead log beside it adds a few more."""
    age_s: float = 24 * 3600.0


class FullError(Exception):
    """A batch that does not fit, or a disk that is full."""


class Store:
    """
    Traces, log lines and metrics in one file.

    One connection writes, under a lock; each reading thread has one of its own, which writing does not block.

    Args:
        path: Where the file is; it is made for its owner alone.
        retention: Limits.
        clock: Returns Unix time in seconds.
    """

    def __init__(
        self, path: Path, retention: Retention | None = None, *, clock: Callable[[], float] = time.time
    ) -> None:
        self.path = path
        self.retention = retention or Retention()
        self.version = 0
        """Grows with everything that arrives."""
        self._clock = clock
        self._lock = threading.Lock()
        self._local = threading.local()
        self._readers: list[sqlite3.Connection] = []
        self._swept_s = 0.0
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=10)
        self._prepare()

    def _prepare(self) -> None:
        pages = self.retention.size_bytes // _PAGE_BYTES
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "journal_size_limit=4194304", "temp_store=MEMORY"):
            self._db.execute(f"PRAGMA {pragma}")
        self._db.executescript((Path(__file__).parent / "schema.sql").read_text("utf-8"))
        self._db.execute(f"PRAGMA max_page_count={pages}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close every connection."""
        with self._lock:
            for connection in (*self._readers, self._db):
                connection.close()

    def read(self, statement: str, parameters: Sequence[Any] | dict[str, Any] = ()) -> list[sqlite3.Row]:
        """Return the rows of a query."""
        reader = getattr(self._local, "db", None)
        if reader is None:
            reader = self._local.db = sqlite3.connect(self.path, check_same_thread=False, timeout=10)
            reader.row_factory = sqlite3.Row
            reader.execute("PRAGMA query_only=1")
            with self._lock:
                self._readers.append(reader)
        return list(reader.execute(statement, parameters))

    @property
    def _used_bytes(self) -> int:
        pages, free = (self._db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count"))
        return int(pages - free) * _PAGE_BYTES

    def add(self, batch: Batch) -> int:
        """
        Keep a batch, after making room for it.

        Returns:
            How many points were rejected because their series would be one too many.
        """
        with self._lock:
            self._sweep()
            rejected = self._write_making_room(batch)
            self.version += 1
            return rejected

    def _write_making_room(self, batch: Batch) -> int:
        while True:
            try:
                return self._write(batch)
            except sqlite3.OperationalError as error:
                if not self._purge():
                    raise FullError(f"nothing is left to make room with: {error}") from error

    def _write(self, batch: Batch) -> int:
        now_s = self._clock()
        with self._transaction():
            resources = {body: self._resource(body, service) for body, service in batch.services.items()}
            self._write_traces(batch, now_s)
            for row in batch.spans:
                self._write_span(row, resources)
            self._write_logs(batch, resources, now_s)
            return sum(not self._write_point(point, now_s) for point in batch.points)

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

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
        self._db.executemany(
            "INSERT OR IGNORE INTO ids (value, name, trace_id) VALUES (?, ?, ?)",
            (
                (value, name, trace_id)
                for trace_id, news in batch.traces.items()
                for name, value in sorted(news.all_ids)
            ),
        )

    def _write_span(self, row: Any, resources: dict[bytes, int]) -> None:
        # The collector delivers at least once: a span that comes twice is one.
        cursor = self._db.execute(
            "INSERT OR IGNORE INTO spans (trace_id, span_id, start_ns, scope, resource, body)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (row.trace_id, row.span_id, row.start_ns, row.scope, resources[row.resource], row.body),
        )
        if cursor.rowcount:
            self._db.execute(
                "UPDATE traces SET spans = spans + 1, errors = errors + ? WHERE trace_id = ?",
                (row.is_error, row.trace_id),
            )

    def _write_logs(self, batch: Batch, resources: dict[bytes, int], now_s: float) -> None:
        self._db.executemany(
            "INSERT INTO logs (received_s, time_ns, trace_id, severity, scope, resource, body)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                (now_s, row.time_ns, row.trace_id, row.severity, row.scope, resources[row.resource], row.body)
                for row in batch.logs
            ),
        )
        self._db.executemany(
            "UPDATE traces SET logs = logs + 1, errors = errors + ? WHERE trace_id = ?",
            ((row.is_error, row.trace_id) for row in batch.logs if row.trace_id),
        )

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
        key = (row.name, row.labels, row.service, row.instance)
        known = self._db.execute(
            "SELECT id FROM series WHERE name = ? AND labels = ? AND service = ? AND instance = ?", key
        ).fetchone()
        if known is not None:
            return int(known[0])
        if self._one("SELECT count(*) FROM series") >= self.retention.series:
            return None
        cursor = self._db.execute(
            "INSERT INTO series (name, labels, service, instance, kind, unit) VALUES (?, ?, ?, ?, ?, ?)",
            (*key, row.kind, row.unit),
        )
        return cursor.lastrowid

    def sweep(self) -> None:
        """Let go what is older than the limits allow; done anyway whenever something arrives."""
        with self._lock:
            self._swept_s = 0.0
            self._sweep()

    def _sweep(self) -> None:
        while self._used_bytes > _FULL * self.retention.size_bytes and self._purge():
            pass
        if abs(self._clock() - self._swept_s) < _SWEEP_S:
            return
        self._swept_s = self._clock()
        self._sweep_age()
        self._sweep_counts()
        with self._transaction():
            self._drop_childless()

    def _sweep_age(self) -> None:
        limit_s = self._clock() - self.retention.age_s
        with self._transaction():
            self._drop_traces("SELECT trace_id FROM traces WHERE received_s < ?", (limit_s,))
            # Rows are in order of arrival, so that the search ends at the first one that is young enough.
            for table in ("logs", "points"):
                young = f"SELECT id FROM {table} WHERE received_s >= ? ORDER BY id LIMIT 1"  # noqa: S608
                first = self._db.execute(young, (limit_s,)).fetchone()
                self._db.execute(f"DELETE FROM {table} WHERE id < ?", (first[0] if first else _LAST_ID,))  # noqa: S608

    def _sweep_counts(self) -> None:
        while self._one("SELECT coalesce(sum(spans), 0) FROM traces") > self.retention.spans:
            with self._transaction():
                self._drop_oldest_traces()
        with self._transaction():
            for table, limit in (("logs", self.retention.logs), ("points", self.retention.points)):
                self._db.execute(
                    f"DELETE FROM {table} WHERE id <= (SELECT id FROM {table} ORDER BY id DESC LIMIT 1 OFFSET ?)",  # noqa: S608
                    (limit,),
                )

    def _purge(self) -> bool:
        """Let the oldest go, all signals back to the same moment; return whether anything went."""
        before = self._used_bytes
        share = max(1, min(_PURGED, self._one("SELECT count(*) FROM traces") // 10))
        oldest = self._db.execute("SELECT received_s FROM traces ORDER BY id LIMIT ?", (share,)).fetchall()
        with self._transaction():
            self._drop_oldest_traces(share)
            for table, lonely in (("logs", "trace_id = ''"), ("points", "1")):
                which = f"SELECT id FROM {table} WHERE {lonely}"  # noqa: S608
                if oldest:
                    old = f"{which} AND received_s < ?"
                    self._db.execute(f"DELETE FROM {table} WHERE id IN ({old})", min(oldest))  # noqa: S608
                else:
                    old = f"{which} ORDER BY id LIMIT ?"
                    self._db.execute(f"DELETE FROM {table} WHERE id IN ({old})", (5 * _PURGED,))  # noqa: S608
            self._drop_childless()
        return self._used_bytes < before

    def _drop_oldest_traces(self, count: int = _PURGED) -> None:
        self._drop_traces("SELECT trace_id FROM traces ORDER BY id LIMIT ?", (count,))

    def _drop_traces(self, which: str, parameters: tuple[Any, ...]) -> None:
        """Drop traces whole: a trace without its root helps nobody."""
        gone = [(row[0],) for row in self._db.execute(which, parameters)]
        for table in ("spans", "logs", "ids", "traces"):
            self._db.executemany(f"DELETE FROM {table} WHERE trace_id = ?", gone)  # noqa: S608

    def _drop_childless(self) -> None:
        self._db.execute("DELETE FROM series WHERE id NOT IN (SELECT DISTINCT series FROM points)")
        self._db.execute("DELETE FROM exemplars WHERE series NOT IN (SELECT id FROM series)")
        if self._one("SELECT count(*) FROM resources") > _RESOURCES:
            self._db.execute(
                "DELETE FROM resources WHERE id NOT IN (SELECT resource FROM spans UNION SELECT resource FROM logs)"
            )

    def _one(self, statement: str) -> int:
        return int(self._db.execute(statement).fetchone()[0])
