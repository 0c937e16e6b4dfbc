"""Masks the telemetry of other applications before the store keeps it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from google.protobuf.descriptor import FieldDescriptor  # type: ignore[import-untyped]  # has no types
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from whatsself_otel.catalogue import CONTACT_ID, MESSAGE_ID, REQUEST_ID

if TYPE_CHECKING:
    from google.protobuf.message import Message  # type: ignore[import-untyped]  # has no types

    from whatsself_otel.masking import Masker

_DISTRO: Final = "telemetry.distro.name"
_OWN: Final = "whatsself_otel"
_IDS: Final = frozenset({CONTACT_ID, MESSAGE_ID, REQUEST_ID})
_KEPT_BYTES: Final = frozenset({"trace_id", "span_id", "parent_span_id"})


def mask_foreign(request: Any, masker: Masker) -> None:
    """
    Mask an export request in place, but for what this package has masked where it was made.

    Args:
        request: Export request of traces, logs or metrics.
        masker: Whose rules apply.
    """
    (owners,) = (value for _, value in request.ListFields()) if request.ListFields() else ((),)
    for owner in owners:
        attributes = {pair.key: pair.value.string_value for pair in owner.resource.attributes}
        if attributes.get(_DISTRO) != _OWN:
            mask_message(owner, masker)


def mask_message(message: Message, masker: Masker) -> None:
    """Mask every text and all bytes of an OTLP *message* in place, whatever fields its schema has."""
    if isinstance(message, KeyValue):
        _mask_pair(message, masker)
        return
    if isinstance(message, AnyValue):
        _put(message, masker.value(None, _plain(message)))
        return
    for field, value in message.ListFields():
        if field.type == FieldDescriptor.TYPE_MESSAGE:
            for each in value if field.is_repeated else (value,):
                mask_message(each, masker)
        elif field.type == FieldDescriptor.TYPE_STRING and field.is_repeated:
            value[:] = [masker.text(text) for text in value]
        elif field.type == FieldDescriptor.TYPE_STRING:
            setattr(message, field.name, masker.text(value))
        elif field.type == FieldDescriptor.TYPE_BYTES and field.name not in _KEPT_BYTES:
            message.ClearField(field.name)


def _mask_pair(pair: KeyValue, masker: Masker) -> None:
    plain = _plain(pair.value)
    is_id = pair.key in _IDS and isinstance(plain, str)
    _put(pair.value, masker.identifier(plain) if is_id else masker.value(pair.key, plain))
    pair.key = masker.text(pair.key)


def _plain(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_plain(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return {pair.key: _plain(pair.value) for pair in value.kvlist_value.values}
    return getattr(value, kind) if kind else None


def _put(target: AnyValue, value: Any) -> None:
    target.Clear()
    if isinstance(value, bool):
        target.bool_value = value
    elif isinstance(value, int):
        target.int_value = value
    elif isinstance(value, float):
        target.double_value = value
    elif isinstance(value, bytes):
        target.bytes_value = value
    elif isinstance(value, dict):
        target.kvlist_value.SetInParent()
        for key, item in value.items():
            _put(target.kvlist_value.values.add(key=str(key)).value, item)
    elif isinstance(value, (list, tuple)):
        target.array_value.SetInParent()
        for item in value:
            _put(target.array_value.values.add(), item)
    elif value is not None:
        target.string_value = str(value)
