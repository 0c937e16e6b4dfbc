"""The words of alerts and runbooks, with the numbers of backends/slo.yaml put in."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml

if TYPE_CHECKING:
    from operations.model import Source

_FILE: Final = Path(__file__).with_name("texts.yaml")
_PLACE: Final = re.compile(r"<(%?)([a-z_.]+)>")


def texts() -> dict[str, Any]:
    """Return the words of every alert, with their placeholders."""
    parsed: dict[str, Any] = yaml.safe_load(_FILE.read_text("utf-8"))
    return parsed


def fill(text: str, source: Source) -> str:
    """Put the values of *source* into *text*: ``<queue.stuck_for>``, ``<%sending.fail_ratio>``, ``<job>``."""

    def value(match: re.Match[str]) -> str:
        percent, key = match.groups()
        if key == "job":
            return source.job
        if key == "service":
            return source.service
        return f"{source[key] * 100:g} %" if percent else str(source[key])

    return _PLACE.sub(value, text)


def alert_annotations(name: str, dashboard: str, source: Source) -> dict[str, str]:
    """Return the annotations of the alert called *name*."""
    words = texts()[name]
    file = f"{name.lower()}.md"
    return {
        "summary": fill(words["en"]["summary"], source),
        "summary_pt": fill(words["pt"]["summary"], source),
        "description": fill(words["en"]["description"], source),
        "description_pt": fill(words["pt"]["description"], source),
        "runbook_url": f"{source['links.runbooks']}/{file}",
        "runbook_url_pt": f"{source['links.runbooks_pt']}/{file}",
        "dashboard_url": f"{source['links.dashboards']}/whatsself-{dashboard}",
    }
