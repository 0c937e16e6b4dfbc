"""The third way to run, with nothing but Python: the application sends to the viewer, and the same is found there."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from expectations import Row, as_row, expected_increases, expected_lines, missing_from_trace
from job import run_app
from stores import Viewer, wait_until_found

from whatsself_otel.catalogue import CONTACT_ID, MESSAGE_ID
from whatsself_otel.cli import main
from whatsself_otel.demo.traffic import Journal, TrafficPlan, send_traffic
from whatsself_otel.viewer.server import Viewer as RunningViewer

pytestmark = pytest.mark.e2e

MESSAGES = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedded:
    """The finished job."""

    journal: Journal
    store: Viewer
    running: RunningViewer


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory, counts: dict[str, dict[str, object]]) -> Iterator[Embedded]:
    folder = tmp_path_factory.mktemp("embedded-job")
    with RunningViewer() as running, Viewer(running.url, running.token, time.time()) as store:
        with run_app(running.url, folder) as app:
            plan = TrafficPlan(url=app.url, messages=MESSAGES, failing=0.1, per_s=12, settle_s=30)
            journal = asyncio.run(send_traffic(plan))
        counts["sent to the viewer"] = dict(journal.summary())
        yield Embedded(journal=journal, store=store, running=running)


class TestEmbedded:
    def test_every_message_was_taken_and_settled(self, embedded: Embedded) -> None:
        summary = embedded.journal.summary()

        assert summary["accepted"] == summary["settled"] == MESSAGES

    def test_each_message_is_found_whole_by_message_and_contact(self, embedded: Embedded) -> None:
        entries = {entry.number: entry for entry in embedded.journal.entries}

        def problems_of(number: int) -> list[str]:
            entry = entries[number]
            for key, value in ((MESSAGE_ID, entry.message_id), (CONTACT_ID, entry.contact_id)):
                if entry.trace_id not in embedded.store.find(key, str(value)):
                    return [f"no trace with {key}={value}"]
            return list(missing_from_trace(entry, embedded.store.spans(str(entry.trace_id))))

        wait_until_found(entries, problems_of)

    def test_each_expected_line_is_there_exactly_once(self, embedded: Embedded) -> None:
        expected = [row for entry in embedded.journal.entries for row in expected_lines(entry)]
        beginnings = {row.begins for row in expected}
        traces = {str(entry.trace_id) for entry in embedded.journal.entries}
        found: Counter[Row | None] = Counter(
            as_row(line, beginnings) for trace in traces for line in embedded.store.lines(trace)
        )

        assert {row: found[row] for row in expected if found[row] != 1} == {}

    def test_counters_equal_the_journal(self, embedded: Embedded) -> None:
        expected = expected_increases(embedded.journal)
        found = {selector: embedded.store.count(*_parsed(selector)) for selector in expected}

        assert found == expected

    def test_trace_prints_it(self, embedded: Embedded, capsys: pytest.CaptureFixture[str]) -> None:
        entry = embedded.journal.entries[0]
        where = ["--from", "viewer", "--url", embedded.running.url, "--token", embedded.running.token]

        assert main(["trace", str(entry.message_id), *where]) == 0
        assert "send whatsapp" in capsys.readouterr().out


def _parsed(selector: str) -> tuple[str, dict[str, str]]:
    """Return metric and labels of a selector such as ``name{label="value"}``."""
    name, _, rest = selector.rstrip("}").partition("{")
    pairs = [pair.split("=", 1) for pair in rest.split(",") if pair]
    return name.removesuffix("_count"), {label: value.strip('"') for label, value in pairs}
