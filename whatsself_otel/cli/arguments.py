"""The parser of every command: help in colour, checked values, one line for each mistake."""

from __future__ import annotations

import argparse
import math
import re
import sys
from typing import TYPE_CHECKING, Any, Final, NoReturn
from urllib.parse import urlsplit

from whatsself_otel.language import translated
from whatsself_otel.stack.errors import WRONG_USE, CommandError, did_you_mean
from whatsself_otel.viewer.console_view import Paint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    _Formatter = type[argparse.HelpFormatter]

STATUSES: Final = """\
exit status:
  0    done
  1    failed: what was asked for did not work
  2    wrong arguments, or a variable that is missing, empty or a placeholder
  3    something needed is missing: a program, Go, Docker
  130  interrupted
"""
_HEADING: Final = re.compile(r"^(\w[\w ]*):", re.MULTILINE)
_OPTION: Final = re.compile(r"(?<=[\s\[])--?[a-z][a-z-]*")
_CHOICE: Final = re.compile(r"argument (?P<argument>[^:]+): invalid choice: '(?P<got>.*)' \(choose from (?P<all>.*)\)")
_UNKNOWN: Final = re.compile(r"unrecognized arguments: (?P<got>\S+)")


class Parser(argparse.ArgumentParser):
    """The parser of the program; argparse makes those of its commands and actions of the same class."""

    def __init__(self, *, formatter_class: _Formatter = argparse.HelpFormatter, **kwargs: Any) -> None:
        super().__init__(formatter_class=_translating(formatter_class), **kwargs)

    def format_help(self) -> str:
        """Return the help, which always ends with the meaning of each exit status."""
        text = super().format_help()
        if "exit status:" not in f"{self.description} {self.epilog}":
            text = f"{text}\n{translated(STATUSES)}"
        # Newer versions of Python colour by themselves.
        return text if "\x1b" in text else coloured(text, Paint.for_stream(sys.stdout))

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:
        """Refuse an unknown word here, where its command is known."""
        found, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return found, unknown

    def error(self, message: str) -> NoReturn:
        """
        End with one line that names the remedy.

        Raises:
            CommandError: Always, with status 2.
        """
        raise CommandError(f"{self._remedy(message)} See {self.prog} --help.", status=WRONG_USE)

    def _remedy(self, message: str) -> str:
        if found := _CHOICE.fullmatch(message):
            known, got = re.findall(r"[\w.-]+", found["all"]), found["got"]
            return f"{found['argument']} must be one of {', '.join(known)}, got {got!r}.{did_you_mean(got, known)}"
        if found := _UNKNOWN.match(message):
            return f"No option is called {found['got']}.{did_you_mean(found['got'].partition('=')[0], options(self))}"
        missing = message.removeprefix("the following arguments are required: ")
        if missing != message:
            return f"{missing} is missing."
        return f"{message.removeprefix('argument ')}."


class _Translated(argparse.HelpFormatter):
    """Write help in the reader's language; every text of a parser passes here."""

    def add_usage(self, usage: Any, actions: Any, groups: Any, prefix: str | None = None) -> None:
        super().add_usage(usage, actions, groups, translated("usage: ") if prefix is None else prefix)

    def start_section(self, heading: str | None) -> None:
        super().start_section(heading and translated(heading))

    def add_text(self, text: str | None) -> None:
        super().add_text(text and translated(text))

    def _get_help_string(self, action: argparse.Action) -> str | None:
        text = super()._get_help_string(action)
        return text and translated(text)


def _translating(formatter: _Formatter) -> _Formatter:
    return type(formatter.__name__, (_Translated, formatter), {})


def options(parser: argparse.ArgumentParser) -> list[str]:
    """Return the options of *parser* and of its commands."""
    return [option for action in actions(parser) for option in action.option_strings]


def actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Yield each argument of *parser* and of its commands."""
    for action in parser._actions:  # noqa: SLF001 - argparse has no other way to read what was added
        yield action
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            for command in action.choices.values():
                yield from actions(command)


def whole(least: int, most: float = math.inf) -> Callable[[str], int]:
    """Return the type of a whole number from *least* to *most*."""

    def read(text: str) -> int:
        if not re.fullmatch(r"-?[0-9]{1,15}", text) or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"must be a whole number{_range(least, most)}, got {text!r}")
        return int(text)

    return read


def number(least: float, most: float = math.inf) -> Callable[[str], float]:
    """Return the type of a number from *least* to *most*."""

    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not least <= value <= most or math.isinf(value):
            raise argparse.ArgumentTypeError(f"must be a number{_range(least, most)}, got {text!r}")
        return value

    return read


port = whole(0, 65535)
"""Type of a TCP port; 0 takes a free one."""


def url(text: str) -> str:
    """Return *text*, the address of an HTTP server, as the type of an argument."""
    try:
        parts = urlsplit(text)
        is_url = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_url = False
    if not is_url:
        raise argparse.ArgumentTypeError(f"must be a URL such as http://127.0.0.1:9090, got {text!r}")
    return text


def _range(least: float, most: float) -> str:
    return f" of {least:g} or more" if math.isinf(most) else f" from {least:g} to {most:g}"


def coloured(text: str, paint: Paint) -> str:
    """Return *text* with its headings and options set off."""
    marked = _OPTION.sub(lambda found: paint.cyan(found[0]), text)
    return _HEADING.sub(lambda found: f"{paint.bold(found[1])}:", marked)
