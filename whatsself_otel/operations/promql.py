"""Expressions that several rules share."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from whatsself_otel.catalogue import PROCESS_UPTIME, MetricSpec

if TYPE_CHECKING:
    from whatsself_otel.operations.model import Source

ENVIRONMENT: Final = "deployment_environment_name"
SERVICE: Final = f"{ENVIRONMENT}, job, service_namespace, service_name"
"""Labels that identify one service: no aggregation may mix production with staging."""
SESSION: Final = f"{SERVICE}, session"
MACHINE: Final = f"{ENVIRONMENT}, job"
"""The same for collectors and backends, whose target may carry the label of the environment."""

UP: Final = "whatsself:up"
WORKERS: Final = "whatsself:workers:count"
DOWN: Final = "whatsself:down"
COLLECTOR_UP: Final = "whatsself:collector_up"
SINCE: Final = "whatsself:seen_since:timestamp_seconds"
LAST_OPEN: Final = "whatsself:business_open:timestamp_seconds"
"""When the business was open last."""
LAST: Final = "whatsself:last_seen:timestamp_seconds"
REPORTED: Final = "whatsself:session_reported:timestamp_seconds"
"""Time of a process's last report of a session. A retired session has none."""
EXPECTED_SESSION: Final = "whatsself:session:expected"
EXPECTED_WORKERS: Final = "whatsself:workers:expected"
USUAL_WORKERS: Final = "whatsself:workers:usual"
INBOUND_MAX: Final = "whatsself:contact_inbound_max:5m"
ANSWERED: Final = 'http_response_status_code!=""'
"""Selects requests with an answer: one that was cancelled, or whose client went first, says nothing of the service."""


def series(source: Source, spec: MetricSpec, more: str = "", *, suffix: str = "") -> str:
    """Return the selector of a metric of the service."""
    return f"{spec.prometheus_name}{suffix}{{{source.job}{more and ', ' + more}}}"


def increase(
    source: Source, spec: MetricSpec, window: str, more: str = "", *, suffix: str = "", by: str = SERVICE
) -> str:
    """Return the increase of a counter over all workers."""
    return f"sum by ({by}) (increase({series(source, spec, more, suffix=suffix)}[{window}]))"


def highest(source: Source, spec: MetricSpec, more: str = "", *, over: str = "", by: str = SERVICE) -> str:
    """Return the highest value of a gauge over all workers and, if asked, over the last while."""
    read = series(source, spec, more)
    return f"max by ({by}) ({f'max_over_time({read}[{over}])' if over else read})"


def or_zero(expr: str, source: Source) -> str:
    """Return *expr*, 0 where the service lives but has no such series: there absence means trouble."""
    return f"({expr} or 0 * count by ({SERVICE}) ({series(source, PROCESS_UPTIME)}))"


def ratio(bad: str, total: str) -> str:
    """Return bad / total: nothing without events, 0 without a bad one."""
    return f"(({bad} or 0 * {total}) / ({total} > 0))"


def counted(name: str, window: str, by: str = ENVIRONMENT) -> str:
    """Return the increase of a counter, including its first value: the collector creates it with its first event."""
    born = f'label_replace({name} unless {name} offset {window}, "born", "yes", "", "")'
    return f"sum by ({by}) (increase({name}[{window}]) or {born})"


def bound(seconds: float) -> str:
    """Return the matcher of a histogram's bound: OTLP writes le="120", a scrape le="120.0"."""
    return f'le=~"{seconds}(\\\\.0)?"'


def or_gone(selector: str) -> str:
    """Return *selector*, 0 for a target of the last day that is none any more: it is as silent as one that is down."""
    return f"({selector} or 0 * max_over_time({selector}[1d:15m]))"


def carried_on(name: str) -> str:
    """Return the last value of a record that carries itself on, though rules were not evaluated for ten minutes."""
    return f"last_over_time({name}[10m])"


_MINUTES: Final = {"m": 1, "h": 60, "d": 1440}


def minutes(duration: str) -> int:
    """Return a Prometheus duration of one unit in minutes."""
    number, unit = re.fullmatch(r"(\d+)([mhd])", duration).groups()  # type: ignore[union-attr]
    return int(number) * _MINUTES[unit]
