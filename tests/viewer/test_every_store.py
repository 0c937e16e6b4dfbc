"""One set of questions that every store answers alike: the viewer's own, and the real stack's."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from filled_stores import MESSAGES, STORES, skip_unless_it_takes_late_data, takes_late_data
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData
from parts import Client, names, trace_id
from rows import for_each
from telling import CONTACT, DAYS

if TYPE_CHECKING:
    from collections.abc import Iterator

RECENT = "range=6h"
"""Leaves out the messages of earlier days."""
FAILED = (3, 7, 11)
"""Numbers of the messages that failed; the last of them for another reason."""


@pytest.fixture(scope="module", params=sorted(STORES))
def client(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with STORES[request.param](tmp_path_factory.mktemp("store")) as viewer, Client(viewer) as client:
        yield client


def listed(client: Client, **asked: Any) -> list[int]:
    bounds = {} if {"range", "from", "to"} & set(asked) else {"range": "6h"}
    found = client.get(f"/api/traces?{httpx.QueryParams({**bounds, **asked})}")
    return [int(each, 16) - 1 for each in names(found["traces"])]


def test_messages_are_listed_newest_first_with_what_became_of_them(client: Client) -> None:
    found = client.get(f"/api/traces?{RECENT}")

    assert (names(found["traces"]), found["more"]) == ([trace_id(n) for n in reversed(range(MESSAGES))], False)
    outcomes = [(each["outcome"], each["reason"], each["errors"]) for each in found["traces"]]
    assert outcomes[:5] == [("failed", "blocked", 1), *[("read", "", 0)] * 3, ("failed", "timeout", 1)]
    signs = found["traces"][1]["signs"]
    assert (signs["direction"], signs["kind"], signs["flow"]) == ("inbound", "text", "flow_price_list")
    assert signs["read_ns"] / 1e9 - found["traces"][1]["start_s"] == pytest.approx(12, abs=0.01)


@for_each(
    "asked, numbers",
    [
        ({"outcome": "failed"}, [11, 7, 3]),
        ({"outcome": "failed", "reason": "timeout"}, [7, 3]),
        ({"text": "PROVIDER hung"}, [11, 7, 3]),
        ({"text": "contact-5"}, [5]),
        ({"field": "contactId=contact-5"}, [5]),
        ({"route": "/webhook/messages", "sort": "oldest", "limit": 3}, [0, 1, 2]),
        ({"route": "/nowhere"}, []),
        ({"service": "nobody"}, []),
        ({"min_ms": "11000", "limit": 2}, [10, 9]),
        ({"which": "errors"}, [11, 7, 3]),
        ({"outcome": "unanswered"}, []),
    ],
)
def test_narrowed_down(client: Client, asked: dict[str, str], numbers: list[int]) -> None:
    assert listed(client, **asked) == numbers


def test_by_time(client: Client) -> None:
    now_s = time.time()

    assert len(listed(client, range="5m")) in {4, 5}
    found = listed(client, **{"from": now_s - 300, "to": now_s - 120})
    assert found
    assert max(found) < MESSAGES - 1
    earlier = listed(client, **{"from": now_s - 3600, "to": now_s - 300})
    assert len(listed(client, range="5m")) + len(earlier) in {MESSAGES, MESSAGES + 1}


def test_a_contact_over_days(client: Client, request: pytest.FixtureRequest) -> None:
    skip_unless_it_takes_late_data(request.node.callspec.params["client"])
    asked = httpx.QueryParams({"field": f"contactId={CONTACT}"})

    assert sorted(listed(client, field=f"contactId={CONTACT}", range="7d")) == sorted(DAYS)
    assert client.get(f"/api/traffic?{asked}")["total"] == len(DAYS)


def test_a_list_that_is_cut_says_so(client: Client) -> None:
    found = client.get("/api/traces?limit=5")

    assert (len(found["traces"]), found["more"]) == (5, True)


def test_older_ones_follow_where_a_list_ends(client: Client) -> None:
    first = client.get(f"/api/traces?{RECENT}&limit=5")["traces"]
    end_s = first[-1]["start_s"] + 1e-6
    rest = listed(client, **{"from": end_s - 3600, "to": end_s})

    assert rest == list(reversed(range(MESSAGES - 4)))


def test_traffic(client: Client) -> None:
    found = client.get(f"/api/traffic?{RECENT}")

    assert (found["total"], found["total_failed"], sum(found["failed"])) == (MESSAGES, len(FAILED), len(FAILED))
    assert found["percentiles_ms"]["p50"] == pytest.approx(12_000, abs=10)
    assert found["is_cut"] is False


def test_one_trace_with_its_lines(client: Client) -> None:
    found = client.get(f"/api/traces/{trace_id(7)}")

    assert found["spans_shown"][0]["name"] == "POST /webhook/messages"
    assert len(found["spans_shown"]) == 4
    (failed,) = [span for span in found["spans_shown"] if span["isError"]]
    assert (failed["name"], failed["kind"], failed["attributes"]["error.type"]) == (
        "send whatsapp",
        "client",
        "timeout",
    )
    assert [line["text"] for line in found["logs_shown"]] == [
        "Message received",
        "Message failed: the provider hung up",
    ]
    assert (found["logs_shown"][1]["level"], found["logs_shown"][1]["attributes"]["reason"]) == ("error", "timeout")
    assert found["ids"]["contactId"] == ["contact-7"]
    assert found["service"] == "whatsself"


def test_unknown_is_unknown(client: Client) -> None:
    assert client.ask(f"/api/traces/{'9' * 32}").status_code == httpx.codes.NOT_FOUND
    assert client.get("/api/find?id=nobody")["traces"] == []


@for_each("wanted", ["contact-7", "message-7", trace_id(7)])
def test_found_by_each_id(client: Client, wanted: str) -> None:
    assert names(client.get(f"/api/find?id={wanted}")["traces"]) == [trace_id(7)]


@for_each(
    "asked, count",
    [
        ({}, 2 * MESSAGES),
        ({"level": "error"}, 3),
        ({"text": "HUNG UP"}, 3),
        ({"text": "block"}, 1),
        ({"field": "reason=timeout"}, 2),
        ({"service": "nobody"}, 0),
        ({"text": "no such thing"}, 0),
    ],
)
def test_log_lines(client: Client, asked: dict[str, str], count: int) -> None:
    found = client.get(f"/api/logs?{RECENT}&{httpx.QueryParams(asked)}")["logs"]

    assert len(found) == count
    assert [line["time_s"] for line in found] == sorted((line["time_s"] for line in found), reverse=True)
    assert {line["service"] for line in found} <= {"whatsself"}


def test_choices(client: Client, request: pytest.FixtureRequest) -> None:
    client.get("/api/traces")
    found = client.get("/api/choices")

    assert (found["service"], found["route"]) == (["whatsself"], ["/webhook/messages"])
    yesterdays = {"network"} if takes_late_data(request.node.callspec.params["client"]) else set()
    assert (found["kind"], set(found["reason"])) == (["text"], {"timeout", "blocked"} | yesterdays)


def test_metrics_and_objectives(client: Client) -> None:
    found = {metric["name"]: metric for metric in client.get("/api/metrics?window_s=300")["metrics"]}

    (sent,) = [row for row in found["messages_outbound_total"]["series"] if row["labels"]["origin"] == "reply"]
    assert sent["now"] == 9
    waits = found["first_response_latency_seconds"]
    assert (waits["kind"], waits["area"], waits["traceIds"]) == ("histogram", "messages", [trace_id(3)])
    assert 0 < waits["series"][0]["p95"] <= 120
    (objective,) = [each for each in client.get("/api/health")["objectives"] if each["name"] == "first-response"]
    assert objective["bad"] == 0
    assert 0 < objective["total"] <= 9


def test_otlp_as_it_is(client: Client) -> None:
    data = TracesData.FromString(client.ask(f"/api/traces/{trace_id(3)}/traces.pb").content)
    spans = [span for owner in data.resource_spans for scope in owner.scope_spans for span in scope.spans]
    as_json = client.get(f"/api/traces/{trace_id(3)}/traces.json")

    assert {span.trace_id.hex() for span in spans} == {trace_id(3)}
    assert len(spans) == 4
    span = as_json["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
    assert span["traceId"] == trace_id(3)
    assert isinstance(span.get("kind", 0), int)


def test_nothing_is_received_where_other_stores_are_read(client: Client) -> None:
    if client.get("/api/state")["from"] == "viewer":
        pytest.skip("The viewer's own store receives.")

    assert client.post("/v1/traces", b"").status_code == httpx.codes.NOT_FOUND


def test_overview(client: Client) -> None:
    found = client.get("/api/overview")

    reasons = [(each["name"], each["count"]) for each in found["groups"]["reasons"]]
    assert reasons == [("timeout", 2), ("blocked", 1)]
    assert [(each["name"], each["count"]) for each in found["groups"]["lines"]] == [
        ("Message failed: the provider hung up", 3)
    ]
    assert found["groups"]["lines"][0]["search"] == "Message failed: the provider hung up"
    assert 0 < found["sent"] <= 9
    assert 0 < found["first_response_p95_s"] <= 120
    assert found["traffic"]["total"] == MESSAGES
    assert (found["firing"] is None) == (client.get("/api/state")["from"] == "viewer")
