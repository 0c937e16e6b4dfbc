"""Three vendors behind gates, one of them stuck: the package sends, and every item is counted."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from binaries import Collector, run_collector
from fault_rig import NUMBER, QUICK, Tally, numbers, own_metric
from otlp_sink import Sink, run_sink

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from whatsself_otel import Telemetry

VENDORS: Final = ("otlp", "honeycomb", "signoz")
FULL: Final = "otlp_grpc/honeycomb_gate"
"""The component that drops items for the stuck vendor."""
QUEUE_BYTES: Final = "3000000"
_NOTE: Final = "x" * 1000
_QUICK: Final = (*QUICK, "exporters::otlp_http/honeycomb::retry_on_failure::max_interval: 1s")


@dataclass
class Spans:
    """Numbered spans that the package sends."""

    telemetry: Telemetry
    sent: int = 0

    def send(self, count: int) -> None:
        """Send *count* more, and wait until the collector has taken them."""
        tracer = self.telemetry.tracer_provider.get_tracer("isolation")
        for number in range(self.sent, self.sent + count):
            tracer.start_span("send", attributes={NUMBER: number, "note": _NOTE}).end()
        self.sent += count
        assert self.telemetry.force_flush(timeout_s=30)

    @property
    def dropped(self) -> int:
        """How many the application itself has given up."""
        return int(sum(status["dropped"] for status in self.telemetry.health().signals.values()))


@dataclass(frozen=True, kw_only=True)
class Three:
    """The collector and where its three vendors are; the second may refuse everything."""

    folder: Path
    first: Sink
    second: Sink
    third: Sink

    @contextmanager
    def collector(self, *, gated: tuple[str, ...] = VENDORS) -> Iterator[Collector]:
        """Run the collector with the three vendors, those of *gated* behind a gate."""
        environ = {
            "OTLP_ENDPOINT": self.first.url,
            "HONEYCOMB_ENDPOINT": self.second.url,
            "HONEYCOMB_API_KEY": "k",
            "SIGNOZ_ENDPOINT": self.third.url,
            "SIGNOZ_INGESTION_KEY": "k",
            "OTELCOL_QUEUE_BYTES": QUEUE_BYTES,
        }
        with run_collector(*VENDORS, environ=environ, folder=self.folder, settings=_QUICK, gated=gated) as running:
            yield running


@contextmanager
def three(folder: Path) -> Iterator[Three]:
    """Serve three sinks."""
    with run_sink() as first, run_sink() as second, run_sink() as third:
        yield Three(folder=folder, first=first, second=second, third=third)


def count(sent: int, sink: Sink) -> Tally:
    """Return what *sink* has of the numbers below *sent*."""
    found = numbers(sink)
    return Tally(sent=sent, received=len(found), duplicated=found.total() - len(found), lost=sent - len(found))


def wait_for(sent: int, sink: Sink, timeout_s: float = 60.0) -> Tally:
    """Wait until *sink* has all of *sent*."""
    deadline_s = time.monotonic() + timeout_s
    while (now := count(sent, sink)).lost and time.monotonic() < deadline_s:
        time.sleep(0.3)
    return now


def wait_until_decided(collector: Collector, sent: int, timeout_s: float = 60.0) -> float:
    """Wait until each of *sent* spans was taken by the second vendor's queue or dropped; return how many were."""
    deadline_s = time.monotonic() + timeout_s
    while time.monotonic() < deadline_s:
        dropped = own_metric(collector, "otelcol_exporter_send_failed_spans", exporter=FULL)
        taken = own_metric(collector, "otelcol_exporter_sent_spans", exporter=FULL)
        if dropped + taken >= sent:
            return dropped
        time.sleep(0.3)
    raise AssertionError(f"the gate holds {sent - dropped - taken:.0f} of {sent} spans still")
