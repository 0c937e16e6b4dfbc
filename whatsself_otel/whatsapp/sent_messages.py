"""Messages that a provider has accepted and may still fail."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from whatsself_otel.metrics.tracking import Wait

ANSWERED_AFTER_S: Final = 60.0
"""Seconds after which a reply without failure counts as answered, acknowledged or not."""


@dataclass(slots=True)
class SentMessage:
    """One message that the provider accepted."""

    accepted_s: float
    """Steady time of the acceptance."""
    contact_id: str | None = None
    wait: Wait | None = None
    """The wait that it answers, until that is recorded as answered."""
    is_answer: bool = False
    """Whether a first response was recorded for it."""
    is_delivered: bool = False
    has_failed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledgement:
    """The measurements of an acknowledgement."""

    latency_s: float | None = None
    """Seconds since acceptance, if that was seen."""
    first_response_s: float | None = None
    """Seconds that the contact waited for this message, if it is the answer and was not recorded before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """The changes that a failure after acceptance makes."""

    counts: bool = True
    """False for a message that was delivered or had failed before."""
    was_answer: bool = False
    """Whether it had been recorded as a first response."""


class SentMessages:
    """
    Remembers accepted messages until their fate is known.

    Args:
        capacity: Messages remembered at one time, about 300 bytes each; the oldest are forgotten.
    """

    def __init__(self, *, capacity: int) -> None:
        self._capacity = capacity
        self._messages: OrderedDict[str, SentMessage] = OrderedDict()
        self._pending: OrderedDict[str, SentMessage] = OrderedDict()
        """Messages that answer a wait and are neither acknowledged nor failed, oldest first."""

    def __len__(self) -> int:
        return len(self._messages)

    def accept(self, message: str, sent: SentMessage) -> list[float]:
        """Remember *sent*; return the first responses of messages that were forgotten for room."""
        self._messages[message] = sent
        if sent.wait is not None:
            self._pending[message] = sent
        forgotten = []
        while len(self._messages) > self._capacity:
            oldest, old = self._messages.popitem(last=False)
            self._pending.pop(oldest, None)
            forgotten += [] if (waited_s := _answer(old)) is None else [waited_s]
        return forgotten

    def settle(self, now_s: float) -> list[float]:
        """Return the first responses of messages that have been without failure for a minute."""
        settled = []
        while self._pending and now_s - next(iter(self._pending.values())).accepted_s >= ANSWERED_AFTER_S:
            _, sent = self._pending.popitem(last=False)
            settled += [] if (waited_s := _answer(sent)) is None else [waited_s]
        return settled

    def acknowledge(self, message: str, at_s: float, *, is_delivered: bool) -> Acknowledgement:
        """Note that *message* was sent, delivered or read at *at_s*."""
        sent = self._messages.get(message)
        if sent is None:
            return Acknowledgement()
        self._pending.pop(message, None)
        sent.is_delivered = sent.is_delivered or is_delivered
        return Acknowledgement(latency_s=max(0.0, at_s - sent.accepted_s), first_response_s=_answer(sent))

    def fail(self, message: str) -> tuple[Failure, SentMessage | None]:
        """Note that *message* has failed; return the changes, and the message if its wait continues."""
        sent = self._messages.get(message)
        if sent is None:
            return Failure(), None
        if sent.is_delivered or sent.has_failed:
            return Failure(counts=False), None
        sent.has_failed = True
        self._pending.pop(message, None)
        return Failure(was_answer=sent.is_answer), sent if sent.wait is not None else None


def _answer(sent: SentMessage) -> float | None:
    """Take the wait of *sent* as answered; return its length."""
    if sent.wait is None or sent.has_failed:
        return None
    waited_s, sent.wait, sent.is_answer = sent.accepted_s - sent.wait.started_s, None, True
    return max(0.0, waited_s)
