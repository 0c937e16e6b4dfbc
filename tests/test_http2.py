"""HTTP/2 against a receiver that says exactly what a test wants, byte by byte, over a real socket."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hpack import Decoder
from http2_peer import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HAS_PRIORITY,
    HEADERS,
    PADDED,
    PING,
    PRIORITY,
    RST_STREAM,
    SAID,
    SETTINGS,
    UNKNOWN,
    WINDOW_UPDATE,
    Frame,
    Peer,
    block,
    listening,
)

from whatsself_otel.http2 import Answer, Connection, Http2Error, encode_headers

REQUEST = [(":method", "POST"), (":path", "/")]


@contextmanager
def receiver(behave: Callable[[Peer], None]) -> Iterator[Connection]:
    """Give a connection to a receiver that does *behave*."""
    with listening(behave) as port:
        connection = Connection("127.0.0.1", port, None, 5)
        try:
            yield connection
        finally:
            connection.close()


def call(behave: Callable[[Peer], None], body: bytes = b"body", timeout_s: float = 10.0) -> Answer:
    with receiver(behave) as connection:
        return connection.call(REQUEST, body, timeout_s)


class TestAnswersThatAreTaken:
    def test_headers_that_come_in_pieces_are_read_as_one(self) -> None:
        def behave(peer: Peer) -> None:
            peer.read_request()
            whole = block()
            peer.send(HEADERS, END_STREAM, payload=whole[:3])
            peer.send(CONTINUATION, payload=whole[3:7])
            peer.send(CONTINUATION, END_HEADERS, payload=whole[7:])

        assert call(behave) == Answer(headers=SAID, ended=True)

    def test_padding_and_priority_are_no_part_of_an_answer(self) -> None:
        def behave(peer: Peer) -> None:
            peer.read_request()
            peer.send(HEADERS, END_HEADERS | PADDED | HAS_PRIORITY, payload=b"\x03" + bytes(5) + block() + b"pad")
            peer.send(DATA, PADDED, payload=b"\x04said" + b"more"[:4])
            peer.send(DATA, END_STREAM, payload=b"!")

        assert call(behave) == Answer(headers=SAID, body=b"said!", ended=True)

    def test_trailers_are_added_to_the_headers(self) -> None:
        def behave(peer: Peer) -> None:
            peer.read_request()
            peer.send(HEADERS, END_HEADERS, payload=block())
            peer.send(DATA, payload=b"said")
            peer.send(HEADERS, END_HEADERS | END_STREAM, payload=block(**{"grpc-status": "0"}))

        assert call(behave) == Answer(headers={**SAID, "grpc-status": "0"}, body=b"said", ended=True)

    def test_what_is_for_nobody_here_is_passed_over(self) -> None:
        def behave(peer: Peer) -> None:
            peer.read_request()
            peer.send(UNKNOWN, payload=b"a kind of the future")
            peer.send(PRIORITY, payload=bytes(5))
            peer.send(RST_STREAM, stream=7, payload=bytes(4))
            peer.send(DATA, END_STREAM, stream=7, payload=b"of another call")
            peer.answer()

        assert call(behave) == Answer(headers=SAID, ended=True)

    def test_an_answer_before_the_request_is_whole_ends_the_call(self) -> None:
        def behave(peer: Peer) -> None:
            peer.read_until(HEADERS)
            peer.answer()

        assert call(behave, bytes(200_000)) == Answer(headers=SAID, ended=True)


class TestRequestHeaders:
    @pytest.mark.parametrize("size", [0, 1, 126, 127, 128, 254, 255, 256, 16_510, 16_511, 20_000])
    def test_are_read_by_another_library_as_they_were_meant_and_remembered_by_none(self, size: int) -> None:
        decoder = Decoder(max_header_list_size=1_000_000)
        headers = [(":method", "POST"), ("authorization", "t" * size), ("n" * (size + 1), "")]
        read: Any = decoder.decode(encode_headers(headers))

        assert read == headers
        assert list(decoder.header_table.dynamic_entries) == []


class TestManners:
    def test_a_ping_comes_back_with_what_it_brought_and_an_echo_is_left_alone(self) -> None:
        def behave(peer: Peer) -> None:
            peer.read_request()
            peer.send(PING, ACK, 0, b"an echo ")
            peer.send(PING, 0, 0, b"12345678")
            peer.read_until(PING, ACK)
            echoes.extend(frame for frame in peer.seen if frame[0] == PING)
            peer.answer()

        echoes: list[Frame] = []
        call(behave)

        assert echoes == [(PING, ACK, 0, b"12345678")]

    def test_settings_are_acknowledged_and_an_acknowledgement_is_not(self) -> None:
        def behave(peer: Peer) -> None:
            peer.read_request()
            peer.send(SETTINGS, ACK, 0)
            peer.send(SETTINGS, 0, 0, struct.pack(">HI", 3, 100))
            peer.read_until(SETTINGS, ACK)
            peer.send(PING, 0, 0, bytes(8))
            peer.read_until(PING, ACK)
            acknowledged.extend(frame for frame in peer.seen if frame[:2] == (SETTINGS, ACK))
            peer.answer()

        acknowledged: list[Frame] = []
        call(behave)

        assert acknowledged == [(SETTINGS, ACK, 0, b"")]

    def test_no_more_is_sent_than_the_receiver_has_room_for(self) -> None:
        body = bytes(range(256)) * 4

        def behave(peer: Peer) -> None:
            peer.send(SETTINGS, 0, 0, struct.pack(">HI", 4, 100))
            peer.read_until(SETTINGS, ACK)
            ready.set()
            for _ in range(2):
                sizes.append(len(peer.read_until(DATA)[3]))
                peer.send(WINDOW_UPDATE, payload=struct.pack(">I", 400))
            sizes.append(len(peer.read_until(DATA)[3]))
            peer.send(SETTINGS, 0, 0, struct.pack(">HI", 4, 1000))  # 900 more, for calls that run too
            sizes.append(len(peer.read_until(DATA, END_STREAM)[3]))
            received.append(b"".join(frame[3] for frame in peer.seen if frame[0] == DATA))
            peer.answer()

        ready, sizes, received = threading.Event(), list[int](), list[bytes]()
        with receiver(behave) as connection:
            while not ready.is_set():
                assert connection.is_usable()
            connection.call(REQUEST, body, 10)

        assert sizes == [100, 400, 400, 124]
        assert received == [body]

    def test_the_connections_room_is_shared_by_its_calls(self) -> None:
        def received(peer: Peer) -> int:
            return sum(len(frame[3]) for frame in peer.seen if frame[0] == DATA)

        def behave(peer: Peer) -> None:
            peer.read_request()
            peer.answer(1)
            sizes.append(received(peer))
            peer.seen.clear()
            peer.read_until(HEADERS)
            left = 65_535 - sizes[0]
            while received(peer) < left:
                peer.read()
            sizes.append(received(peer) - left)
            peer.send(WINDOW_UPDATE, 0, 0, struct.pack(">I", 50_000))
            peer.read_request()
            sizes.append(received(peer))
            peer.answer(3)

        sizes: list[int] = []
        with receiver(behave) as connection:
            connection.call(REQUEST, bytes(40_000), 10)
            connection.call(REQUEST, bytes(40_000), 10)

        assert sizes == [40_000, 0, 40_000]

    def test_what_was_read_makes_room_again(self) -> None:
        def behave(peer: Peer) -> None:
            peer.read_request()
            peer.send(HEADERS, END_HEADERS, payload=block())
            peer.send(DATA, payload=bytes(1000))
            room.append(peer.read_until(WINDOW_UPDATE))
            peer.send(DATA, END_STREAM)

        room: list[Frame] = []
        assert len(call(behave).body) == 1000
        assert room == [(WINDOW_UPDATE, 0, 0, struct.pack(">I", 1000))]


def silence(_: Peer) -> None:
    """Say nothing."""


def hang_up(peer: Peer) -> None:
    peer.read_request()
    peer.socket.sendall(b"\x00\x00\x09\x01")  # within a frame
    peer.socket.shutdown(socket.SHUT_RDWR)


def huge_frame(peer: Peer) -> None:
    peer.read_request()
    peer.socket.sendall((16_385).to_bytes(3, "big") + bytes(6))


def reset(peer: Peer) -> None:
    peer.read_request()
    peer.send(RST_STREAM, payload=bytes(4))


def leave_before(peer: Peer) -> None:
    peer.read_request()
    peer.send(GOAWAY, 0, 0, bytes(8))


def unreadable_headers(peer: Peer) -> None:
    peer.read_request()
    peer.send(HEADERS, END_HEADERS | END_STREAM, payload=b"\xff\xff")


def remembered_headers(peer: Peer) -> None:
    peer.read_request()
    peer.send(HEADERS, END_HEADERS | END_STREAM, payload=b"\xbe")  # the first entry of a dynamic table


def flooding(kind: int, size: int) -> Callable[[Peer], None]:
    """Send frames without a pause for a while, and then the answer to whom has waited for it."""

    def behave(peer: Peer) -> None:
        peer.read_request()
        peer.flood(kind, size)
        peer.answer()

    return behave


class TestAnswersThatAreRefused:
    @pytest.mark.parametrize(
        ("behave", "reason"),
        [
            (hang_up, "the connection was closed"),
            (huge_frame, "the answer is not HTTP/2"),
            (reset, "the call was reset"),
            (leave_before, "the other side is leaving"),
            (unreadable_headers, "the answer's headers cannot be read"),
            (remembered_headers, "the answer's headers cannot be read"),
            (flooding(CONTINUATION, 16_000), "the answer's headers are too long"),
            (flooding(DATA, 16_000), "the answer is too long"),
        ],
    )
    def test_a_call_ends_with_the_reason(self, behave: Callable[[Peer], None], reason: str) -> None:
        with pytest.raises(Http2Error, match=reason):
            call(behave)

    @pytest.mark.parametrize("kind", [DATA, CONTINUATION, UNKNOWN])
    def test_frames_that_never_pause_do_not_hold_a_call_past_its_timeout(self, kind: int) -> None:
        with pytest.raises(TimeoutError):
            call(flooding(kind, 0), timeout_s=0.3)

    def test_a_receiver_without_room_does_not_hold_a_call_past_its_timeout(self) -> None:
        with pytest.raises(TimeoutError):
            call(silence, bytes(100_000), timeout_s=0.3)


def becomes(true: Callable[[], bool]) -> bool:
    """Return whether it does, within some seconds."""
    end_s = time.monotonic() + 10
    while not true():
        if time.monotonic() > end_s:
            return False
        time.sleep(0.01)
    return True


class TestBetweenCalls:
    def test_one_that_says_it_leaves_after_this_call_answers_it_and_gets_no_other(self) -> None:
        def behave(peer: Peer) -> None:
            peer.read_request()
            peer.send(GOAWAY, 0, 0, struct.pack(">II", 1, 0))
            peer.answer()

        with receiver(behave) as connection:
            assert connection.call(REQUEST, b"body", 10).headers == SAID
            assert not connection.is_usable()

    def test_one_that_was_closed_gets_no_call(self) -> None:
        def behave(peer: Peer) -> None:
            peer.read_request()
            peer.answer()
            peer.socket.shutdown(socket.SHUT_WR)

        with receiver(behave) as connection:
            connection.call(REQUEST, b"body", 10)

            assert becomes(lambda: not connection.is_usable())

    def test_one_that_talks_without_a_pause_gets_no_call(self) -> None:
        def behave(peer: Peer) -> None:
            peer.read_request()
            peer.answer()
            peer.flood(UNKNOWN, 0)

        with receiver(behave) as connection:
            connection.call(REQUEST, b"body", 10)

            assert becomes(lambda: not connection.is_usable())

    def test_one_that_is_quiet_gets_the_next(self) -> None:
        def behave(peer: Peer) -> None:
            for stream in (1, 3):
                peer.read_request()
                peer.answer(stream)

        with receiver(behave) as connection:
            connection.call(REQUEST, b"body", 10)

            assert connection.is_usable()
            assert connection.call(REQUEST, b"body", 10).headers == SAID

    def test_a_connection_whose_protection_fails_is_closed(self) -> None:
        def serve() -> None:
            taken, _ = server.accept()
            with taken, contextlib.suppress(ConnectionError):
                taken.sendall(b"this is not TLS")
                while taken.recv(65_536):
                    pass
            ended.set()

        ended = threading.Event()
        with socket.create_server(("127.0.0.1", 0)) as server:
            thread = threading.Thread(target=serve, daemon=True)
            thread.start()
            with pytest.raises(ssl.SSLError):
                Connection("127.0.0.1", server.getsockname()[1], ssl.create_default_context(), 5)

            assert ended.wait(10)
