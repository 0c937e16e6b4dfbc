"""Sliding windows agree with a naive count, for any order of events and any clock."""

from __future__ import annotations

import math
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st
from rows import for_each

from whatsself_otel.metrics.windows import EventLog, KeyedWindow, SteadyClock

STEPS_S = st.one_of(
    st.floats(min_value=0, max_value=400, allow_nan=False),
    st.sampled_from([0.0, 1e-6, 59.999, 60.0, 60.001, 300.0, 3600.0]),
)
CLOCK_STEPS_S = st.one_of(STEPS_S, st.floats(min_value=-7200, max_value=-1e-3), st.just(-86_400.0))
KEYS = st.sampled_from(["a", "b", "c"])


def naive_count(times_s: list[float], now_s: float, window_s: float) -> int:
    return sum(1 for time_s in times_s if now_s - window_s < time_s <= now_s)


class TestSteadyClock:
    @given(st.lists(CLOCK_STEPS_S, max_size=50))
    def test_never_goes_back_and_loses_no_forward_time(self, steps_s: list[float]) -> None:
        raw_s = 1000.0
        clock = SteadyClock(lambda: raw_s)
        before_s = clock()
        for step_s in steps_s:
            raw_s += step_s
            now_s = clock()
            assert math.isclose(now_s - before_s, max(step_s, 0.0), abs_tol=1e-6)
            before_s = now_s


class TestEventLog:
    @given(st.lists(st.tuples(CLOCK_STEPS_S, st.integers(1, 3)), max_size=80), st.sampled_from([60.0, 300.0, 3600.0]))
    def test_counts_what_a_naive_recount_counts(self, events: list[tuple[float, int]], window_s: float) -> None:
        raw_s = 0.0
        clock = SteadyClock(lambda: raw_s)
        log = EventLog(horizon_s=3600)
        times_s: list[float] = []
        for step_s, amount in events:
            raw_s += step_s
            now_s = clock()
            log.add(now_s, amount)
            times_s += [now_s] * amount
            assert naive_count(times_s, now_s, window_s) == log.count(now_s, window_s)

    @given(st.lists(STEPS_S, min_size=1, max_size=60), st.floats(0, 4000))
    def test_reads_any_later_moment_right(self, steps_s: list[float], later_s: float) -> None:
        log = EventLog(horizon_s=3600)
        now_s = 0.0
        times_s = []
        for step_s in steps_s:
            now_s += step_s
            log.add(now_s)
            times_s.append(now_s)
        assert naive_count(times_s, now_s + later_s, 300) == log.count(now_s + later_s, 300)

    def test_is_left_open_and_right_closed(self) -> None:
        log = EventLog(horizon_s=60)
        log.add(100.0)
        assert log.count(100.0, 60) == 1
        assert log.count(159.999, 60) == 1
        assert log.count(160.0, 60) == 0

    def test_is_empty_before_the_first_event(self) -> None:
        assert EventLog(horizon_s=60).count(0.0, 60) == 0

    def test_forgets_what_has_expired_and_stays_exact(self) -> None:
        log = EventLog(horizon_s=60, capacity=128)
        for second in range(10_000):
            log.add(float(second))
        assert len(log) <= 128
        assert log.count(9_999.0, 60) == 60

    @for_each("window_s", [60, 300, 3600, 20_000, 86_400])
    def test_past_its_capacity_errs_by_one_cell_at_most(self, window_s: float) -> None:
        log = EventLog(horizon_s=86_400, capacity=2048)
        cell_s = 4 * 86_400 / 2048
        for event in range(2 * 86_400):
            log.add(float(event))
            if event > 86_400 and event % 4999 == 0:
                assert window_s <= log.count(float(event), window_s) <= window_s + cell_s
        assert len(log) <= 2048

    def test_past_its_capacity_stays_exact_in_the_newer_half(self) -> None:
        log = EventLog(horizon_s=86_400, capacity=2048)
        for event in range(50_000):
            log.add(float(event))
        assert [log.count(49_999.0, window_s) for window_s in (1, 60, 500, 1000)] == [1, 60, 500, 1000]


class TestKeyedWindow:
    @given(st.lists(st.tuples(STEPS_S, KEYS), max_size=80), st.floats(0, 700))
    def test_finds_the_most_that_a_naive_recount_finds(self, events: list[tuple[float, str]], later_s: float) -> None:
        window = KeyedWindow(window_s=300, max_keys=10, max_events=1000)
        now_s = 0.0
        seen: list[tuple[float, str]] = []
        for step_s, key in events:
            now_s += step_s
            assert window.add(now_s, key)
            seen.append((now_s, key))
        now_s += later_s
        counts = Counter(key for time_s, key in seen if now_s - 300 < time_s <= now_s)
        assert max(counts.values(), default=0) == window.highest(now_s)

    def test_refuses_a_key_too_many_until_one_has_left(self) -> None:
        window = KeyedWindow(window_s=300, max_keys=2, max_events=10)
        assert window.add(0.0, "a")
        assert window.add(1.0, "b")
        assert not window.add(2.0, "c")
        assert window.add(2.0, "a")
        assert window.highest(2.0) == 2
        assert window.add(301.0, "c")

    def test_refuses_an_event_too_many(self) -> None:
        window = KeyedWindow(window_s=300, max_keys=2, max_events=3)
        assert [window.add(float(second), "a") for second in range(4)] == [True, True, True, False]
        assert len(window) == 3
        assert window.highest(3.0) == 3
