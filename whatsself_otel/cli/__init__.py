"""
The command line: ``whatsself-otel COMMAND``.

A command is a module of this package with ``add_parser(subparsers)``, which sets ``run``: arguments in, status out.
"""

from __future__ import annotations

import argparse
import errno
import importlib
import os
import sys
from typing import TYPE_CHECKING, Final

from whatsself_otel import __version__
from whatsself_otel.cli import completion
from whatsself_otel.cli.arguments import STATUSES, Parser
from whatsself_otel.cli.terminal import complain, make_printable, print_json
from whatsself_otel.stack.errors import FAILED, INTERRUPTED, CommandError

if TYPE_CHECKING:
    from collections.abc import Sequence

COMMANDS: Final = (
    "demo",
    "view",
    "trace",
    "stack",
    "doctor",
    "collector",
    "vendors",
    "files",
    "audit",
    "replay",
    "bridge",
    "rules",
    "session",
    "prove-alerts",
    "simulate",
    "completion",
)

_EPILOG: Final = f"""\
{STATUSES}
examples:
  whatsself-otel demo                           one message, followed from end to end
  whatsself-otel view                           telemetry on a local page, with nothing but Python
  whatsself-otel trace ID                       one message's story, by any of its ids
  whatsself-otel stack up                       collector, Prometheus, log and trace stores, Alertmanager
  whatsself-otel vendors list                   where the collector can send to
  whatsself-otel files export monitoring        configuration, rules and dashboards, as files of your own
  whatsself-otel collector run --vendor local --vendor honeycomb
"""


def parser() -> argparse.ArgumentParser:
    """Return the parser of every command."""
    top = Parser(
        prog="whatsself-otel",
        description="OpenTelemetry for WhatsApp automation.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"whatsself-otel {__version__}")
    commands = top.add_subparsers(title="commands", dest="command", required=True, metavar="COMMAND")
    for name in COMMANDS:
        importlib.import_module(f"{__name__}.{name.replace('-', '_')}").add_parser(commands)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    words = sys.argv[1:] if argv is None else list(argv)
    make_printable()
    try:
        try:
            return _run(words)
        finally:
            sys.stdout.flush()
    except KeyboardInterrupt:
        return INTERRUPTED
    except OSError as error:
        if not _is_closed_pipe(error):
            raise
        # The reader had enough, as `| head` does; Python must not try to flush the rest at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED


def _is_closed_pipe(error: OSError) -> bool:
    """Return whether the reader of the output has gone, which Windows calls an invalid argument."""
    return isinstance(error, BrokenPipeError) or (sys.platform == "win32" and error.errno == errno.EINVAL)


def _run(words: Sequence[str]) -> int:
    try:
        top = parser()
        completion.answer_shell(top)
        arguments = top.parse_args(words)
        status: int = arguments.run(arguments)
    except CommandError as error:
        complain(str(error))
        if "--json" in words:
            print_json("error", message=str(error), status=error.status)
        return error.status
    return status
