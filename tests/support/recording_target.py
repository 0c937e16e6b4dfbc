"""A target that keeps every request as it came over the wire, and answers as a test wishes; and a client as plain."""

from __future__ import annotations

import asyncio
import socket
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Target: yes\r\n\r\nok"


def answer(status: int, body: bytes = b"", *headers: str) -> bytes:
    """Return the bytes of an answer."""
    head = "\r\n".join([f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", *headers, "", ""])
    return head.encode() + body


@dataclass(frozen=True)
class Raw:
    """One request: the lines before the body, and the body."""

    lines: tuple[bytes, ...]
    body: bytes

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        return [(name, value.strip()) for name, _, value in (line.partition(b":") for line in self.lines[1:])]


@dataclass
class Target:
    """The received requests, and the target's answers."""

    requests: list[Raw] = field(default_factory=list)
    response: bytes = OK
    """Empty: the connection is closed without an answer."""
    delay_s: float = 0.0
    port: int = 0
    _server: asyncio.Server | None = None
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def bodies(self) -> list[bytes]:
        return [request.body for request in self.requests]

    def come(self) -> None:
        """Listen, on the same port as before."""
        asyncio.run_coroutine_threadsafe(self._come(), self._loop).result(10)

    def go(self) -> None:
        """Close the port and every connection."""
        asyncio.run_coroutine_threadsafe(self._go(), self._loop).result(10)

    async def _come(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, limit=2**16, backlog=1024)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _go(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        # A connection may be in the middle of its accept: it is over when its task is.
        while others := asyncio.all_tasks() - {asyncio.current_task()}:
            for writer in list(self._writers):
                writer.transport.abort()
            await asyncio.wait(others, timeout=0.05)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        with suppress(OSError, asyncio.IncompleteReadError):
            while self.response and self._server is not None:
                await self._answer(reader, writer)
        self._writers.discard(writer)
        writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        lines = tuple(head[:-4].split(b"\r\n"))
        length = next((int(line[15:]) for line in lines if line.lower().startswith(b"content-length:")), 0)
        self.requests.append(Raw(lines, await reader.readexactly(length)))
        if self.delay_s:
            await asyncio.sleep(self.delay_s)
        writer.write(self.response)
        await writer.drain()


@contextmanager
def recording_target() -> Iterator[Target]:
    """Run a target in a separate thread."""
    target = Target()
    thread = threading.Thread(target=target._loop.run_forever, daemon=True)
    thread.start()
    target.come()
    try:
        yield target
    finally:
        target.go()
        target._loop.call_soon_threadsafe(target._loop.stop)
        thread.join(10)
        target._loop.close()


def send(port: int, request: bytes, timeout_s: float = 20.0) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    """Send *request* as it is and return status, headers and body of the answer."""
    with socket.create_connection(("127.0.0.1", port), timeout=timeout_s) as connection:
        connection.sendall(request)
        stream = connection.makefile("rb")
        status = int(stream.readline().split()[1])
        headers = []
        while line := stream.readline().strip():
            name, _, value = line.partition(b":")
            headers.append((name, value.strip()))
        length = next((int(value) for name, value in headers if name.lower() == b"content-length"), None)
        return status, headers, stream.read(0 if status == 204 else length)


def post(path: str, body: bytes, *headers: str) -> bytes:
    """Return the bytes of a POST."""
    head = [f"POST {path} HTTP/1.1", "Host: bridge.example", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(head).encode("latin-1") + body
