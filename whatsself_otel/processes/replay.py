"""
The measurements of a child as plain values, and their replay on the instruments of its worker.

Both use the SDK's public names only. A reader collects the new measurements, and the worker records them again. So the
worker's limits, zero points, exemplars and readers apply to them.
"""

from __future__ import annotations

import itertools
import math
from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.metrics import (
    Counter,
    Histogram,
    ObservableCounter,
    ObservableGauge,
    ObservableUpDownCounter,
    UpDownCounter,
)
from opentelemetry.sdk.metrics.export import AggregationTemporality, HistogramDataPoint, InMemoryMetricReader, Sum
from opentelemetry.sdk.metrics.export import Gauge as GaugeData
from opentelemetry.sdk.metrics.export import Histogram as HistogramData
from opentelemetry.sdk.metrics.view import DropAggregation, ExplicitBucketHistogramAggregation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from opentelemetry.metrics import Meter, MeterProvider
    from opentelemetry.sdk.metrics import Exemplar
    from opentelemetry.sdk.metrics.export import Metric, MetricsData, NumberDataPoint

Measurement: TypeAlias = tuple[float, tuple[int, int] | None]
"""A value, and its exemplar's trace id and span id."""
_SPECIFIED_BOUNDS: Final = (0, 5, 10, 25, 50, 75, 100, 250, 500, 750, 1000, 2500, 5000, 7500, 10000)
"""Boundaries of a histogram that was created without any."""
_OBSERVED: Final = (ObservableCounter, ObservableGauge, ObservableUpDownCounter)
_COUNTED: Final = (Counter, Histogram, UpDownCounter)


@dataclass(frozen=True, slots=True)
class Recording:
    """
    One instrument's measurements on one series.

    Args:
        scope: Name, version, schema URL and attributes of its meter.
        kind: ``counter``, ``up_down_counter``, ``gauge`` or ``histogram``.
        instrument: Name, unit and description; of a histogram its boundaries too.
        attributes: Of the series.
        measurements: Each with the number of times that it counts.
    """

    scope: tuple[str, str | None, str | None, dict[str, Any] | None]
    kind: str
    instrument: tuple[Any, ...]
    attributes: dict[str, Any]
    measurements: tuple[tuple[Measurement, int], ...]


class RecordingReader(InMemoryMetricReader):
    """Collects new measurements of synchronous instruments. Observable ones are left out: they stay the child's."""

    def __init__(self) -> None:
        super().__init__(
            dict.fromkeys(_COUNTED, AggregationTemporality.DELTA),
            {**dict.fromkeys(_OBSERVED, DropAggregation()), Histogram: ExplicitBucketHistogramAggregation()},
        )
        self._gauges: dict[Any, Recording] = {}

    def take(self) -> list[Recording]:
        """Return the measurements since the last call."""
        data = self.get_metrics_data()
        found = () if data is None else _recordings(data)
        return [recording for recording in found if recording.measurements and self._is_new(recording)]

    def _is_new(self, recording: Recording) -> bool:
        """Return whether *recording* is new: the SDK repeats a gauge's last value at each collection."""
        if recording.kind != "gauge":
            return True
        series = recording.instrument, tuple(recording.attributes.items())
        is_new = self._gauges.get(series) != recording
        self._gauges[series] = recording
        return is_new


class Recorder:
    """
    Records children's measurements again, on instruments of *provider*.

    Args:
        provider: The worker's meter provider.
    """

    def __init__(self, provider: MeterProvider) -> None:
        self._provider = provider
        self._writes: dict[Any, Callable[..., None]] = {}

    def record(self, recordings: Iterable[Recording]) -> None:
        """Record each of *recordings* on the series of the same name and attributes."""
        for recording in recordings:
            write = self._write(recording)
            for (value, ids), count in recording.measurements:
                context = _context(ids)
                for _ in range(count):
                    write(value, recording.attributes, context)

    def _write(self, recording: Recording) -> Callable[..., None]:
        name, version, schema_url, attributes = recording.scope
        key = name, version, recording.kind, recording.instrument
        write = self._writes.get(key)
        if write is None:
            meter = self._provider.get_meter(name, version, schema_url, attributes)
            write = self._writes[key] = _WRITES[recording.kind](meter, *recording.instrument)
        return write


_WRITES: Final = {
    "counter": lambda meter, *names: meter.create_counter(*names).add,
    "up_down_counter": lambda meter, *names: meter.create_up_down_counter(*names).add,
    "gauge": lambda meter, *names: meter.create_gauge(*names).set,
    "histogram": lambda meter, *names: _histogram(meter, *names).record,
}


def _histogram(meter: Meter, name: str, unit: str, description: str, bounds: Sequence[float]) -> Any:
    advisory = None if bounds == _SPECIFIED_BOUNDS else bounds
    return meter.create_histogram(name, unit, description, explicit_bucket_boundaries_advisory=advisory)


def _recordings(data: MetricsData) -> Iterator[Recording]:
    for resource in data.resource_metrics:
        for of_scope in resource.scope_metrics:
            scope = of_scope.scope
            names = scope.name, scope.version, scope.schema_url, _plain(scope.attributes) or None
            for metric in of_scope.metrics:
                for point in metric.data.data_points:
                    yield _recording(names, metric, point)


def _recording(scope: tuple[Any, ...], metric: Metric, point: Any) -> Recording:
    instrument: tuple[Any, ...] = metric.name, metric.unit, metric.description
    if isinstance(metric.data, HistogramData):
        kind, measurements = "histogram", _of_histogram(point)
        instrument = (*instrument, tuple(point.explicit_bounds))
    elif isinstance(metric.data, GaugeData):
        kind, measurements = "gauge", iter((((point.value, None), 1),))
    else:
        kind = "counter" if isinstance(metric.data, Sum) and metric.data.is_monotonic else "up_down_counter"
        measurements = _of_sum(point)
    return Recording(scope, kind, instrument, _plain(point.attributes), tuple(measurements))


def _of_sum(point: NumberDataPoint) -> Iterator[tuple[Measurement, int]]:
    rest = point.value
    for exemplar in point.exemplars:
        rest -= exemplar.value
        yield (exemplar.value, _ids(exemplar)), 1
    if rest:
        yield (rest, None), 1


def _of_histogram(point: HistogramDataPoint) -> Iterator[tuple[Measurement, int]]:
    """Record each bucket's count and the total sum again, with values at equal relative places in their buckets."""
    counts, rest = list(point.bucket_counts), point.sum
    for exemplar in point.exemplars:
        counts[bisect_left(point.explicit_bounds, exemplar.value)] -= 1
        rest -= exemplar.value
        yield (exemplar.value, _ids(exemplar)), 1
    edges = _edges(point)
    least = sum(count * low for count, (low, _) in zip(counts, edges, strict=True))
    most = sum(count * high for count, (_, high) in zip(counts, edges, strict=True))
    share = min(max((rest - least) / (most - least), 0.0), 1.0) if most > least else 0.0
    for index, (count, (low, high)) in enumerate(zip(counts, edges, strict=True)):
        if count > 0:
            value = low + share * (high - low)
            if index and value <= point.explicit_bounds[index - 1]:  # a boundary belongs to the bucket below it
                value = math.nextafter(point.explicit_bounds[index - 1], math.inf)
            yield (value, None), count


def _edges(point: HistogramDataPoint) -> list[tuple[float, float]]:
    """Return the bounds of each bucket's values, as far as minimum and maximum tell."""
    bounds = [-math.inf, *point.explicit_bounds, math.inf]
    return [(max(low, point.min), min(high, point.max)) for low, high in itertools.pairwise(bounds)]


def _ids(exemplar: Exemplar) -> tuple[int, int] | None:
    return (exemplar.trace_id, exemplar.span_id) if exemplar.trace_id and exemplar.span_id else None


def _context(ids: tuple[int, int] | None) -> Context:
    if ids is None:
        return Context()
    span = trace.SpanContext(*ids, is_remote=True, trace_flags=trace.TraceFlags(trace.TraceFlags.SAMPLED))
    return trace.set_span_in_context(trace.NonRecordingSpan(span), Context())


def _plain(attributes: Mapping[str, Any] | None) -> dict[str, Any]:
    return dict(attributes or {})
