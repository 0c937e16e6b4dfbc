"""The stack in containers, by the Compose command of the machine."""

from __future__ import annotations

import shutil
import signal
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from whatsself_otel.stack.errors import CommandError
from whatsself_otel.stack.files import shipped

if TYPE_CHECKING:
    from collections.abc import Iterator

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


def compose(*arguments: str) -> int:
    """Run ``docker compose`` on the shipped file and return its exit status; Ctrl-C is left to Compose."""
    command = ("docker", "compose", "--file", str(shipped("docker-compose.yml")), *arguments)
    with _interrupts_left_to_child():
        return subprocess.run(command, check=False).returncode  # noqa: S603


@contextmanager
def _interrupts_left_to_child() -> Iterator[None]:
    # subprocess.run kills its child 0.25 s after Ctrl-C; Compose needs longer to stop containers. A handler, unlike
    # SIG_IGN, is not inherited by the child.
    before = signal.signal(signal.SIGINT, lambda _number, _frame: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
