"""``whatsself-otel vendors``: where the collector can send to."""

from __future__ import annotations

import argparse
import textwrap
from typing import TYPE_CHECKING, Final

from whatsself_otel.cli.collector import unbuilt, validation
from whatsself_otel.cli.progress import busy
from whatsself_otel.cli.terminal import print_json, say, show
from whatsself_otel.language import translated
from whatsself_otel.stack import vendor_files
from whatsself_otel.stack.errors import WRONG_USE
from whatsself_otel.stack.native import COLLECTOR, find_binary

if TYPE_CHECKING:
    from collections.abc import Iterator

    from whatsself_otel.stack.vendor_files import Vendor

_EXAMPLES: Final = """\
examples:
  whatsself-otel vendors list
  whatsself-otel vendors show honeycomb
  whatsself-otel vendors check honeycomb local
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``vendors`` and its own commands."""
    parser = subparsers.add_parser(
        "vendors",
        help="where the collector can send to",
        description="The files of collector/vendors: what each takes, needs and is limited to.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(title="actions", dest="action", required=True, metavar="ACTION")
    everything = actions.add_parser("list", help="one line each")
    one = actions.add_parser("show", help="all about one")
    one.add_argument("name")
    some = actions.add_parser(
        "check",
        help="are the variables set, and is the configuration valid together",
        description="Checks variables, then lets the collector validate the files together. Exit status 2: a problem.",
    )
    some.add_argument("name", nargs="+")
    for action, run in ((everything, _list), (one, _show), (some, _check)):
        action.add_argument("--json", action="store_true", help="for machines")
        action.set_defaults(run=run)


_FULL: Final = {
    "drop": "drops and counts beside other backends; alone, the sender waits",
    "refuse": "the sender waits",
}


def _as_dict(vendor: Vendor) -> dict[str, object]:
    return {
        "name": vendor.name,
        "summary": vendor.summary,
        "signals": vendor.signals,
        "requires": vendor.requires,
        "optional": dict(vendor.optional),
        "extensions": vendor.extensions,
        "lacking": vendor.lacking,
        "full": vendor.full,
        **vendor.facts,
    }


def _list(arguments: argparse.Namespace) -> int:
    vendors = [vendor_files.load(name) for name in vendor_files.names()]
    if arguments.json:
        print_json("vendors-list", vendors=[_as_dict(vendor) for vendor in vendors])
    else:
        for vendor in vendors:
            show(f"{vendor.name:<18} {', '.join(vendor.signals):<22} {', '.join(vendor.requires) or '-'}")
    return 0


def _show(arguments: argparse.Namespace) -> int:
    vendor = vendor_files.load(arguments.name)
    if arguments.json:
        print_json("vendors-show", **_as_dict(vendor))
        return 0
    show(translated(vendor.summary))
    for label, value in _facts(vendor):
        show(f"  {translated(label):<13} {translated(value)}")
    if vendor.notes:
        show(textwrap.fill(translated(" ".join(vendor.notes)), 100, break_long_words=False, break_on_hyphens=False))
    show(f"  {translated('run it'):<13} whatsself-otel collector run --vendor {vendor.name}")
    return 0


def _facts(vendor: Vendor) -> Iterator[tuple[str, str]]:
    yield "signals", ", ".join(vendor.signals)
    yield from (("required", vendor_files.problem(name) or f"{name} is set") for name in vendor.requires)
    yield from (("optional", f"{name} (default: {default or 'none'})") for name, default in vendor.optional.items())
    yield from vendor.facts.items()
    yield "queue full", _FULL[vendor.full]
    if vendor.lacking:
        yield "program", vendor_files.OFFICIAL.format(", ".join(vendor.lacking))
    yield "file", str(vendor.path)


def _check(arguments: argparse.Namespace) -> int:
    vendors = [vendor_files.load(name) for name in dict.fromkeys(arguments.name)]
    found = vendor_files.problems(vendors)
    validated = False
    if not found and find_binary(COLLECTOR) and not unbuilt(vendors):
        validated = True
        with busy("The collector is checking the files"):
            found = validation(vendors)
    if arguments.json:
        print_json("vendors-check", problems=found, validated=validated)
    else:
        why = unbuilt(vendors) or "its program is not on this machine"
        unasked = "" if validated else f" (not validated by the collector: {why})"
        ready = f"{', '.join(vendor.name for vendor in vendors)}: ready{unasked}"
        say(*(found or [ready]))
    return WRONG_USE if found else 0
