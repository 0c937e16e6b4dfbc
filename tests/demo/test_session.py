"""Two workers that share one WhatsApp session in one database."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from demo_parts import Clock, Instruments

from whatsself_otel.demo.session import WhatsAppSession

if TYPE_CHECKING:
    from whatsself_otel.demo.database import Sessions

DISCONNECTS, RECOVERIES = "whatsapp.session.disconnects", "whatsapp.session.recovery"


class Pair:
    """The session as two workers see it; the first one owns it."""

    def __init__(self, sessions: Sessions, clock: Clock) -> None:
        self.clock = clock
        self.instruments = Instruments(), Instruments()
        self.owner, self.other = (
            WhatsAppSession(sessions, each.metrics, reconnect_s=3, clock=clock) for each in self.instruments
        )

    async def look(self) -> tuple[str, str]:
        await self.owner.refresh()
        await self.other.refresh()
        return self.owner.state, self.other.state

    def count(self, name: str) -> tuple[float, float]:
        return self.instruments[0].count(name), self.instruments[1].count(name)


@pytest.fixture
async def pair(sessions: Sessions, clock: Clock) -> Pair:
    both = Pair(sessions, clock)
    await both.look()
    return both


class TestWhatsAppSession:
    async def test_it_connects_at_the_start_for_every_worker(self, pair: Pair) -> None:
        assert await pair.look() == ("connected", "connected")
        assert pair.owner.is_connected()

    async def test_what_one_worker_does_the_other_sees(self, pair: Pair) -> None:
        await pair.other.apply("qr")

        assert await pair.look() == ("qr_pending", "qr_pending")
        assert not pair.owner.is_connected()

    async def test_a_loss_is_counted_once_whoever_caused_it(self, pair: Pair) -> None:
        await pair.other.apply("disconnect")
        await pair.look()
        await pair.look()

        assert pair.count(DISCONNECTS) == (1, 0)

    async def test_a_lost_connection_comes_back_by_itself_and_the_recovery_is_timed_once(self, pair: Pair) -> None:
        await pair.owner.apply("disconnect")
        pair.clock.now_s += 2.9
        assert await pair.look() == ("disconnected", "disconnected")
        pair.clock.now_s += 0.2

        assert await pair.look() == ("connected", "connected")
        assert pair.count(RECOVERIES) == (1, 0)

    async def test_a_session_that_was_logged_out_waits_for_a_person(self, pair: Pair) -> None:
        await pair.owner.apply("logout")
        pair.clock.now_s += 3600

        assert await pair.look() == ("logged_out", "logged_out")

    async def test_another_worker_takes_over_when_the_owner_has_died(self, pair: Pair) -> None:
        pair.clock.now_s += 4
        await pair.other.refresh()
        await pair.other.apply("disconnect")

        assert pair.count(DISCONNECTS) == (0, 1)

    async def test_an_owner_that_ends_is_replaced_at_once_and_nothing_is_counted_again(self, pair: Pair) -> None:
        await pair.owner.apply("disconnect")
        await pair.owner.release()
        await pair.other.refresh()

        assert pair.other.state == "disconnected"
        assert pair.count(DISCONNECTS) == (1, 0)

    async def test_a_worker_that_ends_takes_the_session_from_nobody_else(self, pair: Pair) -> None:
        await pair.other.release()
        await pair.other.apply("disconnect")
        await pair.look()

        assert pair.count(DISCONNECTS) == (1, 0)
