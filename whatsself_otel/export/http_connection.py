"""
An HTTP/1.1 connection whose requests end at their deadline, however slowly the other side answers.

Socket timeouts, and so those of urllib3 and requests, restart with each byte. An answer that drips byte by byte holds
its caller for ever.
"""

from __future__ import annotations

import contextlib
import io
import socket
import time
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Mapping

AWAITING: Final = "waiting for the answer"
"""The stage of a request after its last byte."""
_MAX_ANSWER_BYTES: Final = 65_536


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, headers and the first 64 KiB of one answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(slots=True)
class Deadline:
    """The end of the current request on the monotonic clock, and the stage that the request has reached."""

    end_s: float = 0.0
    stage: str = "connecting"

    def left_s(self) -> float:
        """Return the seconds that are left, above 0; raises TimeoutError when there are none."""
        left_s = self.end_s - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        return left_s


class Connection:
    """
    One connection to one receiver, opened on demand, for one request at a time.

    Only the resolver may take longer than a request's time, because nothing can interrupt it.

    Args:
        url: Scheme, host and port to connect to; path and query to post to.
        make_tls: Returns how a connection by https is protected.
    """

    def __init__(self, url: str, make_tls: Callable[[], ssl.SSLContext]) -> None:
        parts = urlsplit(url)
        self.deadline = Deadline()
        self._is_secure = parts.scheme == "https"
        self._host = parts.hostname or "localhost"
        self._port = parts.port or (443 if self._is_secure else 80)
        self._path = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
        self._make_tls = make_tls
        self._stream: _Stream | None = None
        self._ended = False

    def post(self, body: bytes, headers: Mapping[str, str], timeout_s: float) -> Answer:
        """
        Send one request and return its answer.

        Args:
            body: What is sent.
            headers: Sent besides host and content-length.
            timeout_s: Seconds for everything: connect, TLS, request and answer; above 0.

        Raises:
            OSError: If the connection or the time was not enough; `deadline` says what was under way.
            http.client.HTTPException: If the answer is not HTTP.
        """
        self.deadline.end_s = time.monotonic() + timeout_s
        try:
            answer = self._exchange(body, headers)
        except BaseException:
            self.close()
            raise
        if self._ended:
            self.close()
        return answer

    def end(self) -> None:
        """Close the socket now, and again after another thread's current request."""
        self._ended = True
        self.close()

    def close(self) -> None:
        """Close the socket; the next request opens another."""
        stream, self._stream = self._stream, None
        if stream is not None:
            with contextlib.suppress(OSError):
                stream.socket.close()

    def _exchange(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        http = HTTPConnection(self._host, self._port)
        http.sock = self._open_stream()
        self.deadline.stage = "sending"
        http.request("POST", self._path, body, headers)
        self.deadline.stage = AWAITING
        response = http.getresponse()
        content = response.read(_MAX_ANSWER_BYTES)
        if response.will_close or not response.isclosed():
            self.close()
        return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, content)

    def _open_stream(self) -> _Stream:
        if self._stream is not None and self._stream.is_idle():
            return self._stream
        self.close()
        self.deadline.stage = "connecting"
        connected = dial(self._host, self._port, self.deadline)
        try:
            if self._is_secure:
                self.deadline.stage = "securing the connection"
                tls = self._make_tls()  # here, where a file that is no certificate is told
                connected.settimeout(self.deadline.left_s())
                connected = tls.wrap_socket(connected, server_hostname=self._host)
        except BaseException:
            connected.close()
            raise
        self._stream = _Stream(connected, self.deadline)
        return self._stream


def dial(host: str, port: int, deadline: Deadline) -> socket.socket:
    """Return a socket connected to the first address of *host* that accepts; each gets its share of the time."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    for number, (family, kind, protocol, _, address) in enumerate(found):
        attempt = socket.socket(family, kind, protocol)
        try:
            attempt.settimeout(deadline.left_s() / (len(found) - number))
            attempt.connect(address)
            attempt.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError:
            attempt.close()
            if number + 1 == len(found):
                raise
        else:
            return attempt
    raise OSError("the name has no address")


@dataclass(slots=True)
class _Stream:
    """Acts as the socket for `http.client`: each read and write gets the time that its request has left."""

    socket: socket.socket
    deadline: Deadline

    def is_idle(self) -> bool:
        """Whether nothing arrived since the last answer: no end of the connection, no unexpected bytes."""
        try:
            self.socket.settimeout(0)
            socket.socket.recv(self.socket, 1, socket.MSG_PEEK)  # past TLS, which allows no peeking
        except BlockingIOError:
            return True
        except OSError:
            pass
        return False

    def sendall(self, data: bytes) -> None:
        """Send *data*."""
        rest = memoryview(data)
        while rest:
            self.socket.settimeout(self.deadline.left_s())
            rest = rest[self.socket.send(rest) :]

    def makefile(self, _mode: str) -> io.BufferedReader:
        """Return the reader of the answer."""
        return io.BufferedReader(_Reader(self))

    def close(self) -> None:
        """Leave the socket open: its owner keeps it for the next request."""


class _Reader(io.RawIOBase):
    def __init__(self, stream: _Stream) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._stream.socket.settimeout(self._stream.deadline.left_s())
        return self._stream.socket.recv_into(buffer)
