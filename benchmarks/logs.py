"""
What one whole log call costs, beside python-json-logger and structlog writing the same record.

    python benchmarks/logs.py

Each writes a JSON line with three ids, two extras and a phone to a stream that keeps only the last line. The peers are
installed in an environment of their own under the user's cache; where that fails the table says so.
The export queue is the SDK's, emptied into memory on its own thread, whose CPU time counts; nothing is encoded or sent.
"""

from __future__ import annotations

import argparse
import importlib
import io
import json
import logging
import os
import platform
import sys
from typing import TYPE_CHECKING, Any, Final

from peers import cpu_microseconds, measure_peer

if TYPE_CHECKING:
    from collections.abc import Callable

MESSAGE: Final = "Message from 5511987654321 waits for a free slot"
FIELDS: Final[dict[str, Any]] = {
    "requestId": "550e8400-e29b-41d4-a716-446655440000",
    "contactId": "clh3k2j0x0000qzrmn831i7rn",
    "messageId": "3EB0C767D26A1B2C3D4E5F",
    "depth": 17,
    "state": "waiting",
}
CANARY: Final = "98765"
PEERS: Final = {"python-json-logger": "python-json-logger", "structlog": "structlog"}


class LastLine(io.StringIO):
    """A stream that keeps the last line."""

    last = ""

    def write(self, text: str, /) -> int:
        """Keep *text*, unless it is only the end of a line."""
        if text.strip():
            self.last = text
        return len(text)


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=7, help="runs of each, of which the best and the median are shown")
    parser.add_argument("--no-peers", action="store_true", help="measure this package only")
    parser.add_argument("--subject", choices=sorted(SUBJECTS), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.subject:
        print(json.dumps(measure(SUBJECTS[arguments.subject], arguments.runs)))
        return 0
    print(f"Python {platform.python_version()}, {os.cpu_count()} CPU, load {os.getloadavg()[0]:.1f}, CPU µs a call\n")
    print("| logger | best (median) | whatsself_otel takes | phone left in the line |\n|---|---|---|---|")
    ours = measure(SUBJECTS["whatsself_otel"], arguments.runs)
    row("whatsself_otel", ours, ours)
    row("whatsself_otel with export queue", measure(SUBJECTS["whatsself_otel with export queue"], arguments.runs), ours)
    for name, package in {} if arguments.no_peers else PEERS.items():
        row(name, measure_peer(__file__, name, package, arguments.runs), ours)
    return 0


def row(name: str, result: dict[str, Any] | str, ours: dict[str, Any]) -> None:
    if isinstance(result, str):
        print(f"| {name} | not measured: {result} |")
        return
    left = "yes" if result["left"] else "no"
    print(f"| {name} | {result['best']:.1f} ({result['median']:.1f}) | {ours['best'] / result['best']:.2f}x | {left} |")


def measure(make: Callable[[LastLine], Callable[[], object]], runs: int) -> dict[str, Any]:
    stream = LastLine()
    call = make(stream)
    best, median = cpu_microseconds(call, runs)
    if MESSAGE[:12] not in stream.last:
        message = "the logger wrote no line: nothing was measured"
        raise RuntimeError(message)
    return {"best": best, "median": median, "left": CANARY in stream.last}


def whatsself(stream: LastLine) -> Callable[[], object]:
    return own_logger(stream, None)


def whatsself_with_export(stream: LastLine) -> Callable[[], object]:
    from opentelemetry.sdk._logs import LoggerProvider
    from opentelemetry.sdk._logs.export import BatchLogRecordProcessor, InMemoryLogRecordExporter

    exporter = InMemoryLogRecordExporter()  # type: ignore[no-untyped-call]
    provider = LoggerProvider()
    provider.add_log_record_processor(BatchLogRecordProcessor(exporter))
    return own_logger(stream, provider)


def own_logger(stream: LastLine, provider: Any) -> Callable[[], object]:
    from whatsself_otel import Masker
    from whatsself_otel.logs import LogSettings, TelemetryHandler

    return standard_logger(TelemetryHandler(Masker(), LogSettings(stream=stream), provider))


def json_logger(stream: LastLine) -> Callable[[], object]:
    handler = logging.StreamHandler(stream)
    formatter = importlib.import_module("pythonjsonlogger.json").JsonFormatter
    handler.setFormatter(formatter("%(levelname)s %(asctime)s %(message)s %(name)s"))
    return standard_logger(handler)


def standard_logger(handler: logging.Handler) -> Callable[[], object]:
    logger = logging.getLogger("shop")
    logger.handlers = [handler]
    logger.setLevel(logging.INFO)
    logger.propagate = False
    return lambda: logger.info(MESSAGE, extra=FIELDS)


def structlog(stream: LastLine) -> Callable[[], object]:
    library = importlib.import_module("structlog")
    processors = library.processors
    logger = library.wrap_logger(
        library.WriteLogger(stream),
        processors=[processors.add_log_level, processors.TimeStamper(fmt="iso"), processors.JSONRenderer()],
        wrapper_class=library.make_filtering_bound_logger(logging.INFO),
        cache_logger_on_first_use=True,
    ).bind()
    return lambda: logger.info(MESSAGE, **FIELDS)


SUBJECTS: Final[dict[str, Callable[[LastLine], Callable[[], object]]]] = {
    "whatsself_otel": whatsself,
    "whatsself_otel with export queue": whatsself_with_export,
    "python-json-logger": json_logger,
    "structlog": structlog,
}

if __name__ == "__main__":
    sys.exit(main())
