"""Fixtures that every test may use."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import pytest
from hypothesis import settings

from whatsself_otel import Telemetry, TelemetryConfig, setup_telemetry
from whatsself_otel.logs import TelemetryHandler
from whatsself_otel.stack.supervisor import Supervisor, tail

TESTS = Path(__file__).parent
sys.path[:0] = [str(TESTS), *(str(folder) for folder in sorted(TESTS.iterdir()) if folder.is_dir())]
sys.path.insert(0, str(TESTS.parent / "tools"))

from otlp_sink import Sink, run_sink  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator


def pytest_configure() -> None:
    """
    Let children be interrupted, and examples take their time.

    A shell that starts the tests in the background has them ignore SIGINT.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ["WHATSSELF_OTEL_LANG"] = "en"  # whatever the locale of who runs the tests
    settings.register_profile("tests", deadline=None)  # a busy machine is no failure
    settings.load_profile("tests")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show, below a test that failed, the end of what each server that it used has written."""
    report = yield
    if report.failed:
        running = [(name, supervisor.log(name)) for supervisor in SUPERVISORS for name in supervisor.processes]
        logs = [*STOPPED, *((name, tail(path, LOG_LINES)) for name, path in running)]
        report.sections += [(f"log of {name}", text) for name, text in logs if text]
    return report


LOG_LINES = 60
SUPERVISORS: WeakSet[Supervisor] = WeakSet()
STOPPED: list[tuple[str, str]] = []
"""Name and log of the servers that the test has stopped; their folder is often deleted before the report."""


@pytest.fixture(autouse=True, scope="session")
def note_servers() -> Iterator[None]:
    """Remember every supervisor while it lives."""
    start, stop = Supervisor.start, Supervisor.stop

    def noted_start(supervisor: Supervisor) -> None:
        SUPERVISORS.add(supervisor)
        start(supervisor)

    def noted_stop(supervisor: Supervisor) -> None:
        SUPERVISORS.discard(supervisor)
        stop(supervisor)
        STOPPED.extend((name, tail(supervisor.log(name), LOG_LINES)) for name in supervisor.processes)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Supervisor, "start", noted_start)
        patch.setattr(Supervisor, "stop", noted_stop)
        yield


@pytest.fixture(autouse=True)
def forget_servers() -> None:
    """Keep the servers of earlier tests out of a test's report."""
    STOPPED.clear()


@pytest.fixture(autouse=True)
def end_telemetry() -> Iterator[None]:
    """Fail a test that leaves telemetry running, because it would see the logs of later tests."""
    before = threading.excepthook
    yield
    assert threading.excepthook is before, "this test leaves telemetry running"
    left = [handler for handler in logging.getLogger().handlers if isinstance(handler, TelemetryHandler)]
    assert left == [], "this test leaves telemetry's handler on the root logger"


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable of the developer's machine reaches a test."""
    for name in list(os.environ):
        if name.startswith(("OTEL_", "WHATSSELF_OTEL_")) and name not in KEPT_VARIABLES:
            monkeypatch.delenv(name)


KEPT_VARIABLES = {"WHATSSELF_OTEL_CACHE"}
"""Where the natively built programs lie: a fact of the machine, not a setting of the package."""


@pytest.fixture
def sink() -> Iterator[Sink]:
    with run_sink() as running:
        yield running


@pytest.fixture
def start(sink: Sink) -> Iterator[Callable[..., Telemetry]]:
    """Start telemetry that sends to the sink; it is shut down at the end of the test."""
    running: list[Telemetry] = []

    def start_telemetry(app: Any = None, engine: Any = None, **settings: Any) -> Telemetry:
        config = TelemetryConfig(**{"endpoint": sink.url, "log_to_stdout": False, **settings})
        telemetry = setup_telemetry(app, engine, config=config)
        running.append(telemetry)
        return telemetry

    yield start_telemetry
    for telemetry in running:
        telemetry.shutdown()
