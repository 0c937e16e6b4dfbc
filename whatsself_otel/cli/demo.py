"""``whatsself-otel demo``: one message, followed from end to end."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from whatsself_otel.cli.arguments import whole
from whatsself_otel.cli.demo_app import demo_app, send
from whatsself_otel.cli.stack import Running
from whatsself_otel.cli.terminal import print_json, say, show
from whatsself_otel.cli.termination import terminating
from whatsself_otel.cli.trace_sources import ViewerSource
from whatsself_otel.demo.requirements import install_command
from whatsself_otel.language import translated
from whatsself_otel.stack import containers, native
from whatsself_otel.stack.errors import MISSING, CommandError
from whatsself_otel.stack.paths import data_dir
from whatsself_otel.stack.store_http import SourceError
from whatsself_otel.viewer.console_view import Paint, render, render_tree
from whatsself_otel.viewer.note import note_file

if TYPE_CHECKING:
    import argparse

    from whatsself_otel.viewer.server import Viewer

STACKS: Final = ("docker", "native", "viewer", "python")
_FULL_STACK: Final = (
    "For the real backends: `whatsself-otel stack up` (Docker, wheels, or built with Go), then this command again."
)
_PACKAGES: Final = ("aiosqlite", "fastapi", "httpx", "sqlalchemy", "uvicorn", "yaml")
"""Modules of the extra ``demo``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Target of the demo's telemetry, and the reason."""

    stack: str
    """One of `STACKS`."""
    why: str


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``demo``."""
    parser = commands.add_parser(
        "demo",
        help="send one WhatsApp-like message and show its trace, logs and metrics",
        description="Runs a small WhatsSelf, sends it a message and shows what telemetry tells about that message. "
        "Takes a stack or a viewer that runs, else Docker if an engine answers, else the native stack if it is "
        "built, else Python alone.",
    )
    parser.add_argument("--stack", choices=STACKS, help="where telemetry goes (default: the best that is there)")
    parser.add_argument("--messages", type=whole(1), default=1, help="messages to send; the first is shown")
    parser.add_argument("--json", action="store_true", help="print one JSON object, for programs")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the demo."""
    if absent := [name for name in _PACKAGES if not _has(name)]:
        raise CommandError(f"The demo needs {', '.join(absent)}. Run: {install_command('demo')}", status=MISSING)
    choice = choose(arguments.stack)
    if not arguments.json:
        say(f"Stack: {choice.stack}, because {choice.why}")
    with terminating():
        if choice.stack == "python":
            return _run_python(arguments)
        if choice.stack == "viewer":
            return _run_viewer(arguments)
        from whatsself_otel.cli.demo_stack import run_stack

        return run_stack(arguments, choice)


def choose(wanted: str | None) -> Choice:
    """
    Choose the target of the demo's telemetry.

    Args:
        wanted: One of `STACKS`, or ``None`` for the best that is there.

    Raises:
        CommandError: What was wanted is not there.
    """
    if wanted is not None:
        if wanted != "python" and (problem := _problem(wanted)):
            raise CommandError(f"The {wanted} stack cannot be used. {problem} Or: --stack python.", status=MISSING)
        return Choice(stack=wanted, why="it was asked for")
    if Running.read(data_dir()) is not None:
        return Choice(stack="native", why="it runs already")
    if _running_viewer():
        return Choice(stack="viewer", why="it runs already")
    no_docker = containers.problem()
    if no_docker is None:
        return Choice(stack="docker", why="a Docker engine with Compose answers")
    no_native = _native_problem()
    if no_native is None:
        return Choice(stack="native", why=f"its programs are built, and not Docker: {no_docker}")
    return Choice(stack="python", why=f"the others are not there.\n  Docker: {no_docker}\n  Native: {no_native}")


def _problem(stack: str) -> str | None:
    if stack == "viewer":
        return None if _running_viewer() else "No viewer runs here: whatsself-otel view starts one."
    return containers.problem() if stack == "docker" else _native_problem()


def _native_problem() -> str | None:
    if Running.read(data_dir()) is not None:
        return None
    absent = native.missing()
    return f"Not on this machine: {', '.join(absent)}. {native.remedy(absent[0])}" if absent else None


def _running_viewer() -> ViewerSource | None:
    """Return the viewer that left a note and answers to its token."""
    found = ViewerSource.find_running(url=None, token=None)
    try:
        if found is not None:
            found.find("anybody")
    except SourceError:
        return None
    return found


def _run_viewer(arguments: argparse.Namespace) -> int:
    viewer = _running_viewer()
    if viewer is None:
        raise CommandError("The viewer has ended meanwhile. Start it again: whatsself-otel view.")
    with demo_app(viewer.url) as app:
        journal = send(app, arguments.messages)
    trace_id = journal.entries[0].trace_id or ""
    story = viewer.story(trace_id)
    if arguments.json:
        print_json("demo", stack="viewer", **story.as_json())
        return 0
    paint = Paint.for_stream(sys.stdout)
    say("One message was sent over HTTP, answered from the queue, and read. This is its trace:", "")
    show("\n".join(render_tree(story.spans, paint)))
    show(f"\n{paint.bold(translated('The same on the page that is open'))}  {translated('search for')} {trace_id}")
    say("", _FULL_STACK)
    return 0


def _run_python(arguments: argparse.Namespace) -> int:
    from whatsself_otel.viewer.server import Viewer, ViewerConfig
    from whatsself_otel.viewer.story import tell

    is_watched = sys.stdout.isatty() and not arguments.json
    with Viewer(ViewerConfig(note=note_file() if is_watched else None)) as viewer:
        with demo_app(viewer.url) as app:
            journal = send(app, arguments.messages)
        story = tell(viewer.store, journal.entries[0].trace_id or "")
        if arguments.json:
            print_json("demo", stack="python", **story.as_json())
            return 0
        say("One message was sent over HTTP, answered from the queue, and read. This is what left the application:", "")
        show(render(story, Paint.for_stream(sys.stdout)))
        say("", _FULL_STACK)
        if is_watched:
            _hold(viewer)
    return 0


def _hold(viewer: Viewer) -> None:
    """Show the page, and keep a demo running that takes one's own messages."""
    with demo_app(viewer.url) as app:
        paint = Paint.for_stream(sys.stdout)
        show(f"\n{paint.bold(translated('The same on a page'))}  {paint.green(viewer.page)}")
        say("", "A message of your own, from another terminal:")
        show(f"  python -m whatsself_otel.demo.traffic --url {app.url} --messages 1 --body precos")
        say("", "It runs until Ctrl-C.")
        viewer.wait()


def _has(module: str) -> bool:
    return importlib.util.find_spec(module) is not None
