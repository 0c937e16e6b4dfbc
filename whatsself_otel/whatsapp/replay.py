"""Explain stored webhooks: the metrics that they would record, and the facts that have no place."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from whatsself_otel.catalogue import METRICS
from whatsself_otel.masking.masker import Masker
from whatsself_otel.metrics.recording import WhatsSelfMetrics
from whatsself_otel.whatsapp.detect import detect_provider
from whatsself_otel.whatsapp.events import DeliveryStatus, Event, WebhookUnknown
from whatsself_otel.whatsapp.observe import WhatsApp

if TYPE_CHECKING:
    from collections.abc import Iterator

_PROMETHEUS: Final = {spec.name: spec.prometheus_name for spec in METRICS}
_FIELD: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,39}")
_DETAILS: Final = (
    *("content", "status", "state", "reason", "fault", "rating", "per_day", "action", "outcome", "author", "chat"),
    *("category", "billable", "error_type"),
)
_MAX_PATHS: Final = 200
_MAX_DEPTH: Final = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """
    The effect of one payload.

    Args:
        provider: Whose it is; None if nobody's.
        events: Kind and details of each, without anything personal.
        recorded: Series that moved, with how far; as Prometheus names them.
        unplaced: Where facts stand in the payload that nothing has read.
    """

    provider: str | None
    events: tuple[dict[str, Any], ...]
    recorded: dict[str, float]
    unplaced: tuple[str, ...]


class Replay:
    """
    Plays webhooks one after the other, on separate instruments.

    Args:
        masker: What hides whatever may be personal.
        received_at_s: Unix time at which webhooks without a time of their own came; default: now.
    """

    def __init__(self, masker: Masker | None = None, *, received_at_s: float | None = None) -> None:
        self._masker = masker or Masker()
        self._received_at_s = received_at_s
        self._now_s = 0.0
        self._reader = InMemoryMetricReader()
        self._provider = MeterProvider([self._reader], shutdown_on_exit=False)
        metrics = WhatsSelfMetrics(self._provider.get_meter("replay"), clock=self._clock)
        self._whatsapp = WhatsApp(metrics, clock=self._clock)
        self._before = self._read()

    def explain(self, payload: object, provider: str | None = None) -> Explanation:
        """
        Play one webhook.

        Args:
            payload: Its JSON, parsed.
            provider: Whose it is; default: as its shape tells.
        """
        found = provider or detect_provider(payload)
        if found is None or not isinstance(payload, dict):
            return Explanation(provider=None, events=(), recorded={}, unplaced=())
        read: set[str] = set()
        events = self._whatsapp.parse(_Watched(payload, "", read), found)
        told_at = max((event.at or 0.0 for event in events), default=0.0)
        self._now_s = max(self._now_s, told_at or self._received_at_s or time.time())
        told = self._whatsapp.observe(payload, provider=found)
        after = self._read()
        moved = {name: after[name] - self._before.get(name, 0.0) for name in after}
        self._before = after
        return Explanation(
            provider=found,
            events=tuple(self._describe(event) for event in told),
            recorded={name: step for name, step in sorted(moved.items()) if step},
            unplaced=tuple(
                sorted({self._shown(path) for path in _leaves(payload, "") if path not in read})[:_MAX_PATHS]
            ),
        )

    def close(self) -> None:
        """End the instruments."""
        self._provider.shutdown()

    def _clock(self) -> float:
        return self._now_s

    def _describe(self, event: Event) -> dict[str, Any]:
        details = {name: value for name in _DETAILS if (value := getattr(event, name, None)) is not None}
        flags = {"history": not event.is_live, "repeat": event.is_repeat}
        return {
            "event": event.kind,
            "webhook": event.name,
            **details,
            **{name: True for name, holds in flags.items() if holds},
        }

    def _shown(self, path: str) -> str:
        parts = (part if _FIELD.fullmatch(part) or part in {"[]", ""} else "(name)" for part in path.split("/"))
        return self._masker.text(".".join(part for part in parts if part))

    def _read(self) -> dict[str, float]:
        data = self._reader.get_metrics_data()
        found: dict[str, float] = {}
        for resource in data.resource_metrics if data is not None else ():
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    for point in metric.data.data_points:
                        found[_series(metric.name, point)] = float(getattr(point, "count", getattr(point, "value", 0)))
        return found


def _series(name: str, point: Any) -> str:
    labels = ",".join(f'{key}="{value}"' for key, value in sorted((point.attributes or {}).items()))
    whole = _PROMETHEUS.get(name, name) + ("_count" if hasattr(point, "count") else "")
    return f"{whole}{{{labels}}}" if labels else whole


def is_unknown(event: dict[str, Any]) -> bool:
    """Return whether an event of an `Explanation` is unknown to every adapter."""
    code = event.get("error_type")
    is_other = event["event"] == DeliveryStatus.kind and event.get("reason") == "other" and code is not None
    return event["event"] == WebhookUnknown.kind or is_other


class _Watched(dict[str, Any]):
    """A JSON object that notes which of its leaves are read."""

    def __init__(self, content: dict[str, Any], path: str, read: set[str]) -> None:
        super().__init__(content)
        self._path = path
        self._read = read

    def __getitem__(self, key: str) -> Any:
        return self._watched(key, super().__getitem__(key))

    def get(self, key: str, default: Any = None) -> Any:
        return self._watched(key, super().get(key, default))

    def items(self) -> Any:
        return [(key, self[key]) for key in self]

    def _watched(self, key: str, value: Any) -> Any:
        path = f"{self._path}/{key}"
        self._read.add(path)
        return _watch(value, path, self._read)


def _watch(value: Any, path: str, read: set[str]) -> Any:
    if isinstance(value, dict):
        return _Watched(value, path, read)
    if isinstance(value, list):
        read.add(f"{path}/[]")
        return [_watch(item, f"{path}/[]", read) for item in value]
    return value


def _leaves(value: Any, path: str, depth: int = 0) -> Iterator[str]:
    """Yield the path of each value that holds no others."""
    if depth < _MAX_DEPTH and isinstance(value, dict) and value:
        for key, item in value.items():
            yield from _leaves(item, f"{path}/{key}", depth + 1)
    elif depth < _MAX_DEPTH and isinstance(value, list) and value:
        for item in value:
            yield from _leaves(item, f"{path}/[]", depth + 1)
    else:
        yield path
