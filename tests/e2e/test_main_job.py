"""Three hundred messages through the real application are found in the real backends, over every restart."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from expectations import Row, as_row, expected_increases, expected_lines, missing_from_trace
from job import ENVIRONMENT, MESSAGES, WORKERS, Job, restarted_stores
from stores import LogStore, Prometheus, TraceStore, wait_until_found

from whatsself_otel.catalogue import CONTACT_ID, MESSAGE_ID
from whatsself_otel.cli import main

pytestmark = pytest.mark.e2e

Counts = dict[str, dict[str, object]]


class TestSender:
    """The sender's own counts; every check below is measured against them."""

    def test_every_message_was_taken_and_every_reply_read_or_refused(self, job: Job) -> None:
        summary = job.journal.summary()
        failing = sum(entry.expects_failure for entry in job.journal.entries)
        assert summary["accepted"] == summary["settled"] == MESSAGES
        assert (summary["replies_read"], summary["replies_failed"]) == (MESSAGES - failing, failing)
        assert failing == MESSAGES // 10

    def test_application_collector_and_backends_were_restarted_while_it_was_sending(self, job: Job) -> None:
        restarted = [each.partition("@")[0] for each in job.restarted]
        assert restarted == ["collector", "application", *restarted_stores(job.stack)]


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
            return list(missing_from_trace(entry, found))

        wait_until_found(entries, problems_of)
        counts[f"traces in {trace_store.name}"] = {"found": len(spans), "spans": spans.total()}

    def test_each_message_is_found_by_its_contact_id(self, job: Job, trace_store: TraceStore) -> None:
        expected = {str(entry.contact_id): entry.trace_id for entry in job.journal.entries}
        wait_until_found(
            expected,
            lambda contact: [] if expected[contact] in trace_store.find(CONTACT_ID, contact) else ["not found"],
        )


class TestTraceCommand:
    """`whatsself-otel trace` prints the same from every trace store, with the lines of every log store."""

    def test_prints_a_message_by_each_of_its_ids(
        self, job: Job, trace_store: TraceStore, log_store: LogStore, capsys: pytest.CaptureFixture[str]
    ) -> None:
        entry, at = job.journal.entries[0], job.stack.addresses
        wait_until_found([str(entry.trace_id)], lambda trace: [] if trace_store.spans(trace) else ["not found"])
        traces, lines = getattr(at, trace_store.name), getattr(at, log_store.name)
        where = ["--from", trace_store.name, "--url", traces, f"--{log_store.name}", lines, "--json"]
        for wanted in (entry.message_id, entry.request_id, entry.trace_id):
            assert main(["trace", str(wanted), *where]) == 0
            (told,) = json.loads(capsys.readouterr().out)["traces"]

            assert told["traceId"] == entry.trace_id
            assert {"POST /webhook/messages", "send whatsapp"} <= {span["name"] for span in told["spans"]}
            assert any(log["msg"].startswith("Message received") for log in told["logs"])
        assert main(["trace", str(entry.contact_id), *where]) == 0
        (newest,) = json.loads(capsys.readouterr().out)["traces"]
        assert entry.contact_id in newest["ids"]["contactId"]
        assert main(["trace", "nobody", *where]) == 1


class TestLogs:
    """Every step of a message is one line, with the ids and the trace it belongs to."""

    def test_each_expected_line_is_there_exactly_once_with_ids_and_trace(
        self, job: Job, log_store: LogStore, counts: Counts
    ) -> None:
        expected = [row for entry in job.journal.entries for row in expected_lines(entry)]
        found: Counter[Row] = Counter()

        def look(_: str) -> list[str]:
            found.clear()
            lines = log_store.of_contacts()
            found.update(row for line in lines if (row := as_row(line, expected_beginnings)) is not None)
            return [f"{row} is there {found[row]} times" for row in expected if found[row] != 1]

        expected_beginnings = {row.begins for row in expected}
        wait_until_found(["every line of the journal"], look)
        counts[f"logs in {log_store.name}"] = {"expected": len(expected), "found": sum(found[row] for row in expected)}

    def test_each_line_names_its_source_and_environment(self, log_store: LogStore) -> None:
        lines = log_store.every_line()
        sources = {(line.fields.get("service_name"), line.fields.get("deployment_environment_name")) for line in lines}
        assert sources == {("whatsself", ENVIRONMENT)}
        assert all(line.fields.get("scope_name") for line in lines)

    def test_identifiers_are_searched_but_not_indexed(self, log_store: LogStore) -> None:
        indexed = log_store.indexed()
        assert "service_name" in indexed
        assert indexed <= {"service_name", "service_namespace", "deployment_environment_name"}


class TestMetrics:
    """Counters of all processes together grow by exactly the sender's counts."""

    def test_increases_equal_the_journal(self, job: Job, prometheus: Prometheus, counts: Counts) -> None:
        expected = expected_increases(job.journal)
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
