"""Build each signal's exporter: our own OTLP clients over HTTP or gRPC, or the console."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Generic, Protocol, TypeVar
from urllib.parse import urlsplit

from whatsself_otel.export.encoding import Encoder, join
from whatsself_otel.export.endpoints import is_this_machine
from whatsself_otel.export.otlp import Client, ExportResult, OtlpHttpClient, Target
from whatsself_otel.traces.processors import mask_log, mask_span

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from opentelemetry.sdk._logs import ReadableLogRecord

    from whatsself_otel.config import TelemetryConfig
    from whatsself_otel.export.encoding import EncodedItem
    from whatsself_otel.export.metric_exporter import MetricSender
    from whatsself_otel.logs import LogEntry
    from whatsself_otel.masking import Masker

_T = TypeVar("_T")
_HELD_BYTES: Final = 200
"""Bytes of memory for an item in a queue, besides its encoded bytes."""


class Exporter(Protocol):
    """Sends batches of one signal."""

    def send(self, batch: list[Any]) -> ExportResult:
        """Send *batch*, of masked items or of results of `OtlpExporter.prepare`; return the result."""

    def close(self) -> None:
        """Close the connections."""


class OtlpExporter(Generic[_T]):
    """
    Encodes items as they come, and posts them.

    The thread that made an item encodes it. The bytes are smaller than the item and their size is known. And the
    sending thread does not hold the interpreter for a whole batch while requests wait.

    Args:
        client: Who posts.
        write: Masks and encodes an item.
    """

    def __init__(self, client: Client, write: Callable[[_T], EncodedItem]) -> None:
        self._client = client
        self._write = write
        self.close = client.close

    def prepare(self, item: _T) -> tuple[int, EncodedItem]:
        """Return the item's size in the queue and the encoded item; raises errors of encoding."""
        return size_of_encoded(self._write(item))

    def send(self, batch: list[EncodedItem]) -> ExportResult:
        """Send prepared items."""
        return self._client.post(join(batch))


def size_of_encoded(written: EncodedItem) -> tuple[int, EncodedItem]:
    """Return the size of *written* in the queue, and *written* itself."""
    return _HELD_BYTES + len(written[-1]), written


def size_of(item: _T, write: Callable[[_T], EncodedItem]) -> tuple[int, _T]:
    """Return the size of the masked *item* in the queue, and *item* itself, for exporters that do not encode."""
    return _HELD_BYTES + len(write(item)[-1]), item


class ConsoleExporter:
    """
    Shows batches through one of the SDK's console exporters, which fail only by an exception.

    Args:
        exporter: The exporter.
    """

    def __init__(self, exporter: Any) -> None:
        self._exporter = exporter

    def send(self, batch: list[Any]) -> ExportResult:
        """Show *batch*."""
        self._exporter.export(batch)
        return ExportResult()

    def close(self) -> None:
        """End the exporter."""
        self._exporter.shutdown()


@dataclass(frozen=True, slots=True)
class Exporters:
    """The exporter of each signal; None if the signal is not exported."""

    spans: Exporter | None = None
    logs: Exporter | None = None
    metrics: MetricSender | None = None

    @classmethod
    def of(cls, config: TelemetryConfig, masker: Masker) -> Exporters:
        """Return the exporters that *config* asks for; exporters that mask use *masker*."""
        return cls(build_span_exporter(config, masker), build_log_exporter(config, masker), build_metric_sender(config))


def build_span_exporter(config: TelemetryConfig, masker: Masker) -> Exporter | None:
    """Return the span exporter that *config* asks for, or None."""
    if config.exporter("traces") == "none":
        return None
    if config.exporter("traces") == "console":
        from opentelemetry.sdk.trace.export import ConsoleSpanExporter

        return ConsoleExporter(ConsoleSpanExporter())
    client, length = build_client(config, "traces"), config.limits.length(config.limits.span_attribute_length)
    if length is None:
        return OtlpExporter(client, Encoder(masker).span)
    encoder = Encoder()
    return OtlpExporter(client, lambda span: encoder.span(mask_span(span, masker, length)))


def build_log_exporter(config: TelemetryConfig, masker: Masker) -> Exporter | None:
    """Return the log exporter that *config* asks for, or None."""
    if config.exporter("logs") == "none":
        return None
    if config.exporter("logs") == "console":
        from opentelemetry.sdk._logs.export import ConsoleLogRecordExporter

        return ConsoleExporter(ConsoleLogRecordExporter())
    encoder, length = Encoder(), config.limits.length(config.limits.log_attribute_length)

    def write(item: ReadableLogRecord | tuple[Any, LogEntry]) -> EncodedItem:
        return encoder.entry(*item) if isinstance(item, tuple) else encoder.log(mask_log(item, masker, length))

    return OtlpExporter(build_client(config, "logs"), write)


def build_metric_sender(config: TelemetryConfig) -> MetricSender | None:
    """Return the metric sender that *config* asks for, or None."""
    if config.exporter("metrics") == "none":
        return None
    from whatsself_otel.export.metric_exporter import ConsoleMetricSender, OtlpMetricSender, build_preferences

    if config.exporter("metrics") == "console":
        return ConsoleMetricSender()
    preferences = build_preferences(config.metric_temporality, config.histogram_aggregation)
    patience_s = config.metric_export_timeout_s - target_of(config, "metrics").timeout_s
    return OtlpMetricSender(build_client(config, "metrics"), preferences, patience_s)


def build_client(config: TelemetryConfig, signal: str) -> Client:
    """Return the client for *signal*, by the protocol of *config*."""
    if config.otlp(signal).protocol == "grpc":
        from whatsself_otel.export.otlp_grpc import OtlpGrpcClient

        return OtlpGrpcClient(target_of(config, signal), signal, _answer(signal))
    return OtlpHttpClient(target_of(config, signal), _answer(signal))


def _answer(signal: str) -> type[Any]:
    if signal == "traces":
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

        return ExportTraceServiceResponse
    if signal == "logs":
        from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse

        return ExportLogsServiceResponse
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse

    return ExportMetricsServiceResponse


def target_of(config: TelemetryConfig, signal: str) -> Target:
    """Return the target of *signal*: URL, headers, timeout and certificates."""
    otlp, url = config.otlp(signal), config.target(signal)
    is_near = is_this_machine(urlsplit(url).hostname)  # nothing is gained by packing for the loopback
    return Target(
        url=url,
        headers=config.headers_of(signal),
        timeout_s=min(otlp.export_timeout_s or config.export_timeout_s, config.batch_timeout_s(signal)),
        compress=(otlp.compression or ("none" if is_near else "gzip")) == "gzip",
        certificate_file=_path(otlp.certificate_file),
        client_certificate_file=_path(otlp.client_certificate_file),
        client_key_file=_path(otlp.client_key_file),
    )


def _path(file: Path | None) -> str | None:
    return None if file is None else str(file)
