"""Exporters of metrics: posted by our own client, counted, masked."""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from opentelemetry import context as otel_context
from opentelemetry.sdk.metrics import Counter, Histogram, ObservableCounter
from opentelemetry.sdk.metrics.export import AggregationTemporality, MetricExporter, MetricExportResult, MetricsData
from opentelemetry.sdk.metrics.view import Aggregation, ExponentialBucketHistogramAggregation

from whatsself_otel.batch_queue import ExportCounts
from whatsself_otel.context import EXPORTING
from whatsself_otel.encoding import Encoder
from whatsself_otel.otlp import PatientClient, SendResult, drop_reason
from whatsself_otel.processors import mask_metrics

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from opentelemetry.sdk.metrics.export import Metric, ResourceMetrics, ScopeMetrics

    from whatsself_otel.masking import Masker
    from whatsself_otel.otlp import Client


Preferences: TypeAlias = tuple[dict[type, AggregationTemporality], dict[type, Aggregation]]
"""The temporality and the aggregation that an exporter wants for each class of instrument."""
_DELTA: Final[Mapping[str, tuple[type, ...]]] = {
    "cumulative": (),
    "delta": (Counter, Histogram, ObservableCounter),
    "lowmemory": (Counter, Histogram),
}


def preferences_of(exporter: MetricExporter) -> Preferences:
    """Return what *exporter* asks of its reader; one that is not ours takes the SDK's defaults."""
    return getattr(exporter, "preferences", ({}, {}))


def build_preferences(temporality: str, histograms: str) -> Preferences:
    """
    Return what an exporter asks of its reader.

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


class OtlpMetricExporter(MetricExporter):
    """
    Masks metrics and posts them.

    Args:
        client: Who posts.
        masker: What hides personal data.
        preferences: What it asks of its reader.
    """

    masks = True

    def __init__(self, client: Client, masker: Masker, preferences: Preferences = ({}, {})) -> None:
        self.preferences = preferences
        super().__init__(*preferences)
        self.last_result = SendResult()
        self.on_retried: Callable[[str, int], None] = lambda _reason, _count: None
        self._client = PatientClient(client)  # the next interval's cumulative values make more tries needless
        self._encoder = Encoder(masker)

    def export(self, metrics_data: MetricsData, timeout_millis: float = 10_000, **_: Any) -> MetricExportResult:
        """Post *metrics_data*, in parts if it is too large."""
        del timeout_millis
        self.last_result = self._send(metrics_data)
        whole = self.last_result.accepted and not self.last_result.rejected
        return MetricExportResult.SUCCESS if whole else MetricExportResult.FAILURE

    def _send(self, data: MetricsData) -> SendResult:
        body = self._encoder.metrics(data)
        result = self._client.post(body, lambda reason: self.on_retried(reason, _count_points(data)))
        if result.too_large and (parts := _halves(data)):
            return _together([(self._send(part), _count_points(part)) for part in parts])
        return result

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        """Nothing is held back."""
        del timeout_millis
        return True

    def shutdown(self, timeout_millis: float = 30_000, **_: Any) -> None:
        """Let go of the connections."""
        del timeout_millis
        self._client.close()


def _halves(data: MetricsData) -> list[MetricsData]:
    """Return *data* in two parts of as many metrics each; nothing when there is only one metric."""
    metrics = [
        (resource, scope, metric)
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    ]
    if len(metrics) < 2:
        return []
    middle = len(metrics) // 2
    return [MetricsData([_alone(*entry) for entry in half]) for half in (metrics[:middle], metrics[middle:])]


def _alone(resource: ResourceMetrics, scope: ScopeMetrics, metric: Metric) -> ResourceMetrics:
    return dataclasses.replace(resource, scope_metrics=[dataclasses.replace(scope, metrics=[metric])])


def _together(parts: list[tuple[SendResult, int]]) -> SendResult:
    """Return one result for parts of so many points each: what a part lost was rejected of the whole."""
    lost = sum(result.rejected if result.accepted else points for result, points in parts)
    return SendResult(rejected=lost)


class CountingMetricExporter(MetricExporter):
    """
    Counts what a metric exporter delivers.

    Args:
        exporter: Who does the work.
        on_dropped: Told the reason and the number of data points lost.
        on_retried: Told the reason and the number of data points that are sent again.
    """

    def __init__(
        self,
        exporter: MetricExporter,
        on_dropped: Callable[[str, int], None],
        on_retried: Callable[[str, int], None] = lambda _reason, _count: None,
    ) -> None:
        super().__init__(*preferences_of(exporter))
        self.preferences = preferences_of(exporter)
        self.counts = ExportCounts()
        self.masks = getattr(exporter, "masks", False)
        self._exporter = exporter
        self._on_dropped = on_dropped
        self._on_retried = on_retried
        if isinstance(exporter, OtlpMetricExporter):
            exporter.on_retried = self._count_retried

    def export(self, metrics_data: MetricsData, timeout_millis: float = 10_000, **kwargs: Any) -> MetricExportResult:
        """Export and count."""
        points = _count_points(metrics_data)
        token = otel_context.attach(otel_context.set_value(EXPORTING, True))
        try:
            outcome = self._exporter.export(metrics_data, timeout_millis=timeout_millis, **kwargs)
        finally:
            otel_context.detach(token)
        result = getattr(self._exporter, "last_result", None)
        if result is None:
            result = SendResult(error=None if outcome is MetricExportResult.SUCCESS else "not delivered", retry=True)
        self._count(result, points)
        return outcome

    def _count(self, result: SendResult, points: int) -> None:
        lost = min(result.rejected, points) if result.accepted else points
        self.counts.exported += points - lost
        self.counts.dropped += lost
        self.counts.last_error = f"{lost} points were rejected" if result.accepted and lost else result.error
        if result.accepted:
            self.counts.last_success_s = time.time()
        if lost:
            self._on_dropped(drop_reason(result), lost)

    def _count_retried(self, reason: str, count: int) -> None:
        self.counts.retried += 1
        self._on_retried(reason, count)

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        """Flush the exporter."""
        return self._exporter.force_flush(timeout_millis)

    def shutdown(self, timeout_millis: float = 30_000, **kwargs: Any) -> None:
        """End the exporter."""
        self._exporter.shutdown(timeout_millis, **kwargs)


class MaskingMetricExporter(MetricExporter):
    """
    Masks the attributes of every data point and of its exemplars, which a view does not clean.

    Args:
        exporter: Who sends.
        masker: What hides personal data.
    """

    def __init__(self, exporter: MetricExporter, masker: Masker) -> None:
        super().__init__(*preferences_of(exporter))
        self.preferences = preferences_of(exporter)
        self._exporter = exporter
        self._masker = masker

    def export(self, metrics_data: MetricsData, timeout_millis: float = 10_000, **kwargs: Any) -> MetricExportResult:
        """Mask and export."""
        masked = mask_metrics(metrics_data, self._masker)
        return self._exporter.export(masked, timeout_millis=timeout_millis, **kwargs)

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        """Flush the exporter."""
        return self._exporter.force_flush(timeout_millis)

    def shutdown(self, timeout_millis: float = 30_000, **kwargs: Any) -> None:
        """End the exporter."""
        self._exporter.shutdown(timeout_millis, **kwargs)


def _count_points(metrics_data: MetricsData) -> int:
    return sum(
        len(metric.data.data_points)
        for resource in metrics_data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    )
