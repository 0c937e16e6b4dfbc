"""Uptime and event-loop lag: seen while it happens, at no cost to the loop."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import time
import weakref

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from readings import read_values

from whatsself_otel.metrics.runtime import LAG_WINDOW_S, SAMPLE_INTERVAL_S, EventLoopSampler, RuntimeMetrics


class Bench:
    def __init__(self) -> None:
        self.now_s = 1000.0
        self.reader = InMemoryMetricReader()
        self.provider = MeterProvider([self.reader], shutdown_on_exit=False)
        self.runtime = RuntimeMetrics(self.provider.get_meter("m"), clock=lambda: self.now_s)

    def read(self, name: str) -> float | None:
        return read_values(self.reader).get(name, {}).get(())


class TestUptime:
    def test_is_the_time_since_the_start(self) -> None:
        bench = Bench()
        bench.now_s += 61.5
        assert bench.read("process.uptime") == 61.5

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
    @pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
    def test_starts_anew_in_a_forked_child(self) -> None:
        bench = Bench()
        bench.now_s += 500
        pid = os.fork()
        if pid == 0:
            bench.now_s += 2
            os._exit(0 if bench.read("process.uptime") == 2 else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        assert bench.read("process.uptime") == 500


class TestEventLoopLag:
    def test_has_no_series_without_a_loop(self) -> None:
        bench = Bench()
        bench.runtime.watch_event_loop()
        assert bench.read("event_loop.lag") is None

    def test_shows_a_blockage_after_it(self) -> None:
        reader = InMemoryMetricReader()
        runtime = RuntimeMetrics(MeterProvider([reader], shutdown_on_exit=False).get_meter("m"))

        async def block() -> float:
            runtime.watch_event_loop()
            time.sleep(SAMPLE_INTERVAL_S + 0.4)  # noqa: ASYNC251 - the fault under test
            await asyncio.sleep(0.01)
            return float(read_values(reader)["event_loop.lag"][()])

        assert asyncio.run(block()) >= 0.4

    def test_shows_a_blockage_while_it_lasts(self) -> None:
        reader = InMemoryMetricReader()
        runtime = RuntimeMetrics(MeterProvider([reader], shutdown_on_exit=False).get_meter("m"))
        blocked, seen = threading.Event(), threading.Event()

        async def block() -> None:
            runtime.watch_event_loop()
            blocked.set()
            seen.wait(10)

        thread = threading.Thread(target=lambda: asyncio.run(block()))
        thread.start()
        blocked.wait(10)
        time.sleep(SAMPLE_INTERVAL_S + 0.3)
        lag_s = read_values(reader)["event_loop.lag"][()]
        seen.set()
        thread.join()
        assert lag_s >= 0.3

    def test_ends_with_its_loop_and_keeps_no_loop_alive(self) -> None:
        bench = Bench()

        async def watch() -> weakref.ref[asyncio.AbstractEventLoop]:
            bench.runtime.watch_event_loop()
            assert bench.read("event_loop.lag") is not None
            return weakref.ref(asyncio.get_running_loop())

        loop = asyncio.run(watch())
        gc.collect()
        assert bench.read("event_loop.lag") is None
        assert loop() is None

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
    @pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
    async def test_of_the_parent_is_not_the_childs(self) -> None:
        bench = Bench()
        bench.runtime.watch_event_loop()
        pid = os.fork()
        if pid == 0:
            os._exit(0 if bench.read("event_loop.lag") is None else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0  # noqa: ASYNC222 - a short wait
        assert bench.read("event_loop.lag") is not None
        bench.runtime.close()

    async def test_watching_twice_samples_once(self) -> None:
        bench = Bench()
        bench.runtime.watch_event_loop()
        bench.runtime.watch_event_loop()
        assert len(bench.runtime._samplers) == 1
        bench.runtime.close()
        await asyncio.sleep(0)
        assert bench.read("event_loop.lag") is None

    async def test_a_stopped_sampler_takes_its_timer_along(self) -> None:
        sampler = EventLoopSampler(asyncio.get_running_loop())
        timer = sampler._timer
        sampler.stop()
        sampler.stop()
        await asyncio.sleep(0)
        assert timer is not None
        assert timer.cancelled()

    async def test_the_worst_of_a_minute_is_kept_and_then_forgotten(self) -> None:
        now_s = 0.0
        sampler = EventLoopSampler(asyncio.get_running_loop(), clock=lambda: now_s)
        for lag_s in (0.5, 2.0, 0.1, 0.3):
            now_s += 1
            sampler._note(now_s, lag_s)
        sampler._due_s = now_s
        assert sampler.lag_s() == 2.0
        sampler._due_s = now_s = 2 + LAG_WINDOW_S
        assert sampler.lag_s() == 0.3
        for _ in range(10_000):
            now_s += 0.1
            sampler._note(now_s, 0.01)
        assert len(sampler._worst) <= LAG_WINDOW_S / SAMPLE_INTERVAL_S
        sampler.stop()
