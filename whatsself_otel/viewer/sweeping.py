"""Deletes old data from the store: whole traces, the oldest first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable
    from contextlib import AbstractContextManager

PAGE_BYTES: Final = 4096
_PURGED: Final = 200
"""Traces that go at once, at most; of log lines and points, where there are no traces, five times as many."""
_FULL: Final = 0.9
"""Share of the size from which on the oldest goes; the rest is room for the batch that arrives."""
_NEARLY: Final = 0.8
_SWEEP_S: Final = 1.0
_RESOURCES: Final = 1_000
"""From this many on, those that nothing refers to go."""
_LAST_ID: Final = 2**63 - 1
_MERGED_PAGES: Final = 500


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
    age_s: float = 7 * 24 * 3600.0


class Sweeper:
    """
    Keeps a file within its limits.

    Args:
        db: Connection that writes.
        retention: Limits.
        clock: Returns Unix time in seconds.
        transaction: Opens one on *db*.
        is_searched: Whether there is an index of words.
    """

    def __init__(
        self,
        db: sqlite3.Connection,
        retention: Retention,
        clock: Callable[[], float],
        transaction: Callable[[], AbstractContextManager[None]],
        *,
        is_searched: bool,
    ) -> None:
        self._db = db
        self.retention = retention
        self._clock = clock
        self._transaction = transaction
        self._is_searched = is_searched
        self._swept_s = 0.0

    @property
    def used_bytes(self) -> int:
        """How much of the file is in use."""
        pages, free = (self._db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count"))
        return int(pages - free) * PAGE_BYTES

    def is_nearly_full(self) -> bool:
        """Return whether spans, log lines or bytes are near a limit."""
        spans, lines = (self._one(f"SELECT count(*) FROM {table}") for table in ("spans", "logs"))  # noqa: S608
        limits = self.retention
        return (
            spans > _NEARLY * limits.spans
            or lines > _NEARLY * limits.logs
            or self.used_bytes > _NEARLY * _FULL * limits.size_bytes
        )

    def sweep(self, *, now: bool = False) -> None:
        """Delete data beyond the limits: at once, or once a second."""
        if now:
            self._swept_s = 0.0
        while self.used_bytes > _FULL * self.retention.size_bytes and self.purge():
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

    def purge(self) -> bool:
        """Let the oldest go, all signals back to the same moment; return whether anything went."""
        before = self.used_bytes
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
        return self.used_bytes < before

    def _drop_oldest_traces(self, count: int = _PURGED) -> None:
        self._drop_traces("SELECT trace_id FROM traces ORDER BY id LIMIT ?", (count,))

    def _drop_traces(self, which: str, parameters: tuple[Any, ...]) -> None:
        """Delete whole traces: a trace without its root is useless."""
        gone = [(row[0],) for row in self._db.execute(which, parameters)]
        for trace in gone:
            self._drop_fields(*trace)
        for table in ("spans", "logs", "homes", "traces"):
            self._db.executemany(f"DELETE FROM {table} WHERE trace_id = ?", gone)  # noqa: S608
        if gone and self._is_searched:
            self._db.execute("INSERT INTO log_search (log_search, rank) VALUES ('merge', ?)", (_MERGED_PAGES,))

    def _drop_fields(self, trace_id: str) -> None:
        """Delete the trace's searchable fields, and names and values that no other trace has."""
        trace = "trace = (SELECT id FROM traces WHERE trace_id = ?)"
        held = self._db.execute(f"SELECT field FROM trace_fields WHERE {trace}", (trace_id,)).fetchall()  # noqa: S608
        self._db.execute(f"DELETE FROM trace_fields WHERE {trace}", (trace_id,))  # noqa: S608
        self._db.executemany(
            "DELETE FROM fields WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM trace_fields WHERE field = ?1)", held
        )

    def _drop_childless(self) -> None:
        self._db.execute("DELETE FROM series WHERE id NOT IN (SELECT DISTINCT series FROM points)")
        self._db.execute("DELETE FROM exemplars WHERE series NOT IN (SELECT id FROM series)")
        if self._one("SELECT count(*) FROM resources") > _RESOURCES:
            self._db.execute(
                "DELETE FROM resources WHERE id NOT IN (SELECT resource FROM spans UNION SELECT resource FROM logs)"
            )

    def _one(self, statement: str) -> int:
        return int(self._db.execute(statement).fetchone()[0])
