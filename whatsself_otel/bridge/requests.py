"""Requests and answers, byte for byte, without the headers of one connection."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import Any, Final

Headers = tuple[tuple[bytes, bytes], ...]

TOKEN_HEADER: Final = b"x-bridge-token"
_HOPS: Final = frozenset(
    {
        *(b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"proxy-connection", b"te"),
        *(b"trailer", b"transfer-encoding", b"upgrade", b"expect"),
    }
)
"""Headers of one connection (RFC 9110, 7.6.1)."""


@dataclass(frozen=True, slots=True)
class WebhookRequest:
    """
    One request.

    Args:
        method: As it came.
        target: Path and query, as they came.
        headers: In their order, names as they came; without those of one connection.
        body: As it came.
        at: When it came, Unix seconds.
    """

    method: str
    target: str
    headers: Headers
    body: bytes = field(repr=False)
    at: float = field(default_factory=time.time)

    @property
    def path(self) -> str:
        """The path, without the query."""
        return self.target.partition("?")[0]

    def header(self, name: bytes) -> bytes:
        """Return the first header of *name*, in lower case; empty if there is none."""
        return next((value for each, value in self.headers if each.lower() == name), b"")

    def to_bytes(self) -> bytes:
        """Return it as a file of the queue."""
        head: dict[str, Any] = {
            "method": self.method,
            "target": self.target,
            "headers": [[name.decode("latin-1"), value.decode("latin-1")] for name, value in self.headers],
            "at": self.at,
        }
        return json.dumps(head).encode() + b"\n" + self.body

    @classmethod
    def from_bytes(cls, stored: bytes) -> WebhookRequest:
        """Read a file of the queue."""
        first, _, body = stored.partition(b"\n")
        head = json.loads(first)
        headers = tuple((name.encode("latin-1"), value.encode("latin-1")) for name, value in head["headers"])
        return cls(head["method"], head["target"], headers, body, head["at"])


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer."""

    status: int
    headers: Headers = ()
    body: bytes = b""


def end_to_end(headers: Headers, *also: bytes) -> Headers:
    """Return *headers* without those of one connection, and without those named in *also*, in lower case."""
    named = {
        token.strip().lower() for name, value in headers if name.lower() == b"connection" for token in value.split(b",")
    }
    left_out = _HOPS | named | set(also)
    return tuple((name, value) for name, value in headers if name.lower() not in left_out)
