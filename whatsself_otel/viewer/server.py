"""The viewer while it runs: its store, its listeners, and the note that lets other commands find it."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import socket
import tempfile
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import uvicorn

from whatsself_otel.viewer.app import Addresses, create_app
from whatsself_otel.viewer.note import Note
from whatsself_otel.viewer.receiver import Receiver
from whatsself_otel.viewer.stack_source import StackSource
from whatsself_otel.viewer.store import Retention, Store

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.types import ASGIApp

    from whatsself_otel.viewer.stack_source import Backends

HOST: Final = "127.0.0.1"
_TOKEN: Final = re.compile(r"\w[\w-]{31}")
"""A token in a file. None begins with "-", because ``--token -x`` would be read as another option."""
_STOP_S: Final = 5.0
"""Seconds the server may take to end; then the process ends without it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewerConfig:
    """How a viewer runs."""

    port: int = 0
    """Of the page and of OTLP over HTTP, on the loopback; 0 takes any that is free."""
    grpc_port: int | None = None
    """Of OTLP over gRPC; None for no gRPC."""
    store: Path | None = None
    """File of the store; None for a temporary file, deleted when the viewer ends."""
    retention: Retention = field(default_factory=Retention)
    note: Path | None = None
    """Where to write address and token for other commands of this user; None for nowhere."""
    backends: Backends | None = None
    """Stores of the real stack to read instead of receiving anything; None for a store of the viewer's own."""
    send_to: str | None = None
    """Where applications send to, if not here."""
    token_file: Path | None = None
    """Where the page's token lasts, so that bookmarks do; None for another token each time."""


class Viewer:
    """
    A viewer in this process, listening on the loopback while its block runs.

    Args:
        config: How it runs.

    Raises:
        OSError: A port is taken.
    """

    def __init__(self, config: ViewerConfig | None = None) -> None:
        self.config = config or ViewerConfig()
        self.token = _lasting_token(self.config.token_file)
        self._opened = contextlib.ExitStack()

    @property
    def url(self) -> str:
        """The base of every address, and what ``OTEL_EXPORTER_OTLP_ENDPOINT`` takes."""
        return f"http://{HOST}:{self._port}"

    @property
    def page(self) -> str:
        """The address to open in a browser; it holds the token."""
        return f"{self.url}/?token={self.token}"

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as opened:
            listener = opened.enter_context(_listener(self.config.port))
            self._port = listener.getsockname()[1]
            self.store = opened.enter_context(_store(self.config))
            opened.enter_context(_served(self._app(opened), listener))
            self._leave_note(opened)
            self._opened = opened.pop_all()
        return self

    def __exit__(self, *_error: object) -> None:
        self._opened.close()

    def _app(self, opened: contextlib.ExitStack) -> ASGIApp:
        if self.config.backends is not None:
            source = StackSource(self.config.backends, self.store)
            return create_app(source, self.token, Addresses(http=self.config.send_to))
        receiver = Receiver(self.store)
        addresses = Addresses(http=self.url, grpc=self._serve_grpc(receiver, opened))
        return create_app(self.store, self.token, addresses, receiver)

    def wait(self) -> None:
        """Return never, until interrupted."""
        threading.Event().wait()

    def _serve_grpc(self, receiver: Receiver, opened: contextlib.ExitStack) -> str | None:
        if self.config.grpc_port is None:
            return None
        from whatsself_otel.viewer import grpc_receiver

        address = f"{HOST}:{self.config.grpc_port}"
        try:
            server = grpc_receiver.start(receiver, address)
        except RuntimeError as error:
            raise OSError(f"port {self.config.grpc_port} is taken") from error
        opened.callback(lambda: server.stop(grace=1).wait())
        return f"http://{address}"

    def _leave_note(self, opened: contextlib.ExitStack) -> None:
        path = self.config.note
        if (
            path is None
            or self.config.backends is not None
            or ((other := Note.read(path)) is not None and other.is_of_a_running_viewer())
        ):
            return  # the viewer that came first is the one that other commands find
        Note(url=self.url, token=self.token).write(path)
        opened.callback(path.unlink, missing_ok=True)


def _lasting_token(path: Path | None) -> str:
    """Return the token in the file *path*; write a new one if the file has none."""
    new = secrets.token_hex(16)
    if path is None:
        return new
    with contextlib.suppress(OSError, UnicodeDecodeError):
        if _TOKEN.fullmatch(known := path.read_text("ascii").strip()):
            return known
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)  # a link that somebody else put there is not followed
    with os.fdopen(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600), "w") as file:
        file.write(new)
    return new


def _listener(port: int) -> socket.socket:
    return socket.create_server((HOST, port), backlog=128)


@contextlib.contextmanager
def _store(config: ViewerConfig) -> Iterator[Store]:
    if config.store is not None:
        with Store(config.store, config.retention) as store:
            yield store
        return
    with (
        tempfile.TemporaryDirectory(prefix="whatsself-viewer-", ignore_cleanup_errors=True) as folder,
        Store(Path(folder) / "viewer.db", config.retention) as store,
    ):
        yield store


@contextlib.contextmanager
def _served(app: Any, listener: socket.socket) -> Iterator[None]:
    config = uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", timeout_keep_alive=30)
    config.load()  # imports here: an import that Ctrl-C ends leaves a lock held, and the server's own would wait for it
    server = uvicorn.Server(config)
    # The socket listens already: who comes before the server waits in its backlog.
    thread = threading.Thread(target=server.run, args=([listener],), name="viewer", daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(_STOP_S)
