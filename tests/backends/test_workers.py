"""Prometheus's sum over four workers under load, two of them killed, equals the answers, within a stated bound."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from binaries import COLLECTOR, Program, free_ports, need, run_collector, running
from prometheus_server import Prometheus, run_prometheus, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [
    pytest.mark.collector,
    pytest.mark.backend,
    pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL"),
]

WORKERS = 4
REQUESTS = 300
INTERVAL_S = 0.5
METRICS = (
    'http_server_request_duration_seconds_count{http_route="/work"}',
    'messages_outbound_total{origin="manual"}',
)


@dataclass
class Journal:
    """The client's own count of answers, by worker."""

    answers: Counter[str] = field(default_factory=Counter)
    pids: dict[str, int] = field(default_factory=dict)
    unexported: Counter[str] = field(default_factory=Counter)
    """Answers of the killed workers, none of them exported."""

    def note(self, answer: dict[str, str]) -> None:
        self.answers[answer["instance"]] += 1
        self.pids[answer["instance"]] = int(answer["pid"])


def ask(url: str, count: int, journal: Journal) -> None:
    """Send each request on a new connection so that every worker gets some."""
    with httpx.Client(base_url=url, timeout=30, limits=httpx.Limits(max_keepalive_connections=0)) as client:
        for _ in range(count):
            journal.note(client.get("/work").raise_for_status().json())


@dataclass(frozen=True, slots=True)
class Run:
    prometheus: Prometheus
    journal: Journal
    killed: set[str]

    def totals(self, metric: str) -> dict[str, int]:
        """Return the last value of each instance, ended ones included."""
        found = self.prometheus.query(f"sum by (instance) (max_over_time({metric}[10m]))")
        return {series["metric"]["instance"]: int(float(series["value"][1])) for series in found}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    need(COLLECTOR)
    folder = tmp_path_factory.mktemp("workers")
    nowhere = f"127.0.0.1:{free_ports(1)[0]}"
    with run_prometheus(folder) as prometheus:
        environ = {
            "PROMETHEUS_OTLP_ENDPOINT": f"{prometheus.url}/api/v1/otlp",
            "LOKI_OTLP_ENDPOINT": f"http://{nowhere}/otlp",
            "TEMPO_OTLP_ENDPOINT": nowhere,
        }
        with run_collector("local", environ=environ, folder=folder) as collector:
            yield work_and_kill(prometheus, collector.http_url, folder)


def work_and_kill(prometheus: Prometheus, collector_url: str, folder: Path) -> Run:
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    arguments = ["--app-dir", str(Path(__file__).parent), "--workers", str(WORKERS), "--port", str(port)]
    program = Program(
        command=[sys.executable, "-m", "uvicorn", "worker_app:app", *arguments],
        ready_url=f"{url}/openapi.json",
        environ={
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector_url,
            "OTEL_METRIC_EXPORT_INTERVAL": str(int(INTERVAL_S * 1000)),
            "OTEL_TRACES_EXPORTER": "none",
            "OTEL_LOGS_EXPORTER": "none",
        },
        log=folder / "uvicorn.log",
    )
    journal = Journal()
    with running(program):
        ask(url, REQUESTS, journal)
        time.sleep(3 * INTERVAL_S)  # what was answered until here has been exported
        before = Counter(journal.answers)
        ask(url, REQUESTS // 3, journal)
        killed = set(list(journal.pids)[:2])
        for instance in killed:
            os.kill(journal.pids[instance], signal.SIGKILL)
        journal.unexported = Counter({one: journal.answers[one] - before[one] for one in killed})
        wait_until(lambda: len(answering(url, journal)) >= WORKERS)
        ask(url, REQUESTS, journal)
    return Run(prometheus, journal, killed)


def answering(url: str, journal: Journal) -> set[str]:
    """Return the workers that answer now, the killed ones' successors among them."""
    now = Journal()
    try:
        ask(url, 20, now)
    except httpx.HTTPError:  # the connection of a worker that has just been killed
        return set()
    finally:
        journal.answers.update(now.answers)
        journal.pids.update(now.pids)
    return set(now.answers)


@pytest.mark.parametrize("metric", METRICS)
class TestTotals:
    def test_of_workers_that_ended_in_order_are_exact(self, run: Run, metric: str) -> None:
        whole = {one: count for one, count in run.journal.answers.items() if one not in run.killed}
        wait_until(lambda: whole.items() <= run.totals(metric).items())
        totals = run.totals(metric)
        assert whole == {one: totals.get(one) for one in whole}

    def test_of_killed_workers_lack_at_most_what_was_not_yet_exported(self, run: Run, metric: str) -> None:
        wait_until(lambda: run.killed <= set(run.totals(metric)))
        totals = run.totals(metric)
        assert len(run.killed) == 2
        for one in run.killed:
            answered = run.journal.answers[one]
            assert answered - run.journal.unexported[one] <= totals[one] <= answered


def test_every_worker_is_an_instance_of_its_own_and_the_killed_have_successors(run: Run) -> None:
    assert len(run.journal.answers) == WORKERS + 2
    wait_until(lambda: set(run.totals("process_uptime_seconds")) >= set(run.journal.answers))
    assert set(run.totals("process_uptime_seconds")) >= set(run.journal.answers)
