"""Delivery of queued requests: routes in parallel, each route in order."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

from whatsself_otel.bridge.forwarding import TargetError, is_busy, is_taken
from whatsself_otel.messages import OwnLogger

if TYPE_CHECKING:
    from whatsself_otel.bridge.forwarding import Forwarder
    from whatsself_otel.bridge.instruments import BridgeInstruments
    from whatsself_otel.bridge.request_queue import Lane, RequestQueue, Waiting

_logger: Final = OwnLogger("whatsself_bridge")

FIRST_PAUSE_S: Final = 0.5
LAST_PAUSE_S: Final = 5.0
"""Pause after a target could not take a request, doubled each time up to here."""
_FOR_GOOD: Final = frozenset({400, 410, 411, 413, 414, 415, 422, 431})
"""
Refusals of the request itself: a repetition would be refused again.

Other refusals are retried: n8n answers 404 until a workflow is active, and an operator can mend a 401 or 403.
"""


class Delivery:
    """
    Delivers the requests of one route.

    Args:
        target: URL of the route's target.
        lane: The requests.
        queue: Where they are kept.
        forwarder: Sends them.
        instruments: Count them.
        max_age_s: Seconds after which a request is given up.
    """

    def __init__(
        self,
        target: str,
        lane: Lane,
        *,
        queue: RequestQueue,
        forwarder: Forwarder,
        instruments: BridgeInstruments,
        max_age_s: float,
    ) -> None:
        self._target = target
        self._lane = lane
        self._queue = queue
        self._forwarder = forwarder
        self._instruments = instruments
        self._max_age_s = max_age_s
        self._pause_s = 0.0

    @property
    def is_target_away(self) -> bool:
        """Whether the target did not take the last request."""
        return self._pause_s > 0

    async def run(self) -> None:
        """Deliver until cancelled."""
        while True:
            number, waiting = await self._lane.first()
            outcome = await self._try(waiting)
            if outcome is None:
                await self._wait()
                continue
            self._queue.settle(self._lane, number)
            self._instruments.count_settled(outcome)
            if outcome != "delivered":
                _logger.error("bridge: a request left the queue undelivered: %s.", outcome)
            elif self._pause_s:
                _logger.info("bridge: the target is back, %d requests wait.", len(self._lane))
            self._pause_s = 0.0

    async def _try(self, waiting: Waiting) -> str | None:
        """Return what became of a request; None if it stays."""
        if time.time() - waiting.at > self._max_age_s:
            return "expired"
        request = await self._queue.read(waiting)
        if request is None:
            return "unreadable"
        try:
            status = (await self._forwarder.send(request, self._target)).status
        except TargetError:
            return None
        if is_taken(status):
            return "delivered"
        return "refused" if status in _FOR_GOOD and not is_busy(status) else None

    async def _wait(self) -> None:
        if not self._pause_s:
            _logger.warning("bridge: the target is away, %d requests wait.", len(self._lane))
        self._pause_s = min(LAST_PAUSE_S, max(FIRST_PAUSE_S, 2 * self._pause_s))
        await asyncio.sleep(self._pause_s)
