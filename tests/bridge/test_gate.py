"""Admission to the bridge, and its own answers without a target."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from provider_fixtures import fixture
from recording_target import Target, post, recording_target, send
from running_bridge import running_bridge

from whatsself_otel import Telemetry
from whatsself_otel.bridge.config import BridgeConfig, Route
from whatsself_otel.bridge.server import Bridge
from whatsself_otel.errors import ConfigError
from whatsself_otel.testing import record_telemetry
from whatsself_otel.whatsapp.config import WhatsAppConfig

KEY = b"an-invented-key-of-nobody"
TOKEN = b"an-invented-token-of-nobody"
BODY = json.dumps(fixture("waha", "session_working")).encode()


@pytest.fixture
def target() -> Iterator[Target]:
    with recording_target() as running:
        yield running


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    file = tmp_path / "key"
    file.write_bytes(b"an-older-key\n" + KEY + b"\n")
    return file


def test_off_the_loopback_every_route_needs_a_token_or_a_secret(
    start: Callable[..., Telemetry], key_file: Path
) -> None:
    telemetry = start(whatsapp=WhatsAppConfig(waha_hmac_key_file=key_file))
    Bridge(BridgeConfig(host="0.0.0.0", routes=(Route(provider="waha"),)), telemetry)  # noqa: S104
    Bridge(BridgeConfig(host="0.0.0.0", routes=(Route(provider="evolution"),), token=TOKEN), telemetry)  # noqa: S104
    for provider in ("evolution", "any"):
        with pytest.raises(ConfigError, match=f"who posts to the route of {provider}: set --token-file"):
            Bridge(BridgeConfig(host="0.0.0.0", routes=(Route(provider=provider),)), telemetry)  # noqa: S104


def test_the_token_opens_as_a_header_or_as_the_beginning_of_the_path_and_goes_no_further(
    target: Target, start: Callable[..., Telemetry]
) -> None:
    shown = f"X-Bridge-Token: {TOKEN.decode()}"
    with running_bridge(start(), routes=(Route(forward=target.url),), token=TOKEN) as bridge:
        assert send(bridge.port, post("/hook", BODY))[0] == 401
        assert send(bridge.port, post("/hook", BODY, "X-Bridge-Token: wrong"))[0] == 401
        assert send(bridge.port, post("/wrong/hook", BODY))[0] == 401
        assert send(bridge.port, post("/hook", BODY, shown))[0] == 200
        assert send(bridge.port, post(f"/{TOKEN.decode()}/hook?a=1", BODY))[0] == 200
        assert send(bridge.port, post(f"/{TOKEN.decode()}?a=1", BODY))[0] == 200

    assert [raw.lines[0].split()[1] for raw in target.requests] == [b"/hook", b"/hook?a=1", b"/?a=1"]
    assert TOKEN not in repr(target.requests).encode()


def test_a_signature_opens_too_by_any_of_several_keys(
    target: Target, start: Callable[..., Telemetry], key_file: Path
) -> None:
    telemetry = start(whatsapp=WhatsAppConfig(waha_hmac_key_file=key_file))
    signed = [hmac.new(key, BODY, hashlib.sha512).hexdigest() for key in (KEY, b"an-older-key", b"stranger")]
    with running_bridge(telemetry, routes=(Route(provider="waha", forward=target.url),)) as bridge:
        told = [send(bridge.port, post("/", BODY, f"X-Webhook-Hmac: {each}"))[0] for each in signed]
        assert [*told, send(bridge.port, post("/", BODY))[0]] == [200, 200, 401, 401]

    assert len(target.requests) == 2


@pytest.mark.parametrize(("key", "status"), [(KEY.decode(), 200), ("stranger", 401)])
def test_evolutions_key_stands_in_the_body(
    key: str, status: int, start: Callable[..., Telemetry], key_file: Path
) -> None:
    telemetry = start(whatsapp=WhatsAppConfig(evolution_api_key_file=key_file))
    webhook = fixture("evolution", "upsert_text") | {"apikey": key}
    with running_bridge(telemetry, routes=(Route(provider="any"),)) as bridge:
        assert send(bridge.port, post("/", json.dumps(webhook).encode()))[0] == status


def test_twilio_signs_its_address_and_the_form(start: Callable[..., Telemetry], key_file: Path) -> None:
    telemetry = start(whatsapp=WhatsAppConfig(twilio_auth_token_file=key_file))
    form = b"To=whatsapp%3A%2B5511900000999&AccountSid=AC0&MessageSid=SM0&MessageStatus=sent"
    signed = "https://bridge.example/t?x=1AccountSidAC0MessageSidSM0MessageStatussentTowhatsapp:+5511900000999"
    signature = base64.b64encode(hmac.new(KEY, signed.encode(), hashlib.sha1).digest()).decode()
    with running_bridge(telemetry, routes=(Route(provider="twilio"),)) as bridge:
        status, _, body = send(bridge.port, post("/t?x=1", form, f"X-Twilio-Signature: {signature}"))
        assert (status, body) == (200, b"<Response/>")
        assert send(bridge.port, post("/t?x=2", form, f"X-Twilio-Signature: {signature}"))[0] == 401


class TestChallenge:
    ASK = b"GET /?hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=%s HTTP/1.1\r\nHost: h\r\n\r\n"

    def test_is_answered_to_whoever_knows_the_verify_token(self, start: Callable[..., Telemetry]) -> None:
        with running_bridge(start(), routes=(Route(provider="cloud_api"),), verify_token=TOKEN) as bridge:
            assert send(bridge.port, self.ASK % TOKEN)[::2] == (200, b"1158201444")
            assert send(bridge.port, self.ASK % b"wrong")[0] == 401

    def test_goes_on_to_a_target(self, target: Target, start: Callable[..., Telemetry]) -> None:
        with running_bridge(start(), routes=(Route(provider="cloud_api", forward=target.url),)) as bridge:
            assert send(bridge.port, self.ASK % b"the-targets-own")[::2] == (200, b"ok")

        assert target.requests[0].lines[0] == (self.ASK % b"the-targets-own").splitlines()[0]

    def test_echoes_nothing_that_a_browser_could_run(self, start: Callable[..., Telemetry]) -> None:
        with running_bridge(start(), routes=(Route(provider="cloud_api"),)) as bridge:
            status, headers, body = send(
                bridge.port, b"GET /?hub.challenge=%3Cscript%3E&hub.mode=subscribe HTTP/1.1\r\nHost: h\r\n\r\n"
            )

        assert status == 405
        assert b"script" not in body
        assert dict(headers)[b"Content-Type"].startswith(b"text/plain")


def test_without_a_target_a_webhook_is_answered_at_once(start: Callable[..., Telemetry]) -> None:
    with running_bridge(start(), routes=(Route(provider="waha"),)) as bridge:
        assert send(bridge.port, post("/any/path", BODY))[::2] == (200, b"")


def test_a_body_that_is_too_long_or_cut_is_refused(target: Target, start: Callable[..., Telemetry]) -> None:
    with running_bridge(start(), routes=(Route(forward=target.url),), max_body_bytes=1000) as bridge:
        assert send(bridge.port, post("/", b"x" * 1001))[0] == 413
        chunked = (
            b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" + b"200\r\n" + b"x" * 512 + b"\r\n"
        )
        assert send(bridge.port, chunked + b"200\r\n" + b"x" * 512 + b"\r\n0\r\n\r\n")[0] == 413

    assert target.requests == []


def test_bodies_that_are_held_have_a_bound(target: Target, start: Callable[..., Telemetry]) -> None:
    with running_bridge(start(), routes=(Route(forward=target.url),), max_held_bytes=100) as bridge:
        assert send(bridge.port, post("/", b"x" * 101))[0] == 503
        assert send(bridge.port, post("/", b"x" * 100))[0] == 200


def test_what_is_wrong_with_a_configuration_is_told_all_at_once() -> None:
    with pytest.raises(ConfigError) as raised:
        BridgeConfig(
            port=70_000,
            routes=(Route(path="x", provider="y", forward="ftp://a"), Route(path="x", forward="http://u:p@h/?q")),
            forward_timeout_s=0,
        )
    told = str(raised.value)
    for part in ("the port must be", "time for a target", "begin with a slash", "one of cloud_api", "http:// or"):
        assert part in told
    for part in ("no credentials", "query and fragment", "a path of its own"):
        assert part in told
    assert "u:p" not in told


def test_a_stranger_is_refused_before_the_body_is_read(start: Callable[..., Telemetry]) -> None:
    head = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 60000000\r\n\r\n"
    with running_bridge(start(), routes=(Route(provider="waha"),), token=TOKEN) as bridge:
        assert send(bridge.port, head)[0] == 401


def test_what_is_no_http_is_refused_and_leaves_nothing_personal() -> None:
    with record_telemetry() as recorded:
        with running_bridge(recorded.telemetry, routes=(Route(provider="waha"),)) as bridge:
            assert send(bridge.port, b"GET /5511900000001 HTTP/9.9\r\n5511900000001\r\n\r\n")[0] == 400
            assert send(bridge.port, post("/", BODY, "X-A: 5511900000001", "Content-Length: 3"))[0] == 400
            assert send(bridge.port, post("/", BODY, "X-Name: ação"))[0] == 200
        recorded.assert_no_pii(["5511900000001"])
