"""
A load of messages, at a rate, for one collector or several in turns: what each would send of 8 spans and 4 records.

    python benchmarks/load.py --url http://127.0.0.1:4318 --messages-per-minute 10000 --duration-s 60
    python benchmarks/load.py --url https://agent-1:4318 --url https://agent-2:4318 --ca-file ca.crt --token-file token

Every span and record has its number, so that whoever receives them can count what is lost and what comes twice. Ids,
times and texts differ as they do in life: stores compress them no better. It prints what was sent, refused and late.

Exit status: 0 all was accepted, 1 some was refused or did not arrive.
"""

from __future__ import annotations

import argparse
import json
import random
import ssl
import sys
import time
import urllib.error
import urllib.request
from dataclasses import asdict, dataclass, field
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

if TYPE_CHECKING:
    from collections.abc import Sequence

SPANS_A_MESSAGE, LOGS_A_MESSAGE = 8, 4
MESSAGES_A_REQUEST = 25
NUMBER = "load.number"
"""The attribute that carries an item's number, a string: a bare number of many digits would be masked."""
CONTACTS = 1_000
STEPS = (
    *("POST /webhook", "process message", "SELECT contacts", "INSERT messages", "wait for turn", "POST /messages"),
    *("UPDATE messages", "receive acknowledgement"),
)
TEXTS = (
    "message {message} received in {ms} ms",
    "trigger matched for {message}, reply queued at position {place}",
    "message {message} sent in {ms} ms, attempt {place} of 3",
    "acknowledged {message} after {ms} ms",
)


@dataclass
class Sent:
    """What became of the load."""

    messages: int = 0
    """Whose spans and records were all accepted."""
    spans: int = 0
    records: int = 0
    bytes: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    """Answer -> requests that were given up."""
    late_s: float = 0.0
    """How far the last request was behind its time: the rate was not reached when this grows."""
    took_s: float = 0.0


def requests(first: int, count: int, numbers: random.Random) -> tuple[Any, Any]:
    """Return the spans and records of *count* messages, numbered from *first* on."""
    traces, logs = ExportTraceServiceRequest(), ExportLogsServiceRequest()
    spans = traces.resource_spans.add()
    records = logs.resource_logs.add()
    for resource in (spans.resource, records.resource):
        resource.attributes.add(key="service.name").value.string_value = "load"
    span_list, record_list = spans.scope_spans.add().spans, records.scope_logs.add().log_records
    for message in range(first, first + count):
        _add_message(message, span_list, record_list, numbers)
    return traces, logs


def _add_message(message: int, spans: Any, records: Any, numbers: random.Random) -> None:
    trace_id, at_ns = numbers.randbytes(16), time.time_ns()
    message_id = f"msg_{at_ns // 1_000_000}_{numbers.randbytes(4).hex()}"
    shared = {
        "requestId": f"{numbers.randbytes(16).hex()}",
        "contactId": f"contact-{numbers.randrange(CONTACTS)}",
        "messageId": message_id,
        "http.route": "/webhook",
        "deployment.environment.name": "production",
    }
    parent = b""
    for place, name in enumerate(STEPS):
        took_ms = max(1, round(numbers.expovariate(1 / 40)))
        span = spans.add(name=name, trace_id=trace_id, span_id=numbers.randbytes(8), parent_span_id=parent, kind=1)
        span.start_time_unix_nano, span.end_time_unix_nano = at_ns, at_ns + took_ms * 1_000_000
        _fill(span, {**shared, "step": name, "ms": str(took_ms), NUMBER: f"s{message * SPANS_A_MESSAGE + place}"})
        parent = parent or span.span_id
        at_ns += took_ms * 1_000_000
    for place, text in enumerate(TEXTS):
        record = records.add(time_unix_nano=at_ns, trace_id=trace_id, span_id=parent, severity_number=9)
        record.severity_text = "info"
        words = {"message": message_id, "ms": numbers.randrange(20, 900), "place": place}
        record.body.string_value = text.format(**words)
        _fill(record, {**shared, "level": "info", "logger": "queue", NUMBER: f"r{message * LOGS_A_MESSAGE + place}"})


def _fill(item: Any, attributes: dict[str, str]) -> None:
    for key, value in attributes.items():
        item.attributes.add(key=key).value.string_value = value


@dataclass(frozen=True)
class Target:
    """Where the load goes."""

    urls: Sequence[str]
    token: str = ""
    ca_file: str = ""

    def post(self, url: str, body: bytes) -> str:
        """Send one request, three times at most, and return "" or why it was given up."""
        headers = {"content-type": "application/x-protobuf"}
        if self.token:
            headers["authorization"] = f"Bearer {self.token}"
        context = ssl.create_default_context(cafile=self.ca_file) if self.ca_file else None
        said = ""
        for attempt in range(3):
            try:
                request = urllib.request.Request(url, body, headers)  # noqa: S310 - the operator's own URL
                with urllib.request.urlopen(request, timeout=30, context=context):  # noqa: S310
                    return ""
            except urllib.error.HTTPError as refusal:
                refusal.close()
                said = str(refusal.code)
                if refusal.code not in {429, 502, 503, 504}:
                    return said
            except OSError as error:
                said = type(error).__name__
            time.sleep(0.5 * (attempt + 1))
        return said


def send(target: Target, messages_per_min: float, duration_s: float, seed: int = 1) -> Sent:
    """
    Send for *duration_s* at *messages_per_min*, to the URLs of *target* in turns, and return what became of it.

    Args:
        target: Where to.
        messages_per_min: The rate, in requests of 25 messages.
        duration_s: How long; what is late is sent after it.
        seed: Of the ids and texts; times are those of the clock.
    """
    numbers, turns, sent = random.Random(seed), cycle(target.urls), Sent()
    pause_s = MESSAGES_A_REQUEST / (messages_per_min / 60)
    started_s = time.monotonic()
    for turn in range(round(duration_s / pause_s)):
        due_s = started_s + turn * pause_s
        time.sleep(max(0.0, due_s - time.monotonic()))
        sent.late_s = max(0.0, time.monotonic() - due_s)
        traces, logs = requests(turn * MESSAGES_A_REQUEST, MESSAGES_A_REQUEST, numbers)
        url = next(turns)
        bodies = {"traces": traces.SerializeToString(), "logs": logs.SerializeToString()}
        said = {signal: target.post(f"{url}/v1/{signal}", body) for signal, body in bodies.items()}
        for answer in filter(None, said.values()):
            sent.refused[answer] = sent.refused.get(answer, 0) + 1
        sent.messages += 0 if any(said.values()) else MESSAGES_A_REQUEST
        sent.spans += 0 if said["traces"] else MESSAGES_A_REQUEST * SPANS_A_MESSAGE
        sent.records += 0 if said["logs"] else MESSAGES_A_REQUEST * LOGS_A_MESSAGE
        sent.bytes += sum(len(body) for body in bodies.values())
    sent.took_s = round(time.monotonic() - started_s, 1)
    sent.late_s = round(sent.late_s, 2)
    return sent


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; see the module's text for arguments and exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", action="append", required=True, help="OTLP over HTTP, without /v1/...; repeatable")
    parser.add_argument("--messages-per-minute", type=float, default=1_000)
    parser.add_argument("--duration-s", type=float, default=60)
    parser.add_argument("--token-file", type=Path)
    parser.add_argument("--ca-file", default="")
    arguments = parser.parse_args(argv)
    token = arguments.token_file.read_text("utf-8").strip() if arguments.token_file else ""
    target = Target(arguments.url, token, arguments.ca_file)
    sent = send(target, arguments.messages_per_minute, arguments.duration_s)
    print(json.dumps(asdict(sent), indent=2))
    return 1 if sent.refused else 0


if __name__ == "__main__":
    sys.exit(main())
