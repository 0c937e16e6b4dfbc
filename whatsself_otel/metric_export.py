"""Exporters of metrics: posted by our own client, counted, masked."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.exporter.otlp.proto.common._internal.metrics_encoder import OTLPMetricExporterMixin
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.sdk.metrics.export import MetricExporter, MetricExportResult

from whatsself_otel.batch_queue import ExportCounts
from whatsself_otel.encoding import Encoder
from whatsself_otel.otlp import HttpTarget, OtlpHttpClient, SendResult
from whatsself_otel.processors import mask_metrics

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.sdk.metrics.export import MetricsData

    from whatsself_otel.masking import Masker

_RETRY_PAUSE_S: Final = 0.3
"""One quick second try: the next interval's cumulative values make a longer one needless."""


class HttpMetricExporter(OTLPMetricExporterMixin, MetricExporter):
    """
    Masks metrics and posts them over OTLP/HTTP; temporality and histograms follow the standard variables.

    Args:
        target: Where and how.
        masker: What hides personal data.
    """

    masks = True

    def __init__(self, target: HttpTarget, masker: Masker) -> None:
        MetricExporter.__init__(self, self._get_temporality({}), self._get_aggregation({}))
        self.last_error: str | None = None
        self._client = OtlpHttpClient(target, ExportMetricsServiceResponse)
        self._encoder = Encoder(masker)

    def export(self, metrics_data: MetricsData, timeout_millis: float = 10_000, **_: Any) -> MetricExportResult:
        """Post *metrics_data*."""
        del timeout_millis
        body = self._encoder.metrics(metrics_data)
        result = self._client.post(body)
        if result.retry:
            time.sleep(_RETRY_PAUSE_S)
            result = self._client.post(body)
        self.last_error = _describe(result)
        return MetricExportResult.FAILURE if self.last_error else MetricExportResult.SUCCESS

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        """Nothing is held back."""
        del timeout_millis
        return True

    def shutdown(self, timeout_millis: float = 30_000, **_: Any) -> None:
        """Let go of the connections."""
        del timeout_millis
        self._client.close()


def _describe(result: SendResult) -> str | None:
    return f"{result.rejected} points were rejected" if result.rejected else result.error


class CountingMetricExporter(MetricExporter):
    """
    Counts what a metric exporter delivers.

    Args:
        exporter: Who does the work.
        on_failed: Told how many data points an export that failed held.
    """

    def __init__(self, exporter: MetricExporter, on_failed: Callable[[int], None]) -> None:
        super().__init__(exporter._preferred_temporality, exporter._preferred_aggregation)  # noqa: SLF001 - as readers do
        self.counts = ExportCounts()
        self.masks = getattr(exporter, "masks", False)
        self._exporter = exporter
        self._on_failed = on_failed

    def export(self, metrics_data: MetricsData, timeout_millis: float = 10_000, **kwargs: Any) -> MetricExportResult:
        """Export and count."""
        points = _count_points(metrics_data)
        result = self._exporter.export(metrics_data, timeout_millis=timeout_millis, **kwargs)
        if result is MetricExportResult.SUCCESS:
            self.counts.exported += points
            self.counts.last_success_s = time.time()
            self.counts.last_error = None
        else:
            self.counts.dropped += points
            self.counts.last_error = getattr(self._exporter, "last_error", None) or "not delivered"
            self._on_failed(points)
        return result

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
        super().__init__(exporter._preferred_temporality, exporter._preferred_aggregation)  # noqa: SLF001 - as readers do
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
