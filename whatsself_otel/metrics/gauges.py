"""Gauges that read the metrics' state at the moment of an export."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from opentelemetry.metrics import CallbackOptions, Meter, Observation

from whatsself_otel import catalogue
from whatsself_otel.catalogue import BREAKER_CONTACT, BREAKER_STATE, OVERFLOW, SESSION, SESSION_STATE, MetricSpec
from whatsself_otel.metrics.state import DAY_S, MINUTE_S, MetricsConfig, MetricsState
from whatsself_otel.metrics.tracking import BREAKER_VALUES, CONNECTED, Session

if TYPE_CHECKING:
    from whatsself_otel.metrics.safe_callbacks import SafeCallback

Reading = Callable[[], Iterable[Observation]]


class Gauges:
    """
    Registers one observable instrument for each gauge of the domain.

    Args:
        state: Returns the state of this process; a fork replaces it.
        config: Caps and windows.
        label: Turns an id into the form that may leave the process.
        on_error: Called when a reading fails; must not raise.
        on_export: Called before each export: it records what time alone has decided.
        is_open: Tells whether the business is open; None: it has no hours.
    """

    def __init__(
        self,
        *,
        state: Callable[[], MetricsState],
        config: MetricsConfig,
        label: Callable[[str], str],
        on_error: Callable[[], None],
        on_export: Callable[[], None],
        is_open: Callable[[], bool] | None = None,
    ) -> None:
        self._is_open = is_open
        self._on_export = on_export
        self._state = state
        self._config = config
        self._label = label
        self._on_error = on_error
        self.callbacks: dict[tuple[str, str | None], SafeCallback] = {}
        """The callbacks that read the queues, by metric and session. None stands for a queue shared by all sessions."""

    def register(self, meter: Meter) -> None:
        """Create the instruments on *meter*, once."""
        for spec, reading in self._readings().items():
            meter.create_observable_gauge(spec.name, [self._safe(reading)], spec.unit, spec.description.en)
        unanswered = catalogue.FIRST_RESPONSE_UNANSWERED
        meter.create_observable_counter(
            unanswered.name, [self._safe(self._unanswered)], unanswered.unit, unanswered.description.en
        )

    def _readings(self) -> dict[MetricSpec, Reading]:
        return {
            catalogue.DELIVERY_SUCCESS_RATIO: self._success_ratio,
            catalogue.BUSINESS_OPEN: self._business_open,
            catalogue.RATE_GLOBAL: self._rate_global,
            catalogue.RATE_PER_CONTACT: self._rate_per_contact,
            catalogue.CONTACT_INBOUND_MAX: self._inbound_max,
            catalogue.CB_FAIL_RATE: self._fail_rate,
            catalogue.CB_STATE_GLOBAL: self._breaker,
            catalogue.CB_STATE_CONTACT: self._contact_breakers,
            catalogue.CB_CONTACTS: self._breaker_counts,
            catalogue.WHATSAPP_SESSION_STATE: self._session_states,
            catalogue.WHATSAPP_SESSION_CONNECTED: lambda: self._sessions(lambda it: int(it.state == CONNECTED)),
            catalogue.WHATSAPP_SESSION_DOWN_SINCE: lambda: self._sessions(lambda it: it.down_since),
            catalogue.WHATSAPP_QR_ISSUED: lambda: self._sessions(lambda it: it.qr_issued),
            catalogue.QUEUE_DEPTH: functools.partial(self._observed, catalogue.QUEUE_DEPTH),
            catalogue.QUEUE_OLDEST_AGE: functools.partial(self._observed, catalogue.QUEUE_OLDEST_AGE),
        }

    def _safe(self, reading: Reading) -> Callable[[CallbackOptions], Iterable[Observation]]:
        def read(_: CallbackOptions) -> Iterable[Observation]:
            try:
                return list(reading())
            except Exception:  # noqa: BLE001 - one failed gauge must not stop the export of the others
                self._on_error()
                return ()

        return read

    def _unanswered(self) -> Iterable[Observation]:
        self._on_export()
        return [Observation(self._state().count_unanswered())]

    def _success_ratio(self) -> Iterable[Observation]:
        failed = self._state().failure_ratio(DAY_S)
        return [] if failed is None else [Observation(1 - failed)]

    def _fail_rate(self) -> Iterable[Observation]:
        return [Observation(self._state().failure_ratio(self._config.breaker_window_s) or 0.0)]

    def _business_open(self) -> Iterable[Observation]:
        return [] if self._is_open is None else [Observation(int(self._is_open()))]

    def _rate_global(self) -> Iterable[Observation]:
        return [Observation(self._state().count_attempts(MINUTE_S))]

    def _rate_per_contact(self) -> Iterable[Observation]:
        state = self._state()
        with state.lock:
            return [Observation(state.outbound_by_contact.highest(state.now_s()))]

    def _inbound_max(self) -> Iterable[Observation]:
        state = self._state()
        with state.lock:
            return [Observation(state.inbound_by_contact.highest(state.now_s()))]

    def _breaker(self) -> Iterable[Observation]:
        return [Observation(self._state().breakers.global_value)]

    def _breaker_counts(self) -> Iterable[Observation]:
        state = self._state()
        with state.lock:
            return [
                Observation(state.breakers.count(BREAKER_VALUES[name]), {BREAKER_STATE.name: name})
                for name in BREAKER_STATE.values
            ]

    def _contact_breakers(self) -> Iterable[Observation]:
        state = self._state()
        with state.lock:
            contacts = state.breakers.contacts()
        shown, rest = contacts[: self._config.breaker_contacts_shown], contacts[self._config.breaker_contacts_shown :]
        for contact_id, value in shown:
            yield Observation(value, {BREAKER_CONTACT.name: self._label(contact_id)})
        if rest:
            yield Observation(max(value for _, value in rest), {OVERFLOW: True})

    def _session_states(self) -> Iterable[Observation]:
        state = self._state()
        with state.lock:
            return [
                Observation(value, {SESSION: name, SESSION_STATE.name: word})
                for name, session in state.sessions.items()
                for word, value in session.state_set()
            ]

    def _sessions(self, read: Callable[[Session], float]) -> Iterable[Observation]:
        state = self._state()
        with state.lock:
            return [Observation(read(session), {SESSION: name}) for name, session in state.sessions.items()]

    def _observed(self, spec: MetricSpec) -> Iterable[Observation]:
        for (name, session), callback in list(self.callbacks.items()):
            value = callback.read() if name == spec.name else None
            if value is not None:
                yield Observation(value, {} if session is None else {SESSION: session})
