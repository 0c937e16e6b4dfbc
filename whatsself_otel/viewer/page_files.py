"""The page and its files, at addresses that change with what is in them."""

from __future__ import annotations

import hashlib
import html
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from starlette.responses import HTMLResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from whatsself_otel.viewer.page_script import joined_modules

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request
    from starlette.routing import BaseRoute

STATIC: Final = Path(__file__).parent / "static"
_DIGITS: Final = 16
_STATE: Final = '<meta name="state" content="">'


def page_routes(state: Callable[[Request], Any]) -> list[BaseRoute]:
    """
    Return the routes of the page and of its files.

    A browser may keep a file for good, because another version's file has another address. The page names the
    addresses of this version.

    Args:
        state: What the page is told in its own text, which saves it a question.
    """
    folder = f"/static/{_digest(STATIC)}"
    page = (STATIC / "index.html").read_text(encoding="utf-8").replace('="/static/', f'="{folder}/')
    script = joined_modules(STATIC)

    def index(request: Request) -> HTMLResponse:
        told = html.escape(json.dumps(state(request)))
        return HTMLResponse(page.replace(_STATE, _STATE.replace('""', f'"{told}"')))

    def page_script(_request: Request) -> Response:
        return Response(script, media_type="text/javascript")

    return [Route("/", index), Route(f"{folder}/page.js", page_script), Mount(folder, StaticFiles(directory=STATIC))]


def _digest(folder: Path) -> str:
    found = hashlib.sha256()
    for file in sorted(folder.iterdir()):
        found.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return found.hexdigest()[:_DIGITS]
