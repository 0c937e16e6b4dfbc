"""The entry point: takes a webhook or an answer, returns typed events, and moves the metrics."""

from __future__ import annotations

import hashlib
import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from whatsself_otel.catalogue import OTHER
from whatsself_otel.messages import OwnLogger
from whatsself_otel.whatsapp import signatures
from whatsself_otel.whatsapp.addresses import Addresses
from whatsself_otel.whatsapp.answers import read_answer
from whatsself_otel.whatsapp.config import WhatsAppConfig
from whatsself_otel.whatsapp.detect import ADAPTERS, detect_provider
from whatsself_otel.whatsapp.reading import MAX_ITEMS, mapping, read_form, text
from whatsself_otel.whatsapp.recording import Recorder
from whatsself_otel.whatsapp.references import ContactReferences
from whatsself_otel.whatsapp.webhook import WebhookMiddleware

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from whatsself_otel.metrics.recording import WhatsSelfMetrics
    from whatsself_otel.whatsapp.events import Event

    _Sent = tuple[Mapping[str, str] | None, bytes | None, str | None]
    """Headers, body and address of a request."""

_logger: Final = OwnLogger(__name__)
_knocks: Final = OwnLogger("whatsself.webhooks")
"""Logs refused webhooks. It is an application logger, because this package's own loggers are not exported."""
_KNOCKS_S: Final = 60.0
"""Seconds between two lines about one provider's refused signatures, so that guessing does not fill the log."""
_SECRETS: Final = {
    "cloud_api": "app_secret_file",
    "waha": "waha_hmac_key_file",
    "evolution": "evolution_api_key_file",
    "twilio": "twilio_auth_token_file",
}
_KEY_INSIDE: Final = frozenset({"evolution", "twilio"})
"""Providers whose proof needs the parsed payload."""


_NOBODYS: Final = secrets.token_bytes(32)
"""Used in place of an empty or unreadable file's secret: no webhook is signed with it."""


class WhatsApp:
    """
    Reads the reports of WhatsApp providers. No method raises, and none changes its arguments.

    Args:
        metrics: The instruments.
        config: Secrets, limits, names of sessions.
        pseudonyms: Returns a phone's pseudonym under each key of the pseudonym file, as `Masker.pseudonyms` does.
        clock: Unix time in seconds.
    """

    def __init__(
        self,
        metrics: WhatsSelfMetrics,
        *,
        config: WhatsAppConfig | None = None,
        pseudonyms: Callable[[str], tuple[str, ...]] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.config = config or WhatsAppConfig()
        self._metrics = metrics
        self._addresses = Addresses(ContactReferences(pseudonyms))
        self._recorder = Recorder(metrics, sessions=self.config.sessions, clock=clock)
        self._knocked: dict[str, float] = {}
        self._secrets = {provider: _read(getattr(self.config, name)) for provider, name in _SECRETS.items()}

    def contact_ref(self, address: str) -> str:
        """
        Return a contact's reference in events, for recording methods that you call besides `observe`.

        Args:
            address: The contact's phone, JID, LID or user id.
        """
        return self._addresses.contact(address) or ""

    def observe(
        self,
        payload: object = None,
        *,
        headers: Mapping[str, str] | Iterable[tuple[Any, Any]] | None = None,
        body: bytes | None = None,
        provider: str | None = None,
        origin: str = "reply",
        expects_reply: bool = True,
        is_verified: bool = False,
        url: str | None = None,
    ) -> list[Event]:
        """
        Record a webhook's events in the metrics, and return them.

        Args:
            payload: Its JSON or form, parsed or as text or bytes; default: the content of *body*.
            headers: Headers of the request; needed if the provider signs.
            body: Unchanged body of the request; needed if the provider signs.
            provider: One of `detect.PROVIDERS`; default: recognised by the payload's shape.
            origin: Why the application sent the messages that the webhook reports: ``reply`` or ``broadcast``.
            expects_reply: False if no reply is due: out of hours, or a person has taken over.
            is_verified: True if the caller has checked that the provider sent it.
            url: Address that the provider called, as the provider knows it; needed for Twilio, which signs it.

        Returns:
            The events; repeated ones are marked. Empty if the webhook could not be read.
        """
        try:
            if isinstance(payload, bytes | bytearray | str):
                body, payload = _as_bytes(payload), None
            checked = None if is_verified else signatures.lower_headers(headers)
            return self._observe(payload, (checked, body, url), provider, (origin, expects_reply))
        except Exception as error:  # noqa: BLE001 - the application must never suffer
            self._fail(error)
            return []

    def observe_send(
        self,
        answer: object,
        *,
        origin: str = "reply",
        contact_id: str | None = None,
        session: str | None = None,
        provider: str | None = None,
        at: float | None = None,
    ) -> Event | None:
        """
        Record a provider's answer to a message, and return the event.

        Args:
            answer: The JSON of Graph, Evolution or WAHA, the response object that holds it, or the raised exception.
            origin: ``reply``, ``broadcast`` or ``manual``.
            contact_id: The application's id of the contact; default: the reference of the contact in the answer.
            session: WhatsApp session that sent the message; default `main`.
            provider: Provider of the answer; default: recognised by the answer's shape.
            at: Time of the answer, in Unix seconds; default now.
        """
        try:
            event = read_answer(answer, self._addresses, provider)
            event = _with(event, session=session, at=at)
            return self._recorder.record_sent(event, origin=origin, contact_id=contact_id)
        except Exception as error:  # noqa: BLE001 - as above
            self._fail(error)
            return None

    def instrument_webhook(self, app: Any, *, path: str, **options: Any) -> Any:
        """
        Observe the webhooks that *app* receives at *path*, by a copy of their bodies.

        Args:
            app: A FastAPI or Starlette application that has not started, or any ASGI application.
            path: Path of the webhook; paths below it are observed too.
            options: More arguments of `observe`: ``provider``, ``origin``, ``expects_reply``.

        Returns:
            *app*; or, if it takes no middleware, a wrapper to serve in its place.
        """
        if hasattr(app, "add_middleware"):
            app.add_middleware(WebhookMiddleware, whatsapp=self, path=path, options=options)
            return app
        return WebhookMiddleware(app, whatsapp=self, path=path, options=options)

    def parse(self, payload: object, provider: str | None = None) -> list[Event]:
        """Return the events of a webhook, and record nothing."""
        found = provider or detect_provider(payload)
        if found is None or not isinstance(payload, Mapping):
            return []
        return self._events(found, payload)

    def provider_of(self, body: bytes) -> str | None:
        """Return the provider of the webhook *body*, or None."""
        return detect_provider(_parse(body))

    def has_secret(self, provider: str) -> bool:
        """Return whether there is a secret for checking webhooks of *provider*."""
        return self._secrets.get(provider) is not None

    def is_genuine(
        self,
        provider: str,
        *,
        headers: Mapping[str, str] | Iterable[tuple[Any, Any]] | None,
        body: bytes,
        url: str | None = None,
    ) -> bool | None:
        """
        Return whether the provider sent a webhook, by its signature or key; None if no secret is configured.

        Args:
            provider: Claimed provider of the webhook.
            headers: Headers of the request.
            body: Unchanged body of the request.
            url: Address that the provider called; needed if the provider signs it.
        """
        if not self.has_secret(provider):
            return None
        try:
            payload = _parse(body) if provider in _KEY_INSIDE else None
            return self._is_genuine(provider, mapping(payload), (signatures.lower_headers(headers), body, url))
        except Exception as error:  # noqa: BLE001 - as above
            self._fail(error)
            return False

    def record_states(self, payload: object, provider: str) -> None:
        """Record sessions' states from a gateway's API as if its webhook had reported them."""
        try:
            self._recorder.record_states(self.parse(payload, provider))
        except Exception as error:  # noqa: BLE001 - as above
            self._fail(error)

    def retire_session(self, name: str) -> None:
        """Record that a session was removed for good; *name* is its name at the provider."""
        self._metrics.session_retired(session=self.config.sessions.get(name) or self._metrics.name_of(name))

    def count_rejected(self, reason: str, provider: str | None = None) -> None:
        """Count a webhook that was not read: ``signature``, ``malformed`` or ``too_large``."""
        self._metrics.provider.count_rejected(provider, reason)
        if reason == "signature":
            self._tell_of_knock(provider if provider is not None and provider in ADAPTERS else OTHER)

    def _tell_of_knock(self, provider: str) -> None:
        now = time.monotonic()
        if now - self._knocked.get(provider, -_KNOCKS_S) >= _KNOCKS_S:
            self._knocked[provider] = now
            _knocks.warning("Webhook refused: its signature is wrong", extra={"provider": provider})

    def _observe(
        self,
        payload: object,
        sent: _Sent,
        provider: str | None,
        how: tuple[str, bool],
    ) -> list[Event]:
        headers, body, _ = sent
        if body is not None and len(body) > self.config.max_body_bytes:
            return self._reject("too_large", provider)
        if payload is None:
            payload = _parse(body)
        if not isinstance(payload, Mapping):
            return self._reject("malformed", provider)
        provider = provider if provider in ADAPTERS else detect_provider(payload)
        if provider is None:
            return self._reject("malformed", None)
        if headers is not None and not self._is_genuine(provider, payload, sent):
            return self._reject("signature", provider)
        events = self._events(provider, payload)
        envelope = _envelope(payload, body)
        return self._recorder.record(events, envelope=envelope, origin=how[0], expects_reply=how[1])

    def _events(self, provider: str, payload: Mapping[str, Any]) -> list[Event]:
        """Return the readable events. An error in one loses the events after it, and is counted."""
        found: list[Event] = []
        try:
            found.extend(islice(ADAPTERS[provider](payload, self._addresses), MAX_ITEMS))
        except Exception as error:  # noqa: BLE001 - an unexpected shape
            self._fail(error)
        return found

    def _is_genuine(self, provider: str, payload: Mapping[str, Any], sent: _Sent) -> bool:
        keys = self._secrets.get(provider)
        return keys is None or any(self._is_made_with(key, provider, payload, sent) for key in keys)

    def _is_made_with(self, key: bytes, provider: str, payload: Mapping[str, Any], sent: _Sent) -> bool:
        headers, body, url = sent
        if provider == "evolution":
            return signatures.has_evolution_key(payload, key)
        if provider == "twilio":
            return signatures.is_signed_by_twilio(payload, headers or {}, key, url or "")
        if body is None:
            return False
        check = signatures.is_signed_by_meta if provider == "cloud_api" else signatures.is_signed_by_waha
        return check(body, headers or {}, key)

    def _reject(self, reason: str, provider: str | None) -> list[Event]:
        self.count_rejected(reason, provider)
        return []

    def _fail(self, error: Exception) -> None:
        self._metrics.error("whatsapp")
        _logger.debug("whatsself_otel: a webhook could not be read (%s)", type(error).__name__)


def _as_bytes(payload: bytes | bytearray | str) -> bytes:
    return payload.encode(errors="replace") if isinstance(payload, str) else bytes(payload)


def _parse(body: bytes | None) -> object:
    try:
        return None if body is None else json.loads(body)
    except (ValueError, RecursionError):
        return read_form(body or b"")


def _envelope(payload: Mapping[str, Any], body: bytes | None) -> str | None:
    """Return an id of this webhook: WAHA's id, else a digest of the body."""
    if body is not None:
        return f"w_{hashlib.sha256(body).hexdigest()[:32]}"
    named = text(payload.get("id"))
    return None if named is None else f"w_{hashlib.sha256(named.encode(errors='replace')).hexdigest()[:32]}"


def _read(path: Path | None) -> tuple[bytes, ...] | None:
    """Return the secrets of a file, one a line: an old and a new one, or those of several accounts."""
    if path is None:
        return None
    try:
        return tuple(filter(None, map(bytes.strip, path.read_bytes().splitlines()))) or (_NOBODYS,)
    except OSError:
        return (_NOBODYS,)


def _with(event: Event, **fields: Any) -> Event:
    given = {name: value for name, value in fields.items() if value is not None}
    return replace(event, **given) if given else event
