"""The receiver's gRPC side, by the package that the OTLP exporter brings along."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

import grpc  # type: ignore[import-untyped]

from whatsself_otel.viewer.otlp import REQUESTS, RESPONSES, SIGNALS
from whatsself_otel.viewer.receiver import UNPACKED_BYTES
from whatsself_otel.viewer.store import FullError

if TYPE_CHECKING:
    from collections.abc import Callable

    from whatsself_otel.viewer.receiver import Receiver

_SERVICES: Final = {
    "traces": "opentelemetry.proto.collector.trace.v1.TraceService",
    "logs": "opentelemetry.proto.collector.logs.v1.LogsService",
    "metrics": "opentelemetry.proto.collector.metrics.v1.MetricsService",
}


def start(receiver: Receiver, address: str) -> Any:
    """
    Serve OTLP over gRPC and return the running server.

    Args:
        receiver: Takes what arrives.
        address: ``host:port``; gRPC raises RuntimeError when it is taken.
    """
    server = grpc.server(
        ThreadPoolExecutor(2, thread_name_prefix="otlp-grpc"),
        maximum_concurrent_rpcs=16,
        options=[("grpc.max_receive_message_length", UNPACKED_BYTES), ("grpc.so_reuseport", 0)],
    )
    server.add_generic_rpc_handlers([_handler(receiver, signal) for signal in SIGNALS])
    server.add_insecure_port(address)
    server.start()
    return server


def _handler(receiver: Receiver, signal: str) -> Any:
    method = grpc.unary_unary_rpc_method_handler(
        _export(receiver, signal),
        request_deserializer=REQUESTS[signal].FromString,
        response_serializer=RESPONSES[signal].SerializeToString,
    )
    return grpc.method_handlers_generic_handler(_SERVICES[signal], {"Export": method})


def _export(receiver: Receiver, signal: str) -> Callable[[Any, Any], Any]:
    def export(request: Any, context: Any) -> Any:
        try:
            return receiver.keep(signal, request)
        except FullError as error:
            context.abort(grpc.StatusCode.UNAVAILABLE, str(error))

    return export
