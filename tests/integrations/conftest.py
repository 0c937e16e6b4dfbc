"""A Redis for the tests of queues, and a place where their applications lie."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import redis_server
from job_queue import Shop

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from otlp_sink import Sink


@pytest.fixture(scope="module")
def redis() -> Iterator[str]:
    if reason := redis_server.absent():
        pytest.skip(reason)
    with redis_server.run_redis() as url:
        redis_server.wait_until_it_answers(url)
        yield url


@pytest.fixture
def shop(redis: str, sink: Sink, tmp_path: Path) -> Shop:
    """Return the place of an application whose queue is empty."""
    redis_server.empty(redis)
    return Shop(folder=tmp_path, redis=redis, sink=sink)
