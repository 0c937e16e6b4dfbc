"""Runs the main job: real backends, the demo with two workers, its traffic, and restarts on the way."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from binaries import need
from otlp_sink import Sink, run_sink

from whatsself_otel.demo.traffic import Journal, TrafficPlan, send_traffic, trace_id_of
from whatsself_otel.stack.addresses import Addresses, free_ports
from whatsself_otel.stack.native import BUILT
from whatsself_otel.stack.native_stack import Stack, StackConfig
from whatsself_otel.stack.supervisor import Process, Supervisor

MESSAGES = 300
WORKERS = 2
ENVIRONMENT = "e2e"
WORDS = "entrego na Rua das Acacias 77"
"""What everybody writes besides the trigger; it must be seen nowhere."""
FAULT_PHONE = "5511912345678"
"""Whom the exception of the demo's failing route names."""
SAAS_KEY = "key-of-the-stand-in"
_TRAFFIC_DEADLINE_S = 150.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """The finished job: the sender's counts, and the addresses of the backends."""

    plan: TrafficPlan
    journal: Journal
    stack: Stack
    since_s: float
    restarted: list[str]
    saas: Sink
    """The stand-in for the vendor's OTLP endpoint."""
    failed_trace: str
    """Trace of a request that failed with an exception whose text names a phone."""
    console: Path
    """The application's standard output."""

    def program_logs(self) -> dict[str, str]:
        """Return what each program of the stack has logged."""
        return {name: self.stack.log(name).read_text(errors="replace") for name in self.stack.processes}


@dataclass(frozen=True, slots=True, kw_only=True)
class Restart:
    """One interruption: what, and after how many answered messages."""

    name: str
    after: int
    act: Callable[[], None]


@contextmanager
def run_main_job(folder: Path) -> Iterator[Job]:
    """
    Send everything; the backends answer until the block ends.

    Args:
        folder: Where databases, stores and logs go.
    """
    for program in BUILT:
        need(program)
    since_s = time.time()
    with ExitStack() as opened:
        saas = opened.enter_context(run_sink())
        environment = opened.enter_context(pytest.MonkeyPatch.context())
        environment.setenv("HONEYCOMB_ENDPOINT", saas.url)
        environment.setenv("HONEYCOMB_API_KEY", SAAS_KEY)
        config = StackConfig(data=folder / "data", addresses=Addresses.free(), vendors=("honeycomb",))
        stack = opened.enter_context(Stack(config))
        app = opened.enter_context(run_app(stack.addresses.otlp_http, folder))
        plan = TrafficPlan(
            url=app.url,
            messages=MESSAGES,
            failing=0.1,
            body=f"precos, {WORDS}",
            per_s=12,
            settle_s=30,
        )
        journal = Journal()
        restarted = _send_with_restarts(plan, journal, _restarts(stack, app))
        failed = httpx.get(f"{app.url}/api/faults/error", trust_env=False)
        assert failed.status_code == httpx.codes.INTERNAL_SERVER_ERROR
        yield Job(
            plan=plan,
            journal=journal,
            stack=stack,
            since_s=since_s,
            restarted=restarted,
            saas=saas,
            failed_trace=str(trace_id_of(failed)),
            console=app.supervisor.log("app"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """The running demo application."""

    url: str
    supervisor: Supervisor


@contextmanager
def run_app(otlp_endpoint: str, folder: Path, **environment: str) -> Iterator[App]:
    """
    Run the demo as an operator would: uvicorn, two workers, SQLite.

    Args:
        otlp_endpoint: Where it sends its telemetry.
        folder: Where its database and its output go.
        environment: Further variables.
    """
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    arguments = f"uvicorn whatsself_otel.demo.app:create_app --factory --port {port} --workers {WORKERS}"
    process = Process(
        name="app",
        command=[sys.executable, "-m", *arguments.split()],
        ready_url=f"{url}/health",
        environment={
            "OTEL_EXPORTER_OTLP_ENDPOINT": otlp_endpoint,
            "OTEL_METRIC_EXPORT_INTERVAL": "3000",
            "WHATSSELF_OTEL_ENVIRONMENT": ENVIRONMENT,
            "DATABASE_URL": f"sqlite:///{folder / 'demo.db'}",
            "DEMO_FAULTS": "1",
            "DEMO_PACE_PER_MIN": "off",
            # A tenth fails on purpose; by chance one worker may see a quarter of its first twenty fail.
            "DEMO_BREAKER": "off",
            **environment,
        },
    )
    with Supervisor([process], logs=folder) as supervisor:
        yield App(url=url, supervisor=supervisor)


RESTARTED_STORES = ("victorialogs", "loki", "prometheus")
"""
The backends that are restarted, where they run: those that lose nothing they have acknowledged when they are stopped.

On stop Jaeger discards the queue of spans that it has already taken (jaeger v1.62.0, pkg/queue/bounded_queue.go), and
in one run of seven a restarted Tempo lacked spans of one trace that Jaeger had whole.
"""


def restarted_stores(stack: Stack) -> list[str]:
    """Return the stores that are restarted while messages are sent."""
    return [name for name in RESTARTED_STORES if name in stack.processes]


def _restarts(stack: Stack, app: App) -> list[Restart]:
    return [
        Restart(name="collector", after=50, act=lambda: stack.restart("collector")),
        Restart(name="application", after=110, act=lambda: app.supervisor.restart("app")),
        *(
            Restart(name=name, after=170 + 20 * number, act=lambda name=name: stack.restart(name))  # type: ignore[misc]
            for number, name in enumerate(restarted_stores(stack))
        ),
    ]


def _send_with_restarts(plan: TrafficPlan, journal: Journal, restarts: list[Restart]) -> list[str]:
    """Send from a thread; restart from this one, because programs end with the thread that started them."""
    failures: list[BaseException] = []

    def send() -> None:
        try:
            asyncio.run(send_traffic(plan, journal))
        except BaseException as error:  # noqa: BLE001 - shown by the thread that waits
            failures.append(error)

    sender = threading.Thread(target=send, daemon=True)
    sender.start()
    restarted = []
    for restart in restarts:
        while sender.is_alive() and journal.summary()["accepted"] < restart.after:
            time.sleep(0.05)
        if sender.is_alive():
            restart.act()
            restarted.append(f"{restart.name}@{journal.summary()['accepted']}")
    sender.join(_TRAFFIC_DEADLINE_S)
    assert failures == []
    assert not sender.is_alive()
    return restarted
