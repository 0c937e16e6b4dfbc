"""The stack in containers, by the Compose command of the machine."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from whatsself_otel.stack.errors import CommandError
from whatsself_otel.stack.files import shipped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from types import FrameType

_ASK_S: Final = 10.0


def problem() -> str | None:
    """Return why the stack cannot run in containers here, with the remedy, or None when it can."""
    try:
        shipped("docker-compose.yml")
    except CommandError:
        return "docker-compose.yml comes with a clone of the project, not with the installed package."
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
    Run ``docker compose`` on the shipped file and return its exit status; who ends this process ends Compose.

    Args:
        arguments: Of Compose.
        environ: Variables beside this process's own.
    """
    command = ("docker", "compose", "--file", str(shipped("docker-compose.yml")), *arguments)
    with _signals_left_to_child() as start, start(command, {**os.environ, **(environ or {})}) as child:
        return child.wait()


@contextmanager
def _signals_left_to_child() -> Iterator[Callable[[Sequence[str], Mapping[str, str]], subprocess.Popen[bytes]]]:
    """
    Let Compose end the containers and itself, which takes longer than Python waits; yield what starts it.

    Ctrl-C reaches it from the terminal; what is sent to this process alone is handed on, also what came before the
    start was over. A handler, unlike SIG_IGN, is not inherited by the child.
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
