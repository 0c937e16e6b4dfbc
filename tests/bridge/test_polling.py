"""Without a webhook, the bridge asks a gateway for the state of its sessions."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from recording_target import Target, answer, recording_target
from running_bridge import running_bridge

from whatsself_otel.bridge.polling import Poll
from whatsself_otel.cli import main, parser
from whatsself_otel.cli.bridge import _polls
from whatsself_otel.testing import RecordedTelemetry, record_telemetry

WAHA = [{"name": "default", "status": "WORKING", "me": {"id": "5511900000999@c.us"}, "config": {"proxy": None}}]
EVOLUTION = [{"id": "1", "name": "loja", "connectionStatus": "open", "ownerJid": "5511900000999@s.whatsapp.net"}]
WORDS = {
    "waha": (WAHA, "default", [{**WAHA[0], "status": "FAILED"}], "expired"),
    "evolution": (
        EVOLUTION,
        "loja",
        [{**EVOLUTION[0], "connectionStatus": "close", "disconnectionReasonCode": 401}],
        "logged_out",
    ),
}
PATHS = {"waha": b"GET /api/sessions?all=true HTTP/1.1", "evolution": b"GET /instance/fetchInstances HTTP/1.1"}
HEADERS = {"waha": b"X-Api-Key", "evolution": b"apikey"}


@pytest.fixture
def gateway() -> Iterator[Target]:
    with recording_target() as running:
        yield running


@pytest.fixture
def recorded() -> Iterator[RecordedTelemetry]:
    with record_telemetry() as running:
        yield running


def until(holds: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + 15
    while not holds():
        assert time.monotonic() < deadline_s
        time.sleep(0.05)


def tell(gateway: Target, sessions: object) -> None:
    gateway.response = answer(200, json.dumps(sessions).encode())


@pytest.mark.parametrize("provider", WORDS)
def test_states_are_read_and_their_changes(provider: str, gateway: Target, recorded: RecordedTelemetry) -> None:
    well, session, lost, state = WORDS[provider]
    tell(gateway, well)
    poll = Poll(provider=provider, url=gateway.url, key="an-invented-key", interval_s=0.1)
    with running_bridge(recorded.telemetry, polls=[poll]) as bridge:
        until(lambda: recorded.counter("whatsapp.session.connected", session=session) == 1)
        tell(gateway, lost)
        until(lambda: recorded.counter("whatsapp.session.state", session=session, state=state) == 1)
        assert (
            sum(
                recorded.counter("whatsapp.session.disconnects", session=session, reason=reason)
                for reason in ("logged_out", "other")
            )
            == 1
        )
        tell(gateway, [])
        until(lambda: recorded.counter("whatsapp.session.state", session=session) == 0)
        assert bridge.health()["polls"] == {"gateways": 1, "ok": True}

    assert recorded.counter("webhook.events", provider=provider) == 0
    assert gateway.requests[0].lines[0] == PATHS[provider]
    assert dict(gateway.requests[0].headers)[HEADERS[provider]] == b"an-invented-key"
    recorded.assert_no_pii(["5511900000999", "an-invented-key"])


@pytest.mark.parametrize("response", [answer(401), answer(200, b"{}"), answer(200, b"not json"), b""])
def test_a_gateway_that_does_not_tell_is_no_state_and_is_said(
    response: bytes, gateway: Target, recorded: RecordedTelemetry
) -> None:
    tell(gateway, WAHA)
    with running_bridge(recorded.telemetry, polls=[Poll(provider="waha", url=gateway.url, interval_s=0.1)]) as bridge:
        until(lambda: recorded.counter("whatsapp.session.connected", session="default") == 1)
        gateway.response = response
        until(lambda: not bridge.health()["ok"])
        assert recorded.counter("whatsapp.session.connected", session="default") == 1
        tell(gateway, WAHA)
        until(lambda: bool(bridge.health()["polls"]["ok"]))


def test_the_command_takes_gateways_and_keys(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "key").write_text("an-invented-key\n")
    given = ["bridge", "--poll", f"waha=http://w:3000,{tmp_path / 'key'}", "--poll", "evolution=http://e:8080"]
    polls = _polls(parser().parse_args([*given, "--poll-interval", "5"]))
    assert polls == [
        Poll(provider="waha", url="http://w:3000", key="an-invented-key", interval_s=5),
        Poll(provider="evolution", url="http://e:8080", interval_s=5),
    ]
    assert "an-invented-key" not in repr(polls)
    assert main(["bridge", "--poll", "zapi=ftp://x"]) == 2
    told = capsys.readouterr().err
    assert "must begin with one of waha, evolution" in told
    assert "http:// or https://" in told
