"""A clock that stands still and metrics that can be read, for tests of the demo's parts."""

from __future__ import annotations

from dataclasses import dataclass, field

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from whatsself_otel import WhatsSelfMetrics


@dataclass
class Clock:
    """A clock that stands still until it is moved."""

    now_s: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now_s


@dataclass
class Instruments:
    """The metrics of one worker process."""

    reader: InMemoryMetricReader = field(default_factory=InMemoryMetricReader)

    def __post_init__(self) -> None:
        self.metrics = WhatsSelfMetrics(MeterProvider([self.reader]).get_meter("demo"))

    def count(self, name: str) -> float:
        """Return the sum of every series of *name*; of a histogram, how often it was recorded."""
        data = self.reader.get_metrics_data()
        return sum(
            float(getattr(point, "count", 0) or getattr(point, "value", 0))
            for resource in (data.resource_metrics if data else ())
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == name
            for point in metric.data.data_points
        )
