"""Three hundred messages through the real application, found again in the real backends, whatever was restarted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from job import ENVIRONMENT, MESSAGES, RESTARTED_STORES, WORKERS, Job
from stores import Line, Loki, Prometheus, Span, TraceStore, wait_until_found

from whatsself_otel.catalogue import CONTACT_ID, MESSAGE_ID, REQUEST_ID
from whatsself_otel.demo.traffic import Entry

pytestmark = pytest.mark.e2e

Counts = dict[str, dict[str, object]]


class TestSender:
    """What the sender itself saw; everything below is measured against it."""

    def test_every_message_was_taken_and_every_reply_read_or_refused(self, job: Job) -> None:
        summary = job.journal.summary()
        failing = sum(entry.expects_failure for entry in job.journal.entries)
        assert summary["accepted"] == summary["settled"] == MESSAGES
        assert (summary["replies_read"], summary["replies_failed"]) == (MESSAGES - failing, failing)
        assert failing == MESSAGES // 10

    def test_application_collector_and_backends_were_restarted_while_it_was_sending(self, job: Job) -> None:
        restarted = [each.partition("@")[0] for each in job.restarted]
        assert restarted == ["collector", "application", *RESTARTED_STORES]


class TestTraces:
    """Every message is one trace, in every trace store."""

    def test_each_message_is_found_by_its_message_id_with_http_sql_and_queue_spans(
        self, job: Job, trace_store: TraceStore, counts: Counts
    ) -> None:
        entries = {entry.number: entry for entry in job.journal.entries}
        spans: Counter[int] = Counter()

        def problems_of(number: int) -> list[str]:
            entry = entries[number]
            if entry.trace_id not in trace_store.find(MESSAGE_ID, str(entry.message_id)):
                return [f"no trace with {MESSAGE_ID}={entry.message_id}"]
            found = trace_store.spans(str(entry.trace_id))
            spans[number] = len(found)
            return list(_missing_from_trace(entry, found))

        wait_until_found(entries, problems_of)
        counts[f"traces in {trace_store.name}"] = {"found": len(spans), "spans": spans.total()}

    def test_each_message_is_found_by_its_contact_id(self, job: Job, trace_store: TraceStore) -> None:
        expected = {str(entry.contact_id): entry.trace_id for entry in job.journal.entries}
        wait_until_found(
            expected,
            lambda contact: [] if expected[contact] in trace_store.find(CONTACT_ID, contact) else ["not found"],
        )


def _missing_from_trace(entry: Entry, spans: list[Span]) -> Iterator[str]:
    ids = {REQUEST_ID: entry.request_id, CONTACT_ID: entry.contact_id}
    yield from _missing(spans, "POST /webhook/messages", 1, {**ids, MESSAGE_ID: entry.message_id})
    if not any("db.system.name" in span.attributes and _has(span, ids) for span in spans):
        yield "no SQL span of the request"
    for reply, status in entry.reply_statuses.items():
        yield from _missing_from_reply(spans, {**ids, MESSAGE_ID: reply}, status)
    parents = {span.span_id for span in spans}
    if orphans := [span.name for span in spans if span.parent_id and span.parent_id not in parents]:
        yield f"parents are missing of {orphans}"


def _missing_from_reply(spans: list[Span], ids: dict[str, str | None], status: str) -> Iterator[str]:
    for name in ("publish outbound", "wait in queue", "process outbound", "send whatsapp"):
        yield from _missing(spans, name, 1, ids)
    if status == "read":
        yield from _missing(spans, "acknowledge whatsapp", 2, ids)
    else:
        yield from _missing(spans, "send whatsapp", 1, {**ids, "error.type": "timeout"})
    if not any("db.system.name" in span.attributes and _has(span, ids) for span in spans):
        yield "no SQL span of the worker"


def _missing(spans: list[Span], name: str, count: int, attributes: dict[str, str | None]) -> Iterator[str]:
    found = sum(span.name == name and _has(span, attributes) for span in spans)
    if found != count:
        named = sum(span.name == name for span in spans)
        yield f"{found} of {count} spans {name!r} with {attributes} ({named} of that name)"


def _has(span: Span, attributes: dict[str, str | None]) -> bool:
    return all(span.attributes.get(key) == value for key, value in attributes.items())


@dataclass(frozen=True, slots=True)
class Row:
    """A log line as the sender expects it."""

    begins: str
    message_id: str | None
    contact_id: str | None
    request_id: str | None
    trace_id: str | None


class TestLogs:
    """Every step of a message is one line, with the ids and the trace it belongs to."""

    def test_each_expected_line_is_in_loki_exactly_once_with_ids_and_trace(
        self, job: Job, loki: Loki, counts: Counts
    ) -> None:
        expected = [row for entry in job.journal.entries for row in _expected_lines(entry)]
        found: Counter[Row] = Counter()

        def look(_: str) -> list[str]:
            found.clear()
            lines = loki.lines('{service_name="whatsself"} | contactId != ""')
            found.update(row for line in lines if (row := _as_row(line, expected_beginnings)) is not None)
            return [f"{row} is there {found[row]} times" for row in expected if found[row] != 1]

        expected_beginnings = {row.begins for row in expected}
        wait_until_found(["every line of the journal"], look)
        counts["logs in loki"] = {"expected": len(expected), "found": sum(found[row] for row in expected)}

    def test_each_line_names_its_source_and_environment(self, loki: Loki) -> None:
        lines = loki.lines('{service_name=~".+"}')
        sources = {(line.fields.get("service_name"), line.fields.get("deployment_environment_name")) for line in lines}
        assert sources == {("whatsself", ENVIRONMENT)}
        assert all(line.fields.get("scope_name") for line in lines)

    def test_identifiers_are_searched_but_not_indexed(self, loki: Loki) -> None:
        assert loki.labels() <= {"service_name", "service_namespace", "deployment_environment_name", "__stream_shard__"}


def _expected_lines(entry: Entry) -> Iterator[Row]:
    def row(begins: str, message_id: str | None) -> Row:
        return Row(begins, message_id, entry.contact_id, entry.request_id, entry.trace_id)

    yield row("Message received from +55********", entry.message_id)
    yield row("Trigger fired", entry.message_id)
    for reply, status in entry.reply_statuses.items():
        yield row("Message queued", reply)
        if status == "failed":
            yield row("Message to +55********", reply)
        else:
            for begins in ("Message sent to +55********", "Message delivered", "Message read"):
                yield row(begins, reply)


def _as_row(line: Line, beginnings: set[str]) -> Row | None:
    begins = next((each for each in beginnings if line.text.startswith(each)), None)
    if begins is None:
        return None
    fields = line.fields
    return Row(begins, fields.get(MESSAGE_ID), fields.get(CONTACT_ID), fields.get(REQUEST_ID), fields.get("trace_id"))


class TestMetrics:
    """Counters grow by exactly what the sender counted, over all processes that counted."""

    def test_increases_equal_the_journal(self, job: Job, prometheus: Prometheus, counts: Counts) -> None:
        expected = _expected_increases(job)
        found: dict[str, float] = {}

        def problems_of(selector: str) -> list[str]:
            found[selector] = prometheus.increase(selector)
            return [] if found[selector] == expected[selector] else [f"{found[selector]}, not {expected[selector]}"]

        wait_until_found(expected, problems_of)
        counts["increases in prometheus"] = dict(found)

    def test_every_worker_process_is_an_instance_of_its_own(self, prometheus: Prometheus) -> None:
        instances = prometheus.label_values('messages_outbound_total{origin="reply"}', "instance")
        assert len(instances) == 2 * WORKERS

    @pytest.mark.parametrize(
        "metric", ["http_server_request_duration_seconds_bucket", "messages_outbound_total", "messages_inbound_total"]
    )
    def test_exemplars_lead_to_the_trace_of_a_message(
        self, job: Job, prometheus: Prometheus, trace_store: TraceStore, counts: Counts, metric: str
    ) -> None:
        route = '{http_route="/webhook/messages"}' if metric.startswith("http") else ""
        traces = {labels["trace_id"] for labels in prometheus.exemplars(metric + route)}
        assert traces
        assert traces <= {entry.trace_id for entry in job.journal.entries}
        wait_until_found(traces, lambda trace: [] if trace_store.spans(trace) else ["not found"])
        counts[f"exemplars of {metric} that lead to {trace_store.name}"] = {"found": len(traces)}


def _expected_increases(job: Job) -> dict[str, float]:
    summary = job.journal.summary()
    statuses = Counter(each.status for entry in job.journal.entries for each in entry.attempts if each.status)
    return {
        "messages_inbound_total": summary["accepted"],
        "messages_outbound_total": summary["replies"],
        'messages_outbound_failed_total{reason="timeout"}': summary["replies_failed"],
        'messages_delivered_total{status="read"}': summary["replies_read"],
        **{
            f'http_server_request_duration_seconds_count{{http_route="/webhook/messages",http_response_status_code="{status}"}}': count  # noqa: E501
            for status, count in statuses.items()
        },
    }
