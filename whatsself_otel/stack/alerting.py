"""
Alertmanager's configuration: who is told, how and when, from variables; its secrets stay in files of their own.

    python -m whatsself_otel.stack.alerting FOLDER     # writes it there, with the templates: docker-compose.yml does so
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from whatsself_otel.stack.errors import WRONG_USE, CommandError
from whatsself_otel.stack.files import shipped

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

SLACK_FILE: Final = "ALERT_SLACK_URL_FILE"
SLACK_CHANNEL: Final = "ALERT_SLACK_CHANNEL"
SMTP_SERVER: Final = "ALERT_SMTP_SMARTHOST"
SMTP_FROM: Final = "ALERT_SMTP_FROM"
SMTP_USER: Final = "ALERT_SMTP_USERNAME"
SMTP_FILE: Final = "ALERT_SMTP_PASSWORD_FILE"
SMTP_TLS: Final = "ALERT_SMTP_REQUIRE_TLS"
EMAIL_TO: Final = "ALERT_EMAIL_TO"
HEARTBEAT_FILE: Final = "ALERT_HEARTBEAT_URL_FILE"
HOURS: Final = "BUSINESS_HOURS"
TIME_ZONE: Final = "TIMEZONE"
_CHANNEL: Final = "#whatsself"


@dataclass(frozen=True, slots=True, kw_only=True)
class BusinessHours:
    """When warnings may disturb: from Monday to Friday, between two times of day."""

    start: str = "09:00"
    end: str = "18:00"
    time_zone: str = "America/Sao_Paulo"

    @classmethod
    def parse(cls, hours: str, time_zone: str) -> Self:
        """
        Read the application's own values.

        Args:
            hours: Its ``BUSINESS_HOURS``, for example ``09:00-18:00``.
            time_zone: Its ``TIMEZONE``, an IANA name.

        Raises:
            CommandError: The hours are not two times in order, or the zone does not exist.
        """
        match = re.fullmatch(r"((?:[01]\d|2[0-3]):[0-5]\d)-((?:[01]\d|2[0-3]):[0-5]\d|24:00)", hours.strip())
        if match is None or match[1] >= match[2]:
            raise CommandError(f"{HOURS} must be like 09:00-18:00, got {hours!r}.", status=WRONG_USE)
        try:
            ZoneInfo(time_zone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise CommandError(
                f"{TIME_ZONE} must be like America/Sao_Paulo, got {time_zone!r}.", status=WRONG_USE
            ) from error
        return cls(start=match[1], end=match[2], time_zone=time_zone)


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertingConfig:
    """Who is told. With nothing set, alerts are shown on Alertmanager's own page."""

    slack_url_file: Path | None = None
    """File of the incoming webhook's URL. Env: ALERT_SLACK_URL_FILE."""
    slack_channel: str = _CHANNEL
    """Env: ALERT_SLACK_CHANNEL."""
    smtp_smarthost: str = ""
    """host:port of the mail server. Env: ALERT_SMTP_SMARTHOST."""
    smtp_from: str = ""
    """Env: ALERT_SMTP_FROM."""
    smtp_username: str = ""
    """Env: ALERT_SMTP_USERNAME."""
    smtp_password_file: Path | None = None
    """Env: ALERT_SMTP_PASSWORD_FILE."""
    smtp_require_tls: bool = True
    """Env: ALERT_SMTP_REQUIRE_TLS."""
    email_to: str = ""
    """Addresses, separated by commas. Env: ALERT_EMAIL_TO."""
    heartbeat_url_file: Path | None = None
    """File of the URL that the dead-man's switch calls. Env: ALERT_HEARTBEAT_URL_FILE."""
    business_hours: BusinessHours = field(default_factory=BusinessHours)
    """Env: BUSINESS_HOURS and TIMEZONE, as the application reads them."""

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """
        Read the variables; what is absent or empty keeps its default.

        Raises:
            CommandError: The hours are wrong, a secret's file is missing or empty, or a receiver is half configured: it
                names the variable.
        """
        default = BusinessHours()
        hours = environ.get(HOURS) or f"{default.start}-{default.end}"
        config = cls(
            slack_url_file=_path(environ, SLACK_FILE),
            slack_channel=environ.get(SLACK_CHANNEL) or _CHANNEL,
            smtp_smarthost=environ.get(SMTP_SERVER, ""),
            smtp_from=environ.get(SMTP_FROM, ""),
            smtp_username=environ.get(SMTP_USER, ""),
            smtp_password_file=_path(environ, SMTP_FILE),
            smtp_require_tls=environ.get(SMTP_TLS, "true").lower() not in {"0", "false", "no", "off"},
            email_to=environ.get(EMAIL_TO, ""),
            heartbeat_url_file=_path(environ, HEARTBEAT_FILE),
            business_hours=BusinessHours.parse(hours, environ.get(TIME_ZONE) or default.time_zone),
        )
        if problems := list(config.problems()):
            raise CommandError("\n".join(problems), status=WRONG_USE)
        return config

    def problems(self) -> Iterator[str]:
        """Return what would let an alert get lost: Alertmanager itself starts without looking at these files."""
        for name, path in (
            (SLACK_FILE, self.slack_url_file),
            (SMTP_FILE, self.smtp_password_file),
            (HEARTBEAT_FILE, self.heartbeat_url_file),
        ):
            if path is not None and not _has_text(path):
                yield f"{name} names {path}, which is missing or empty, or not ours to read. Write the secret there."
        if self.slack_channel != _CHANNEL and self.slack_url_file is None:
            yield f"{SLACK_CHANNEL} is set and {SLACK_FILE} is not. Name the file that holds the webhook's URL."
        yield from self._email_problems()

    def _email_problems(self) -> Iterator[str]:
        parts = (
            (EMAIL_TO, self.email_to),
            (SMTP_SERVER, self.smtp_smarthost),
            (SMTP_FROM, self.smtp_from),
            (SMTP_USER, self.smtp_username),
            (SMTP_FILE, self.smtp_password_file),
        )
        given = [name for name, value in parts if value]
        logs_in = SMTP_USER in given or SMTP_FILE in given
        for name, value in parts if given else ():
            if not value and (logs_in or name not in {SMTP_USER, SMTP_FILE}):
                yield f"{given[0]} is set and {name} is not. Set it too."


def _path(environ: Mapping[str, str], name: str) -> Path | None:
    value = environ.get(name)
    return Path(value).expanduser().absolute() if value else None


def _has_text(path: Path) -> bool:
    try:
        return bool(path.read_text("utf-8").strip())
    except (OSError, UnicodeDecodeError):
        return False


def rules_for(text: str, service: str) -> str:
    """Return rules in which the selectors follow another service name than ``whatsself``."""
    pattern = re.escape(service).replace("\\", "\\\\")
    return text.replace('job=~"(.+/)?whatsself"', f'job=~"(.+/)?{pattern}"')


def write_folder(folder: Path, text: str) -> None:
    """Write *text* as alertmanager.yml into *folder*, with the templates it reads beside it."""
    shutil.copytree(shipped("backends/alertmanager"), folder, dirs_exist_ok=True)
    (folder / "alertmanager.yml").write_text(text, "utf-8")


def render(config: AlertingConfig, inhibition: str | None = None) -> str:
    """
    Return alertmanager.yml.

    Args:
        config: Who is told, and when.
        inhibition: Rules that keep alerts silent; default: those shipped.
    """
    if inhibition is None:
        inhibition = shipped("backends/alertmanager/inhibit_rules.yml").read_text("utf-8")
    return "\n".join([_HEADING, *_global(config), _ROUTES, *_receivers(config), "", inhibition, *_hours(config), ""])


_HEADING: Final = """\
# Made by `python tools/generate_rules.py`; the native stack and docker compose write their own from ALERT_* variables
# (docs/alerting.md).
# With no receiver configured, alerts are shown on Alertmanager's own page.

templates: [templates/*.tmpl]
"""

_ROUTES: Final = """\
route:
  # Whatever no route below takes is still told.
  receiver: warning
  group_by: [alertname, job, session, slo]
  group_wait: 30s
  group_interval: 5m
  repeat_interval: 12h
  routes:
    - matchers: ['alertname="WhatsSelfWatchdog"']
      receiver: dead-man
      group_wait: 0s
      group_interval: 1m
      repeat_interval: 1m
    - matchers: ['severity="critical"']
      receiver: critical
      group_wait: 10s
      repeat_interval: 1h
    - matchers: ['severity="warning"']
      receiver: warning
      active_time_intervals: [business-hours]
"""


def _global(config: AlertingConfig) -> Iterator[str]:
    if not (config.email_to and config.smtp_smarthost):
        return
    yield "global:"
    yield f"  smtp_smarthost: {json.dumps(config.smtp_smarthost)}"
    yield f"  smtp_from: {json.dumps(config.smtp_from)}"
    yield f"  smtp_require_tls: {json.dumps(config.smtp_require_tls)}"
    if config.smtp_username:
        yield f"  smtp_auth_username: {json.dumps(config.smtp_username)}"
        yield f"  smtp_auth_password_file: {json.dumps(str(config.smtp_password_file))}"
    yield ""


def _receivers(config: AlertingConfig) -> Iterator[str]:
    yield "receivers:"
    yield "  - name: critical"
    yield from _slack(config)
    yield from _email(config)
    yield "  - name: warning"
    yield from _slack(config)
    yield "  - name: dead-man"
    if config.heartbeat_url_file:
        yield "    webhook_configs:"
        yield f"      - {{url_file: {json.dumps(str(config.heartbeat_url_file))}, send_resolved: false}}"


def _slack(config: AlertingConfig) -> Iterator[str]:
    if config.slack_url_file is None:
        return
    yield "    slack_configs:"
    yield f"      - api_url_file: {json.dumps(str(config.slack_url_file))}"
    yield f"        channel: {json.dumps(config.slack_channel)}"
    yield "        send_resolved: true"
    yield """        color: '{{ template "whatsself.color" . }}'"""
    yield """        title: '{{ template "whatsself.title" . }}'"""
    yield """        text: '{{ template "whatsself.slack" . }}'"""


def _email(config: AlertingConfig) -> Iterator[str]:
    if not config.email_to:
        return
    yield "    email_configs:"
    yield f"      - to: {json.dumps(config.email_to)}"
    yield "        send_resolved: true"
    yield """        headers: {Subject: '{{ template "whatsself.title" . }}'}"""
    yield """        html: ''"""
    yield """        text: '{{ template "whatsself.text" . }}'"""


def _hours(config: AlertingConfig) -> Iterator[str]:
    hours = config.business_hours
    yield "# Warnings wait for business hours: the application's own BUSINESS_HOURS and TIMEZONE."
    yield "time_intervals:"
    yield "  - name: business-hours"
    yield "    time_intervals:"
    yield "      - weekdays: ['monday:friday']"
    yield f"        times: [{{start_time: {json.dumps(hours.start)}, end_time: {json.dumps(hours.end)}}}]"
    yield f"        location: {json.dumps(hours.time_zone)}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the configuration that the variables ask for; 2, with what is wrong on stderr, where they are half set."""
    parser = argparse.ArgumentParser(prog="python -m whatsself_otel.stack.alerting", description=__doc__)
    parser.add_argument("folder", type=Path, help="where alertmanager.yml and its templates go")
    options = parser.parse_args(arguments)
    try:
        write_folder(options.folder, render(AlertingConfig.from_environment()))
    except CommandError as error:
        sys.stderr.write(f"{error}\n")
        return error.status
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
