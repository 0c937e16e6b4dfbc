"""Ways between dashboards, and from a panel to logs and traces."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from dashboards.model import Link, Store, both

if TYPE_CHECKING:
    from dashboards.logs import Lines
    from whatsself_otel.catalogue import Text

UID: Final = "whatsself-"
PLACE: Final = "?${environment:queryparam}&${namespace:queryparam}"
"""Hands on the chosen place alone, in the form in which Grafana writes an address."""
_VARIABLE: Final = re.compile(r"%24%7B(\w+)%7D")


def path(key: str) -> Text:
    """Return where the dashboard of *key* stands, in each language."""
    return both(f"/d/{UID}{key}", f"/d/{UID}{key}-pt")


def logs_link(title: Text, lines: Lines) -> Link:
    """Return a link to the chosen of *lines* in the page's time range."""
    chosen = lines.chosen()
    return Link(
        title=title,
        url=_explore(Store.LOKI, {"refId": "A", "expr": chosen.logql, "queryType": "range"}),
        victorialogs_url=_explore(Store.VICTORIALOGS, {"refId": "A", "expr": chosen.logsql, "queryType": "instant"}),
    )


def traces_link(title: Text, expr: str) -> Link:
    """Return a link to the traces that the TraceQL query *expr* finds in the page's time range."""
    query = {"refId": "A", "query": expr, "queryType": "traceql", "limit": 20, "tableType": "traces"}
    return Link(title=title, url=_explore(Store.TEMPO, query))


def _explore(store: Store, query: dict[str, Any]) -> str:
    pane = {
        "datasource": store.reference["uid"],
        "queries": [{**query, "datasource": store.reference}],
        "range": {"from": "${__from}", "to": "${__to}"},
    }
    encoded = quote(json.dumps({"A": pane}, separators=(",", ":")), safe="")
    # Grafana replaces variables before the browser decodes.
    return "/explore?schemaVersion=1&panes=" + _VARIABLE.sub(r"${\1}", encoded)
