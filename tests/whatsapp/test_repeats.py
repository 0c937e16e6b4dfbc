"""The window of seen events: bounded in a process, shared by a real Redis, and no burden when that is away."""

from __future__ import annotations

import logging
import time

import pytest
import redis_server
from whatsapp_bench import Bench, connection, message

from whatsself_otel.whatsapp.repeats import ProcessWindow, open_window

needs_redis = pytest.mark.skipif(redis_server.absent() is not None, reason=str(redis_server.absent()))


def test_a_window_is_bounded_and_forgets_the_oldest() -> None:
    window = ProcessWindow(3)
    assert window.add(["a", "b", "c", "d"]) == [True] * 4
    assert len(window) == 3
    assert window.add(["d", "a", "a"]) == [False, True, False]


def test_what_is_forgotten_is_new_again() -> None:
    window = ProcessWindow(3)
    window.add(["a"])
    window.forget("a")
    assert not window.has("a")
    assert window.add(["a"]) == [True]


@needs_redis
class TestShared:
    def test_two_processes_count_a_message_once(self) -> None:
        with redis_server.run_redis() as url:
            redis_server.wait_until_it_answers(url)
            one, other = Bench(repeats_url=url), Bench(repeats_url=url)
            for bench in (one, other, one):
                bench.observe(message(1))
            assert one.total("messages.inbound") + other.total("messages.inbound") == 1
            assert one.total("webhook.duplicates") + other.total("webhook.duplicates") == 2

    def test_a_loss_that_each_hears_of_in_part_is_one(self) -> None:
        with redis_server.run_redis() as url:
            redis_server.wait_until_it_answers(url)
            benches = [Bench(repeats_url=url), Bench(repeats_url=url)]
            for round_ in range(2):
                benches[round_].observe(connection("open"))
                for attempt in range(6):
                    benches[attempt % 2].observe(connection("close", 408))
            assert sum(bench.total("whatsapp.session.disconnects") for bench in benches) == 2

    def test_when_redis_goes_each_goes_on_by_itself_and_says_it_once(self, caplog: pytest.LogCaptureFixture) -> None:
        with redis_server.run_redis() as url:
            redis_server.wait_until_it_answers(url)
            bench = Bench(repeats_url=url)
            bench.observe(message(1))
        with caplog.at_level(logging.WARNING):
            started_s = time.monotonic()
            for number in (1, 2, 2):
                bench.observe(message(number))
        assert time.monotonic() - started_s < 5
        assert bench.total("messages.inbound") == 2
        assert bench.total("telemetry.errors", component="metrics") > 0
        assert len([record for record in caplog.records if "shared window" in record.message]) == 1


def test_a_url_that_is_none_leaves_a_window_of_this_process(caplog: pytest.LogCaptureFixture) -> None:
    errors: list[str] = []
    with caplog.at_level(logging.WARNING):
        window = open_window(10, "nonsense://:senha@x", lambda: errors.append("error"))
    assert window.add(["a", "a"]) == [True, False]
    assert errors == ["error"]
    assert "senha" not in caplog.text
