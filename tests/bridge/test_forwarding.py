"""The bridge passes requests and answers on unchanged."""

from __future__ import annotations

import gzip
import random
from collections.abc import Callable, Iterator

import pytest
from provider_fixtures import ALL
from recording_target import Target, answer, post, recording_target, send
from rows import for_each
from running_bridge import running_bridge

from whatsself_otel import Telemetry
from whatsself_otel.bridge.config import Route
from whatsself_otel.bridge.forwarding import url_of


@pytest.fixture
def target() -> Iterator[Target]:
    with recording_target() as running:
        yield running


PATHS = (
    "/",
    "/webhook/abc",
    "/webhook/abc/messages-upsert",
    "/a%2Fb/%C3%A7?x=1&y=%20+&y=2",
    "/?hub.mode=x",
    "//a//b;p",
)
OTHERS = [
    post("/cut", b'{"event": "messages.upsert", "data": {"key'),
    post("/not-json", b"\x00\xff\xfe not json \r\n\r\n"),
    post("/empty", b""),
    post("/gzip", gzip.compress(b'{"event":"x"}', mtime=0), "Content-Encoding: gzip"),
    post("/form", b"MessageSid=SM0&Body=ol%C3%A1", "Content-Type: application/x-www-form-urlencoded"),
    post("/twice", b"{}", "X-Twice: 1", "X-Twice: 2", "Cookie: a=b; c=d", "Authorization: Bearer INVENTED"),
    post("/accept", b"{}", "Accept-Encoding: gzip, br", "User-Agent: n8n/1.0", "Accept: */*"),
    b"GET /health?x=%41 HTTP/1.1\r\nHost: h\r\n\r\n",
    b"DELETE /x HTTP/1.1\r\nHost: h\r\nX-Last: 1\r\n\r\n",
    b"PUT /x HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc",
    b"PATCH /x HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc",
]
OF_ONE_HOP = {b"host", b"content-length", b"connection", b"transfer-encoding", b"expect", b"keep-alive", b"x-hop"}


def recorded_requests() -> list[bytes]:
    """Return 500 requests: every payload of the providers' documentation, on all kinds of paths, and broken ones."""
    import json

    chance = random.Random(22)
    found = [
        post(chance.choice(PATHS), json.dumps(each.payload).encode(), "Content-Type: application/json", "X-Id: 1")
        for each in ALL
    ]
    whole = [request for request in found if len(request) > 200]
    cut = []
    for _ in range(500 - len(found) - len(OTHERS)):
        body = chance.choice(whole).partition(b"\r\n\r\n")[2]
        cut.append(post(chance.choice(PATHS), body[: chance.randrange(len(body))], "X-Cut: yes"))
    return [*found, *OTHERS, *cut]


def parts(request: bytes) -> tuple[bytes, list[tuple[bytes, bytes]], bytes]:
    """Return first line, headers that are not of one hop, and body."""
    head, _, body = request.partition(b"\r\n\r\n")
    first, *lines = head.split(b"\r\n")
    headers = [(name, value.strip()) for name, _, value in (line.partition(b":") for line in lines)]
    return first, [each for each in headers if each[0].lower() not in OF_ONE_HOP], body


def come(target: Target) -> list[tuple[bytes, list[tuple[bytes, bytes]], bytes]]:
    return [
        (raw.lines[0], [each for each in raw.headers if each[0].lower() not in OF_ONE_HOP], raw.body)
        for raw in target.requests
    ]


def test_500_recorded_requests_come_out_as_they_went_in(target: Target, start: Callable[..., Telemetry]) -> None:
    requests = recorded_requests()
    assert len(requests) >= 500
    with running_bridge(start(), routes=(Route(provider="any", forward=target.url),)) as bridge:
        statuses = {send(bridge.port, request)[0] for request in requests}

    assert statuses == {200}
    assert come(target) == [parts(request) for request in requests]


def test_a_body_of_20_mb_comes_out_whole(target: Target, start: Callable[..., Telemetry]) -> None:
    huge = random.Random(1).randbytes(20_000_000)
    with running_bridge(start(), routes=(Route(forward=target.url),)) as bridge:
        assert send(bridge.port, post("/huge", huge))[0] == 200

    assert target.bodies == [huge]


def test_a_body_in_chunks_comes_out_whole(target: Target, start: Callable[..., Telemetry]) -> None:
    head = b"POST /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nConnection: X-Hop\r\nX-Hop: 1\r\n"
    head += b"X-Kept: 1\r\n\r\n"
    with running_bridge(start(), routes=(Route(forward=target.url),)) as bridge:
        assert send(bridge.port, head + b'3\r\n{"a\r\n4\r\n":1}\r\n0\r\n\r\n')[0] == 200

    assert target.bodies == [b'{"a":1}']
    assert (b"X-Kept", b"1") in target.requests[0].headers
    assert b"X-Hop" not in dict(target.requests[0].headers)


@for_each("status", [201, 204, 302, 400, 401, 404, 409, 429, 500, 503])
def test_the_answer_comes_back_as_it_was(status: int, target: Target, start: Callable[..., Telemetry]) -> None:
    body = b"" if status == 204 else gzip.compress(b'{"error":"x"}', mtime=0)
    target.response = answer(
        status, body, "Content-Encoding: gzip", "Content-Type: application/json", "X-Two: 1", "X-Two: 2"
    )
    telemetry = start()
    with running_bridge(telemetry, routes=(Route(forward=target.url),)) as bridge:
        told, headers, got = send(bridge.port, post("/", b"{}"))
    telemetry.shutdown()

    assert (told, got) == (status, body)
    assert [each for each in headers if each[0] in {b"X-Two", b"Content-Encoding", b"Content-Type"}] == [
        (b"Content-Encoding", b"gzip"),
        (b"Content-Type", b"application/json"),
        (b"X-Two", b"1"),
        (b"X-Two", b"2"),
    ]


def test_a_target_that_is_away_is_told_to_the_gateway(target: Target, start: Callable[..., Telemetry]) -> None:
    target.go()
    with running_bridge(start(), routes=(Route(forward=target.url),)) as bridge:
        status, headers, body = send(bridge.port, post("/secret-path", b"{}"))

    assert status == 502
    assert (b"Retry-After", b"5") in headers
    assert b"secret" not in body
    assert str(target.port).encode() not in body


def test_a_target_that_takes_too_long_is_told_to_the_gateway(target: Target, start: Callable[..., Telemetry]) -> None:
    target.delay_s = 3
    with running_bridge(start(), routes=(Route(forward=target.url),), forward_timeout_s=0.3) as bridge:
        assert send(bridge.port, post("/", b"{}"))[0] == 502


@for_each(
    "target, path, expected",
    [
        ("http://t", "/", "http://t/"),
        ("http://t:1/", "/a?b=/c", "http://t:1/a?b=/c"),
        ("http://t/webhook/1", "/", "http://t/webhook/1"),
        ("http://t/webhook/1", "/?x=1", "http://t/webhook/1?x=1"),
        ("http://t/webhook/1/", "/messages-upsert", "http://t/webhook/1/messages-upsert"),
        ("http://t", "/a%2Fb", "http://t/a%2Fb"),
    ],
)
def test_the_path_of_the_request_is_kept(target: str, path: str, expected: str) -> None:
    assert url_of(target, path) == expected
