"""Detect a webhook's provider by its shape."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from whatsself_otel.whatsapp import baileys, cloud_api, evolution, twilio, waha, wppconnect, zapi
from whatsself_otel.whatsapp.reading import word

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from whatsself_otel.whatsapp.addresses import Addresses
    from whatsself_otel.whatsapp.events import Event

    Adapter = Callable[[Mapping[str, Any], Addresses], Iterator[Event]]

ADAPTERS: Final[Mapping[str, Adapter]] = {
    cloud_api.PROVIDER: cloud_api.parse,
    evolution.PROVIDER: evolution.parse,
    waha.PROVIDER: waha.parse,
    baileys.PROVIDER: baileys.parse,
    zapi.PROVIDER: zapi.parse,
    wppconnect.PROVIDER: wppconnect.parse,
    twilio.PROVIDER: twilio.parse,
}
NAMES: Final[Mapping[str, frozenset[str]]] = {
    cloud_api.PROVIDER: cloud_api.NAMES,
    evolution.PROVIDER: evolution.NAMES,
    waha.PROVIDER: waha.NAMES,
    baileys.PROVIDER: baileys.NAMES,
    zapi.PROVIDER: zapi.NAMES,
    wppconnect.PROVIDER: wppconnect.NAMES,
    twilio.PROVIDER: twilio.NAMES,
}
"""Event names by provider: the bounded set of the attribute ``event``."""
PROVIDERS: Final = tuple(ADAPTERS)
UNKNOWN: Final = "unknown"


def detect_provider(payload: object) -> str | None:
    """
    Return the provider of a webhook, or None if no provider has its shape.

    Args:
        payload: Its JSON.
    """
    if not isinstance(payload, Mapping):
        return None
    return next((provider for provider, is_its in _SHAPES if is_its(payload)), None)


def _is_cloud_api(payload: Mapping[str, Any]) -> bool:
    return "entry" in payload or word(payload.get("object")) == "whatsapp_business_account"


def _is_evolution(payload: Mapping[str, Any]) -> bool:
    return "event" in payload and "instance" in payload and ("data" in payload or "apikey" in payload)


def _is_waha(payload: Mapping[str, Any]) -> bool:
    return "event" in payload and "session" in payload and ("payload" in payload or "engine" in payload)


def _is_baileys(payload: Mapping[str, Any]) -> bool:
    if "event" in payload:
        return word(payload["event"]) in baileys.NAMES
    return any(name in payload for name in baileys.NAMES) or word(payload.get("msg")) in baileys.NAMES


def _is_zapi(payload: Mapping[str, Any]) -> bool:
    return "instanceId" in payload and word(payload.get("type")) in zapi.NAMES


def _is_wppconnect(payload: Mapping[str, Any]) -> bool:
    return "session" in payload and word(payload.get("event")) in wppconnect.NAMES


def _is_twilio(payload: Mapping[str, Any]) -> bool:
    return "AccountSid" in payload and ("MessageSid" in payload or "SmsSid" in payload)


_SHAPES: Final = (
    (cloud_api.PROVIDER, _is_cloud_api),
    (evolution.PROVIDER, _is_evolution),
    (wppconnect.PROVIDER, _is_wppconnect),
    (waha.PROVIDER, _is_waha),
    (zapi.PROVIDER, _is_zapi),
    (twilio.PROVIDER, _is_twilio),
    (baileys.PROVIDER, _is_baileys),
)
