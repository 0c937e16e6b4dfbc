"""Counters with closed sets of attribute values: each series exists at 0 from the start."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from whatsself_otel.catalogue import FAILURE_FAULT, FAILURE_STAGE, OTHER, SESSION, AttributeSpec, MetricSpec
from whatsself_otel.metrics.bound_instruments import BoundInstrument
from whatsself_otel.whatsapp.error_codes import FAULTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.metrics import Counter, Meter

    Known = Callable[[AttributeSpec, str], str]

MAIN: Final = "main"
"""The session of a message that names none."""


def create_counter(meter: Meter, spec: MetricSpec) -> Counter:
    """Create the counter of a catalogue entry."""
    return meter.create_counter(spec.name, spec.unit, spec.description.en)


class ClosedCounter:
    """
    A counter with one attribute of a closed set, and one for the session if its catalogue entry has it.

    Args:
        meter: Where it is created.
        spec: Its catalogue entry.
        known: Returns a value of the attribute's set for any other.
        most_sessions: Sessions told apart, `main` aside; more are counted as ``other``.
    """

    __slots__ = ("_attribute", "_counter", "_has_session", "_known", "_most", "_records", "_series", "_sessions")

    def __init__(self, meter: Meter, spec: MetricSpec, known: Known, most_sessions: int = 50) -> None:
        self._attribute = spec.attributes[0]
        self._has_session = any(attribute.name == SESSION for attribute in spec.attributes)
        self._counter = create_counter(meter, spec)
        self._known = known
        self._most = most_sessions
        self._series = self._make(MAIN)
        # What is called most often is looked up bound already.
        self._records = {key: series.record for key, series in self._series.items()}
        self._sessions: dict[str, dict[Any, BoundInstrument]] = {MAIN: self._series}

    def add(self, value: str) -> None:
        """Count one of *value*, of the session `main`."""
        record = self._records.get(value)
        if record is None:
            record = self._records[self._known(self._attribute, value)]
        record(1)

    def add_in(self, session: str, value: str) -> None:
        """Count one of *value*, of *session*."""
        found = self._of(session)
        (found.get(value) or found[self._known(self._attribute, value)]).record(1)

    def add_zero(self) -> None:
        """Create every known series at 0."""
        for found in self._sessions.values():
            for series in found.values():
                series.record(0)

    def _of(self, session: str) -> dict[Any, BoundInstrument]:
        found = self._sessions.get(session)
        if found is not None:
            return found
        if len(self._sessions) > self._most and session != OTHER:
            return self._of(OTHER)
        found = self._sessions[session] = self._make(session)
        for series in found.values():
            series.record(0)
        return found

    def _make(self, session: str) -> dict[Any, BoundInstrument]:
        return {
            value: BoundInstrument(self._counter, self._labels({self._attribute.name: value}, session))
            for value in self._attribute.values
        }

    def _labels(self, labels: dict[str, str | int], session: str) -> dict[str, str | int]:
        return {**labels, SESSION: session} if self._has_session else labels


class FailureCounter(ClosedCounter):
    """The counter of messages that failed: by reason, fault and stage."""

    __slots__ = ()

    def add_failure(self, reason: str, fault: str | None, stage: str, session: str) -> None:
        """Count one failure; *fault* is the reason's own unless it is given."""
        known = self._known(self._attribute, reason)
        fault = fault if fault in FAILURE_FAULT.values else FAULTS[known]
        stage = stage if stage in FAILURE_STAGE.values else FAILURE_STAGE.values[0]
        found = self._of(session)
        key = known, fault, stage
        series = found.get(key)
        if series is None:
            series = found[key] = self._one(known, fault, stage, session)
        series.record(1)

    def _make(self, session: str) -> dict[Any, BoundInstrument]:
        return {
            (reason, FAULTS[reason], stage): self._one(reason, FAULTS[reason], stage, session)
            for reason in self._attribute.values
            for stage in FAILURE_STAGE.values
        }

    def _one(self, reason: str, fault: str, stage: str, session: str) -> BoundInstrument:
        labels: dict[str, str | int] = {
            self._attribute.name: reason,
            FAILURE_FAULT.name: fault,
            FAILURE_STAGE.name: stage,
        }
        return BoundInstrument(self._counter, self._labels(labels, session))
