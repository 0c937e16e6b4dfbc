"""benchmarks/load.py counts what it sends and reports every refusal."""

from __future__ import annotations

import json
import runpy
from typing import TYPE_CHECKING

from binaries import ROOT
from otlp_sink import run_sink

if TYPE_CHECKING:
    import pytest

LOAD = runpy.run_path(str(ROOT / "benchmarks/load.py"))


def test_sends_a_message_as_eight_spans_of_one_trace_and_four_records_each_with_a_number() -> None:
    with run_sink() as first, run_sink() as second:
        sent = LOAD["send"](LOAD["Target"]([first.url, second.url]), 30_000, 0.1)
        spans = [span for sink in (first, second) for span in sink.spans()]
        records = [log for sink in (first, second) for log in sink.logs()]

    assert (sent.messages, sent.spans, sent.records, sent.refused) == (50, 400, 200, {})
    assert {span.attributes[LOAD["NUMBER"]] for span in spans} == {f"s{number}" for number in range(400)}
    assert {log.attributes[LOAD["NUMBER"]] for log in records} == {f"r{number}" for number in range(200)}
    assert len({span.trace_id for span in spans}) == 50
    assert all(len(sink.received) == 2 for sink in (first, second))


def test_what_is_refused_is_counted_and_the_exit_status_1(capsys: pytest.CaptureFixture[str]) -> None:
    with run_sink() as sink:
        sink.status = 400
        status = LOAD["main"](["--url", sink.url, "--messages-per-minute", "30000", "--duration-s", "0.1"])

    told = json.loads(capsys.readouterr().out)
    assert (status, told["messages"], told["refused"]) == (1, 0, {"400": 4})
