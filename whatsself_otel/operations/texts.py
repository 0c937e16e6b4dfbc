"""The words of alerts and runbooks, with the numbers of backends/slo.yaml put in."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from whatsself_otel.operations.model import Alert, Source

_PLACE: Final = re.compile(r"<(%?)([a-z_.]+)>")


_VARIABLES: Final = {
    "job": "job",
    "environment": "deployment_environment_name",
    "namespace": "service_namespace",
    "service": "service_name",
    "session": "session",
}
# A variable that is given without a value would choose what has no such label: nothing.
_CHOSEN: Final = "?from=now-6h&to=now" + "".join(
    f"{{{{ with $labels.{label} }}}}&var-{variable}={{{{ . | urlquery }}}}{{{{ end }}}}"
    for variable, label in _VARIABLES.items()
)
"""The time range of a dashboard that is opened from an alert; a message about the alert has the alert's own time."""


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


def runbook_urls(alert: str, source: Source) -> dict[str, str]:
    """Return the annotations of *alert* that link to its runbook, in each language."""
    pages = {"runbook_url": source["links.runbooks"], "runbook_url_pt": source["links.runbooks_pt"]}
    return {name: f"{page}#{alert.lower()}" for name, page in pages.items()}


def alert_annotations(alert: Alert, source: Source) -> dict[str, str]:
    """Return the annotations of *alert*."""
    english, portuguese = alert.words.en, alert.words.pt
    return {
        "summary": fill(english.summary, source),
        "summary_pt": fill(portuguese.summary, source),
        "description": fill(english.description, source),
        "description_pt": fill(portuguese.description, source),
        **runbook_urls(alert.name, source),
        "dashboard": f"whatsself-{alert.dashboard}",
        "dashboard_url": f"{source['links.dashboards']}/whatsself-{alert.dashboard}{_CHOSEN}",
    }
