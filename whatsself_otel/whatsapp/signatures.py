"""
Verify that a webhook comes from its provider. Each provider signs, or sends a key, in a different way.

Meta signs the raw body with SHA-256 (``X-Hub-Signature-256``), WAHA with SHA-512 (``X-Webhook-Hmac``). Evolution API
signs nothing and puts its key into the body. Twilio signs its own address and the form with SHA-1
(``X-Twilio-Signature``). Each is compared in constant time.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import TYPE_CHECKING, Any, Final

from whatsself_otel.whatsapp.reading import text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

META_HEADER: Final = "x-hub-signature-256"
WAHA_HEADER: Final = "x-webhook-hmac"
TWILIO_HEADER: Final = "x-twilio-signature"
WAHA_ALGORITHM_HEADER: Final = "x-webhook-hmac-algorithm"
_WAHA_ALGORITHMS: Final = {"sha512": hashlib.sha512, "sha256": hashlib.sha256}


def lower_headers(headers: Mapping[str, str] | Iterable[tuple[Any, Any]] | None) -> dict[str, str]:
    """Return *headers* with lower-case names, as text; takes a mapping or ASGI's pairs of bytes."""
    if headers is None:
        return {}
    pairs = headers.items() if hasattr(headers, "items") else headers
    return {_as_text(name).lower(): _as_text(value) for name, value in pairs}


def is_signed_by_meta(body: bytes, headers: Mapping[str, str], secret: bytes) -> bool:
    """
    Return whether Meta has signed *body*.

    Args:
        body: As it came, byte for byte.
        headers: With lower-case names.
        secret: The application's secret.
    """
    algorithm, _, signature = headers.get(META_HEADER, "").partition("=")
    return algorithm == "sha256" and _is_same(signature, hmac.new(secret, body, hashlib.sha256).hexdigest())


def is_signed_by_waha(body: bytes, headers: Mapping[str, str], secret: bytes) -> bool:
    """
    Return whether WAHA has signed *body*.

    Args:
        body: As it came, byte for byte.
        headers: With lower-case names.
        secret: The key of the webhook's ``hmac``.
    """
    algorithm = _WAHA_ALGORITHMS.get(headers.get(WAHA_ALGORITHM_HEADER, "sha512").strip().lower())
    if algorithm is None:
        return False
    return _is_same(headers.get(WAHA_HEADER, ""), hmac.new(secret, body, algorithm).hexdigest())


def has_evolution_key(payload: Mapping[str, Any], secret: bytes) -> bool:
    """Return whether the webhook holds Evolution's key."""
    return _is_same(text(payload.get("apikey")) or "", secret.decode(errors="replace"))


def is_signed_by_twilio(form: Mapping[str, Any], headers: Mapping[str, str], secret: bytes, url: str) -> bool:
    """
    Return whether Twilio has signed *form*.

    Args:
        form: The fields of the body.
        headers: With lower-case names.
        secret: The account's auth token.
        url: That Twilio has called, with its query.
    """
    fields = "".join(f"{name}{form[name]}" for name in sorted(form))
    digest = hmac.new(secret, f"{url}{fields}".encode(), hashlib.sha1).digest()
    return _is_same(headers.get(TWILIO_HEADER, ""), base64.b64encode(digest).decode())


def _is_same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.strip().encode(errors="replace"), expected.encode(errors="replace"))


def _as_text(value: object) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)
