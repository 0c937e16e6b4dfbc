"""A receiver that says exactly what a test wants over HTTP/2, byte by byte, over a real socket."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from hpack import Encoder

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 2, 3, 4, 6, 7, 8, 9
UNKNOWN = 0x63
END_STREAM, ACK, END_HEADERS, PADDED, HAS_PRIORITY = 0x1, 0x1, 0x4, 0x8, 0x20
SAID = {":status": "200", "x-said": "yes"}

Frame = tuple[int, int, int, bytes]


def block(**more: str) -> bytes:
    """Return the header block of an answer, as an encoder without a table writes it."""
    encoder = Encoder()
    encoder.header_table_size = 0
    return bytes(encoder.encode(list((SAID | more).items())))


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


@dataclass(slots=True)
class Peer:
    """The receiver's end of a connection."""

    socket: socket.socket
    seen: list[Frame] = field(default_factory=list)

    def send(self, kind: int, flags: int = 0, stream: int = 1, payload: bytes = b"") -> None:
        self.socket.sendall(frame(kind, flags, stream, payload))

    def flood(self, kind: int, size: int) -> None:
        """Send frames for three seconds, more at a time than is read at a time, so that there is never a pause."""
        end_s = time.monotonic() + 3
        frames = frame(kind, 0, 1, bytes(size)) * (400_000 // (size + 9))
        while time.monotonic() < end_s:
            self.socket.sendall(frames)

    def answer(self, stream: int = 1) -> None:
        self.send(HEADERS, END_HEADERS | END_STREAM, stream, block())

    def read(self) -> Frame:
        head = self._exactly(9)
        payload = self._exactly(int.from_bytes(head[:3], "big"))
        self.seen.append((head[3], head[4], int.from_bytes(head[5:], "big"), payload))
        return self.seen[-1]

    def read_until(self, kind: int, flags: int = 0) -> Frame:
        while True:
            frame = self.read()
            if frame[0] == kind and frame[1] & flags == flags:
                return frame

    def read_request(self) -> None:
        self.read_until(DATA, END_STREAM)

    def _exactly(self, size: int) -> bytes:
        got = b""
        while len(got) < size:
            part = self.socket.recv(size - len(got))
            if not part:
                raise ConnectionError
            got += part
        return got


@contextmanager
def listening(behave: Callable[[Peer], None]) -> Iterator[int]:
    """Give the port of a receiver that takes one connection, does *behave* and then keeps silent, its end open."""
    ends = threading.Event()

    def serve() -> None:
        taken, _ = server.accept()
        with taken, contextlib.suppress(ConnectionError):
            taken.recv(len(PREFACE), socket.MSG_WAITALL)
            behave(Peer(taken))
            ends.wait(20)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            ends.set()
            thread.join(20)
    assert not thread.is_alive(), "the receiver did not come to its end"
