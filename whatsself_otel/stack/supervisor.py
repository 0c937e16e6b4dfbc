"""Start programs in order, wait until each is ready, and stop them all."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Final, Self

from whatsself_otel.stack.errors import CommandError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

_POLL_S: Final = 0.1
_TAIL_LINES: Final = 15

# Run in the child's place, then replaced by the program: the kernel ends it when this process dies, even by SIGKILL.
# The second check covers a parent that died before the first line ran. preexec_fn would do the same, but not beside
# threads (https://docs.python.org/3/library/subprocess.html#popen-constructor).
_DIE_WITH_PARENT: Final = """\
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGTERM)
if os.getppid() == int(sys.argv[1]):
    os.execv(sys.argv[2], sys.argv[2:])
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """One program to run, and its readiness check."""

    name: str
    command: Sequence[str]
    """Absolute path of the program, then its arguments."""
    ready_url: str
    """URL that answers 200 once the program works."""
    ports: Mapping[str, int] = field(default_factory=dict)
    """Variable that sets the port -> TCP port of 127.0.0.1 that the program listens on."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables added to this process's own."""
    stage: int = 0
    """Programs of one stage start together, and only when every earlier stage is ready."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long to wait, in seconds."""

    ready_s: float = 90.0
    """Seconds from start to ready, for each stage."""
    stop_s: float = 15.0
    """Seconds from the stop request to the kill."""


class Supervisor:
    """
    Runs *processes*; a context manager that always stops them all at its end.

    Start it in the main thread, or in one that outlives it: on Linux, programs end with the thread that started them.

    Args:
        processes: In order of starting.
        logs: Folder of ``NAME.log``; the log of the run before is kept as ``NAME.log.1``.
        limits: How long to wait.
        say: Told what happens, a line at a time.
    """

    def __init__(
        self,
        processes: Iterable[Process],
        *,
        logs: Path,
        limits: Limits | None = None,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.processes = {process.name: process for process in processes}
        self._logs = logs
        self._limits = limits or Limits()
        self._say = say
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """
        Start every process and return when all are ready.

        Raises:
            CommandError: A port is taken, or a program ended or was not ready in time. Nothing is left running.
        """
        try:
            for process in self.processes.values():
                check_ports(process.name, process.ports)
            for stage in sorted({process.stage for process in self.processes.values()}):
                self._start_stage([process for process in self.processes.values() if process.stage == stage])
        except BaseException:
            self.stop()
            raise

    def _start_stage(self, processes: Sequence[Process]) -> None:
        started = time.monotonic()
        for process in processes:
            self._spawn(process)
        pending = list(processes)
        while pending:
            for process in [process for process in pending if self._is_ready(process, started)]:
                pending.remove(process)
                self._say(f"{process.name}: ready after {time.monotonic() - started:.1f} s")
            time.sleep(_POLL_S if pending else 0)

    def _spawn(self, process: Process, *, append: bool = False) -> None:
        path = self.log(process.name)
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and not append:
            path.replace(path.with_name(f"{path.name}.1"))
        with path.open("ab") as output:
            self._running[process.name] = _popen(process, output)

    def _is_ready(self, process: Process, started: float) -> bool:
        if answers(process.ready_url):
            return True
        status = self._running[process.name].poll()
        if status is not None:
            raise CommandError(f"{process.name} ended with status {status} before it was ready. {self._tail(process)}")
        if time.monotonic() - started > self._limits.ready_s:
            raise CommandError(f"{process.name} was not ready in {self._limits.ready_s:g} s. {self._tail(process)}")
        return False

    def log(self, name: str) -> Path:
        """Return the log file of *name*."""
        return self._logs / f"{name}.log"

    def _tail(self, process: Process) -> str:
        path = self.log(process.name)
        return f"{path} ends with:\n{tail(path)}"

    def running(self, name: str) -> bool:
        """Return whether *name* runs."""
        process = self._running.get(name)
        return process is not None and process.poll() is None

    def pid(self, name: str) -> int:
        """Return the process id of the started process *name*."""
        return self._running[name].pid

    def restart(self, name: str, *, kill: bool = False) -> None:
        """
        Stop *name*, start it again and return when it is ready; the others run on.

        Args:
            name: Name of a process.
            kill: Without a chance to clean up, as a crash would.
        """
        process = self.processes[name]
        self.stop_one(name, kill=kill)
        started = time.monotonic()
        self._spawn(process, append=True)
        while not self._is_ready(process, started):
            time.sleep(_POLL_S)

    def stop_one(self, name: str, *, kill: bool = False) -> None:
        """Stop *name* only; ``restart`` brings it back."""
        if kill and name in self._running:
            self._running[name].kill()
        self._stop([name])

    def stop(self) -> None:
        """Stop every process, the last stage first. A second Ctrl-C kills the rest."""
        stages = sorted({process.stage for process in self.processes.values()}, reverse=True)
        try:
            for stage in stages:
                self._stop([process.name for process in self.processes.values() if process.stage == stage])
        except BaseException:
            for process in self._running.values():
                process.kill()
            raise

    def _stop(self, names: Iterable[str]) -> None:
        processes = {name: self._running[name] for name in names if name in self._running}
        for process in processes.values():
            _ask_to_stop(process)
        deadline = time.monotonic() + self._limits.stop_s
        for name, process in processes.items():
            self._reap(name, process, deadline)

    def _reap(self, name: str, process: subprocess.Popen[bytes], deadline: float) -> None:
        try:
            process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            self._say(f"{name}: did not stop in {self._limits.stop_s:g} s, killed")
            process.kill()
            process.wait()
        del self._running[name]

    def wait(self, *, until: Callable[[], bool] = lambda: False) -> None:
        """
        Return when *until* returns true; it is called twice a second.

        Raises:
            CommandError: A program ended by itself.
        """
        while not until():
            for name, process in self._running.items():
                status = process.poll()
                if status is not None:
                    raise CommandError(f"{name} ended with status {status}. {self._tail(self.processes[name])}")
            time.sleep(5 * _POLL_S)


def _popen(process: Process, output: IO[bytes]) -> subprocess.Popen[bytes]:
    environment = {**os.environ, **process.environment}
    if sys.platform == "win32":
        return subprocess.Popen(  # noqa: S603
            process.command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            creationflags=subprocess.CREATE_NEW_PROCESS_GROUP,
        )
    # A session of its own: Ctrl-C in the terminal reaches the supervisor alone, which stops the programs in order.
    return subprocess.Popen(  # noqa: S603
        [*_trampoline(), *process.command],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def _trampoline() -> list[str]:
    if sys.platform != "linux":
        return []
    return [sys.executable, "-I", "-S", "-c", _DIE_WITH_PARENT, str(os.getpid())]


def _ask_to_stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is not None:
        return
    if sys.platform == "win32":
        process.send_signal(signal.CTRL_BREAK_EVENT)
    else:
        process.terminate()


def check_ports(program: str, ports: Mapping[str, int]) -> None:
    """
    Check that *program* can listen on every port.

    Args:
        program: What people call it.
        ports: By the variable that changes each.

    Raises:
        CommandError: One is taken; the message names its variable.
    """
    for variable, port in ports.items():
        if not _is_free(port):
            raise CommandError(
                f"Port {port}, which {program} needs, is taken by another program. "
                f"Stop that program, or set {variable} to a free port."
            )


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        if sys.platform == "win32":
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            # Without it a connection closed a moment ago would count as a program.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def answers(url: str, timeout_s: float = 2.0) -> bool:
    """Return whether *url* answers 200, without any proxy."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=timeout_s) as response:
            return bool(response.status == http.client.OK)
    except urllib.error.HTTPError as error:
        error.close()
    except (OSError, ValueError, http.client.HTTPException):
        pass
    return False


def tail(path: Path, lines: int = _TAIL_LINES) -> str:
    """Return the last *lines* lines of the file at *path*."""
    if not path.is_file():
        return ""
    return "\n".join(path.read_text("utf-8", errors="replace").splitlines()[-lines:])
