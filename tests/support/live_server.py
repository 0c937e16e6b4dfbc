"""An application behind the real uvicorn, on a free port of the loopback, in a thread of this process."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import uvicorn
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, CloseConnection, Event, Request, TextMessage

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class Live:
    """A server that answers."""

    server: uvicorn.Server
    thread: threading.Thread
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def stop(self) -> None:
        """End it as a signal does, and wait until it has ended."""
        self.server.should_exit = True
        self.thread.join(20)
        assert not self.thread.is_alive()


@contextmanager
def live(app: Any, **settings: Any) -> Iterator[Live]:
    """Serve *app* until the block ends."""
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, **{"log_config": None, "ws": "wsproto", "lifespan": "off", **settings})
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    running = Live(server, thread, listening.getsockname()[1])
    try:
        yield running
    finally:
        running.stop()
        listening.close()


class WebSocketClient:
    """As much of a client as tests need: connect, exchange texts, close with a code or without a word."""

    def __init__(self, port: int, path: str) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self._protocol = WSConnection(ConnectionType.CLIENT)
        self._send(Request(host="127.0.0.1", target=path))
        self.accepted = isinstance(self.receive(), AcceptConnection)

    def _send(self, event: Event) -> None:
        self._socket.sendall(self._protocol.send(event))

    def say(self, text: str) -> None:
        self._send(TextMessage(data=text))

    def receive(self) -> Event | None:
        """Return the next bytes, or None after the server closed."""
        while True:
            for event in self._protocol.events():
                return event
            data = self._socket.recv(4096)
            if not data:
                return None
            self._protocol.receive_data(data)

    def close(self, code: int | None) -> None:
        """Close with *code*, 1005 means without one; None: the connection breaks."""
        if code is not None:
            self._send(CloseConnection(code=None if code == 1005 else code))  # type: ignore[arg-type]
        self._socket.close()
