"""
Alertmanager's configuration from variables: receivers, channels and times. Secrets stay in separate files.

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

from whatsself_otel.metrics.hours import BusinessHours, clock
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
QUIET: Final = "ALERT_QUIET_ENVIRONMENTS"
RUNBOOKS_URL: Final = "ALERT_RUNBOOKS_URL"
DASHBOARDS_URL: Final = "ALERT_DASHBOARDS_URL"
EXTERNAL_URL: Final = "ALERT_EXTERNAL_URL"
HOURS: Final = "BUSINESS_HOURS"
TIME_ZONE: Final = "TIMEZONE"
HOLIDAYS: Final = "HOLIDAYS"
DEFAULT_HOURS: Final = ("09:00-18:00", "America/Sao_Paulo")
_CHANNEL: Final = "#whatsself"


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertingConfig:
    """The receivers of alerts. Without any, alerts appear on Alertmanager's own page only."""

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
    quiet_environments: tuple[str, ...] = ("staging", "test")
    """Environments that never page; their alerts wait for business hours. Env: ALERT_QUIET_ENVIRONMENTS, by commas."""
    runbooks_url: str = ""
    """
    URL of the English page of runbooks; the Portuguese one lies in the folder ``pt-BR`` beside it.

    Default: the rules' own. Env: ALERT_RUNBOOKS_URL.
    """
    dashboards_url: str = ""
    """URL of Grafana's ``/d`` from a phone; default: the rules' own. Env: ALERT_DASHBOARDS_URL."""
    external_url: str = ""
    """URL of Alertmanager from a phone, for links that silence. Env: ALERT_EXTERNAL_URL."""
    business_hours: BusinessHours = field(default_factory=lambda: BusinessHours.parse(*DEFAULT_HOURS))
    """Env: BUSINESS_HOURS, TIMEZONE and HOLIDAYS, as the application reads them."""

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """
        Read the variables; an absent or empty one keeps its default.

        Raises:
            CommandError: The hours are wrong, a secret's file is missing or empty, or a receiver is half configured: it
                names the variable.
        """
        hours, zone = (
            environ.get(name) or default for name, default in zip((HOURS, TIME_ZONE), DEFAULT_HOURS, strict=True)
        )
        try:
            opens = BusinessHours.parse(hours, zone, environ.get(HOLIDAYS, ""))
        except ValueError as error:
            raise CommandError(str(error), status=WRONG_USE) from error
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
            quiet_environments=_names(environ.get(QUIET, ",".join(cls().quiet_environments))),
            runbooks_url=environ.get(RUNBOOKS_URL, "").rstrip("/"),
            dashboards_url=environ.get(DASHBOARDS_URL, "").rstrip("/"),
            external_url=environ.get(EXTERNAL_URL, "").rstrip("/"),
            business_hours=opens,
        )
        if problems := list(config.problems()):
            raise CommandError("\n".join(problems), status=WRONG_USE)
        return config

    def problems(self) -> Iterator[str]:
        """Return each problem that could lose an alert; Alertmanager itself starts without looking at these files."""
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

    def warnings(self) -> Iterator[str]:
        """Return warnings for the operator, before the first alert, about alerts that may reach nobody."""
        by_mail = bool(self.email_to)
        if self.slack_url_file is None and not by_mail:
            yield f"Nobody is told of alerts: set {SLACK_FILE} or {EMAIL_TO}."
        elif self.slack_url_file is None or not by_mail:
            one, other = ("e-mail", SLACK_FILE) if by_mail else ("Slack", EMAIL_TO)
            yield f"Alerts go by {one} alone: while it fails, nobody is told. Set {other} too."
        if self.heartbeat_url_file is None:
            yield f"Nothing outside notices that alerting itself is dead. Set {HEARTBEAT_FILE}."

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


def _names(text: str) -> tuple[str, ...]:
    return tuple(name for each in text.split(",") if (name := each.strip()))


def _has_text(path: Path) -> bool:
    try:
        return bool(path.read_text("utf-8").strip())
    except (OSError, UnicodeDecodeError):
        return False


def rules_for(text: str, service: str) -> str:
    """Return the rules *text* with selectors for *service* in place of ``whatsself``."""
    pattern = re.escape(service).replace("\\", "\\\\")
    return text.replace('job=~"(.+/)?whatsself"', f'job=~"(.+/)?{pattern}"')


def write_folder(folder: Path, text: str, config: AlertingConfig) -> None:
    """Write *text* as alertmanager.yml into *folder*, with the templates it reads beside it."""
    shutil.copytree(shipped("backends/alertmanager"), folder, dirs_exist_ok=True)
    (folder / "alertmanager.yml").write_text(text, "utf-8")
    links = folder / "templates" / "links.tmpl"
    found = links.read_text("utf-8")
    folder_url, slash, page = config.runbooks_url.rpartition("/")
    addresses = {
        "runbooks": config.runbooks_url,
        "runbooks_pt": config.runbooks_url and f"{folder_url}{slash}pt-BR/{page}",
        "dashboards": config.dashboards_url,
    }
    for name, url in addresses.items():
        if url:
            # In a template, a quote or a brace would end the text.
            safe = url.translate({ord(each): f"%{ord(each):02X}" for each in '"`{}\\'})
            found = re.sub(
                rf'(define "whatsself.{name}" -}}}}\n).*?(\n{{{{- end)', rf"\g<1>{safe}\g<2>", found, flags=re.DOTALL
            )
    links.write_text(found, "utf-8")


def render(config: AlertingConfig, inhibition: str | None = None) -> str:
    """
    Return alertmanager.yml.

    Args:
        config: Who is told, and when.
        inhibition: Rules that keep alerts silent; default: those shipped.
    """
    if inhibition is None:
        inhibition = shipped("backends/alertmanager/inhibit_rules.yml").read_text("utf-8")
    routes = _ROUTES.format(quiet=_quiet(config))
    return "\n".join([_HEADING, *_global(config), routes, *_receivers(config), "", inhibition, *_hours(config), ""])


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
  # All sessions that one cause takes away are one message.
  group_by: [alertname, deployment_environment_name, job, slo]
  group_wait: 30s
  group_interval: 5m
  repeat_interval: 12h
  routes:
    - matchers: ['alertname="WhatsSelfWatchdog"']
      receiver: dead-man
      group_wait: 0s
      # It is looked at three times a minute, and sent by the one that comes a minute after the last.
      group_interval: 20s
      repeat_interval: 50s
    - matchers: ['severity="none"']
      receiver: nobody
{quiet}    - matchers: ['severity="critical"']
      receiver: critical
      group_wait: 10s
      repeat_interval: 1h
    - matchers: ['severity="warning"']
      receiver: warning
      active_time_intervals: [business-hours]
      mute_time_intervals: [holidays]
"""


def without_hours(text: str) -> str:
    """Return a configuration in which no alert waits for business hours."""
    return re.sub(r" +(?:active|mute)_time_intervals: .*\n", "", text)


_IN_HOURS: Final = "      active_time_intervals: [business-hours]\n      mute_time_intervals: [holidays]\n"


def _quiet(config: AlertingConfig) -> str:
    if not config.quiet_environments:
        return ""
    names = "|".join(re.escape(name).replace("\\", "\\\\") for name in config.quiet_environments)
    matcher = f"""'deployment_environment_name=~"{names}"'"""
    return f"    - matchers: [{matcher}]\n      receiver: warning\n{_IN_HOURS}"


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
    yield "  - name: nobody"
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
    zone = json.dumps(hours.time_zone)
    yield "# Warnings wait for business hours: the application's own BUSINESS_HOURS, TIMEZONE and HOLIDAYS."
    yield "time_intervals:"
    yield "  - name: business-hours"
    yield "    time_intervals:"
    by_span: dict[tuple[int, int], list[str]] = {}
    for span in hours.spans:
        by_span.setdefault((span.start, span.end), []).append(_WEEKDAYS[span.day])
    for (start, end), days in by_span.items():
        yield f"      - weekdays: [{', '.join(days)}]"
        yield f'        times: [{{start_time: "{clock(start)}", end_time: "{clock(end)}"}}]'
        yield f"        location: {zone}"
    yield "  - name: holidays"
    # Alertmanager wants an interval, and 1970 is over.
    yield f"    time_intervals:{'' if hours.holidays else ' [{years: [1970]}]'}"
    for day in sorted(hours.holidays):
        when = f'years: ["{day.year}"], months: ["{day.month}"], days_of_month: ["{day.day}"]'
        yield f"      - {{{when}, location: {zone}}}"


_WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the configuration from the variables. Return 2 if they are incomplete, with the problem on stderr."""
    parser = argparse.ArgumentParser(prog="python -m whatsself_otel.stack.alerting", description=__doc__)
    parser.add_argument("folder", type=Path, help="where alertmanager.yml and its templates go")
    options = parser.parse_args(arguments)
    try:
        config = AlertingConfig.from_environment()
        write_folder(options.folder, render(config), config)
    except CommandError as error:
        sys.stderr.write(f"{error}\n")
        return error.status
    for warning in config.warnings():
        sys.stderr.write(f"{warning}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
