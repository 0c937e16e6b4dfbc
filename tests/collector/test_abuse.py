"""Hostile senders from the loopback: refused or cut off, with bounded memory, while a healthy client is served."""

from __future__ import annotations

import http.client
import os
import socket
import threading
import time
import zlib
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlparse

import pytest
from binaries import Collector, run_collector
from fault_rig import Load

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

pytestmark = pytest.mark.collector

BODY_LIMIT_BYTES = 4 << 20
BOMB_BYTES = 1 << 30
RSS_LIMIT_MIB = 480
"""The collector's own limit (400 MiB of heap) and the usual overhead of a Go program."""
CONNECTIONS = 2000
TIMEOUT_S = 30
HTTP = "receivers::otlp::protocols::http"
SHORT_TIMES = (f"{HTTP}::read_header_timeout: 1s", f"{HTTP}::read_timeout: 3s")
"""The shipped values are 5 s and 30 s: the tests show that they end the connection."""
PROTOBUF = {"content-type": "application/x-protobuf"}


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    with run_collector(folder=tmp_path_factory.mktemp("collector"), settings=SHORT_TIMES) as running:
        yield running


@pytest.fixture(autouse=True)
def healthy(collector: Collector) -> Iterator[None]:
    """A client that goes on all the while and is never refused, and a collector that stays within its memory."""
    load = Load(url=collector.http_url, batch=10)
    peak = Peak(collector)
    with peak.watching(), load.going_on(pause_s=0.05):
        yield
        sent = load.accepted
        deadline_s = time.monotonic() + 10
        while load.accepted == sent and time.monotonic() < deadline_s:
            time.sleep(0.05)
    assert load.accepted > sent
    assert load.refused == {}
    assert peak.rss_mib < RSS_LIMIT_MIB


class Peak:
    """The most memory that the collector had while watched."""

    def __init__(self, collector: Collector) -> None:
        self.rss_mib = 0.0
        self._statm = Path(f"/proc/{collector.process.pid}/statm")
        self._over = threading.Event()

    @contextmanager
    def watching(self) -> Iterator[None]:
        if not self._statm.exists():
            yield
            return
        thread = threading.Thread(target=self._watch, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()

    def _watch(self) -> None:
        while not self._over.wait(0.02):
            pages = int(self._statm.read_text("utf-8").split()[1])
            self.rss_mib = max(self.rss_mib, pages * os.sysconf("SC_PAGE_SIZE") / 2**20)


def gzip_bomb() -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    zeros = bytes(1 << 20)
    return b"".join([*(packer.compress(zeros) for _ in range(BOMB_BYTES >> 20)), packer.flush()])


def zstd_bomb() -> bytes:
    """One frame of blocks that each say: this byte, 128 KiB times."""
    block_bytes = 128 << 10
    header = b"\x28\xb5\x2f\xfd" + b"\x00" + b"\x58"  # magic; no size given; a window of 2 MiB
    block = (block_bytes << 3 | 1 << 1).to_bytes(3, "little") + b"\0"
    last = (block_bytes << 3 | 1 << 1 | 1).to_bytes(3, "little") + b"\0"
    return header + block * (BOMB_BYTES // block_bytes - 1) + last


def ask(
    collector: Collector, body: bytes | Iterable[bytes], headers: dict[str, str], method: str = "POST"
) -> tuple[int, dict[str, str]]:
    """Send one request; status 0 stands for a connection that was closed."""
    address = urlparse(collector.http_url)
    connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=TIMEOUT_S)
    try:
        connection.request(method, "/v1/traces", body, headers, encode_chunked=not isinstance(body, bytes))
        answer = connection.getresponse()
        answer.read()
    except (ConnectionError, http.client.HTTPException):
        return 0, {}
    finally:
        connection.close()
    return answer.status, {name.lower(): value for name, value in answer.getheaders()}


@pytest.mark.parametrize(("encoding", "bomb"), [("gzip", gzip_bomb), ("zstd", zstd_bomb)])
def test_bombs_are_refused(collector: Collector, encoding: str, bomb: Any) -> None:
    packed = bomb()

    status, _ = ask(collector, packed, {**PROTOBUF, "content-encoding": encoding})

    assert len(packed) < BOMB_BYTES // 500
    assert 400 <= status < 500


@pytest.mark.parametrize("encoding", ["snappy", "deflate", "zlib", "br", "lz4"])
def test_encodings_that_are_not_listed_are_refused(collector: Collector, encoding: str) -> None:
    status, _ = ask(collector, b"x" * 100, {**PROTOBUF, "content-encoding": encoding})

    assert 400 <= status < 500


def test_a_body_of_a_gigabyte_in_chunks_is_cut_off(collector: Collector) -> None:
    sent = 0

    def chunks() -> Iterator[bytes]:
        nonlocal sent
        while sent < BOMB_BYTES:
            sent += 1 << 20
            yield bytes(1 << 20)

    status, _ = ask(collector, chunks(), {**PROTOBUF, "transfer-encoding": "chunked"})

    assert status == 0 or 400 <= status < 500
    assert sent < 8 * BODY_LIMIT_BYTES


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"\xff" * 1000, "application/x-protobuf"),
        (b"\x0a\xff\xff\xff\xff\x7f", "application/x-protobuf"),
        (b'{"resourceSpans": [{"scopeSpans": 7}]}', "application/json"),
        (b"{" * 100_000, "application/json"),
        (b'{"resourceSpans":' + b"[" * 100_000, "application/json"),
        (b"hello", "text/plain"),
        (b"", "application/xml"),
    ],
    ids=["noise", "length beyond the end", "wrong type", "deep braces", "deep brackets", "text", "xml"],
)
def test_what_is_no_otlp_is_refused(collector: Collector, body: bytes, content_type: str) -> None:
    status, _ = ask(collector, body, {"content-type": content_type})

    assert 400 <= status < 500


def test_a_page_in_a_browser_is_not_allowed_in(collector: Collector) -> None:
    asked = {"origin": "https://evil.example", "access-control-request-method": "POST"}

    _, answer = ask(collector, b"", asked, method="OPTIONS")
    _, posted = ask(collector, b"{}", {"origin": "https://evil.example", "content-type": "application/json"})

    assert not [name for name in (*answer, *posted) if name.startswith("access-control-allow")]


@pytest.mark.parametrize(
    "start",
    [b"POST /v1/traces HTTP/1.1\r\nhost: x\r\n", b"POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-length: 99\r\n\r\n"],
    ids=["headers", "body"],
)
def test_who_trickles_is_cut_off(collector: Collector, start: bytes) -> None:
    with connected(collector, 100) as sockets:
        for each in sockets:
            each.sendall(start)
        started_s = time.monotonic()
        while time.monotonic() - started_s < TIMEOUT_S and any(is_open(each) for each in sockets):
            for each in sockets:
                trickle(each)
            time.sleep(0.25)

        assert not any(is_open(each) for each in sockets)


def test_thousands_of_idle_connections_hold_up_nobody(collector: Collector) -> None:
    with connected(collector, CONNECTIONS) as sockets:
        time.sleep(1)
        status, _ = ask(collector, b"", PROTOBUF)

        assert len(sockets) == CONNECTIONS
        assert status == 200


@contextmanager
def connected(collector: Collector, count: int) -> Iterator[list[socket.socket]]:
    address = urlparse(collector.http_url)
    with ExitStack() as stack:
        yield [
            stack.enter_context(socket.create_connection((str(address.hostname), address.port or 0), timeout=5))
            for _ in range(count)
        ]


def trickle(connection: socket.socket) -> None:
    try:
        connection.send(b"x")
    except OSError:
        connection.close()


def is_open(connection: socket.socket) -> bool:
    if connection.fileno() < 0:
        return False
    try:
        connection.setblocking(False)
        return connection.recv(4096) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False
