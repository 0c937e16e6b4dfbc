"""Values through the real collector: in a body, in an attribute, and deep in a map of one, by gRPC and by JSON."""

from __future__ import annotations

import urllib.request
from typing import TYPE_CHECKING, Any, Final

import grpc  # type: ignore[import-untyped]  # has no types
from binaries import Collector
from google.protobuf.json_format import MessageToJson  # type: ignore[import-untyped]  # has no types
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.proto.common.v1.common_pb2 import AnyValue
    from otlp_sink import Log, Sink

_NUMBER: Final = "item.number"
_EXPORT: Final = "/opentelemetry.proto.collector.logs.v1.LogsService/Export"
_A_REQUEST: Final = 500


def fill(value: AnyValue, given: Any) -> None:
    """Write *given*, as Python has it, into *value*."""
    if isinstance(given, dict):
        value.kvlist_value.SetInParent()
        for key, each in given.items():
            fill(value.kvlist_value.values.add(key=str(key)).value, each)
    elif isinstance(given, (list, tuple)):
        value.array_value.SetInParent()
        for each in given:
            fill(value.array_value.values.add(), each)
    elif isinstance(given, bool):
        value.bool_value = given
    elif isinstance(given, int):
        value.int_value = given
    elif isinstance(given, float):
        value.double_value = given
    elif isinstance(given, bytes):
        value.bytes_value = given
    elif given is not None:
        value.string_value = given


def through(collector: Collector, sink: Sink, values: Sequence[tuple[str | None, object]]) -> list[dict[str, Any]]:
    """
    Return the output for each value: its ``body``, its ``attribute``, and its value ``deep`` in a container.

    Args:
        collector: Sends to *sink*.
        sink: Keeps nothing else.
        values: The name of each, and the value; one with a name stands under it, and in no body of its own.
    """
    sink.received.clear()
    for first in range(0, len(values), _A_REQUEST):
        request = _request(values[first : first + _A_REQUEST], first)
        send = by_grpc if first // _A_REQUEST % 2 else by_json
        send(collector, request)
    sink.wait_for(lambda each: len(each.logs()) == len(values), timeout_s=120)
    logs = {log.attributes[_NUMBER]: log for log in sink.logs()}
    return [_places(logs[number], name) for number, (name, _) in enumerate(values)]


def _request(values: Sequence[tuple[str | None, object]], first: int) -> ExportLogsServiceRequest:
    request = ExportLogsServiceRequest()
    records = request.resource_logs.add().scope_logs.add().log_records
    for number, (name, given) in enumerate(values, first):
        record = records.add()
        record.attributes.add(key=_NUMBER).value.int_value = number
        fill(record.body, {name: given} if name else given)
        fill(record.attributes.add(key=name or "x").value, given)
        fill(record.attributes.add(key="deep").value, {"a": [{name or "b": given}]})
    return request


def _places(log: Log, name: str | None) -> dict[str, Any]:
    found = {"body": log.body, "attribute": log.attributes[name or "x"], "deep": log.attributes["deep"]}
    if name and isinstance(found["body"], dict):
        found["body"] = found["body"].get(name)
    if isinstance(found["deep"], dict):
        (found["deep"],) = found["deep"]["a"][0].values()
    return found


def by_grpc(collector: Collector, request: ExportLogsServiceRequest) -> None:
    """Send *request* by gRPC."""
    with grpc.insecure_channel(collector.grpc_address) as channel:
        channel.unary_unary(_EXPORT, lambda each: each.SerializeToString(), lambda answer: answer)(request, timeout=60)


def by_json(collector: Collector, request: ExportLogsServiceRequest) -> None:
    """Send *request* as JSON over HTTP."""
    body = MessageToJson(request, indent=None, ensure_ascii=False).encode()
    sent = urllib.request.Request(f"{collector.http_url}/v1/logs", body, {"content-type": "application/json"})
    with urllib.request.urlopen(sent, timeout=60) as answer:
        assert answer.status < 300


def seen(given: object) -> object:
    """Return *given* as the sink decodes it: a tuple is a list."""
    if isinstance(given, dict):
        return {key: seen(each) for key, each in given.items()}
    return [seen(each) for each in given] if isinstance(given, (list, tuple)) else given
