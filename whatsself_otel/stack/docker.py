"""The stack in containers, by the Compose command of the machine."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from whatsself_otel.stack.errors import CommandError
from whatsself_otel.stack.files import shipped

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
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
    with (
        subprocess.Popen(command, env={**os.environ, **(environ or {})}) as child,  # noqa: S603
        _signals_left_to(child),
    ):
        return child.wait()


@contextmanager
def _signals_left_to(child: subprocess.Popen[bytes]) -> Iterator[None]:
    """
    Let Compose end the containers and itself, which takes longer than Python waits.

    Ctrl-C reaches it from the terminal; what is sent to this process alone is handed on. A handler, unlike SIG_IGN, is
    not inherited by the child.
    """

    def hand_on(number: int, _frame: FrameType | None) -> None:
        if number != signal.SIGINT:
            child.terminate()

    numbers = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = {number: signal.signal(number, hand_on) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
