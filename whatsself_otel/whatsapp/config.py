"""Settings for webhooks: secrets, sizes and session names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from whatsself_otel import _settings
from whatsself_otel._settings import count, file, parse_pairs, setting

if TYPE_CHECKING:
    from pathlib import Path


def _is_name(key: object, value: object) -> bool:
    return all(isinstance(each, str) and 0 < len(each) < 256 and each.isprintable() for each in (key, value))


def _parse_sessions(given: str) -> dict[str, str]:
    return parse_pairs(given, _is_name)


@dataclass(frozen=True, slots=True, kw_only=True)
class WhatsAppConfig:
    """
    Settings for the reading of webhooks by `Telemetry.whatsapp`.

    A file of secrets may hold several, one a line: an old and a new one, or those of several accounts.

    Raises:
        ConfigError: If any argument breaks its rule; it lists all of them.
    """

    app_secret_file: Path | None = file("APP_SECRET_FILE")
    """File with the secret of Meta's application: a Cloud API webhook without its signature is not read."""
    waha_hmac_key_file: Path | None = file("WAHA_HMAC_KEY_FILE")
    """File with the HMAC key of WAHA's webhooks: one without its signature is not read."""
    evolution_api_key_file: Path | None = file("EVOLUTION_API_KEY_FILE")
    """File with Evolution's API key: a webhook whose body does not hold it is not read."""
    twilio_auth_token_file: Path | None = file("TWILIO_AUTH_TOKEN_FILE")
    """File with the auth token of the Twilio account: a webhook without its signature is not read."""
    max_body_bytes: int = count(4_194_304, 1024, 67_108_864, "MAX_BODY_BYTES")
    """Largest webhook that is read, in bytes; a longer one is counted as too large."""
    repeats_url: str | None = setting(
        None,
        "REPEATS_URL",
        rule="must be the URL of a Redis server: redis://, rediss:// or unix://",
        check=lambda value: isinstance(value, str) and value.startswith(("redis://", "rediss://", "unix://")),
        secret=True,
    )
    """Redis server by which several processes share the window of seen events; needs the package redis."""
    sessions: Mapping[str, str] = setting(
        {},
        "SESSIONS",
        parse=_parse_sessions,
        rule="must be names, as 100000000000111=main in the environment",
        check=lambda value: isinstance(value, Mapping) and all(_is_name(*pair) for pair in value.items()),
        is_shown=False,
    )
    """Names of sessions in metrics, by the provider's phone number id, account id or name."""

    def __post_init__(self) -> None:
        _settings.check_arguments(self)
