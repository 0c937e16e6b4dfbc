"""State of the instruments between two events: waiting contacts, session states and open breakers."""

from __future__ import annotations

import itertools
import math
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from whatsself_otel.catalogue import SESSION_STATE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

CLOSED: Final = 0
HALF_OPEN: Final = 1
OPEN: Final = 2
BREAKER_VALUES: Final = {"closed": CLOSED, "half_open": HALF_OPEN, "open": OPEN}
"""Breaker states by the value that the gauges export."""

UNKNOWN: Final = "unknown"
CONNECTED: Final = "connected"
QR_PENDING: Final = "qr_pending"


@dataclass(frozen=True, slots=True)
class Wait:
    """One contact's wait for a reply."""

    started_s: float
    """Steady time of the contact's message."""
    overdue: bool = False
    """Whether it has passed the deadline and was counted as unanswered."""


class WaitingContacts:
    """
    The contacts that wrote and have no reply yet.

    Args:
        deadline_s: Seconds after which a wait counts as unanswered.
        forget_after_s: Seconds after which even a late reply is no longer expected.
        capacity: Contacts remembered at one time, about 200 bytes each.
    """

    def __init__(self, *, deadline_s: float, forget_after_s: float, capacity: int) -> None:
        self._deadline_s = deadline_s
        self._forget_after_s = forget_after_s
        self._capacity = capacity
        self._waiting: OrderedDict[str, float] = OrderedDict()
        """Times by contact, oldest first."""
        self._overdue: OrderedDict[str, float] = OrderedDict()
        self._answered: OrderedDict[str, float] = OrderedDict()
        """Time of each contact's last answer, kept once a wait has come from another process."""
        self.handed_over = False
        """Whether a wait has left for another process, or come from one."""
        self.resumes = False
        """Whether a wait has come from another process."""

    def __len__(self) -> int:
        return len(self._waiting) + len(self._overdue)

    def start(self, contact_id: str, now_s: float) -> bool:
        """Begin a wait unless one runs; return False if a wait had to be dropped for room."""
        if contact_id in self._waiting or contact_id in self._overdue:
            return True
        room, is_free = self._make_room()
        if room:
            self._waiting[contact_id] = now_s
        return is_free

    def resume(self, contact_id: str, wait: Wait) -> bool:
        """
        Continue a wait that began in another process; return False if one had to be dropped for room.

        If this process has replied since the contact's message, the wait is answered and nothing waits.
        """
        self.handed_over = self.resumes = True
        if wait.started_s < self._answered.get(contact_id, -math.inf):
            return True
        known = self._pop(contact_id)
        room, is_free = self._make_room()
        if room:
            self._put(contact_id, wait if known is None else _together(wait, known))
        return is_free

    def hand_over(self, names: Iterable[str]) -> Wait | None:
        """Remove and return the wait of the contact with one of *names*, which another process continues."""
        wait = self._take(names)
        self.handed_over = self.handed_over or wait is not None
        return wait

    def begin_earlier(self, contact_id: str, started_s: float) -> bool:
        """Begin a wait that started at *started_s*; return False if one had to be dropped for room."""
        if started_s < self._answered.get(contact_id, -math.inf):
            return True
        known = self._pop(contact_id)
        room, is_free = self._make_room()
        if room:
            self._put(contact_id, Wait(started_s) if known is None else _together(Wait(started_s), known))
        return is_free

    def take(self, names: Sequence[str], sent_s: float) -> Wait | None:
        """
        Return the wait that a message sent at *sent_s* answers, and end it. Call `expire` first.

        Args:
            names: Ids under which the contact may wait.
            sent_s: When the reply was sent; a wait that began later is not answered.
        """
        self._note_answer(names, sent_s)
        wait = self._take(names)
        if wait is not None and wait.started_s > sent_s:
            self._put(names[0], wait)
            return None
        return None if wait is None or sent_s - wait.started_s > self._forget_after_s else wait

    def reopen(self, contact_id: str, wait: Wait) -> None:
        """Continue *wait*: the message that seemed to answer it has failed."""
        self._answered.pop(contact_id, None)
        known = self._pop(contact_id)
        if self._make_room()[0]:
            self._put(contact_id, wait if known is None else _together(wait, known))

    def rename(self, old: str, new: str) -> None:
        """Move the wait of contact *old* to contact *new*."""
        wait = self._pop(old)
        if wait is not None:
            self.reopen(new, wait)

    def end(self, names: Sequence[str], now_s: float) -> float | None:
        """
        Return how many seconds the contact had waited, or None if it did not wait. Call `expire` first.

        Args:
            names: Ids under which the contact may wait.
            now_s: When the reply was sent.
        """
        if self.resumes:
            self._note_answer(names, now_s)
        wait = self._take(names)
        return None if wait is None or now_s - wait.started_s > self._forget_after_s else now_s - wait.started_s

    def expire(self, now_s: float) -> int:
        """Return how many waits passed the deadline since the last call."""
        passed = 0
        while self._waiting and now_s - next(iter(self._waiting.values())) > self._deadline_s:
            contact_id, started_s = self._waiting.popitem(last=False)
            self._overdue[contact_id] = started_s
            passed += 1
        while self._overdue and now_s - next(iter(self._overdue.values())) > self._forget_after_s:
            self._overdue.popitem(last=False)
        return passed

    def _take(self, names: Iterable[str]) -> Wait | None:
        return next((wait for name in names if (wait := self._pop(name))), None)

    def _pop(self, contact_id: str) -> Wait | None:
        if (started_s := self._waiting.pop(contact_id, None)) is not None:
            return Wait(started_s)
        if (started_s := self._overdue.pop(contact_id, None)) is not None:
            return Wait(started_s, overdue=True)
        return None

    def _make_room(self) -> tuple[bool, bool]:
        """Return whether one more fits, and whether it fits without removing another."""
        full = len(self) >= self._capacity
        if not full or not self._overdue:
            return not full, not full
        self._overdue.popitem(last=False)
        return True, False

    def _put(self, contact_id: str, wait: Wait) -> None:
        if wait.overdue:
            self._overdue[contact_id] = wait.started_s
            return
        younger = list(itertools.takewhile(lambda name: self._waiting[name] > wait.started_s, reversed(self._waiting)))
        self._waiting[contact_id] = wait.started_s
        for name in reversed(younger):
            self._waiting.move_to_end(name)

    def _note_answer(self, names: Sequence[str], now_s: float) -> None:
        for name in names:
            self._answered[name] = now_s
            self._answered.move_to_end(name)
        while len(self._answered) > self._capacity:
            self._answered.popitem(last=False)


def _together(one: Wait, other: Wait) -> Wait:
    return Wait(min(one.started_s, other.started_s), one.overdue or other.overdue)


@dataclass(slots=True)
class Session:
    """One WhatsApp session as last reported."""

    state: str
    down_since: float
    """Unix time; 0 while connected."""
    qr_issued: float = 0.0
    """Unix time of the QR code; 0 if none waits."""
    lost_at_s: float | None = None
    """Steady time of the loss; None unless it was connected before."""
    is_loss_counted: bool = False
    """Whether the current loss was counted. Failed attempts to reconnect belong to the same loss."""

    def lose(self) -> bool:
        """Return whether this is a new loss, not counted before."""
        is_news, self.is_loss_counted = not self.is_loss_counted, True
        return is_news

    def enter(self, state: str, *, now_s: float, unix_time: float) -> float | None:
        """Enter *state*; return the seconds of the recovery, if this was one."""
        was_connected, self.state = self.state == CONNECTED, state
        if state == CONNECTED:
            self.is_loss_counted = False
        lost_at_s = self.lost_at_s
        if state != QR_PENDING:
            self.qr_issued = 0.0
        if state == CONNECTED:
            self.down_since, self.lost_at_s = 0.0, None
            return None if lost_at_s is None else now_s - lost_at_s
        if was_connected:
            self.down_since, self.lost_at_s = unix_time, now_s
        return None

    def state_set(self) -> list[tuple[str, int]]:
        """Return every state with 1 for the present one, 0 for the rest."""
        return [(state, int(state == self.state)) for state in SESSION_STATE.values]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """The changes that a report on a session made."""

    new: bool
    recovery_s: float | None
    is_loss: bool = False
    """Whether the session was lost by it."""


class Sessions:
    """
    The sessions this process reports.

    Args:
        capacity: Sessions told apart; a further one is not tracked.
    """

    def __init__(self, *, capacity: int) -> None:
        self._capacity = capacity
        self._sessions: dict[str, Session] = {}

    def items(self) -> list[tuple[str, Session]]:
        """Return a copy to iterate over."""
        return list(self._sessions.items())

    def change(self, name: str, state: str, *, now_s: float, unix_time: float, is_loss: bool = False) -> Change | None:
        """Note that *name* is in *state*; return None beyond the limit of sessions."""
        new = name not in self._sessions
        if new and len(self._sessions) >= self._capacity:
            return None
        session = self._sessions.setdefault(name, Session(state=UNKNOWN, down_since=unix_time))
        is_news = is_loss and session.lose()
        recovery_s = session.enter(state, now_s=now_s, unix_time=unix_time)
        return Change(new=new, recovery_s=recovery_s, is_loss=is_news)

    def state_of(self, name: str) -> str | None:
        """Return the reported state of *name*, or None."""
        found = self._sessions.get(name)
        return None if found is None else found.state

    def retire(self, name: str) -> None:
        """Forget *name*: its gauges end."""
        self._sessions.pop(name, None)

    def issue_qr(self, name: str, *, unix_time: float) -> None:
        """Note that a QR code for *name* waits since *unix_time*. A newer code continues the wait."""
        session = self._sessions[name]
        session.qr_issued = session.qr_issued or unix_time


class Breakers:
    """
    The circuit breakers: the global one, and each contact's that is not closed.

    Args:
        capacity: Contacts remembered at one time.
    """

    def __init__(self, *, capacity: int) -> None:
        self._capacity = capacity
        self._contacts: dict[str, int] = {}
        self.global_value = CLOSED

    def change_contact(self, contact_id: str, value: int) -> bool:
        """Note one contact's breaker, or forget a closed one; return whether there was room for it."""
        if value == CLOSED:
            self._contacts.pop(contact_id, None)
            return True
        if contact_id not in self._contacts and len(self._contacts) >= self._capacity:
            return False
        self._contacts[contact_id] = value
        return True

    def count(self, value: int) -> int:
        """Return how many contacts have that value."""
        return sum(1 for other in self._contacts.values() if other == value)

    def contacts(self) -> list[tuple[str, int]]:
        """Return the contacts whose breaker is not closed, longest known first."""
        return list(self._contacts.items())
