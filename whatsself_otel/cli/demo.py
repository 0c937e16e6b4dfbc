"""``whatsself-otel demo``: one message, followed from end to end."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import json
import signal
import socket
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from whatsself_otel.cli.progress import busy
from whatsself_otel.cli.stack import Running
from whatsself_otel.cli.view import note_file
from whatsself_otel.stack import containers, native
from whatsself_otel.stack.addresses import HOST
from whatsself_otel.stack.errors import MISSING, CommandError
from whatsself_otel.stack.paths import data_dir
from whatsself_otel.stack.supervisor import Limits, Process, Supervisor, tail
from whatsself_otel.viewer.console_view import Paint, render

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Mapping

    from whatsself_otel.demo.traffic import Journal
    from whatsself_otel.viewer.server import Viewer

STACKS: Final = ("docker", "native", "python")
APP: Final = "demo"
"""What the supervisor calls the application."""
_FULL_STACK: Final = (
    "For the real backends: `whatsself-otel stack up` (Docker, or built natively with Go), then this command again."
)
_PACKAGES: Final = ("aiosqlite", "fastapi", "httpx", "sqlalchemy", "uvicorn", "yaml")
"""What the extra ``demo`` brings."""
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
class Choice:
    """Where the demo sends its telemetry, and why there."""

    stack: str
    """One of `STACKS`."""
    why: str


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``demo``."""
    parser = commands.add_parser(
        "demo",
        help="send one WhatsApp-like message and show its trace, logs and metrics",
        description="Runs a small WhatsSelf, sends it a message and shows what telemetry tells about that message. "
        "Takes Docker if an engine answers, else the native stack if it is built, else Python alone.",
    )
    parser.add_argument("--stack", choices=STACKS, help="where telemetry goes (default: the best that is there)")
    parser.add_argument("--messages", type=int, default=1, help="messages to send; the first is shown (default: 1)")
    parser.add_argument("--json", action="store_true", help="print one JSON object, for programs")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the demo."""
    if absent := [name for name in _PACKAGES if not _has(name)]:
        raise CommandError(
            f"The demo needs {', '.join(absent)}. Run: pip install 'whatsself-otel[demo]'", status=MISSING
        )
    if arguments.messages < 1:
        raise CommandError(f"--messages must be 1 or more, got {arguments.messages}.", status=2)
    choice = choose(arguments.stack)
    if not arguments.json:
        print(f"Stack: {choice.stack}, because {choice.why}", flush=True)
    with terminating():
        if choice.stack == "python":
            return _run_python(arguments)
        from whatsself_otel.cli.demo_stack import run_stack

        return run_stack(arguments, choice)


def choose(wanted: str | None) -> Choice:
    """
    Decide where the demo sends its telemetry.

    Args:
        wanted: One of `STACKS`, or ``None`` for the best that is there.

    Raises:
        CommandError: What was wanted is not there.
    """
    if wanted == "python":
        return Choice(stack="python", why="it was asked for")
    if wanted is not None:
        problem = containers.problem() if wanted == "docker" else _native_problem()
        if problem:
            raise CommandError(f"The {wanted} stack cannot be used. {problem} Or: --stack python.", status=MISSING)
        return Choice(stack=wanted, why="it was asked for")
    if Running.read(data_dir()) is not None:
        return Choice(stack="native", why="it runs already")
    no_docker = containers.problem()
    if no_docker is None:
        return Choice(stack="docker", why="a Docker engine with Compose answers")
    no_native = _native_problem()
    if no_native is None:
        return Choice(stack="native", why=f"its programs are built, and not Docker: {no_docker}")
    return Choice(stack="python", why=f"the others are not there.\n  Docker: {no_docker}\n  Native: {no_native}")


def _native_problem() -> str | None:
    if Running.read(data_dir()) is not None:
        return None
    absent = native.missing()
    return f"Not on this machine: {', '.join(absent)}. {native.remedy(absent[0])}" if absent else None


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
    Run the demo application in processes of its own, on a free port and with an empty database.

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


def _run_python(arguments: argparse.Namespace) -> int:
    from whatsself_otel.viewer.server import Viewer, ViewerConfig
    from whatsself_otel.viewer.story import tell

    is_watched = sys.stdout.isatty() and not arguments.json
    with Viewer(ViewerConfig(note=note_file() if is_watched else None)) as viewer:
        with demo_app(viewer.url) as app:
            journal = send(app, arguments.messages)
        story = tell(viewer.store, journal.entries[0].trace_id or "")
        if arguments.json:
            print(json.dumps({"stack": "python", **story.as_json()}, ensure_ascii=False))
            return 0
        print("One message was sent over HTTP, answered from the queue, and read. This is what left the application:\n")
        print(render(story, Paint.for_stream(sys.stdout)))
        print(f"\n{_FULL_STACK}", flush=True)
        if is_watched:
            _hold(viewer)
    return 0


def _hold(viewer: Viewer) -> None:
    """Show the page, and keep a demo running that takes one's own messages."""
    with demo_app(viewer.url) as app:
        paint = Paint.for_stream(sys.stdout)
        print(f"\n{paint.bold('The same on a page')}  {paint.green(viewer.page)}")
        print("\nA message of your own, from another terminal:")
        print(f"  python -m whatsself_otel.demo.traffic --url {app.url} --messages 1 --body precos")
        print("\nIt runs until Ctrl-C.", flush=True)
        viewer.wait()


def _free_port() -> int:
    with socket.create_server((HOST, 0)) as probe:
        port: int = probe.getsockname()[1]
    return port


def _has(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


@contextlib.contextmanager
def terminating() -> Iterator[None]:
    """End like Ctrl-C when told to terminate, so that every block cleans up."""

    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
