"""Configuration of a bridge: routes, targets, queue, token and limits."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from whatsself_otel.errors import ConfigError
from whatsself_otel.whatsapp.detect import PROVIDERS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ANY: Final = "any"
"""Provider of a route that detects each webhook's provider by its shape."""
MIB: Final = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """
    The requests below one path.

    Args:
        path: Without a slash at the end; empty for every path.
        provider: Whose webhooks come there; `ANY`: as their shape tells.
        forward: URL of the target, to whose path the request's is added; None: the bridge answers itself.
    """

    path: str = ""
    provider: str = ANY
    forward: str | None = None

    @classmethod
    def parse(cls, text: str) -> Route:
        """
        Read ``PATH=PROVIDER`` or ``PATH=PROVIDER@URL``.

        Raises:
            ConfigError: *text* is neither.
        """
        path, is_given, rest = text.partition("=")
        provider, _, forward = rest.partition("@")
        if not is_given:
            raise ConfigError([f"a route must be PATH=PROVIDER or PATH=PROVIDER@URL, got {path!r}."])
        return cls(path=path.rstrip("/"), provider=provider, forward=forward or None)

    def problems(self) -> Iterator[str]:
        """Yield each broken rule."""
        if self.path and not self.path.startswith("/"):
            yield f"the path of a route must begin with a slash, got {self.path!r}."
        if self.provider not in {*PROVIDERS, ANY}:
            yield f"the provider of a route must be one of {', '.join((*PROVIDERS, ANY))}, got {self.provider!r}."
        if self.forward is not None:
            yield from problems_of_url(self.forward)

    def takes(self, path: str) -> bool:
        """Return whether a request to *path* is its own."""
        return path == self.path or path.startswith(f"{self.path}/")


@dataclass(frozen=True, slots=True, kw_only=True)
class BridgeConfig:
    """
    How a bridge runs.

    Raises:
        ConfigError: If any argument breaks its rule; it lists all of them.
    """

    host: str = "127.0.0.1"
    """Address that it listens on."""
    port: int = 8085
    """Port that it listens on; 0 takes any that is free."""
    routes: tuple[Route, ...] = (Route(),)
    """The longest path that fits takes a request."""
    queue: Path | None = None
    """Folder of requests that a target could not take; None: the gateway hears of it, and has to repeat them."""
    queue_max_bytes: int = 1024 * MIB
    """Limit of the folder in bytes; beyond it the gateway gets 503."""
    queue_max_age_s: float = 72 * 3600
    """Seconds until a queued request expires."""
    token: bytes | None = field(default=None, repr=False)
    """Token that a gateway sends in ``X-Bridge-Token`` or as the first part of the path."""
    verify_token: bytes | None = field(default=None, repr=False)
    """Token that Meta sends when a webhook is registered."""
    public_url: str | None = None
    """Address by which Twilio reaches the bridge; Twilio signs it."""
    max_body_bytes: int = 64 * MIB
    """Longest body that is taken; a longer one is refused with 413."""
    max_held_bytes: int = 256 * MIB
    """Bodies held at one time; a request past it is refused with 503."""
    forward_timeout_s: float = 10.0
    """Seconds that a target may take to answer; above 0."""

    def __post_init__(self) -> None:
        """Check every argument."""
        if problems := list(self._problems()):
            raise ConfigError(problems)

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine reaches the bridge."""
        return is_loopback(self.host)

    def route_of(self, path: str) -> Route | None:
        """Return the route that takes a request to *path*."""
        return max((route for route in self.routes if route.takes(path)), key=lambda one: len(one.path), default=None)

    def _problems(self) -> Iterator[str]:
        if not 0 <= self.port <= 65_535:
            yield f"the port must be 0 to 65535, got {self.port}."
        if not 0 < self.forward_timeout_s <= 600:
            yield f"the time for a target must be above 0 and at most 600 s, got {self.forward_timeout_s}."
        for name in ("queue_max_bytes", "queue_max_age_s", "max_body_bytes", "max_held_bytes"):
            if getattr(self, name) <= 0:
                yield f"{name} must be above 0, got {getattr(self, name)}."
        for route in self.routes:
            yield from route.problems()
        paths = [route.path for route in self.routes]
        if len(set(paths)) < len(paths):
            yield "each route must have a path of its own."
        if self.queue is not None and not any(route.forward for route in self.routes):
            yield "a queue needs a target: name one by --forward."


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches *host*."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def problems_of_url(url: str) -> Iterator[str]:
    """Yield each rule that the URL of a target or gateway breaks."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        yield "a target must be a URL that begins with http:// or https://."
    if parts.username or parts.password:
        yield "a target's URL must hold no credentials: let the gateway send them as a header."
    if parts.query or parts.fragment:
        yield "a target's URL must end with its path: query and fragment are the request's."
