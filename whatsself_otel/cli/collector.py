"""``whatsself-otel collector``: the base configuration and any vendors, checked, shown or run."""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from whatsself_otel.cli.progress import busy
from whatsself_otel.cli.terminal import print_json, say, show
from whatsself_otel.stack import gates, queue_folder, soundness, vendor_files
from whatsself_otel.stack.addresses import Addresses
from whatsself_otel.stack.errors import FAILED, MISSING, WRONG_USE, CommandError
from whatsself_otel.stack.files import collector_base, shipped
from whatsself_otel.stack.native import COLLECTOR, find_binary, need_binary
from whatsself_otel.stack.paths import data_dir
from whatsself_otel.stack.portable import portable
from whatsself_otel.stack.supervisor import check_ports

if TYPE_CHECKING:
    from collections.abc import Sequence

    from whatsself_otel.stack.vendor_files import Vendor

_EXAMPLES: Final = """\
examples:
  whatsself-otel collector validate --vendor local --vendor honeycomb
  whatsself-otel collector print --vendor datadog
  whatsself-otel collector print --vendor otlp --portable > collector.yaml
  HONEYCOMB_API_KEY_FILE=key.txt whatsself-otel collector run --vendor local --vendor honeycomb

  whatsself-otel collector run --vendor aws --container
  whatsself-otel collector run --vendor local --secure --sampling
  PINO_LOG_FILES='/srv/app/logs/*.log*' whatsself-otel collector run --vendor local --source pino
  KAFKA_BROKERS='[kafka-1:9092]' whatsself-otel collector run --vendor local --scale kafka-consumer

Beside others, a vendor stands behind a gate: when its queue is full, what comes is dropped and counted, and no other
waits. `full: refuse` in its header (`local`) makes the sender wait instead.
--secure asks every sender for TLS and a token: OTELCOL_TLS_CERT_FILE, OTELCOL_TLS_KEY_FILE and OTELCOL_TOKEN_FILE.
--own-log sends the collector's own log through itself, so that it lies beside the application's.
--sampling keeps every trace that matters and a share of the rest: OTELCOL_SAMPLING_PERCENT (10).
A variable that a vendor needs may also stand in a file: NAME_FILE=path instead of NAME=value.
OTELCOL_BIN names the collector's program when it is neither the wheel's nor the one that native/build.py made.
"""

_QUEUE_DIR: Final = "OTELCOL_QUEUE_DIR"
_SOURCE_GATES: Final = ("--feature-gates=stanza.synchronousLogEmitter",)
"""Without it lines that were read wait in memory for up to 100 ms, and a killed collector loses them."""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``collector`` and its own commands."""
    parser = subparsers.add_parser(
        "collector",
        help="check, show or run the collector with any vendors",
        description="The collector with the base configuration and one file a vendor.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(title="actions", dest="action", required=True, metavar="ACTION")
    for name, run, text in (
        ("validate", _validate, "let the collector check the files together"),
        ("print", _print, "show the merged configuration, secrets hidden"),
        ("run", _run, "run the collector here until Ctrl-C"),
    ):
        action = actions.add_parser(
            name, help=text, epilog=_EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        _add_selection(action)
        action.set_defaults(run=run, portable=False)
    actions.choices["print"].add_argument(
        "--portable", action="store_true", help="one file to take elsewhere: every ${env:...} is kept"
    )


def _add_selection(action: argparse.ArgumentParser) -> None:
    """Add what chooses the files."""
    action.add_argument("--vendor", action="append", default=[], metavar="NAME", help="repeatable; see `vendors list`")
    action.add_argument(
        "--source",
        action="append",
        default=[],
        metavar="NAME",
        help="repeatable; pino: log files, evolution: its /metrics",
    )
    action.add_argument(
        "--scale",
        action="append",
        default=[],
        metavar="NAME",
        help="repeatable; agent, gateway, kafka-producer, ...",
    )
    action.add_argument("--secure", action="store_true", help="TLS and a token for every sender")
    action.add_argument("--sampling", action="store_true", help="keep what matters and a share of the rest")
    action.add_argument("--own-log", action="store_true", help="its own log goes where logs go, masked")
    action.add_argument("--container", action="store_true", help="the official image, by Docker")
    action.add_argument("--config", action="append", default=[], type=Path, metavar="FILE", help="more; repeatable")
    action.add_argument("--json", action="store_true", help="for machines; of run, what is run, before its own lines")


def unbuilt(vendors: Sequence[Vendor]) -> str:
    """Return why this machine's program cannot run *vendors*, with the remedy; empty if it can."""
    lacking = [name for vendor in vendors for name in vendor.lacking]
    found = find_binary(COLLECTOR)
    if not lacking or found is None or not found.stem.startswith(COLLECTOR):
        return ""
    return vendor_files.OFFICIAL.format(", ".join(lacking))


def validation(vendors: Sequence[Vendor]) -> list[str]:
    """Return the collector's complaints about the base with *vendors*, in its own lines; none if valid."""
    command = [str(need_binary(COLLECTOR)), "validate", *_files(vendors)]
    asked = subprocess.run(  # noqa: S603
        command, env=_environment(vendors), capture_output=True, text=True, encoding="utf-8", check=False
    )
    return asked.stderr.strip().splitlines() if asked.returncode else []


def _vendors(arguments: argparse.Namespace) -> list[Vendor]:
    vendors = [vendor_files.load(name) for name in dict.fromkeys(arguments.vendor)]
    for kind in ("source", "scale"):
        vendors += [vendor_files.part(kind, name) for name in dict.fromkeys(getattr(arguments, kind))]
    if arguments.secure and arguments.own_log:
        raise CommandError(
            "--own-log sends to the collector's own receiver, which --secure closes to it. Leave one of them away.",
            status=WRONG_USE,
        )
    overlays = {"secure": arguments.secure, "sampling": arguments.sampling, "own-log": arguments.own_log}
    vendors += [vendor_files.overlay(name) for name, wanted in overlays.items() if wanted]
    if not arguments.portable:
        vendor_files.check(vendors)
    wrong = list(soundness.contradictions(vendors, arguments.scale, sampling=arguments.sampling))
    if wrong:
        raise CommandError("The collector was not started:\n  " + "\n  ".join(wrong), status=WRONG_USE)
    return vendors


def _files(vendors: Sequence[Vendor]) -> list[str]:
    return [f"--config={path}" for path in (*collector_base(), *gates.files(vendors))]


def _own(arguments: argparse.Namespace) -> Sequence[Path]:
    """Return the files of ``--config``; raise if one is missing."""
    if absent := [str(path) for path in arguments.config if not path.is_file()]:
        raise CommandError(f"No such file: {', '.join(absent)}.", status=WRONG_USE)
    own: list[Path] = arguments.config
    return own


def _command(arguments: argparse.Namespace, vendors: Sequence[Vendor], action: str = "") -> list[str]:
    own = [f"--config={path}" for path in _own(arguments)]
    words = [*([action] if action else []), *_files(vendors), *own, *(_SOURCE_GATES if arguments.source else ())]
    if arguments.container:
        return _in_container(vendors, words, arguments.config)
    if problem := unbuilt(vendors):
        raise CommandError(f"The collector was not started: {problem}.", status=MISSING)
    return [str(need_binary(COLLECTOR)), *words]


def _in_container(vendors: Sequence[Vendor], words: Sequence[str], own: Sequence[Path]) -> list[str]:
    """Return the command that runs *words* in the official image, with the same paths inside as outside."""
    if (docker := shutil.which("docker")) is None:
        raise CommandError("Docker is not installed. See https://docs.docker.com/get-docker/.", status=MISSING)
    environment = _environment(vendors)
    queue, sockets = Path(environment[_QUEUE_DIR]).absolute(), Path(environment[gates.VARIABLE]).absolute()
    queue.mkdir(parents=True, exist_ok=True)
    gates.clear(sockets)
    named = [Path(os.environ[name]).absolute() for name in os.environ if _is_named_file(name, vendors)]
    read = {shipped("collector").absolute(), *(path.absolute() for path in own), *named}
    return [
        *(docker, "run", "--rm", "--network=host", "--read-only", "--cap-drop=ALL", "--user", _user()),
        *("--security-opt=no-new-privileges", f"--volume={queue}:{queue}"),
        f"--volume={sockets}:{sockets}",
        *(f"--volume={path}:{path}:ro" for path in sorted(read)),
        # Only names: a value on a command line is seen by everybody on the machine.
        *(f"--env={name}" for name in sorted(_passed_on(vendors))),
        image(),
        *words,
    ]


def image() -> str:
    """Return the official image of the version that ``collector/builder.yaml`` names."""
    found = re.search(r"^\s+version: (\S+)", shipped("collector/builder.yaml").read_text("utf-8"), re.MULTILINE)
    return f"otel/opentelemetry-collector-contrib:{found[1] if found else 'latest'}"


def _is_named_file(name: str, vendors: Sequence[Vendor]) -> bool:
    return name.endswith("_FILE") and any(name in vendor.requires for vendor in vendors)


def _passed_on(vendors: Sequence[Vendor]) -> set[str]:
    known = {name for name in os.environ if name.startswith(("OTELCOL_", "WHATSSELF_OTEL_"))}
    return {_QUEUE_DIR, gates.VARIABLE} | known | vendor_files.variables(vendors).keys()


def _user() -> str:
    return f"{os.getuid()}:{os.getgid()}" if sys.platform != "win32" else "10001:10001"


def _environment(vendors: Sequence[Vendor]) -> dict[str, str]:
    queue = os.environ.get(_QUEUE_DIR) or str(data_dir() / "queue")
    own = {_QUEUE_DIR: queue, gates.VARIABLE: str(gates.folder(Path(queue)))}
    return {**own, **os.environ, **vendor_files.variables(vendors)}


def _validate(arguments: argparse.Namespace) -> int:
    vendors = _vendors(arguments)
    command = _command(arguments, vendors, "validate")
    with busy("The collector is checking its files"):
        asked = subprocess.run(  # noqa: S603
            command, env=_environment(vendors), stderr=subprocess.PIPE, text=True, encoding="utf-8", check=False
        )
    if arguments.json:
        problems = asked.stderr.strip().splitlines() if asked.returncode else []
        print_json("collector-validate", valid=not asked.returncode, problems=problems)
    else:
        if asked.stderr:
            show(asked.stderr.rstrip(), aside=True)
        if not asked.returncode:
            say("The configuration is valid.")
    return FAILED if asked.returncode else 0


def _print(arguments: argparse.Namespace) -> int:
    vendors = _vendors(arguments)
    if arguments.portable:
        show(portable(vendors, _own(arguments), as_json=arguments.json).rstrip())
        return 0
    command = [*_command(arguments, vendors, "print-config"), *(["--format=json"] if arguments.json else [])]
    return FAILED if subprocess.run(command, env=_environment(vendors), check=False).returncode else 0  # noqa: S603


def _ports(arguments: argparse.Namespace) -> dict[str, int]:
    """Return the collector's ports by variable; none with a configuration file of the user's own."""
    every = Addresses.from_environment().ports
    own = ("OTELCOL_HEALTH_PORT", "OTELCOL_METRICS_PORT")
    otlp = () if arguments.scale else ("OTELCOL_GRPC_PORT", "OTELCOL_HTTP_PORT")
    return {} if arguments.config else {name: every[name] for name in (*otlp, *own)}


def _run(arguments: argparse.Namespace) -> int:
    vendors = _vendors(arguments)
    if not arguments.config and not any(vendor.is_backend for vendor in vendors):
        raise CommandError(
            "Without a vendor the collector would answer 200 and keep nothing. Name one: --vendor local, or another of "
            f"{', '.join(vendor_files.names())}.",
            status=WRONG_USE,
        )
    ports = _ports(arguments)
    command = _command(arguments, vendors)
    names = [vendor.name for vendor in vendors]
    text = f"Collector: base, {', '.join(names) or 'no vendor'}. Ctrl-C stops it."
    environment = _environment(vendors)
    queue_folder.check_free(Path(environment[_QUEUE_DIR]))
    check_ports("collector", ports)
    if arguments.json:
        print_json("collector-run", files=names, command=command)
    else:
        say(text)
    gates.clear(Path(environment[gates.VARIABLE]))
    if sys.platform != "win32":
        # In this process's place: signals, exit status and output are the collector's own.
        os.execve(command[0], command, environment)  # noqa: S606
    return subprocess.run(command, env=environment, check=False).returncode  # noqa: S603
