"""The variables that switch every receiver of alerts on."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def alert_variables(folder: Path, **more: str) -> dict[str, str]:
    """Return them, with *more*; the secrets' files are written into *folder*."""
    for name in ("slack", "smtp", "heartbeat"):
        (folder / name).write_text("http://127.0.0.1:1/secret\n", "utf-8")
    return {
        "ALERT_SLACK_URL_FILE": str(folder / "slack"),
        "ALERT_SMTP_SMARTHOST": "127.0.0.1:1",
        "ALERT_SMTP_FROM": "whatsself@example.org",
        "ALERT_SMTP_USERNAME": "whatsself",
        "ALERT_SMTP_PASSWORD_FILE": str(folder / "smtp"),
        "ALERT_EMAIL_TO": "owner@example.org",
        "ALERT_HEARTBEAT_URL_FILE": str(folder / "heartbeat"),
        **more,
    }
