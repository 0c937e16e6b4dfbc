"""The figures of `docs/scale.md`: capacity, disks and bills, computed from the benchmarks' measurements."""

from __future__ import annotations

import functools
import math
import re
import runpy
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT: Final = Path(__file__).resolve().parent.parent
MEASURED: Final = ROOT / "benchmarks" / "collector.md"
STORES: Final = ROOT / "benchmarks" / "backends.md"
SPANS_A_MESSAGE: Final = 8
LOGS_A_MESSAGE: Final = 4
LOAD: Final = 0.6
"""Share of a core that is planned for; the rest is for bursts and for draining a queue after an outage."""
SINGLE_PROGRAM_GB: Final = 20
"""Of logs a day, to which Loki is right as one program: https://grafana.com/docs/loki/latest/get-started/deployment-modes"""
TRACES_KEPT_DAYS: Final = 14
LOGS_KEPT_DAYS: Final = 30
METRICS_KEPT_DAYS: Final = 40
MONTH_DAYS: Final = 30
POINTS_A_DAY: Final = 1_440
"""Of a series: the package sends one a minute."""
MANY_SERIES: Final = 10_000
QUEUE_BYTES: Final = 268_435_456
"""``OTELCOL_QUEUE_BYTES``, of each exporter and signal."""
GATEWAYS: Final = 3
WALK: Final = (1_000, 10_000, 1_000_000)
"""The sizes of a platform engineer's walk."""
STEPS: Final = (12, 100, 1_000, 10_000, 50_000, 100_000, 1_000_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What one signal cost the base: CPU microseconds an item, and memory."""

    item_us: float
    rss_mib: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """What one store needed for so many items: bytes on disk an item, and MiB of memory before and after."""

    items: int
    disk_bytes: float
    empty_mib: float
    full_mib: float

    @property
    def memory_bytes(self) -> float:
        """Memory an item."""
        return (self.full_mib - self.empty_mib) * 2**20 / self.items


def stores(text: str) -> Mapping[str, Need]:
    """Return what `benchmarks/backends.py` measured, by store."""
    rows = re.findall(r"^\| ([\w, ]+) \| ([\d,]+) \| ([\d.]+|in memory) \| (\d+) \| (\d+) \|", text, re.MULTILINE)
    return {
        name: Need(
            items=int(items.replace(",", "")),
            disk_bytes=0.0 if disk == "in memory" else float(disk),
            empty_mib=float(empty),
            full_mib=float(full),
        )
        for name, items, disk, empty, full in rows
    }


def read(text: str) -> Mapping[str, Row]:
    """Return the rows of the base, by signal."""
    rows = re.findall(r"^\| (\w+) \| base \| ([\d.]+) \| [\d,]+ \| (\d+) \|", text, re.MULTILINE)
    return {signal: Row(item_us=float(cost), rss_mib=int(rss)) for signal, cost, rss in rows}


def stack_trace_ms(text: str) -> float:
    """Return the CPU that the base takes for one stack trace."""
    found = re.search(r"^\| stack trace, (\d+) kB \| [\d.]+ \| ([\d.]+) \|", text, re.MULTILINE)
    assert found is not None  # noqa: S101 - benchmarks/collector.py writes this line
    return int(found[1]) * float(found[2])  # kB times seconds a MB


def cores(messages_per_min: int, measured: Mapping[str, Row]) -> float:
    """Return how many cores masking and forwarding take, at the share of a core that is planned for."""
    message_us = SPANS_A_MESSAGE * measured["traces"].item_us + LOGS_A_MESSAGE * measured["logs"].item_us
    return messages_per_min / 60 * message_us / 1e6 / LOAD


@functools.cache
def message_bytes() -> tuple[float, float]:
    """Return the size of a message's spans and records as the benchmark's payloads have them, before compression."""
    made = runpy.run_path(str(ROOT / "benchmarks" / "collector.py"))
    span, record = (made[signal]().ByteSize() / made["ITEMS"] for signal in ("traces", "logs"))
    return SPANS_A_MESSAGE * span, LOGS_A_MESSAGE * record


def tier(needed: float) -> str:
    """Return the collectors for so many cores."""
    if needed <= 2:
        return "one, beside the application"
    if needed <= 16:
        return "agents and three gateways (`agent.yaml`, `gateway.yaml`)"
    return "agents, Kafka and a group of consumers (`kafka-producer.yaml`, `kafka-consumer.yaml`)"


def engine(logs_gb_a_day: float) -> str:
    """Return the backends that take so many GB of logs a day."""
    if logs_gb_a_day <= SINGLE_PROGRAM_GB:
        return "Prometheus, Loki and Tempo as single programs"
    return "VictoriaMetrics and VictoriaLogs clusters, or Mimir, Loki and Tempo as microservices on object storage"


def capacity(measured: Mapping[str, Row]) -> list[tuple[str, ...]]:
    """Return the rows of the table of capacity."""
    size = sum(message_bytes())
    rows = []
    for step in STEPS:
        needed = cores(step, measured)
        amounts = (f"{step / 60 * each:,.0f}" for each in (SPANS_A_MESSAGE, LOGS_A_MESSAGE))
        sums = (f"{step / 60 * size / 1e6:,.2f}", f"{needed:,.2f}", f"{math.ceil(needed):,}")
        rows.append((f"{step:,}", *amounts, *sums, tier(needed)))
    return rows


def days() -> list[tuple[str, ...]]:
    """Return the rows of the table of what backends take in a day and keep."""
    rows = []
    for step in STEPS:
        messages = step * 60 * 24
        spans, logs = (messages * each / 1e9 for each in message_bytes())
        items = messages * (SPANS_A_MESSAGE + LOGS_A_MESSAGE) / 1e6
        kept = spans * TRACES_KEPT_DAYS + logs * LOGS_KEPT_DAYS
        rows.append((f"{step:,}", *(f"{each:,.1f}" for each in (items, spans, logs)), f"{kept:,.0f}", engine(logs)))
    return rows


def kept(needs: Mapping[str, Need]) -> list[tuple[str, ...]]:
    """Return the rows of the table of disks, at the retentions that are shipped."""
    rows: list[tuple[str, ...]] = []
    for step in STEPS:
        messages = step * 60 * 24
        records, spans = messages * LOGS_A_MESSAGE * LOGS_KEPT_DAYS, messages * SPANS_A_MESSAGE * TRACES_KEPT_DAYS
        logs = [records * needs[store].disk_bytes / 1e9 for store in ("VictoriaLogs", "Loki")]
        traces = spans * needs["Tempo"].disk_bytes / 1e9
        plain_traces, plain_logs = (each * messages / 1e9 for each in message_bytes())
        plain = (f"{plain_logs * LOGS_KEPT_DAYS:,.0f}", f"{plain_traces * TRACES_KEPT_DAYS:,.0f}")
        rows.append((f"{step:,}", *(f"{each:,.1f}" for each in (*logs, traces)), *plain))
    return rows


def bill() -> list[tuple[str, ...]]:
    """Return the rows of the table of what vendors count in a month."""
    rows = []
    for step in STEPS:
        messages = step * 60 * 24 * MONTH_DAYS
        spans, records = (messages * each / 1e6 for each in (SPANS_A_MESSAGE, LOGS_A_MESSAGE))
        sizes = [messages * each / 1e9 for each in message_bytes()]
        amounts = (f"{each:,.1f}" for each in (spans, records, spans + records))
        rows.append((f"{step:,}", *amounts, *(f"{each:,.0f}" for each in (*sizes, sum(sizes)))))
    return rows


def queue_minutes(messages_per_min: int, gateways: int) -> float:
    """Return how long the queues for traces of *gateways* gateways hold data while the store is away."""
    return gateways * QUEUE_BYTES / (messages_per_min * message_bytes()[0])


def walk(measured: Mapping[str, Row], needs: Mapping[str, Need]) -> list[tuple[str, ...]]:
    """Return the rows of a cluster's sizes."""
    disks = {row[0]: row[1] for row in kept(needs)}
    rows: list[tuple[str, ...]] = []
    for step in WALK:
        needed = cores(step, measured)
        collectors = max(GATEWAYS, math.ceil(needed))
        logs = step * 60 * 24 * message_bytes()[1] / 1e9
        minutes = queue_minutes(step, collectors)
        rows.append(
            (
                f"{step:,}",
                f"{needed:,.2f}",
                f"{collectors:,}",
                f"{minutes:,.0f}",
                "yes" if needed > GATEWAYS else "no",
                disks[f"{step:,}"],
                engine(logs),
            )
        )
    return rows


def store_facts(needs: Mapping[str, Need]) -> dict[str, str]:
    """Return the figures of the text about stores."""
    samples, series = needs["Prometheus, samples"], needs["Prometheus, series"]
    disk = MANY_SERIES * POINTS_A_DAY * METRICS_KEPT_DAYS * samples.disk_bytes / 1e9
    return {
        "record": f"{needs['VictoriaLogs'].disk_bytes:.0f}",
        "logs_mib": f"{needs['VictoriaLogs'].full_mib:.0f}",
        "logs_items": f"{needs['VictoriaLogs'].items:,}",
        "sample": f"{samples.disk_bytes:.1f}",
        "metrics_gb": f"{disk:.1f}",
        "series": f"{series.items:,}",
        "series_mib": f"{series.full_mib:.0f}",
        "span": f"{needs['Jaeger'].memory_bytes / 1024:.1f}",
        "loki_record": f"{needs['Loki'].disk_bytes:.0f}",
        "loki_mib": f"{needs['Loki'].full_mib:.0f}",
        "tempo_span": f"{needs['Tempo'].disk_bytes:.0f}",
        "tempo_mib": f"{needs['Tempo'].full_mib:.0f}",
        "spans": f"{needs['Tempo'].items:,}",
    }
