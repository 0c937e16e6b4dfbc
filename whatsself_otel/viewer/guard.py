"""Access to the viewer: from this machine only, and to the pages only with the token."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping
    from typing import Any

    from starlette.responses import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_HOSTS: Final = frozenset({"127.0.0.1", "localhost", "[::1]", "::1"})
_FILES: Final = "/static/"
_OPEN: Final = ("/v1/", _FILES)
"""Paths without a token: what applications send to, and files that hold no data."""
_HEADERS: Final = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self';"
        " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
_FILE_HEADERS: Final = {**_HEADERS, "cache-control": "max-age=31536000, immutable"}
"""For files, whose address changes with them; reading 25 of them again costs more than all of a page's data."""
_LASTS_S: Final = 90 * 86_400
"""Seconds that a browser remembers the token."""
_LOCKED: Final = (
    "Open the address that `whatsself-otel view` printed, with its token.\n"
    "Abra o endereço que `whatsself-otel view` mostrou, com o token.\n"
)


@dataclass(frozen=True, slots=True)
class Guard:
    """
    Checks every request before anything else sees it.

    - ``Host`` must name this machine, or a page elsewhere could have its own name point here and read everything.
    - A request that a page of another origin makes is refused, ingestion included.
    - Pages and their data need the token, as a cookie, a bearer token or, once, in the address.
    """

    app: ASGIApp
    token: str = field(repr=False)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, or answer."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request = Request(scope)
        is_file = request.url.path.startswith(_FILES)
        await (self._answer(request) or self.app)(scope, receive, _with_headers(send, is_file=is_file))

    def _answer(self, request: Request) -> Response | None:
        if urlsplit(f"//{request.headers.get('host', '')}").hostname not in _HOSTS:
            return _refuse(HTTPStatus.FORBIDDEN, "The host must be 127.0.0.1 or localhost.\n")
        origin = request.headers.get("origin")
        if origin is not None and origin != f"http://{request.headers['host']}":
            return _refuse(HTTPStatus.FORBIDDEN, "Pages of other origins may not talk to the viewer.\n")
        if request.url.path.startswith(_OPEN):
            return None
        return self._unlock(request)

    def _unlock(self, request: Request) -> Response | None:
        cookie = f"whatsself-viewer-{request.url.port or 80}"  # cookies know no ports: each viewer has its own
        if self._is_token(request.query_params.get("token", "")):
            answer = RedirectResponse(request.url.path, HTTPStatus.SEE_OTHER)
            answer.set_cookie(cookie, self.token, httponly=True, samesite="strict", path="/", max_age=_LASTS_S)
            return answer
        bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
        if self._is_token(request.cookies.get(cookie, "")) or self._is_token(bearer):
            return None
        return _refuse(HTTPStatus.UNAUTHORIZED, _LOCKED)

    def _is_token(self, text: str) -> bool:
        return secrets.compare_digest(text.encode(), self.token.encode())


def _refuse(status: HTTPStatus, reason: str) -> Response:
    return PlainTextResponse(reason, status)


def _with_headers(send: Send, *, is_file: bool) -> Send:
    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            is_there = message["status"] in {HTTPStatus.OK, HTTPStatus.NOT_MODIFIED}
            _add_headers(message, _FILE_HEADERS if is_file and is_there else _HEADERS)
        await send(message)

    return send_with_headers


def _add_headers(message: MutableMapping[str, Any], headers: Mapping[str, str]) -> None:
    added = [(name.encode(), value.encode()) for name, value in headers.items()]
    message["headers"] = [*message.get("headers", []), *added]
