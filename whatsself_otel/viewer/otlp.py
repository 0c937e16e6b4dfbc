"""OTLP as it comes over HTTP: bounded, decoded, or refused with the status that says why."""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from typing import TYPE_CHECKING, Any, Final

from google.protobuf import json_format  # type: ignore[import-untyped]
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

if TYPE_CHECKING:
    from google.protobuf.message import Message

PROTOBUF: Final = "application/x-protobuf"
JSON: Final = "application/json"
SIGNALS: Final = ("traces", "logs", "metrics")
REQUESTS: Final[dict[str, type[Message]]] = {
    "traces": ExportTraceServiceRequest,
    "logs": ExportLogsServiceRequest,
    "metrics": ExportMetricsServiceRequest,
}
RESPONSES: Final[dict[str, type[Message]]] = {
    "traces": ExportTraceServiceResponse,
    "logs": ExportLogsServiceResponse,
    "metrics": ExportMetricsServiceResponse,
}
_COUNTS: Final = {"traces": "rejected_spans", "logs": "rejected_log_records", "metrics": "rejected_data_points"}
_HEX_KEYS: Final = frozenset({"traceId", "spanId", "parentSpanId", "trace_id", "span_id", "parent_span_id"})
_DEPTH: Final = 100


class RefusedError(Exception):
    """
    A payload that cannot be taken.

    Args:
        status: HTTP status, always a client's fault.
        reason: What is wrong, for the sender.
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


def unpack(body: bytes, encoding: str, limit: int) -> bytes:
    """
    Undo the content encoding.

    Args:
        body: As it was received.
        encoding: Value of the header; empty and ``identity`` mean none.
        limit: Bytes that the result may have.
    """
    if encoding in {"", "identity"}:
        return body
    if encoding not in {"gzip", "deflate"}:
        raise RefusedError(415, f"content-encoding {encoding[:40]!r} is not known; send gzip, deflate or none")
    try:
        unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
        found = unpacker.decompress(body, limit + 1)
    except zlib.error as error:
        raise RefusedError(400, f"the body is not {encoding}: {error}") from error
    if len(found) > limit:
        raise RefusedError(413, f"the unpacked body is larger than {limit} bytes; send smaller batches")
    if not unpacker.eof or unpacker.unused_data:
        raise RefusedError(400, f"the {encoding} body does not end where it says")
    return found


def decode(signal: str, kind: str, body: bytes) -> Any:
    """
    Return the export request in *body*.

    Args:
        signal: One of `SIGNALS`.
        kind: `PROTOBUF` or `JSON`.
        body: Unpacked.
    """
    message = REQUESTS[signal]()
    try:
        if kind == PROTOBUF:
            message.ParseFromString(body)
        else:
            json_format.ParseDict(_object(body), message, ignore_unknown_fields=True, max_recursion_depth=_DEPTH)
    except (DecodeError, json_format.ParseError, ValueError, TypeError, AttributeError, RecursionError) as error:
        what = "JSON" if kind == JSON else "protobuf"
        raise RefusedError(400, f"the body is no {what} export request of {signal}: {type(error).__name__}") from error
    return message


def response(signal: str, rejected: int, reason: str) -> Any:
    """Return the export response: empty when everything was taken."""
    message: Any = RESPONSES[signal]()
    if rejected:
        setattr(message.partial_success, _COUNTS[signal], rejected)
        message.partial_success.error_message = reason
    return message


def encode(message: Message, kind: str) -> bytes:
    """Return a response in the sender's own format."""
    if kind == PROTOBUF:
        return bytes(message.SerializeToString())
    return json_format.MessageToJson(message, indent=None).encode()  # type: ignore[no-any-return]


def otlp_json(data: Message) -> bytes:
    """Return *data* in OTLP's JSON, whose ids are hexadecimal and whose enumerations are numbers."""
    found = json_format.MessageToDict(data, use_integers_for_enums=True)
    return json.dumps(_with_hex_ids(found), indent=1).encode()


def _with_hex_ids(value: Any) -> Any:
    if isinstance(value, list):
        return [_with_hex_ids(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: base64.b64decode(item).hex() if key in _HEX_KEYS and isinstance(item, str) else _with_hex_ids(item)
        for key, item in value.items()
    }


def _object(body: bytes) -> dict[str, Any]:
    found = _with_base64_ids(json.loads(body))
    if not isinstance(found, dict):
        raise TypeError("an export request is an object")
    return found


def _with_base64_ids(value: Any) -> Any:
    """OTLP's JSON writes ids in hexadecimal; protobuf's reads base64."""
    if isinstance(value, list):
        return [_with_base64_ids(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: _base64(item) if key in _HEX_KEYS and isinstance(item, str) else _with_base64_ids(item)
        for key, item in value.items()
    }


def _base64(text: str) -> str:
    try:
        return base64.b64encode(binascii.unhexlify(text)).decode()
    except binascii.Error as error:
        raise ValueError("an id is not hexadecimal") from error
