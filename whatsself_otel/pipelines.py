"""The three providers and their exporters, built together, flushed together, ended together."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Any

from opentelemetry import metrics as metrics_api
from opentelemetry import trace as trace_api
from opentelemetry._logs import _internal as logs_api
from opentelemetry.metrics import _internal as metrics_internal
from opentelemetry.sdk._logs import LoggerProvider, ReadableLogRecord
from opentelemetry.sdk.metrics.export import (
    MetricExporter,
    MetricExportResult,
    MetricReader,
    PeriodicExportingMetricReader,
)
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, TracerProvider
from opentelemetry.util._once import Once

from whatsself_otel.birth import BirthExporter
from whatsself_otel.cardinality import BoundedMeterProvider
from whatsself_otel.export import (
    BatchQueue,
    Deadline,
    ExportCounts,
    QueueLimits,
    build_log_exporter,
    build_metric_exporter,
    build_span_exporter,
    is_success,
)
from whatsself_otel.logs import MaskedLogRecord, plain
from whatsself_otel.processors import (
    CorrelationProcessor,
    ExportLogProcessor,
    ExportProcessor,
    OpenRequests,
    mask_attributes,
    mask_metrics,
    mask_spans,
)
from whatsself_otel.resource import build_resource

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.sdk._logs.export import LogRecordExporter
    from opentelemetry.sdk.metrics.export import MetricsData
    from opentelemetry.sdk.trace.export import SpanExporter

    from whatsself_otel.config import TelemetryConfig
    from whatsself_otel.instrumentation.prometheus import PrometheusReader
    from whatsself_otel.masking import Masker

_logger = logging.getLogger("whatsself_otel")


class Pipelines:
    """
    The providers of one configuration.

    Args:
        config: What to build.
        masker: What every exported item goes through.
        requests: Holds server spans back until their request has finished.
    """

    def __init__(self, config: TelemetryConfig, masker: Masker, requests: OpenRequests) -> None:
        self.on_dropped: Callable[[str, str, int], None] = lambda _signal, _reason, _count: None
        self._masker = masker
        self._exporters: list[SpanExporter | LogRecordExporter] = []
        resource = build_resource(config, masker)
        self._spans = self._span_queue(config)
        self._logs = self._log_queue(config)
        self._metric_exporter = self._build_metric_exporter(config)
        self.tracer_provider = TracerProvider(
            resource=resource,
            shutdown_on_exit=False,
            span_limits=SpanLimits(max_attribute_length=SpanLimits.UNSET, max_span_attribute_length=SpanLimits.UNSET),
        )
        self.tracer_provider.add_span_processor(CorrelationProcessor())
        if self._spans is not None:
            self.tracer_provider.add_span_processor(ExportProcessor(self._spans, requests))
        self.logger_provider = LoggerProvider(resource=resource, shutdown_on_exit=False)
        if self._logs is not None:
            self.logger_provider.add_log_record_processor(ExportLogProcessor(self._logs))
        self.prometheus = self._prometheus_reader() if config.prometheus else None
        self.meter_provider = BoundedMeterProvider(
            self._metric_readers(config.metric_interval_s), resource=resource, shutdown_on_exit=False
        )

    def flush(self, timeout_s: float) -> bool:
        """Send what is queued within *timeout_s* for all signals together; return whether all of it left."""
        limit = Deadline(timeout_s)
        metrics_done: list[bool] = []
        flusher = threading.Thread(target=self._flush_metrics, args=(timeout_s, metrics_done), daemon=True)
        started = _start(flusher)
        queues_done = [queue.flush(limit) for queue in self._queues()]
        if started:
            flusher.join(limit.left_s())
        return all(queues_done) and started and metrics_done == [True]

    def shutdown(self, timeout_s: float) -> bool:
        """End the exports within *timeout_s*; return whether everything left."""
        limit = Deadline(timeout_s)
        for queue in self._queues():
            queue.close()
        ender = threading.Thread(target=self._end_metrics, args=(limit.patience_s,), daemon=True)
        started = _start(ender)
        if not started:
            self._end_metrics(limit.patience_s)
        drained = [queue.join(limit) for queue in self._queues()]
        for exporter in self._exporters:
            _end(exporter)
        if started:
            ender.join(limit.left_s())
        return all(drained) and not (started and ender.is_alive())

    def status(self) -> dict[str, dict[str, Any]]:
        """Return what became of each signal's items, for `Telemetry.health`."""
        counts: dict[str, tuple[ExportCounts, int]] = {}
        if self._spans is not None:
            counts["traces"] = (self._spans.counts, len(self._spans))
        if self._metric_exporter is not None:
            counts["metrics"] = (self._metric_exporter.counts, 0)
        if self._logs is not None:
            counts["logs"] = (self._logs.counts, len(self._logs))
        return {signal: _describe(count, queued) for signal, (count, queued) in counts.items()}

    def install_globals(self) -> str | None:
        """
        Make these providers the process's own; return a problem if another library was first.

        The API lets a global be set once. A second set-up after a shutdown replaces our own earlier provider, never
        somebody else's.
        """
        if isinstance(trace_api._TRACER_PROVIDER, TracerProvider) and not _is_ours(trace_api._TRACER_PROVIDER):  # noqa: SLF001
            return (
                "Another OpenTelemetry tracer provider is installed already; spans of code that uses it are not ours. "
                "Remove the other set-up (opentelemetry-instrument, a second package) or call it after this one."
            )
        trace_api._TRACER_PROVIDER_SET_ONCE = Once()  # noqa: SLF001
        metrics_internal._METER_PROVIDER_SET_ONCE = Once()  # noqa: SLF001
        logs_api._LOGGER_PROVIDER_SET_ONCE = Once()  # noqa: SLF001
        self.tracer_provider._whatsself_otel = True  # type: ignore[attr-defined]  # noqa: SLF001
        trace_api.set_tracer_provider(self.tracer_provider)
        metrics_api.set_meter_provider(self.meter_provider)
        logs_api.set_logger_provider(self.logger_provider)
        return None

    def _prometheus_reader(self) -> PrometheusReader:
        from whatsself_otel.instrumentation.prometheus import PrometheusReader

        return PrometheusReader(lambda data: mask_metrics(data, self._masker))

    def _metric_readers(self, interval_s: float) -> list[MetricReader]:
        readers: list[MetricReader] = [] if self.prometheus is None else [self.prometheus]
        if self._metric_exporter is not None:
            readers.append(PeriodicExportingMetricReader(self._metric_exporter, interval_s * 1000))
        return readers

    def _queues(self) -> list[BatchQueue[Any]]:
        return [queue for queue in (self._spans, self._logs) if queue is not None]

    def _flush_metrics(self, timeout_s: float, done: list[bool]) -> None:
        try:
            done.append(self.meter_provider.force_flush(timeout_s * 1000))
        except Exception:  # noqa: BLE001 - the SDK raises when a reader fails
            done.append(False)

    def _end_metrics(self, timeout_s: float) -> None:
        try:
            self.meter_provider.shutdown(timeout_s * 1000)
        except Exception:  # noqa: BLE001 - the SDK raises when a reader fails
            _logger.debug("the meter provider did not end cleanly")

    def _span_queue(self, config: TelemetryConfig) -> BatchQueue[ReadableSpan] | None:
        exporter = build_span_exporter(config)
        if exporter is None:
            return None
        self._exporters.append(exporter)
        limits = QueueLimits(items=config.queue_size, delay_s=config.span_delay_s)
        return BatchQueue(
            lambda batch: is_success(exporter.export(mask_spans(batch, self._masker))),
            limits,
            lambda reason, count: self.on_dropped("traces", reason, count),
        )

    def _log_queue(self, config: TelemetryConfig) -> BatchQueue[ReadableLogRecord] | None:
        exporter = build_log_exporter(config)
        if exporter is None:
            return None
        self._exporters.append(exporter)
        limits = QueueLimits(items=config.queue_size, delay_s=config.log_delay_s)
        return BatchQueue(
            lambda batch: is_success(exporter.export([mask_log(record, self._masker) for record in batch])),
            limits,
            lambda reason, count: self.on_dropped("logs", reason, count),
        )

    def _build_metric_exporter(self, config: TelemetryConfig) -> CountingMetricExporter | None:
        exporter = build_metric_exporter(config)
        if exporter is None:
            return None
        return CountingMetricExporter(
            BirthExporter(MaskingMetricExporter(exporter, self._masker)),
            lambda count: self.on_dropped("metrics", "export_failed", count),
        )


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
            self.counts.last_error = "not delivered"
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


def mask_log(record: ReadableLogRecord, masker: Masker) -> ReadableLogRecord:
    """Return *record* masked, unless it came from our own handler and is masked already."""
    log = record.log_record
    if isinstance(log, MaskedLogRecord):
        return record
    log.body = plain(masker.value(None, log.body))
    log.attributes = plain(mask_attributes(log.attributes, masker))
    return record


def _count_points(metrics_data: MetricsData) -> int:
    return sum(
        len(metric.data.data_points)
        for resource in metrics_data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    )


def _describe(counts: ExportCounts, queued: int) -> dict[str, Any]:
    age_s = None if counts.last_success_s is None else round(time.time() - counts.last_success_s, 1)
    return {
        "exported": counts.exported,
        "dropped": counts.dropped,
        "queued": queued,
        "last_success_age_s": age_s,
        "last_error": counts.last_error,
    }


def _is_ours(provider: object) -> bool:
    return bool(getattr(provider, "_whatsself_otel", False))


def _end(exporter: SpanExporter | LogRecordExporter) -> None:
    try:
        exporter.shutdown()
    except Exception:  # noqa: BLE001 - an exporter that cannot end must not stop the application
        _logger.debug("an exporter did not end cleanly")


def _start(thread: threading.Thread) -> bool:
    try:
        thread.start()
    except RuntimeError:  # the interpreter is shutting down
        return False
    return True
