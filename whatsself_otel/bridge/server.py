"""The running bridge: it takes a request from its first byte to its answer."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from typing import TYPE_CHECKING, Any, Final, Self

from aiohttp import web

from whatsself_otel.bridge.delivery import Delivery
from whatsself_otel.bridge.forwarding import Forwarder, TargetError, is_busy, is_taken
from whatsself_otel.bridge.gate import Gate
from whatsself_otel.bridge.instruments import BridgeInstruments
from whatsself_otel.bridge.observing import IN_THREAD_BYTES, Observer, set_outcome
from whatsself_otel.bridge.own_answers import own_answer, refusal
from whatsself_otel.bridge.polling import Poller
from whatsself_otel.bridge.request_queue import QueueFullError, RequestQueue
from whatsself_otel.bridge.requests import Answer, WebhookRequest, end_to_end
from whatsself_otel.catalogue import SCHEMA_URL
from whatsself_otel.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from opentelemetry.metrics import Meter

    from whatsself_otel.bridge.config import BridgeConfig, Route
    from whatsself_otel.bridge.polling import Poll
    from whatsself_otel.setup import Telemetry

HEALTH_PATH: Final = "/-/health"
_SCOPE: Final = "whatsself_otel"
_BODY_S: Final = 60.0
"""Seconds that a gateway may take to send a body."""
_END_S: Final = 15.0
"""Seconds that requests under way get when the bridge ends."""
_LONGEST_LINE_BYTES: Final = 65_536
_RETRY: Final = (b"Retry-After", b"5")
_BUSY: Final = refusal(503, "The bridge can take no more now: repeat later.", _RETRY)
_TOO_LARGE: Final = refusal(413, "The body is longer than the bridge takes.")
_UNAUTHORIZED: Final = refusal(401, "Show the bridge's token, or sign the webhook.")
_NO_ROUTE: Final = refusal(404, "The bridge has no route for this path.")
_CUT: Final = refusal(400, "The body did not come to its end.")


class TooLargeError(Exception):
    """The body exceeds the limit of one body."""


class NoRoomError(Exception):
    """The bodies in memory exceed their common limit."""


class Bridge:
    """
    Serve webhooks inside the block.

    Args:
        config: How it runs.
        telemetry: What it records on.
        polls: Gateways that it asks for the state of their sessions.

    Raises:
        ConfigError: A route is open to everybody.
        OSError: The port is taken, or the queue's folder cannot be used.
    """

    def __init__(self, config: BridgeConfig, telemetry: Telemetry, polls: Iterable[Poll] = ()) -> None:
        self.config = config
        self._telemetry = telemetry
        self._gate = Gate(config, telemetry.whatsapp)
        if problems := list(self._gate.problems()):
            raise ConfigError(problems)
        self._observer = Observer(telemetry)
        self._forwarder = Forwarder(config.forward_timeout_s)
        self._queue = None if config.queue is None else RequestQueue(config.queue, config.queue_max_bytes)
        self._instruments = BridgeInstruments(_meter(telemetry), tuple(route.provider for route in config.routes))
        if self._queue is not None:
            self._instruments.observe_queue(self._queue.__len__, self._oldest_age_s)
        self._deliveries: list[Delivery] = []
        self._pollers = [Poller(poll, telemetry.whatsapp) for poll in polls]
        self._held_bytes = 0
        self._opened = contextlib.AsyncExitStack()

    @property
    def port(self) -> int:
        """The port that it listens on."""
        address: tuple[Any, ...] = self._runner.addresses[0]
        return int(address[1])

    async def __aenter__(self) -> Self:
        async with contextlib.AsyncExitStack() as opened:
            await opened.enter_async_context(self._forwarder)
            for route in self.config.routes:
                self._begin_delivery(route, opened)
            for poller in self._pollers:
                opened.push_async_callback(_end, asyncio.create_task(poller.run(), name="bridge poll"))
            server = web.Server(
                self._answer,
                auto_decompress=False,
                access_log=None,
                max_line_size=_LONGEST_LINE_BYTES,
                max_field_size=_LONGEST_LINE_BYTES,
            )
            self._runner = web.ServerRunner(server, shutdown_timeout=_END_S)
            await self._runner.setup()
            opened.push_async_callback(self._runner.cleanup)
            await web.TCPSite(self._runner, self.config.host, self.config.port, backlog=1024).start()
            self._opened = opened.pop_all()
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self._opened.aclose()

    def health(self) -> dict[str, Any]:
        """Return the bridge's health, without paths and addresses: they may hold secrets."""
        queue, telemetry = self._queue, self._telemetry.health()
        orphans = 0 if queue is None else queue.count_orphans([route.path for route in self.config.routes])
        is_away = any(delivery.is_target_away for delivery in self._deliveries)
        is_answered = all(poller.is_answered for poller in self._pollers)
        return {
            "ok": telemetry.ok and not is_away and not orphans and is_answered,
            "routes": [
                {"provider": route.provider, "forwards": route.forward is not None} for route in self.config.routes
            ],
            "queue": None
            if queue is None
            else {
                "requests": len(queue),
                "oldest_age_s": round(queue.oldest_age_s, 1),
                "orphans": orphans,
                "target_away": is_away,
            },
            "polls": {"gateways": len(self._pollers), "ok": is_answered},
            "telemetry": {"ok": telemetry.ok, "problems": list(telemetry.problems)},
        }

    def _oldest_age_s(self) -> float:
        return 0.0 if self._queue is None else self._queue.oldest_age_s

    def _begin_delivery(self, route: Route, opened: contextlib.AsyncExitStack) -> None:
        if self._queue is None or route.forward is None:
            return
        delivery = Delivery(
            route.forward,
            self._queue.lane(route.path),
            queue=self._queue,
            forwarder=self._forwarder,
            instruments=self._instruments,
            max_age_s=self.config.queue_max_age_s,
        )
        self._deliveries.append(delivery)
        task = asyncio.create_task(delivery.run(), name="bridge delivery")
        opened.push_async_callback(_end, task)

    async def _answer(self, request: web.BaseRequest) -> web.Response:
        """Answer one request of a gateway, or of an operator."""
        if request.path == HEALTH_PATH:
            health = self.health()
            return web.json_response(health, status=200 if health["ok"] else 503, dumps=json.dumps)
        come = WebhookRequest(request.method, request.raw_path, end_to_end(request.raw_headers), b"")
        come, has_token = self._gate.strip(come)
        route = self.config.route_of(come.path)
        if route is None:
            return _response(_NO_ROUTE)
        if not has_token and self._gate.needs_token(route):  # before a stranger's body takes memory
            self._instruments.count_request(route.provider, "unauthorized")
            return _response(_UNAUTHORIZED)
        held = 0
        try:
            body = await self._read(request)
            held = len(body)
            answer, outcome = await self._take(_with_body(come, body), route, has_token=has_token)
        except TooLargeError:
            answer, outcome = _TOO_LARGE, "too_large"
        except NoRoomError:
            answer, outcome = _BUSY, "busy"
        except (TimeoutError, ConnectionError, web.RequestPayloadError):
            answer, outcome = _CUT, "refused"
        finally:
            self._held_bytes -= held
        self._instruments.count_request(route.provider, outcome)
        return _response(answer)

    async def _read(self, request: web.BaseRequest) -> bytes:
        """Return the body; its bytes count against the common limit until the request is answered."""
        if (request.content_length or 0) > self.config.max_body_bytes:
            raise TooLargeError
        body, held = bytearray(), 0
        try:
            async with asyncio.timeout(_BODY_S):
                async for chunk in request.content.iter_any():
                    held += len(chunk)
                    self._held_bytes += len(chunk)
                    self._check(held)
                    body += chunk
        except BaseException:
            self._held_bytes -= held
            raise
        return bytes(body)

    def _check(self, body_bytes: int) -> None:
        if body_bytes > self.config.max_body_bytes:
            raise TooLargeError
        if self._held_bytes > self.config.max_held_bytes:
            raise NoRoomError

    async def _take(self, request: WebhookRequest, route: Route, *, has_token: bool) -> tuple[Answer, str]:
        """Admit a request, record it and pass it on; return the answer and its outcome."""
        if not has_token and not await self._may_enter(request, route):
            self._telemetry.whatsapp.count_rejected("signature", route.provider)
            return _UNAUTHORIZED, "unauthorized"
        events = await self._observer.observe(request, route) if request.method == "POST" else []
        with self._observer.span(request, route, events) as span:
            answer, outcome = await self._pass_on(request, route)
            set_outcome(span, answer.status, outcome)
        return answer, outcome

    async def _may_enter(self, request: WebhookRequest, route: Route) -> bool:
        if len(request.body) > IN_THREAD_BYTES:
            return await asyncio.to_thread(self._gate.may_enter, request, route)
        return self._gate.may_enter(request, route)

    async def _pass_on(self, request: WebhookRequest, route: Route) -> tuple[Answer, str]:
        if route.forward is None:
            return own_answer(request, route.provider), "answered"
        may_wait = self._queue is not None and request.method in {"POST", "PUT"}
        if may_wait and self._queue is not None and len(self._queue.lane(route.path)):
            return await self._keep(request, route)
        began_s = time.perf_counter()
        try:
            answer = await self._forwarder.send(request, route.forward)
        except TargetError as error:
            answer = refusal(502, f"The target did not answer ({error}).", _RETRY)
        finally:
            self._instruments.record_forward(route.provider, time.perf_counter() - began_s)
        if is_taken(answer.status):
            return answer, "forwarded"
        if not is_busy(answer.status):
            return answer, "refused"
        return await self._keep(request, route) if may_wait else (answer, "failed")

    async def _keep(self, request: WebhookRequest, route: Route) -> tuple[Answer, str]:
        assert self._queue is not None  # noqa: S101 - the callers have looked
        try:
            await self._queue.put(request, route.path)
        except QueueFullError:
            return _BUSY, "busy"
        return own_answer(request, route.provider), "queued"


def _meter(telemetry: Telemetry) -> Meter:
    return telemetry.meter_provider.get_meter(_SCOPE, schema_url=SCHEMA_URL)


def _with_body(request: WebhookRequest, body: bytes) -> WebhookRequest:
    return WebhookRequest(request.method, request.target, request.headers, body, request.at)


def _response(answer: Answer) -> web.Response:
    response = web.Response(status=answer.status, body=answer.body or None)
    response.headers.clear()
    for name, value in answer.headers:
        response.headers.add(name.decode("latin-1"), value.decode("utf-8", "surrogateescape"))
    return response


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
