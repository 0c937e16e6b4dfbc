"""Admission: a request needs the bridge's token, or its provider's signature."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs

from whatsself_otel.bridge.config import ANY
from whatsself_otel.bridge.requests import TOKEN_HEADER, WebhookRequest, end_to_end
from whatsself_otel.whatsapp.detect import PROVIDERS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from whatsself_otel.bridge.config import BridgeConfig, Route
    from whatsself_otel.whatsapp.observe import WhatsApp

CHALLENGED: Final = "cloud_api"
"""The provider that asks, by a GET, whether an address wants its webhooks."""


class Gate:
    """
    Admits requests by token or signature.

    Args:
        config: Token, and whether others than this machine reach the bridge.
        whatsapp: Checks signatures.
    """

    def __init__(self, config: BridgeConfig, whatsapp: WhatsApp) -> None:
        self._config = config
        self._whatsapp = whatsapp

    def problems(self) -> Iterator[str]:
        """Yield each route that anybody could post to, with the remedy."""
        if self._config.is_loopback or self._config.token is not None:
            return
        for route in self._config.routes:
            if not self._has_secret(route.provider):
                yield (
                    f"others than this machine reach {self._config.host}, and nothing checks who posts to the route "
                    f"of {route.provider}: set --token-file, or the secret of its provider."
                )

    def strip(self, request: WebhookRequest) -> tuple[WebhookRequest, bool]:
        """Return *request* without the bridge's own token, and whether it showed the right one."""
        token = self._config.token
        if token is None:
            return request, False
        shown = request.header(TOKEN_HEADER)
        first, slash, rest = request.target.removeprefix("/").partition("/")
        if _is_same(first.partition("?")[0].encode(), token):
            query = first[len(first.partition("?")[0]) :]
            target, is_right = f"/{rest}" if slash else f"/{query}", True
        else:
            target, is_right = request.target, _is_same(shown, token)
        headers = end_to_end(request.headers, TOKEN_HEADER)
        return WebhookRequest(request.method, target, headers, request.body, request.at), is_right

    def needs_token(self, route: Route) -> bool:
        """Return whether no request to *route* may enter without the token."""
        is_open = self._config.is_loopback and self._config.token is None
        named = PROVIDERS if route.provider == ANY else (route.provider,)
        is_challenged = CHALLENGED in named and self._config.verify_token is not None
        return not is_open and not is_challenged and not any(self._whatsapp.has_secret(each) for each in named)

    def may_enter(self, request: WebhookRequest, route: Route) -> bool:
        """
        Return whether *request*, which showed no token, may enter; parses a body of Evolution, whose key stands in it.

        Args:
            request: With its body.
            route: That it belongs to.
        """
        if route.provider in {CHALLENGED, ANY} and request.method == "GET" and "hub.challenge" in request.target:
            return self._is_meta(request)
        provider = self._whatsapp.provider_of(request.body) if route.provider == ANY else route.provider
        genuine = None if provider is None else self._is_genuine(provider, request)
        return genuine if genuine is not None else self._config.is_loopback and self._config.token is None

    def _is_genuine(self, provider: str, request: WebhookRequest) -> bool | None:
        base = self._config.public_url
        if base is None:
            scheme = request.header(b"x-forwarded-proto") or b"https"
            base = f"{scheme.decode('latin-1')}://{request.header(b'host').decode('latin-1')}"
        url = f"{base.rstrip('/')}{request.target}"
        return self._whatsapp.is_genuine(provider, headers=request.headers, body=request.body, url=url)

    def _is_meta(self, request: WebhookRequest) -> bool:
        """Return whether Meta has shown the verify token; without one, only this machine is believed."""
        if self._config.verify_token is None:
            return self._config.is_loopback and self._config.token is None
        shown = parse_qs(request.target.partition("?")[2]).get("hub.verify_token", [""])[0]
        return _is_same(shown.encode(), self._config.verify_token)

    def _has_secret(self, provider: str) -> bool:
        named = PROVIDERS if provider == ANY else (provider,)
        return all(self._whatsapp.has_secret(each) for each in named)


def _is_same(shown: bytes, expected: bytes) -> bool:
    return hmac.compare_digest(shown, expected)
