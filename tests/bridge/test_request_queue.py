"""Requests that a target cannot take wait on the disk, in order and private, until they are delivered."""

from __future__ import annotations

import stat
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from recording_target import Target, answer, post, recording_target, send
from running_bridge import running_bridge

from whatsself_otel import Telemetry
from whatsself_otel.bridge import delivery
from whatsself_otel.bridge.config import Route


@pytest.fixture
def target() -> Iterator[Target]:
    with recording_target() as running:
        yield running


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "FIRST_PAUSE_S", 0.05)
    monkeypatch.setattr(delivery, "LAST_PAUSE_S", 0.1)


def until(holds: Callable[[], bool], within_s: float = 15.0) -> None:
    deadline_s = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline_s
        time.sleep(0.02)


def body(number: int) -> bytes:
    return b'{"n": %d}' % number


def numbered(count: int) -> list[bytes]:
    return [body(number) for number in range(count)]


def test_what_the_target_cannot_take_comes_later_and_in_order(
    target: Target, start: Callable[..., Telemetry], tmp_path: Path
) -> None:
    target.go()
    with running_bridge(start(), routes=(Route(forward=target.url),), queue=tmp_path / "q") as bridge:
        told = [send(bridge.port, post("/hook?a=1", each, "X-Kept: 1"))[0] for each in numbered(30)]
        target.come()
        told += [send(bridge.port, post("/hook?a=1", body(30 + number)))[0] for number in range(10)]
        until(lambda: len(target.requests) == 40)

    assert set(told) == {200}
    assert target.bodies == numbered(40)
    assert target.requests[0].lines[0] == b"POST /hook?a=1 HTTP/1.1"
    assert (b"X-Kept", b"1") in target.requests[0].headers
    assert list((tmp_path / "q").iterdir()) == []


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503])
def test_a_target_that_answers_that_it_cannot_is_away_too(
    status: int, target: Target, start: Callable[..., Telemetry], tmp_path: Path
) -> None:
    target.response = answer(status)
    with running_bridge(start(), routes=(Route(forward=target.url),), queue=tmp_path) as bridge:
        assert send(bridge.port, post("/", b"{}"))[0] == 200
        assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("status", [400, 401, 404, 422])
def test_what_the_target_refuses_the_gateway_sees_refused(
    status: int, target: Target, start: Callable[..., Telemetry], tmp_path: Path
) -> None:
    target.response = answer(status, b"no")
    with running_bridge(start(), routes=(Route(forward=target.url),), queue=tmp_path) as bridge:
        assert send(bridge.port, post("/", b"{}"))[::2] == (status, b"no")
        assert list(tmp_path.iterdir()) == []


def test_a_workflow_that_is_not_active_yet_keeps_what_waits(
    target: Target, start: Callable[..., Telemetry], tmp_path: Path
) -> None:
    target.go()
    with running_bridge(start(), routes=(Route(forward=target.url),), queue=tmp_path) as bridge:
        send(bridge.port, post("/", body(0)))
        target.response = answer(404)
        target.come()
        until(lambda: len(target.requests) >= 2)
        assert len(list(tmp_path.iterdir())) == 1
        target.response = answer(200)
        until(lambda: not list(tmp_path.iterdir()))


def test_one_that_the_target_refuses_for_good_does_not_hold_up_the_rest(
    target: Target, start: Callable[..., Telemetry], tmp_path: Path
) -> None:
    telemetry = start()
    target.go()
    with running_bridge(telemetry, routes=(Route(forward=target.url),), queue=tmp_path) as bridge:
        send(bridge.port, post("/", body(0)))
        target.response = answer(422)
        target.come()
        until(lambda: not list(tmp_path.iterdir()))
        until(lambda: bridge.health()["ok"])


def test_another_process_delivers_what_one_has_left(
    target: Target, start: Callable[..., Telemetry], tmp_path: Path
) -> None:
    telemetry = start()
    target.go()
    routes = (Route(forward=target.url),)
    with running_bridge(telemetry, routes=routes, queue=tmp_path) as bridge:
        for each in numbered(5):
            send(bridge.port, post("/", each))
    (tmp_path / "00000000000000000006.part").write_bytes(b"half of a request that nobody was told is kept")
    target.come()
    with running_bridge(telemetry, routes=routes, queue=tmp_path):
        until(lambda: len(target.requests) == 5)

    assert target.bodies == numbered(5)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_read_holds_up_nothing(
    target: Target, start: Callable[..., Telemetry], tmp_path: Path
) -> None:
    target.go()
    with running_bridge(start(), routes=(Route(forward=target.url),), queue=tmp_path) as bridge:
        for each in numbered(2):
            send(bridge.port, post("/", each))
        min(tmp_path.iterdir()).write_bytes(b"damaged")
        target.come()
        until(lambda: target.bodies == [body(1)])


def test_what_waits_too_long_is_given_up(target: Target, start: Callable[..., Telemetry], tmp_path: Path) -> None:
    target.go()
    routes = (Route(forward=target.url),)
    with running_bridge(start(), routes=routes, queue=tmp_path, queue_max_age_s=0.3) as bridge:
        send(bridge.port, post("/", b"{}"))
        until(lambda: not list(tmp_path.iterdir()))


def test_a_full_queue_tells_the_gateway_to_repeat(
    target: Target, start: Callable[..., Telemetry], tmp_path: Path
) -> None:
    target.go()
    routes = (Route(forward=target.url),)
    with running_bridge(start(), routes=routes, queue=tmp_path, queue_max_bytes=2000) as bridge:
        assert [send(bridge.port, post("/", b"x" * 1000))[0] for _ in range(2)] == [200, 503]


def test_routes_wait_for_their_own_target_only(target: Target, start: Callable[..., Telemetry], tmp_path: Path) -> None:
    with recording_target() as away:
        away.go()
        routes = (Route(path="/a", forward=away.url), Route(path="/b", forward=target.url))
        with running_bridge(start(), routes=routes, queue=tmp_path) as bridge:
            assert send(bridge.port, post("/a", b"{}"))[0] == 200
            assert send(bridge.port, post("/b", b"{}"))[1:][1] == b"ok"
            assert bridge.health()["queue"]["requests"] == 1


def test_requests_of_a_route_that_is_gone_are_told_of(
    target: Target, start: Callable[..., Telemetry], tmp_path: Path
) -> None:
    telemetry = start()
    target.go()
    with running_bridge(telemetry, routes=(Route(path="/a", forward=target.url),), queue=tmp_path) as bridge:
        send(bridge.port, post("/a", b"{}"))
    with running_bridge(telemetry, routes=(Route(path="/b", forward=target.url),), queue=tmp_path) as bridge:
        assert bridge.health()["queue"]["orphans"] == 1
        assert not bridge.health()["ok"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no mode bits; the folder inherits its owner's rights")
def test_nobody_else_may_read_what_waits(target: Target, start: Callable[..., Telemetry], tmp_path: Path) -> None:
    target.go()
    folder = tmp_path / "q"
    with running_bridge(start(), routes=(Route(path="/secret", forward=target.url),), queue=folder) as bridge:
        send(bridge.port, post("/secret/5511900000001", b"{}"))
        (file,) = folder.iterdir()

    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert "secret" not in file.name
    assert "55119" not in file.name
