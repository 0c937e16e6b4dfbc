"""``whatsself-otel stack``: the real backends, in containers or as programs of this machine."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from whatsself_otel.cli.arguments import whole
from whatsself_otel.cli.progress import busy
from whatsself_otel.cli.terminal import print_json, say, show
from whatsself_otel.language import translated
from whatsself_otel.stack import collector_config, docker, native, vendor_files
from whatsself_otel.stack.addresses import HOST, Addresses
from whatsself_otel.stack.errors import FAILED, MISSING, WRONG_USE, CommandError
from whatsself_otel.stack.links import links, table
from whatsself_otel.stack.native_stack import Stack, StackConfig, lock_file, logs
from whatsself_otel.stack.paths import data_dir, locked
from whatsself_otel.stack.supervisor import Limits, answers, tail

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import FrameType

_EXAMPLES: Final = """\
examples:
  whatsself-otel stack up                      in the foreground; Ctrl-C stops everything
  whatsself-otel stack up --detach             in the background
  whatsself-otel stack status --json
  whatsself-otel stack logs collector --follow
  whatsself-otel stack down

Docker is taken when its engine answers, else the programs that wheels brought (extra `stack`) or that native/build.py
built, which are built first where there is a checkout and Go. TEMPO_BIN=/path/to/tempo or `tempo` on PATH adds Tempo
to the native stack.
Every port moves with its variable, for example PROMETHEUS_PORT=19090.
"""
_DOWN_S: Final = 60.0
_STARTED_BY: Final = "_WHATSSELF_STACK_STARTED_BY"
"""Variable by which ``--detach`` knows what it has started: on Windows a launcher's pid is not the program's."""
_STORES: Final = (("loki", "victorialogs"), ("tempo", "jaeger"))
"""Programs that are used where they are found, and what always runs beside them."""
_NAMES: Final = {"loki": "Loki", "victorialogs": "VictoriaLogs", "tempo": "Tempo", "jaeger": "Jaeger"}


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``stack`` and its own commands."""
    parser = subparsers.add_parser(
        "stack",
        help="start, stop and look at the real backends",
        description="Collector, Prometheus, a log store, a trace store and Alertmanager on this machine.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(title="actions", dest="action", required=True, metavar="ACTION")
    _add_up(actions)
    down = actions.add_parser("down", help="stop everything", description="Stop everything; data stays.")
    status = actions.add_parser("status", help="what runs", description="What runs, and whether it is ready.")
    show = actions.add_parser("logs", help="what the programs say", description="What the programs say.")
    show.add_argument("name", nargs="*", help="program; all when none is given")
    show.add_argument("--follow", "-f", action="store_true", help="go on until Ctrl-C")
    show.add_argument("--lines", "-n", type=whole(0), default=40, help="lines of each program (default: 40)")
    for action, run in ((down, _down), (status, _status), (show, _logs)):
        action.add_argument("--data", type=Path, help="data folder of the native stack")
        action.add_argument("--json", action="store_true", help="for machines; of logs, one object a line")
        action.set_defaults(run=run)


def _add_up(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    up = actions.add_parser(
        "up",
        help="start everything and wait until it is ready",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    way = up.add_mutually_exclusive_group()
    way.add_argument("--native", action="store_true", help="programs of this machine")
    way.add_argument("--docker", action="store_true", help="containers")
    for found, always in _STORES:
        store = up.add_mutually_exclusive_group()
        both = f"{_NAMES[found]} beside {_NAMES[always]}; an error when it is not found"
        store.add_argument(f"--{found}", action="store_true", help=both)
        alone = f"{_NAMES[always]} alone, even when {_NAMES[found]} is found"
        store.add_argument(f"--{always}", action="store_true", help=alone)
    up.add_argument("--vendor", action="append", default=[], help="one more file of collector/vendors; repeatable")
    up.add_argument("--data", type=Path, help="data folder (default: the user's, or WHATSSELF_OTEL_DATA)")
    up.add_argument("--detach", "-d", action="store_true", help="return when everything is ready, and leave it running")
    up.add_argument("--json", action="store_true", help="one object once everything is ready; progress on stderr")
    up.set_defaults(run=_up)


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A note of the native stack in its data folder, from ready to stopped, for other commands."""

    pid: int
    ports: dict[str, int]
    ready_urls: dict[str, str]
    token: str = ""
    """What ``--detach`` gave it; never shown."""

    def write(self, data: Path) -> None:
        """Write it so that a reader sees all of it or nothing."""
        unfinished = _state_file(data).with_suffix(".unfinished")
        unfinished.write_text(json.dumps(dataclasses.asdict(self)), "utf-8")
        unfinished.replace(_state_file(data))

    @classmethod
    def read(cls, data: Path) -> Running | None:
        """Return the stack that runs in *data*, or None."""
        if not _is_locked(data) or not _state_file(data).is_file():
            return None
        return cls(**json.loads(_state_file(data).read_text("utf-8")))

    def print_json(self, data: Path, ready: dict[str, bool]) -> None:
        """Print the stack for programs; *ready* says which programs answer."""
        shown = {"pid": self.pid, "ports": self.ports, "ready_urls": self.ready_urls}
        print_json("stack-status", running=True, ready=ready, data=str(data), **shown)

    def guide(self) -> str:
        """Return where to send and where to look."""
        addresses = Addresses(ports=self.ports)
        return table(addresses, links(addresses, self.ready_urls))


def _state_file(data: Path) -> Path:
    return data / "stack.json"


def _stop_file(data: Path) -> Path:
    return data / "stack.stop"


def _is_locked(data: Path) -> bool:
    if not lock_file(data).exists():
        return False
    with locked(lock_file(data)) as free:
        return not free


def _data(arguments: argparse.Namespace) -> Path:
    return (arguments.data or data_dir()).resolve()


def _say_aside(line: str) -> None:
    say(line, aside=True)


def _tell(arguments: argparse.Namespace, running: Running, data: Path, text: str) -> None:
    """Show that everything is ready: *text* for people, one object for programs."""
    if arguments.json:
        running.print_json(data, dict.fromkeys(running.ready_urls, True))
    else:
        say(text)


def use_docker(arguments: argparse.Namespace) -> bool:
    """
    Return whether the stack runs in containers, after saying which way is taken and why.

    Raises:
        CommandError: The way asked for, or every way, is closed on this machine; the message says how to open it.
    """
    only_native = arguments.native or _store_flags(arguments) or arguments.data
    if only_native and not arguments.docker:
        return False
    why_not = docker.problem()
    tell = _say_aside if arguments.json else say
    if why_not is None:
        tell("Docker answers: starting the stack in containers.")
        return True
    if arguments.docker:
        raise CommandError(why_not, status=MISSING)
    if native.missing() and not native.buildable():
        absent = ", ".join(native.missing())
        raise CommandError(
            f"Neither way to run the stack is open here.\n  Docker: {why_not}\n"
            f"  Native: not on this machine: {absent}. {native.remedy(absent.split(',')[0])}",
            status=MISSING,
        )
    tell(f"Native stack, because: {why_not}")
    return False


def _store_flags(arguments: argparse.Namespace) -> list[str]:
    return [f"--{name}" for pair in _STORES for name in pair if getattr(arguments, name)]


def _wanted(arguments: argparse.Namespace, found: str, always: str) -> bool | None:
    """Return whether *found* is to run; None when that depends on whether it is found."""
    if getattr(arguments, found):
        return True
    return False if getattr(arguments, always) else None


def _up(arguments: argparse.Namespace) -> int:
    # Before any program is looked for or built, which takes minutes.
    Addresses.from_environment()
    vendor_files.check([vendor_files.load(name) for name in arguments.vendor])
    if use_docker(arguments):
        return _up_docker(arguments)
    data = _data(arguments)
    if running := Running.read(data):
        _tell(arguments, running, data, f"Already running with the data folder {data}:\n{running.guide()}")
        return 0
    native.ensure_built()
    return _up_detached(arguments, data) if arguments.detach else _up_here(arguments, data)


def _up_docker(arguments: argparse.Namespace) -> int:
    if arguments.json and not arguments.detach:
        raise CommandError("--json needs --detach with containers, whose output it would mix with.", status=WRONG_USE)
    status = docker.compose(
        "up", *(("--detach", "--wait") if arguments.detach else ()), environ=_compose_variables(arguments.vendor)
    )
    if status == 0 and arguments.json:
        return docker.compose("ps", "--format", "json")
    if arguments.detach and status == 0:
        addresses = Addresses.from_environment()
        say(table(addresses, links(addresses, ("tempo", "loki", "prometheus", "alertmanager"))))
        say(f"  all      http://{HOST}:{os.environ.get('GRAFANA_PORT') or 3000}  (grafana)")
    return status


def _compose_variables(names: Sequence[str]) -> dict[str, str]:
    """Return the variables of the containers for their vendors; files of this machine are read here."""
    vendors = [vendor_files.load(name) for name in names]
    wanted = {name for vendor in vendors for name in vendor.requires if not name.endswith("_FILE")}
    values = {name: vendor_files.value_of(name) for name in wanted}
    found = {name: value for name, value in values.items() if value is not None}
    files = {f"{name}_FILE": "" for name in found if f"{name}_FILE" in os.environ}
    return {**found, **files, **({collector_config.VENDORS: ",".join(names)} if names else {})}


def _up_here(arguments: argparse.Namespace, data: Path) -> int:
    for name in ("SIGTERM", "SIGHUP", "SIGBREAK"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), _interrupt)
    tell = _say_aside if arguments.json else say
    stack = Stack(
        StackConfig(
            data=data,
            loki=_wanted(arguments, "loki", "victorialogs"),
            tempo=_wanted(arguments, "tempo", "jaeger"),
            vendors=tuple(arguments.vendor),
        ),
        say=tell,
    )
    _stop_file(data).unlink(missing_ok=True)
    with stack:
        ready_urls = {name: process.ready_url for name, process in stack.processes.items()}
        running = Running(
            pid=os.getpid(),
            ports=dict(stack.addresses.ports),
            ready_urls=ready_urls,
            token=os.environ.get(_STARTED_BY, ""),
        )
        running.write(data)
        _tell(arguments, running, data, f"{running.guide()}\nData and logs: {data}\nCtrl-C stops everything.")
        try:
            stack.wait(until=_stop_file(data).exists)
        except KeyboardInterrupt:
            tell("Stopping ...")
        finally:
            _state_file(data).unlink(missing_ok=True)
            _stop_file(data).unlink(missing_ok=True)
    tell("Stopped; nothing is left running.")
    return 0


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _up_detached(arguments: argparse.Namespace, data: Path) -> int:
    output = logs(data) / "supervisor.log"
    output.parent.mkdir(parents=True, exist_ok=True)
    token = secrets.token_hex(8)
    with output.open("wb") as file:
        supervisor = _spawn_detached(_detached_command(arguments, data), file, {**os.environ, _STARTED_BY: token})
    with busy("Starting the stack"):
        running = _await_ready(supervisor, token, data, output)
    text = f"{running.guide()}\nData and logs: {data}\n`whatsself-otel stack down` stops everything."
    _tell(arguments, running, data, text)
    return 0


def _await_ready(supervisor: subprocess.Popen[bytes], token: str, data: Path, output: Path) -> Running:
    deadline = time.monotonic() + 2 * Limits().ready_s
    while (running := Running.read(data)) is None or running.token != token:
        if supervisor.poll() is not None or time.monotonic() > deadline:
            supervisor.terminate()
            _stop_file(data).touch()  # for a program that a launcher has left running
            raise CommandError(f"The stack did not start. {output} ends with:\n{tail(output)}")
        time.sleep(0.2)
    return running


def _detached_command(arguments: argparse.Namespace, data: Path) -> list[str]:
    vendors = [word for vendor in arguments.vendor for word in ("--vendor", vendor)]
    command = [sys.executable, "-m", "whatsself_otel.cli", "stack", "up", "--native", "--data", str(data)]
    return [*command, *_store_flags(arguments), *vendors]


def _spawn_detached(command: list[str], output: Any, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    apart: dict[str, Any] = {"start_new_session": True}
    if sys.platform == "win32":
        apart = {"creationflags": subprocess.DETACHED_PROCESS | subprocess.CREATE_NEW_PROCESS_GROUP}
    return subprocess.Popen(  # noqa: S603
        command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, env=environment, **apart
    )


def _down(arguments: argparse.Namespace) -> int:
    data = _data(arguments)
    if not _is_locked(data):
        if docker.problem() is None and not arguments.data:
            return docker.compose("down")
        return _tell_stopped(arguments, "Nothing runs.", stopped=False)
    _stop_file(data).touch()
    with busy("Stopping the stack"):
        _await_stopped(data)
    return _tell_stopped(arguments, "Stopped; nothing is left running.", stopped=True)


def _tell_stopped(arguments: argparse.Namespace, text: str, *, stopped: bool) -> int:
    if arguments.json:
        print_json("stack-down", stopped=stopped)
    else:
        say(text)
    return 0


def _await_stopped(data: Path) -> None:
    deadline = time.monotonic() + _DOWN_S
    while _is_locked(data):
        if time.monotonic() > deadline:
            raise CommandError(f"The stack did not stop in {_DOWN_S:g} s; its logs are in {logs(data)}.")
        time.sleep(0.1)


def _status(arguments: argparse.Namespace) -> int:
    data = _data(arguments)
    running = Running.read(data)
    if running is None and docker.problem() is None and not arguments.data:
        return docker.compose("ps", *(("--format", "json") if arguments.json else ()))
    ready = {name: answers(url) for name, url in running.ready_urls.items()} if running else {}
    if arguments.json and running:
        running.print_json(data, ready)
    elif arguments.json:
        print_json("stack-status", running=False, ready={}, data=str(data))
    elif running is None:
        say("Nothing runs. Start it with `whatsself-otel stack up`.")
    else:
        rows = [f"  {name:<13} {translated('ready' if ready[name] else 'does not answer')}" for name in ready]
        say("\n".join([*rows, running.guide()]))
    return 0 if running and all(ready.values()) else FAILED


def _logs(arguments: argparse.Namespace) -> int:
    folder = logs(_data(arguments))
    if not folder.is_dir() and docker.problem() is None:
        follow = ("--follow",) if arguments.follow else ()
        return docker.compose("logs", f"--tail={arguments.lines}", *follow, *arguments.name)
    files = {path.stem: path for path in sorted(folder.glob("*.log"))}
    if not files:
        raise CommandError(f"No logs in {folder}: nothing has run there yet. Start it with `whatsself-otel stack up`.")
    if unknown := [name for name in arguments.name if name not in files]:
        raise CommandError(f"No log of {', '.join(unknown)} in {folder}. There is: {', '.join(files)}.")
    shown = {name: files[name] for name in arguments.name or files}
    sizes = {name: path.stat().st_size for name, path in shown.items()}
    show = _show_json if arguments.json else _show
    for name, path in shown.items():
        show(name, tail(path, arguments.lines))
    while arguments.follow:
        for name, path in shown.items():
            sizes[name] = _show_new(name, path, sizes[name], show)
        time.sleep(0.3)
    return 0


def _show(name: str, text: str) -> None:
    for line in text.splitlines():
        show(f"{name:<13} {line}")  # as the program wrote it


def _show_json(name: str, text: str) -> None:
    for line in text.splitlines():
        print_json("stack-logs", program=name, line=line)


def _show_new(name: str, path: Path, seen: int, show: Callable[[str, str], None]) -> int:
    # A shorter file is a new run's.
    start = seen if path.stat().st_size >= seen else 0
    with path.open("rb") as file:
        file.seek(start)
        complete = file.read().rpartition(b"\n")
    show(name, complete[0].decode("utf-8", errors="replace"))
    return start + len(complete[0]) + len(complete[1])
