"""A bridge records webhooks and its own health without personal data, and ends without losing a request."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from otlp_sink import Sink
from provider_fixtures import ALL, fixture
from recording_target import Target, post, recording_target, send
from rows import for_each
from running_bridge import running_bridge, start_bridge

from whatsself_otel import Telemetry, TelemetryConfig
from whatsself_otel.bridge.config import Route
from whatsself_otel.cli import main, parser
from whatsself_otel.cli.bridge import _config
from whatsself_otel.cli.doctor import running
from whatsself_otel.testing import find_pii, record_telemetry
from whatsself_otel.whatsapp.config import WhatsAppConfig


@pytest.fixture
def target() -> Iterator[Target]:
    with recording_target() as running:
        yield running


def webhook(name: str, provider: str = "evolution") -> bytes:
    payload = fixture(provider, name)
    if "messageTimestamp" in payload.get("data", {}):
        payload["data"]["messageTimestamp"] = int(time.time())  # what is a day old is history
    return json.dumps(payload).encode()


class TestTelemetry:
    def test_a_webhook_moves_its_metrics_and_leaves_a_span_and_a_line(self) -> None:
        with record_telemetry() as recorded:
            with running_bridge(recorded.telemetry, routes=(Route(provider="evolution"),)) as bridge:
                send(bridge.port, post("/", webhook("upsert_text")))
                send(bridge.port, post("/", webhook("upsert_text")))
            (span, repeat) = recorded.spans
            (line,) = [log for log in recorded.logs if "message_received" in str(log.log_record.body)]

            assert recorded.counter("messages.inbound") == 1
            assert recorded.counter("webhook.duplicates", provider="evolution") == 1
            assert recorded.counter("bridge.requests", provider="evolution", outcome="answered") == 2
        assert (span.name, span.kind.name) == ("webhook evolution", "SERVER")
        assert span.attributes is not None
        assert span.attributes["http.response.status_code"] == 200
        assert span.attributes["messageId"]
        assert line.log_record.attributes is not None
        assert line.log_record.attributes["messageId"] == span.attributes["messageId"]
        assert line.log_record.span_id == span.context.span_id
        assert "messageId" not in (repeat.attributes or {})

    def test_each_message_of_a_webhook_can_be_followed(self) -> None:
        with record_telemetry() as recorded:
            with running_bridge(recorded.telemetry, routes=(Route(provider="baileys"),)) as bridge:
                first, second = fixture("baileys", "update_status_2"), fixture("baileys", "update_status_3")
                second["data"][0]["key"]["id"] = "3EB0000000000000FFFFFF"
                first["data"] += second["data"]
                send(bridge.port, post("/", json.dumps(first).encode()))
            named = [(span.name, (span.attributes or {}).get("messageId")) for span in recorded.spans]

        assert [name for name, _ in named] == ["delivery_status", "webhook baileys"]
        assert len({reference for _, reference in named} - {None}) == 2

    def test_a_target_that_is_away_is_an_error_of_the_span(self, target: Target) -> None:
        target.go()
        with record_telemetry() as recorded:
            with running_bridge(recorded.telemetry, routes=(Route(forward=target.url),)) as bridge:
                send(bridge.port, post("/", b"{}"))
            (span,) = recorded.spans

            assert recorded.counter("bridge.requests", outcome="failed") == 1
            assert recorded.count("bridge.forward.duration") == 1
        assert span.status.status_code.name == "ERROR"

    def test_the_queue_is_told(self, target: Target, tmp_path: Path) -> None:
        target.go()
        with record_telemetry() as recorded:
            routes = (Route(forward=target.url),)
            with running_bridge(recorded.telemetry, routes=routes, queue=tmp_path) as bridge:
                send(bridge.port, post("/", b"{}"))
                assert recorded.counter("bridge.queue.depth") == 1
                assert recorded.counter("bridge.queue.oldest_age") > 0
                target.come()
                while list(tmp_path.iterdir()):
                    time.sleep(0.05)
                assert recorded.counter("bridge.queue.depth") == 0
            assert recorded.counter("bridge.queue.settled", outcome="delivered") == 1

    def test_no_phone_body_or_token_leaves(self, target: Target, tmp_path: Path) -> None:
        """Every documented payload, with the target present and absent, and refused requests."""
        canaries = ["an-invented-token-of-nobody", "invented-path-of-nobody", "inventad", "Fulana", "5511900000"]
        named = WhatsAppConfig(sessions={f"1000000000001{n}{n}": "main" for n in range(10)})
        with record_telemetry(whatsapp=named) as recorded:
            routes = (Route(forward=target.url),)
            with running_bridge(
                recorded.telemetry, routes=routes, queue=tmp_path, token=b"an-invented-token-of-nobody"
            ) as bridge:
                shown = "X-Bridge-Token: an-invented-token-of-nobody"
                for each in ALL:
                    send(bridge.port, post("/invented-path-of-nobody", json.dumps(each.payload).encode(), shown))
                target.go()
                for each in ALL[::10]:
                    body = json.dumps(each.payload).encode()
                    send(bridge.port, post("/an-invented-token-of-nobody/5511900000001?p=5511900000001", body))
                send(bridge.port, post("/5511900000001", b'{"text": "5511900000001"', "X-A: 5511900000001"))
                assert find_pii(json.dumps(bridge.health())) == []
            assert len(recorded.spans) > len(ALL)
            recorded.assert_no_pii(canaries)


class TestHealth:
    def test_names_no_path_and_no_address(self, target: Target, start: Callable[..., Telemetry]) -> None:
        routes = (Route(path="/secret-path", provider="waha", forward=target.url),)
        with running_bridge(start(), routes=routes) as bridge:
            status, _, body = send(bridge.port, b"GET /-/health HTTP/1.1\r\nHost: h\r\n\r\n")

        assert status == 200
        told = json.loads(body)
        assert told["ok"]
        assert told["routes"] == [{"provider": "waha", "forwards": True}]
        assert b"secret-path" not in body
        assert str(target.port).encode() not in body

    def test_the_doctor_reads_it(self, target: Target, start: Callable[..., Telemetry], tmp_path: Path) -> None:
        config = TelemetryConfig()
        target.go()
        with running_bridge(start(), routes=(Route(forward=target.url),), queue=tmp_path) as bridge:
            url = f"http://127.0.0.1:{bridge.port}"
            assert [each.state for each in running.check_bridge(url, config)] == ["ok"]
            send(bridge.port, post("/", b"{}"))
            while bridge.health()["ok"]:
                time.sleep(0.02)
            (found,) = running.check_bridge(url, config)
            assert found.state == "fault"
            assert "1 requests wait" in found.cause
        assert "does not answer" in next(running.check_bridge(url, config)).cause
        assert [each.state for each in running.check_bridge(target.url, config)] == ["fault"]


class TestCommand:
    @pytest.fixture
    def environ(self, sink: Sink) -> dict[str, str]:
        return {"OTEL_EXPORTER_OTLP_ENDPOINT": sink.url, "OTEL_METRIC_EXPORT_INTERVAL": "500"}

    def test_sigterm_answers_what_is_under_way_and_sends_the_telemetry(
        self, target: Target, sink: Sink, environ: dict[str, str]
    ) -> None:
        target.delay_s = 1.0
        bridge = start_bridge("--provider", "evolution", "--forward", target.url, environ=environ)
        told: list[int] = []
        thread = threading.Thread(
            target=lambda: told.append(send(bridge.port, post("/", webhook("upsert_text")))[0]), daemon=True
        )
        thread.start()
        while not target.requests:
            time.sleep(0.02)
        status = bridge.end()
        thread.join(20)

        assert status == 0
        assert told == [200]
        (span,) = sink.spans()
        assert span.resource["service.name"] == "whatsself"  # the one that rules and dashboards ask for

    def test_two_bridges_do_not_share_a_queue(
        self, target: Target, environ: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        bridge = start_bridge("--forward", target.url, "--queue", str(tmp_path), environ=environ)
        try:
            assert main(["bridge", "--listen", "127.0.0.1:0", "--forward", target.url, "--queue", str(tmp_path)]) == 1
        finally:
            bridge.end()

        assert "Another bridge uses the queue" in capsys.readouterr().err

    @for_each(
        "arguments, told",
        [
            (["--listen", "8085"], "--listen must be HOST:PORT"),
            (["--route", "evolution"], "a route must be PATH=PROVIDER"),
            (["--token-file", "missing"], "the file of --token-file cannot be read"),
            (["--queue", "q"], "a queue needs a target"),
            (["--listen", "0.0.0.0:0", "--provider", "waha"], "set --token-file"),
        ],
    )
    def test_wrong_arguments_are_told(
        self, arguments: list[str], told: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
        assert main(["bridge", *arguments]) == 2
        assert told in capsys.readouterr().err

    def test_routes_of_several_gateways_stand_beside_one_another(self) -> None:
        given = ["bridge", "--route", "/w=waha@http://n8n:1/x", "--route", "/m/=cloud_api"]
        config = _config(parser().parse_args(given))

        assert config.routes == (
            Route(path="/w", provider="waha", forward="http://n8n:1/x"),
            Route(path="/m", provider="cloud_api"),
        )
        assert [config.route_of(path) for path in ("/w", "/w/a", "/m/1", "/wx")] == [
            config.routes[0],
            config.routes[0],
            config.routes[1],
            None,
        ]
