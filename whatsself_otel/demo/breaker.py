"""The circuit breakers: one for everything, one for each contact."""

from __future__ import annotations

import time
from collections import deque
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from whatsself_otel.demo.settings import BreakerConfig


class BreakerState(Enum):
    """A breaker's decision on the next message."""

    CLOSED = "closed"
    HALF_OPEN = "half_open"
    OPEN = "open"


class Breaker:
    """
    Stops sending when too much fails, and tries again with one message after a pause.

    Args:
        config: When it opens and for how long.
        clock: Seconds; only differences matter.
    """

    def __init__(self, config: BreakerConfig, clock: Callable[[], float] = time.monotonic) -> None:
        self._config = config
        self._clock = clock
        self._attempts: deque[tuple[float, bool]] = deque()
        self._opened_at: float | None = None
        self._probing = False

    @property
    def state(self) -> BreakerState:
        """Where it stands now."""
        if self._opened_at is None:
            return BreakerState.CLOSED
        if self._clock() - self._opened_at >= self._config.cool_down_s:
            return BreakerState.HALF_OPEN
        return BreakerState.OPEN

    @property
    def is_idle(self) -> bool:
        """Whether it is closed and remembers nothing."""
        self._forget_old()
        return self._opened_at is None and not self._attempts

    def allows(self) -> bool:
        """Whether a message may be sent now: half-open lets one through at a time."""
        return not self._config.enabled or (
            self.state is BreakerState.CLOSED or (self.state is BreakerState.HALF_OPEN and not self._probing)
        )

    def begin(self) -> None:
        """Note that a message is on its way."""
        self._probing = self.state is BreakerState.HALF_OPEN

    def abandon(self) -> None:
        """Note that the message was given back without an attempt."""
        self._probing = False

    def record(self, *, succeeded: bool) -> None:
        """Note how an attempt ended."""
        state = self.state
        if state is BreakerState.HALF_OPEN:
            self._end_probe(succeeded=succeeded)
        elif state is BreakerState.CLOSED:
            self._count(succeeded=succeeded)

    def _count(self, *, succeeded: bool) -> None:
        self._attempts.append((self._clock(), succeeded))
        self._forget_old()
        if self._config.enabled and self._fails_too_much():
            self._opened_at = self._clock()

    def _end_probe(self, *, succeeded: bool) -> None:
        self._probing = False
        self._attempts.clear()
        self._opened_at = None if succeeded else self._clock()

    def _fails_too_much(self) -> bool:
        failed = sum(not succeeded for _, succeeded in self._attempts)
        total = len(self._attempts)
        return total >= self._config.min_attempts and failed >= total * self._config.fail_ratio

    def _forget_old(self) -> None:
        oldest = self._clock() - self._config.window_s
        while self._attempts and self._attempts[0][0] < oldest:
            self._attempts.popleft()


class BreakerBoard:
    """
    All breakers of one process.

    Args:
        config: Shared by every breaker.
        on_change: Called with the contact's id, or ``None`` for the global breaker, and the new state.
        clock: Seconds; only differences matter.
    """

    def __init__(
        self,
        config: BreakerConfig,
        on_change: Callable[[str | None, BreakerState], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._config = config
        self._clock = clock
        self._on_change = on_change
        self._all = Breaker(config, clock)
        self._contacts: dict[str, Breaker] = {}
        self._told: dict[str | None, BreakerState] = {}

    def allows(self) -> bool:
        """Whether anything may be sent now."""
        return self._all.allows()

    def blocked_contacts(self) -> list[str]:
        """Return the contacts to whom nothing may be sent now."""
        return [contact_id for contact_id, breaker in self._contacts.items() if not breaker.allows()]

    def begin(self, contact_id: str) -> None:
        """Note that a message to *contact_id* is on its way."""
        for breaker in self._pair(contact_id):
            breaker.begin()

    def abandon(self, contact_id: str) -> None:
        """Note that the message was given back without an attempt."""
        for breaker in self._pair(contact_id):
            breaker.abandon()

    def record(self, contact_id: str, *, succeeded: bool) -> None:
        """Note how an attempt to reach *contact_id* ended."""
        for breaker in self._pair(contact_id):
            breaker.record(succeeded=succeeded)
        self.announce()

    def announce(self) -> None:
        """Tell every state that changed, by an attempt or by time, and forget breakers that remember nothing."""
        self._tell(None, self._all.state)
        for contact_id, breaker in list(self._contacts.items()):
            self._tell(contact_id, breaker.state)
            if breaker.is_idle:
                del self._contacts[contact_id]
                self._told.pop(contact_id, None)

    def _pair(self, contact_id: str) -> tuple[Breaker, Breaker]:
        return self._all, self._contacts.setdefault(contact_id, Breaker(self._config, self._clock))

    def _tell(self, contact_id: str | None, state: BreakerState) -> None:
        if self._told.get(contact_id, BreakerState.CLOSED) is not state:
            self._told[contact_id] = state
            self._on_change(contact_id, state)
