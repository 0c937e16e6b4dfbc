"""The demo application as it is run: uvicorn with two workers on one SQLite file, telemetry to a real OTLP receiver."""

from __future__ import annotations

import asyncio
import itertools
import re
import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from protobuf_sink import OtlpSink
from rows import for_each

from whatsself_otel import catalogue
from whatsself_otel.cli.demo_app import APP, RunningApp, demo_app
from whatsself_otel.demo.exercise import Exercise
from whatsself_otel.demo.traffic import TrafficPlan, send_traffic, trace_id_of
from whatsself_otel.viewer.console_view import last_points, span_title, tell

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PATIENCE_S = 12.0
_NUMBERS = itertools.count(1)
BRIEF = httpx.Limits(keepalive_expiry=2)
"""Both httpx and uvicorn end an idle connection after 5 s: at that moment a request meets a closed one."""


@dataclass(frozen=True)
class Demo:
    """The running application and its exports."""

    app: RunningApp
    sink: OtlpSink
    client: httpx.Client

    def write(self, body: str, *, phone: str | None = None, **fields: Any) -> dict[str, Any]:
        payload = {"phone": phone or new_phone(), "name": "Fulana de Tal", "body": body, **fields}
        answer: dict[str, Any] = self.client.post("/webhook/messages", json=payload).raise_for_status().json()
        return answer

    def message(self, message_id: str) -> dict[str, Any]:
        answer: dict[str, Any] = self.client.get(f"/api/messages/{message_id}").raise_for_status().json()
        return answer

    def contact(self, contact_id: str) -> dict[str, Any]:
        answer: dict[str, Any] = self.client.get(f"/api/contacts/{contact_id}").raise_for_status().json()
        return answer

    def replies(self, message_id: str) -> list[dict[str, Any]]:
        """Wait until every reply has ended, and return them."""
        wait_until(lambda: all(reply["status"] in {"read", "failed"} for reply in self.message(message_id)["replies"]))
        found: list[dict[str, Any]] = self.message(message_id)["replies"]
        return found


def new_phone() -> str:
    return f"+55119777{next(_NUMBERS):05d}"


def wait_until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not happened():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def demo() -> Iterator[Demo]:
    with (
        OtlpSink() as sink,
        demo_app(sink.endpoint, workers=2, environment={"DEMO_BREAKER": "off", "DEMO_RECONNECT_S": "0.5"}) as app,
        httpx.Client(base_url=app.url, trust_env=False, limits=BRIEF) as client,
    ):
        yield Demo(app, sink, client)


LAST = {"connection": "close"}
"""Uvicorn closes the connection of an application that raises: the next request must not go by it."""


class TestConversation:
    def test_a_message_is_answered_from_the_queue_and_read(self, demo: Demo) -> None:
        receipt = demo.write("Quais os PREÇOS?")
        replies = demo.replies(receipt["messageId"])

        assert [reply["status"] for reply in replies] == ["read"]
        assert [reply["messageId"] for reply in replies] == receipt["replyIds"]

    def test_a_message_that_arrives_twice_is_answered_once(self, demo: Demo) -> None:
        phone = new_phone()
        first = demo.write("precos", phone=phone, externalId="wamid-1")
        second = demo.write("precos", phone=phone, externalId="wamid-1")

        assert (first["messageId"], first["replyIds"]) == (second["messageId"], second["replyIds"])
        assert (first["duplicate"], second["duplicate"]) == (False, True)

    def test_a_flow_waits_at_its_questions_and_goes_on_with_the_answers(self, demo: Demo) -> None:
        phone, steps = new_phone(), []
        for body in ("pedido", "um bolo", "Rua A, 1"):
            receipt = demo.write(body, phone=phone)
            steps.append(demo.contact(receipt["contactId"])["stepKey"])

        assert steps == ["item", "address", None]

    def test_a_flow_that_goes_round_stops_at_twenty_steps(self, demo: Demo) -> None:
        assert len(demo.write("tour")["replyIds"]) == 20

    def test_who_opts_out_gets_no_broadcast(self, demo: Demo) -> None:
        out, stays = demo.write("SAIR")["contactId"], demo.write("ENTRAR")["contactId"]
        answer = demo.client.post(
            "/api/send", json={"contactIds": [out, stays], "body": "Novidade", "origin": "broadcast"}
        ).json()

        assert (list(answer["messageIds"]), answer["skippedContactIds"]) == ([stays], [out])
        assert demo.contact(out)["consent"] == "opt_out"

    def test_who_opted_out_waits_for_nothing(self, demo: Demo) -> None:
        phone = new_phone()
        contact_id = demo.write("SAIR", phone=phone)["contactId"]
        wait_until(lambda: not demo.contact(contact_id)["isWaiting"])
        demo.write("bom dia", phone=phone)

        assert not demo.contact(contact_id)["isWaiting"]

    def test_a_contact_without_a_trigger_waits_until_somebody_writes(self, demo: Demo) -> None:
        contact_id = demo.write("bom dia")["contactId"]
        assert demo.contact(contact_id)["isWaiting"]
        demo.client.post("/api/send", json={"contactIds": [contact_id], "body": "Pois não?"}).raise_for_status()

        wait_until(lambda: not demo.contact(contact_id)["isWaiting"])

    def test_a_refused_message_ends_with_its_reason(self, demo: Demo) -> None:
        receipt = demo.write("precos", simulateFailure="not_on_whatsapp")
        reply = demo.replies(receipt["messageId"])[0]

        assert (reply["status"], reply["failureReason"]) == ("failed", "not_on_whatsapp")


class TestInterface:
    def test_answers_hold_ids_and_no_phone_or_name(self, demo: Demo) -> None:
        phone = new_phone()
        receipt = demo.write("precos", phone=phone)
        answers = f"{receipt}{demo.message(receipt['messageId'])}{demo.contact(receipt['contactId'])}"

        assert phone.removeprefix("+55") not in answers
        assert "Fulana" not in answers

    @for_each("path", ["/api/messages/unknown", "/api/contacts/unknown"])
    def test_an_unknown_id_is_not_found(self, demo: Demo, path: str) -> None:
        assert demo.client.get(path).status_code == 404

    @for_each(
        "fields", [{"phone": "11 91234-5678"}, {"kind": "telegram"}, {"simulateFailure": "because"}, {"colour": "red"}]
    )
    def test_a_malformed_message_is_refused(self, demo: Demo, fields: dict[str, str]) -> None:
        payload = {"phone": new_phone(), "body": "precos", **fields}

        assert demo.client.post("/webhook/messages", json=payload).status_code == 422

    def test_the_failing_endpoint_answers_500(self, demo: Demo) -> None:
        assert demo.client.get("/api/faults/error", headers=LAST).status_code == 500

    def test_health_tells_the_session(self, demo: Demo) -> None:
        wait_until(lambda: demo.client.get("/health").json()["session"] == "connected")


class TestSession:
    def test_messages_wait_while_it_is_down_and_leave_when_it_is_back(self, demo: Demo) -> None:
        demo.client.post("/api/session/disconnect").raise_for_status()
        receipt = demo.write("precos")

        assert [reply["status"] for reply in demo.replies(receipt["messageId"])] == ["read"]

    def test_an_unknown_action_is_refused(self, demo: Demo) -> None:
        assert demo.client.post("/api/session/explode").status_code == 422


class TestTelemetry:
    def test_one_message_is_one_trace_over_http_database_queue_and_acknowledgement(self, demo: Demo) -> None:
        response = demo.client.post("/webhook/messages", json={"phone": new_phone(), "body": "precos"})
        receipt, trace_id = response.json(), trace_id_of(response) or ""
        demo.replies(receipt["messageId"])
        last = {"acknowledge whatsapp": 2, "POST /webhook/messages": 1}  # either may come in the later batch
        wait_until(lambda: last.items() <= count_titles(demo, trace_id).items())
        story = tell(trace_id, demo.sink.received.spans, demo.sink.received.logs, [])
        titles = count_titles(demo, trace_id)

        assert [span.name for span in story.spans if not span.parent_span_id] == ["POST /webhook/messages"]
        for title in ("run flow", "publish outbound", "wait in queue", "process outbound", "send whatsapp"):
            assert titles[title] == 1
        for title in ("INSERT messages", "INSERT outbound_queue", "UPDATE outbound_queue"):
            assert titles[title] >= 1
        assert story.ids == {
            "requestId": [receipt["requestId"]],
            "contactId": [receipt["contactId"]],
            "messageId": [receipt["messageId"], *receipt["replyIds"]],
        }

    def test_the_server_span_has_the_ids_that_were_found_later(self, demo: Demo) -> None:
        response = demo.client.post("/webhook/messages", json={"phone": new_phone(), "body": "precos"})
        receipt, trace_id = response.json(), trace_id_of(response) or ""
        wait_until(lambda: count_titles(demo, trace_id)["POST /webhook/messages"] == 1)
        story = tell(trace_id, demo.sink.received.spans, [], []).as_json()
        server = next(span for span in story["spans"] if span["parentSpanId"] is None)

        assert server["attributes"]["contactId"] == receipt["contactId"]
        assert server["attributes"]["messageId"] == receipt["messageId"]

    def test_looking_at_an_empty_queue_makes_no_spans(self, demo: Demo) -> None:
        time.sleep(1.0)
        lonely = [span for span in demo.sink.received.spans if not span.parent_span_id]

        assert {span.name.partition(" ")[0] for span in lonely} <= {"GET", "POST"}

    def test_no_phone_and_no_name_leaves_the_application(self, demo: Demo) -> None:
        phone = new_phone()
        demo.replies(demo.write("precos", phone=phone)["messageId"])
        demo.client.get("/api/faults/error", headers=LAST)
        wait_until(lambda: any("Failed on purpose" in str(log) for log in demo.sink.received.logs))
        received = demo.sink.received
        exported = b"".join(
            [span.SerializeToString() for span in received.spans]
            + [log.SerializeToString() for log in received.logs]
            + [metric.SerializeToString() for metric in received.metrics]
        )

        for secret in (phone.removeprefix("+55"), "Fulana", "91234-5678"):
            assert secret.encode() not in exported


def count_titles(demo: Demo, trace_id: str) -> Counter[str]:
    wanted = bytes.fromhex(trace_id)
    return Counter(span_title(span) for span in list(demo.sink.received.spans) if span.trace_id == wanted)


class TestCounts:
    def test_two_workers_count_each_message_once_and_tell_it_before_they_end(self) -> None:
        with OtlpSink() as sink:
            with demo_app(sink.endpoint, workers=2, environment={"DEMO_BREAKER": "off"}) as app:
                journal = asyncio.run(send_traffic(TrafficPlan(url=app.url, messages=40, failing=0.1, settle_s=60)))
            points = [
                (point.name, point.value)
                for worker in sink.received.metrics_by_instance.values()
                for point in last_points(worker)
            ]  # fmt: skip
        total: Counter[str] = Counter()
        for name, value in points:
            total[name] += int(value)

        assert journal.summary()["settled"] == 40
        assert total["messages_inbound_total"] == 40
        assert total["messages_outbound_total"] == 40
        assert total["messages_outbound_failed_total"] == 4
        assert total["messages_delivered_total"] == 2 * 36
        assert total["first_response_latency_seconds"] == 36
        assert len(sink.received.metrics_by_instance) == 2


class TestRestart:
    def test_what_a_killed_worker_held_is_sent_after_the_restart(self) -> None:
        slow = {"DEMO_BREAKER": "off", "DEMO_LEASE_S": "1", "DEMO_SEND_S": "0.2"}
        with (
            OtlpSink() as sink,
            demo_app(sink.endpoint, environment=slow) as app,
            httpx.Client(base_url=app.url, trust_env=False, limits=BRIEF) as client,
        ):
            ids = [
                client.post("/webhook/messages", json={"phone": new_phone(), "body": "precos"}).json()["messageId"]
                for _ in range(6)
            ]
            app.supervisor.restart(APP, kill=True)
            assert "queued" in {reply_status(client, each) for each in ids}, "the restart came too late to matter"
            wait_until(lambda: {reply_status(client, each) for each in ids} <= {"sent", "delivered", "read"})


def reply_status(client: httpx.Client, message_id: str) -> str:
    return str(client.get(f"/api/messages/{message_id}").json()["replies"][0]["status"])


UNMOVED = {
    catalogue.TELEMETRY_DROPPED.name: "nothing is dropped in a good run",
    catalogue.TELEMETRY_RETRIED.name: "the receiver takes everything at once in a good run",
    catalogue.TELEMETRY_ERRORS.name: "nothing fails in a good run",
    catalogue.BUSINESS_OPEN.name: "the demo never closes: it has no business hours",
    catalogue.DB_POOL_OVERFLOW.name: "one worker never needs more connections than the pool has",
    **{
        spec.name: "the bridge is a process of its own" for spec in catalogue.METRICS if spec.name.startswith("bridge.")
    },
}


class TestScraping:
    def test_metrics_can_be_scraped_where_it_is_switched_on(self) -> None:
        with (
            OtlpSink() as sink,
            demo_app(sink.endpoint, environment={"WHATSSELF_OTEL_PROMETHEUS": "true"}) as app,
            httpx.Client(base_url=app.url, trust_env=False, limits=BRIEF) as client,
        ):
            client.post("/webhook/messages", json={"phone": new_phone(), "body": "precos"}).raise_for_status()
            scraped = client.get("/metrics").raise_for_status().text

        assert re.search(r'^messages_inbound_total\{.*kind="text".*\} 1\.0', scraped, re.MULTILINE)


class TestEveryMetric:
    def test_a_day_of_business_moves_every_metric_of_the_catalogue(self) -> None:
        quick = {
            "OTEL_METRIC_EXPORT_INTERVAL": "200",
            "DEMO_RECONNECT_S": "1.5",
            "DEMO_UNANSWERED_AFTER_S": "1",
        }
        with OtlpSink() as sink:
            with demo_app(sink.endpoint, environment=quick) as app:
                asyncio.run(live(app.url))
            moved = {point.name for metric in sink.received.metrics for point in last_points([metric]) if point.value}
        expected = {spec.prometheus_name for spec in catalogue.METRICS if spec.name not in UNMOVED}

        assert expected - moved == set()


async def live(url: str) -> None:
    async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=30) as client:
        await Exercise(client=client).run()
        await asyncio.sleep(2)
