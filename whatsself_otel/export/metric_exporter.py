"""The one exporter of metrics: mask, add zero points, encode, post and count."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

from opentelemetry import context as otel_context
from opentelemetry.sdk.metrics import Counter, Histogram, ObservableCounter
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    ConsoleMetricExporter,
    MetricExporter,
    MetricExportResult,
    MetricsData,
    ResourceMetrics,
    ScopeMetrics,
)
from opentelemetry.sdk.metrics.view import Aggregation, ExponentialBucketHistogramAggregation

from whatsself_otel.context import EXPORTING
from whatsself_otel.export.batch_queue import ExportCounts
from whatsself_otel.export.encoding import Encoder
from whatsself_otel.export.limits import MAX_REQUEST_BYTES
from whatsself_otel.export.otlp import ExportResult, PatientClient, drop_reason, may_have_arrived
from whatsself_otel.metrics.metric_masking import Losses, MetricMasker, count_points
from whatsself_otel.metrics.zero_points import ZeroPoints

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from whatsself_otel.export.otlp import Client

Preferences: TypeAlias = tuple[dict[type, AggregationTemporality], dict[type, Aggregation]]
"""The temporality and aggregation that a sender prefers, by class of instrument."""

_DELTA: Final[Mapping[str, tuple[type, ...]]] = {
    "cumulative": (),
    "delta": (Counter, Histogram, ObservableCounter),
    "lowmemory": (Counter, Histogram),
}


class MetricSender(Protocol):
    """Sends masked metrics."""

    preferences: Preferences

    def encode(self, data: MetricsData, losses: Losses) -> Any:
        """Return *data* encoded; points that cannot be encoded are left out and added to *losses*."""

    def post(self, encoded: Any, on_retry: Callable[[str], object]) -> ExportResult:
        """Send the result of `encode` and return the outcome; call *on_retry* with the reason of a second try."""

    def close(self) -> None:
        """Close the connections."""


class OtlpMetricSender:
    """
    Sends metrics by OTLP.

    Args:
        client: Posts the bytes.
        preferences: What it asks of its reader.
        patience_s: Seconds after which no second try begins.
    """

    def __init__(self, client: Client, preferences: Preferences = ({}, {}), patience_s: float = math.inf) -> None:
        patient = PatientClient(client, patience_s)  # the next interval's cumulative values make more tries needless
        self.preferences = preferences
        self.post = patient.post
        self.close = patient.close
        self._encoder = Encoder()

    def encode(self, data: MetricsData, losses: Losses) -> bytes:
        """Return the request that carries *data*."""
        return self._encoder.metrics(data, losses)


class ConsoleMetricSender:
    """Shows metrics on the console."""

    preferences: Preferences = ({}, {})

    def __init__(self) -> None:
        self._exporter = ConsoleMetricExporter()

    def encode(self, data: MetricsData, losses: Losses) -> MetricsData:
        """Return *data* itself: the console shows the SDK's objects."""
        del losses
        return data

    def post(self, encoded: MetricsData, on_retry: Callable[[str], object]) -> ExportResult:
        """Show *encoded*."""
        del on_retry
        self._exporter.export(encoded)
        return ExportResult()

    def close(self) -> None:
        """End the exporter."""
        self._exporter.shutdown()


class GuardedMetricExporter(MetricExporter):
    """
    Exports the collections of a reader. One bad point costs only itself, and every loss is counted.

    Args:
        sender: Encodes and posts.
        masker: What hides personal data.
        on_dropped: Called with the reason and the number of data points or exemplars lost.
        on_retried: Called with the reason and the number of data points that are sent again.
    """

    def __init__(
        self,
        sender: MetricSender,
        masker: MetricMasker,
        on_dropped: Callable[[str, int], None] = lambda _reason, _count: None,
        on_retried: Callable[[str, int], None] = lambda _reason, _count: None,
    ) -> None:
        super().__init__(*sender.preferences)
        self.preferences = sender.preferences
        self.counts = ExportCounts()
        self.has_delivered = True
        """Whether the last export arrived."""
        self.is_silent: Callable[[], bool] = lambda: False
        """Returns whether another process exports this one's metrics."""
        self._sender = sender
        self._masker = masker
        self._zero_points = ZeroPoints()
        self._may_have_arrived = False
        self._on_dropped = on_dropped
        self._on_retried = on_retried

    def export(self, metrics_data: MetricsData, timeout_millis: float = 10_000, **_: Any) -> MetricExportResult:
        """Export *metrics_data*; never raises."""
        del timeout_millis
        if self.is_silent():
            return MetricExportResult.SUCCESS
        token = otel_context.attach(otel_context.set_value(EXPORTING, True))
        losses = Losses()
        self._may_have_arrived = False
        try:
            result, points = self._export(metrics_data, losses)
        except Exception as error:  # noqa: BLE001 - the SDK would log it, and nobody would count what is lost
            points = count_points(metrics_data)
            losses = Losses(points=points)
            result = ExportResult(error=f"not encodable: {type(error).__name__}")
        self._zero_points.settle(may_have_arrived=self._may_have_arrived)
        self._count(result, points, losses)
        otel_context.detach(token)
        return MetricExportResult.SUCCESS if self.has_delivered else MetricExportResult.FAILURE

    def _export(self, data: MetricsData, losses: Losses) -> tuple[ExportResult, int]:
        """Return the result for *data*, and its number of points."""
        masked = self._masker.mask(data, losses)
        complete = self._zero_points.add(masked)
        points = count_points(complete) + losses.points
        return self._send(complete, losses), points

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        """Return whether the last export arrived; this exporter holds nothing back."""
        del timeout_millis
        return self.has_delivered

    def shutdown(self, timeout_millis: float = 30_000, **_: Any) -> None:
        """Close the connections."""
        del timeout_millis
        self._sender.close()

    def _send(self, data: MetricsData, losses: Losses) -> ExportResult:
        """Encode and post *data*, in halves if it is too large."""
        encoded = self._sender.encode(data, losses)
        if not encoded:
            return ExportResult(error=f"not encodable: {losses.last}")
        is_long = isinstance(encoded, bytes) and len(encoded) > MAX_REQUEST_BYTES
        if is_long and (halves := _halves(data)):
            return self._send_each(halves)
        result = self._sender.post(encoded, lambda reason: self._count_retried(reason, count_points(data)))
        self._may_have_arrived = self._may_have_arrived or may_have_arrived(result)
        if result.too_large and (halves := _halves(data)):
            return self._send_each(halves)
        return result

    def _send_each(self, halves: list[MetricsData]) -> ExportResult:
        # What is left out of them is counted already.
        return _together([(self._send(half, Losses()), count_points(half)) for half in halves])

    def _count(self, result: ExportResult, points: int, losses: Losses) -> None:
        sent = points - losses.points - losses.too_large
        refused = min(result.rejected, sent) if result.accepted else sent
        self.has_delivered = result.accepted
        self.counts.exported += sent - refused
        self.counts.last_error = result.error
        if result.accepted:
            self.counts.last_success_s = time.time()
        if refused:
            self.counts.last_error = result.error or f"{refused} points were rejected"
            self._drop(drop_reason(result), refused)
        if left_out := losses.points + losses.exemplars:
            self.counts.last_error = result.error or f"not encodable: {losses.last}"
            self._drop("not_encodable", left_out)
        if losses.too_large:
            self.counts.last_error = result.error or f"{losses.too_large} points were too large"
            self._drop("too_large", losses.too_large)

    def _count_retried(self, reason: str, count: int) -> None:
        self.counts.retried += 1
        self._on_retried(reason, count)

    def _drop(self, reason: str, count: int) -> None:
        self.counts.dropped += count
        self._on_dropped(reason, count)


def _halves(data: MetricsData) -> list[MetricsData]:
    """Return *data* in two parts with equally many metrics; nothing if there is only one metric."""
    metrics = list(_single_metrics(data))
    middle = len(metrics) // 2
    return [MetricsData(metrics[:middle]), MetricsData(metrics[middle:])] if middle else []


def _single_metrics(data: MetricsData) -> Iterator[ResourceMetrics]:
    for resource in data.resource_metrics:
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                alone = ScopeMetrics(scope.scope, [metric], scope.schema_url)
                yield ResourceMetrics(resource.resource, [alone], resource.schema_url)


def _together(parts: list[tuple[ExportResult, int]]) -> ExportResult:
    """Return one result for all parts, each with its number of points. Points of a lost part count as rejected."""
    if not any(result.accepted for result, _ in parts):
        return parts[-1][0]
    lost = sum(result.rejected if result.accepted else points for result, points in parts)
    return ExportResult(rejected=lost)


def build_preferences(temporality: str, histograms: str) -> Preferences:
    """
    Return the preferences of a sender.

    Args:
        temporality: cumulative, delta or lowmemory.
        histograms: explicit_bucket_histogram or base2_exponential_bucket_histogram.

    Source: https://opentelemetry.io/docs/specs/otel/metrics/sdk_exporters/otlp/
    """
    is_exponential = histograms == "base2_exponential_bucket_histogram"
    return (
        dict.fromkeys(_DELTA[temporality], AggregationTemporality.DELTA),
        {Histogram: ExponentialBucketHistogramAggregation()} if is_exponential else {},
    )
