"""The demo's database, opened by several workers at one moment."""

from __future__ import annotations

import multiprocessing
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from whatsself_otel.demo.database import create_schema, open_database, open_sessions

if TYPE_CHECKING:
    from multiprocessing.synchronize import Event
    from pathlib import Path


def hold_for_writing(path: Path, is_held: Event, hold_s: float) -> None:
    """Stand for a worker that changes the journal's mode: it writes as long as a test needs it."""
    import sqlite3
    import time

    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    is_held.set()
    time.sleep(hold_s)
    connection.execute("COMMIT")
    connection.close()


class TestWorkersThatStartTogether:
    @pytest.mark.parametrize("hold_s", [0.1, 0.5])
    async def test_a_database_that_is_locked_for_a_moment_is_waited_for(
        self, url: str, tmp_path: Path, hold_s: float
    ) -> None:
        context = multiprocessing.get_context("spawn")
        is_held = context.Event()
        other = context.Process(target=hold_for_writing, args=(tmp_path / "demo.db", is_held, hold_s))
        other.start()
        assert is_held.wait(20)

        engine = open_database(url)
        await create_schema(open_sessions(engine))
        async with engine.connect() as connection:
            mode = await connection.scalar(text("PRAGMA journal_mode"))
        await engine.dispose()
        other.join()

        assert mode == "wal"
