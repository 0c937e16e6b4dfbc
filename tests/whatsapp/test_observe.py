"""The one line of an application: webhooks, answers, signatures, and a copy of the body beside the application."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import threading
import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from fastapi import FastAPI, Request
from provider_fixtures import ALL, fixture
from rows import for_each
from whatsapp_bench import Bench, as_bytes, connection, graph_answer, message, phone, wamid

from whatsself_otel import ConfigError, TelemetryConfig, WhatsAppConfig
from whatsself_otel.testing import record_telemetry
from whatsself_otel.whatsapp import MessageAccepted, MessageReceived, MessageRejected

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "segredo-inventado"  # noqa: S105 - invented


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    file = tmp_path / "secret"
    file.write_text(f"{SECRET}\n", encoding="utf-8")
    return file


def sign(body: bytes, algorithm: str) -> str:
    return hmac.new(SECRET.encode(), body, algorithm).hexdigest()


class TestPayloads:
    @for_each("shape", [lambda it: it, json.dumps, as_bytes, lambda it: bytearray(as_bytes(it))])
    def test_may_be_parsed_text_or_bytes(self, shape: Any) -> None:
        bench = Bench()
        (event,) = bench.observe(shape(message(1)))
        assert isinstance(event, MessageReceived)

    def test_may_be_the_body_alone(self, bench: Bench) -> None:
        (event,) = bench.whatsapp.observe(body=as_bytes(message(1)))
        assert isinstance(event, MessageReceived)

    @for_each(
        "broken", [None, b"", b"{", b"[]", b"7", "nonsense", b"\xff\xfe", {"hello": 1}, [1], as_bytes(message(1))[:-40]]
    )
    def test_that_cannot_be_read_cost_their_own_event_only(self, broken: Any) -> None:
        bench = Bench()
        assert bench.observe(broken) == []
        assert bench.total("webhook.rejected", reason="malformed") == 1
        bench.observe(message(1))
        assert bench.total("messages.inbound") == 1

    def test_that_are_too_long_are_not_parsed(self, bench: Bench) -> None:
        started_s = time.monotonic()
        assert bench.observe(b'{"entry": "' + b"x" * 20_000_000 + b'"}') == []
        assert time.monotonic() - started_s < 1
        assert bench.total("webhook.rejected", reason="too_large") == 1

    @for_each("opening", [b"[", b'{"entry":', b'{"event":{"a":'])
    def test_that_are_too_deep_are_malformed(self, opening: bytes) -> None:
        bench = Bench()
        assert bench.observe(opening * 10_000) == []
        assert bench.total("webhook.rejected", reason="malformed") == 1

    def test_that_are_parsed_and_deep_cost_nothing(self, bench: Bench) -> None:
        deep: Any = {}
        for _ in range(10_000):
            deep = {"message": deep}
        payload = fixture("evolution", "upsert_text")
        payload["data"]["message"] = {"ephemeralMessage": deep}
        bench.observe(payload)
        assert bench.total("webhook.events", provider="evolution") == 1

    def test_whose_parts_are_of_wrong_kinds_raise_nothing(self, bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level(logging.DEBUG):
            kinds: tuple[Any, ...] = (None, 7, "x", [], {}, [[]], [None], True, 1e400, {"low": "x"})
            for wrong in kinds:
                for payload in (
                    {"object": wrong, "entry": wrong},
                    {"entry": [{"id": wrong, "time": wrong, "changes": [{"field": "messages", "value": wrong}]}]},
                    {"event": "messages.upsert", "instance": wrong, "data": wrong},
                    {"event": "message", "session": wrong, "payload": wrong},
                    {"event": "messages.upsert", "data": {"messages": [{"key": wrong, "message": wrong}]}},
                ):
                    bench.observe(payload)
        assert bench.total("telemetry.errors", component="whatsapp") == 0


class TestSignatures:
    def test_of_meta_is_checked(self, secret: Path) -> None:
        bench = Bench(WhatsAppConfig(app_secret_file=secret))
        body = as_bytes(message(1))
        right = {"X-Hub-Signature-256": f"sha256={sign(body, 'sha256')}"}
        assert len(bench.whatsapp.observe(body=body, headers=right)) == 1
        for wrong in ({}, {"X-Hub-Signature-256": "sha256="}, {"X-Hub-Signature-256": f"sha1={sign(body, 'sha256')}"}):
            assert bench.whatsapp.observe(body=body, headers=wrong) == []
        assert bench.whatsapp.observe(body=body + b" ", headers=right) == []
        assert bench.whatsapp.observe(message(1), headers=right) == []
        assert bench.total("webhook.rejected", provider="cloud_api", reason="signature") == 5

    @pytest.mark.parametrize("algorithm", ["sha512", "sha256"])
    def test_of_waha_is_checked(self, secret: Path, algorithm: str) -> None:
        bench = Bench(WhatsAppConfig(waha_hmac_key_file=secret))
        body = as_bytes(fixture("waha", "message_webjs"))
        right = [
            (b"x-webhook-hmac", sign(body, algorithm).encode()),
            (b"x-webhook-hmac-algorithm", algorithm.encode()),
        ]
        assert len(bench.whatsapp.observe(body=body, headers=right)) == 1
        assert bench.whatsapp.observe(body=body, headers=[(b"x-webhook-hmac", b"0" * 128)]) == []
        assert bench.whatsapp.observe(body=body, headers=[*right[:1], (b"x-webhook-hmac-algorithm", b"md5")]) == []

    def test_of_evolution_is_its_key_in_the_body(self, secret: Path) -> None:
        bench = Bench(WhatsAppConfig(evolution_api_key_file=secret))
        assert bench.observe(connection("open")) == []
        assert len(bench.observe({**connection("open"), "apikey": SECRET})) == 1

    @for_each("content", ["", " \n"])
    def test_with_an_empty_secret_lets_nothing_through(self, tmp_path: Path, content: str) -> None:
        file = tmp_path / "empty"
        file.write_text(content)
        bench = Bench(WhatsAppConfig(app_secret_file=file))
        body = as_bytes(message(1))
        empty = hmac.new(b"", body, hashlib.sha256).hexdigest()
        assert bench.whatsapp.observe(body=body, headers={"X-Hub-Signature-256": f"sha256={empty}"}) == []

    def test_is_not_asked_for_where_no_secret_is_given(self, bench: Bench) -> None:
        assert len(bench.observe(message(1))) == 1


class RefusedError(Exception):
    """A client's exception with the response in it."""

    def __init__(self, response: httpx.Response) -> None:
        super().__init__("refused +5511900000001")
        self.response = response


def answer(status: int, body: Any) -> httpx.Response:
    return httpx.Response(status, json=body, request=httpx.Request("POST", "https://example.com"))


class TestAnswers:
    @for_each(
        "taken, provider",
        [
            (graph_answer(1), "cloud_api"),
            (answer(200, graph_answer(1)), "cloud_api"),
            (fixture("evolution", "send_message")["data"], "evolution"),
            ({"id": f"true_{phone(1)}@c.us_3EB0AA", "timestamp": 1796000000}, "waha"),
            ({"id": {"fromMe": True, "id": "3EB0AA", "_serialized": f"true_{phone(1)}@c.us_3EB0AA"}}, "waha"),
            ({"key": {"remoteJid": f"{phone(1)}@s.whatsapp.net", "fromMe": True, "id": "3EB0AA"}}, "waha"),
        ],
    )
    def test_that_take_a_message_are_attempts(self, taken: Any, provider: str) -> None:
        bench = Bench()
        event = bench.whatsapp.observe_send(taken, origin="broadcast", session="loja")
        assert isinstance(event, MessageAccepted)
        assert event.provider == provider
        assert event.contact_ref == bench.whatsapp.contact_ref(phone(1))
        assert bench.total("messages.outbound", origin="broadcast", session="loja") == 1

    @for_each(
        "refusal, reason, fault, code",
        [
            ({"error": {"code": 131047, "message": "x"}}, "outside_window", "ours", "131047"),
            (answer(400, {"error": {"code": 190}}), "auth", "ours", "190"),
            (answer(500, {"error": {"code": 2}}), "provider_error", "provider", "2"),
            (
                answer(400, {"status": 400, "error": "Bad Request", "response": {"message": [{"exists": False}]}}),
                "not_on_whatsapp",
                "recipient",
                "not_on_whatsapp",
            ),
            (answer(401, {"status": 401, "response": {"message": "Unauthorized"}}), "auth", "ours", "401"),
            (answer(422, {"statusCode": 422, "message": "Session is not WORKING"}), "invalid_request", "ours", "422"),
            ({"statusCode": 429, "message": "slow down"}, "rate_limited", "ours", "429"),
            (answer(503, "down"), "maintenance", "provider", "503"),
            (RefusedError(answer(400, {"error": {"code": 131026}})), "undeliverable", "recipient", "131026"),
            (httpx.ReadTimeout("slow"), "timeout", "provider", "ReadTimeout"),
            (TimeoutError(), "timeout", "provider", "TimeoutError"),
            (httpx.ConnectError("no"), "network", "ours", "ConnectError"),
            (ConnectionResetError(), "network", "ours", "ConnectionResetError"),
            (ValueError("+5511900000001"), "other", "ours", "ValueError"),
            (None, "other", "ours", "unknown"),
            (b"\xff", "other", "ours", "unknown"),
        ],
    )
    def test_that_refuse_one_say_why_and_whose_fault(self, refusal: Any, reason: str, fault: str, code: str) -> None:
        bench = Bench()
        event = bench.whatsapp.observe_send(refusal)
        assert isinstance(event, MessageRejected)
        assert (event.reason, event.fault, event.error_type) == (reason, fault, code)
        assert bench.total("messages.outbound.failed", reason=reason, fault=fault, stage="send") == 1
        assert bench.total("messages.outbound") == 1

    def test_that_are_told_twice_count_once(self, bench: Bench) -> None:
        for _ in range(2):
            bench.whatsapp.observe_send(graph_answer(1))
        assert bench.total("messages.outbound") == 1

    def test_may_name_the_contact_as_the_application_does(self, bench: Bench) -> None:
        bench.metrics.message_inbound(contact_id="contact-1")
        bench.now_s += 9
        bench.whatsapp.observe_send(graph_answer(1), contact_id="contact-1")
        bench.metrics.message_delivered(message_id=wamid(1))
        assert bench.histogram("first_response.latency") == (1, 9)


def make_app(received: list[bytes]) -> FastAPI:
    app = FastAPI()

    @app.post("/webhook/{event}")
    async def webhook(request: Request, event: str) -> dict[str, int]:  # noqa: ARG001 - any of them
        received.append(await request.body())
        return {"length": len(received[-1])}

    return app


async def post(app: Any, path: str, content: Any) -> httpx.Response:
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        return await client.post(path, content=content)


class TestWebhooks:
    async def test_are_observed_beside_the_application_which_notices_nothing(self, bench: Bench) -> None:
        received: list[bytes] = []
        app = bench.whatsapp.instrument_webhook(make_app(received), path="/webhook")
        body = as_bytes(message(1))
        assert (await post(app, "/webhook/meta", body)).json() == {"length": len(body)}
        assert received == [body]
        assert bench.total("messages.inbound") == 1

    async def test_come_in_pieces_too(self, bench: Bench) -> None:
        received: list[bytes] = []
        app = bench.whatsapp.instrument_webhook(make_app(received), path="/webhook/")
        body = as_bytes(message(1))

        async def pieces() -> Any:
            for start in range(0, len(body), 100):
                yield body[start : start + 100]

        await post(app, "/webhook/messages-upsert", pieces())
        assert received == [body]
        assert bench.total("messages.inbound") == 1

    async def test_that_are_too_long_reach_the_application_whole(self) -> None:
        bench = Bench(WhatsAppConfig(max_body_bytes=1024))
        received: list[bytes] = []
        app = bench.whatsapp.instrument_webhook(make_app(received), path="/webhook")
        await post(app, "/webhook/x", b"{" + b" " * 100_000)
        assert len(received[0]) == 100_001
        assert bench.total("webhook.rejected", reason="too_large") == 1

    async def test_of_other_paths_are_not_read(self, bench: Bench) -> None:
        app = bench.whatsapp.instrument_webhook(make_app([]), path="/webhook/meta")
        await post(app, "/webhook/metadata", as_bytes(message(1)))
        assert bench.total("webhook.events") == 0

    async def test_are_told_before_the_application_answers(self, bench: Bench) -> None:
        app = FastAPI()

        @app.post("/webhook")
        async def webhook(request: Request) -> None:
            await request.body()
            bench.now_s += 2
            bench.metrics.message_sent(contact_id=bench.whatsapp.contact_ref(phone(1)))

        bench.whatsapp.instrument_webhook(app, path="/webhook")
        await post(app, "/webhook", as_bytes(message(1)))
        assert bench.histogram("first_response.latency") == (1, 2)

    async def test_any_asgi_application_may_be_served(self, bench: Bench) -> None:
        async def bare(_: Any, receive: Any, send: Any) -> None:
            while (await receive()).get("more_body"):
                pass
            await send({"type": "http.response.start", "status": 204, "headers": []})
            await send({"type": "http.response.body"})

        app = bench.whatsapp.instrument_webhook(bare, path="/")
        assert (await post(app, "/", as_bytes(message(1)))).status_code == 204
        assert bench.total("messages.inbound") == 1


class TestTelemetry:
    def test_has_it_ready_and_lets_nothing_personal_out(self) -> None:
        named = WhatsAppConfig(sessions={"100000000000111": "main", "100000000000222": "main"})
        with record_telemetry(whatsapp=named) as recorded:
            for found in ALL:
                for event in recorded.telemetry.whatsapp.observe(found.payload):
                    with event.message_context:
                        logging.getLogger("app").warning("told %s", event.kind)
            assert recorded.counter("webhook.events") >= len(ALL)
            recorded.assert_no_pii(canaries=[*(phone(number) for number in range(9)), "wamid.", "CHAVE-INVENTADA"])

    def test_is_configured_by_variables(self, tmp_path: Path) -> None:
        file = tmp_path / "key"
        file.write_text("x" * 32)
        environ = {
            "WHATSSELF_OTEL_WHATSAPP_APP_SECRET_FILE": str(file),
            "WHATSSELF_OTEL_WHATSAPP_REPEATS_URL": "redis://:senha@localhost/0",
            "WHATSSELF_OTEL_WHATSAPP_SESSIONS": "100000000000111=main",
            "WHATSSELF_OTEL_WHATSAPP_MAX_BODY_BYTES": "2048",
        }
        config = TelemetryConfig(environ=environ)
        assert config.problems == ()
        assert config.whatsapp.app_secret_file == file
        assert (config.whatsapp.max_body_bytes, config.whatsapp.sessions) == (2048, {"100000000000111": "main"})
        assert "senha" not in repr(config)

    def test_wrong_arguments_are_all_named(self) -> None:
        with pytest.raises(ConfigError) as caught:
            WhatsAppConfig(max_body_bytes=1, repeats_url="http://x", sessions={"": "x"})
        assert len(caught.value.problems) == 3

    def test_works_while_telemetry_is_disabled(self) -> None:
        with record_telemetry(enabled=False) as recorded:
            assert len(recorded.telemetry.whatsapp.observe(message(1))) == 1

    def test_many_threads_count_each_message_once(self, bench: Bench) -> None:
        def work() -> None:
            for number in range(50):
                bench.observe(message(number))

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert bench.total("messages.inbound") == 50


class TestAPhoneInPlaceOfANumber:
    """A value read as a number may be a phone, whatever its field should hold."""

    PHONE = 5511900000777

    def test_is_no_limit(self, bench: Bench) -> None:
        value = {"max_daily_conversation_per_phone": self.PHONE}
        change = {"field": "business_capability_update", "value": value}
        events = bench.observe({"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": [change]}]})

        assert len(events) == 1
        assert str(self.PHONE) not in repr(events)

    @for_each(
        "answer",
        [
            {"error": {"code": PHONE, "message": "no"}},
            {"statusCode": PHONE, "message": "no"},
            {"status": PHONE, "response": {"message": ["no"]}},
        ],
    )
    def test_is_no_code_of_an_error(self, answer: dict[str, Any]) -> None:
        bench = Bench()
        assert str(self.PHONE) not in repr(bench.whatsapp.observe_send(answer))
