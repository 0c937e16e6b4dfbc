"""The page of the two weeks: events, notifications, and why each is right."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from binaries import ROOT
from week_player import EVERY_S
from week_told import SPEED, matched, without_reminders
from weeks import when

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from week_told import Incident, Notice

PAGE: Final = ROOT / "docs/evidence/alerts-two-weeks.md"
_HEAD: Final = f"""\
# Two weeks of alerts

Written by `make proof` (`tests/operations/test_two_weeks.py`). Series of a week, a sample a minute, are generated; the
shipped rules are evaluated on them by promtool, every {EVERY_S} s in place of 30; what fires goes through a real
Alertmanager whose waits are divided by {SPEED:g}, to a mail server and a receiver of Slack's form ([Slack itself was
never asked](unproven.md)). Opening hours follow the clock of the week. What Slack refuses is refused for good (403):
Alertmanager tries again after `group_interval`. The test fails when a message is missing, is too much, or comes at
another time, and when an incident pages twice.
"""


def write(name: str, incidents: Sequence[Incident], told: Sequence[Notice]) -> None:
    """Put the table of one business in its place on the page."""
    text = PAGE.read_text("utf-8") if PAGE.exists() else _HEAD
    others = re.findall(r"^## .*?(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    kept = [each.strip() for each in others if not each.startswith(f"## {name}")]
    section = "\n".join(_section(name, incidents, told))
    PAGE.write_text("\n\n".join([_HEAD.strip(), *sorted([*kept, section], reverse=True)]) + "\n", "utf-8")


def _section(name: str, incidents: Sequence[Incident], told: Sequence[Notice]) -> Iterator[str]:
    first, again = without_reminders(told)
    yield f"## {name}, run on {datetime.now(UTC):%Y-%m-%d}\n"
    repeats = ", ".join(f"{title} {count} times by {by}" for (by, title), count in sorted(again.items()))
    yield f"{len(first)} messages; said again while it went on: {repeats or 'none'}.\n"
    yield "| What happened | Told | By | Message | Why that is right |\n| --- | --- | --- | --- | --- |"
    for incident in incidents:
        rows = matched(incident, first)
        if not rows:
            yield f"| {incident.what} | nobody | | | {incident.why or 'nothing is wrong'} |"
        for number, each in enumerate(rows):
            what, why = (incident.what, incident.why) if number == 0 else ("", "")
            yield f"| {what} | {when(each.minute)} | {each.by} | {each.title} | {why} |"
