"""How the command line asks a store: over HTTP, with the standard library alone."""

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
_ANSWER_BYTES: Final = 64 * 1024 * 1024


class SourceError(WhatsSelfOtelError):
    """A store that does not answer, or not in a way that is understood."""


def get_json(name: str, url: str) -> Any:
    """Return the answer of store *name* to *url*; an empty object when there is no such thing."""
    body = get(name, url)
    try:
        return json.loads(body or b"{}")
    except ValueError as error:
        raise SourceError(f"{name} does not answer in JSON at {_base(url)}.") from error


def get(name: str, url: str, headers: Mapping[str, str] | None = None) -> bytes | None:
    """Return the body, or None when there is no such thing."""
    if not url.startswith(("http://", "https://")):
        raise SourceError(f"{name}'s address must begin with http:// or https://, got {_base(url)!r}.")
    request = urllib.request.Request(url, headers={"accept": "application/json", **(headers or {})})  # noqa: S310
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
