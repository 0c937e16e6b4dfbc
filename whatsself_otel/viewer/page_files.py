"""The page and its files, at addresses that change with what is in them."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Final

from starlette.responses import HTMLResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.routing import BaseRoute

STATIC: Final = Path(__file__).parent / "static"
_DIGITS: Final = 16


def page_routes() -> list[BaseRoute]:
    """
    Return the routes of the page and of its files.

    A browser may keep a file for good, because another version's file has another address. The page names the
    addresses of this version.
    """
    folder = f"/static/{_digest(STATIC)}"
    page = (STATIC / "index.html").read_text(encoding="utf-8").replace('="/static/', f'="{folder}/')

    def index(_request: Request) -> HTMLResponse:
        return HTMLResponse(page)

    return [Route("/", index), Mount(folder, StaticFiles(directory=STATIC))]


def _digest(folder: Path) -> str:
    found = hashlib.sha256()
    for file in sorted(folder.iterdir()):
        found.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return found.hexdigest()[:_DIGITS]
