"""Checks of the collector's queues: each exporter and signal sends, waits, fails or was refused."""

from __future__ import annotations

import itertools
import json
import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode, urlsplit

import urllib3

from whatsself_otel.cli.doctor.findings import Finding, fault, ok, skipped, warning
from whatsself_otel.cli.doctor.receiver import request
from whatsself_otel.export.endpoints import is_this_machine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from whatsself_otel.config import TelemetryConfig

_FULL: Final = 0.7
_GATE: Final = "_gate"
_ITEMS: Final = {"traces": "spans", "metrics": "metric_points", "logs": "log_records"}
_HISTORY_S: Final = 6 * 3600
_STEP_S: Final = 30
_PAUSE_S: Final = 0.5
_SERIES: Final = re.compile(r"^(otelcol_[a-z_]+?)(?:_total)?\{([^}]*)\} (\S+)$", re.MULTILINE)
_LABEL: Final = re.compile(r'(\w+)="([^"]*)"')


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One series of the collector's own metrics."""

    name: str
    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The collector's own metrics at one moment."""

    at_s: float
    samples: tuple[Sample, ...]

    def total(self, name: str, **labels: str) -> float:
        """Return the sum of the series *name* that have *labels*."""
        return sum(
            each.value for each in self.samples if each.name == name and labels.items() <= dict(each.labels).items()
        )

    def queues(self) -> Iterator[tuple[str, str]]:
        """Yield exporter and signal of each queue; a gate's is its vendor's."""
        for each in self.samples:
            if each.name == "otelcol_exporter_queue_size" and not each.labels["exporter"].endswith(_GATE):
                yield each.labels["exporter"], each.labels.get("data_type", "")

    def sent(self, exporter: str, signal: str) -> float:
        """Return how many items of *signal* have left through *exporter*."""
        return self.total(f"otelcol_exporter_sent_{_ITEMS.get(signal, signal)}", exporter=exporter)

    def failed(self, exporter: str, signal: str) -> float:
        """Return how many items of *signal* the backend of *exporter* has refused for good."""
        return self.total(f"otelcol_exporter_send_failed_{_ITEMS.get(signal, signal)}", exporter=exporter)

    def waiting(self, exporter: str, signal: str) -> float:
        """Return how many bytes wait in a queue."""
        return self.total("otelcol_exporter_queue_size", exporter=exporter, data_type=signal)


def read(metrics_url: str, config: TelemetryConfig) -> Reading | None:
    """Return a collector's metrics at *metrics_url*; None if no collector answers there."""
    try:
        text = request("GET", metrics_url, config).data.decode("utf-8", "replace")
    except urllib3.exceptions.HTTPError:
        return None
    reading = parse(text)
    return reading if reading.samples else None


def parse(text: str) -> Reading:
    """Return the collector's own metrics on a page."""
    samples = tuple(
        Sample(name=name, labels=dict(_LABEL.findall(labels)), value=float(value))
        for name, labels, value in _SERIES.findall(text)
    )
    return Reading(at_s=time.time(), samples=samples)


def check_seen(reading: Reading | None, metrics_url: str, targets: Sequence[str]) -> Iterator[Finding]:
    """Report that the collector's own metrics are not where they should be."""
    if reading is not None:
        return
    fix = "Set OTELCOL_METRICS_PORT to the port of the collector's own metrics."
    here = any(is_this_machine(urlsplit(target).hostname or "") for target in targets)
    cause = f"No collector answers with its own metrics at {metrics_url}: nobody looked at its queues."
    yield warning("queue", cause, fix) if here else skipped("queue", cause, fix)


def settle(before: Reading, look: Callable[[], Reading | None], patience_s: float) -> Reading:
    """Look until every queue is empty or has moved since *before*, for *patience_s* at most; return the last look."""
    deadline_s = time.monotonic() + patience_s
    while True:
        after = look() or before
        if not any(_is_stuck(before, after, *queue) for queue in after.queues()) or time.monotonic() > deadline_s:
            return after
        time.sleep(_PAUSE_S)


def check_queues(before: Reading, after: Reading, sent_at: Callable[[str, str], float | None]) -> Iterator[Finding]:
    """
    Report for each exporter and signal whether it sends, and how much was refused or lost.

    Args:
        before: A look at the collector.
        after: A later one.
        sent_at: When an exporter last sent a signal, by Prometheus; None when it does not know.
    """
    for exporter, signal in after.queues():
        yield _queue(before, after, exporter, signal, sent_at)
    yield from _losses(after)


def _queue(
    before: Reading, after: Reading, exporter: str, signal: str, sent_at: Callable[[str, str], float | None]
) -> Finding:
    name, waiting = f"{exporter} ({signal})", after.waiting(exporter, signal)
    look = "See whether its backend runs and takes the credential; the collector's log says what it answers."
    if _is_stuck(before, after, exporter, signal):
        since = _since(before, after, exporter, signal, sent_at)
        return fault("queue", f"Nothing has left for {name} {since}; {_size(waiting)} wait.", look)
    if (failed := after.failed(exporter, signal) - before.failed(exporter, signal)) > 0:
        cause = f"The backend of {name} has refused {failed:.0f} items for good since this check began."
        return fault("queue", cause, look)
    capacity = after.total("otelcol_exporter_queue_capacity", exporter=exporter, data_type=signal)
    if capacity and waiting > _FULL * capacity:
        cause = f"The collector's queue for {name} is {waiting / capacity:.0%} full: its backend takes less than comes."
        return warning("queue", cause, look)
    return ok("queue", f"{name} sends; {_size(waiting)} wait." if waiting else f"Nothing waits for {name}.")


def _is_stuck(before: Reading, after: Reading, exporter: str, signal: str) -> bool:
    moved = after.sent(exporter, signal) > before.sent(exporter, signal)
    failed = after.failed(exporter, signal) > before.failed(exporter, signal)
    return after.waiting(exporter, signal) > 0 and not moved and not failed


def _since(
    before: Reading, after: Reading, exporter: str, signal: str, sent_at: Callable[[str, str], float | None]
) -> str:
    if (at_s := sent_at(exporter, signal)) is not None:
        return f"since {_clock(at_s)}"
    if not after.sent(exporter, signal):
        return f"since the collector started at {_clock(after.at_s - after.total('otelcol_process_uptime'))}"
    return f"in the {max(1.0, after.at_s - before.at_s):.0f} s of this check"


def _clock(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def _size(count: float) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e5 else f"{count:.0f} bytes"


def _losses(reading: Reading) -> Iterator[Finding]:
    for each in reading.samples:
        owner = each.labels.get("exporter") or each.labels.get("receiver") or ""
        refused = each.name.startswith("otelcol_receiver_refused_") and not owner.endswith(_GATE)
        if each.value > 0 and (refused or each.name.startswith("otelcol_exporter_send_failed_")):
            what = each.name.removeprefix("otelcol_").replace("_", " ")
            full = " The backend behind that gate was away and its queue full." if owner.endswith(_GATE) else ""
            yield warning(
                "queue",
                f"The collector counts {each.value:.0f} {what} ({owner}) since it started.{full}",
                "The collector's log says why: whatsself-otel stack logs collector.",
            )


def last_sent(prometheus: str, config: TelemetryConfig, exporter: str, signal: str) -> float | None:
    """Return when Prometheus last saw *exporter* send *signal*, in seconds since 1970, or None."""
    series = f'otelcol_exporter_sent_{_ITEMS.get(signal, signal)}{{exporter="{exporter}"}}'
    end_s = time.time()
    query = {"query": f"sum({series})", "start": end_s - _HISTORY_S, "end": end_s, "step": _STEP_S}
    try:
        answer = request("GET", f"{prometheus.rstrip('/')}/api/v1/query_range?{urlencode(query)}", config)
        found = json.loads(answer.data)["data"]["result"]
    except (urllib3.exceptions.HTTPError, ValueError, KeyError, TypeError):
        return None
    values = [(float(at_s), float(value)) for series in found for at_s, value in series["values"]]
    rises = [now[0] for earlier, now in itertools.pairwise(values) if now[1] > earlier[1]]
    return max(rises, default=None)
