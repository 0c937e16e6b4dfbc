"""Passes requests on to their targets."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Final, Self
from urllib.parse import urlsplit

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from whatsself_otel.bridge.requests import Answer, WebhookRequest, end_to_end

if TYPE_CHECKING:
    from collections.abc import Iterable

_KEEP_ALIVE_S: Final = 3.0
"""Shorter than what servers keep an idle connection for (Node and uvicorn: 5 s), or a request meets its end."""
_CONNECTIONS: Final = 100
_BUSY: Final = frozenset({408, 425, 429})


class TargetError(Exception):
    """The target did not answer; its text names what happened, and nothing of the request."""


class Forwarder:
    """
    Sends requests on, over connections that are kept.

    Args:
        timeout_s: Seconds that a target may take to answer.
    """

    def __init__(self, timeout_s: float) -> None:
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=_CONNECTIONS, keepalive_timeout=_KEEP_ALIVE_S),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type", "User-Agent"),
            timeout=self._timeout,
            requote_redirect_url=False,
        )
        return self

    async def __aexit__(self, *_error: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def send(self, request: WebhookRequest, target: str) -> Answer:
        """
        Pass *request* on and return the answer.

        Args:
            request: As it came.
            target: URL of the route's target.

        Raises:
            TargetError: There was no answer in time.
        """
        try:
            return await self._send(request, url_of(target, request.target))
        except aiohttp.ServerDisconnectedError:  # the target closed a connection that was kept, as this one began
            try:
                return await self._send(request, url_of(target, request.target))
            except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
                raise TargetError(type(error).__name__) from None
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            raise TargetError(type(error).__name__) from None

    async def _send(self, request: WebhookRequest, url: str) -> Answer:
        assert self._session is not None  # noqa: S101 - the type checker cannot know that the block is entered
        sent = self._session.request(
            request.method,
            URL(url, encoded=True),
            headers=_as_text(end_to_end(request.headers, b"host", b"content-length")),
            data=io.BytesIO(request.body) if request.body else None,
            allow_redirects=False,
        )
        async with sent as response:
            body = await response.read()
            return Answer(response.status, end_to_end(response.raw_headers, b"content-length"), body)


def url_of(target: str, path: str) -> str:
    """Return where a request to *path*, with its query, goes at *target*."""
    base = urlsplit(target)
    prefix = base.path.rstrip("/")
    if path.startswith("/?") or path == "/":
        path = path[1:] if prefix else path
    return f"{base.scheme}://{base.netloc}{prefix}{path}"


def is_taken(status: int) -> bool:
    """Return whether *status* says that the target has the request."""
    return status < 400


def is_busy(status: int) -> bool:
    """Return whether *status* says that the target cannot take the request now."""
    return status >= 500 or status in _BUSY


def _as_text(headers: Iterable[tuple[bytes, bytes]]) -> CIMultiDict[str]:
    """Return *headers* for aiohttp, which keeps a repeated header only if its name is spelled alike each time."""
    found: CIMultiDict[str] = CIMultiDict()
    spelled: dict[bytes, str] = {}
    for name, value in headers:
        found.add(spelled.setdefault(name.lower(), name.decode("ascii")), value.decode("utf-8"))
    return found
