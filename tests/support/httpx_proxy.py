"""A plain reverse proxy by httpx and Starlette without telemetry, for comparison with the bridge's latency."""

from __future__ import annotations

import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import httpx
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request

_HOPS = {"host", "content-length", "connection", "transfer-encoding"}


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    async with httpx.AsyncClient(base_url=os.environ["PROXY_TARGET"], trust_env=False) as client:
        app.state.client = client
        yield


async def forward(request: Request) -> Response:
    headers = [(name, value) for name, value in request.headers.raw if name.decode() not in _HOPS]
    path = request.scope["raw_path"].decode() + ("?" + request.url.query if request.url.query else "")
    answer = await request.app.state.client.request(
        request.method, path, headers=headers, content=await request.body(), follow_redirects=False
    )
    kept = {name: value for name, value in answer.headers.items() if name not in _HOPS}
    return Response(answer.content, answer.status_code, kept)


app = Starlette(routes=[Route("/{path:path}", forward, methods=["GET", "POST"])], lifespan=lifespan)
