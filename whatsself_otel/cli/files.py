"""``whatsself-otel files``: the configuration, rules and dashboards that the package carries, as files of one's own."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path
from typing import Final

from whatsself_otel.cli.terminal import print_json, say, show
from whatsself_otel.stack.errors import WRONG_USE, CommandError
from whatsself_otel.stack.files import shipped

SHIPPED: Final = ("collector", "backends", "docker-compose.yml")
_EXAMPLES: Final = """\
examples:
  whatsself-otel files list
  whatsself-otel files export monitoring       collector, rules, dashboards and Compose file, to change and keep
"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``files``."""
    parser = commands.add_parser(
        "files",
        help="get configuration, rules and dashboards out of the package",
        description="The files that the package carries: the collector's configuration, rules, dashboards, Compose.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(title="actions", dest="action", required=True, metavar="ACTION")
    every = actions.add_parser("list", help="name every file", description="Names every file.")
    export = actions.add_parser(
        "export",
        help="copy every file into a folder",
        description="Copies every file into a folder. It overwrites nothing: a file that is there must be the same.",
    )
    export.add_argument("folder", type=Path, metavar="DIR", help="new or empty folder, or one exported to before")
    for action, run in ((every, _list), (export, _export)):
        action.add_argument("--json", action="store_true", help="print one JSON object, for programs")
        action.set_defaults(run=run)


def _files() -> dict[str, Path]:
    found: dict[str, Path] = {}
    for name in SHIPPED:
        path = shipped(name)
        inside = sorted(each for each in path.rglob("*") if each.is_file()) if path.is_dir() else [path]
        found |= {each.relative_to(path.parent).as_posix(): each for each in inside if "__pycache__" not in each.parts}
    return found


def _list(arguments: argparse.Namespace) -> int:
    names = list(_files())
    if arguments.json:
        print_json("files-list", files=names)
    else:
        show("\n".join(names))
    return 0


def _export(arguments: argparse.Namespace) -> int:
    files, folder = _files(), arguments.folder
    if other := [name for name, path in files.items() if _differs(folder / name, path)]:
        raise CommandError(
            f"{folder} holds {len(other)} of these files with other content, {other[0]} for one: nothing was written. "
            "Name another folder, and compare the two.",
            status=WRONG_USE,
        )
    for name, path in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, folder / name)
    if arguments.json:
        print_json("files-export", folder=str(folder), files=list(files))
    else:
        say(f"{len(files)} files are in {folder}.")
    return 0


def _differs(there: Path, ours: Path) -> bool:
    return there.exists() and (not there.is_file() or there.read_bytes() != ours.read_bytes())
