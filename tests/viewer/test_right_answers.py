"""The viewer's own store answers correctly: order, search, limits, errors, outcomes, and tokens."""

from __future__ import annotations

import random
import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from parts import Client, logs, names, set_all, spans, trace_id
from rows import for_each

from whatsself_otel.cli.doctor.probe import SERVICE_NAME
from whatsself_otel.viewer import store as store_module
from whatsself_otel.viewer.server import Viewer, ViewerConfig
from whatsself_otel.viewer.store import Store

if TYPE_CHECKING:
    from pathlib import Path

OLD = """
    CREATE TABLE traces (id INTEGER PRIMARY KEY, trace_id TEXT);
    INSERT INTO traces VALUES (1, 'kept');
"""


def lines_at(number: int | None, *texts: str, ago_s: float, severity: int = 9, **fields: str) -> Any:
    """Return log lines of *ago_s* seconds ago."""
    request = logs(number, *texts, severity=severity)
    for record in request.resource_logs[0].scope_logs[0].log_records:
        record.time_unix_nano = time.time_ns() - int(ago_s * 1e9)
        set_all(record.attributes, fields)
    return request


def told(number: int, *steps: tuple[str, str], at_s: float = 0.0) -> Any:
    """Return a trace whose spans tell *steps*: ``send``, ``fail`` or a status, each with its reason or nothing."""
    request = spans(number, count=1 + len(steps))
    scope = request.resource_spans[0].scope_spans[0]
    for index, (span, (step, reason)) in enumerate(zip(scope.spans[1:], steps, strict=True)):
        span.ClearField("status")
        span.end_time_unix_nano = scope.spans[0].start_time_unix_nano + int((at_s + index + 1) * 1e9)
        if step in {"send", "fail"}:
            span.name, span.kind = "send whatsapp", 3
            if step == "fail":
                span.status.code = 2
                set_all(span.attributes, {"error.type": reason})
        else:
            set_all(span.attributes, {"status": step, **({"reason": reason} if reason else {})})
    return request


def with_fields(number: int, fields: dict[str, str]) -> Any:
    request = spans(number)
    for span in request.resource_spans[0].scope_spans[0].spans:
        set_all(span.attributes, fields)
    return request


def received(number: int) -> Any:
    return lines_at(number, "Message received from somebody", ago_s=0, kind="text")


class TestLogs:
    def test_are_in_order_of_their_own_time_not_of_their_arrival(self, client: Client) -> None:
        ages = list(range(20))
        random.Random(7).shuffle(ages)
        for age in ages:
            client.send(lines_at(None, f"line {age}", ago_s=age))

        assert client.texts() == [f"line {age}" for age in range(20)]

    def test_the_oldest_line_is_found_behind_thousands(self, client: Client) -> None:
        client.send(lines_at(None, "the needle is here", ago_s=60))
        for _ in range(5):
            client.send(logs(None, *["hay"] * 500))

        assert [line["text"] for line in client.get("/api/logs?text=needle")["logs"]] == ["the needle is here"]
        assert client.get("/api/logs?text=needles")["logs"] == []

    def test_any_part_of_message_or_field_finds_the_line(self, client: Client) -> None:
        client.send(lines_at(None, 'Preço para o "quoted" 50%_ ped*do', ago_s=1, order="42"), logs(None, "other"))
        parts = ["ECO para", "preco", "preço", "ço", "order=42", "rder=4", '"quoted"', "50%_", "ped*"]
        found = {part: client.get(f"/api/logs?{httpx.QueryParams(text=part)}")["logs"] for part in parts}

        shown = {part: [line["attributes"] for line in lines] for part, lines in found.items()}
        assert shown == {part: [{"order": "42"}] for part in parts}

    def test_parts_that_stand_apart_are_no_match(self, client: Client) -> None:
        client.send(lines_at(None, "abcd xbcde", ago_s=1))

        assert client.get("/api/logs?text=abcde")["logs"] == []

    def test_a_field_is_matched_whole(self, client: Client) -> None:
        client.send(lines_at(None, "one", ago_s=2, order="4"), lines_at(None, "two", ago_s=1, order="42"))

        assert [line["text"] for line in client.get("/api/logs?field=order=4")["logs"]] == ["one"]

    def test_a_limit_that_is_reached_is_said(self, client: Client) -> None:
        client.send(logs(None, *[f"line {number}" for number in range(30)]))

        first, all_of_them = client.get("/api/logs?limit=29"), client.get("/api/logs?limit=30")
        assert (len(first["logs"]), first["more"]) == (29, True)
        assert (len(all_of_them["logs"]), all_of_them["more"]) == (30, False)

    def test_what_is_gone_is_gone_from_the_search_too(self, tmp_path: Path) -> None:
        from whatsself_otel.viewer import log_queries, rows
        from whatsself_otel.viewer.query import LogQuery
        from whatsself_otel.viewer.store import Retention

        clock = iter(range(1_000_000, 2_000_000, 2))
        with Store(tmp_path / "a.db", Retention(logs=10), clock=lambda: float(next(clock))) as store:
            for number in range(50):
                store.add(rows.logs(logs(None, f"needle {number}")))
            store.sweep()
            found = log_queries.logs(store, LogQuery(text="needle")).rows

            assert [line["text"] for line in found] == [f"needle {number}" for number in range(49, 39, -1)]
            assert store.read("SELECT count(*) FROM log_search WHERE log_search MATCH '\"nee\"'")[0][0] == 10

    def test_without_an_index_the_answers_are_the_same_and_the_reason_is_said(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        read = store_module._script
        broken = "CREATE VIRTUAL TABLE log_search USING fts9(text)"
        monkeypatch.setattr(store_module, "_script", lambda name: broken if name == "search_index" else read(name))
        with Viewer() as viewer, Client(viewer) as client:
            client.send(lines_at(None, "the needle is here", ago_s=60), logs(None, "hay"))

            assert [line["text"] for line in client.get("/api/logs?text=needle")["logs"]] == ["the needle is here"]
            assert "no FTS5" in client.get("/api/health")["store"]["no_index"]


class TestLists:
    def test_say_that_there_is_more_and_give_it(self, client: Client) -> None:
        for number in range(60):
            client.send(spans(number, count=1))

        first = client.get("/api/traces")
        assert (len(first["traces"]), first["more"], first["limit"]) == (50, True, 50)
        more = client.get("/api/traces?limit=100")
        assert (len(more["traces"]), more["more"]) == (60, False)

    def test_the_doctors_probe_is_no_message(self, client: Client) -> None:
        probe = spans(1)
        probe.resource_spans[0].resource.attributes[0].value.string_value = SERVICE_NAME
        client.send(probe)

        assert client.get("/api/traces")["traces"] == []
        assert client.get("/api/traces?which=errors")["traces"] == []
        assert len(client.get("/api/traces?which=all")["traces"]) == 1

    @for_each("wrong", ["which=some", "sort=best", "limit=0", "limit=1001", "min_ms=-1", "field=a", "range=2h"])
    def test_a_wrong_question_says_what_is_allowed(self, client: Client, wrong: str) -> None:
        answer = client.ask(f"/api/traces?{wrong}")

        assert answer.status_code == httpx.codes.BAD_REQUEST
        assert wrong.partition("=")[0] in answer.json()["problem"]


class TestErrors:
    def test_one_failure_counts_once_whatever_stands_above_it_and_tells_of_it(self, client: Client) -> None:
        request = spans(1, count=4)
        scope = request.resource_spans[0].scope_spans[0]
        scope.spans[3].parent_span_id = scope.spans[2].span_id  # 0 > 2 > 3, of which 2 and 3 failed
        scope.spans[2].status.code = scope.spans[3].status.code = 2
        client.send(request, logs(1, "It failed", severity=17, on_span=2), logs(1, "It failed", severity=17, on_span=0))

        assert client.get("/api/traces")["traces"][0]["errors"] == 1

    def test_two_failures_count_twice_in_any_order_of_arrival(self, client: Client) -> None:
        client.send(logs(1, "It failed", severity=17, on_span=1))
        assert client.get("/api/traces?which=errors")["traces"][0]["errors"] == 1
        client.send(spans(1, count=3))

        assert client.get("/api/traces?which=errors")["traces"][0]["errors"] == 2


class TestOutcomes:
    @pytest.mark.parametrize(
        ("steps", "outcome", "reason"),
        [
            ([], "unanswered", ""),
            ([("send", "")], "sent", ""),
            ([("send", ""), ("delivered", "")], "delivered", ""),
            ([("send", ""), ("delivered", ""), ("read", "")], "read", ""),
            ([("fail", "timeout")], "failed", "timeout"),
            ([("fail", "timeout"), ("send", "")], "sent", ""),
            ([("send", ""), ("failed", "undeliverable")], "failed", "undeliverable"),
        ],
    )
    def test_are_read_off_what_happened(
        self, client: Client, steps: list[tuple[str, str]], outcome: str, reason: str
    ) -> None:
        client.send(received(1), told(1, *steps))

        (found,) = client.get("/api/traces")["traces"]
        assert (found["outcome"], found["reason"]) == (outcome, reason)
        assert (found["signs"]["direction"], found["signs"]["kind"]) == ("inbound", "text")
        assert names(client.get(f"/api/traces?outcome={outcome}")["traces"]) == [trace_id(1)]

    @pytest.mark.parametrize("later_first", [False, True])
    def test_a_status_that_another_request_brings_belongs_to_the_message(
        self, client: Client, *, later_first: bool
    ) -> None:
        sent, status = told(1, ("send", "")), told(2, ("read", ""), at_s=30)
        for span in status.resource_spans[0].scope_spans[0].spans:
            span.start_time_unix_nano += 20_000_000_000
            next(pair for pair in span.attributes if pair.key == "messageId").value.string_value = "message-1"
        client.send(*([status, sent] if later_first else [sent, status]))

        (found,) = client.get("/api/traces")["traces"]
        assert (found["traceId"], found["outcome"]) == (trace_id(1), "read")

    def test_the_lines_of_a_bridge_tell_it_too(self, client: Client) -> None:
        client.send(spans(1, count=1), logs(1, "message_accepted (evolution send.message)", on_span=0))
        client.send(logs(1, "delivery_status failed undeliverable (evolution messages.update)", on_span=0))

        (found,) = client.get("/api/traces")["traces"]
        assert (found["outcome"], found["reason"], found["signs"]["provider"]) == (
            "failed",
            "undeliverable",
            "evolution",
        )


class TestNarrowing:
    def test_by_route_service_status_and_any_field(self, client: Client) -> None:
        client.send(with_fields(1, {"http.route": "/a", "http.response.status_code": "500", "flowId": "flow_a"}))
        client.send(with_fields(2, {"http.route": "/b", "http.response.status_code": "200", "flowId": "flow_b"}))

        for asked in ("route=/a", "status=500", "field=flowId=flow_a", "field=contactId=contact-1", "text=it+timed"):
            found = client.get(f"/api/traces?{asked}")["traces"]
            assert names(found) == ([trace_id(1)] if "text" not in asked else []), asked
        choices = client.get("/api/choices")
        assert (choices["route"], choices["status"], choices["service"]) == (
            ["/a", "/b"],
            ["200", "500"],
            ["whatsself"],
        )

    def test_by_part_of_an_id_and_by_part_of_a_line(self, client: Client) -> None:
        client.send(spans(1), spans(2), logs(2, "Message could not be delivered"))

        assert names(client.get("/api/traces?text=contact-2")["traces"]) == [trace_id(2)]
        assert names(client.get("/api/traces?text=messag")["traces"]) == [trace_id(2), trace_id(1)]
        assert names(client.get("/api/traces?text=not+be+deliv")["traces"]) == [trace_id(2)]
        assert names(client.get(f"/api/traces?text={trace_id(2)[:32]}")["traces"]) == [trace_id(2)]

    def test_by_time_and_duration_and_in_order(self, client: Client) -> None:
        for number, (ago_s, took_ms) in enumerate([(3000, 5), (600, 500), (5, 50)]):
            request = spans(number, count=1)
            (span,) = request.resource_spans[0].scope_spans[0].spans
            span.start_time_unix_nano = time.time_ns() - ago_s * 1_000_000_000
            span.end_time_unix_nano = span.start_time_unix_nano + took_ms * 1_000_000
            client.send(request)

        def asked(query: str) -> list[int]:
            return [int(trace["traceId"], 16) - 1 for trace in client.get(f"/api/traces?{query}")["traces"]]

        assert asked("") == [2, 1, 0]
        assert asked("sort=slowest") == [1, 2, 0]
        assert asked("sort=oldest") == [0, 1, 2]
        assert asked("range=15m") == [2, 1]
        assert asked("min_ms=40&max_ms=100") == [2]
        traffic = client.get("/api/traffic?range=1h")
        assert (sum(traffic["counts"]), traffic["total"]) == (3, 3)
        assert traffic["percentiles_ms"]["p50"] == pytest.approx(50)


class TestToken:
    def test_lasts_from_one_viewer_to_the_next(self, tmp_path: Path) -> None:
        kept = ViewerConfig(token_file=tmp_path / "viewer.token")
        with Viewer(kept) as first:
            token = first.token
        with Viewer(kept) as second, Client(second) as client:
            assert second.token == token
            assert client.http.get("/api/state", headers={"authorization": f"Bearer {token}"}).is_success
            cookie = client.http.get(f"/?token={token}").headers["set-cookie"]
        assert "Max-Age=7776000" in cookie
        assert (tmp_path / "viewer.token").stat().st_mode & 0o077 == 0

    def test_a_file_that_holds_none_is_replaced(self, tmp_path: Path) -> None:
        (tmp_path / "viewer.token").write_text("short")

        assert len(Viewer(ViewerConfig(token_file=tmp_path / "viewer.token")).token) == 32

    def test_none_looks_like_an_option_of_the_command_line(self, tmp_path: Path) -> None:
        """One of 64 did: ``trace ID --token -x…`` was then refused."""
        (tmp_path / "viewer.token").write_text("-" + "x" * 31)

        found = {Viewer(ViewerConfig(token_file=tmp_path / "viewer.token")).token}
        found |= {Viewer(ViewerConfig(token_file=None)).token for _ in range(300)}

        assert [token for token in found if token.startswith("-")] == []


class TestFile:
    def test_of_another_version_is_set_aside_unchanged(self, tmp_path: Path) -> None:
        path = tmp_path / "kept.db"
        with closing(sqlite3.connect(path)) as old:
            old.executescript(OLD)
        with Store(path) as store:
            assert store.read("SELECT count(*) FROM traces")[0][0] == 0
            aside = store.set_aside

        assert aside is not None
        with closing(sqlite3.connect(aside)) as kept:
            assert kept.execute("SELECT trace_id FROM traces").fetchall() == [("kept",)]
