"""Prometheus behind the viewer's page: its series as the page draws them."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode
from zlib import crc32

from whatsself_otel.catalogue import METRICS, Kind
from whatsself_otel.stack.store_http import get_json
from whatsself_otel.viewer.series import Point, Series

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_KEPT_S: Final = 14 * 86_400.0
_POINTS: Final = 70
"""Points of each series; a page draws no more."""
_EXEMPLARS_S: Final = 21_600.0
_LEAST_STEP_S: Final = 5.0
_EXACT_STEP_S: Final = 30.0
"""Of one metric alone, whose growth is summed up."""
_PARTS: Final = ("_bucket", "_sum", "_count")
_NOT_SHOWN: Final = frozenset({"__name__", "job", "instance", "le"})
_SPECS: Final = {spec.prometheus_name: spec for spec in METRICS}
Key = tuple[str, tuple[tuple[str, str], ...], str]


@dataclass(frozen=True, slots=True)
class PrometheusMetrics:
    """The catalogue's metrics in Prometheus."""

    url: str
    kept_s: float = _KEPT_S

    def load(self, since_s: float, name: str | None = None) -> list[Series]:
        """Return every series with its points; see `MetricSource`."""
        names = [name] if name else sorted(_SPECS)
        now_s = time.time()
        since_s = max(since_s, now_s - self.kept_s)
        step_s = max(_LEAST_STEP_S, (now_s - since_s) / _POINTS)
        step_s = min(step_s, _EXACT_STEP_S) if name else step_s
        asked = {"query": _matcher(names), "start": since_s, "end": now_s, "step": f"{step_s:.3f}"}
        answer = get_json("prometheus", f"{self.url}/api/v1/query_range?{urlencode(asked)}")
        rows = answer.get("data", {}).get("result") or ()
        return [_series(key, parts) for key, parts in _grouped(rows).items()]

    def exemplars(self) -> dict[int, list[str]]:
        """Return the traces that each series leads to; see `MetricSource`."""
        now_s, found = time.time(), defaultdict[int, list[tuple[float, str]]](list)
        asked = {"query": _matcher(sorted(_SPECS)), "start": now_s - _EXEMPLARS_S, "end": now_s}
        answer = get_json("prometheus", f"{self.url}/api/v1/query_exemplars?{urlencode(asked)}")
        for row in answer.get("data") or ():
            key, _ = _key(row["seriesLabels"])
            found[_number(key)] += [
                (each["timestamp"], each["labels"]["trace_id"])
                for each in row["exemplars"]
                if "trace_id" in each["labels"]
            ]
        return {number: [trace_id for _, trace_id in sorted(each, reverse=True)] for number, each in found.items()}

    def firing(self) -> list[dict[str, Any]]:
        """Return the alerts that fire; see `MetricSource`."""
        answer = get_json("prometheus", f"{self.url}/api/v1/alerts")
        return [
            {
                "name": alert["labels"].get("alertname", ""),
                "severity": alert["labels"].get("severity", ""),
                "session": alert["labels"].get("session", ""),
                "since_s": datetime.fromisoformat(alert["activeAt"]).timestamp(),
            }
            for alert in answer.get("data", {}).get("alerts") or ()
            if alert.get("state") == "firing"
        ]


def _matcher(names: list[str]) -> str:
    return f'{{__name__=~"({"|".join(names)})({"|".join(_PARTS)})?"}}'


def _grouped(rows: Iterable[dict[str, Any]]) -> Mapping[Key, dict[tuple[str, str], list[Any]]]:
    """Put the parts of each histogram together: by name, labels and instance; then by part and bound."""
    found: dict[Key, dict[tuple[str, str], list[Any]]] = defaultdict(dict)
    for row in rows:
        key, part = _key(row["metric"])
        found[key][part, row["metric"].get("le", "")] = row["values"]
    return found


def _key(labels: Mapping[str, str]) -> tuple[Key, str]:
    """Return the key of a series, and its part of a histogram."""
    whole = labels["__name__"]
    part = "" if whole in _SPECS else next((each for each in _PARTS if whole.endswith(each)), "")
    shown = tuple(sorted((key, value) for key, value in labels.items() if key not in _NOT_SHOWN))
    return (whole.removesuffix(part), shown, labels.get("instance", "")), part


def _number(key: Key) -> int:
    """Return the same number for the same series in every answer."""
    return crc32(repr(key).encode())


def _series(key: Key, parts: Mapping[tuple[str, str], list[Any]]) -> Series:
    name, labels, _instance = key
    spec = _SPECS.get(name)
    kind = spec.kind if spec else Kind.GAUGE
    series = Series(id=_number(key), name=name, kind=kind, unit=spec.unit if spec else "", labels=dict(labels))
    if kind is not Kind.HISTOGRAM:
        series.points = [Point(at_s, float(value), None, None) for at_s, value in parts.get(("", ""), ())]
        return series
    sums = {at_s: float(value) for at_s, value in parts.get(("_sum", ""), ())}
    bounds = sorted((float(bound), dict(values)) for (part, bound), values in parts.items() if part == "_bucket")
    for at_s, count in parts.get(("_count", ""), ()):
        reached = [float(values.get(at_s, 0)) for _, values in bounds]
        counts = [later - earlier for earlier, later in zip([0.0, *reached], reached, strict=False)]
        finite = [bound for bound, _ in bounds if bound != float("inf")]
        series.points.append(Point(at_s, float(count), sums.get(at_s), json.dumps([finite, counts])))
    return series
