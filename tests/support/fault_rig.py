"""Numbered spans through a real collector, and the count of what became of them."""

from __future__ import annotations

import datetime as dt
import random
import re
import threading
import time
import urllib.error
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from binaries import ROOT, Collector, get, post_otlp
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from otlp_sink import Sink

NUMBER = "item.number"
PAGE = ROOT / "docs/evidence/delivery.md"
QUICK = (
    "exporters::otlp_http/otlp::sending_queue::batch::flush_timeout: 50ms",
    "exporters::otlp_http/otlp::retry_on_failure::initial_interval: 100ms",
    "exporters::otlp_http/otlp::retry_on_failure::max_interval: 1s",
    "connectors::span_metrics::metrics_flush_interval: 1h",
)
"""Short waits: they are not under test."""


@dataclass(frozen=True, slots=True)
class Tally:
    """What became of numbered items."""

    sent: int
    received: int
    duplicated: int
    lost: int


def numbered(first: int, count: int, text: str = "") -> ExportTraceServiceRequest:
    """Return *count* spans that carry their numbers, from *first* on."""
    request = ExportTraceServiceRequest()
    scope = request.resource_spans.add().scope_spans.add()
    now_ns = time.time_ns()
    for number in range(first, first + count):
        span = scope.spans.add(name="send", trace_id=random.randbytes(16), span_id=random.randbytes(8))
        span.start_time_unix_nano, span.end_time_unix_nano = now_ns, now_ns + 1_000_000
        span.attributes.add(key=NUMBER).value.int_value = number
        span.attributes.add(key="note").value.string_value = text
    return request


@dataclass
class Load:
    """A sender that repeats each batch until it is accepted, as the package does within its time."""

    url: str
    """Where the collector listens now; it changes when the collector is started again."""
    batch: int = 50
    text: str = ""
    accepted: int = 0
    """Spans of the batches that were answered with 200: the numbers from 0 up to this."""
    refused: Counter[str] = field(default_factory=Counter)
    """Attempts that were not accepted, by the answer."""
    _over: threading.Event = field(default_factory=threading.Event)

    def attempt(self) -> bool:
        """Send the next batch once; whether it was accepted."""
        try:
            post_otlp(f"{self.url}/v1/traces", numbered(self.accepted, self.batch, self.text))
        except urllib.error.HTTPError as refusal:
            refusal.close()
            self.refused[str(refusal.code)] += 1
            return False
        except OSError:
            self.refused["connection"] += 1
            return False
        self.accepted += self.batch
        return True

    @contextmanager
    def going_on(self, pause_s: float = 0.005) -> Iterator[None]:
        """Send in the background until the block ends."""
        thread = threading.Thread(target=self._send_on, args=(pause_s,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()

    def _send_on(self, pause_s: float) -> None:
        while not self._over.wait(pause_s):
            self.attempt()


def numbers(sink: Sink) -> Counter[int]:
    """How often each number has arrived."""
    return Counter(span.attributes[NUMBER] for span in sink.spans())


def tally(load: Load, *sinks: Sink) -> Tally:
    """Count the accepted items of *load* that the sinks have."""
    arrived = sum((numbers(sink) for sink in sinks), Counter[int]())
    of_load = Counter({number: copies for number, copies in arrived.items() if number < load.accepted})
    return Tally(
        sent=load.accepted,
        received=len(of_load),
        duplicated=of_load.total() - len(of_load),
        lost=load.accepted - len(of_load),
    )


def wait_for_all(load: Load, sink: Sink, timeout_s: float = 60.0) -> Tally:
    """Wait until *sink* has all accepted items; an item still missing then is lost."""
    deadline_s = time.monotonic() + timeout_s
    while (now := tally(load, sink)).lost and time.monotonic() < deadline_s:
        time.sleep(0.3)
    return now


def own_metric(collector: Collector, name: str, **labels: str) -> float:
    """Return the sum of the collector's own metric *name* over the series that have *labels*."""
    page = (get(collector.metrics_url) or b"").decode()
    lines = re.findall(rf"^{name}(?:_total)?(\{{[^}}]*\}})? (\S+)$", page, re.MULTILINE)
    wanted = [f'{key}="{value}"' for key, value in labels.items()]
    return sum(float(value) for shown, value in lines if all(each in shown for each in wanted))


def note(proof: str, result: Tally, remark: str, page: Path = PAGE) -> None:
    """Write the dated result of *proof* into the page of the proofs, in place of the one before."""
    today = dt.datetime.now(dt.UTC).date()
    row = f"| {proof} | {today} | {result.sent} | {result.received} | {result.duplicated} | {result.lost} | {remark} |"
    head, *lines = page.read_text("utf-8").partition("| --- | --- | ---: | ---: | ---: | ---: | --- |\n")
    rows = {line.split(" | ")[0]: line for line in lines[1].splitlines() if line.startswith("| ")}
    rows[f"| {proof}"] = row
    page.write_text(head + lines[0] + "\n".join(rows[key] for key in sorted(rows)) + "\n", "utf-8")
