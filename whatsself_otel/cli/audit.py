"""``whatsself-otel audit``: is anything personal in a file of logs or telemetry?"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Final

from whatsself_otel.cli.progress import busy
from whatsself_otel.masking.audit import Leak, find_pii
from whatsself_otel.stack.errors import CommandError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

_SHOWN: Final = 50


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "audit",
        help="find personal data in logs or telemetry",
        description=(
            "Read logs, JSON lines or OTLP (JSON or protobuf, also compressed) and report what is personal in it, by "
            "class and place. The values themselves are never shown."
        ),
        epilog="exit status: 0 nothing found, 1 something found, 2 the file cannot be read",
    )
    parser.add_argument("file", metavar="FILE", help="file to read; - for standard input")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of lines")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Report what is found in the file and return 1 if anything is."""
    with busy("Reading"):
        leaks = find_pii(_content(args.file))
    print(_as_json(leaks) if args.json else _as_lines(args.file, leaks))
    return 1 if leaks else 0


def _content(file: str) -> bytes:
    if file == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise CommandError(
            f"cannot read {file}: {error.strerror}; give a file that exists, or - for standard input", status=2
        ) from error


def _as_json(leaks: Sequence[Leak]) -> str:
    found = [{"rule": leak.rule, "place": leak.place, "masked": leak.masked} for leak in leaks]
    return json.dumps({"found": len(leaks), "by_rule": dict(_by_rule(leaks)), "leaks": found}, ensure_ascii=True)


def _as_lines(file: str, leaks: Sequence[Leak]) -> str:
    if not leaks:
        return f"{file}: nothing personal found"
    counts = ", ".join(f"{rule} {count}" for rule, count in _by_rule(leaks))
    lines = [f"{file}: {len(leaks)} personal value(s): {counts}"]
    lines += [f"  {leak}" for leak in leaks[:_SHOWN]]
    if len(leaks) > _SHOWN:
        lines.append(f"  and {len(leaks) - _SHOWN} more; --json lists all")
    return "\n".join(lines)


def _by_rule(leaks: Sequence[Leak]) -> list[tuple[str, int]]:
    return Counter(leak.rule for leak in leaks).most_common()
