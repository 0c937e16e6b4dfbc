"""The real Prometheus, run with the settings that ship, and asked through its API."""

from __future__ import annotations

import json
import time
import urllib.parse
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml
from binaries import ROOT, Program, free_ports, get, need, running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Prometheus:
    """The real one, asked through its API."""

    url: str

    def query(self, expression: str) -> list[dict[str, Any]]:
        answer = get(f"{self.url}/api/v1/query?{urllib.parse.urlencode({'query': expression})}")
        return json.loads(answer)["data"]["result"] if answer else []

    def value(self, expression: str) -> float | None:
        found = self.query(expression)
        return float(found[0]["value"][1]) if found else None


@contextmanager
def run_prometheus(folder: Path, *, scrape: str | None = None) -> Iterator[Prometheus]:
    """
    Run Prometheus with the shipped OTLP settings, and with types as labels, because its API shows OTLP's no other way.

    Args:
        folder: Where its data and log go.
        scrape: A host and port whose ``/metrics`` it scrapes every second, as the job ``scraped``.
    """
    shipped = yaml.safe_load((ROOT / "backends/prometheus/prometheus.yml").read_text("utf-8"))
    config = folder / "prometheus.yml"
    job = {"job_name": "scraped", "scrape_interval": "1s", "static_configs": [{"targets": [scrape]}]}
    jobs = {} if scrape is None else {"scrape_configs": [job]}
    config.write_text(yaml.safe_dump({"otlp": shipped["otlp"], "storage": shipped["storage"], **jobs}), "utf-8")
    (port,) = free_ports(1)
    command: list[str | Path] = [
        need("prometheus"),
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--web.enable-otlp-receiver",
        "--enable-feature=exemplar-storage,type-and-unit-labels",
    ]
    url = f"http://127.0.0.1:{port}"
    with running(Program(command=command, ready_url=f"{url}/-/ready", environ={}, log=folder / "prometheus.log")):
        yield Prometheus(url)


def wait_until(condition: Callable[[], bool], timeout_s: float = 30.0) -> None:
    """Wait for *condition*; if it never holds, later tests name the missing data."""
    deadline_s = time.monotonic() + timeout_s
    while not condition() and time.monotonic() < deadline_s:
        time.sleep(0.25)
