"""``whatsself-otel view``: the embedded viewer."""

from __future__ import annotations

import argparse
import errno
import importlib.util
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Final

from whatsself_otel.cli.arguments import number, port, url, whole
from whatsself_otel.cli.running_stack import running_addresses
from whatsself_otel.cli.terminal import print_json, say
from whatsself_otel.cli.termination import terminating
from whatsself_otel.demo.requirements import install_command
from whatsself_otel.stack.errors import MISSING, WRONG_USE, CommandError
from whatsself_otel.stack.store_http import SourceError
from whatsself_otel.viewer.note import note_file, token_file

if TYPE_CHECKING:
    from whatsself_otel.viewer.server import Viewer, ViewerConfig
    from whatsself_otel.viewer.stack_source import Backends

PACKAGES: Final = ("starlette", "uvicorn", "yaml")
"""Modules of the extra ``viewer``."""
_MIB: Final = 1024 * 1024
_EXAMPLES: Final = """\
examples:
  whatsself-otel view                          then open the address that it prints
  whatsself-otel view --open                   the same, and the browser opens by itself
  whatsself-otel view --port 0 --no-grpc       on any free port
  whatsself-otel view --store viewer.db        keep what arrives for the next time
  whatsself-otel view --from stack             the same page over the stack that runs here
  whatsself-otel view --prometheus URL --logs URL --traces URL    over stores elsewhere, which it only reads

It is for development: it listens on this machine only. For the real backends: whatsself-otel stack up
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``view``."""
    parser = subparsers.add_parser(
        "view",
        help="show telemetry on a local page, with nothing but Python",
        description="Receives OTLP on this machine, keeps the newest of it, and shows it on a local page.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--port", type=port, help="of page and OTLP/HTTP; 0 for any (default: 4318; over other stores: 4320)"
    )
    parser.add_argument("--grpc-port", type=port, default=4317, help="of OTLP/gRPC (default: 4317)")
    parser.add_argument("--no-grpc", action="store_true", help="no OTLP over gRPC")
    parser.add_argument("--store", type=Path, help="file to keep (default: a temporary one)")
    parser.add_argument("--max-size", type=whole(4), default=256, metavar="MIB", help="size (default: 256)")
    parser.add_argument("--max-spans", type=whole(1), default=200_000, help="spans, and log lines (default: 200000)")
    parser.add_argument("--max-age", type=number(0.01), default=168.0, metavar="HOURS", help="how long (default: 168)")
    parser.add_argument(
        "--from", dest="source", choices=("stack",), help="read the stores of the stack that runs, and receive nothing"
    )
    parser.add_argument("--prometheus", type=url, metavar="URL", help="Prometheus to read")
    parser.add_argument("--logs", type=url, metavar="URL", help="Loki or VictoriaLogs to read")
    parser.add_argument("--traces", type=url, metavar="URL", help="Tempo or Jaeger to read")
    parser.add_argument("--open", action="store_true", help="open the page in the browser")
    parser.add_argument("--json", action="store_true", help="print one JSON object with the addresses, for programs")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the viewer until it is interrupted."""
    need_packages()
    from whatsself_otel.viewer.server import Viewer

    config = _config(arguments)
    viewer = Viewer(config)
    try:
        with terminating(), viewer:
            _tell(viewer, arguments)
            viewer.wait()
    except OSError as error:
        why = f"port {config.port} is taken" if error.errno == errno.EADDRINUSE else str(error)
        raise CommandError(
            f"The viewer cannot start: {why}. Is another viewer, collector or stack running? Or: --port 0 --no-grpc"
        ) from error
    return 0


def need_packages() -> None:
    """
    Check that the viewer's packages are installed.

    Raises:
        CommandError: Something of the extra ``viewer`` is not installed.
    """
    if absent := [name for name in PACKAGES if importlib.util.find_spec(name) is None]:
        raise CommandError(f"The viewer needs {', '.join(absent)}. Run: {install_command('viewer')}", status=MISSING)


def _config(arguments: argparse.Namespace) -> ViewerConfig:
    from whatsself_otel.viewer.server import ViewerConfig
    from whatsself_otel.viewer.store import Retention

    if arguments.store is not None and not arguments.store.parent.is_dir():
        raise CommandError(f"--store needs a folder that exists, got {arguments.store}.", status=WRONG_USE)
    retention = Retention(
        spans=arguments.max_spans,
        logs=arguments.max_spans,
        size_bytes=arguments.max_size * _MIB,
        age_s=arguments.max_age * 3600,
    )
    backends, send_to = _backends(arguments)
    usual = 4318 if backends is None else 4320
    return ViewerConfig(
        port=usual if arguments.port is None else arguments.port,
        backends=backends,
        send_to=send_to,
        grpc_port=None if arguments.no_grpc else arguments.grpc_port,
        store=arguments.store,
        retention=retention,
        note=note_file(),
        token_file=token_file(),
    )


def _backends(arguments: argparse.Namespace) -> tuple[Backends | None, str | None]:
    """Return the stores to read, and where applications send to; both None for a store of one's own."""
    from whatsself_otel.viewer.backends import find_backends

    named = (arguments.prometheus, arguments.logs, arguments.traces)
    if arguments.source is None and not any(named):
        return None, None
    addresses = running_addresses()
    at = [each for each in named if each]
    if arguments.source is None and len(at) < len(named):
        raise CommandError("--prometheus, --logs and --traces belong together; or: --from stack", status=WRONG_USE)
    try:
        found = find_backends(addresses, prometheus=named[0], logs=named[1], traces=named[2])
    except SourceError as error:
        raise CommandError(f"{error} Is the stack running? whatsself-otel stack up", status=MISSING) from error
    return found, addresses.otlp_http if arguments.source else None


def _tell(viewer: Viewer, arguments: argparse.Namespace) -> None:
    if arguments.json:
        print_json("view", page=viewer.page, endpoint=viewer.url, token=viewer.token)
    else:
        say(f"Open       {viewer.page}")
        if viewer.config.backends is not None:
            say("It reads   the real stores, and receives nothing")
        else:
            say(f"Send to    OTEL_EXPORTER_OTLP_ENDPOINT={viewer.url}")
            say("Real stack whatsself-otel stack up   (instead of this: it listens on OTLP's own ports)")
        say("A development tool: this machine only. It runs until Ctrl-C.")
    if arguments.open and not webbrowser.open(viewer.page):
        say("No browser was found; open the address above yourself.", aside=True)
