"""Numbered webhooks for a bridge, and counts of the forwarded ones."""

from __future__ import annotations

import asyncio
import json
import random
import threading
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import aiohttp
from fault_rig import Tally
from provider_fixtures import fixture

if TYPE_CHECKING:
    from collections.abc import Iterator

    from recording_target import Target


def numbered(number: int) -> bytes:
    """Return the webhook of one message."""
    webhook = fixture("evolution", "upsert_text")
    webhook["data"]["key"]["id"] = f"3EB0{number:016X}"
    webhook["data"]["messageTimestamp"] = int(time.time())
    return json.dumps(webhook).encode()


def number_of(body: bytes) -> int:
    return int(json.loads(body)["data"]["key"]["id"][4:], 16)


@dataclass
class Gateway:
    """A gateway that posts at an even pace, and repeats each webhook until it is answered with 200."""

    per_second: float
    url: str = ""
    """Where the bridge listens."""
    repeats: bool = True
    accepted: list[int] = field(default_factory=list)
    latencies_s: list[float] = field(default_factory=list)
    answers: Counter[str] = field(default_factory=Counter)
    _over: threading.Event = field(default_factory=threading.Event)

    def post(self, count: int) -> None:
        """Post *count* webhooks, and wait for the last answer."""
        asyncio.run(self._run(count))

    @contextmanager
    def going_on(self) -> Iterator[None]:
        """Post as long as the block runs."""
        thread = threading.Thread(target=lambda: asyncio.run(self._run(10**9)), daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join(60)
            assert not thread.is_alive()

    async def _run(self, count: int) -> None:
        connector = aiohttp.TCPConnector(limit=200)
        timeout = aiohttp.ClientTimeout(total=30)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
            began_s, under_way = time.perf_counter(), set()
            for number in range(count):
                wait_s = began_s + number / self.per_second - time.perf_counter()
                await asyncio.sleep(max(0.0, wait_s))
                if self._over.is_set():
                    break
                task = asyncio.create_task(self._tell(session, number))
                under_way.add(task)
                task.add_done_callback(under_way.discard)
            await asyncio.gather(*under_way)

    async def _tell(self, session: aiohttp.ClientSession, number: int) -> None:
        body = numbered(number)
        while True:
            began_s = time.perf_counter()
            try:
                async with session.post(self.url, data=body, headers={"Content-Type": "application/json"}) as response:
                    await response.read()
                    told = str(response.status)
            except (aiohttp.ClientError, OSError, TimeoutError) as error:
                told = type(error).__name__
            self.answers[told] += 1
            if told == "200":
                self.latencies_s.append(time.perf_counter() - began_s)
                self.accepted.append(number)
            if told == "200" or not self.repeats or self._over.is_set():
                return
            await asyncio.sleep(0.2)


def count(gateway: Gateway, target: Target) -> Tally:
    """Return what became of the webhooks that were accepted."""
    come = Counter(map(number_of, list(target.bodies)))
    accepted = set(gateway.accepted)
    return Tally(
        sent=len(accepted),
        received=len(accepted & come.keys()),
        duplicated=sum(come[number] - 1 for number in accepted & come.keys()),
        lost=len(accepted - come.keys()),
    )


def wait_for_all(gateway: Gateway, target: Target, within_s: float) -> Tally:
    """Wait until everything that was accepted has come."""
    deadline_s = time.monotonic() + within_s
    while (result := count(gateway, target)).lost and time.monotonic() < deadline_s:
        time.sleep(0.5)
    return result


@contextmanager
def coming_and_going(target: Target) -> Iterator[None]:
    """Let the target be away half of the time."""
    over = threading.Event()

    def flap() -> None:
        while not over.is_set():
            over.wait(random.uniform(0.2, 0.8))
            target.go()
            over.wait(random.uniform(0.2, 0.8))
            target.come()

    thread = threading.Thread(target=flap, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(20)
