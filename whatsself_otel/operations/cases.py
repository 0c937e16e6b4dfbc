"""The form of a rule's test, and the notation of its series."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

FIRING: Final = "firing"
HEALTHY: Final = "healthy"
BOUNDARY: Final = "boundary"
ABSENT: Final = "absent"
ENVIRONMENT: Final = "environment"
VALUE: Final = "value"
KINDS: Final = (FIRING, HEALTHY, BOUNDARY, ABSENT, ENVIRONMENT)

STEP_S: Final = 15
"""Seconds between two samples: the interval at which applications export."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Input series, and the expected outcome of a rule."""

    rule: str
    """Name of the rule, with the labels that tell it apart: ``WhatsSelfSloBurn{slo=send-success,long=2h}``."""
    kind: str
    title: str
    series: Mapping[str, str]
    """Values by series, in promtool's notation."""
    at: Mapping[float, int] = field(default_factory=dict)
    """Alerts that fire, by minute."""
    values: Mapping[tuple[str, float], float] = field(default_factory=dict)
    """The value of an expression, by expression and minute, to a hundredth."""
    step_s: int = STEP_S
    every_s: int = 0
    """Seconds between two evaluations, where that is not the step."""
    matchers: str = ""
    """Further matchers of the alerts that are counted."""


def flat(*segments: tuple[float, float | None], step_s: int = STEP_S) -> str:
    """Return a gauge: minutes and value of each segment, None for no samples."""
    parts = []
    for minutes, value in segments:
        count = round(minutes * 60 / step_s)
        parts.append(f"_x{count}" if value is None else f"{value:g}+0x{count - 1}")
    return " ".join(parts)


def ramp(*segments: tuple[float, float], step_s: int = STEP_S, start: float = 0) -> str:
    """Return a counter: minutes and events a minute of each segment."""
    parts, value = [], start
    for minutes, per_minute in segments:
        count = round(minutes * 60 / step_s)
        added = per_minute * step_s / 60
        parts.append(f"{value:.10g}{added:+.10g}x{count - 1}")
        # The last sample of a segment and the first of the next are one step apart.
        value += added * count
    return " ".join(parts)


def service(minutes: float = 200, *, job: str = "whatsself", step_s: int = STEP_S) -> dict[str, str]:
    """Return the heartbeat of one worker."""
    return {f'process_uptime_seconds{{job="{job}",instance="a"}}': flat((minutes, 1), step_s=step_s)}


def while_closed(rule: str, series: Mapping[str, str], *, closes: float, opens: float, step_s: int = STEP_S) -> Case:
    """
    Return the case of a warning whose cause ends while the business is closed: it ends when that opens.

    Args:
        rule: The warning.
        series: Its cause, over in the first half of the time between *closes* and *opens*.
        closes: Minute at which the business closes; the warning was told before.
        opens: Minute at which it opens again.
        step_s: Seconds between two samples (default: 15).
    """
    hours = flat((closes, 1), (opens - closes, 0), (opens - closes, 1), step_s=step_s)
    # Another service keeps other hours.
    other = flat((2 * opens - closes, 0), step_s=step_s)
    return Case(
        rule=rule,
        kind=HEALTHY,
        title="over while the business is closed: told when it opens",
        series={**series, named("business_open"): hours, 'business_open{job="other",instance="b"}': other},
        at={opens - (opens - closes) / 6: 1, opens + (opens - closes) * 3 / 4: 0},
        step_s=step_s,
    )


def named(metric: str, labels: str = "", *, instance: str = "a") -> str:
    """Return a series of the service."""
    return f'{metric}{{job="whatsself",instance="{instance}"{labels and "," + labels}}}'
