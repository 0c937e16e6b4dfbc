"""Every command of the command line, found in its parsers."""

from __future__ import annotations

import argparse

from whatsself_otel.cli import parser


def _commands(of: argparse.ArgumentParser, path: str = "") -> dict[str, bool]:
    """Return each command below *of*, and whether it has subcommands."""
    below = [action for action in of._actions if isinstance(action, argparse._SubParsersAction)]
    found = {path: bool(below)}
    for action in below:
        for name, command in action.choices.items():
            found |= _commands(command, f"{path} {name}".strip())
    return found


TREE = {path: has_actions for path, has_actions in _commands(parser()).items() if path}
EVERY = sorted(TREE)
COMMANDS = [path for path in EVERY if not TREE[path]]
"""Those that do something by themselves."""
