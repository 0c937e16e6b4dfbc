"""
The cost of the instruments, and the effect of 100,000 contacts on them.

    python benchmarks/metrics.py
    python benchmarks/metrics.py --costs       the cost of one call alone, as JSON, for compare.py

Prints the cost of one `message_sent`, windows included, as a ratio to one `add` of a bare SDK counter measured in the
same run; series and memory after 100,000 distinct ids went through every method; and the series that 10,000 requests of
random hosts, methods, paths and user agents leave behind.
"""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import secrets
import statistics
import sys
import time
import tracemalloc
from collections import Counter
from typing import TYPE_CHECKING, Final

import httpx
from fastapi import FastAPI
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from whatsself_otel import TelemetryConfig, setup_telemetry
from whatsself_otel.metrics.cardinality import BoundedMeterProvider
from whatsself_otel.metrics.recording import WhatsSelfMetrics

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS: Final = 15
CALLS: Final = 10_000
CONTACTS: Final = 100_000
REQUESTS: Final = 10_000
MEBIBYTE: Final = 1024 * 1024


class Bench:
    """Instruments with a clock that the measurement moves, so that windows slide as they do in production."""

    def __init__(self) -> None:
        self.now_s = 1_795_000_000.0
        self.reader = InMemoryMetricReader()
        provider = BoundedMeterProvider([self.reader], shutdown_on_exit=False)
        self.metrics = WhatsSelfMetrics(provider.get_meter("benchmark"), clock=lambda: self.now_s)


def measure_costs() -> dict[str, float]:
    """Return the seconds of CPU that each call takes, in the median."""
    bench = Bench()
    bare = MeterProvider([InMemoryMetricReader()], shutdown_on_exit=False).get_meter("bare").create_counter("bare")
    attributes = {"origin": "reply"}
    contacts = [f"contact-{number}" for number in range(1000)]

    def add(_: str) -> None:
        bare.add(1, attributes)

    def sent(contact: str) -> None:
        bench.now_s += 0.1
        bench.metrics.message_sent(origin="reply", contact_id=contact)

    def answered(contact: str) -> None:
        bench.now_s += 0.1
        bench.metrics.message_inbound(kind="text", contact_id=contact)

    costs: dict[str, list[float]] = {"bare add": [], "message_sent": [], "message_inbound": []}
    for _ in range(ROUNDS):  # interleaved, so that a slow second of the machine hits all of them
        for name, call in (("bare add", add), ("message_sent", sent), ("message_inbound", answered)):
            costs[name].append(time_calls(call, contacts))
    return {name: statistics.median(values) for name, values in costs.items()}


def measure_ratio() -> None:
    medians = measure_costs()
    for name, seconds in medians.items():
        print(f"{name:16} {seconds * 1e6:6.2f} us  {seconds / medians['bare add']:.2f} x a bare add")


def time_calls(call: Callable[[str], None], contacts: list[str]) -> float:
    started_s = time.process_time()  # what other programs of the machine take is not our cost
    for index in range(CALLS):
        call(contacts[index % len(contacts)])
    return (time.process_time() - started_s) / CALLS


def measure_flood() -> None:
    bench = Bench()
    metrics = bench.metrics
    bench.reader.get_metrics_data()
    gc.collect()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    for number in range(CONTACTS):
        bench.now_s += 0.001
        call_every_verb(metrics, f"contact-{number}")
        if number % 10_000 == 0:
            bench.reader.get_metrics_data()
    data = bench.reader.get_metrics_data()
    gc.collect()
    after, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    series = {
        metric.name: len(metric.data.data_points)
        for resource in (data.resource_metrics if data else ())
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }
    print(f"\n{CONTACTS} distinct ids through every method: {sum(series.values())} series in {len(series)} instruments")
    for name, count in sorted(series.items(), key=lambda item: -item[1])[:8]:
        print(f"  {name:32} {count}")
    print(f"memory held {(after - before) / MEBIBYTE:.1f} MiB, at peak {(peak - before) / MEBIBYTE:.1f} MiB")


def call_every_verb(metrics: WhatsSelfMetrics, identity: str) -> None:
    metrics.message_inbound(kind="text", contact_id=identity)
    metrics.message_sent(origin="reply", contact_id=identity)
    metrics.message_inbound(kind=identity, contact_id=identity)
    metrics.message_failed(reason=identity, origin=identity, contact_id=identity)
    metrics.message_delivered(status=identity)
    metrics.first_response(1.0)
    metrics.trigger_hit(trigger_id=identity)
    metrics.flow_started(flow_id=identity)
    metrics.flow_auto_step(flow_id=identity)
    metrics.flow_step_entered(flow_id=identity, step_key=identity)
    metrics.flow_step_completed(flow_id=identity, step_key=identity)
    metrics.consent(action=identity)
    metrics.session_state(session=identity, state="connected")
    metrics.session_disconnected(session=identity, reason=identity)
    metrics.qr_issued(session=identity)
    metrics.breaker_state("open", contact_id=identity)
    metrics.masked(identity)
    metrics.dropped(identity, identity)
    metrics.error(identity)


async def measure_hostile_requests() -> None:
    app = FastAPI()

    @app.get("/api/{item}")
    async def api(item: str) -> dict[str, int]:
        return {"length": len(item)}

    config = TelemetryConfig(
        metrics_exporter="none", traces_exporter="none", logs_exporter="none", log_to_stdout=False, prometheus=True
    )
    with setup_telemetry(app, config=config):
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://shop") as client:
            for _ in range(REQUESTS):
                word = secrets.token_hex(4)
                path = secrets.choice(["/api/", "/", "/metrics/", "/api/x/"])
                await client.request(
                    secrets.choice(["GET", "POST", word.upper()]),
                    f"{path}{word}",
                    headers={"host": f"{word}.example", "user-agent": word},
                )
            exposition = (await client.get("/metrics")).text
    names = (line.split("{")[0] for line in exposition.splitlines() if "_count" in line or "_total" in line)
    series = Counter(name for name in names if name.startswith("http"))
    print(f"\n{REQUESTS} requests of random hosts, methods, paths and user agents: {dict(series)} series")


if __name__ == "__main__":
    logging.disable()  # the flood is meant
    if "--costs" in sys.argv:
        print(json.dumps(measure_costs()))
        sys.exit()
    measure_ratio()
    measure_flood()
    asyncio.run(measure_hostile_requests())
