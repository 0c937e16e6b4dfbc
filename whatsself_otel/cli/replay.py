"""``whatsself-otel replay``: what stored webhooks would record, and what in them has no place."""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from whatsself_otel.cli.terminal import print_json, say
from whatsself_otel.stack.errors import FAILED, WRONG_USE, CommandError
from whatsself_otel.whatsapp.detect import PROVIDERS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from whatsself_otel.whatsapp.replay import Explanation

_SHOWN: Final = 12
_EXAMPLES: Final = """\
a file holds one webhook as JSON, a list of them, or one a line; - is standard input

exit status:
  0    every webhook is known
  1    one is of no provider, or tells something that no adapter knows: send us this output
  2    a file cannot be read

examples:
  whatsself-otel replay webhook.json
  whatsself-otel replay --json gateway.jsonl
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``replay``."""
    parser = subparsers.add_parser(
        "replay",
        help="what stored webhooks of WhatsApp's providers would record",
        description=(
            "Read webhooks of the Cloud API, Evolution API, WAHA or Baileys from files and tell which events they are, "
            "which metrics each would move, and which of its facts have no place. Nothing is sent, and no value of a "
            "webhook is shown."
        ),
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", nargs="+", metavar="FILE")
    parser.add_argument("--provider", choices=PROVIDERS, help="whose they are; default: as their shape tells")
    parser.add_argument("--json", action="store_true", help="one JSON object a webhook, for machines")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Play every webhook of the files."""
    from whatsself_otel.whatsapp.replay import Replay, is_unknown

    replay, unknown = Replay(), False
    for file in arguments.file:
        for number, payload in enumerate(_webhooks(file), start=1):
            found = replay.explain(payload, arguments.provider)
            unknown = unknown or found.provider is None or any(map(is_unknown, found.events))
            if arguments.json:
                print_json("replay", webhook=number, **asdict(found))
            else:
                say(_as_lines(number, found))
    replay.close()
    return FAILED if unknown else 0


def _webhooks(file: str) -> Iterator[Any]:
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise CommandError(f"cannot read {file}: {reason}; give a file of JSON", status=WRONG_USE) from error
    try:
        whole = json.loads(text)
    except RecursionError:
        whole = None
    except ValueError:
        yield from (_line(line) for line in text.splitlines() if line.strip())
        return
    yield from whole if isinstance(whole, list) else [whole]


def _line(line: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _as_lines(number: int, found: Explanation) -> str:
    if found.provider is None:
        return f"webhook {number}: of no provider that is known"
    lines = [f"webhook {number}: {found.provider}"]
    told = Counter(" ".join(f"{name}={value}" for name, value in event.items()) for event in found.events)
    lines += [f"  {'' if count == 1 else f'{count} x '}{event}" for event, count in list(told.items())[:_SHOWN]]
    lines += [f"  moves {name} by {step:g}" for name, step in found.recorded.items()]
    lines += [f"  no place: {path}" for path in found.unplaced[:_SHOWN]]
    if len(found.unplaced) > _SHOWN:
        lines.append(f"  and {len(found.unplaced) - _SHOWN} more without a place; --json lists them")
    return "\n".join(lines)
