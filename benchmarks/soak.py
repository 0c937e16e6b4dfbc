"""
An instrumented application under load for minutes: does it keep its memory, threads and descriptors?

    python benchmarks/soak.py --minutes 30 --output benchmarks/results/soak.json

One process is the application and its clients, as fast as one core allows; this one is the receiver, which refuses a
tenth of the exports. Bounded by time and by requests. The slopes are least squares over the second half;
memory that grows while the number of objects does not is the allocator's highest mark of a busier moment.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

APPLICATION = """
import asyncio, gc, json, logging, os, sys, time
import httpx
from fastapi import BackgroundTasks, FastAPI
from sqlalchemy import create_engine, text
from sqlalchemy.pool import StaticPool
from whatsself_otel import message_context, setup_telemetry

SECONDS, REQUESTS, SAMPLES = float(sys.argv[1]), int(sys.argv[2]), 120
app = FastAPI()
engine = create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})
telemetry = setup_telemetry(app, engine)
log = logging.getLogger("shop")

def later(number):
    log.info("sent to +5511987654321 after the answer", extra={"number": number})

@app.get("/work/{number}")
async def work(number: int, background: BackgroundTasks):
    with message_context(contact_id=f"c{number % 5000}", message_id=f"m{number}"):
        with engine.connect() as connection:
            connection.execute(text("select :number"), {"number": number})
        log.info("working", extra={"body": "bom dia" * 20})
        telemetry.metrics.message_sent(origin="reply", contact_id=f"c{number % 5000}")
        background.add_task(later, number)
    if number % 50 == 0:
        raise ValueError("a tenth of a fifth fails")
    return {"number": number}

def sample(start_s, requests):
    pages = int(open("/proc/self/statm").read().split()[1])
    return {
        "seconds": round(time.monotonic() - start_s, 1), "requests": requests,
        "memory_bytes": pages * os.sysconf("SC_PAGE_SIZE"),
        "objects": len(gc.get_objects()),
        "threads": len(os.listdir("/proc/self/task")), "descriptors": len(os.listdir("/proc/self/fd")),
    }

async def main():
    start_s, done, samples = time.monotonic(), 0, []
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://shop") as client:
        async def one(number):
            answer = await client.get(f"/work/{number}")
            assert answer.status_code == (500 if number % 50 == 0 else 200), answer
        while time.monotonic() - start_s < SECONDS and done < REQUESTS:
            await asyncio.gather(*(one(number) for number in range(done, done + 20)))
            done += 20
            if time.monotonic() - start_s >= SECONDS * len(samples) / SAMPLES:
                samples.append(sample(start_s, done))
    busy_s = time.process_time()
    drained = telemetry.shutdown()
    print(json.dumps({
        "requests": done, "cpu_share": round(busy_s / (time.monotonic() - start_s), 2), "drained": drained,
        "signals": telemetry.health().signals, "samples": samples,
    }))

asyncio.run(main())
"""
MEASURES = ("memory_bytes", "objects", "threads", "descriptors")


@dataclass
class Receiver:
    """The exports that the receiver accepted and refused."""

    taken: int = 0
    refused: int = 0


def serve(receiver: Receiver) -> ThreadingHTTPServer:
    """Answer on a free loopback port; ask for a retry of every tenth export."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            again = (receiver.taken + receiver.refused) % 10 == 9
            receiver.refused += again
            receiver.taken += not again
            self.send_response(503 if again else 200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    return server


def run(seconds: float, requests: int) -> dict[str, Any]:
    """Run the application for *seconds*, at most *requests*, and return the measurements with their slopes."""
    receiver = Receiver()
    server = serve(receiver)
    environment = {
        "PATH": os.environ["PATH"],
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{server.server_port}",
        "WHATSSELF_OTEL_LOG_TO_STDOUT": "false",
    }
    try:
        done = subprocess.run(
            [sys.executable, "-c", APPLICATION, str(seconds), str(requests)],
            env=environment,
            capture_output=True,
            text=True,
            timeout=seconds * 2 + 120,
            check=False,
        )
    finally:
        server.shutdown()
        server.server_close()
    if done.returncode:
        raise SystemExit(done.stderr)
    result: dict[str, Any] = json.loads(done.stdout)
    steady = result["samples"][len(result["samples"]) // 2 :]
    result["slopes_per_hour"] = {measure: round(slope_per_hour(steady, measure), 1) for measure in MEASURES}
    result["exports"] = {"taken": receiver.taken, "refused": receiver.refused}
    return result


def slope_per_hour(samples: list[dict[str, float]], measure: str) -> float:
    """Return the least-squares slope of *measure*."""
    times = [sample["seconds"] / 3600 for sample in samples]
    values = [sample[measure] for sample in samples]
    middle, average = sum(times) / len(times), sum(values) / len(values)
    spread = sum((time_h - middle) ** 2 for time_h in times)
    return sum((time_h - middle) * (value - average) for time_h, value in zip(times, values, strict=True)) / spread


def main() -> None:
    """Run and print the slopes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--requests", type=int, default=5_000_000)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    start_s = time.monotonic()
    result = {"date": datetime.now(UTC).date().isoformat()} | run(options.minutes * 60, options.requests)
    print(f"{result['requests']} requests in {time.monotonic() - start_s:.0f} s, slopes an hour:")
    print(json.dumps(result["slopes_per_hour"]))
    if options.output is not None:
        options.output.parent.mkdir(parents=True, exist_ok=True)
        options.output.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
