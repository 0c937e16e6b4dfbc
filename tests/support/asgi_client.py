"""Talk to an application as a server does, and keep its answer byte for byte."""

from __future__ import annotations

from typing import Any

Message = dict[str, Any]
Answer = tuple[list[Message], str]
"""Messages that the application sent, and the class of the exception that left it."""
OURS = {b"x-request-id", b"traceresponse", b"server-timing"}
"""The headers that instrumentation adds."""


async def talk(app: Any, scope: Message, incoming: list[Message]) -> Answer:
    """Return the answer to *scope*, without our headers."""
    sent, error = await listen(app, scope, incoming)
    return [{key: _without_ours(key, value) for key, value in message.items()} for message in sent], error


async def listen(app: Any, scope: Message, incoming: list[Message]) -> Answer:
    """Return the answer to *scope*, our headers too."""
    sent: list[Message] = []
    waiting = iter(incoming)

    async def receive() -> Message:
        return next(waiting, {"type": f"{scope['type']}.disconnect"})

    async def send(message: Message) -> None:
        sent.append(dict(message))

    try:
        await app(dict(scope), receive, send)
    except BaseException as error:  # noqa: BLE001 - compared, not handled
        return sent, type(error).__name__
    return sent, ""


def http(path: str = "/echo/x", **changes: Any) -> Message:
    """Return the scope of a plain request, with *changes*."""
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode("utf-8", "surrogateescape"),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"shop")],
        "client": ("127.0.0.1", 5000),
        "server": ("shop", 80),
        "state": {},
    }
    return scope | changes


def _without_ours(key: str, value: Any) -> Any:
    if key != "headers":
        return value
    return [(bytes(name), bytes(content)) for name, content in value if bytes(name) not in OURS]
