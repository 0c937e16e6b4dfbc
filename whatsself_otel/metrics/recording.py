"""The domain's instruments: recording methods in, metrics of the catalogue out."""

from __future__ import annotations

import functools
import math
import secrets
import time
from typing import TYPE_CHECKING, Any, Concatenate, Final, ParamSpec, cast

from whatsself_otel import catalogue
from whatsself_otel.catalogue import OTHER, AttributeSpec, MetricSpec
from whatsself_otel.context import resumed_wait
from whatsself_otel.masking import Masker
from whatsself_otel.messages import OwnLogger
from whatsself_otel.metrics.closed_counters import MAIN, ClosedCounter, FailureCounter, create_counter
from whatsself_otel.metrics.gauges import Gauges
from whatsself_otel.metrics.observable_totals import ObservableTotals
from whatsself_otel.metrics.safe_callbacks import SafeCallback
from whatsself_otel.metrics.state import Journal, MetricsConfig, MetricsState
from whatsself_otel.metrics.tracking import BREAKER_VALUES, QR_PENDING
from whatsself_otel.processes.forks import run_in_child
from whatsself_otel.whatsapp.instruments import ProviderInstruments
from whatsself_otel.whatsapp.references import accepted_id, as_message_ref
from whatsself_otel.whatsapp.repeats import open_window

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from opentelemetry.metrics import Histogram, Meter

    from whatsself_otel.metrics.hours import BusinessHours
    from whatsself_otel.metrics.observable_totals import Totals
    from whatsself_otel.metrics.state import JournalEntry
    from whatsself_otel.metrics.tracking import Change

_logger: Final = OwnLogger(__name__)

MAX_LABEL_LENGTH: Final = 128
"""Longest id kept in a metric attribute; the rest is cut."""

_COUNTED: Final = " counted"
"""Suffix of a handed-over wait that was counted as unanswered."""

_P = ParamSpec("_P")


def _guarded(
    method: Callable[Concatenate[WhatsSelfMetrics, _P], None],
) -> Callable[Concatenate[WhatsSelfMetrics, _P], None]:
    """Keep every error of *method*, even of a wrong call, from the application; count it and log it once."""

    @functools.wraps(method)
    def guarded(self: WhatsSelfMetrics, /, *args: _P.args, **kwargs: _P.kwargs) -> None:
        try:
            method(self, *args, **kwargs)
        except Exception as error:  # noqa: BLE001 - promise 1: the application never suffers
            self._fail(method.__name__, error)

    return guarded


def create_histogram(meter: Meter, spec: MetricSpec) -> Histogram:
    """Create the histogram of a catalogue entry, with its buckets."""
    return meter.create_histogram(
        spec.name, spec.unit, spec.description.en, explicit_bucket_boundaries_advisory=spec.buckets
    )


class WhatsSelfMetrics:
    """
    The domain's recording methods, each safe to call from anywhere: none raises, none blocks on I/O.

    A value outside its closed set becomes ``other`` and is counted in ``telemetry.errors``.

    Args:
        meter: Where the instruments are created, once.
        clock: Unix time in seconds, for the timestamps that are exported.
        steady_clock: Seconds for windows and latencies; ``time.monotonic`` unless another *clock* is given, which
            then serves for both and may step.
        config: Caps and windows.
        identifier: Turns an id into the form that may leave the process; `Masker.identifier` by default.
        repeats_url: Redis server by which processes share the window of seen events.
    """

    def __init__(
        self,
        meter: Meter,
        *,
        clock: Callable[[], float] = time.time,
        steady_clock: Callable[[], float] | None = None,
        config: MetricsConfig | None = None,
        identifier: Callable[[str], str] | None = None,
        repeats_url: str | None = None,
        hours: BusinessHours | None = None,
    ) -> None:
        self.config = config or MetricsConfig()
        self._clock = clock
        self._steady_clock = steady_clock or (time.monotonic if clock is time.time else clock)
        self._identifier = identifier or Masker().identifier
        self._label = functools.lru_cache(maxsize=4096)(functools.partial(_label, self._identifier))
        self._hours = hours
        self._said: set[tuple[str, str]] = set()
        self.last_error_s: dict[str, float] = {}
        """Time of each component's last failure, on the monotonic clock."""
        self._state = MetricsState(self.config, self._steady_clock)
        self._gauges = Gauges(
            state=lambda: self._state,
            config=self.config,
            label=self._label,
            on_error=functools.partial(self.error, "metrics"),
            on_export=self._settle,
            is_open=None if hours is None else self._opens,
        )
        self._repeats = open_window(
            self.config.repeats_remembered, repeats_url, functools.partial(self.error, "metrics")
        )
        self._gauges.register(meter)
        self._create_counters(meter)  # after the gauges, so that an export tells of its own failed readings
        self._add_zeros()
        run_in_child(self._restart)

    @_guarded
    def message_inbound(
        self,
        *,
        kind: str = "text",
        contact_id: str | None = None,
        expects_reply: bool | None = None,
        session: str | None = None,
        at: float | None = None,
        event_id: str | None = None,
    ) -> None:
        """
        Count a message received, and begin the contact's wait for a reply.

        Args:
            kind: Type of the message, a closed set.
            contact_id: Internal id of the contact; without it nothing is tracked.
            expects_reply: False where no reply is due: opted out, handled by a person; default: within business hours.
            session: WhatsApp session it came by; default `main`.
            at: When it was written, Unix seconds; default now. Older than `MetricsConfig.live_limit_s` counts nothing.
            event_id: Names the message: told twice, it counts once.
        """
        if event_id is not None and self._is_repeat(event_id):
            return
        if at is not None and self._age_s(at) >= self.config.live_limit_s:
            return
        if session is None:
            self._inbound.add(kind)
        else:
            self._inbound.add_in(self._label(session), kind)
        if contact_id is None:
            return
        if expects_reply is None:
            expects_reply = self._hours is None or self._hours.is_open(self._clock() if at is None else at)
        if at is None:
            tracked = self._state.receive(str(contact_id), expects_reply=expects_reply)
        else:
            age_s = self._age_s(at)
            tracked = self._state.receive_late(str(contact_id), expects_reply=expects_reply, age_s=age_s)
        if not tracked:
            self._note_tracked(tracked)

    def _opens(self) -> bool:
        """Whether the business opens within a minute or is open: a state ends before people are paged for it."""
        now = self._clock()
        return self._hours is None or self._hours.is_open(now) or self._hours.is_open(now + 60)

    @_guarded
    def message_sent(
        self,
        *,
        origin: str = "reply",
        contact_id: str | None = None,
        session: str | None = None,
        message_id: str | None = None,
        at: float | None = None,
        event_id: str | None = None,
    ) -> None:
        """
        Count a message that the provider accepted; a reply ends the contact's wait.

        With *message_id* the wait ends when the message is acknowledged, or has not failed for a minute.

        Args:
            origin: ``reply``, ``broadcast`` or ``manual``.
            contact_id: Internal id of the contact.
            session: WhatsApp session it left by; default `main`.
            message_id: The provider's id of the message; only a one-way reference of it is kept.
            at: When it was accepted, Unix seconds; default now.
            event_id: Names the acceptance: told twice, it counts once. Default: what *message_id* says.
        """
        if session is not None or message_id is not None or at is not None or event_id is not None:
            told = accepted_id(message_id) if event_id is None else event_id
            if told is None or not self._is_repeat(told):
                self._accept(origin, contact_id, session=session, message_id=message_id, at=at)
            return
        self._outbound.add(origin)
        contact = None if contact_id is None else str(contact_id)
        names = self._names_elsewhere(contact) if contact is not None and self._state.waiting.resumes else ()
        tracked, latency_s = self._state.send(contact, answers=origin != "broadcast", names=names)
        if latency_s is not None:
            self._first_response.record(latency_s)
        if not tracked:
            self._note_tracked(tracked)

    @_guarded
    def note_accepted(
        self, *, origin: str, contact_id: str | None, session: str, message_id: str | None, at: float | None
    ) -> None:
        """Count an accepted message that was not reported before. For `WhatsApp` only."""
        self._accept(origin, contact_id, session=session, message_id=message_id, at=at)

    def _accept(
        self,
        origin: str,
        contact_id: str | None,
        *,
        session: str | None,
        message_id: str | None,
        at: float | None,
    ) -> None:
        self._outbound.add_in(self._session(session), origin)
        contact = None if contact_id is None else str(contact_id)
        names = self._names_elsewhere(contact) if contact is not None and self._state.resumes else ()
        message = None if message_id is None else as_message_ref(message_id)
        answers, age_s = origin != "broadcast", self._age_s(at)
        tracked, latencies = self._state.accept(contact, message=message, answers=answers, names=names, age_s=age_s)
        self._note_accepted(tracked, latencies)

    @_guarded
    def message_failed(
        self,
        *,
        reason: str = OTHER,
        origin: str = "reply",
        contact_id: str | None = None,
        fault: str | None = None,
        stage: str = "send",
        session: str | None = None,
        message_id: str | None = None,
        at: float | None = None,
        event_id: str | None = None,
    ) -> None:
        """
        Count a message that failed for good.

        Refused at once (*stage* ``send``) it counts as an attempt too; the contact goes on waiting. After acceptance
        (``delivery``) it was counted as an attempt before, and the wait that it seemed to answer goes on.

        Args:
            reason: Why, a closed set.
            origin: ``reply``, ``broadcast`` or ``manual``.
            contact_id: Internal id of the contact, who goes on waiting.
            fault: ``ours``, ``provider`` or ``recipient``; default: what *reason* says.
            stage: ``send`` or ``delivery``.
            session: WhatsApp session; default `main`.
            message_id: The provider's id of the message, where it gave one.
            at: When it failed, Unix seconds; default now.
            event_id: Names the failure: told twice, it counts once.
        """
        if event_id is not None and self._is_repeat(event_id):
            return
        if stage == "delivery":
            self._fail_later(reason, fault, session, message_id, at)
            return
        self._outbound.add_in(self._session(session), origin)
        self._failed.add_failure(reason, fault, stage, self._session(session))
        self._note_tracked(self._state.fail(contact_id))

    def _fail_later(
        self, reason: str, fault: str | None, session: str | None, message_id: str | None, at: float | None
    ) -> None:
        message = None if message_id is None else as_message_ref(message_id)
        if message is not None and self._repeats.has(_delivered(message)):
            return  # a failure of one participant, or of a copy: the message was delivered
        failure = self._state.fail_later(message, age_s=self._age_s(at))
        if failure.counts:
            self._failed.add_failure(reason, fault, "delivery", self._session(session))
        self._note_failed_later(was_answer=failure.was_answer)

    @_guarded
    def message_delivered(
        self,
        *,
        status: str = "delivered",
        session: str | None = None,
        message_id: str | None = None,
        at: float | None = None,
        event_id: str | None = None,
    ) -> None:
        """
        Count an acknowledgement: ``delivered`` or ``read``; ``sent`` counts nothing and ends the wait it answers.

        Args:
            status: What WhatsApp acknowledged.
            session: WhatsApp session; default `main`.
            message_id: The provider's id of the message.
            at: When, Unix seconds; default now.
            event_id: Names the acknowledgement: told twice, it counts once.
        """
        if event_id is not None and self._is_repeat(event_id):
            return
        if session is None and status != "sent":
            self._delivered.add(status)
        elif status != "sent":
            self._delivered.add_in(self._session(session), status)
        if message_id is not None:
            self._acknowledge(as_message_ref(message_id), status, at)

    def _acknowledge(self, message: str, status: str, at: float | None) -> None:
        is_delivered = status != "sent"
        if is_delivered:
            self._repeats.add([_delivered(message)])
        found = self._state.acknowledge(message, is_delivered=is_delivered, age_s=self._age_s(at))
        if found.latency_s is not None and is_delivered:
            self.provider.record_delivery(status, found.latency_s)
        self._note_acknowledged(found.first_response_s)

    @_guarded
    def first_response(self, seconds: float) -> None:
        """
        Record a first response timed elsewhere, where inbound messages and replies meet different processes.

        Args:
            seconds: From the contact's message to the reply; finite and >= 0.
        """
        self._first_response.record(seconds)

    @_guarded
    def first_response_failed(self) -> None:
        """Count a first response that failed after it was recorded, where the waits are timed elsewhere."""
        self._first_response_failed.add(1)

    @_guarded
    def first_response_unanswered(self) -> None:
        """Count a contact that waited past the deadline, where the waits are tracked elsewhere."""
        self._state.add_unanswered()

    def hand_over_wait(self, contact_id: str) -> str:
        """
        Let the contact's wait for a reply leave this process; never raises.

        Args:
            contact_id: As it is bound here.

        Returns:
            The wait as text for `take_over_wait` of another process, empty without one.
        """
        try:
            found = self._state.hand_over((contact_id, *self._names_elsewhere(contact_id)))
        except Exception as error:  # noqa: BLE001 - promise 1: the application never suffers
            self._fail("hand_over_wait", error)
            return ""
        if found is None:
            return ""
        age_s, is_counted = found
        return f"{self._clock() - age_s!r} {secrets.token_hex(4)}{_COUNTED if is_counted else ''}"

    @_guarded
    def take_over_wait(self, name: str, wait: str) -> None:
        """
        Go on with a wait that another process handed over: it counts here as answered or unanswered.

        Args:
            name: What the contact is called here: its id, or its `wait_name`.
            wait: What `hand_over_wait` returned.
        """
        age_s = max(0.0, self._clock() - float(wait.partition(" ")[0]))
        if math.isfinite(age_s):
            self._note_tracked(self._state.resume(name, age_s, counted=wait.endswith(_COUNTED)))

    def waits_alone(self) -> bool:
        """Return whether contacts wait here, or have waited in vain, and no wait was ever handed over."""
        return self._state.waits_alone()

    @_guarded
    def consent(self, *, action: str, event_id: str | None = None) -> None:
        """
        Count a contact's ``opt_in`` or ``opt_out``.

        Args:
            action: What the contact decided.
            event_id: Names the decision: told twice, it counts once.
        """
        if event_id is None or not self._is_repeat(event_id):
            self._consent.add(action)

    @_guarded
    def trigger_hit(self, *, trigger_id: str) -> None:
        """Count a message that matched the trigger."""
        self._trigger_hits.add(1, {catalogue.TRIGGER_ID: self._label(trigger_id)})

    @_guarded
    def flow_started(self, *, flow_id: str) -> None:
        """Count a run of the flow."""
        self._flow_started.add(1, {catalogue.FLOW_ID: self._label(flow_id)})

    @_guarded
    def flow_auto_step(self, *, flow_id: str) -> None:
        """Count a step that the flow took without the contact."""
        self._flow_auto_steps.add(1, {catalogue.FLOW_ID: self._label(flow_id)})

    @_guarded
    def flow_step_entered(self, *, flow_id: str, step_key: str) -> None:
        """Count an entry into a step."""
        self._flow_step_entered.add(1, self._step(flow_id, step_key))

    @_guarded
    def flow_step_completed(self, *, flow_id: str, step_key: str) -> None:
        """Count a step completed."""
        self._flow_step_completed.add(1, self._step(flow_id, step_key))

    @_guarded
    def session_state(self, *, session: str, state: str, at: float | None = None, event_id: str | None = None) -> None:
        """
        Note the session's state; ``connected`` after a loss records the recovery time.

        Args:
            session: Internal name of the session.
            state: ``starting``, ``qr_pending``, ``connected``, ``disconnected``, ``logged_out``, ``expired``,
                ``restricted`` or ``banned``.
            at: When, Unix seconds; default now.
            event_id: Names the report: told twice, it counts once.
        """
        if event_id is not None and self._is_repeat(event_id):
            return
        self._change_session(session, self._known(catalogue.SESSION_STATE, state), at=at)

    @_guarded
    def session_disconnected(
        self,
        *,
        session: str,
        reason: str = OTHER,
        state: str | None = None,
        at: float | None = None,
        event_id: str | None = None,
    ) -> None:
        """
        Count the loss of a session and mark it as down. Failures until it reconnects belong to the same loss.

        Args:
            session: Internal name of the session.
            reason: ``transient``, ``restart``, ``logged_out``, ``replaced`` or ``banned``.
            state: What it is in now; default ``logged_out`` or ``banned`` by the reason, else ``disconnected``.
            at: When, Unix seconds; default now.
            event_id: Names the report: told twice, it counts once.
        """
        if event_id is not None and self._is_repeat(event_id):
            return
        known = self._known(catalogue.DISCONNECT_REASON, reason)
        into = _STATES_AFTER.get(known, "disconnected") if state is None else state
        self._change_session(session, self._known(catalogue.SESSION_STATE, into), at=at, lost_by=known)

    @_guarded
    def session_retired(self, *, session: str) -> None:
        """Forget a session that was removed for good. Its gauges end; its counters keep their values."""
        self._state.retire_session(self._label(session))
        self.provider.retire_session(self._label(session))

    @_guarded
    def qr_issued(self, *, session: str, at: float | None = None, event_id: str | None = None) -> None:
        """
        Note that a QR code waits to be scanned. Until then the session is not connected.

        Args:
            session: Internal name of the session.
            at: When, Unix seconds; default now. A newer code goes on with the wait of the one before.
            event_id: Names the code: told twice, it counts once.
        """
        if event_id is not None and self._is_repeat(event_id):
            return
        name = self._change_session(session, QR_PENDING, at=at)
        if name is not None:
            self._state.issue_qr(name, unix_time=self._clock() - self._age_s(at))

    @_guarded
    def contact_renamed(self, *, old: str, new: str) -> None:
        """Note that a contact's id changes to *new*: its wait continues under that id."""
        self._state.rename_contact(str(old), str(new))

    @_guarded
    def observe_queue(
        self,
        *,
        depth: Callable[[], float] | None = None,
        oldest_age: Callable[[], float] | None = None,
        session: str | None = None,
    ) -> None:
        """
        Read the queue through the application's callbacks, each called in a thread once an export.

        Args:
            depth: Returns the messages that wait; workers that share one queue all report the whole.
            oldest_age: Returns the age of the oldest one in seconds, 0 when none waits.
            session: Whose queue it is, where each session has its own.
        """
        name = None if session is None else self._label(session)
        for spec, callback in ((catalogue.QUEUE_DEPTH, depth), (catalogue.QUEUE_OLDEST_AGE, oldest_age)):
            if callback is not None:
                self._gauges.callbacks[spec.name, name] = self.safe_callback(callback)

    @_guarded
    def breaker_state(self, state: str, *, contact_id: str | None = None) -> None:
        """
        Note the state of the global breaker, or of one contact's.

        Args:
            state: ``closed``, ``half_open`` or ``open``; another one is counted as an error and changes nothing.
            contact_id: Internal id of the contact; None for the global breaker.
        """
        value = BREAKER_VALUES.get(state)
        if value is None:
            self.error("unknown_value")
            return
        self._note_tracked(self._state.change_breaker(contact_id, value))

    @_guarded
    def masked(self, rule: str, count: int = 1) -> None:
        """Count values that *rule* masked."""
        self._masked.add(count, rule)

    @_guarded
    def dropped(self, signal: str, reason: str, count: int = 1) -> None:
        """
        Count telemetry that was lost.

        Args:
            signal: ``traces``, ``metrics`` or ``logs``.
            reason: Why, a closed set.
            count: Spans, data points or records; >= 0.
        """
        self._dropped.add(count, self._known(catalogue.SIGNAL, signal), self._known(catalogue.DROP_REASON, reason))

    @_guarded
    def retried(self, signal: str, reason: str, count: int = 1) -> None:
        """
        Count telemetry that is sent again.

        Args:
            signal: ``traces``, ``metrics`` or ``logs``.
            reason: Why, a closed set.
            count: Spans, data points or records; >= 0.
        """
        self._retried.add(count, self._known(catalogue.SIGNAL, signal), self._known(catalogue.RETRY_REASON, reason))

    def error(self, component: str) -> None:
        """Count an error inside the telemetry; never raises."""
        try:
            self.last_error_s[component] = time.monotonic()
            self._errors.add(1, component if component in catalogue.COMPONENT.values else OTHER)
        except Exception:  # noqa: BLE001 - the last line of defence has nobody left to tell
            return

    def safe_callback(self, callback: Callable[[], float]) -> SafeCallback:
        """Wrap an application's callback so that it can neither block nor break a collection."""
        return SafeCallback(
            callback, timeout_s=self.config.callback_timeout_s, on_error=functools.partial(self.error, "callback")
        )

    def keep_journal(self, on_change: Callable[[], object]) -> Journal:
        """
        Record changes in a journal from now on, for the worker that started this child process.

        Args:
            on_change: Called after each change; must not raise.
        """
        self._gauges.callbacks.clear()  # the worker reads the queue
        journal = Journal(self._state, on_change)
        self._state = cast("MetricsState", journal)
        return journal

    def take_counts(self) -> list[Totals]:
        """Return the counts since the last call."""
        return [totals.take() for totals in self._totals]

    def take_in(self, changes: Iterable[JournalEntry], counts: Iterable[Totals]) -> None:
        """Apply a child's changes and add its counts."""
        for name, args, kwargs in changes:
            outcome = getattr(self._state, name)(*args, **kwargs)
            if name in _TAKEN_IN:
                _TAKEN_IN[name](self, outcome)
            elif name == "change_session":
                self._note_session(outcome, args[0])
            else:
                self._note_tracked(outcome)
        for totals, of_child in zip(self._totals, counts, strict=True):
            for values, count in of_child:
                totals.add(count, *values)

    def _create_counters(self, meter: Meter) -> None:
        sessions = self.config.tracked_sessions
        self._outbound = ClosedCounter(meter, catalogue.MESSAGES_OUTBOUND, self._known, sessions)
        self._failed = FailureCounter(meter, catalogue.MESSAGES_OUTBOUND_FAILED, self._known, sessions)
        self._inbound = ClosedCounter(meter, catalogue.MESSAGES_INBOUND, self._known, sessions)
        self._delivered = ClosedCounter(meter, catalogue.MESSAGES_DELIVERED, self._known, sessions)
        self._consent = ClosedCounter(meter, catalogue.CONTACT_CONSENT, self._known)
        self._first_response = create_histogram(meter, catalogue.FIRST_RESPONSE_LATENCY)
        self._first_response_failed = create_counter(meter, catalogue.FIRST_RESPONSE_FAILED)
        self.provider = ProviderInstruments(meter, self.config, known=self._known, label=self._label)
        self._trigger_hits = create_counter(meter, catalogue.TRIGGER_HITS)
        self._flow_started = create_counter(meter, catalogue.FLOW_STARTED)
        self._flow_auto_steps = create_counter(meter, catalogue.FLOW_AUTO_STEPS)
        self._flow_step_entered = create_counter(meter, catalogue.FLOW_STEP_ENTERED)
        self._flow_step_completed = create_counter(meter, catalogue.FLOW_STEP_COMPLETED)
        self._disconnects = create_counter(meter, catalogue.WHATSAPP_SESSION_DISCONNECTS)
        self._recovery = create_histogram(meter, catalogue.WHATSAPP_SESSION_RECOVERY)
        self._dropped = ObservableTotals(meter, catalogue.TELEMETRY_DROPPED)
        self._retried = ObservableTotals(meter, catalogue.TELEMETRY_RETRIED)
        self._masked = ObservableTotals(meter, catalogue.TELEMETRY_MASKED)
        self._errors = ObservableTotals(meter, catalogue.TELEMETRY_ERRORS)
        self._totals = (self._dropped, self._retried, self._masked, self._errors)

    def _add_zeros(self) -> None:
        """Create every known attribute set at 0, so that Prometheus sees its first increase."""
        for counter in (self._outbound, self._failed, self._inbound, self._delivered, self._consent):
            counter.add_zero()
        self._first_response_failed.add(0)
        self.provider.add_zeros()
        for signal in catalogue.SIGNAL.values:
            for reason in catalogue.DROP_REASON.values:
                self._dropped.add(0, signal, reason)
            for reason in catalogue.RETRY_REASON.values:
                self._retried.add(0, signal, reason)
        for component in catalogue.COMPONENT.values:
            self._errors.add(0, component)

    def _known(self, attribute: AttributeSpec, value: str) -> str:
        if value in attribute.values:
            return value
        self.error("unknown_value")
        self._say_once(attribute.name, "unknown value", f"it is counted as {OTHER}")
        return OTHER

    def _names_elsewhere(self, contact_id: str) -> tuple[str, ...]:
        """Return the names of the contact in the process where its wait began."""
        carried, resumed = self._identifier(contact_id), resumed_wait()
        if resumed is not None and resumed[0] == carried:
            return resumed[1], carried
        return (carried,)

    def _step(self, flow_id: str, step_key: str) -> dict[str, str]:
        return {catalogue.FLOW_ID: self._label(flow_id), catalogue.STEP_KEY: self._label(step_key)}

    def _session(self, session: str | None) -> str:
        return MAIN if session is None else self._label(session)

    def _age_s(self, at: float | None) -> float:
        """Return how many seconds ago *at* was; 0 for a future time."""
        return 0.0 if at is None else max(0.0, self._clock() - at)

    def _is_repeat(self, event_id: str) -> bool:
        """Return whether the event was reported before."""
        return not self._repeats.add([event_id])[0]

    def name_of(self, value: str) -> str:
        """Return *value* in the form that may leave the process: a phone becomes a pseudonym or a mask."""
        return self._label(value)

    def are_new(self, event_ids: list[str]) -> list[bool]:
        """Remember all *event_ids* at once; return for each whether it is new."""
        return self._repeats.add(event_ids)

    def forget(self, event_id: str) -> None:
        """Treat *event_id* as new again."""
        self._repeats.forget(event_id)

    def session_state_of(self, session: str) -> str | None:
        """Return the last reported state of the session, or None."""
        return self._state.sessions.state_of(self._label(session))

    def _settle(self) -> None:
        self._record_first_responses(self._state.settle())

    def _record_first_responses(self, latencies: Iterable[float]) -> None:
        for latency_s in latencies:
            self._first_response.record(latency_s)

    def _change_session(
        self, session: str, state: str, *, at: float | None = None, lost_by: str | None = None
    ) -> str | None:
        """Return the session's name in the metrics, or None beyond the limit of sessions."""
        name, age_s = self._label(session), self._age_s(at)
        change = self._state.change_session(
            name, state, unix_time=self._clock() - age_s, age_s=age_s, is_loss=lost_by is not None
        )
        self._note_session(change, name)
        if change is None:
            return None
        if change.is_loss and lost_by is not None:
            self._disconnects.add(1, {catalogue.SESSION: name, catalogue.DISCONNECT_REASON.name: lost_by})
        return name

    def _add_disconnect_zeros(self, name: str) -> None:
        for reason in catalogue.DISCONNECT_REASON.values:
            self._disconnects.add(0, {catalogue.SESSION: name, catalogue.DISCONNECT_REASON.name: reason})

    def _note_session(self, change: Change | None, name: str) -> None:
        self._note_tracked(change is not None)
        if change is not None and change.new:
            self._add_disconnect_zeros(name)
        if change is not None and change.recovery_s is not None:
            self._recovery.record(change.recovery_s, {catalogue.SESSION: name})

    def _note_sent(self, outcome: tuple[bool, float | None]) -> None:
        tracked, latency_s = outcome
        if latency_s is not None:
            self._first_response.record(latency_s)
        self._note_tracked(tracked)

    def _note_accepted(self, tracked: object, latencies: Iterable[float]) -> None:
        self._note_tracked(tracked)
        self._record_first_responses(latencies)

    def _note_acknowledged(self, first_response_s: float | None) -> None:
        if first_response_s is not None:
            self._first_response.record(first_response_s)

    def _note_failed_later(self, *, was_answer: bool) -> None:
        if was_answer:
            self._first_response_failed.add(1)

    def _note_tracked(self, tracked: object) -> None:
        if tracked is False:
            self.dropped("metrics", "tracking_limit")

    def _fail(self, method: str, error: Exception) -> None:
        self.error("metrics")
        self._say_once(method, type(error).__name__, "the event was not recorded; call it as documented")

    def _say_once(self, subject: str, problem: str, remedy: str) -> None:
        if (subject, problem) not in self._said:
            self._said.add((subject, problem))
            _logger.warning("whatsself_otel metrics: %s: %s; %s.", subject, problem, remedy)

    def _restart(self) -> None:
        self._state = MetricsState(self.config, self._steady_clock)
        self.provider.forget()
        for totals in self._totals:
            totals.clear()
        self._add_zeros()


def _label(identifier: Callable[[str], str], value: str) -> str:
    return identifier(str(value))[:MAX_LABEL_LENGTH] or OTHER


def _delivered(message: str) -> str:
    """Return the id that marks a message as delivered in the window of repeats."""
    return f"d_{message}"


_STATES_AFTER: Final = {"logged_out": "logged_out", "banned": "banned"}
"""State of a session by the reason of its loss, if it is not ``disconnected``."""
_TAKEN_IN: Final[dict[str, Callable[[WhatsSelfMetrics, Any], None]]] = {
    "send": lambda metrics, outcome: metrics._note_sent(outcome),  # noqa: SLF001 - one unit
    "accept": lambda metrics, outcome: metrics._note_accepted(*outcome),  # noqa: SLF001
    "acknowledge": lambda metrics, outcome: metrics._note_acknowledged(outcome.first_response_s),  # noqa: SLF001
    "fail_later": lambda metrics, outcome: metrics._note_failed_later(was_answer=outcome.was_answer),  # noqa: SLF001
}
"""What a worker records for each change that its child reports."""
