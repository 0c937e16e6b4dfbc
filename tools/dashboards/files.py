"""Every dashboard in every language, as the files that Grafana is provisioned with."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dashboards.capacity import capacity
from dashboards.collector import collector
from dashboards.document import document
from dashboards.flows import flows
from dashboards.http import http
from dashboards.language import LANGUAGES
from dashboards.message import message
from dashboards.model import Store
from dashboards.overview import overview
from dashboards.providers import providers
from dashboards.quality import quality
from dashboards.services import services

if TYPE_CHECKING:
    from dashboards.model import Dashboard, Panel, Query
    from whatsself_otel.operations.model import Source


def pages(source: Source) -> tuple[Dashboard, ...]:
    """Return every dashboard, in the order of their links."""
    return (
        overview(source),
        quality(source),
        flows(source),
        message(source),
        providers(source),
        http(source),
        services(source),
        collector(source),
        capacity(source),
    )


def documents(source: Source, *, logs: Store = Store.LOKI) -> dict[str, dict[str, Any]]:
    """
    Return every document by file name.

    Args:
        source: Name of the service, and limits.
        logs: Where the lines are: `Store.LOKI` or `Store.VICTORIALOGS`.
    """
    every = pages(source)
    if logs is Store.VICTORIALOGS:
        every = tuple(map(_on_victorialogs, every))
    return {
        f"{page.key}{language.file_ending}.json": document(page, every, language)
        for page in every
        for language in LANGUAGES
    }


def _on_victorialogs(page: Dashboard) -> Dashboard:
    rows = tuple(replace(row, panels=tuple(map(_panel_on_victorialogs, row.panels))) for row in page.rows)
    stores = tuple(Store.VICTORIALOGS if store is Store.LOKI else store for store in page.stores)
    return replace(page, rows=rows, stores=stores)


def _panel_on_victorialogs(panel: Panel) -> Panel:
    links = tuple(replace(link, url=link.victorialogs_url or link.url) for link in panel.links)
    return replace(panel, queries=tuple(map(_query_on_victorialogs, panel.queries)), links=links)


def _query_on_victorialogs(query: Query) -> Query:
    return replace(query, expr=query.logsql, store=Store.VICTORIALOGS) if query.store is Store.LOKI else query


def files(source: Source, *, logs: Store = Store.LOKI) -> dict[str, str]:
    """Return every file's text by its name."""
    found = documents(source, logs=logs)
    return {name: json.dumps(each, indent=2, ensure_ascii=False) + "\n" for name, each in found.items()}
