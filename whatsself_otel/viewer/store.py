"""The bounded store: one SQLite file that never outgrows its limits."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from whatsself_otel.viewer.sweeping import PAGE_BYTES, Retention, Sweeper
from whatsself_otel.viewer.writing import Writer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from whatsself_otel.viewer.rows import Batch

__all__ = ["FullError", "Retention", "Store"]

_SCHEMA: Final = 2
"""Grows with every change of the tables."""


class FullError(Exception):
    """A batch that does not fit, or a disk that is full."""


class Store:
    """
    Traces, log lines and metrics in one file.

    One connection writes, under a lock; each reading thread has one of its own, which writing does not block. A file
    of another version is set aside under another name, unchanged.

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
        self.no_index: str | None = None
        """Why the search has no index and reads every line instead; None if it has one."""
        self._clock = clock
        self._lock = threading.Lock()
        self._local = threading.local()
        self._readers: list[sqlite3.Connection] = []
        self.set_aside = _set_aside(path)
        """Where a file of another version is now; None if there was none."""
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=10)
        self._prepare()
        self._writer = Writer(self._db, self.retention.series)
        self._sweeper = Sweeper(self._db, self.retention, clock, self._transaction, is_searched=self.no_index is None)

    def _prepare(self) -> None:
        pages = self.retention.size_bytes // PAGE_BYTES
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "journal_size_limit=4194304", "temp_store=MEMORY"):
            self._db.execute(f"PRAGMA {pragma}")
        self._db.executescript(_script("schema"))
        try:
            self._db.executescript(_script("search_index"))
        except sqlite3.OperationalError as error:
            self.no_index = f"this Python's SQLite {sqlite3.sqlite_version} has no FTS5 with trigrams ({error})"
        self._db.execute(f"PRAGMA user_version={_SCHEMA}")
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

    def add(self, batch: Batch) -> int:
        """
        Keep a batch, after making room for it.

        Returns:
            How many points were rejected because their series would be one too many.
        """
        with self._lock:
            self._sweeper.sweep()
            rejected = self._write_making_room(batch)
            self.version += 1
            return rejected

    def sweep(self) -> None:
        """Delete data beyond the limits; every arrival does so too."""
        with self._lock:
            self._sweeper.sweep(now=True)

    def is_nearly_full(self) -> bool:
        """Return whether more could push out what arrived first."""
        with self._lock:
            return self._sweeper.is_nearly_full()

    def clear(self) -> None:
        """Drop everything."""
        with self._lock:
            while self._sweeper.purge():
                pass

    def _write_making_room(self, batch: Batch) -> int:
        while True:
            try:
                with self._transaction():
                    return self._writer.write(batch, self._clock())
            except sqlite3.OperationalError as error:
                if not self._sweeper.purge():
                    raise FullError(f"nothing is left to make room with: {error}") from error

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


def _script(name: str) -> str:
    return (Path(__file__).parent / f"{name}.sql").read_text("utf-8")


def _set_aside(path: Path) -> Path | None:
    """Rename a store of another version, so that nothing of it is lost or misread."""
    if not path.exists() or not path.stat().st_size:
        return None
    with contextlib.closing(sqlite3.connect(path, timeout=10)) as db:
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if version == _SCHEMA:
            return None
        db.execute("PRAGMA journal_mode=DELETE")  # which takes in what the write-ahead log still holds
    aside = path.with_name(f"{path.name}.of-version-{version}")
    path.replace(aside)
    return aside
