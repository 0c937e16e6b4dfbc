"""``whatsself-otel completion SHELL``: lets a shell complete commands, options and names, by argcomplete."""

from __future__ import annotations

import argparse
import os
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from whatsself_otel.cli.arguments import actions
from whatsself_otel.cli.terminal import print_json, show
from whatsself_otel.demo.requirements import install_command
from whatsself_otel.stack import vendor_files
from whatsself_otel.stack.errors import MISSING, CommandError

if TYPE_CHECKING:
    from collections.abc import Iterable

SHELLS: Final = ("bash", "fish", "powershell", "tcsh", "zsh")
_ASKED: Final = "_ARGCOMPLETE"
"""Variable that a shell sets to ask for words."""
_EXAMPLES: Final = """\
where it goes:
  bash        whatsself-otel completion bash > ~/.local/share/bash-completion/completions/whatsself-otel
  zsh         whatsself-otel completion zsh > ~/.zfunc/_whatsself-otel   (a folder of fpath, before compinit)
  fish        whatsself-otel completion fish > ~/.config/fish/completions/whatsself-otel.fish
  powershell  whatsself-otel completion powershell >> $PROFILE

for this session only:
  source <(whatsself-otel completion bash)
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``completion``."""
    parser = subparsers.add_parser(
        "completion",
        help="let the shell complete commands, options and names",
        description="Prints a script for one shell. The script asks this program, so an upgrade needs no new one.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("shell", choices=SHELLS)
    parser.add_argument("--json", action="store_true", help="the script as JSON, for machines")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the script."""
    if find_spec("argcomplete") is None:
        raise CommandError(
            f"Completion needs argcomplete, which is not installed. Run: {install_command('completion')}",
            status=MISSING,
        )
    from argcomplete.shell_integration import shellcode

    script = shellcode(["whatsself-otel"], shell=arguments.shell)
    if arguments.json:
        print_json("completion", shell=arguments.shell, script=script)
    else:
        show(script)
    return 0


def answer_shell(parser: argparse.ArgumentParser) -> None:
    """Answer a shell that asks for the next words, and end the process; do nothing otherwise."""
    if _ASKED not in os.environ:
        return
    import argcomplete

    for action in actions(parser):
        action.completer = _completer(action)  # type: ignore[attr-defined]  # argcomplete reads it there
    argcomplete.autocomplete(parser)


def _completer(action: argparse.Action) -> Any:
    """Return what completes the value of *action*: known words, files, or nothing for free text."""
    from argcomplete.completers import ChoicesCompleter, FilesCompleter

    if action.type is Path or action.dest == "file":
        return FilesCompleter()
    words: Any = action.choices or _names(action.dest)
    return ChoicesCompleter(words)


def _names(argument: str) -> Iterable[str]:
    if argument in {"vendor", "name"}:
        return vendor_files.names()
    if argument in {"source", "scale"}:
        return vendor_files.part_names(argument)
    if argument == "scenario":
        from whatsself_otel.simulation.scenarios import SCENARIOS

        return SCENARIOS
    return ()
