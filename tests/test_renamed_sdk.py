"""
Telemetry leaves although OpenTelemetry renamed a private name of `_sdk.py`, and health names the lost part.

The names come from `_sdk.py` itself; tests/test_sdk_wall.py sees to it that its list is whole.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from children import environment
from otlp_sink import Sink, run_sink
from rows import for_each

from whatsself_otel import _sdk
from whatsself_otel.logs.record import RECORDS
from whatsself_otel.traces import spans

PARTS = [*(value for value in vars(_sdk).values() if isinstance(value, _sdk.Part)), spans.SPANS, RECORDS]
NAMES = sorted({name for part in PARTS for name in part.names})
CONTROL = "no_such_name_anywhere"
BY_CONTRIB = {CONTROL, *_sdk.CONVENTIONS.names, *_sdk.STATEMENTS.names}
"""Names for which contrib's instrumentation runs too; that doubles their time."""
SPANS = {"POST", "OWN", "SELECT"}
"""The first words of their names."""

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")


@pytest.fixture(scope="module")
def runs() -> Any:
    """The application's own report, and the telemetry that arrived, for each name that was renamed."""
    program = str(Path(__file__).parent / "support" / "renamed_sdk.py")
    with run_sink() as sink:
        command = [sys.executable, program, sink.url]
        command += [f"{name}=own" + ("+contrib" if name in BY_CONTRIB else "") for name in (CONTROL, *NAMES)]
        done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=600, check=True)
        yield {line["name"]: line["report"] for line in map(json.loads, done.stdout.splitlines())}, sink


def arrived(sink: Sink, service: str) -> tuple[set[str], int, set[str]]:
    """Return the spans, the number of log records and the metrics of one run."""
    spans = {span.name for span in sink.spans() if span.resource["service.name"] == service}
    logs = sum(record.resource["service.name"] == service for record in sink.logs())
    metrics = {
        metric.name
        for received in sink.received
        if received.path == "/v1/metrics"
        for resource in received.message.resource_metrics
        if any(pair.value.string_value == service for pair in resource.resource.attributes)
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }
    return spans, logs, metrics


@for_each("name", [CONTROL, *NAMES])
def test_all_three_signals_leave_and_health_names_what_fell_back(name: str, runs: Any) -> None:
    reports, sink = runs
    for report in reports[name]:
        spans, logs, metrics = arrived(sink, f"{name} {report['way']}")

        assert (report["status"], report["flushed"]) == ([200], True)
        assert {name.partition(" ")[0].upper() for name in spans} == SPANS  # contrib names statements otherwise
        assert logs == 1
        assert metrics >= {"http.server.request.duration", "messages.inbound"}
    said = "\n".join(reports[name][-1]["problems"])
    lost = [part.lost in said for part in PARTS if name in part.names]
    assert reports[name][-1]["ok"] == (name == CONTROL)
    assert any(lost) == (name != CONTROL)
