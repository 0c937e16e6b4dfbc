"""Expressions that several rules share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from whatsself_otel.catalogue import PROCESS_UPTIME, MetricSpec

if TYPE_CHECKING:
    from operations.model import Source

UP = "whatsself:up"
WORKERS = "whatsself:workers:count"
INBOUND_MAX = "whatsself:contact_inbound_max:5m"
ANSWERED = 'http_response_status_code!=""'
"""Selects requests with an answer: one that was cancelled, or whose client went first, says nothing of the service."""


def series(source: Source, spec: MetricSpec, more: str = "", *, suffix: str = "") -> str:
    """Return the selector of a metric of the service."""
    return f"{spec.prometheus_name}{suffix}{{{source.job}{more and ', ' + more}}}"


def increase(source: Source, spec: MetricSpec, window: str, more: str = "", *, suffix: str = "") -> str:
    """Return the increase of a counter over all workers."""
    return f"sum by (job) (increase({series(source, spec, more, suffix=suffix)}[{window}]))"


def or_zero(expr: str, source: Source) -> str:
    """Return *expr*, 0 where the service lives but has no such series: there absence means trouble."""
    return f"({expr} or 0 * count by (job) ({series(source, PROCESS_UPTIME)}))"


def ratio(bad: str, total: str) -> str:
    """Return bad / total: nothing without events, 0 without a bad one."""
    return f"(({bad} or 0 * {total}) / ({total} > 0))"


def counted(name: str, window: str, how: str = "sum") -> str:
    """Return what a counter rose by, its birth with a value included: the collector makes it with its first event."""
    return (
        f"({how}(increase({name}[{window}])) or vector(0)) + ({how}({name} unless {name} offset {window}) or vector(0))"
    )
