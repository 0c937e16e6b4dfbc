"""Notifications of a week: its alerts, given to a real Alertmanager with shortened waits."""

from __future__ import annotations

import json
import re
import time
import urllib.request
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import yaml
from alertmanager_server import serving, wait_for
from weeks import CLOSES, DAY, OPENS, is_open, when

from whatsself_otel.simulation.receivers import Receivers, receiving
from whatsself_otel.stack.native_stack import StackConfig, write_alertmanager_config
from whatsself_otel.stack.scaling import faster

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from week_player import Fired
    from weeks import Span

SPEED: Final = 2000.0
"""A minute takes 30 ms, a week five minutes."""
SLACK_MIN: Final = 10.0
"""How late a message may be: of Alertmanager's ``group_interval`` and of a busy machine."""
_ALWAYS, _NEVER = [{"years": ["2000:2200"]}], [{"years": ["1970"]}]


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One message that reached somebody."""

    minute: float
    by: str
    title: str
    """Without the number of alerts in it."""

    @property
    def begins(self) -> bool:
        """Whether it says that something has begun."""
        return not self.title.startswith("[OK]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A message that should reach people."""

    title: str
    at: tuple[float, float]
    """Between which minutes."""
    by: tuple[str, ...] = ("email", "slack")

    def is_by(self, notice: Notice) -> bool:
        """Whether *notice* is this message."""
        in_time = self.at[0] <= notice.minute <= self.at[1]
        return in_time and notice.by in self.by and notice.title == self.title


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """A trouble, and all notifications that it should cause."""

    what: str
    lines: tuple[Line, ...] = ()
    why: str = ""
    """Why that is right."""


class Player:
    """
    Alertmanager as it is shipped, its waits divided by `SPEED`; opening hours follow the clock of the week.

    Args:
        folder: For its files.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._url = ""
        self._config: dict[str, Any] = {}
        self._started_s = 0.0

    def play(self, fired: Sequence[Fired], during: Span, refused: Span) -> list[Notice]:
        """Return every message *during* which Slack refuses in *refused*."""
        with receiving() as receivers:
            path = self._write_config(receivers)
            with serving(path) as self._url:
                wait_for(lambda: self._url, "Alertmanager")
                # Minutes are counted from the beginning of the week.
                self._started_s = time.time() - during.begin * 60 / SPEED
                self._set_hours(path, is_open=is_open(during.begin))
                for minute, action in self._actions(fired, during, refused, receivers):
                    time.sleep(max(0.0, self._started_s + minute * 60 / SPEED - time.time()))
                    action()
                time.sleep(SLACK_MIN * 60 / SPEED)
        return [
            Notice(
                minute=(told.at - self._started_s) * SPEED / 60, by=told.by, title=re.sub(r" x\d+\]", "]", told.title)
            )
            for told in receivers.told
        ]

    def _write_config(self, receivers: Receivers) -> Path:
        write_alertmanager_config(StackConfig(data=self._folder, environ=receivers.environment(self._folder)))
        path = self._folder / "config" / "alertmanager" / "alertmanager.yml"
        self._config = yaml.safe_load(faster(path.read_text("utf-8"), SPEED))
        self._set_hours(path, is_open=False)
        return path

    def _set_hours(self, path: Path, *, is_open: bool) -> None:
        """Write the clock's state into the file: Alertmanager knows only the real time."""
        hours = next(each for each in self._config["time_intervals"] if each["name"] == "business-hours")
        hours["time_intervals"] = _ALWAYS if is_open else _NEVER
        path.write_text(yaml.safe_dump(self._config), "utf-8")
        if self._url:
            urllib.request.urlopen(urllib.request.Request(f"{self._url}/-/reload", method="POST"), timeout=20).close()

    def _actions(
        self, fired: Iterable[Fired], during: Span, refused: Span, receivers: Receivers
    ) -> list[tuple[float, Callable[[], None]]]:
        told: dict[float, list[tuple[Fired, bool]]] = defaultdict(list)
        for alert in fired:
            told[alert.begin].append((alert, False))
            if alert.end < during.end:
                told[alert.end].append((alert, True))
        path = self._folder / "config" / "alertmanager" / "alertmanager.yml"
        found: list[tuple[float, Callable[[], None]]] = [
            # What ends at the minute of opening goes first: Prometheus knows a minute before that the business opens.
            *((minute, partial(self._tell, some)) for minute, some in told.items()),
            *((day + OPENS, partial(self._set_hours, path, is_open=True)) for day in range(0, 5 * DAY, DAY)),
            *((day + CLOSES, partial(self._set_hours, path, is_open=False)) for day in range(0, 5 * DAY, DAY)),
            (refused.begin, lambda: setattr(receivers, "refuses", True)),
            (refused.end, lambda: setattr(receivers, "refuses", False)),
        ]
        return sorted((each for each in found if during.begin < each[0] <= during.end), key=lambda each: each[0])

    def _tell(self, some: Iterable[tuple[Fired, bool]]) -> None:
        """Give alerts to Alertmanager as Prometheus does; they are good for an hour, so that a pause ends none."""
        body = [self._alert(alert, is_over=is_over) for alert, is_over in some]
        headers = {"content-type": "application/json"}
        request = urllib.request.Request(f"{self._url}/api/v2/alerts", json.dumps(body).encode(), headers)
        urllib.request.urlopen(request, timeout=20).close()

    def _alert(self, alert: Fired, *, is_over: bool) -> dict[str, Any]:
        began = datetime.fromtimestamp(self._started_s + alert.begin * 60 / SPEED, UTC)
        return {
            "labels": dict(alert.labels),
            "annotations": {"summary": alert.labels["alertname"], "dashboard": "whatsself-overview"},
            "startsAt": began.isoformat(),
            "endsAt": (datetime.now(UTC) + timedelta(hours=0 if is_over else 1)).isoformat(),
        }


def without_reminders(notices: Iterable[Notice]) -> tuple[list[Notice], dict[tuple[str, str], int]]:
    """Return the first notifications, and how often each was repeated."""
    going: set[tuple[str, str]] = set()
    first: list[Notice] = []
    again: dict[tuple[str, str], int] = defaultdict(int)
    for notice in sorted(notices, key=lambda each: each.minute):
        key = (notice.by, re.sub(r"^\[\w+\] ", "", notice.title))
        if notice.begins and key in going:
            again[notice.by, notice.title] += 1
            continue
        (going.add if notice.begins else going.discard)(key)
        first.append(notice)
    return first, again


def matched(incident: Incident, notices: Iterable[Notice]) -> list[Notice]:
    """Return the messages that *incident* asks for, as they came."""
    return sorted(
        (each for each in notices for line in incident.lines if line.is_by(each)), key=lambda each: each.minute
    )


def problems(incidents: Iterable[Incident], notices: Iterable[Notice]) -> Iterator[str]:
    """Return the missing notifications, the surplus ones, and the incidents that paged more than once."""
    left, _ = without_reminders(notices)
    for incident in incidents:
        for line in incident.lines:
            for by in line.by:
                found = next((each for each in left if each.by == by and line.is_by(each)), None)
                if found is None:
                    yield f"missing: {by} {line.title}, from {when(line.at[0])} to {when(line.at[1])}"
                else:
                    left.remove(found)
        pages = {line.title for line in incident.lines if line.title.startswith("[CRITICAL]")}
        if len(pages) > 1:
            yield f"more than one page: {incident.what}: {sorted(pages)}"
    for each in left:
        yield f"too much: {when(each.minute)} {each.by} {each.title}"
