"""What another application sends is masked before the viewer stores it, in every field that OTLP has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from google.protobuf.descriptor import FieldDescriptor  # type: ignore[import-untyped]  # has no types
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from parts import set_all, spans
from rows import for_each

from whatsself_otel.masking import Masker
from whatsself_otel.viewer.foreign import mask_foreign

if TYPE_CHECKING:
    from google.protobuf.message import Message  # type: ignore[import-untyped]  # has no types

PHONE = "5521976543210"
DEPTH = 12


def fill(message: Message, depth: int = 0) -> int:
    """Put the number into every text and all bytes that the schema of *message* has; return how many there are."""
    filled = 0
    for field in message.DESCRIPTOR.fields:
        if field.type == FieldDescriptor.TYPE_STRING:
            text = f"to {PHONE}"
            getattr(message, field.name).append(text) if field.is_repeated else setattr(message, field.name, text)
            filled += 1
        elif field.type == FieldDescriptor.TYPE_BYTES and "_id" not in field.name:
            setattr(message, field.name, PHONE.encode())
            filled += 1
        elif field.type == FieldDescriptor.TYPE_MESSAGE and depth < DEPTH and field.containing_oneof is None:
            part = getattr(message, field.name)
            filled += fill(part.add() if field.is_repeated else part, depth + 1)
    for oneof in message.DESCRIPTOR.oneofs:
        for field in oneof.fields:
            if field.type == FieldDescriptor.TYPE_MESSAGE and depth < DEPTH and field.name != "kvlist_value":
                filled += fill(getattr(message, field.name), depth + 1)
    return filled


@for_each("kind", [ExportTraceServiceRequest, ExportLogsServiceRequest, ExportMetricsServiceRequest])
def test_every_text_of_the_schema_is_masked(kind: type[Message]) -> None:
    request = kind()
    assert fill(request) > 10
    assert PHONE.encode() in request.SerializeToString()

    mask_foreign(request, Masker())

    assert PHONE.encode() not in request.SerializeToString()


def test_values_are_masked_by_their_names() -> None:
    request = spans(1, body="oi, Ofelia", contactId="c1")

    mask_foreign(request, Masker())

    shown = str(request)
    assert "Ofelia" not in shown
    assert '"c1"' in shown
    assert "POST /webhook/messages" in shown


def test_what_this_package_has_masked_stays() -> None:
    request = spans(1, note="ours alone: 5521976543210")
    set_all(request.resource_spans[0].resource.attributes, {"telemetry.distro.name": "whatsself_otel"})
    before = request.SerializeToString()

    mask_foreign(request, Masker())

    assert request.SerializeToString() == before
