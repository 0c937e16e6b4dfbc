"""A provider's answer to a sent message: accepted, or refused with a reason."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from whatsself_otel.whatsapp import cloud_api, error_codes, evolution, waha
from whatsself_otel.whatsapp.addresses import chat_of
from whatsself_otel.whatsapp.events import Event, MessageAccepted, MessageRejected
from whatsself_otel.whatsapp.reading import at_path, error_code, flag, mapping, objects, text
from whatsself_otel.whatsapp.references import accepted_id, message_ref

if TYPE_CHECKING:
    from collections.abc import Mapping

    from whatsself_otel.whatsapp.addresses import Addresses

SEND: Final = "send"
_TIMEOUTS: Final = ("timeout",)
_NETWORK: Final = ("connect", "network", "socket", "protocol")


def read_answer(answer: object, addresses: Addresses, provider: str | None = None) -> Event:
    """
    Return the event that *answer* to a sent message reports.

    Args:
        answer: The JSON, the response object of httpx, requests or aiohttp that holds it, or what was raised.
        addresses: What is known of contacts.
        provider: Whose answer it is; default: as its shape tells.
    """
    status, body = _status_of(answer), _body_of(answer)
    common: dict[str, Any] = {"name": SEND, "direction": "outbound", "author": "api"}
    found = _accepted(body, addresses) if status is None or status < 400 else None
    if found is not None and not isinstance(answer, BaseException):
        message_id, contact, shape = found
        return MessageAccepted(
            **common,
            provider=provider or shape,
            event_id=accepted_id(message_id),
            message_ref=message_id and message_ref(message_id),
            contact_ref=addresses.contact(contact),
            chat=chat_of(contact),
        )
    code, reason, fault, shape = _refusal(answer, status, body)
    return MessageRejected(**common, provider=provider or shape, reason=reason, fault=fault, error_type=code)


def _accepted(body: Mapping[str, Any], addresses: Addresses) -> tuple[str | None, str | None, str] | None:
    """Return message id, contact's address and provider, or None if *body* is no acceptance."""
    del addresses
    first = next(objects(body.get("messages")), None)
    if first is not None and (message_id := text(first.get("id"))):
        contact = next(objects(body.get("contacts")), None)
        address = text(at_path(contact, "wa_id")) or text(at_path(contact, "user_id"))
        return message_id, address, cloud_api.PROVIDER
    key = mapping(body.get("key"))
    if message_id := text(key.get("id")):
        address = text(key.get("remoteJidAlt")) or text(key.get("remoteJid"))
        is_evolutions = "instanceId" in body or "messageType" in body
        return message_id, address, evolution.PROVIDER if is_evolutions else waha.PROVIDER
    if message_id := waha.bare_id(body.get("id")):
        whole = text(at_path(body.get("id"), "_serialized")) or text(body.get("id")) or ""
        parts = whole.split("_")
        return message_id, parts[1] if len(parts) >= 3 else text(body.get("to")), waha.PROVIDER
    return None


def _refusal(answer: object, status: int | None, body: Mapping[str, Any]) -> tuple[str, str, str, str]:
    """Return code, reason, fault and provider of a refusal."""
    graph = body.get("error")
    code = error_code(at_path(graph, "code")) if isinstance(graph, dict) else None
    if code is None and status is not None and _is_pywa(answer):
        code = error_code(getattr(answer, "code", None))
    if code is not None:
        meaning = error_codes.explain("cloud_api", code)
        return str(code), meaning.reason, meaning.fault, cloud_api.PROVIDER
    provider = evolution.PROVIDER if "response" in body else waha.PROVIDER if "statusCode" in body else "other"
    if _is_not_on_whatsapp(body):
        return "not_on_whatsapp", "not_on_whatsapp", error_codes.RECIPIENT, provider
    status = status if status is not None else error_code(body.get("statusCode") or body.get("status"))
    if status is not None and 400 <= status < 1000:
        meaning = error_codes.explain("http", status)
        return str(status), meaning.reason, meaning.fault, provider
    return *_of_exception(answer), provider


def _of_exception(answer: object) -> tuple[str, str, str]:
    if not isinstance(answer, BaseException):
        return "unknown", "other", error_codes.FAULTS["other"]
    name = type(answer).__name__
    known = name.lower()
    if isinstance(answer, TimeoutError) or any(word in known for word in _TIMEOUTS):
        reason = "timeout"
    elif isinstance(answer, OSError) or any(word in known for word in _NETWORK):
        reason = "network"
    else:
        reason = "other"
    return name[:60], reason, error_codes.FAULTS[reason]


def _is_not_on_whatsapp(body: Mapping[str, Any]) -> bool:
    """Return whether Evolution answers that the number does not exist on WhatsApp."""
    found = at_path(body, "response", "message")
    return any(flag(each.get("exists")) is False for each in objects(found))


def _is_pywa(answer: object) -> bool:
    return isinstance(answer, BaseException) and type(answer).__module__.startswith("pywa")


def _status_of(answer: object) -> int | None:
    response = _response_of(answer)
    found = getattr(response, "status_code", None)
    if found is None:
        found = getattr(response, "status", None)
    if _is_pywa(answer) and found is None:
        return 400
    return found if isinstance(found, int) and not isinstance(found, bool) else None


def _response_of(answer: object) -> object:
    """Return the response that an exception holds, or *answer* itself."""
    if not isinstance(answer, BaseException):
        return answer
    return getattr(answer, "response", None) or getattr(answer, "raw_response", None) or answer


def _body_of(answer: object) -> Mapping[str, Any]:
    if isinstance(answer, dict):
        return answer
    if isinstance(answer, bytes | str):
        return _json(answer)
    if _is_pywa(answer) and isinstance(raw := getattr(answer, "raw", None), dict):
        return {"error": raw}
    content = getattr(_response_of(answer), "content", None)
    return _json(content) if isinstance(content, bytes) else {}


def _json(content: bytes | str) -> Mapping[str, Any]:
    try:
        return mapping(json.loads(content[:1_000_000]))
    except (ValueError, RecursionError):
        return {}
