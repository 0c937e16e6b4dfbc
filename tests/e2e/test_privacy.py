"""Nothing that a customer could be known by is in anything that the backends answer."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from job import FAULT_PHONE, WORDS, Job
from stores import LogStore, Prometheus, TraceStore, everything_of, wait_until_found

pytestmark = pytest.mark.e2e


class TestWhatTheBackendsReturn:
    """Searched as text in every field; each search first shows that it sees the customers' messages."""

    def test_no_log_names_a_customer(self, job: Job, log_store: LogStore) -> None:
        text = everything_of(log_store)
        assert text.count("+55********") >= len(job.journal.entries)
        assert list(_found_in(text, job)) == []

    def test_no_trace_names_a_customer(self, job: Job, trace_store: TraceStore) -> None:
        traces = {str(entry.trace_id): str(entry.message_id) for entry in job.journal.entries}
        wait_until_found(traces, lambda trace: [] if traces[trace] in trace_store.raw(trace) else ["not found"])
        text = "".join(trace_store.raw(trace) for trace in traces)
        assert list(_found_in(text, job)) == []

    def test_no_exception_names_a_customer(self, job: Job, trace_store: TraceStore) -> None:
        wait_until_found([job.failed_trace], lambda trace: [] if trace_store.spans(trace) else ["not found"])
        text = trace_store.raw(job.failed_trace)
        assert "RuntimeError" in text
        assert "Failed on purpose while writing to" in text
        assert list(_found_in(text, job)) == []

    def test_no_metric_names_a_customer(self, job: Job, prometheus: Prometheus) -> None:
        text = prometheus.everything()
        assert "messages_inbound_total" in text
        assert list(_found_in(text, job)) == []

    def test_no_request_to_a_vendor_names_a_customer(self, job: Job) -> None:
        text = "".join(f"{request.headers} {request.message}" for request in job.saas.received)
        assert all(str(entry.message_id) in text for entry in job.journal.entries)
        assert list(_found_in(text, job)) == []

    def test_neither_the_console_nor_a_program_of_the_stack_names_a_customer(self, job: Job) -> None:
        console = job.console.read_text()
        assert console.count("+55********") >= len(job.journal.entries)
        assert list(_found_in(console, job)) == []
        assert [name for name, text in job.program_logs().items() if list(_found_in(text, job))] == []


def _found_in(text: str, job: Job) -> Iterator[str]:
    """Yield the customers' data in *text*: phones in any spelling, names, messages and answers."""
    numbers = set(re.findall(r"[0-9]{8,}", text)) | set(re.findall(r"[0-9]{8,}", _without_spaces(text)))
    joined = " ".join(numbers)
    phones = [job.plan.phone(entry.number).removeprefix("+") for entry in job.journal.entries]
    for phone in (*phones, FAULT_PHONE):
        # With the country code, without it, and the subscriber's eight digits alone.
        if phone in joined or phone[2:] in numbers or phone[-8:] in numbers:
            yield phone
    for words in (WORDS, "Corte R$ 40", "Cliente "):
        if words in text or quote(words) in text:
            yield words


def _without_spaces(text: str) -> str:
    return re.sub(r"(?<=[0-9])[ ().-]{1,2}(?=[0-9])", "", text)
