"""Measures the acknowledged lines that a killed VictoriaLogs loses: the package sends, the collector repeats."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from binaries import free_ports, run_collector
from fault_rig import Tally, note, own_metric
from shipped_backends import VictoriaLogs, run_shipped_victorialogs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from whatsself_otel import Telemetry

pytestmark = [pytest.mark.backend, pytest.mark.collector, pytest.mark.proof]

KILLS = 20
PER_S = 100
WINDOW_S = 7.0
"""
A lost line is younger than this at the kill: a second in the package, one in the collector, three in VictoriaLogs, and
two for a busy machine.
"""


@dataclass
class Lines:
    """Numbered lines, written one after the other from a thread."""

    written_s: list[float] = field(default_factory=list)
    """When each was written; its place is its number."""
    _over: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def going_on(self) -> Iterator[None]:
        """Write until the block ends."""
        thread = threading.Thread(target=self._write_on, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()

    def _write_on(self) -> None:
        logger = logging.getLogger("whatsself.kills")
        logger.setLevel(logging.INFO)
        while not self._over.wait(1 / PER_S):
            number = len(self.written_s)
            self.written_s.append(time.time())
            logger.info("line", extra={"number": number})


def stored(victorialogs: VictoriaLogs) -> Counter[int]:
    """Return how often each number is there."""
    rows = victorialogs.rows("number:* | stats by (number) count() copies")
    return Counter({int(row["number"]): int(row["copies"]) for row in rows})


def seconds_lost(lines: Lines, lost: list[int], kills_s: list[float]) -> list[float]:
    """Return of each kill how old its oldest lost line was; 0 where it lost none."""
    oldest = dict.fromkeys(kills_s, 0.0)
    for written_s in (lines.written_s[number] for number in lost):
        kill_s = min(each for each in kills_s if each > written_s)
        oldest[kill_s] = max(oldest[kill_s], kill_s - written_s)
    return list(oldest.values())


def test_twenty_kills_of_victorialogs_lose_the_last_seconds_and_no_more(
    tmp_path: Path, start: Callable[..., Telemetry]
) -> None:
    (port,) = free_ports(1)
    lines = Lines()
    kills_s: list[float] = []
    environ = {"VICTORIALOGS_OTLP_ENDPOINT": f"http://127.0.0.1:{port}/insert/opentelemetry"}
    with run_collector("victorialogs", environ=environ, folder=tmp_path) as collector:
        telemetry = start(endpoint=collector.http_url)
        with lines.going_on():
            for _ in range(KILLS):
                with run_shipped_victorialogs(tmp_path, port=port) as victorialogs:
                    time.sleep(random.uniform(2.0, 6.0))
                    kills_s.append(time.time())
                    victorialogs.process.kill()
        assert telemetry.force_flush(timeout_s=30)
        with run_shipped_victorialogs(tmp_path, port=port) as victorialogs:
            wait_until_drained(collector_queue=lambda: own_metric(collector, "otelcol_exporter_queue_size"))
            found = stored(victorialogs)
        failed = own_metric(collector, "otelcol_exporter_send_failed_log_records")

    sent = len(lines.written_s)
    lost = [number for number in range(sent) if not found[number]]
    windows_s = seconds_lost(lines, lost, kills_s)
    result = Tally(sent=sent, received=len(found), duplicated=found.total() - len(found), lost=len(lost))
    note(
        "VictoriaLogs killed 20 times under load",
        result,
        f"the lines of the last {sum(windows_s) / KILLS:.1f} s before a kill, {max(windows_s):.1f} s at most",
    )
    assert failed == 0
    assert 0 < max(windows_s) < WINDOW_S
    assert result.duplicated < sent * 0.05


def wait_until_drained(*, collector_queue: Callable[[], float], timeout_s: float = 180.0) -> None:
    """Wait until the collector's queue is empty, and VictoriaLogs shows the lines."""
    deadline_s = time.monotonic() + timeout_s
    while collector_queue():
        assert time.monotonic() < deadline_s, "the collector's queue was not drained"
        time.sleep(0.5)
    time.sleep(3)
