"""``whatsself-otel completion SHELL``: a script by which a shell completes commands, options and names."""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from whatsself_otel.cli import vendor_files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    Reply = Callable[[Mapping[str, str], bool], str]
    """Makes a shell's command that offers words, each with its help, and files if asked to."""

PROGRAM: Final = "whatsself-otel"
_EXAMPLES: Final = """\
where it goes:
  bash        whatsself-otel completion bash > ~/.local/share/bash-completion/completions/whatsself-otel
  zsh         whatsself-otel completion zsh > ~/.zfunc/_whatsself-otel   (a folder of fpath, before compinit)
  fish        whatsself-otel completion fish > ~/.config/fish/completions/whatsself-otel.fish
  powershell  whatsself-otel completion powershell >> $PROFILE

for this session only:
  source <(whatsself-otel completion bash)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """What may follow a command, for example ``collector run``."""

    words: Mapping[str, str]
    """Commands, options and values, each with its help."""
    commands: frozenset[str] = frozenset()
    """Those of the words that lead to a level of their own."""
    values: Mapping[str, tuple[str, ...] | None] = field(default_factory=dict)
    """What may follow an option: words, none where it is free text, ``None`` where it is a file."""
    takes_file: bool = False


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``completion``."""
    parser = subparsers.add_parser(
        "completion",
        help="let the shell complete commands, options and names",
        description="Prints a script for one shell. It is made from the commands of this version: make it again after "
        "an upgrade.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("shell", choices=sorted(SHELLS))
    parser.add_argument("--json", action="store_true", help="print what may be completed, for another shell")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the script."""
    from whatsself_otel.cli import parser

    found = levels(parser())
    print(_as_json(found) if arguments.json else SHELLS[arguments.shell](found))
    return 0


def levels(parser: argparse.ArgumentParser, path: str = "") -> dict[str, Level]:
    """Return what may follow *parser*'s program and each of its commands, by command; the program itself is ``""``."""
    found: dict[str, Level] = {}
    words: dict[str, str] = {}
    commands: dict[str, argparse.ArgumentParser] = {}
    values: dict[str, tuple[str, ...] | None] = {}
    takes_file = False
    for action in parser._actions:  # noqa: SLF001 - argparse has no other way to read what was added
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            commands |= action.choices
            words |= {each.dest: each.help or "" for each in action._choices_actions}  # noqa: SLF001
        elif action.option_strings:
            words |= dict.fromkeys(action.option_strings, action.help or "")
            if action.nargs != 0:
                values |= dict.fromkeys(action.option_strings, _values(path, action))
        else:
            known = _values(path, action)
            takes_file |= known is None
            words |= dict.fromkeys(known or (), action.help or "")
    found[path] = Level(words=words, commands=frozenset(commands), values=values, takes_file=takes_file)
    for name, command in commands.items():
        found |= levels(command, f"{path} {name}".strip())
    return found


def _values(path: str, action: argparse.Action) -> tuple[str, ...] | None:
    """Return the words *action* takes, none where nobody can know them, or ``None`` for a file."""
    if action.choices is not None:
        return tuple(str(choice) for choice in action.choices)
    if action.type is Path or action.dest == "file":
        return None
    if action.dest == "vendor" or (path.startswith("vendors ") and action.dest == "name"):
        return tuple(vendor_files.names())
    if action.dest in {"source", "scale"}:
        return tuple(vendor_files.part_names(action.dest))
    if action.dest == "scenario":
        from whatsself_otel.simulation.scenarios import SCENARIOS

        return tuple(SCENARIOS)
    return ()


def _steps(found: Mapping[str, Level]) -> Iterator[str]:
    """Yield every way down as ``command word``, with a space in front where it begins at the program."""
    for path, level in found.items():
        yield from (f"{path} {command}" for command in sorted(level.commands))


def _quoted(words: Iterable[str]) -> str:
    return " ".join(f'"{word}"' for word in words)


def _cases(found: Mapping[str, Level], reply: Reply) -> tuple[list[str], list[str]]:
    """Return the branches of a ``case``: for what follows an option, and for what follows a command."""
    asked = [
        f'        "{path}:{option}") {reply(dict.fromkeys(values or (), ""), values is None)}; return ;;'
        for path, level in found.items()
        for option, values in level.values.items()
    ]
    shown = [f'        "{path}") {reply(level.words, level.takes_file)} ;;' for path, level in found.items()]
    return asked, shown


def _bash(found: Mapping[str, Level]) -> str:
    asked, shown = _cases(found, _bash_reply)
    return "\n".join([
        f"# bash completion of {PROGRAM}",
        "_whatsself_otel() {",
        '    local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} at="" word',
        '    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do',
        '        case "$at $word" in',
        f'            {"|".join(_quoted([step]) for step in _steps(found))}) at="${{at:+$at }}$word" ;;',
        "        esac",
        "    done",
        "    COMPREPLY=()",
        '    case "$at:$before" in',
        *asked,
        "    esac",
        '    case "$at" in',
        *shown,
        "    esac",
        "}",
        f"complete -o filenames -F _whatsself_otel {PROGRAM}",
    ])  # fmt: skip


def _bash_reply(words: Mapping[str, str], is_file: bool) -> str:  # noqa: FBT001 - a `Reply`
    kinds = ("-f " if is_file else "") + f'-W "{" ".join(words)}"'
    return f'mapfile -t COMPREPLY < <(compgen {kinds} -- "$current")'


def _zsh(found: Mapping[str, Level]) -> str:
    asked, shown = _cases(found, _zsh_reply)
    return "\n".join([
        f"#compdef {PROGRAM}",
        f"# zsh completion of {PROGRAM}",
        "_whatsself_otel() {",
        '    local at="" word; local -a shown',
        '    for word in "${(@)words[2,CURRENT-1]}"; do',
        '        case "$at $word" in',
        f'            {"|".join(_quoted([step]) for step in _steps(found))}) at="${{at:+$at }}$word" ;;',
        "        esac",
        "    done",
        '    case "$at:${words[CURRENT-1]}" in',
        *asked,
        "    esac",
        '    case "$at" in',
        *shown,
        "    esac",
        "}",
        # Found in fpath this file is the function's body; sourced, it has to be registered.
        'if [[ $funcstack[1] == "_whatsself-otel" ]]; then _whatsself_otel "$@"',
        f"else compdef _whatsself_otel {PROGRAM}; fi",
    ])  # fmt: skip


def _zsh_reply(words: Mapping[str, str], is_file: bool) -> str:  # noqa: FBT001 - a `Reply`
    rows = " ".join(_single(f"{word}:{text}" if text else word) for word, text in words.items())
    described = f"shown=({rows}); _describe {PROGRAM} shown" if words else ":"
    return f"{described}; _files" if is_file else described


def _fish(found: Mapping[str, Level]) -> str:
    lines = [
        f"# fish completion of {PROGRAM}",
        "function __whatsself_otel_at",
        '    set -l at ""',
        "    for word in (commandline -opc)[2..-1]",
        '        if contains -- "$at $word" ' + _quoted(_steps(found)),
        '            set at (string trim -- "$at $word")',
        "        end",
        "    end",
        '    test "$at" = "$argv[1]"',
        "end",
        f"complete -c {PROGRAM} -f",
    ]
    for path, level in found.items():
        here = f"complete -c {PROGRAM} -n '__whatsself_otel_at \"{path}\"'"
        lines += [f"{here} -F"] if level.takes_file else []
        for word, text in level.words.items():
            flag = f"-l {word[2:]}" if word.startswith("--") else f"-s {word[1:]}" if word[0] == "-" else f"-a {word}"
            lines.append(f"{here} {flag} -d {_single(text)}{_fish_values(level, word)}")
    return "\n".join(lines)


def _fish_values(level: Level, option: str) -> str:
    if option not in level.values:
        return ""
    values = level.values[option]
    return " -r -F" if values is None else f" -x -a {_single(' '.join(values))}"


def _powershell(found: Mapping[str, Level]) -> str:
    rows = [
        f"        '{path}' = @({', '.join(_doubled(word) for word in level.words)})" for path, level in found.items()
    ]
    asked = [
        f"        '{path}:{option}' = @({', '.join(_doubled(word) for word in values or ())})"
        for path, level in found.items()
        for option, values in level.values.items()
    ]
    return "\n".join([
        f"# PowerShell completion of {PROGRAM}",
        f"Register-ArgumentCompleter -Native -CommandName {PROGRAM} -ScriptBlock {{",
        "    param($current, $tree, $cursor)",
        "    $words = @{", *rows, "    }",
        "    $values = @{", *asked, "    }",
        "    $at = ''; $before = ''",
        "    foreach ($element in $tree.CommandElements | Select-Object -Skip 1) {",
        "        if ($element.Extent.EndOffset -ge $cursor -and $current) { break }",
        "        $before = $element.ToString()",
        '        if ($words.ContainsKey("$at $before".Trim())) { $at = "$at $before".Trim() }',
        "    }",
        '    $shown = if ($values.ContainsKey("${at}:$before")) { $values["${at}:$before"] } else { $words[$at] }',
        '    $shown | Where-Object { $_ -like "$current*" } | ForEach-Object {',
        "        [System.Management.Automation.CompletionResult]::new($_)",
        "    }",
        "}",
    ])  # fmt: skip


def _single(text: str) -> str:
    """Return *text* in the quotes that zsh and fish take literally."""
    return "'" + text.replace("'", "").replace("\\", "") + "'"


def _doubled(text: str) -> str:
    """Return *text* in PowerShell's literal quotes."""
    return "'" + text.replace("'", "''") + "'"


def _as_json(found: Mapping[str, Level]) -> str:
    rows: dict[str, Any] = {
        path: {"words": dict(level.words), "values": dict(level.values), "takesFile": level.takes_file}
        for path, level in found.items()
    }
    return json.dumps(rows, indent=2)


SHELLS: Final[Mapping[str, Callable[[Mapping[str, Level]], str]]] = {
    "bash": _bash,
    "fish": _fish,
    "powershell": _powershell,
    "zsh": _zsh,
}
