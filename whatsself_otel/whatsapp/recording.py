"""Turn events into metrics: each fact once, at the provider's time, live traffic only."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from whatsself_otel.whatsapp.events import (
    DEFAULT_SESSION,
    AccountRestricted,
    CallEvent,
    ConsentChanged,
    ContactIdentityChanged,
    DeliveryStatus,
    Event,
    LimitChanged,
    MessageAccepted,
    MessageReceived,
    MessageRejected,
    PairingCodeIssued,
    ProviderNotice,
    QrIssued,
    QualityChanged,
    SessionChanged,
    SessionRetired,
    TemplateStatusChanged,
    WebhookUnknown,
)
from whatsself_otel.whatsapp.references import accepted_id

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from whatsself_otel.metrics.recording import WhatsSelfMetrics

_MAX_ACCOUNTS: Final = 50
_FRESH_S: Final = 300.0
"""Age in seconds up to which an event proves that its session works."""
_CONVERSATIONS: Final = frozenset({"person", "group", None})
"""Chats with addressed recipients; a story or a channel has readers."""


class Recorder:
    """
    Records events on the instruments.

    Args:
        metrics: The instruments.
        sessions: What a session is called in metrics, by the provider's name of it.
        clock: Unix time in seconds.
    """

    def __init__(self, metrics: WhatsSelfMetrics, *, sessions: Mapping[str, str], clock: Callable[[], float]) -> None:
        self._metrics = metrics
        self._sessions = sessions
        self._clock = clock
        self._by_account: OrderedDict[str, set[str]] = OrderedDict()
        self._told_at: dict[str, float] = {}
        """The latest report's time for each session: an older report that comes later changes nothing."""

    def record(self, events: Sequence[Event], *, envelope: str | None, origin: str, expects_reply: bool) -> list[Event]:
        """
        Record *events* of one webhook and return them, repeats marked.

        Args:
            events: In their order.
            envelope: Names the webhook, for events without an id of their own; None if nothing does.
            origin: Of messages that the application has sent.
            expects_reply: Whether a message from a person begins a wait.
        """
        named = [self._named(event, index, envelope) for index, event in enumerate(events)]
        new = self._are_new(named)
        told = []
        for event, (is_fact, is_delivery) in zip(named, new, strict=True):
            self._metrics.provider.count_event(event.provider, event.name)
            if not is_delivery:
                self._metrics.provider.count_duplicate(event.provider)
            told.append(event if is_fact else replace(event, is_repeat=True))
            if is_fact:
                self._record(event, origin, expects_reply=expects_reply)
        return told

    def record_states(self, events: Sequence[Event]) -> None:
        """Record states from a gateway's API: no webhook came, so none is counted."""
        for event in events:
            named = self._named(event, 0, None)
            _RECORDED.get(type(named), _nothing)(self, named)

    def record_sent(self, event: Event, *, origin: str, contact_id: str | None) -> Event:
        """Record the answer to a sent message, and return its event."""
        named = self._named(event, 0, None)
        if named.event_id is not None and not self._metrics.are_new([named.event_id])[0]:
            return replace(named, is_repeat=True)
        self._record_outbound(named, origin, contact_id or named.contact_ref)
        return named

    def _named(self, event: Event, index: int, envelope: str | None) -> Event:
        changes: dict[str, Any] = {}
        if event.account is not None:
            changes["account"] = self._metrics.name_of(event.account)
        if event.session is not None:
            changes["session"] = self._sessions.get(event.session) or self._metrics.name_of(event.session)
            self._learn(changes.get("account"), changes["session"])
        if event.event_id is None and envelope is not None and not isinstance(event, ProviderNotice):
            changes["event_id"] = f"{envelope}.{index}"
        return replace(event, **changes) if changes else event

    def _are_new(self, events: Sequence[Event]) -> list[tuple[bool, bool]]:
        """Return for each event whether its fact is new, and whether its delivery is new."""
        ids = [(event.event_id, f"{event.event_id}.{event.name}") for event in events if _is_told_once(event)]
        flat = [each for pair in ids for each in pair if each is not None]
        answers = iter(self._metrics.are_new(flat) if flat else ())
        return [(next(answers), next(answers)) if _is_told_once(event) else (True, True) for event in events]

    def _record(self, event: Event, origin: str, *, expects_reply: bool) -> None:
        if not event.is_live:
            return
        if event.at is not None and not isinstance(event, WebhookUnknown):
            self._metrics.provider.record_lag(event.provider, max(0.0, self._clock() - event.at))
        self._note_life(event)
        if isinstance(event, MessageReceived):
            self._record_inbound(event, expects_reply=expects_reply)
        elif isinstance(event, MessageAccepted | MessageRejected):
            self._record_outbound(event, "manual" if event.author == "phone" else origin, event.contact_ref)
        elif isinstance(event, DeliveryStatus):
            self._record_status(event, origin)
        else:
            _RECORDED.get(type(event), _nothing)(self, event)

    def _record_inbound(self, event: MessageReceived, *, expects_reply: bool) -> None:
        if event.chat in _CONVERSATIONS:
            self._metrics.message_inbound(
                kind=event.content,
                contact_id=event.contact_ref,
                expects_reply=expects_reply and event.chat != "group",
                session=self._session(event),
                at=event.at,
            )

    def _record_outbound(self, event: Event, origin: str, contact: str | None) -> None:
        if event.chat not in _CONVERSATIONS:
            return
        contact = None if event.chat == "group" else contact  # a message to a group answers nobody in it
        if isinstance(event, MessageRejected):
            self._metrics.message_failed(
                reason=event.reason,
                fault=event.fault,
                origin=origin,
                contact_id=contact,
                session=self._session(event),
                at=event.at,
            )
            return
        self._metrics.note_accepted(
            origin=origin,
            contact_id=contact,
            session=self._session(event),
            message_id=event.message_ref,
            at=event.at,
        )

    def _record_status(self, event: DeliveryStatus, origin: str) -> None:
        session, message = self._session(event), event.message_ref
        self._count_unseen(event, session, origin)
        if event.status == "failed":
            self._metrics.message_failed(
                reason=event.reason or "other",
                fault=event.fault,
                stage="delivery",
                session=session,
                message_id=message,
                at=event.at,
            )
        elif event.status != "deleted":
            status = "sent" if event.status == "played" else event.status  # who plays a message has read it before
            self._metrics.message_delivered(status=status, session=session, message_id=message, at=event.at)
        if event.billable and message is not None and self._metrics.are_new([f"b_{message}"])[0]:
            self._metrics.provider.count_billable(event.category or "other")

    def _count_unseen(self, event: DeliveryStatus, session: str, origin: str) -> None:
        """Count the acceptance of a message that no earlier event reported."""
        accepted = accepted_id(event.message_ref)
        if accepted is None or not self._metrics.config.sends_from_statuses or event.status == "deleted":
            return
        if self._metrics.are_new([accepted])[0]:
            self._metrics.note_accepted(
                origin=origin,
                contact_id=None if event.status == "failed" or event.chat == "group" else event.contact_ref,
                session=session,
                message_id=event.message_ref if event.status == "sent" else None,
                at=event.at,
            )

    def _record_session(self, event: SessionChanged) -> None:
        for session in self._sessions_of(event):
            self._change_session(session, event.state, event.reason, event.at)

    def _change_session(self, session: str, state: str, reason: str | None, at: float | None) -> None:
        if at is not None:
            if at < self._told_at.get(session, 0.0):
                return
            self._told_at[session] = at
        present = self._metrics.session_state_of(session)
        # A code to scan, or a restart at the end of a login, is a loss only to a session that was connected.
        is_loss = present == "connected" or (present is None and state not in {"qr_pending", "starting"})
        # Processes that share the window of events share the loss too: each hears of some attempts to reconnect only.
        loss = f"l_{session}"
        if state == "connected":
            self._metrics.forget(loss)
        if reason is not None and is_loss and self._metrics.are_new([loss])[0]:
            self._metrics.session_disconnected(session=session, reason=reason, state=state, at=at)
        else:
            self._metrics.session_state(session=session, state=state, at=at)

    def _record_account(self, event: AccountRestricted) -> None:
        for session in self._sessions_of(event):
            if event.state in {"restricted", "banned"}:
                self._metrics.session_disconnected(session=session, reason="banned", state=event.state, at=event.at)
            elif event.state == "connected":
                self._give_back(session, event.at)

    def _give_back(self, session: str, at: float | None) -> None:
        if self._metrics.session_state_of(session) in {"restricted", "banned", None}:
            self._metrics.session_state(session=session, state="connected", at=at)

    def _record_qr(self, event: Event) -> None:
        self._metrics.qr_issued(session=self._session(event), at=event.at)

    def _retire(self, event: Event) -> None:
        self._metrics.session_retired(session=self._session(event))

    def _record_rating(self, event: QualityChanged) -> None:
        for session in self._sessions_of(event) if event.template is None else ():
            self._metrics.provider.set_rating(session, event.rating)

    def _record_limit(self, event: LimitChanged) -> None:
        for session in self._sessions_of(event):
            self._metrics.provider.set_limit(session, event.per_day)

    def _record_template(self, event: TemplateStatusChanged) -> None:
        self._metrics.provider.set_template(event.template, event.state)

    def _record_consent(self, event: ConsentChanged) -> None:
        self._metrics.consent(action=event.action)

    def _record_call(self, event: CallEvent) -> None:
        self._metrics.provider.count_call(event.direction or "inbound", event.outcome)

    def _rename(self, event: ContactIdentityChanged) -> None:
        if event.contact_ref and event.new_contact_ref:
            self._metrics.contact_renamed(old=event.contact_ref, new=event.new_contact_ref)

    def _note_life(self, event: Event) -> None:
        """Take a message or acknowledgement as proof that its session is connected, if no state was reported."""
        if event.session is None or not isinstance(event, MessageReceived | MessageAccepted | DeliveryStatus):
            return
        is_fresh = event.at is None or self._clock() - event.at < _FRESH_S
        if is_fresh and self._metrics.session_state_of(event.session) is None:
            self._metrics.session_state(session=event.session, state="connected", at=event.at)

    def _session(self, event: Event) -> str:
        return event.session or self._sessions.get(event.account or "") or DEFAULT_SESSION

    def _sessions_of(self, event: Event) -> list[str]:
        """Return the sessions of *event*: all of its account if it names none."""
        if event.session is not None:
            return [event.session]
        account = event.account or ""
        return sorted(self._by_account.get(account, ())) or [self._sessions.get(account) or account or DEFAULT_SESSION]

    def _learn(self, account: str | None, session: str) -> None:
        if account is None:
            return
        found = self._by_account.setdefault(account, set())
        if len(found) < _MAX_ACCOUNTS:
            found.add(session)
        if len(self._by_account) > _MAX_ACCOUNTS:
            self._by_account.popitem(last=False)


def _is_told_once(event: Event) -> bool:
    return event.event_id is not None and event.is_live


def _nothing(_recorder: Recorder, _event: Any) -> None:
    """Record nothing: the webhook's count is enough."""


_RECORDED: Final[dict[type[Event], Callable[[Recorder, Any], None]]] = {
    SessionChanged: Recorder._record_session,  # noqa: SLF001 - one unit
    SessionRetired: Recorder._retire,  # noqa: SLF001
    QrIssued: Recorder._record_qr,  # noqa: SLF001
    PairingCodeIssued: Recorder._record_qr,  # noqa: SLF001
    AccountRestricted: Recorder._record_account,  # noqa: SLF001
    QualityChanged: Recorder._record_rating,  # noqa: SLF001
    LimitChanged: Recorder._record_limit,  # noqa: SLF001
    TemplateStatusChanged: Recorder._record_template,  # noqa: SLF001
    ConsentChanged: Recorder._record_consent,  # noqa: SLF001
    CallEvent: Recorder._record_call,  # noqa: SLF001
    ContactIdentityChanged: Recorder._rename,  # noqa: SLF001
}
"""The recording of each kind of event, besides messages and their statuses."""
