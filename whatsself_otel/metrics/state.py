"""State of the instruments between two events, behind one lock."""

from __future__ import annotations

import functools
import math
import threading
from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from whatsself_otel.errors import ConfigError
from whatsself_otel.metrics.tracking import Breakers, Change, Sessions, Wait, WaitingContacts
from whatsself_otel.metrics.windows import EventLog, KeyedWindow, LateLog, SteadyClock
from whatsself_otel.whatsapp.sent_messages import Acknowledgement, Failure, SentMessage, SentMessages

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

MINUTE_S: Final = 60.0
FIVE_MINUTES_S: Final = 300.0
DAY_S: Final = 86_400.0
MAX_JOURNAL: Final = 10_000
"""Changes that wait to be handed over; beyond it the oldest are lost."""
JournalEntry: TypeAlias = tuple[str, tuple[Any, ...], dict[str, Any]]
"""A method of `MetricsState` and its arguments."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsConfig:
    """Limits and options of the instruments."""

    tracked_contacts: int = 10_000
    """Contacts remembered at one time, for each of: send rates, inbound rates, waits and breakers; >= 1."""
    tracked_events_per_contact: int = 4
    """Events in a window per contact, as a multiple of `tracked_contacts`; >= 1."""
    tracked_sessions: int = 50
    """WhatsApp sessions that get series of their own; >= 1."""
    breaker_contacts_shown: int = 100
    """Contacts that get a ``cb_state_contact`` series each; the others share the overflow series; >= 0."""
    breaker_window_s: float = FIVE_MINUTES_S
    """Window of ``cb_fail_rate_window`` in seconds; 1 to 86400."""
    first_response_deadline_s: float = 120.0
    """A longer wait counts as unanswered; seconds > 0."""
    track_first_response: bool = True
    """False where the application times waits itself, by `first_response` and `first_response_unanswered`."""
    tracked_messages: int = 10_000
    """Accepted messages that may await their delivery at one time; >= 1."""
    tracked_templates: int = 100
    """Templates that get a ``whatsapp_template_state`` series each; the others share the overflow series; >= 0."""
    repeats_remembered: int = 50_000
    """Event ids that this process remembers, so that a repeated event counts once; >= 1."""
    live_limit_s: float = DAY_S
    """A message reported at least this many seconds late is not live traffic; > 0."""
    sends_from_statuses: bool = True
    """Whether a message's status counts its sending if nothing else reported it."""
    callback_timeout_s: float = 1.0
    """Seconds an observed callback may take before its reading is skipped; > 0."""

    def __post_init__(self) -> None:
        if problems := list(self._problems()):
            raise ConfigError(problems)

    def _problems(self) -> Iterator[str]:
        for name, least in _LEAST.items():
            if not (_is_whole(value := getattr(self, name)) and value >= least):
                yield f"{name} must be a whole number of at least {least}, got {_show(value)}."
        if not (_is_number(self.breaker_window_s) and 1 <= self.breaker_window_s <= DAY_S):
            yield f"breaker_window_s must be 1 to 86400 seconds, got {_show(self.breaker_window_s)}."
        for name in ("first_response_deadline_s", "callback_timeout_s", "live_limit_s"):
            if not (_is_number(value := getattr(self, name)) and 0 < value < math.inf):
                yield f"{name} must be a finite number of seconds > 0, got {_show(value)}."
        for name in ("track_first_response", "sends_from_statuses"):
            if not isinstance(value := getattr(self, name), bool):
                yield f"{name} must be true or false, got {_show(value)}."


_LEAST: Final = {
    "tracked_contacts": 1,
    "tracked_events_per_contact": 1,
    "tracked_sessions": 1,
    "tracked_messages": 1,
    "tracked_templates": 0,
    "repeats_remembered": 1,
    "breaker_contacts_shown": 0,
}


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _show(value: object) -> str:
    return repr(value) if _is_number(value) else type(value).__name__


class MetricsState:
    """
    Windows and trackers of one process.

    Args:
        config: Caps and windows.
        steady_clock: Seconds from any origin; a step back counts as no time passed.
    """

    __slots__ = (
        "_config",
        "attempts",
        "breakers",
        "failures",
        "inbound_by_contact",
        "late_attempts",
        "late_failures",
        "lock",
        "now_s",
        "outbound_by_contact",
        "sent",
        "sessions",
        "unanswered",
        "waiting",
    )

    def __init__(self, config: MetricsConfig, steady_clock: Callable[[], float]) -> None:
        self._config = config
        self.lock = threading.RLock()  # a finalizer may record while this thread holds it
        self.now_s = SteadyClock(steady_clock)
        self.attempts = EventLog(horizon_s=DAY_S)
        self.failures = EventLog(horizon_s=DAY_S)
        self.late_attempts = LateLog(horizon_s=DAY_S)
        self.late_failures = LateLog(horizon_s=DAY_S)
        self.sent = SentMessages(capacity=config.tracked_messages)
        self.outbound_by_contact = self._keyed_window()
        self.inbound_by_contact = self._keyed_window()
        self.waiting = WaitingContacts(
            deadline_s=config.first_response_deadline_s, forget_after_s=DAY_S, capacity=config.tracked_contacts
        )
        self.unanswered = 0
        self.sessions = Sessions(capacity=config.tracked_sessions)
        self.breakers = Breakers(capacity=config.tracked_contacts)

    def _keyed_window(self) -> KeyedWindow:
        contacts = self._config.tracked_contacts
        events = contacts * self._config.tracked_events_per_contact
        return KeyedWindow(window_s=FIVE_MINUTES_S, max_keys=contacts, max_events=events)

    def receive(self, contact_id: str, *, expects_reply: bool) -> bool:
        """Note a message from the contact; return whether the contact could be tracked."""
        with self.lock:
            now_s = self.now_s()
            tracked = self.inbound_by_contact.add(now_s, contact_id)
            if expects_reply and self._config.track_first_response:
                self.unanswered += self.waiting.expire(now_s)
                tracked = self.waiting.start(contact_id, now_s) and tracked
        return tracked

    def send(self, contact_id: str | None, *, answers: bool, names: Sequence[str] = ()) -> tuple[bool, float | None]:
        """
        Note a sent message; return whether the contact could be tracked, and how long it had waited for this answer.

        Args:
            contact_id: Whom the message went to, if known.
            answers: Whether it ends a wait.
            names: More ids under which the contact may wait.
        """
        with self.lock:
            now_s = self.now_s()
            self.attempts.add(now_s)
            if contact_id is None:
                return True, None
            tracked = self.outbound_by_contact.add(now_s, contact_id)
            if not answers or not (self.waiting or self.waiting.resumes):
                return tracked, None
            self.unanswered += self.waiting.expire(now_s)
            return tracked, self.waiting.end((contact_id, *names), now_s)

    def receive_late(self, contact_id: str, *, expects_reply: bool, age_s: float) -> bool:
        """Note a message that the contact wrote *age_s* seconds ago; return whether it could be tracked."""
        with self.lock:
            now_s = self.now_s()
            tracked = age_s >= FIVE_MINUTES_S or self.inbound_by_contact.add(now_s, contact_id)
            if expects_reply and self._config.track_first_response and age_s <= DAY_S:
                self.unanswered += self.waiting.expire(now_s)
                tracked = self.waiting.begin_earlier(contact_id, now_s - age_s) and tracked
        return tracked

    def accept(
        self,
        contact_id: str | None,
        *,
        message: str | None,
        answers: bool,
        names: Sequence[str] = (),
        age_s: float = 0.0,
    ) -> tuple[bool, list[float]]:
        """
        Note that the provider has accepted a message, which may still fail.

        Args:
            contact_id: Whom it went to, if known.
            message: Its reference; None if its fate will not be told.
            answers: Whether it ends a wait.
            names: More ids under which the contact may wait.
            age_s: Seconds since it was accepted.

        Returns:
            Whether the contact could be tracked, and first responses to record.
        """
        with self.lock:
            now_s = self.now_s()
            sent_s = now_s - age_s
            self._note_attempt(sent_s, now_s)
            tracked, wait = True, None
            if contact_id is not None:
                tracked = age_s >= FIVE_MINUTES_S or self.outbound_by_contact.add(now_s, contact_id)
                self.unanswered += self.waiting.expire(now_s)
                wait = self.waiting.take((contact_id, *names), sent_s) if answers else None
            if message is not None:
                return tracked, self.sent.accept(message, SentMessage(sent_s, contact_id, wait))
            return tracked, [] if wait is None else [max(0.0, sent_s - wait.started_s)]

    def acknowledge(self, message: str, *, is_delivered: bool, age_s: float) -> Acknowledgement:
        """Note that a message was acknowledged *age_s* seconds ago."""
        with self.lock:
            return self.sent.acknowledge(message, self.now_s() - age_s, is_delivered=is_delivered)

    def fail_later(self, message: str | None, *, age_s: float) -> Failure:
        """Note that an accepted message failed *age_s* seconds ago; the wait that it answered continues."""
        with self.lock:
            now_s = self.now_s()
            failure, sent = (Failure(), None) if message is None else self.sent.fail(message)
            if failure.counts:
                self._note_failure(now_s - age_s, now_s)
            if sent is not None and sent.wait is not None and sent.contact_id is not None:
                self.waiting.reopen(sent.contact_id, sent.wait)
            return failure

    def settle(self) -> list[float]:
        """Return the first responses of replies that have been without failure for a minute."""
        with self.lock:
            return self.sent.settle(self.now_s())

    def rename_contact(self, old: str, new: str) -> None:
        """Move the wait of contact *old* to contact *new*."""
        with self.lock:
            self.waiting.rename(old, new)

    def retire_session(self, name: str) -> None:
        """Forget session *name*."""
        with self.lock:
            self.sessions.retire(name)

    def _note_attempt(self, then_s: float, now_s: float) -> None:
        if now_s - then_s < MINUTE_S:
            self.attempts.add(now_s)
        else:
            self.late_attempts.add(then_s, now_s)

    def _note_failure(self, then_s: float, now_s: float) -> None:
        if now_s - then_s < MINUTE_S:
            self.failures.add(now_s)
        else:
            self.late_failures.add(then_s, now_s)

    def hand_over(self, names: Sequence[str]) -> tuple[float, bool] | None:
        """Remove the wait of the contact with one of *names*; return its age in seconds, and whether it was counted."""
        with self.lock:
            now_s = self.now_s()
            self.unanswered += self.waiting.expire(now_s)
            wait = self.waiting.hand_over(names)
            return None if wait is None else (now_s - wait.started_s, wait.overdue)

    def resume(self, name: str, age_s: float, *, counted: bool) -> bool:
        """Continue a wait that is *age_s* old; return whether the contact could be tracked."""
        if not self._config.track_first_response:
            return True
        with self.lock:
            return self.waiting.resume(name, Wait(self.now_s() - age_s, counted))

    def change_session(
        self, name: str, state: str, *, unix_time: float, age_s: float = 0.0, is_loss: bool = False
    ) -> Change | None:
        """
        Note that session *name* is in *state*; return None beyond the limit of sessions.

        Args:
            name: Of the session.
            state: What it went into.
            unix_time: When.
            age_s: Seconds since then.
            is_loss: Whether the session was lost by it.
        """
        with self.lock:
            now_s = self.now_s() - age_s
            return self.sessions.change(name, state, now_s=now_s, unix_time=unix_time, is_loss=is_loss)

    def issue_qr(self, name: str, *, unix_time: float) -> None:
        """Note that a QR code for session *name* waits to be scanned."""
        with self.lock:
            self.sessions.issue_qr(name, unix_time=unix_time)

    def change_breaker(self, contact_id: str | None, value: int) -> bool:
        """Note the breaker of a contact, or with None the global one; return whether there was room for it."""
        with self.lock:
            if contact_id is not None:
                return self.breakers.change_contact(contact_id, value)
            self.breakers.global_value = value
            return True

    def add_unanswered(self) -> None:
        """Count a wait that other code has timed."""
        with self.lock:
            self.unanswered += 1

    def waits_alone(self) -> bool:
        """Return whether contacts wait or waited in vain here, and no wait was ever handed over."""
        with self.lock:
            return not self.waiting.handed_over and bool(self.waiting or self.unanswered)

    @property
    def resumes(self) -> bool:
        """Return whether a wait has come from another process."""
        return self.waiting.resumes

    def fail(self, contact_id: str | None) -> bool:
        """Note a failure; return whether the contact could be tracked."""
        with self.lock:
            now_s = self.now_s()
            self.attempts.add(now_s)
            self.failures.add(now_s)
            return contact_id is None or self.outbound_by_contact.add(now_s, contact_id)

    def count_unanswered(self) -> int:
        """Return how many waits passed the deadline since the start."""
        with self.lock:
            self.unanswered += self.waiting.expire(self.now_s())
            return self.unanswered

    def failure_ratio(self, window_s: float) -> float | None:
        """Return failures by attempts over the window, None without attempts."""
        with self.lock:
            now_s = self.now_s()
            attempts = self.attempts.count(now_s, window_s) + self.late_attempts.count(now_s, window_s)
            failures = self.failures.count(now_s, window_s) + self.late_failures.count(now_s, window_s)
            # A failure after acceptance may lie in a later window than its attempt.
            return min(1.0, failures / attempts) if attempts else None

    def count_attempts(self, window_s: float) -> int:
        """Return how many attempts lie in the window."""
        with self.lock:
            now_s = self.now_s()
            return self.attempts.count(now_s, window_s) + self.late_attempts.count(now_s, window_s)


_CHANGES: Final = frozenset(
    {
        *("receive", "receive_late", "send", "accept", "acknowledge", "fail", "fail_later", "hand_over", "resume"),
        *("change_session", "issue_qr", "retire_session", "change_breaker", "add_unanswered", "rename_contact"),
    }
)
"""Methods of `MetricsState` that change its state."""


class Journal:
    """
    The state of a child that hands over: it notes each change, and its worker makes the same changes.

    The worker knows the waits and sessions of earlier jobs, so only the worker times replies and recoveries.

    Args:
        state: What the child itself remembers.
        on_change: Called after each change; must not raise.
    """

    def __init__(self, state: MetricsState, on_change: Callable[[], object]) -> None:
        self._state = state
        self._on_change = on_change
        self._entries: deque[JournalEntry] = deque(maxlen=MAX_JOURNAL)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._state, name)
        return functools.partial(self._note, name, found) if name in _CHANGES else found

    def settle(self) -> list[float]:
        """Return nothing: the worker settles the same replies."""
        return []

    def take(self) -> list[JournalEntry]:
        """Return the entries since the last call, oldest first."""
        return [self._entries.popleft() for _ in range(len(self._entries))]

    def _note(self, name: str, method: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        outcome = method(*args, **kwargs)
        self._entries.append((name, args, kwargs))
        self._on_change()
        return _SILENCED[name](outcome) if name in _SILENCED and outcome is not None else outcome


_SILENCED: Final[dict[str, Callable[[Any], Any]]] = {
    "send": lambda outcome: (outcome[0], None),
    "accept": lambda outcome: (outcome[0], []),
    "acknowledge": lambda outcome: replace(outcome, first_response_s=None),
    "fail_later": lambda outcome: replace(outcome, was_answer=False),
    "change_session": lambda outcome: replace(outcome, recovery_s=None),
}
"""Changes to an outcome in a child: it leaves these recordings to its worker."""
