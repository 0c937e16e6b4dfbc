"""Connection pools of real engines: connections in use, the limit, and the wait for one."""

from __future__ import annotations

import gc
import threading
import time
import weakref
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from readings import labels, read_values
from rows import for_each
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import AssertionPool, NullPool, QueuePool, SingletonThreadPool, StaticPool

from whatsself_otel.integrations.pool import PoolMetrics


class Bench:
    def __init__(self) -> None:
        self.reader = InMemoryMetricReader()
        self.provider = MeterProvider([self.reader], shutdown_on_exit=False)
        self.pools = PoolMetrics(self.provider.get_meter("m"))

    def read(self, pool: str = "default") -> dict[str, Any]:
        return {
            name.removeprefix("db.pool."): series[labels(pool=pool)]
            for name, series in read_values(self.reader).items()
            if labels(pool=pool) in series
        }


@pytest.fixture
def bench() -> Bench:
    return Bench()


def make_engine(**options: Any) -> Engine:
    return create_engine("sqlite://", **{"poolclass": QueuePool, "pool_size": 2, "max_overflow": 1, **options})


class TestASyncEngine:
    def test_shows_use_limit_and_overflow(self, bench: Bench) -> None:
        engine = make_engine()
        assert bench.pools.watch(engine)
        assert bench.read() == {"in_use": 0, "max": 3, "overflow": 0}
        held = [engine.connect() for _ in range(3)]
        shown = bench.read()
        assert (shown["in_use"], shown["overflow"], shown["wait"][0]) == (3, 1, 3)
        for connection in held:
            connection.close()
        assert bench.read()["in_use"] == 0
        engine.dispose()

    def test_times_the_wait_for_a_connection(self, bench: Bench) -> None:
        engine = make_engine(pool_size=1, max_overflow=0)
        bench.pools.watch(engine)
        held = engine.connect()
        threading.Timer(0.3, held.close).start()
        engine.connect().close()
        count, total_s = bench.read()["wait"]
        assert count == 2
        assert total_s >= 0.25
        engine.dispose()

    def test_times_a_wait_in_vain_and_lets_its_error_through(self, bench: Bench) -> None:
        engine = make_engine(pool_size=1, max_overflow=0, pool_timeout=0.05)
        bench.pools.watch(engine)
        with engine.connect(), pytest.raises(PoolTimeoutError):
            engine.connect()
        assert bench.read()["wait"][0] == 2
        engine.dispose()

    def test_is_still_watched_after_it_was_disposed_of(self, bench: Bench) -> None:
        engine = make_engine()
        bench.pools.watch(engine)
        engine.connect().close()
        engine.dispose()
        with engine.connect():
            shown = bench.read()
        assert (shown["in_use"], shown["wait"][0]) == (1, 2)
        engine.dispose()

    def test_counts_connections_of_its_option_engines(self, bench: Bench) -> None:
        engine = make_engine()
        bench.pools.watch(engine)
        with engine.execution_options(isolation_level="AUTOCOMMIT").connect():
            assert bench.read()["wait"][0] == 1
        engine.dispose()

    def test_is_one_set_of_series_by_whichever_handle_it_is_watched(self, bench: Bench) -> None:
        engine = make_engine()
        handles = [engine.execution_options(tenant=number) for number in range(3)]
        assert [bench.pools.watch(handle) for handle in (handles[0], engine, *handles)] == [True] + 4 * [False]
        with engine.connect(), handles[1].connect():
            shown = bench.read()
        assert (shown["in_use"], shown["wait"][0], bench.read("default-2")) == (2, 2, {})
        engine.dispose()

    def test_is_still_watched_when_the_handle_is_gone(self, bench: Bench) -> None:
        engine = make_engine()
        bench.pools.watch(engine.execution_options(tenant=1))
        gc.collect()
        with engine.connect():
            assert bench.read()["in_use"] == 1
        handle = engine.execution_options(tenant=2)
        handle.dispose()
        with engine.connect():
            assert bench.read()["in_use"] == 1
        engine.dispose()

    def test_that_two_engines_share_is_one_pool(self, bench: Bench) -> None:
        first = make_engine()
        second = create_engine("sqlite://", pool=first.pool)
        assert [bench.pools.watch(engine) for engine in (first, second)] == [True, False]
        with first.connect(), second.connect():
            shown = bench.read()
        assert (shown["in_use"], shown["wait"][0], bench.read("default-2")) == (2, 2, {})
        first.dispose()

    def test_without_a_limit_has_no_maximum(self, bench: Bench) -> None:
        engine = make_engine(max_overflow=-1)
        bench.pools.watch(engine)
        with engine.connect():
            assert "max" not in bench.read()
        engine.dispose()


class TestAnAsyncEngine:
    async def test_is_watched_like_a_sync_one(self, bench: Bench, tmp_path: Path) -> None:
        engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path / 'db'}", pool_size=4, max_overflow=2)
        assert bench.pools.watch(engine)
        assert not bench.pools.watch(engine.sync_engine)
        async with engine.connect() as connection:
            await connection.execute(text("select 1"))
            shown = bench.read()
        assert (shown["in_use"], shown["max"], shown["wait"][0]) == (1, 6, 1)
        assert bench.read()["in_use"] == 0
        await engine.dispose()


@pytest.mark.parametrize("pool", [NullPool, StaticPool, SingletonThreadPool, AssertionPool])
class TestPoolsWithoutASize:
    def test_show_what_is_in_use_and_no_limit(self, bench: Bench, pool: type, tmp_path: Path) -> None:
        engine = create_engine(f"sqlite:///{tmp_path / 'db'}", poolclass=pool)
        bench.pools.watch(engine)
        connection = engine.connect()
        shown = bench.read()
        assert (shown["in_use"], shown["wait"][0]) == (1, 1)
        assert set(shown) == {"in_use", "wait"}
        connection.close()
        assert bench.read()["in_use"] == 0
        engine.dispose()
        with engine.connect() as again:
            assert bench.read()["in_use"] == 1
            again.detach()
            assert bench.read()["in_use"] == 0
        assert bench.read()["in_use"] == 0
        engine.dispose()


class TestSeveralEngines:
    def test_have_their_names(self, bench: Bench) -> None:
        read, write, second = make_engine(), make_engine(), make_engine()
        bench.pools.watch(read, "read")
        bench.pools.watch(write, "write")
        bench.pools.watch(second, "read")
        with write.connect():
            assert bench.read("write")["in_use"] == 1
            assert bench.read("read")["in_use"] == 0
            assert bench.read("read-2")["in_use"] == 0
        for engine in (read, write, second):
            engine.dispose()

    def test_are_let_go(self, bench: Bench) -> None:
        engine = make_engine()
        bench.pools.watch(engine)
        engine.connect().close()
        engine.dispose()
        gone = weakref.ref(engine), weakref.ref(engine.pool)
        del engine
        gc.collect()
        assert [reference() for reference in gone] == [None, None]
        assert "in_use" not in bench.read()


class TestUnwatching:
    @for_each("pool", [QueuePool, NullPool])
    def test_puts_the_engine_back_as_it_was(self, pool: type, tmp_path: Path) -> None:
        bench = Bench()
        engine = create_engine(f"sqlite:///{tmp_path / 'db'}", poolclass=pool)
        before = set(vars(engine.pool))
        bench.pools.watch(engine)
        bench.pools.unwatch(engine)
        bench.pools.unwatch(engine)
        assert set(vars(engine.pool)) == before
        engine.connect().close()
        engine.dispose()
        engine.connect().close()
        assert bench.read() == {}
        engine.dispose()

    def test_is_not_needed_for_events_that_nobody_listened_to(self, bench: Bench) -> None:
        engine = make_engine()
        bench.pools.watch(engine)
        assert not engine._has_events
        engine.dispose()

    def test_allows_watching_again(self, bench: Bench) -> None:
        engine = make_engine()
        bench.pools.watch(engine)
        bench.pools.unwatch(engine)
        assert bench.pools.watch(engine)
        engine.connect().close()
        assert bench.read()["wait"][0] == 1
        engine.dispose()


def test_the_wait_is_in_seconds_of_a_monotonic_clock(bench: Bench) -> None:
    assert bench.pools._clock is time.perf_counter
