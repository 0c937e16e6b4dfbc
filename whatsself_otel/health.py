"""The health of a process's telemetry, as an object and as an answer to a request."""

from __future__ import annotations

import dataclasses
import json
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, Final

from whatsself_otel._settings import rows

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    from whatsself_otel.config import TelemetryConfig
    from whatsself_otel.masking import Masker

_PACKAGES: Final = (
    "whatsself-otel",
    "opentelemetry-api",
    "opentelemetry-sdk",
    "opentelemetry-instrumentation-fastapi",
    "opentelemetry-instrumentation-sqlalchemy",
    "fastapi",
    "sqlalchemy",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """
    The health of this process's telemetry.

    Args:
        ok: False when anything below is wrong: the configuration, a version, an export.
        problems: What is wrong, one sentence each, with the remedy; Portuguese where ``WHATSSELF_OTEL_LANG``, else the
            locale, says so.
        signals: Per signal: items exported, dropped, retried and queued, the queue's bounds in items and bytes, seconds
            since the last success, and the last error.
        versions: Of Python and the packages that matter; None for one that is not installed.
        configuration: Every setting in force, masked; header values are never shown.
    """

    ok: bool
    problems: tuple[str, ...]
    signals: dict[str, dict[str, Any]]
    versions: dict[str, str | None] = dataclasses.field(default_factory=dict)
    configuration: dict[str, Any] = dataclasses.field(default_factory=dict)


def installed_versions() -> dict[str, str | None]:
    """Return the versions of Python and of the packages that matter for this one."""
    return {"python": platform.python_version()} | {package: _version(package) for package in _PACKAGES}


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def show_configuration(config: TelemetryConfig, masker: Masker) -> dict[str, Any]:
    """Return every setting of *config* as harmless text: URLs without credentials, headers by name only."""
    shown: dict[str, Any] = {}
    for row in rows(type(config)):
        name, value = ".".join(row.path), row.value(config)
        if isinstance(value, Mapping):
            shown[name] = dict.fromkeys(value, "(hidden)") if row.setting.secret else masker.attributes(value)
        elif name.endswith("endpoint"):
            shown[name] = None if value is None else masker.url(value)
        elif len(row.path) == 1 or value is not None:
            shown[name] = masker.value(None, value if isinstance(value, bool | int | float) else _text(value))
    return shown | {"metrics": dataclasses.asdict(config.metrics)}


def _text(value: object) -> object:
    return value if value is None else ", ".join(map(str, value)) if isinstance(value, tuple | list) else str(value)


class HealthApp:
    """
    An ASGI application that answers with the health as JSON: 200 if well, 503 if not.

    It is for operators. Keep it off the internet, and let no load balancer restart an application by it: an application
    works without telemetry.

    Args:
        health: What to ask.
    """

    def __init__(self, health: Callable[[], Health]) -> None:
        self._health = health

    async def __call__(
        self,
        scope: MutableMapping[str, Any],
        receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
        send: Callable[[MutableMapping[str, Any]], Awaitable[None]],
    ) -> None:
        """Answer one request."""
        del receive
        if scope["type"] != "http":
            return
        health = self._health()
        headers = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]
        await send({"type": "http.response.start", "status": 200 if health.ok else 503, "headers": headers})
        body = b"" if scope["method"] == "HEAD" else json.dumps(dataclasses.asdict(health), default=str).encode()
        await send({"type": "http.response.body", "body": body})
