"""How the demo behaves; every value can be set by an environment variable."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Self

from whatsself_otel.whatsapp.events import DEFAULT_SESSION

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_DATABASE_URL: Final = "sqlite+aiosqlite:///whatsself-demo.db"
_OFF: Final = frozenset({"", "0", "off", "no", "false", "none", "unlimited"})


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerConfig:
    """When sending stops: WhatsSelf opens at 25 % failures over at least 20 attempts."""

    enabled: bool = True
    fail_ratio: float = 0.25
    """Share of failed attempts that opens the breaker, above 0 and at most 1."""
    min_attempts: int = 20
    """Attempts in the window; with fewer the breaker stays closed."""
    window_s: float = 300.0
    cool_down_s: float = 300.0
    """Seconds from opening to the one attempt that may close it again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PaceConfig:
    """How fast messages leave; ``None`` means unlimited."""

    per_min: int | None = 12
    """Messages a minute for all contacts together."""
    per_contact: int | None = 2
    """Messages in five minutes to one contact."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoSettings:
    """Everything that can be chosen about the demo application."""

    database_url: str = field(default=DEFAULT_DATABASE_URL, repr=False)
    """SQLAlchemy URL; may carry a password, hence hidden from repr. Env: DATABASE_URL."""
    faults: bool = False
    """Whether callers may ask for failures. Env: DEMO_FAULTS."""
    breaker: BreakerConfig = field(default_factory=BreakerConfig)
    """Env: DEMO_BREAKER (``off``), DEMO_BREAKER_COOL_DOWN_S."""
    pace: PaceConfig = field(default_factory=PaceConfig)
    """Env: DEMO_PACE_PER_MIN, DEMO_PACE_PER_CONTACT (``off`` for unlimited)."""
    lease_s: float = 30.0
    """Seconds until another worker takes a dead worker's row. Env: DEMO_LEASE_S."""
    poll_s: float = 0.25
    """Seconds between two looks at an empty queue. Env: DEMO_POLL_S."""
    send_s: float = 0.02
    """Seconds that the pretend WhatsApp takes for each answer. Env: DEMO_SEND_S."""
    reconnect_s: float = 3.0
    """Seconds from a lost connection to the next one. Env: DEMO_RECONNECT_S."""
    unanswered_after_s: float = 120.0
    """Seconds until a waiting contact counts as unanswered. Env: DEMO_UNANSWERED_AFTER_S."""
    session: str = DEFAULT_SESSION
    """Internal name of its WhatsApp session. Env: DEMO_SESSION."""

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """Read the settings; a missing variable keeps its default."""
        return cls(
            database_url=environ.get("DATABASE_URL", DEFAULT_DATABASE_URL),
            faults=_switch(environ.get("DEMO_FAULTS", "off")),
            breaker=BreakerConfig(
                enabled=_switch(environ.get("DEMO_BREAKER", "on")),
                cool_down_s=float(environ.get("DEMO_BREAKER_COOL_DOWN_S", "300")),
            ),
            pace=PaceConfig(
                per_min=_limit(environ.get("DEMO_PACE_PER_MIN", "12")),
                per_contact=_limit(environ.get("DEMO_PACE_PER_CONTACT", "2")),
            ),
            lease_s=float(environ.get("DEMO_LEASE_S", "30")),
            poll_s=float(environ.get("DEMO_POLL_S", "0.25")),
            send_s=float(environ.get("DEMO_SEND_S", "0.02")),
            reconnect_s=float(environ.get("DEMO_RECONNECT_S", "3")),
            unanswered_after_s=float(environ.get("DEMO_UNANSWERED_AFTER_S", "120")),
            session=environ.get("DEMO_SESSION") or DEFAULT_SESSION,
        )


def _switch(value: str) -> bool:
    return value.strip().lower() not in _OFF


def _limit(value: str) -> int | None:
    return int(value) if _switch(value) else None
