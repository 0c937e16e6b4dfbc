"""The main job, run once for all tests that read its results."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from job import Job, run_main_job
from stores import Jaeger, LogStore, Loki, Prometheus, Tempo, TraceStore, VictoriaLogs

from whatsself_otel.stack.native import FOUND, remedy

ALWAYS = ("victorialogs", "jaeger")
STORES = {each.name: each for each in (VictoriaLogs, Loki, Jaeger, Tempo)}
COUNTS = pytest.StashKey[dict[str, dict[str, object]]]()


@pytest.fixture(scope="session")
def job(tmp_path_factory: pytest.TempPathFactory, counts: dict[str, dict[str, object]]) -> Iterator[Job]:
    with run_main_job(tmp_path_factory.mktemp("main-job")) as finished:
        counts["stores"] = {name: name in finished.stack.processes for name in (*ALWAYS, *FOUND)}
        counts["sent"] = {**finished.journal.summary(), "restarted": finished.restarted}
        yield finished


@pytest.fixture(scope="session", params=["jaeger", "tempo"])
def trace_store(request: pytest.FixtureRequest, job: Job) -> Iterator[TraceStore]:
    """Each trace store of the stack; Tempo where its program is found."""
    with _store(request.param, job) as store:
        yield store


@pytest.fixture(scope="session", params=["victorialogs", "loki"])
def log_store(request: pytest.FixtureRequest, job: Job) -> Iterator[LogStore]:
    """Each log store of the stack; Loki where its program is found."""
    with _store(request.param, job) as store:
        yield store


def _store(name: str, job: Job) -> Any:
    if name not in job.stack.processes:
        pytest.skip(f"{name.capitalize()} is not on this machine. {remedy(name)}")
    return STORES[name](getattr(job.stack.addresses, name), job.since_s)


@pytest.fixture(scope="session")
def prometheus(job: Job) -> Iterator[Prometheus]:
    with Prometheus(job.stack.addresses.prometheus, job.since_s) as client:
        yield client


@pytest.fixture(scope="session")
def counts(request: pytest.FixtureRequest) -> dict[str, dict[str, object]]:
    """Counts sent and found, shown at the end of the run."""
    return request.config.stash.setdefault(COUNTS, {})


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Show the counts after success and failure, so that the build log holds them."""
    for name, found in config.stash.get(COUNTS, {}).items():
        terminalreporter.write_line(f"e2e {name}: {json.dumps(found)}")
