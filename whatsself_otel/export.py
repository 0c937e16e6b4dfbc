"""What sends each signal: OTLP over HTTP by our own client, over gRPC by the official exporters, or the console."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from whatsself_otel.encoding import Encoder
from whatsself_otel.otlp import HttpTarget, OtlpHttpClient, SendResult

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

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


class HttpSender(Generic[_T]):
    """
    Encodes batches and posts them.

    Args:
        client: Who posts.
        encode: Turns a batch into the bytes of a request.
        masks: *encode* also masks; else it is given masked items.
    """

    def __init__(self, client: OtlpHttpClient, encode: Callable[[Sequence[_T]], bytes], *, masks: bool = False) -> None:
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


class SdkSender(Generic[_T]):
    """
    Sends by an exporter of the SDK, which says no more than success or failure.

    Args:
        exporter: The exporter.
    """

    def __init__(self, exporter: Any) -> None:
        self._exporter = exporter

    def send(self, batch: list[_T]) -> SendResult:
        """Export *batch*."""
        if getattr(self._exporter.export(batch), "name", "") == "SUCCESS":
            return SendResult()
        return SendResult(error="not delivered", retry=True)

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

        return SdkSender(ConsoleSpanExporter())
    if config.protocol == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

        return SdkSender(OTLPSpanExporter(**_grpc_options(config, "traces")))
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

    client = OtlpHttpClient(_http_target(config, "traces"), ExportTraceServiceResponse)
    return HttpSender(client, Encoder(masker).spans, masks=True)


def build_log_sender(config: TelemetryConfig) -> Sender[ReadableLogRecord] | None:
    """Return what sends log records as *config* asks for, or None."""
    if config.exporter("logs") == "none":
        return None
    if config.exporter("logs") == "console":
        from opentelemetry.sdk._logs.export import ConsoleLogRecordExporter

        return SdkSender(ConsoleLogRecordExporter())
    if config.protocol == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter

        return SdkSender(OTLPLogExporter(**_grpc_options(config, "logs")))
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse

    return HttpSender(OtlpHttpClient(_http_target(config, "logs"), ExportLogsServiceResponse), Encoder().logs)


def build_metric_exporter(config: TelemetryConfig, masker: Masker) -> MetricExporter | None:
    """Return the exporter of metrics that *config* asks for, or None."""
    if config.exporter("metrics") == "none":
        return None
    if config.exporter("metrics") == "console":
        from opentelemetry.sdk.metrics.export import ConsoleMetricExporter

        return ConsoleMetricExporter()
    if config.protocol == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter

        return OTLPMetricExporter(**_grpc_options(config, "metrics"))
    from whatsself_otel.metric_export import HttpMetricExporter

    return HttpMetricExporter(_http_target(config, "metrics"), masker)


def _http_target(config: TelemetryConfig, signal: str) -> HttpTarget:
    return HttpTarget(
        url=config.target(signal),
        headers=config.headers,
        timeout_s=config.export_timeout_s,
        compress=config.compression == "gzip",
        certificate_file=str(config.certificate_file) if config.certificate_file else None,
    )


def _grpc_options(config: TelemetryConfig, signal: str) -> dict[str, Any]:
    import grpc  # type: ignore[import-untyped]

    options: dict[str, Any] = {
        "endpoint": config.target(signal),
        "insecure": config.target(signal).startswith("http://"),
        "headers": tuple(config.headers.items()) or None,
        "timeout": config.export_timeout_s,
        "compression": grpc.Compression.Gzip if config.compression == "gzip" else grpc.Compression.NoCompression,
    }
    if config.certificate_file:
        options["credentials"] = grpc.ssl_channel_credentials(config.certificate_file.read_bytes())
    return options
