"""Takes exports of any OTLP application and puts them into the store."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response

from whatsself_otel.masking import Masker
from whatsself_otel.viewer import otlp, rows
from whatsself_otel.viewer.foreign import mask_foreign
from whatsself_otel.viewer.otlp import RefusedError
from whatsself_otel.viewer.store import FullError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request

    from whatsself_otel.viewer.rows import Batch
    from whatsself_otel.viewer.store import Store

BODY_BYTES: Final = 8 * 1024 * 1024
UNPACKED_BYTES: Final = 32 * 1024 * 1024
_BODY_S: Final = 20.0
"""A body that takes longer is not waited for."""
_AT_ONCE: Final = 4
"""Requests that are worked on; the others wait, without being read."""
_WHY_REJECTED: Final = {
    "traces": "a span needs a trace id of 16 bytes and a span id of 8",
    "logs": "",
    "metrics": "not a sum, gauge or histogram, not finite, or one series too many",
}
_ROWS: Final[dict[str, Callable[[Any], Batch]]] = {
    "traces": rows.traces,
    "logs": rows.logs,
    "metrics": rows.metrics,
}


class Receiver:
    """
    The end of OTLP, over HTTP and gRPC.

    Args:
        store: Where everything goes.
    """

    def __init__(self, store: Store) -> None:
        self.refused: Counter[str] = Counter()
        """By status: payloads that were not taken."""
        self.rejected: Counter[str] = Counter()
        """By signal: items that were not taken out of payloads that were."""
        self._store = store
        self._masker = Masker()
        self._lock = threading.Lock()
        self._at_once = asyncio.Semaphore(_AT_ONCE)

    def keep(self, signal: str, request: Any) -> Any:
        """Put one decoded export request into the store and return the response to its sender."""
        mask_foreign(request, self._masker)
        batch = _ROWS[signal](request)
        rejected = batch.rejected + self._store.add(batch)
        with self._lock:
            self.rejected[signal] += rejected
        return otlp.response(signal, rejected, _WHY_REJECTED[signal])

    def endpoint(self, signal: str) -> Callable[[Request], Awaitable[Response]]:
        """Return the HTTP endpoint for exports of *signal*."""

        async def take(request: Request) -> Response:
            return await self._answer(signal, request)

        return take

    async def _answer(self, signal: str, request: Request) -> Response:
        try:
            kind = _kind(request)
            async with self._at_once:
                body = await _body(request)
                encoding = request.headers.get("content-encoding", "").strip().lower()
                content = await run_in_threadpool(self._take, signal, kind, encoding, body)
        except RefusedError as error:
            self._count(error.status)
            return JSONResponse({"code": 3, "message": error.reason}, error.status)
        except FullError as error:
            self._count(HTTPStatus.SERVICE_UNAVAILABLE)
            said = {"code": 14, "message": str(error)}
            return JSONResponse(said, HTTPStatus.SERVICE_UNAVAILABLE, {"retry-after": "5"})
        return Response(content, media_type=kind)

    def _take(self, signal: str, kind: str, encoding: str, body: bytes) -> bytes:
        message = otlp.decode(signal, kind, otlp.unpack(body, encoding, UNPACKED_BYTES))
        return otlp.encode(self.keep(signal, message), kind)

    def _count(self, status: int) -> None:
        with self._lock:
            self.refused[str(int(status))] += 1


def _kind(request: Request) -> str:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in {otlp.PROTOBUF, otlp.JSON}:
        raise RefusedError(415, f"content-type {kind[:60]!r} is not OTLP's; send {otlp.PROTOBUF} or {otlp.JSON}")
    return kind


async def _body(request: Request) -> bytes:
    announced = request.headers.get("content-length", "0")
    if not announced.isdigit() or int(announced) > BODY_BYTES:
        raise RefusedError(413, f"the body is larger than {BODY_BYTES} bytes; send smaller batches")
    try:
        async with asyncio.timeout(_BODY_S):
            return await _bounded(request)
    except TimeoutError as error:
        raise RefusedError(408, f"the body did not arrive within {_BODY_S:g} s") from error


async def _bounded(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_BYTES:
            raise RefusedError(413, f"the body is larger than {BODY_BYTES} bytes; send smaller batches")
    return bytes(body)
