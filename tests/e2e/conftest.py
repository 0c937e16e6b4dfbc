"""The main job, run once for all tests that read its results."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from job import Job, run_main_job
from stores import Jaeger, Loki, Prometheus, Tempo, TraceStore

from whatsself_otel.cli.native import TEMPO, remedy

COUNTS = pytest.StashKey[dict[str, dict[str, object]]]()


@pytest.fixture(scope="session")
def job(tmp_path_factory: pytest.TempPathFactory, counts: dict[str, dict[str, object]]) -> Iterator[Job]:
    with run_main_job(tmp_path_factory.mktemp("main-job")) as finished:
        counts["sent"] = {**finished.journal.summary(), "restarted": finished.restarted}
        yield finished


@pytest.fixture(scope="session", params=["jaeger", "tempo"])
def trace_store(request: pytest.FixtureRequest, job: Job) -> Iterator[TraceStore]:
    """Each trace store of the stack; Tempo where its program is found."""
    if request.param == "jaeger":
        with Jaeger(job.stack.addresses.jaeger, job.since_s) as jaeger:
            yield jaeger
        return
    if not job.stack.has_tempo:
        pytest.skip(f"Tempo is not on this machine. {remedy(TEMPO)}")
    with Tempo(job.stack.addresses.tempo, job.since_s) as tempo:
        yield tempo


@pytest.fixture(scope="session")
def loki(job: Job) -> Iterator[Loki]:
    with Loki(job.stack.addresses.loki, job.since_s) as client:
        yield client


@pytest.fixture(scope="session")
def prometheus(job: Job) -> Iterator[Prometheus]:
    with Prometheus(job.stack.addresses.prometheus, job.since_s) as client:
        yield client


@pytest.fixture(scope="session")
def counts(request: pytest.FixtureRequest) -> dict[str, dict[str, object]]:
    """What was sent and found, shown at the end of the run."""
    return request.config.stash.setdefault(COUNTS, {})


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Show the counts whatever the outcome, so that the log of a build holds them."""
    for name, found in config.stash.get(COUNTS, {}).items():
        terminalreporter.write_line(f"e2e {name}: {json.dumps(found)}")
