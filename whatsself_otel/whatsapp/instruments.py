"""Instruments that only providers' webhooks move: templates, quality, limits, webhooks, calls, billing."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

from opentelemetry.metrics import Observation

from whatsself_otel import catalogue
from whatsself_otel.catalogue import OTHER, OVERFLOW, SESSION, AttributeSpec, MetricSpec
from whatsself_otel.metrics.closed_counters import ClosedCounter, create_counter
from whatsself_otel.whatsapp.detect import NAMES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from opentelemetry.metrics import CallbackOptions, Histogram, Meter

    from whatsself_otel.metrics.state import MetricsConfig

MAX_UNKNOWN_NAMES: Final = 20
"""Unknown event names that get series of their own."""


class ProviderInstruments:
    """
    Metrics of providers' reports other than messages and sessions.

    Args:
        meter: Where the instruments are created, once.
        config: Caps.
        known: Returns a value of a closed set for any other.
        label: Turns a name into the form that may leave the process.
    """

    def __init__(
        self,
        meter: Meter,
        config: MetricsConfig,
        *,
        known: Callable[[AttributeSpec, str], str],
        label: Callable[[str], str],
    ) -> None:
        self._known = known
        self._label = label
        self._most_templates = config.tracked_templates
        self._most_sessions = config.tracked_sessions
        self._lock = threading.RLock()
        self.forget()
        self._billable = ClosedCounter(meter, catalogue.MESSAGES_BILLABLE, known)
        self._duplicates = ClosedCounter(meter, catalogue.WEBHOOK_DUPLICATES, known)
        self._events = create_counter(meter, catalogue.WEBHOOK_EVENTS)
        self._rejected = create_counter(meter, catalogue.WEBHOOK_REJECTED)
        self._calls = create_counter(meter, catalogue.CALLS)
        self._lag = _histogram(meter, catalogue.WEBHOOK_LAG)
        self._delivery = _histogram(meter, catalogue.MESSAGE_DELIVERY_LATENCY)
        for spec, read in (
            (catalogue.WHATSAPP_TEMPLATE_STATE, self._read_templates),
            (catalogue.WHATSAPP_QUALITY_RATING, self._read_ratings),
            (catalogue.WHATSAPP_MESSAGING_LIMIT, self._read_limits),
        ):
            meter.create_observable_gauge(spec.name, [read], spec.unit, spec.description.en)

    def forget(self) -> None:
        """Reset in a forked child. The lock is replaced, because the parent may never release the old one."""
        self._lock = threading.RLock()
        self._templates: dict[str, str] = {}
        self._ratings: dict[str, str] = {}
        self._limits: dict[str, float] = {}
        self._unknown: set[str] = set()

    def add_zeros(self) -> None:
        """Create the series with known attributes at 0."""
        self._billable.add_zero()
        self._duplicates.add_zero()
        for reason in catalogue.WEBHOOK_REJECTION.values:
            for provider in catalogue.PROVIDER.values:
                self._rejected.add(0, {catalogue.PROVIDER.name: provider, catalogue.WEBHOOK_REJECTION.name: reason})
        for direction in catalogue.CALL_DIRECTION.values[:-1]:
            for outcome in catalogue.CALL_OUTCOME.values:
                self._calls.add(0, {catalogue.CALL_DIRECTION.name: direction, catalogue.CALL_OUTCOME.name: outcome})

    def record_delivery(self, status: str, seconds: float) -> None:
        """Record the time from a message's acceptance to its acknowledgement."""
        self._delivery.record(seconds, {catalogue.DELIVERY_STATUS.name: self._known(catalogue.DELIVERY_STATUS, status)})

    def count_billable(self, category: str) -> None:
        """Count a message that the provider bills."""
        self._billable.add(category)

    def count_event(self, provider: str, name: str) -> None:
        """Count an event that came by webhook."""
        labels = {catalogue.PROVIDER.name: self._known(catalogue.PROVIDER, provider)}
        self._events.add(1, {**labels, catalogue.WEBHOOK_EVENT.name: self._event_name(provider, name)})

    def count_duplicate(self, provider: str) -> None:
        """Count an event that the provider reported again."""
        self._duplicates.add(provider)

    def count_rejected(self, provider: str | None, reason: str) -> None:
        """Count a webhook that was not read."""
        labels = {
            catalogue.PROVIDER.name: OTHER if provider is None else self._known(catalogue.PROVIDER, provider),
            catalogue.WEBHOOK_REJECTION.name: self._known(catalogue.WEBHOOK_REJECTION, reason),
        }
        self._rejected.add(1, labels)

    def record_lag(self, provider: str, seconds: float) -> None:
        """Record the delay between an event and its report."""
        self._lag.record(seconds, {catalogue.PROVIDER.name: self._known(catalogue.PROVIDER, provider)})

    def count_call(self, direction: str, outcome: str) -> None:
        """Count the outcome of a call."""
        labels = {
            catalogue.CALL_DIRECTION.name: self._known(catalogue.CALL_DIRECTION, direction),
            catalogue.CALL_OUTCOME.name: self._known(catalogue.CALL_OUTCOME, outcome),
        }
        self._calls.add(1, labels)

    def set_template(self, template: str, state: str) -> None:
        """Note the state of a template; without room, a deleted one is forgotten."""
        with self._lock:
            self._templates[self._label(template)] = self._known(catalogue.TEMPLATE_STATE, state)
            if len(self._templates) > 10 * self._most_templates + 100:
                self._templates.pop(next(iter(self._templates)))

    def set_rating(self, session: str, rating: str) -> None:
        """Note WhatsApp's rating of the number."""
        self._set(self._ratings, session, self._known(catalogue.QUALITY_RATING, rating))

    def set_limit(self, session: str, per_day: float) -> None:
        """Note the daily limit of contacts that the business may write to first."""
        self._set(self._limits, session, per_day)

    def retire_session(self, name: str) -> None:
        """Forget the session with that label."""
        with self._lock:
            self._ratings.pop(name, None)
            self._limits.pop(name, None)

    def _set(self, values: dict[str, str] | dict[str, float], session: str, value: str | float) -> None:
        name = self._label(session)
        with self._lock:
            if name in values or len(values) < self._most_sessions:
                values[name] = value  # type: ignore[assignment]  # each caller brings the kind of its own

    def _event_name(self, provider: str, name: str) -> str:
        if name in NAMES.get(provider, ()) or name in self._unknown:
            return name
        if len(self._unknown) >= MAX_UNKNOWN_NAMES:
            return OTHER
        self._unknown.add(name)
        return name

    def _read_templates(self, _: CallbackOptions) -> Iterable[Observation]:
        with self._lock:
            found = list(self._templates.items())
        shown, rest = found[: self._most_templates], found[self._most_templates :]
        yield from _state_set(catalogue.TEMPLATE.name, catalogue.TEMPLATE_STATE, shown)
        for state in catalogue.TEMPLATE_STATE.values if rest else ():
            count = sum(1 for _, other in rest if other == state)
            yield Observation(count, {OVERFLOW: True, catalogue.TEMPLATE_STATE.name: state})

    def _read_ratings(self, _: CallbackOptions) -> Iterable[Observation]:
        with self._lock:
            found = list(self._ratings.items())
        yield from _state_set(SESSION, catalogue.QUALITY_RATING, found)

    def _read_limits(self, _: CallbackOptions) -> Iterable[Observation]:
        with self._lock:
            return [Observation(per_day, {SESSION: name}) for name, per_day in self._limits.items()]


def _state_set(name: str, attribute: AttributeSpec, found: Iterable[tuple[str, str]]) -> Iterable[Observation]:
    for each, present in found:
        for value in attribute.values:
            yield Observation(int(value == present), {name: each, attribute.name: value})


def _histogram(meter: Meter, spec: MetricSpec) -> Histogram:
    return meter.create_histogram(
        spec.name, spec.unit, spec.description.en, explicit_bucket_boundaries_advisory=spec.buckets
    )
