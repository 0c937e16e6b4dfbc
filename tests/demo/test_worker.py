"""The worker in the moments that a running application rarely shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from demo_parts import Clock, Instruments
from opentelemetry.trace import NoOpTracer

from whatsself_otel.demo.acknowledger import Acknowledger
from whatsself_otel.demo.breaker import BreakerBoard
from whatsself_otel.demo.database import lock
from whatsself_otel.demo.models import Contact, Message
from whatsself_otel.demo.monitor import Monitor
from whatsself_otel.demo.queue import Outcome, SendQueue
from whatsself_otel.demo.session import WhatsAppSession
from whatsself_otel.demo.settings import BreakerConfig, PaceConfig
from whatsself_otel.demo.whatsapp import Ack, SessionDownError, WhatsAppClient
from whatsself_otel.demo.worker import Worker

if TYPE_CHECKING:
    from whatsself_otel.demo.database import Sessions

OUTBOUND, DELIVERED, UNANSWERED = "messages.outbound", "messages.delivered", "first_response.unanswered"


@pytest.fixture
async def queue(sessions: Sessions, clock: Clock) -> SendQueue:
    """A queue with one message in it."""
    queue = SendQueue(sessions, pace=PaceConfig(per_min=None, per_contact=None), lease_s=30, clock=clock)
    async with sessions.begin() as session:
        await lock(session, "queue")
        session.add(Contact(id="c1", phone="+5511977770001", waiting_since=clock.now_s))
        await session.flush()
        message = Message(id="m1", contact_id="c1", direction="outbound", body="x", status="queued", created_at=0)
        session.add(message)
        await session.flush()
        queue.put(session, message, origin="reply")
    return queue


def make_worker(queue: SendQueue, client: WhatsAppClient, instruments: Instruments) -> Worker:
    return Worker(
        queue=queue,
        client=client,
        breakers=BreakerBoard(BreakerConfig(), lambda _contact, _state: None),
        metrics=instruments.metrics,
        tracer=NoOpTracer(),
        poll_s=0.01,
    )


class TestWorker:
    async def test_a_session_lost_after_the_claim_costs_the_message_nothing(self, queue: SendQueue) -> None:
        instruments, client = Instruments(), WhatsAppClient(lambda: False, send_s=0)
        claim = await queue.claim()
        assert claim is not None

        assert not await make_worker(queue, client, instruments)._process(claim)
        assert instruments.count(OUTBOUND) == 0
        again = await queue.claim()
        assert again is not None
        assert again.attempts == 1

    async def test_an_attempt_that_outlived_its_lease_is_not_counted(self, queue: SendQueue, clock: Clock) -> None:
        instruments, client = Instruments(), WhatsAppClient(lambda: True, send_s=0)
        late = await queue.claim()
        clock.now_s += 31
        holder = await queue.claim()
        assert late is not None
        assert holder is not None
        await queue.finish(holder, Outcome())
        await make_worker(queue, client, instruments)._process(late)
        await client_drained(client)

        assert instruments.count(OUTBOUND) == 0

    async def test_stop_ends_an_idle_worker(self, queue: SendQueue) -> None:
        worker = make_worker(queue, WhatsAppClient(lambda: False, send_s=0), Instruments())
        worker.stop()

        await worker.run()


async def client_drained(client: WhatsAppClient) -> None:
    """Take every acknowledgement, as the acknowledger does."""
    for _ in range(2):
        await client.acks.get()
        client.acks.task_done()
    await client.drain()


class TestWhatsAppClient:
    async def test_without_a_session_nothing_is_sent(self) -> None:
        client = WhatsAppClient(lambda: False, send_s=0)

        with pytest.raises(SessionDownError):
            await client.send(provider_id="p", phone="+5511977770001", body="x")
        assert client.acks.empty()

    async def test_what_was_sent_is_delivered_then_read(self) -> None:
        client = WhatsAppClient(lambda: True, send_s=0)
        await client.send(provider_id="p", phone="+5511977770001", body="x")

        assert [(await client.acks.get()).status for _ in range(2)] == ["delivered", "read"]


class TestAcknowledger:
    @pytest.fixture
    async def acknowledged(self, sessions: Sessions, queue: SendQueue) -> Any:
        claim = await queue.claim()
        assert claim is not None
        instruments = Instruments()
        acknowledger = Acknowledger(
            client=WhatsAppClient(lambda: True, send_s=0),
            sessions=sessions,
            metrics=instruments.metrics,
            tracer=NoOpTracer(),
        )

        async def take(*statuses: str, provider_id: str = claim.provider_id) -> float:
            for status in statuses:
                await acknowledger._take(Ack(provider_id=provider_id, status=status))
            return instruments.count(DELIVERED)

        return take

    async def test_each_step_counts_once_and_never_backwards(self, acknowledged: Any, sessions: Sessions) -> None:
        assert await acknowledged("delivered", "delivered") == 1
        assert await acknowledged("read", "delivered") == 2
        async with sessions() as session:
            assert (await session.get_one(Message, "m1")).status == "read"

    async def test_one_of_a_message_that_nobody_sent_changes_nothing_and_is_said(
        self, acknowledged: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        assert await acknowledged("read", provider_id="unknown") == 0
        assert "Acknowledgement of an unknown message" in caplog.text


class TestMonitor:
    @pytest.fixture
    def make_monitor(self, queue: SendQueue, sessions: Sessions, clock: Clock) -> Any:
        def make(instruments: Instruments) -> Monitor:
            return Monitor(
                queue=queue,
                session=WhatsAppSession(sessions, instruments.metrics, reconnect_s=3, clock=clock),
                breakers=BreakerBoard(BreakerConfig(), lambda _contact, _state: None),
                metrics=instruments.metrics,
                sessions=sessions,
                unanswered_after_s=120,
                clock=clock,
            )

        return make

    async def test_a_contact_nobody_answers_is_counted_once_by_all_workers_together(
        self, make_monitor: Any, clock: Clock
    ) -> None:
        both = Instruments(), Instruments()
        monitors = [make_monitor(each) for each in both]
        for seconds in (119, 2, 600):
            clock.now_s += seconds
            for monitor in monitors:
                await monitor.look()

        assert sum(each.count(UNANSWERED) for each in both) == 1

    async def test_within_the_deadline_nobody_is_counted(self, make_monitor: Any, clock: Clock) -> None:
        instruments = Instruments()
        clock.now_s += 119
        await make_monitor(instruments).look()

        assert instruments.count(UNANSWERED) == 0

    async def test_a_late_answer_is_still_timed(self, make_monitor: Any, queue: SendQueue, clock: Clock) -> None:
        clock.now_s += 200
        await make_monitor(Instruments()).look()
        claim = await queue.claim()
        assert claim is not None
        finished = await queue.finish(claim, Outcome())

        assert finished is not None
        assert finished.first_response_s == 200

    async def test_it_keeps_the_last_size_of_the_queue(self, make_monitor: Any, clock: Clock) -> None:
        monitor = make_monitor(Instruments())
        clock.now_s += 5
        await monitor.look()

        assert (monitor.size.depth, monitor.size.oldest_age_s) == (1, 5)
