"""
What masking costs, beside the scrubbers of Logfire and Sentry on the same records.

    python benchmarks/masking.py

The two are installed in an environment of their own under the user's cache; where that fails the table says so.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import sys
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from peers import cpu_microseconds, measure_peer

if TYPE_CHECKING:
    from collections.abc import Callable

PHONE: Final = "5511987654321"
RECORDS: Final[dict[str, dict[str, Any]]] = {
    "clean text, 300 bytes": {
        "msg": "worker picked the next message of the queue for its contact and waited for a free slot in the "
        "window of twelve a minute, then the flow went on with its second step and asked the template for the text; "
        "attempt 2 of 5, depth 17, window 60 s, breaker closed, session connected, elapsed 1234.5 ms, done",
    },
    "clean record, 300 bytes": {
        "msg": "worker picked message msg_1764000000123_x7f3k2j0x for its contact and waited 1234.5 ms",
        "requestId": "550e8400-e29b-41d4-a716-446655440000",
        "contactId": "clh3k2j0x0000qzrmn831i7rn",
        "messageId": "3EB0C767D26A1B2C3D4E5F",
        "route": "/api/send",
        "depth": 17,
        "elapsed": 1234.5,
        "ts": "2026-11-23T12:00:00.123Z",
    },
    "dirty record, 300 bytes": {
        "msg": f"Message from {PHONE}@s.whatsapp.net (+55 11 98765-4321): joao@example.com, cpf 529.982.247-25",
        "requestId": "550e8400-e29b-41d4-a716-446655440000",
        "phone": f"+{PHONE}",
        "body": "oi, tudo bem? quero saber do pedido",
        "path": f"/api/contacts/{PHONE}?token=abc123",
        "pushName": "Joana",
        "depth": 17,
    },
}
CANARIES: Final = ("98765", "joao@", "529.982", "tudo bem", "abc123", "Joana")
PEERS: Final = {"logfire": "logfire", "sentry": "sentry-sdk"}


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=7, help="runs of each, of which the best and the median are shown")
    parser.add_argument("--no-peers", action="store_true", help="measure this package only")
    parser.add_argument("--subject", choices=sorted(SUBJECTS), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.subject:
        print(json.dumps(measure(SUBJECTS[arguments.subject](), arguments.runs)))
        return 0
    print(
        f"Python {platform.python_version()}, {os.cpu_count()} CPU, load {os.getloadavg()[0]:.1f}, "
        "CPU µs, best (median)\n"
    )
    print(f"| {'scrubber':<16} | " + " | ".join(f"{name:<24}" for name in RECORDS) + " | canaries left of 6 |")
    print("|" + "---|" * (len(RECORDS) + 2))
    row("whatsself_otel", measure(SUBJECTS["whatsself"](), arguments.runs))
    for name, package in {} if arguments.no_peers else PEERS.items():
        row(name, measure_peer(__file__, name, package, arguments.runs))
    return 0


def row(name: str, result: dict[str, Any] | str) -> None:
    if isinstance(result, str):
        print(f"| {name:<16} | not measured: {result}")
        return
    cells = [f"{best:8.1f} ({median:.1f})" for best, median in result["times"].values()]
    print(f"| {name:<16} | " + " | ".join(f"{cell:<24}" for cell in cells) + f" | {result['left']} |")


def measure(scrub: Callable[[dict[str, Any]], object], runs: int) -> dict[str, Any]:
    times = {name: cpu_microseconds(partial(scrub, record), runs) for name, record in RECORDS.items()}
    dirty = str(scrub(RECORDS["dirty record, 300 bytes"]))
    return {"times": times, "left": sum(canary in dirty for canary in CANARIES)}


def whatsself() -> Callable[[dict[str, Any]], object]:
    from whatsself_otel import Masker

    return Masker().attributes


def logfire() -> Callable[[dict[str, Any]], object]:
    scrubber = importlib.import_module("logfire._internal.scrubbing").Scrubber(patterns=None)
    return lambda record: scrubber.scrub_value(("attributes",), record)


def sentry() -> Callable[[dict[str, Any]], object]:
    scrubber = importlib.import_module("sentry_sdk.scrubber").EventScrubber(recursive=True)

    def scrub(record: dict[str, Any]) -> object:
        event: Any = {"extra": dict(record)}
        scrubber.scrub_event(event)
        return event

    return scrub


SUBJECTS: Final[dict[str, Callable[[], Callable[[dict[str, Any]], object]]]] = {
    "whatsself": whatsself,
    "logfire": logfire,
    "sentry": sentry,
}

if __name__ == "__main__":
    sys.exit(main())
