"""The queue on a real SQLite file, also emptied by two processes at once."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from whatsself_otel import capture_context, message_context
from whatsself_otel.demo.models import Contact, Message
from whatsself_otel.demo.queue import Claim, Outcome, QueueSize, SendQueue
from whatsself_otel.demo.settings import PaceConfig

if TYPE_CHECKING:
    from demo_parts import Clock

    from whatsself_otel.demo.database import Sessions

UNLIMITED = PaceConfig(per_min=None, per_contact=None)


@pytest.fixture
def queue(sessions: Sessions, clock: Clock) -> SendQueue:
    return SendQueue(sessions, pace=UNLIMITED, lease_s=30, clock=clock)


async def fill(sessions: Sessions, queue: SendQueue, contacts: list[str], *, origin: str = "reply") -> None:
    """Queue one message for each of *contacts*, in that order; a name may come more than once."""
    async with sessions.begin() as session:
        for number, name in enumerate(contacts):
            if await session.get(Contact, name) is None:
                session.add(Contact(id=name, phone=f"phone-of-{name}"))
                await session.flush()
            message = Message(
                id=f"{name}-{number}", contact_id=name, direction="outbound", body="x", status="queued", created_at=0
            )
            session.add(message)
            await session.flush()
            with message_context(contact_id=name, message_id=message.id):
                queue.put(session, message, origin=origin)


async def claim(queue: SendQueue) -> Claim:
    taken = await queue.claim()
    assert taken is not None
    return taken


class TestClaim:
    """Who gets which row."""

    async def test_rows_come_out_in_order(self, sessions: Sessions, queue: SendQueue) -> None:
        await fill(sessions, queue, ["a", "b"])

        assert [(await claim(queue)).contact_id for _ in range(2)] == ["a", "b"]
        assert await queue.claim() is None

    async def test_a_row_carries_the_ids_of_the_place_it_was_written_in(
        self, sessions: Sessions, queue: SendQueue
    ) -> None:
        await fill(sessions, queue, ["a"])

        assert (await claim(queue)).carrier == {"contactId": "a", "messageId": "a-0"}
        assert capture_context() == {}

    async def test_a_contact_gets_its_second_message_only_after_the_first(
        self, sessions: Sessions, queue: SendQueue
    ) -> None:
        await fill(sessions, queue, ["a", "a"])
        first = await claim(queue)

        assert await queue.claim() is None
        await queue.finish(first, Outcome())
        assert (await claim(queue)).message_id == "a-1"

    async def test_a_blocked_contact_is_passed_over(self, sessions: Sessions, queue: SendQueue) -> None:
        await fill(sessions, queue, ["a", "b"])
        taken = await queue.claim(blocked_contacts=["a"])

        assert taken is not None
        assert taken.contact_id == "b"

    async def test_a_row_given_back_is_the_next_one_again(self, sessions: Sessions, queue: SendQueue) -> None:
        await fill(sessions, queue, ["a"])
        await queue.release(await claim(queue))

        assert (await claim(queue)).attempts == 1


class TestLease:
    """What becomes of the rows of a worker that died."""

    async def test_a_row_of_a_dead_worker_is_taken_again_when_the_lease_ends(
        self, sessions: Sessions, queue: SendQueue, clock: Clock
    ) -> None:
        await fill(sessions, queue, ["a"])
        await claim(queue)
        clock.now_s += 29
        assert await queue.claim() is None
        clock.now_s += 2

        assert (await claim(queue)).attempts == 2

    async def test_only_the_last_holder_finishes_a_row(
        self, sessions: Sessions, queue: SendQueue, clock: Clock
    ) -> None:
        await fill(sessions, queue, ["a"])
        late = await claim(queue)
        clock.now_s += 31
        holder = await claim(queue)

        assert await queue.finish(late, Outcome()) is None
        assert await queue.finish(holder, Outcome()) is not None
        assert await queue.finish(holder, Outcome()) is None


class TestPace:
    """How fast rows come out."""

    async def test_twelve_a_minute_for_all(self, sessions: Sessions, clock: Clock) -> None:
        queue = SendQueue(sessions, pace=PaceConfig(per_min=12, per_contact=None), lease_s=30, clock=clock)
        await fill(sessions, queue, [f"c{number}" for number in range(13)])
        for _ in range(12):
            await queue.finish(await claim(queue), Outcome())

        assert await queue.claim() is None
        clock.now_s += 61
        assert await queue.claim() is not None

    async def test_two_in_five_minutes_for_one_contact(self, sessions: Sessions, clock: Clock) -> None:
        queue = SendQueue(sessions, pace=PaceConfig(per_min=None, per_contact=2), lease_s=30, clock=clock)
        await fill(sessions, queue, ["a", "a", "a", "b"])
        for _ in range(2):
            await queue.finish(await claim(queue), Outcome())

        assert (await claim(queue)).contact_id == "b"
        clock.now_s += 301
        assert (await claim(queue)).message_id == "a-2"


class TestFinish:
    """Changes at the end of an attempt."""

    async def test_a_reply_ends_the_contacts_wait_and_tells_how_long_it_was(
        self, sessions: Sessions, queue: SendQueue, clock: Clock
    ) -> None:
        await fill(sessions, queue, ["a", "a"])
        async with sessions.begin() as session:
            (await session.get_one(Contact, "a")).waiting_since = clock.now_s - 7
        first = await queue.finish(await claim(queue), Outcome())
        second = await queue.finish(await claim(queue), Outcome())

        assert first is not None
        assert second is not None
        assert first.first_response_s == pytest.approx(7)
        assert second.first_response_s is None

    @pytest.mark.parametrize(("origin", "outcome"), [("broadcast", Outcome()), ("reply", Outcome(reason="timeout"))])
    async def test_a_broadcast_or_a_failure_leaves_the_contact_waiting(
        self, sessions: Sessions, queue: SendQueue, clock: Clock, origin: str, outcome: Outcome
    ) -> None:
        await fill(sessions, queue, ["a"], origin=origin)
        async with sessions.begin() as session:
            (await session.get_one(Contact, "a")).waiting_since = clock.now_s - 7
        finished = await queue.finish(await claim(queue), outcome)

        assert finished is not None
        assert finished.first_response_s is None
        async with sessions() as session:
            assert (await session.get_one(Contact, "a")).waiting_since is not None

    async def test_depth_and_age_count_what_is_not_finished(
        self, sessions: Sessions, queue: SendQueue, clock: Clock
    ) -> None:
        await fill(sessions, queue, ["a", "b"])
        await queue.finish(await claim(queue), Outcome())
        await claim(queue)
        clock.now_s += 5
        size = await queue.measure()

        assert size == QueueSize(depth=1, oldest_age_s=5)

    async def test_an_empty_queue_has_no_age(self, queue: SendQueue) -> None:
        size = await queue.measure()

        assert size == QueueSize()


EMPTY_THE_QUEUE = """
import asyncio, sys
from whatsself_otel.demo.database import open_database, open_sessions
from whatsself_otel.demo.queue import Outcome, SendQueue
from whatsself_otel.demo.settings import PaceConfig

async def main():
    engine = open_database(sys.argv[1])
    queue = SendQueue(open_sessions(engine), pace=PaceConfig(per_min=None, per_contact=None), lease_s=60)
    while claim := await queue.claim():
        print(claim.message_id, flush=True)
        if await queue.finish(claim, Outcome()) is None:
            raise SystemExit("a row was taken from its holder")
    await engine.dispose()

asyncio.run(main())
"""


class TestTwoProcesses:
    """Two workers, one table."""

    async def test_together_they_send_every_row_exactly_once(
        self, sessions: Sessions, queue: SendQueue, url: str
    ) -> None:
        await fill(sessions, queue, [f"c{number}" for number in range(120)])
        command = [sys.executable, "-c", EMPTY_THE_QUEUE, url]
        workers = [await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE) for _ in range(2)]
        sent = [(await worker.communicate())[0].decode().split() for worker in workers]

        assert [worker.returncode for worker in workers] == [0, 0]
        assert sorted(sent[0] + sent[1]) == sorted(f"c{number}-{number}" for number in range(120))
        assert all(sent), "both processes should have had rows to send"
