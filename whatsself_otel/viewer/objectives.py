"""The service level objectives of ``backends/slo.yaml``, measured on the store's metrics."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from whatsself_otel.catalogue import (
    FIRST_RESPONSE_LATENCY,
    FIRST_RESPONSE_UNANSWERED,
    HTTP_SERVER_REQUEST_DURATION,
    MESSAGES_OUTBOUND,
    MESSAGES_OUTBOUND_FAILED,
    TELEMETRY_DROPPED,
    TELEMETRY_ERRORS,
    TELEMETRY_MASKED,
    WHATSAPP_SESSION_RECOVERY,
    MetricSpec,
)
from whatsself_otel.stack.files import shipped

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from whatsself_otel.viewer.series import MetricSource, Series

WINDOW_S: Final = 6 * 3600.0
"""How far back events are counted: a first look, not the whole period."""
_STATUS: Final = "http_response_status_code"
Events = tuple[float, float]
"""Bad ones, and all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """One objective, as its file has it."""

    name: str
    objective: float
    period: str
    min_events: int
    seconds: float | None = None


@lru_cache
def objectives() -> tuple[Objective, ...]:
    """Return the objectives of the shipped file."""
    import yaml

    found: Mapping[str, Any] = yaml.safe_load(shipped("backends/slo.yaml").read_text("utf-8"))["slos"]
    return tuple(
        Objective(
            name=name,
            objective=each["objective"],
            period=each["period"],
            min_events=each["min_events"],
            seconds=each.get("seconds"),
        )
        for name, each in found.items()
    )


def measured(source: MetricSource) -> list[dict[str, Any]]:
    """Return every objective with its events; the budget is left out where there are too few to judge."""
    return [_measured(source, each) for each in objectives()]


def _measured(source: MetricSource, objective: Objective) -> dict[str, Any]:
    bad, total = _EVENTS[objective.name](source, objective)
    row: dict[str, Any] = {
        "name": objective.name,
        "objective": objective.objective,
        "period": objective.period,
        "seconds": objective.seconds,
        "bad": bad,
        "total": total,
        "ratio": 1 - bad / total if total else None,
        "budget": None,
    }
    if total >= objective.min_events:
        row["budget"] = 1 - (bad / total) / (1 - objective.objective)
    return row


def _api(source: MetricSource, _objective: Objective) -> Events:
    found = _series(source, HTTP_SERVER_REQUEST_DURATION)
    failed = [series for series in found if series.labels.get(_STATUS, "").startswith("5")]
    return _increase(failed), _increase(found)


def _send(source: MetricSource, _objective: Objective) -> Events:
    return _increase(_series(source, MESSAGES_OUTBOUND_FAILED)), _increase(_series(source, MESSAGES_OUTBOUND))


def _first_response(source: MetricSource, objective: Objective) -> Events:
    # A wait past the deadline is counted when it passes; a late reply is in the histogram and must not count twice.
    late = _increase(_series(source, FIRST_RESPONSE_UNANSWERED))
    return late, late + _increase_within(source, FIRST_RESPONSE_LATENCY, objective)


def _recovery(source: MetricSource, objective: Objective) -> Events:
    total = _increase(_series(source, WHATSAPP_SESSION_RECOVERY))
    return total - _increase_within(source, WHATSAPP_SESSION_RECOVERY, objective), total


_EVENTS: Final[Mapping[str, Callable[[MetricSource, Objective], Events]]] = {
    "api-availability": _api,
    "first-response": _first_response,
    "send-success": _send,
    "session-recovery": _recovery,
}
"""How the events of each objective are counted; operations/slos.py says the same in rules for Prometheus."""


def counters(source: MetricSource) -> dict[str, list[dict[str, Any]]]:
    """Return the counters of masked values, dropped items and errors, summed over instances, largest first."""
    kinds = {"masked": TELEMETRY_MASKED, "dropped": TELEMETRY_DROPPED, "errors": TELEMETRY_ERRORS}
    return {kind: _counted(_series(source, spec)) for kind, spec in kinds.items()}


def _counted(found: list[Series]) -> list[dict[str, Any]]:
    sums: dict[tuple[tuple[str, str], ...], float] = {}
    for series in found:
        key = tuple(sorted(series.labels.items()))
        sums[key] = sums.get(key, 0.0) + series.points[-1].value
    return [
        {"labels": dict(key), "value": value} for key, value in sorted(sums.items(), key=lambda each: -each[1]) if value
    ]


def _series(source: MetricSource, spec: MetricSpec) -> list[Series]:
    return source.load(time.time() - min(WINDOW_S, source.kept_s), spec.prometheus_name)


def _increase(found: list[Series]) -> float:
    return sum(series.increase() for series in found)


def _increase_within(source: MetricSource, spec: MetricSpec, objective: Objective) -> float:
    return sum(series.increase_within(objective.seconds or 0) for series in _series(source, spec))
