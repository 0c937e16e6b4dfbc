"""The stack in containers, by the Compose command of the machine."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from whatsself_otel.stack.files import checkout, shipped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from types import FrameType

_ASK_S: Final = 10.0


def problem() -> str | None:
    """Return why the stack cannot run in containers here, with the remedy, or None."""
    if shutil.which("docker") is None:
        return "Docker is not installed. See https://docs.docker.com/get-docker/."
    if not _succeeds("docker", "version", "--format", "{{.Server.Version}}"):
        return "The Docker engine does not answer. Start Docker."
    if not _succeeds("docker", "compose", "version"):
        return "Docker has no Compose plugin. See https://docs.docker.com/compose/install/."
    return None


def _succeeds(*command: str) -> bool:
    try:
        return subprocess.run(command, check=False, capture_output=True, timeout=_ASK_S).returncode == 0  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return False


def compose(*arguments: str, environ: Mapping[str, str] | None = None) -> int:
    """
    Run ``docker compose`` on the shipped file and return its exit status. A signal to this process ends Compose.

    Args:
        arguments: Of Compose.
        environ: Variables beside this process's own.
    """
    with _signals_left_to_child() as start, start(command(*arguments), variables(environ)) as child:
        return child.wait()


def command(*arguments: str) -> tuple[str, ...]:
    """Return the command that runs Compose on the shipped file, with the current folder's ``.env``."""
    file, here = shipped("docker-compose.yml"), Path.cwd() / ".env"
    own = ("--env-file", str(here)) if here.is_file() and here.parent != file.parent else ()
    return ("docker", "compose", *own, "--file", str(file), *arguments)


def variables(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return Compose's environment. An installed package builds the image from its own folder."""
    package = shipped("docker-compose.yml").parent.parent
    installed = {
        "WHATSSELF_OTEL_BUILD_CONTEXT": str(package.parent),
        "WHATSSELF_OTEL_DOCKERFILE": "whatsself_otel/demo/Dockerfile.installed",
    }
    return {**({} if checkout() else installed), **os.environ, **(more or {})}


@contextmanager
def _signals_left_to_child() -> Iterator[Callable[[Sequence[str], Mapping[str, str]], subprocess.Popen[bytes]]]:
    """
    Let Compose end the containers and itself, which takes longer than Python waits; yield a function that starts it.

    Ctrl-C at the terminal reaches Compose directly. Signals to this process alone are passed on, even those that arrive
    during the start. A child does not inherit a handler, unlike SIG_IGN.
    """
    children: list[subprocess.Popen[bytes]] = []
    early: list[int] = []

    def hand_on(number: int, _frame: FrameType | None) -> None:
        if not children:
            early.append(number)
        elif number != signal.SIGINT:
            children[0].terminate()

    def start(command: Sequence[str], environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
        child = subprocess.Popen(command, env=environment)  # noqa: S603
        children.append(child)
        for number in early:
            child.send_signal(signal.SIGTERM if number != signal.SIGINT or sys.platform == "win32" else signal.SIGINT)
        return child

    numbers = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = {number: signal.signal(number, hand_on) for number in numbers}
    try:
        yield start
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
