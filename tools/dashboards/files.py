"""Every dashboard in every language, as the files that Grafana is provisioned with."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from dashboards.collector import collector
from dashboards.document import document
from dashboards.flows import flows
from dashboards.http import http
from dashboards.language import LANGUAGES
from dashboards.message import message
from dashboards.overview import overview
from dashboards.quality import quality

if TYPE_CHECKING:
    from dashboards.model import Dashboard
    from whatsself_otel.operations.model import Source


def pages(source: Source) -> tuple[Dashboard, ...]:
    """Return every dashboard, in the order in which they are linked."""
    return (overview(source), quality(source), flows(source), message(source), http(source), collector(source))


def documents(source: Source) -> dict[str, dict[str, Any]]:
    """Return every document by file name."""
    every = pages(source)
    return {
        f"{page.key}{language.file_ending}.json": document(page, every, language)
        for page in every
        for language in LANGUAGES
    }


def files(source: Source) -> dict[str, str]:
    """Return every file's text by its name."""
    return {name: json.dumps(each, indent=2, ensure_ascii=False) + "\n" for name, each in documents(source).items()}
