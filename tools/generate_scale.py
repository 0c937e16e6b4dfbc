"""
Writes docs/scale.md: capacity computed from what benchmarks/collector.py measured.

    python tools/generate_scale.py            # write
    python tools/generate_scale.py --check    # exit 1 if the page is not what would be written
"""

from __future__ import annotations

import math
import re
import runpy
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pages import table, write_or_check

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROOT: Final = Path(__file__).resolve().parent.parent
PAGE: Final = ROOT / "docs" / "scale.md"
MEASURED: Final = ROOT / "benchmarks" / "collector.md"
SPANS_A_MESSAGE: Final = 8
LOGS_A_MESSAGE: Final = 4
LOAD: Final = 0.6
"""Share of a core that is planned for; the rest is for bursts and for draining a queue after an outage."""
STEPS: Final = (12, 100, 1_000, 10_000, 50_000, 100_000, 1_000_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What one signal cost the base: CPU microseconds an item, and memory."""

    item_us: float
    rss_mib: int


def read(text: str) -> Mapping[str, Row]:
    """Return the rows of the base, by signal."""
    rows = re.findall(r"^\| (\w+) \| base \| ([\d.]+) \| [\d,]+ \| (\d+) \|", text, re.MULTILINE)
    return {signal: Row(item_us=float(cost), rss_mib=int(rss)) for signal, cost, rss in rows}


def cores(messages_per_min: int, measured: Mapping[str, Row]) -> float:
    """Return how many cores masking and forwarding take, at the share of a core that is planned for."""
    message_us = SPANS_A_MESSAGE * measured["traces"].item_us + LOGS_A_MESSAGE * measured["logs"].item_us
    return messages_per_min / 60 * message_us / 1e6 / LOAD


def message_bytes() -> float:
    """Return the size of a message's telemetry as the benchmark's payloads have it on the wire, before compression."""
    made = runpy.run_path(str(ROOT / "benchmarks" / "collector.py"))
    span, record = (made[signal]().ByteSize() / made["ITEMS"] for signal in ("traces", "logs"))
    total: float = SPANS_A_MESSAGE * span + LOGS_A_MESSAGE * record
    return total


def tier(needed: float) -> tuple[str, str]:
    """Return the collectors and the backends for so many cores."""
    if needed <= 2:
        return "one, beside the application", "Prometheus, Loki and Tempo as single programs"
    if needed <= 16:
        return "agents and three gateways (`agent.yaml`, `gateway.yaml`)", "Loki and Tempo monolithic on object storage"
    return (
        "agents, Kafka and a group of consumers (`kafka-producer.yaml`, `kafka-consumer.yaml`)",
        "Mimir (or VictoriaMetrics cluster), Loki and Tempo as microservices on object storage",
    )


def capacity(measured: Mapping[str, Row]) -> str:
    """Return the table of capacity."""
    size = message_bytes()
    rows = []
    for step in STEPS:
        needed = cores(step, measured)
        amounts = (f"{step / 60 * each:,.0f}" for each in (SPANS_A_MESSAGE, LOGS_A_MESSAGE))
        sums = (f"{step / 60 * size / 1e6:,.2f}", f"{needed:,.2f}", f"{math.ceil(needed):,}")
        rows.append((f"{step:,}", *amounts, *sums, *tier(needed)))
    return table(
        ("Messages a minute", "Spans/s", "Records/s", "MB/s", "Cores", "Collectors of one core", "Tier", "Engine"),
        rows,
    )


def page(measured: Mapping[str, Row]) -> str:
    """Return the page."""
    rss = max(row.rss_mib for row in measured.values())
    return f"""\
# Scale

<!-- Generated from `benchmarks/collector.md` by `tools/generate_scale.py`; do not edit. -->

One collector serves one machine. What follows is arithmetic on [what was measured](../benchmarks/collector.md): masking
and forwarding took {measured["traces"].item_us:.0f} µs of CPU a span and {measured["logs"].item_us:.0f} µs a log record
on the machine of the benchmark, at {rss} MiB of memory before any queue. No cluster of this size was run
([load_balancing and clusters are unproven](unproven.md)).

A message is {message_bytes() / 1e3:.1f} kB before compression, in spans and records of 8 attributes each.

Assumed, not measured: {SPANS_A_MESSAGE} spans and {LOGS_A_MESSAGE} records a message, and a core planned to
{LOAD:.0%}. Multiply by your own. Metrics are left out: they grow with services, not with messages.

{capacity(measured)}

Agents mask, and a gateway or consumer masks again, because others may write to it: with two tiers the cores of the
table are needed in each. Each collector may use `OTELCOL_MEMORY_LIMIT_MIB` (400) whatever it was measured at.

## Files

| File | Does |
| --- | --- |
| `collector/scale/agent.yaml` | sends to gateways, the spans of a trace to the same one; the official image only |
| `collector/scale/agent-delta.yaml` | beside `agent.yaml`, where the vendor takes deltas |
| `collector/scale/gateway.yaml` | takes from agents that show a certificate |
| `collector/scale/kafka-producer.yaml` | sends to Kafka, the spans of a trace to one partition |
| `collector/scale/kafka-consumer.yaml` | reads as a member of a group, marks what every queue on disk has |

Each is one word of the command line, `whatsself-otel collector run --scale kafka-consumer --vendor local`, which asks
for its variables; without it, one more `--config`.

What needs to see a whole runs where the whole comes by. Spans are counted by agents, and sampled by gateways, to which
all spans of a trace come. Increases (delta) are made by agents: of three gateways each saw a part of a series, and the
vendor added up more than the 300 that were counted; with `agent-delta.yaml` it is 300 with one gateway and with
three (`tests/collector/test_gateways.py`). The gateways then need `OTELCOL_AGENT_TEMPORALITY=delta`, and vendors that
take cumulative metrics, Prometheus among them, gateways of their own. `collector run` refuses what cannot be right
together, with the reason. Without the command line nothing does.

A consumer syncs each Kafka message to its disk before it is marked, and each trace is a message of its own: its disk is
the limit before its CPU. Give topics many partitions, which are read side by side, and watch the group's lag. More
than it can take makes it lag and loses nothing ([counts](proofs/delivery.md)).

## Steps

1. **One machine.** `docker compose up`. When `otelcol_exporter_queue_size` stays above 70 % of its capacity, find out
   whether the backend is slow first: another collector makes that worse.
2. **Agents and gateways.** Tail sampling moves to the gateways: `sampling.yaml` there, not at the agents.
3. **Kafka.** When gateways may be away for longer than the agents' disks can hold.
4. **Distributed engines.** They are configured in their own projects; the collector sends to them by the same
   `local.yaml`, with other addresses.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Write or check the page."""
    return write_or_check(__doc__, {PAGE: page(read(MEASURED.read_text(encoding="utf-8")))}, arguments)


if __name__ == "__main__":
    sys.exit(main())
