"""HTTP requests to stores, with the standard library only."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from whatsself_otel.errors import WhatsSelfOtelError

if TYPE_CHECKING:
    from collections.abc import Mapping

_PATIENCE_S: Final = 15.0
_JSON: Final = {"accept": "application/json"}
_ANSWER_BYTES: Final = 64 * 1024 * 1024


class SourceError(WhatsSelfOtelError):
    """A store gave no answer, or one that cannot be understood."""


def get_json(name: str, url: str) -> Any:
    """Return the JSON answer of store *name* to *url*; an empty object for 404."""
    body = get(name, url)
    try:
        return json.loads(body or b"{}")
    except ValueError as error:
        raise SourceError(f"{name} does not answer in JSON at {_base(url)}.") from error


def get(name: str, url: str, headers: Mapping[str, str] | None = None) -> bytes | None:
    """Return the body, or None for 404."""
    return _answer(name, url, urllib.request.Request(_http(name, url), headers={**_JSON, **(headers or {})}))  # noqa: S310


def ask(name: str, url: str, method: str, body: bytes | None = None) -> None:
    """
    Change something in a store.

    Args:
        name: Of the store, for people.
        url: Of what is changed.
        method: ``POST`` or ``DELETE``.
        body: JSON.

    Raises:
        SourceError: It does not answer, or not that it was done.
    """
    headers = {**_JSON, "content-type": "application/json"}
    request = urllib.request.Request(_http(name, url), data=body, headers=headers, method=method)  # noqa: S310
    if _answer(name, url, request) is None:
        raise SourceError(f"{name} does not take that at {_base(url)}.")


def _http(name: str, url: str) -> str:
    if not url.startswith(("http://", "https://")):
        raise SourceError(f"{name}'s address must begin with http:// or https://, got {_base(url)!r}.")
    return url


def _answer(name: str, url: str, request: urllib.request.Request) -> bytes | None:
    # A proxy of the environment knows nothing of this machine's own ports.
    opener = urllib.request.build_opener(*([urllib.request.ProxyHandler({})] if _is_local(url) else []))
    try:
        with opener.open(request, timeout=_PATIENCE_S) as answer:
            body: bytes = answer.read(_ANSWER_BYTES)
            return body
    except urllib.error.HTTPError as error:
        error.close()
        if error.code in {400, 404}:
            return None
        raise SourceError(f"{name} answers {error.code} at {_base(url)}.") from error
    except (OSError, ValueError) as error:
        raise SourceError(f"{name} does not answer at {_base(url)}.") from error


def _is_local(url: str) -> bool:
    return urlsplit(url).hostname in {"127.0.0.1", "localhost", "::1"}


def _base(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname}:{parts.port or ''}".rstrip(":") if parts.hostname else url[:60]
