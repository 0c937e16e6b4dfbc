"""
As much of HTTP/2 as one unary gRPC call at a time takes, on a plain socket.

grpcio cannot be used on both sides of a fork: a child's first call hangs for ever when its parent had one under way,
with and without ``GRPC_ENABLE_FORK_SUPPORT``. A socket can be forgotten. Source: https://www.rfc-editor.org/rfc/rfc9113
"""

from __future__ import annotations

import functools
import socket
import ssl
import struct
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RST_STREAM, _SETTINGS, _PING, _GOAWAY, _WINDOW_UPDATE, _CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9
_END_STREAM, _ACK, _END_HEADERS, _PADDED, _PRIORITY = 0x1, 0x1, 0x4, 0x8, 0x20
_HEADER_TABLE_SIZE, _ENABLE_PUSH, _INITIAL_WINDOW_SIZE = 1, 2, 4
_MAX_FRAME_BYTES: Final = 16_384
_MAX_ANSWER_BYTES: Final = 65_536
_MOST_UNREAD_FRAMES: Final = 1000
"""An idle connection brings a ping now and then: what brings more than this never comes to an end."""
_LAST_STREAM: Final = 2**31 - 1


class Http2Error(OSError):
    """The other side does not speak HTTP/2, or ended the call."""


@dataclass(slots=True)
class Answer:
    """Headers and trailers of one answer, and its body."""

    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    ended: bool = False


class Connection:
    """
    One connection, for one call at a time.

    Args:
        host: Name or address of the receiver.
        port: Its port.
        tls: How the connection is protected; None: not at all.
        timeout_s: Seconds to connect, above 0.
    """

    def __init__(self, host: str, port: int, tls: ssl.SSLContext | None, timeout_s: float) -> None:
        self._deadline_s = time.monotonic() + timeout_s
        connected = socket.create_connection((host, port), timeout_s)
        try:
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._socket = connected if tls is None else tls.wrap_socket(connected, server_hostname=host)
        except BaseException:
            connected.close()
            raise
        self._received = b""
        self._stream = -1
        self._leaving = self._ends = False
        self._block = b""
        self._window = self._stream_window = self._first_window = 65_535
        # Without a dynamic table every header block can be read by itself.
        settings = struct.pack(">HIHI", _HEADER_TABLE_SIZE, 0, _ENABLE_PUSH, 0)
        self._socket.sendall(_PREFACE + _frame(_SETTINGS, 0, 0, settings))

    def call(self, headers: list[tuple[str, str]], body: bytes, timeout_s: float) -> Answer:
        """
        Send one request and return its answer.

        Args:
            headers: Pseudo-headers first; names in lower case.
            body: The request.
            timeout_s: Seconds in all, above 0.

        Raises:
            OSError: If the call did not come to an answer; the connection is of no more use.
        """
        self._deadline_s = time.monotonic() + timeout_s
        self._stream += 2
        self._stream_window = self._first_window
        answer = Answer()
        self._send(_HEADERS, _END_HEADERS, encode_headers(headers))
        self._send_body(body, answer)
        while not answer.ended:
            self._await_frame(answer)
        return answer

    def is_usable(self) -> bool:
        """Whether another call can be made: neither the other side nor the numbers of streams are at their end."""
        self._deadline_s = time.monotonic()
        try:
            for _ in range(_MOST_UNREAD_FRAMES):  # what came while nobody read: pings, or a farewell
                self._read_frame(Answer())
        except (BlockingIOError, TimeoutError):
            return not self._leaving and self._stream + 2 < _LAST_STREAM
        except OSError:
            pass
        return False

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def _send(self, kind: int, flags: int, payload: bytes) -> None:
        self._socket.settimeout(max(self._deadline_s - time.monotonic(), 0.001))
        self._socket.sendall(_frame(kind, flags, self._stream, payload))

    def _send_body(self, body: bytes, answer: Answer) -> None:
        position = 0
        while not answer.ended:
            size = min(len(body) - position, _MAX_FRAME_BYTES, self._window, self._stream_window)
            if size <= 0:
                self._await_frame(answer)
                continue
            last = position + size == len(body)
            self._send(_DATA, _END_STREAM if last else 0, body[position : position + size])
            self._window -= size
            self._stream_window -= size
            position += size
            if last:
                return

    def _await_frame(self, answer: Answer) -> None:
        if time.monotonic() > self._deadline_s:  # else frames that come without a pause would never let the call end
            raise TimeoutError
        self._read_frame(answer)

    def _read_frame(self, answer: Answer) -> None:
        kind, flags, stream, payload = self._next_frame()
        if stream in {0, self._stream}:
            self._handle(kind, flags, payload, stream, answer)

    def _next_frame(self) -> tuple[int, int, int, bytes]:
        while len(self._received) < 9 or len(self._received) < 9 + self._next_size():
            self._received += self._receive()
        head, size = self._received[:9], self._next_size()
        payload, self._received = self._received[9 : 9 + size], self._received[9 + size :]
        return head[3], head[4], int.from_bytes(head[5:9], "big") & _LAST_STREAM, payload

    def _next_size(self) -> int:
        size = int.from_bytes(self._received[:3], "big")
        if size > _MAX_FRAME_BYTES:
            raise Http2Error("the answer is not HTTP/2")
        return size

    def _receive(self) -> bytes:
        self._socket.settimeout(max(self._deadline_s - time.monotonic(), 0.0))
        try:
            part = self._socket.recv(65_536)
        except (BlockingIOError, ssl.SSLWantReadError):
            raise TimeoutError from None
        if not part:
            raise Http2Error("the connection was closed")
        return part

    def _handle(self, kind: int, flags: int, payload: bytes, stream: int, answer: Answer) -> None:
        if kind in {_HEADERS, _CONTINUATION}:
            self._take_headers(kind, flags, payload, answer)
        elif kind == _DATA:
            self._take_data(flags, payload, answer)
        elif kind == _SETTINGS and not flags & _ACK:
            self._take_settings(payload)
        elif kind == _WINDOW_UPDATE:
            self._take_window(payload, stream)
        elif kind == _PING and not flags & _ACK:
            self._socket.sendall(_frame(_PING, _ACK, 0, payload))
        elif kind == _GOAWAY:
            self._leave(payload)
        elif kind == _RST_STREAM:
            raise Http2Error("the call was reset")

    def _take_headers(self, kind: int, flags: int, payload: bytes, answer: Answer) -> None:
        if kind == _HEADERS:
            self._ends = bool(flags & _END_STREAM)
            payload = _without_padding(flags, payload)[5 if flags & _PRIORITY else 0 :]
        self._block += payload
        if len(self._block) > _MAX_ANSWER_BYTES:
            raise Http2Error("the answer's headers are too long")
        if flags & _END_HEADERS:
            answer.headers.update(decode_headers(self._block))
            answer.ended = self._ends
            self._block = b""

    def _take_data(self, flags: int, payload: bytes, answer: Answer) -> None:
        if payload:  # the connection's window outlives the call
            self._socket.sendall(_frame(_WINDOW_UPDATE, 0, 0, struct.pack(">I", len(payload))))
        answer.body += _without_padding(flags, payload)
        answer.ended = bool(flags & _END_STREAM)
        if len(answer.body) > _MAX_ANSWER_BYTES:
            raise Http2Error("the answer is too long")

    def _take_settings(self, payload: bytes) -> None:
        for name, value in struct.iter_unpack(">HI", payload[: len(payload) // 6 * 6]):
            if name == _INITIAL_WINDOW_SIZE:
                self._stream_window += value - self._first_window
                self._first_window = value
        self._socket.sendall(_frame(_SETTINGS, _ACK, 0, b""))

    def _take_window(self, payload: bytes, stream: int) -> None:
        more = int.from_bytes(payload[:4], "big") & _LAST_STREAM
        if stream:
            self._stream_window += more
        else:
            self._window += more

    def _leave(self, payload: bytes) -> None:
        self._leaving = True
        if int.from_bytes(payload[:4], "big") & _LAST_STREAM < self._stream:
            raise Http2Error("the other side is leaving")


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


def _without_padding(flags: int, payload: bytes) -> bytes:
    if not flags & _PADDED or not payload:
        return payload
    return payload[1 : max(len(payload) - payload[0], 1)]


def encode_headers(headers: list[tuple[str, str]]) -> bytes:
    """Return a header block of literals that no table remembers, so that no credential stays in one."""
    return b"".join(b"\x10" + _encode_text(name) + _encode_text(value) for name, value in headers)


def _encode_text(text: str) -> bytes:
    data = text.encode("latin-1", "replace")
    return _encode_integer(len(data), 7) + data


def _encode_integer(number: int, bits: int) -> bytes:
    most = (1 << bits) - 1
    if number < most:
        return bytes((number,))
    coded = [most]
    number -= most
    while number >= 128:
        coded.append(number % 128 + 128)
        number //= 128
    return bytes((*coded, number))


def decode_headers(block: bytes) -> dict[str, str]:
    """
    Return the headers of *block*, which must not lean on a dynamic table.

    Raises:
        Http2Error: If it does, or is no header block.

    Source: https://www.rfc-editor.org/rfc/rfc7541
    """
    try:
        return dict(_decode_block(block))
    except (IndexError, KeyError) as error:
        raise Http2Error("the answer's headers cannot be read") from error


def _decode_block(block: bytes) -> Iterator[tuple[str, str]]:
    position = 0
    while position < len(block):
        first = block[position]
        if first & 0x80:
            index, position = _decode_integer(block, position, 7)
            yield STATIC_HEADERS[index]
        elif first & 0xE0 == 0x20:  # the size of the dynamic table, which is 0
            _, position = _decode_integer(block, position, 5)
        else:
            index, position = _decode_integer(block, position, 6 if first & 0x40 else 4)
            if index:
                name = STATIC_HEADERS[index][0]
            else:
                name, position = _decode_text(block, position)
            value, position = _decode_text(block, position)
            yield name, value


def _decode_integer(block: bytes, position: int, bits: int) -> tuple[int, int]:
    number = block[position] & ((1 << bits) - 1)
    position += 1
    if number < (1 << bits) - 1:
        return number, position
    for shift in range(0, 35, 7):
        number += (block[position] & 0x7F) << shift
        position += 1
        if not block[position - 1] & 0x80:
            return number, position
    raise IndexError


def _decode_text(block: bytes, position: int) -> tuple[str, int]:
    packed = block[position] & 0x80
    size, position = _decode_integer(block, position, 7)
    if position + size > len(block):
        raise IndexError
    data = block[position : position + size]
    return (_unpack(data) if packed else data).decode("latin-1"), position + size


def _unpack(data: bytes) -> bytes:
    """Undo the Huffman code; what is left at the end is padding."""
    symbols = _huffman_symbols()
    unpacked = bytearray()
    code = length = 0
    for byte in data:
        for bit in range(7, -1, -1):
            code = code << 1 | byte >> bit & 1
            length += 1
            symbol = symbols.get((length, code))
            if symbol is not None:
                unpacked.append(symbol)
                code = length = 0
    return bytes(unpacked)


@functools.cache
def _huffman_symbols() -> dict[tuple[int, int], int]:
    """Return symbols by length and code: the code is canonical, so the lengths say all."""
    symbols = {}
    code = previous = 0
    for length, symbol in sorted(zip(_HUFFMAN_LENGTHS, range(256), strict=True)):
        code <<= length - previous
        symbols[length, code] = symbol
        code += 1
        previous = length
    return symbols


_HUFFMAN_LENGTHS: Final = bytes.fromhex(
    "0d171c1c1c1c1c1c1c181e1c1c1e1c1c1c1c1c1c1c1c1e1c1c1c1c1c1c1c1c1c"
    "060a0a0c0d06080b0a0a080b080606060505050606060606060607080f060c0a"
    "0d06070707070707070707070707070707070707070707070807080d130d0e06"
    "0f05060506050606060507070606060506070605050607070707070f0b0e0d1c"
    "1416141416161617161717171717181718181617181717171715161716171718"
    "1615141616171715171616181516171715151615171617171416161617161617"
    "1a1a1413161716191a1a1a1b1b1a181913151a1b1b1a1b1815151a1a1c1b1b1b"
    "14181415161515171616191918181a171a1b1a1a1b1b1b1b1b1c1b1b1b1b1b1a"
)
"""Bits of each byte's code. Source: https://www.rfc-editor.org/rfc/rfc7541#appendix-B"""

STATIC_HEADERS: Final[dict[int, tuple[str, str]]] = dict(
    enumerate(
        (
            (":authority", ""),
            (":method", "GET"),
            (":method", "POST"),
            (":path", "/"),
            (":path", "/index.html"),
            (":scheme", "http"),
            (":scheme", "https"),
            (":status", "200"),
            (":status", "204"),
            (":status", "206"),
            (":status", "304"),
            (":status", "400"),
            (":status", "404"),
            (":status", "500"),
            ("accept-charset", ""),
            ("accept-encoding", "gzip, deflate"),
            ("accept-language", ""),
            ("accept-ranges", ""),
            ("accept", ""),
            ("access-control-allow-origin", ""),
            ("age", ""),
            ("allow", ""),
            ("authorization", ""),
            ("cache-control", ""),
            ("content-disposition", ""),
            ("content-encoding", ""),
            ("content-language", ""),
            ("content-length", ""),
            ("content-location", ""),
            ("content-range", ""),
            ("content-type", ""),
            ("cookie", ""),
            ("date", ""),
            ("etag", ""),
            ("expect", ""),
            ("expires", ""),
            ("from", ""),
            ("host", ""),
            ("if-match", ""),
            ("if-modified-since", ""),
            ("if-none-match", ""),
            ("if-range", ""),
            ("if-unmodified-since", ""),
            ("last-modified", ""),
            ("link", ""),
            ("location", ""),
            ("max-forwards", ""),
            ("proxy-authenticate", ""),
            ("proxy-authorization", ""),
            ("range", ""),
            ("referer", ""),
            ("refresh", ""),
            ("retry-after", ""),
            ("server", ""),
            ("set-cookie", ""),
            ("strict-transport-security", ""),
            ("transfer-encoding", ""),
            ("user-agent", ""),
            ("vary", ""),
            ("via", ""),
            ("www-authenticate", ""),
        ),
        start=1,
    )
)
"""Source: https://www.rfc-editor.org/rfc/rfc7541#appendix-A"""
