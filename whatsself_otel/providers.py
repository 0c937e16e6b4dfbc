"""Build, flush and end the three providers and their exporters together."""

from __future__ import annotations

import threading
import time
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final, TypeVar

from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk.metrics import (
    AlwaysOffExemplarFilter,
    AlwaysOnExemplarFilter,
    MeterProvider,
    TraceBasedExemplarFilter,
)
from opentelemetry.sdk.trace import TracerProvider

from whatsself_otel import _sdk
from whatsself_otel.export import obstacles
from whatsself_otel.export.batch_queue import BatchQueue, Deadline, ExportCounts, QueueLimits
from whatsself_otel.export.encoding import Encoder
from whatsself_otel.export.exporters import OtlpExporter, size_of, size_of_encoded
from whatsself_otel.export.limits import log_limits, span_limits
from whatsself_otel.export.metric_exporter import GuardedMetricExporter
from whatsself_otel.export.resource import build_resource
from whatsself_otel.logs.provider import DirectLoggerProvider
from whatsself_otel.logs.record import RECORDS
from whatsself_otel.messages import OwnLogger
from whatsself_otel.metrics.cardinality import BoundedMeterProvider
from whatsself_otel.metrics.metric_masking import MetricMasker, MetricNames
from whatsself_otel.metrics.metric_reader import IntervalReader
from whatsself_otel.traces.processors import (
    CorrelationProcessor,
    ExportLogProcessor,
    ExportProcessor,
    GuardedProcessors,
    OpenRequests,
    mask_log,
    mask_span,
)
from whatsself_otel.traces.sampling import build_sampler
from whatsself_otel.traces.spans import SPANS
from whatsself_otel.traces.tracers import SafeTracerProvider

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from opentelemetry.sdk.metrics import ExemplarFilter
    from opentelemetry.sdk.metrics.export import MetricReader
    from opentelemetry.sdk.trace.id_generator import IdGenerator

    from whatsself_otel.config import TelemetryConfig
    from whatsself_otel.export.encoding import EncodedItem
    from whatsself_otel.export.exporters import Exporter, Exporters
    from whatsself_otel.export.metric_exporter import MetricSender
    from whatsself_otel.export.obstacles import Obstacle
    from whatsself_otel.masking import Masker
    from whatsself_otel.metrics.prometheus import PrometheusReader
    from whatsself_otel.processes.children import Outbox

_logger = OwnLogger("whatsself_otel")
_EXEMPLAR_FILTERS: Final[dict[str, Callable[[], ExemplarFilter]]] = {
    "trace_based": TraceBasedExemplarFilter,
    "always_on": AlwaysOnExemplarFilter,
    "always_off": AlwaysOffExemplarFilter,
}
_T = TypeVar("_T")
_OTHER_PROVIDER: Final = tuple(
    f"Another OpenTelemetry {kind} provider is installed already; {items} of code that uses it are not ours. "
    "Remove the other set-up (opentelemetry-instrument, a second package) or call it after this one."
    for kind, items in (("tracer", "spans"), ("meter", "metrics"), ("logger", "logs"))
)
"""Message for each global provider that another library has set."""
_SDK_PROVIDERS: Final = (TracerProvider, MeterProvider, LoggerProvider)


class Providers:
    """
    The providers of one configuration.

    Args:
        config: What to build.
        masker: What every exported item goes through.
        requests: Holds server spans back until their request has finished.
        exporters: Who takes what is exported.
        id_generator: Makes trace and span ids; None: at random.
    """

    def __init__(
        self,
        config: TelemetryConfig,
        masker: Masker,
        requests: OpenRequests,
        exporters: Exporters,
        id_generator: IdGenerator | None = None,
    ) -> None:
        self.on_dropped: Callable[[str, str, int], None] = lambda _signal, _reason, _count: None
        self.on_error: Callable[[str], None] = lambda _component: None
        self.on_retried: Callable[[str, str, int], None] = lambda _signal, _reason, _count: None
        self._config = config
        self._masker = masker
        self._exporters: list[Exporter] = []
        self._encoder, limits = Encoder(), config.limits
        encoder = self._encoder
        self._encoded: dict[str, BatchQueue[Any]] = {}
        self._outbox: Outbox | None = None
        span_length = limits.length(limits.span_attribute_length)
        log_length = limits.length(limits.log_attribute_length)
        self._spans = self._queue(
            "traces",
            exporters.spans,
            lambda span: size_of(mask_span(span, masker, span_length), encoder.span),
            self._limits("span"),
        )
        self._logs = self._queue(
            "logs",
            exporters.logs,
            lambda record: size_of(mask_log(record, masker, log_length), encoder.log),
            self._limits("log"),
        )
        self._metric_names = MetricNames()
        self._metric_exporter = self._build_metric_exporter(exporters.metrics)
        self._reader: IntervalReader | None = None
        self._globals: _sdk.Globals | None = None
        self.problems = _sdk.problems(SPANS, RECORDS)
        self._globals_before = _sdk.Globals()
        self.prometheus = self._build_prometheus_reader() if config.prometheus else None
        self._build_providers(requests, id_generator)

    def _build_providers(self, requests: OpenRequests, id_generator: IdGenerator | None) -> None:
        resource, limits = build_resource(self._config, self._masker), span_limits(self._config.limits)
        self._processors = GuardedProcessors(self._count_error, limits)
        self.tracer_provider = SafeTracerProvider(
            sampler=build_sampler(self._config, self.problems),
            resource=resource,
            shutdown_on_exit=False,
            span_limits=limits,
            id_generator=id_generator,
            active_span_processor=self._processors,
        )
        self.tracer_provider.add_span_processor(CorrelationProcessor())
        if self._spans is not None:
            self.tracer_provider.add_span_processor(ExportProcessor(self._spans, requests))
        is_cut = self._config.limits.length(self._config.limits.log_attribute_length) is not None
        entries = None if is_cut else self._encoded.get("logs")
        self.logger_provider = DirectLoggerProvider(resource, log_limits(self._config.limits), entries)
        if self._logs is not None:
            self.logger_provider.add_log_record_processor(ExportLogProcessor(self._logs))
        self.meter_provider = BoundedMeterProvider(
            self._metric_readers(),
            resource=resource,
            shutdown_on_exit=False,
            exemplar_filter=_EXEMPLAR_FILTERS[self._config.exemplar_filter](),
        )

    def flush(self, timeout_s: float) -> bool:
        """Send all queued items within *timeout_s* for all signals together; return whether all of them left."""
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
            _close(exporter)
        if started:
            ender.join(limit.left_s())
        return all(drained) and not (started and ender.is_alive())

    def hand_over(self, outbox: Outbox) -> None:
        """Give this process's telemetry to its worker by *outbox*, instead of sending it."""
        self._outbox = outbox
        for signal, queue in self._encoded.items():
            _divert(queue, signal, outbox)
        if self._metric_exporter is not None:
            self._metric_exporter.is_silent = lambda: outbox.is_of_this_process

    def take_in(self, signal: str, items: list[EncodedItem]) -> None:
        """Queue the encoded items of a child process as this process's own."""
        queue, resource = self._encoded[signal], self._encoder.resource(self.tracer_provider.resource)
        for _, scope, item in items:
            queue.take_in(*size_of_encoded((resource, scope, item)))

    def status(self) -> dict[str, dict[str, Any]]:
        """Return the fate of each signal's items, for `Telemetry.health`."""
        signals: dict[str, dict[str, Any]] = {}
        if self._spans is not None:
            signals["traces"] = _describe(self._spans.counts) | _fill(self._spans)
        if self._metric_exporter is not None:
            signals["metrics"] = _describe(self._metric_exporter.counts) | {"queued": 0} | self._describe_reader()
        if self._logs is not None:
            signals["logs"] = _describe(self._logs.counts) | _fill(self._logs)
        return signals

    def obstacles(self) -> Iterator[Obstacle]:
        """Yield each reason why a signal does not leave."""
        yield from obstacles.of_configuration(self._config)
        yield from obstacles.of_sampler(self.tracer_provider.sampler)
        if self._globals is not None:
            yield from obstacles.of_globals(self._globals)
        if self._processors.has_strangers_below:
            yield obstacles.STRANGERS_BELOW
        for signal, queue in (("traces", self._spans), ("logs", self._logs)):
            if queue is not None:
                yield from obstacles.of_queue(signal, queue, self._url(signal))
        if self._reader is not None and self._metric_exporter is not None:
            counts = self._metric_exporter.counts
            yield from obstacles.of_reader(self._reader, counts.last_error, self._url("metrics"))

    def _url(self, signal: str) -> str:
        return self._masker.url(self._config.target(signal))

    def _own(self) -> _sdk.Globals:
        return _sdk.Globals(self.tracer_provider, self.meter_provider, self.logger_provider)

    def _describe_reader(self) -> dict[str, Any]:
        if self._reader is None:
            return {}
        failed = {} if self._reader.last_error is None else {"last_error": self._reader.last_error}
        return {"restarts": self._reader.errors, **failed}

    def install_globals(self) -> list[str]:
        """
        Make these the global providers, except over another library's SDK provider; return a problem for each of those.

        The API lets a global be set once. `restore_globals` gives back what was found; what is replaced is named.
        """
        found = _sdk.Globals.read()
        self._globals_before = _sdk.Globals(*(None if _is_ours(each) else each for each in found))
        kept = [isinstance(each, kind) for each, kind in zip(self._globals_before, _SDK_PROVIDERS, strict=True)]
        places = list(zip(self._globals_before, self._own(), kept, strict=True))
        self._globals = _sdk.Globals(*(theirs if stays else own for theirs, own, stays in places))
        for provider in self._own():
            provider._whatsself_otel = True  # noqa: SLF001
        is_done = self._globals.write()
        if replaced := [type(theirs).__qualname__ for theirs, _, stays in places if theirs is not None and not stays]:
            _logger.warning("until shutdown(), OpenTelemetry's providers are ours in place of %s", ", ".join(replaced))
        problems = [problem for problem, stays in zip(_OTHER_PROVIDER, kept, strict=True) if stays]
        return problems if is_done else [*problems, _sdk.GLOBALS.problem() or ""]

    def restore_globals(self) -> None:
        """Restore the earlier global providers, unless other code has set others since."""
        if not _sdk.GLOBALS.works:
            return
        now = _sdk.Globals.read()
        found = zip(now, self._own(), self._globals_before, strict=True)
        _sdk.Globals(*(before if current is own else current for current, own, before in found)).write()

    def _count_error(self, component: str) -> None:
        self.on_error(component)

    def _queues(self) -> list[BatchQueue[Any]]:
        return [queue for queue in (self._spans, self._logs) if queue is not None]

    def _limits(self, kind: str) -> QueueLimits:
        return QueueLimits(
            items=getattr(self._config, f"{kind}_queue_size"),
            batch_items=getattr(self._config, f"{kind}_batch_size"),
            delay_s=getattr(self._config, f"{kind}_delay_s"),
            age_s=self._config.queue_max_age_s,
        )

    def _queue(
        self,
        signal: str,
        exporter: Exporter | None,
        prepare: Callable[[_T], tuple[int, _T]],
        limits: QueueLimits,
    ) -> BatchQueue[_T] | None:
        if exporter is None:
            return None
        self._exporters.append(exporter)
        queue = BatchQueue(
            exporter.send,
            limits,
            lambda reason, count: self.on_dropped(signal, reason, count),
            prepare=exporter.prepare if isinstance(exporter, OtlpExporter) else prepare,
            on_retried=lambda reason, count: self.on_retried(signal, reason, count),
        )
        if isinstance(exporter, OtlpExporter):
            self._encoded[signal] = queue
        return queue

    def _build_metric_exporter(self, sender: MetricSender | None) -> GuardedMetricExporter | None:
        if sender is None:
            return None
        return GuardedMetricExporter(
            sender,
            MetricMasker(self._masker, self._metric_names),
            lambda reason, count: self.on_dropped("metrics", reason, count),
            lambda reason, count: self.on_retried("metrics", reason, count),
        )

    def _build_prometheus_reader(self) -> PrometheusReader | None:
        if find_spec("prometheus_client") is None:
            self.problems.append(
                "/metrics was asked for, but prometheus-client is not installed: "
                "pip install prometheus-client, or unset WHATSSELF_OTEL_PROMETHEUS."
            )
            return None
        from whatsself_otel.metrics.prometheus import PrometheusReader

        return PrometheusReader(MetricMasker(self._masker, self._metric_names))

    def _metric_readers(self) -> list[MetricReader]:
        readers: list[MetricReader] = [] if self.prometheus is None else [self.prometheus]
        if self._metric_exporter is not None:
            self._reader = IntervalReader(
                self._metric_exporter, self._config.metric_interval_s, self._config.metric_export_timeout_s
            )
            readers.append(self._reader)
        return readers

    def _flush_metrics(self, timeout_s: float, done: list[bool]) -> None:
        try:
            if self._outbox is not None and self._outbox.is_of_this_process:
                done.append(self._outbox.send_counts())
                return
            self.meter_provider.force_flush(timeout_s * 1000)  # which is true whatever became of the export
            done.append(self._metric_exporter is None or self._metric_exporter.has_delivered)
        except Exception:  # noqa: BLE001 - the SDK raises when a reader fails
            done.append(False)

    def _end_metrics(self, timeout_s: float) -> None:
        try:
            if self._outbox is not None:
                self._outbox.send_counts()
            self.meter_provider.shutdown(timeout_s * 1000)
        except Exception:  # noqa: BLE001 - the SDK raises when a reader fails
            _logger.debug("the meter provider did not end cleanly")


def _divert(queue: BatchQueue[Any], signal: str, outbox: Outbox) -> None:
    """Hand over the items of *queue*. A child of this child, or one whose worker has died, sends for itself."""
    send = queue.send
    queue.send = lambda batch: outbox.send(signal, batch) if outbox.leads_somewhere else send(batch)


def _fill(queue: BatchQueue[Any]) -> dict[str, int]:
    return {
        "queued": len(queue),
        "queue_limit": queue.limits.items,
        "queued_bytes": queue.queued_bytes,
        "queue_limit_bytes": queue.limits.bytes,
    }


def _describe(counts: ExportCounts) -> dict[str, Any]:
    age_s = None if counts.last_success_s is None else round(time.time() - counts.last_success_s, 1)
    return {
        "exported": counts.exported,
        "dropped": counts.dropped,
        "retried": counts.retried,
        "restarts": counts.restarts,
        "last_success_age_s": age_s,
        "last_error": counts.last_error,
    }


def _is_ours(provider: object) -> bool:
    return bool(getattr(provider, "_whatsself_otel", False))


def _close(exporter: Exporter) -> None:
    try:
        exporter.close()
    except Exception:  # noqa: BLE001 - an exporter that cannot end must not stop the application
        _logger.debug("an exporter did not end cleanly")


def _start(thread: threading.Thread) -> bool:
    try:
        thread.start()
    except RuntimeError:  # the interpreter is shutting down
        return False
    return True
