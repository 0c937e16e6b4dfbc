"""The overview of a small business: are we up, is the queue moving, why do messages fail?"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any, Final

from whatsself_otel.catalogue import (
    FIRST_RESPONSE_LATENCY,
    MESSAGES_INBOUND,
    MESSAGES_OUTBOUND,
    MESSAGES_OUTBOUND_FAILED,
    QUEUE_DEPTH,
    QUEUE_OLDEST_AGE,
    WHATSAPP_SESSION_STATE,
)
from whatsself_otel.viewer import objectives
from whatsself_otel.viewer.query import LogQuery, TraceQuery
from whatsself_otel.viewer.query import Span as Window
from whatsself_otel.viewer.rows import ERROR_SEVERITY
from whatsself_otel.viewer.series import quantile

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from whatsself_otel.viewer.series import MetricSource, Series
    from whatsself_otel.viewer.source import Source

WINDOW_S: Final = 3_600.0
_STALE_S: Final = 300.0
_GROUPED: Final = 500
"""Messages and lines, the newest, that are put into groups."""
_GROUPS: Final = 8
_CHANGING: Final = re.compile(r"[0-9a-f]*\d[0-9a-f*+.-]*", re.IGNORECASE)
_SEARCHED: Final = re.compile(r"[^#]{4,80}")


def overview(source: Source, now_s: float | None = None) -> dict[str, Any]:
    """
    Return the state of sessions, queue, sending and answering over the last hour, and the failures.

    Args:
        source: Where to look.
        now_s: Unix time; the present one when None.
    """
    now_s = time.time() if now_s is None else now_s
    metrics, window = source.metrics, Window(from_s=now_s - WINDOW_S)
    since_s = now_s - WINDOW_S
    sent = _grown(metrics.load(since_s, MESSAGES_OUTBOUND.prometheus_name))
    failed = _grown(metrics.load(since_s, MESSAGES_OUTBOUND_FAILED.prometheus_name))
    waits = metrics.load(since_s, FIRST_RESPONSE_LATENCY.prometheus_name)
    return {
        "window_s": WINDOW_S,
        "sessions": _sessions(metrics.load(now_s - _STALE_S, WHATSAPP_SESSION_STATE.prometheus_name)),
        "queue": _last(metrics.load(now_s - _STALE_S, QUEUE_DEPTH.prometheus_name)),
        "oldest_s": _last(metrics.load(now_s - _STALE_S, QUEUE_OLDEST_AGE.prometheus_name)),
        "inbound": _grown(metrics.load(since_s, MESSAGES_INBOUND.prometheus_name)),
        "sent": sent,
        "failed": failed,
        "failure_rate": failed / sent if sent else None,
        "first_response_p95_s": quantile(waits, 0.95),
        "objectives": objectives.measured(metrics),
        "firing": _firing(metrics),
        "traffic": source.traffic(TraceQuery(span=window)),
        "groups": groups(source, Window(from_s=now_s - 24 * WINDOW_S)),
    }


def groups(source: Source, window: Window) -> dict[str, list[dict[str, Any]]]:
    """Return the failures: messages grouped by reason, and error lines grouped by their common text."""
    failed = source.traces(TraceQuery(columns={"outcome": "failed"}, span=window, limit=_GROUPED)).rows
    lines = source.logs(LogQuery(severity=ERROR_SEVERITY, span=window, limit=_GROUPED)).rows
    return {
        "reasons": _grouped((each["reason"], each["start_s"]) for each in failed),
        "lines": [
            {**each, "search": _search(each["name"])}
            for each in _grouped((_CHANGING.sub("#", line["text"])[:160], line["time_s"]) for line in lines)
        ],
    }


def _grouped(events: Iterable[tuple[str, float]]) -> list[dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for name, at_s in events:
        group = found.setdefault(name, {"name": name, "count": 0, "first_s": at_s, "last_s": at_s})
        group["count"] += 1
        group["first_s"], group["last_s"] = min(group["first_s"], at_s), max(group["last_s"], at_s)
    return sorted(found.values(), key=lambda group: (-group["count"], -group["last_s"]))[:_GROUPS]


def _search(name: str) -> str:
    """Return the longest part that all lines of a group have."""
    return max(_SEARCHED.findall(name), key=len, default="").strip()


def _sessions(found: Iterable[Series]) -> list[dict[str, str]]:
    states: dict[str, str] = {}
    for series in found:
        if series.points[-1].value == 1:
            states[series.labels.get("session", "")] = series.labels.get("state", "")
    return [{"session": session, "state": state} for session, state in sorted(states.items())]


def _last(found: Sequence[Series]) -> float | None:
    # Every instance tells of the same queue.
    return max((series.points[-1].value for series in found), default=None)


def _grown(found: Iterable[Series]) -> float:
    return sum(series.increase() for series in found)


def _firing(metrics: MetricSource) -> list[dict[str, Any]] | None:
    alerts = metrics.firing()
    if alerts is None:
        return None
    return sorted(alerts, key=lambda alert: (alert["severity"] != "critical", alert["since_s"]))
