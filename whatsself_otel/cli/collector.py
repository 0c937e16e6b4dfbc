"""``whatsself-otel collector``: the base configuration and any vendors, checked, shown or run."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from whatsself_otel.cli import vendor_files
from whatsself_otel.cli.errors import FAILED, WRONG_USE, CommandError
from whatsself_otel.cli.native import COLLECTOR, need_binary
from whatsself_otel.cli.native_stack import collector_arguments
from whatsself_otel.cli.paths import data_dir

if TYPE_CHECKING:
    from collections.abc import Sequence

    from whatsself_otel.cli.vendor_files import Vendor

_EXAMPLES: Final = """\
examples:
  whatsself-otel collector validate --vendor local --vendor honeycomb
  whatsself-otel collector print --vendor datadog
  HONEYCOMB_API_KEY_FILE=key.txt whatsself-otel collector run --vendor local --vendor honeycomb

A variable that a vendor needs may also stand in a file: NAME_FILE=path instead of NAME=value.
OTELCOL_BIN names the collector's program when it is not the one that native/build.py made.
"""


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
        action.add_argument(
            "--vendor", action="append", default=[], metavar="NAME", help="repeatable; see `vendors list`"
        )
        action.add_argument("--config", action="append", default=[], type=Path, metavar="FILE", help="more; repeatable")
        action.set_defaults(run=run)


def validation(vendors: Sequence[Vendor]) -> list[str]:
    """Return what the collector has against the base with *vendors*, as its own lines; nothing when it is valid."""
    command = [str(need_binary(COLLECTOR)), "validate", *collector_arguments(vendor.name for vendor in vendors)]
    asked = subprocess.run(  # noqa: S603
        command, env=_environment(vendors), capture_output=True, text=True, encoding="utf-8", check=False
    )
    return asked.stderr.strip().splitlines() if asked.returncode else []


def _vendors(arguments: argparse.Namespace) -> list[Vendor]:
    vendors = [vendor_files.load(name) for name in dict.fromkeys(arguments.vendor)]
    vendor_files.check(vendors)
    return vendors


def _command(arguments: argparse.Namespace, vendors: Sequence[Vendor], action: str = "") -> list[str]:
    if absent := [str(path) for path in arguments.config if not path.is_file()]:
        raise CommandError(f"No such file: {', '.join(absent)}.", status=WRONG_USE)
    shipped = collector_arguments(vendor.name for vendor in vendors)
    own = [f"--config={path}" for path in arguments.config]
    return [str(need_binary(COLLECTOR)), *([action] if action else []), *shipped, *own]


def _environment(vendors: Sequence[Vendor]) -> dict[str, str]:
    return {"OTELCOL_QUEUE_DIR": str(data_dir() / "queue"), **os.environ, **vendor_files.variables(vendors)}


def _validate(arguments: argparse.Namespace) -> int:
    vendors = _vendors(arguments)
    command = _command(arguments, vendors, "validate")
    if subprocess.run(command, env=_environment(vendors), check=False).returncode:  # noqa: S603
        return FAILED
    print("The configuration is valid.")
    return 0


def _print(arguments: argparse.Namespace) -> int:
    vendors = _vendors(arguments)
    command = _command(arguments, vendors, "print-config")
    return FAILED if subprocess.run(command, env=_environment(vendors), check=False).returncode else 0  # noqa: S603


def _run(arguments: argparse.Namespace) -> int:
    vendors = _vendors(arguments)
    command = _command(arguments, vendors)
    print(
        f"Collector: base, {', '.join(vendor.name for vendor in vendors) or 'no vendor'}. Ctrl-C stops it.", flush=True
    )
    environment = _environment(vendors)
    if sys.platform != "win32":
        # In this process's place: signals, exit status and output are the collector's own.
        os.execve(command[0], command, environment)  # noqa: S606
    return subprocess.run(command, env=environment, check=False).returncode  # noqa: S603
