"""What sends each signal: OTLP over HTTP or gRPC by our own clients, or the console."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from whatsself_otel.encoding import Encoder
from whatsself_otel.otlp import Client, OtlpHttpClient, SendResult, Target
from whatsself_otel.processors import plain_dict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from opentelemetry.sdk._logs import ReadableLogRecord
    from opentelemetry.sdk.metrics.export import MetricExporter
    from opentelemetry.sdk.trace import ReadableSpan

    from whatsself_otel.config import TelemetryConfig
    from whatsself_otel.masking import Masker

_T = TypeVar("_T")


class Sender(Protocol[_T]):
    """Sends batches of one signal."""

    def send(self, batch: list[_T]) -> SendResult:
        """Send *batch* and say what became of it."""

    def close(self) -> None:
        """Let go of the connections."""


class OtlpSender(Generic[_T]):
    """
    Encodes batches and posts them.

    Args:
        client: Who posts.
        encode: Turns a batch into the bytes of a request.
        masks: *encode* also masks; else it is given masked items.
    """

    def __init__(self, client: Client, encode: Callable[[Sequence[_T]], bytes], *, masks: bool = False) -> None:
        self.masks = masks
        self._client = client
        self._encode = encode
        self.close = client.close

    def send(self, batch: list[_T]) -> SendResult:
        """Encode and post; a batch that cannot be encoded is sent in halves until the one to blame is alone."""
        try:
            body = self._encode(batch)
        except Exception as error:  # noqa: BLE001 - any value an application puts into telemetry may break the encoder
            return SendResult(error=f"not encodable: {type(error).__name__}", too_large=True)
        return self._client.post(body)


class ConsoleSender(Generic[_T]):
    """
    Shows batches by one of the SDK's exporters to the console, which never fail but by an exception.

    Args:
        exporter: The exporter.
    """

    def __init__(self, exporter: Any) -> None:
        self._exporter = exporter

    def send(self, batch: list[_T]) -> SendResult:
        """Show *batch*."""
        self._exporter.export(batch)
        return SendResult()

    def close(self) -> None:
        """End the exporter."""
        self._exporter.shutdown()


@dataclass(frozen=True, slots=True)
class Destinations:
    """Who takes each signal; None: nobody."""

    spans: Sender[ReadableSpan] | None = None
    logs: Sender[ReadableLogRecord] | None = None
    metrics: MetricExporter | None = None

    @classmethod
    def of(cls, config: TelemetryConfig, masker: Masker) -> Destinations:
        """Return the destinations that *config* asks for; what masks while it encodes does so by *masker*."""
        return cls(build_span_sender(config, masker), build_log_sender(config), build_metric_exporter(config, masker))


def build_span_sender(config: TelemetryConfig, masker: Masker) -> Sender[ReadableSpan] | None:
    """Return what sends spans as *config* asks for, or None."""
    if config.exporter("traces") == "none":
        return None
    if config.exporter("traces") == "console":
        from opentelemetry.sdk.trace.export import ConsoleSpanExporter

        return ConsoleSender(ConsoleSpanExporter())
    return OtlpSender(build_client(config, "traces"), Encoder(masker).spans, masks=True)


def build_log_sender(config: TelemetryConfig) -> Sender[ReadableLogRecord] | None:
    """Return what sends log records as *config* asks for, or None."""
    if config.exporter("logs") == "none":
        return None
    if config.exporter("logs") == "console":
        from opentelemetry.sdk._logs.export import ConsoleLogRecordExporter

        return ConsoleSender(ConsoleLogRecordExporter())
    return OtlpSender(build_client(config, "logs"), Encoder().logs)


def build_metric_exporter(config: TelemetryConfig, masker: Masker) -> MetricExporter | None:
    """Return the exporter of metrics that *config* asks for, or None."""
    if config.exporter("metrics") == "none":
        return None
    if config.exporter("metrics") == "console":
        from opentelemetry.sdk.metrics.export import ConsoleMetricExporter

        return ConsoleMetricExporter()
    from whatsself_otel.metric_export import OtlpMetricExporter

    return OtlpMetricExporter(build_client(config, "metrics"), masker)


def build_client(config: TelemetryConfig, signal: str) -> Client:
    """Return what carries *signal* by the protocol of *config*."""
    if config.protocol == "grpc":
        from whatsself_otel.otlp_grpc import OtlpGrpcClient

        return OtlpGrpcClient(target_of(config, signal), signal, _answer(signal))
    return OtlpHttpClient(target_of(config, signal), _answer(signal))


def weigh_span(span: ReadableSpan) -> int:
    """Estimate the bytes that *span* takes while it waits."""
    own = _weigh_values(plain_dict(span._attributes))  # noqa: SLF001 - the property copies
    events = sum([_weigh_values(event.attributes) for event in span._events])  # noqa: SLF001 - so does this one
    return 1000 + len(span.name) + own + events + len(span.status.description or "")


def weigh_log(record: ReadableLogRecord) -> int:
    """Estimate the bytes that *record* takes while it waits."""
    body = record.log_record.body
    text = len(body) if isinstance(body, str | bytes) else 200
    return 1000 + text + _weigh_values(plain_dict(record.log_record.attributes))


def _weigh_values(attributes: Mapping[str, Any] | None) -> int:
    if not attributes:
        return 0
    return sum([100 + len(value) if isinstance(value, str | bytes) else 200 for value in attributes.values()])


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
    """Return where and how *signal* is sent."""
    return Target(
        url=config.target(signal),
        headers=config.export_headers,
        timeout_s=config.export_timeout_s,
        compress=config.compression == "gzip",
        certificate_file=_path(config.certificate_file),
        client_certificate_file=_path(config.client_certificate_file),
        client_key_file=_path(config.client_key_file),
    )


def _path(file: Path | None) -> str | None:
    return None if file is None else str(file)
