"""
Endpoints: the URL of one signal, by protocol.

Source: https://opentelemetry.io/docs/specs/otel/protocol/exporter/#configuration-options
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, unquote, urlsplit

_HOST_AND_PORT: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_][A-Za-z0-9_.-]*)(:[0-9]{1,5})?/?")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """
    The endpoint of one signal.

    Args:
        url: Whole URL, without credentials.
        credentials: User and password of the URL, as a header has them; empty if it has none.
        ignored: What else the text has and nothing uses; empty if all of it counts.
    """

    url: str
    credentials: str = ""
    ignored: str = ""


def is_endpoint(value: object) -> bool:
    """Return whether *value* is an HTTP URL, or host and port, which gRPC takes too."""
    if not isinstance(value, str) or not value.isprintable() or " " in value:
        return False
    if is_without_scheme(value):
        return True
    try:
        parts = urlsplit(value)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        return False


def is_without_scheme(value: str) -> bool:
    """Return whether *value* is only a host, perhaps with a port."""
    return _HOST_AND_PORT.fullmatch(value) is not None


def http_endpoint(text: str, path: str = "") -> Endpoint | None:
    """
    Return the endpoint for OTLP over HTTP, or None if *text* has no scheme, which HTTP needs.

    Args:
        text: A URL.
        path: What a base URL is followed by.
    """
    if is_without_scheme(text):
        return None
    parts = urlsplit(text)
    whole = f"{parts.path.rstrip('/')}/{path}" if path else parts.path
    url = parts._replace(netloc=_without_credentials(parts), path=whole, fragment="").geturl()
    return Endpoint(url, _credentials(parts), parts.fragment and f"#{parts.fragment}")


def grpc_endpoint(text: str, *, insecure: bool) -> Endpoint:
    """
    Return the endpoint for OTLP over gRPC, which uses scheme, host and port only.

    Args:
        text: A URL, or host and port.
        insecure: Without TLS where *text* has no scheme.
    """
    parts = urlsplit(f"http{'' if insecure else 's'}://{text}" if is_without_scheme(text) else text)
    rest = parts._replace(scheme="", netloc="", path=parts.path.rstrip("/")).geturl()
    return Endpoint(f"{parts.scheme}://{_without_credentials(parts)}", _credentials(parts), rest)


def is_this_machine(host: str | None) -> bool:
    """Return whether *host* is a loopback name or address."""
    return host in {"localhost", "::1"} or bool(re.fullmatch(r"127(\.\d{1,3}){3}", host or ""))


def _without_credentials(parts: SplitResult) -> str:
    return parts.netloc.rpartition("@")[2]


def _credentials(parts: SplitResult) -> str:
    if parts.username is None:
        return ""
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return f"Basic {base64.b64encode(pair.encode()).decode()}"
