"""A clock and a database for tests of the demo's parts."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from whatsself_otel.demo.database import Sessions, create_schema, open_database, open_sessions

sys.path.insert(0, str(Path(__file__).parent))

from demo_parts import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{(tmp_path / 'demo.db').as_posix()}"


@pytest.fixture
async def sessions(url: str) -> AsyncIterator[Sessions]:
    engine = open_database(url)
    factory = open_sessions(engine)
    await create_schema(factory)
    yield factory
    await engine.dispose()
