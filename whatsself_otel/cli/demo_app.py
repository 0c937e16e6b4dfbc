"""The demo's application in separate processes, and the messages sent to it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from whatsself_otel.cli.progress import busy
from whatsself_otel.stack.addresses import HOST
from whatsself_otel.stack.errors import CommandError
from whatsself_otel.stack.supervisor import Limits, Process, Supervisor, tail

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from whatsself_otel.demo.traffic import Journal

APP: Final = "demo"
"""The application's name for the supervisor."""
# Settings of the shell that would send the demo's telemetry elsewhere; an empty variable counts as unset.
_NEUTRAL: Final = {
    "OTEL_SDK_DISABLED": "",
    "OTEL_EXPORTER_OTLP_HEADERS": "",
    **{
        f"OTEL_EXPORTER_OTLP_{kind}_{what}": ""
        for kind in ("TRACES", "METRICS", "LOGS")
        for what in ("ENDPOINT", "HEADERS", "PROTOCOL")
    },
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningApp:
    """The demo application while it runs."""

    url: str
    supervisor: Supervisor


@contextlib.contextmanager
def demo_app(
    otlp_endpoint: str, *, workers: int = 1, environment: Mapping[str, str] | None = None
) -> Iterator[RunningApp]:
    """
    Run the demo application in separate processes, on a free port and with an empty database.

    At the end of the block it is stopped, which sends what telemetry it still holds.

    Args:
        otlp_endpoint: Where it sends OTLP over HTTP.
        workers: How many processes.
        environment: Further variables, which win over the demo's own.
    """
    port = _free_port()
    url = f"http://{HOST}:{port}"
    # On Windows a database file that somebody still holds cannot be removed; it is in the temporary folder anyway.
    with tempfile.TemporaryDirectory(prefix="whatsself-demo-", ignore_cleanup_errors=True) as folder:
        process = Process(
            name=APP,
            command=[
                sys.executable, "-m", "uvicorn", "whatsself_otel.demo.app:create_app", "--factory",
                "--host", HOST, "--port", str(port), "--workers", str(workers),
            ],
            ready_url=f"{url}/health",
            environment={**_environment(otlp_endpoint, Path(folder)), **(environment or {})},
        )  # fmt: skip
        with contextlib.ExitStack() as held:
            with busy("Starting the application"):
                limits = Limits(ready_s=60, stop_s=20)
                supervisor = held.enter_context(Supervisor([process], logs=Path(folder), limits=limits))
            yield RunningApp(url=url, supervisor=supervisor)


def _environment(otlp_endpoint: str, folder: Path) -> dict[str, str]:
    return {
        **_NEUTRAL,
        "OTEL_EXPORTER_OTLP_ENDPOINT": otlp_endpoint,
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_SERVICE_NAME": "whatsself",
        "WHATSSELF_OTEL_ENVIRONMENT": "demo",
        "DATABASE_URL": f"sqlite:///{(folder / 'demo.db').as_posix()}",
        "DEMO_FAULTS": "1",
        "DEMO_PACE_PER_MIN": "off",
        "DEMO_PACE_PER_CONTACT": "off",
        "NO_PROXY": f"{HOST},localhost",
    }


def send(app: RunningApp, messages: int) -> Journal:
    """
    Send *messages* and wait until every reply was read.

    Raises:
        CommandError: A message was lost.
    """
    from whatsself_otel.demo.traffic import TrafficPlan, send_traffic

    with busy("Waiting until every message was answered"):
        journal = asyncio.run(send_traffic(TrafficPlan(url=app.url, messages=messages, settle_s=30, retry_s=10)))
    summary = journal.summary()
    if summary["settled"] != messages:
        ending = tail(app.supervisor.log(APP))
        raise CommandError(f"{summary['settled']} of {messages} messages were answered. The log ends with:\n{ending}")
    return journal


def _free_port() -> int:
    with socket.create_server((HOST, 0)) as probe:
        port: int = probe.getsockname()[1]
    return port
