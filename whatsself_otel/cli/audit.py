"""``whatsself-otel audit``: is anything personal in a file of logs or telemetry?"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Final

from whatsself_otel.cli.progress import busy
from whatsself_otel.cli.terminal import print_json, say
from whatsself_otel.language import translated
from whatsself_otel.masking.audit import Leak, Report, audit
from whatsself_otel.stack.errors import CommandError
from whatsself_otel.viewer.console_view import inert

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

_SHOWN: Final = 50
UNREADABLE: Final = 4
"""Exit status when nothing can be said about a file."""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "audit",
        help="find personal data in logs or telemetry",
        description=(
            "Read logs, JSON lines or OTLP (JSON or protobuf, also compressed) and report what is personal in it, by "
            "class and place. The values themselves are never shown."
        ),
        epilog=(
            "exit status: 0 nothing found, 1 something found, 2 there is no such file, 4 what it holds cannot be read: "
            "it is empty, or neither text nor OTLP"
        ),
    )
    parser.add_argument("file", metavar="FILE", help="file to read; - for standard input")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of lines")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Report each personal value of the file; return 1 if there is one."""
    with busy("Reading"):
        content = _content(args.file)
        report = audit(content)
    unreadable = report.unreadable or ([] if report.texts else ["nothing in it"])
    if args.json:
        _print_json(report, unreadable)
    else:
        say(_as_lines(args.file, report, unreadable))
    if report.leaks:
        return 1
    return UNREADABLE if unreadable else 0


def _content(file: str) -> bytes:
    if file == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise CommandError(
            f"cannot read {file}: {error.strerror}; give a file that exists, or - for standard input", status=2
        ) from error


def _print_json(report: Report, unreadable: Sequence[str]) -> None:
    print_json(
        "audit",
        found=len(report.leaks),
        by_rule=dict(_by_rule(report.leaks)),
        leaks=[{"rule": leak.rule, "place": leak.place} for leak in report.leaks],
        read={"texts": report.texts, "characters": report.characters},
        unreadable=list(unreadable),
    )


def _as_lines(file: str, report: Report, unreadable: Sequence[str]) -> str:
    leaks = report.leaks
    read = f"{report.texts:,} texts of {report.characters:,} characters read"
    lines = [f"{file}: cannot be read: {why}" for why in unreadable]
    if not leaks:
        return "\n".join(lines or [f"{file}: nothing personal found; {read}"])
    counts = ", ".join(f"{rule} {count}" for rule, count in _by_rule(leaks))
    lines.append(f"{file}: {len(leaks)} personal value(s): {counts}; {read}")
    lines += [f"  {leak.rule} {translated('at')} {translated(inert(leak.place))}" for leak in leaks[:_SHOWN]]
    if len(leaks) > _SHOWN:
        lines.append(f"  and {len(leaks) - _SHOWN} more; --json lists all")
    return "\n".join(lines)


def _by_rule(leaks: Sequence[Leak]) -> list[tuple[str, int]]:
    return Counter(leak.rule for leak in leaks).most_common()
