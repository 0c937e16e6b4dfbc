from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from whatsself_otel.demo.breaker import Breaker, BreakerBoard, BreakerState
from whatsself_otel.demo.settings import BreakerConfig

if TYPE_CHECKING:
    from demo_parts import Clock


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker(BreakerConfig(), clock)


def attempt(breaker: Breaker, *, succeeded: int = 0, failed: int = 0) -> None:
    for _ in range(succeeded):
        breaker.record(succeeded=True)
    for _ in range(failed):
        breaker.record(succeeded=False)


class TestBreaker:
    """One breaker."""

    def test_it_opens_at_a_quarter_of_twenty_attempts(self, breaker: Breaker) -> None:
        attempt(breaker, succeeded=15, failed=5)

        assert BreakerState.OPEN is breaker.state
        assert not breaker.allows()

    def test_it_stays_closed_just_below_a_quarter(self, breaker: Breaker) -> None:
        attempt(breaker, succeeded=16, failed=5)

        assert BreakerState.CLOSED is breaker.state

    def test_it_stays_closed_below_twenty_attempts_even_if_all_fail(self, breaker: Breaker) -> None:
        attempt(breaker, failed=19)

        assert BreakerState.CLOSED is breaker.state
        assert breaker.allows()

    def test_attempts_older_than_the_window_do_not_count(self, breaker: Breaker, clock: Clock) -> None:
        attempt(breaker, failed=19)
        clock.now_s += 301
        attempt(breaker, failed=1)

        assert BreakerState.CLOSED is breaker.state

    def test_after_the_cool_down_it_lets_one_message_through(self, breaker: Breaker, clock: Clock) -> None:
        attempt(breaker, failed=20)
        clock.now_s += 300

        assert BreakerState.HALF_OPEN is breaker.state
        assert breaker.allows()
        breaker.begin()
        assert not breaker.allows()

    def test_a_success_of_that_message_closes_it(self, breaker: Breaker, clock: Clock) -> None:
        attempt(breaker, failed=20)
        clock.now_s += 300
        breaker.begin()
        breaker.record(succeeded=True)

        assert BreakerState.CLOSED is breaker.state

    def test_a_failure_of_that_message_opens_it_for_another_cool_down(self, breaker: Breaker, clock: Clock) -> None:
        attempt(breaker, failed=20)
        clock.now_s += 300
        breaker.begin()
        breaker.record(succeeded=False)
        clock.now_s += 299

        assert BreakerState.OPEN is breaker.state

    def test_a_message_given_back_lets_the_next_one_try(self, breaker: Breaker, clock: Clock) -> None:
        attempt(breaker, failed=20)
        clock.now_s += 300
        breaker.begin()
        breaker.abandon()

        assert breaker.allows()

    def test_a_late_success_from_before_it_opened_does_not_close_it(self, breaker: Breaker) -> None:
        attempt(breaker, failed=20)
        breaker.record(succeeded=True)

        assert BreakerState.OPEN is breaker.state

    def test_switched_off_it_always_allows(self, clock: Clock) -> None:
        breaker = Breaker(BreakerConfig(enabled=False), clock)
        attempt(breaker, failed=100)

        assert breaker.allows()
        assert BreakerState.CLOSED is breaker.state


class TestBreakerBoard:
    """All breakers of a process."""

    def test_a_contact_that_fails_is_blocked_while_others_go_on(self, clock: Clock) -> None:
        told: list[tuple[str | None, BreakerState]] = []
        board = BreakerBoard(BreakerConfig(), lambda contact, state: told.append((contact, state)), clock)
        for number in range(80):
            board.record(f"good{number}", succeeded=True)
        for _ in range(20):
            board.record("bad", succeeded=False)

        assert board.blocked_contacts() == ["bad"]
        assert board.allows()
        assert told == [("bad", BreakerState.OPEN)]

    def test_it_tells_that_time_has_half_opened_a_breaker_once(self, clock: Clock) -> None:
        told: list[tuple[str | None, BreakerState]] = []
        board = BreakerBoard(BreakerConfig(), lambda contact, state: told.append((contact, state)), clock)
        for _ in range(20):
            board.record("bad", succeeded=False)
        told.clear()
        clock.now_s += 300
        board.announce()
        board.announce()

        assert told == [(None, BreakerState.HALF_OPEN), ("bad", BreakerState.HALF_OPEN)]

    def test_contacts_without_recent_attempts_are_forgotten(self, clock: Clock) -> None:
        board = BreakerBoard(BreakerConfig(), lambda _contact, _state: None, clock)
        board.record("quiet", succeeded=True)
        clock.now_s += 301
        board.announce()

        assert board._contacts == {}
