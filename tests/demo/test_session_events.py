"""Events of the WhatsApp session are log records and never carry the QR code."""

from __future__ import annotations

import time

import httpx
from protobuf_sink import OtlpSink

from whatsself_otel.catalogue import EVENT, SESSION, SESSION_EVENTS
from whatsself_otel.cli.demo_app import demo_app


class TestSessionEvents:
    def test_each_is_a_record_with_its_event_and_session(self) -> None:
        with OtlpSink() as sink:
            with (
                demo_app(sink.endpoint, environment={"DEMO_RECONNECT_S": "60"}) as app,
                httpx.Client(base_url=app.url, trust_env=False) as client,
            ):
                wait_until_connected(client)
                for action in ("disconnect", "qr", "connect", "expire"):
                    client.post(f"/api/session/{action}").raise_for_status()
            records = [{pair.key: pair.value.string_value for pair in log.attributes} for log in sink.received.logs]
        records = [record for record in records if EVENT in record]

        assert [record[EVENT] for record in records] == ["connected", *HAPPENED]
        assert set(SESSION_EVENTS) == set(HAPPENED)
        assert {record[SESSION] for record in records} == {"main"}


HAPPENED = ["disconnected", "qr_updated", "connected", "expired"]


def wait_until_connected(client: httpx.Client) -> None:
    deadline = time.monotonic() + 12
    while client.get("/health").json()["session"] != "connected":
        assert time.monotonic() < deadline, "the session did not connect"
        time.sleep(0.05)
