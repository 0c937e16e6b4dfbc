"""What every command's parser has in common: help in colour on a terminal, and what each exit status means."""

from __future__ import annotations

import argparse
import re
import sys
from typing import Final

from whatsself_otel.viewer.console_view import Paint

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


class Parser(argparse.ArgumentParser):
    """The parser of the program; argparse makes those of its commands and actions of the same class."""

    def format_help(self) -> str:
        """Return the help, which always ends with the meaning of each exit status."""
        text = super().format_help()
        if "exit status:" not in text:
            text = f"{text}\n{STATUSES}"
        # Newer versions of Python colour by themselves.
        return text if "\x1b" in text else coloured(text, Paint.for_stream(sys.stdout))


def coloured(text: str, paint: Paint) -> str:
    """Return *text* with its headings and options set off."""
    marked = _OPTION.sub(lambda found: paint.cyan(found[0]), text)
    return _HEADING.sub(lambda found: f"{paint.bold(found[1])}:", marked)
