"""The long proofs of delivery: real processes, faults for real, every item counted; results go to docs/evidence."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import subprocess
import time
from typing import TYPE_CHECKING

import pytest
from binaries import free_ports, run_collector
from fault_cases import NEEDS_ROOT, corrupt_queue, full_disk, read_only_disk, storm_of_refusals
from fault_rig import QUICK, Load, note, own_metric, tally, wait_for_all
from otlp_sink import run_sink

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.collector, pytest.mark.proof]

KILLS = 20
OUTAGE_ITEMS = 180_000
"""100 spans a second for 30 minutes: what WhatsSelf makes at 12 messages a minute, some hundred times over."""


def test_twenty_sigkills_under_load_lose_nothing(tmp_path: Path) -> None:
    load = Load(url="http://127.0.0.1:9")
    with run_sink() as sink:
        environ = {"OTLP_ENDPOINT": sink.url}
        with load.going_on():
            for _ in range(KILLS):
                with run_collector("otlp", environ=environ, folder=tmp_path, settings=QUICK) as it:
                    load.url = it.http_url
                    time.sleep(random.uniform(0.5, 2.5))
                    it.process.kill()
        with run_collector("otlp", environ=environ, folder=tmp_path, settings=QUICK):
            result = wait_for_all(load, sink)

    note("collector killed 20 times under load", result, f"{load.refused['connection']} attempts met no collector")
    assert load.accepted > KILLS * load.batch
    assert result.lost == 0


def test_a_backend_away_for_thirty_minutes_of_load_gets_all_of_it(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    load = Load(url="", batch=500)
    environ = {"OTLP_ENDPOINT": f"http://127.0.0.1:{port}"}
    with run_collector("otlp", environ=environ, folder=tmp_path, settings=QUICK) as it:
        load.url = it.http_url
        while load.accepted < OUTAGE_ITEMS:
            assert load.attempt()
        queued_bytes = own_metric(it, "otelcol_exporter_queue_size", data_type="traces")
        with run_sink(port) as sink:
            started_s = time.monotonic()
            result = wait_for_all(load, sink, timeout_s=240)
            took_s = time.monotonic() - started_s
        failed = own_metric(it, "otelcol_exporter_send_failed_spans")

    note(
        "backend away for the load of 30 minutes",
        result,
        f"{queued_bytes / 1e6:.0f} MB were queued and drained in {took_s:.0f} s",
    )
    assert queued_bytes > 1e6
    assert failed == 0
    assert result.lost == 0


STORM_S = 60.0
STORED_BATCHES = 200
"""Batches of 50 spans each, in the queue when its disk becomes read-only."""


def test_a_long_storm_of_429_and_503_delays_and_loses_nothing(tmp_path: Path) -> None:
    with run_sink() as sink:
        outcome = storm_of_refusals(tmp_path, sink, STORM_S)

    note("storm of 429 and 503 for 60 s", outcome.result, f"{outcome.failed:.0f} spans were given up")
    assert outcome.result.sent > 1000
    assert (outcome.result.lost, outcome.failed) == (0, 0)


@NEEDS_ROOT
def test_a_full_disk_of_64_mb_keeps_what_it_took(tmp_path: Path) -> None:
    with run_sink() as sink:
        outcome = full_disk(tmp_path, sink, size="64m")

    answers = ", ".join(f"{count} with {status}" for status, count in sorted(outcome.load.refused.items()))
    note("queue's disk of 64 MB full", outcome.result, f"refused requests of 50 spans: {answers}")
    assert outcome.failed >= outcome.load.batch
    assert outcome.result.lost == 0


@NEEDS_ROOT
def test_a_disk_that_turns_read_only_keeps_10_000_spans(tmp_path: Path) -> None:
    with run_sink() as sink:
        outcome = read_only_disk(tmp_path, sink, STORED_BATCHES)

    note("queue's disk turns read-only", outcome.result, f"{outcome.failed:.0f} new spans were refused")
    assert outcome.result.lost == 0


def test_a_corrupt_queue_loses_what_it_held_and_says_so(tmp_path: Path) -> None:
    with run_sink() as sink:
        # A file of more pages, damaged so, cannot be opened: test_a_queue_that_is_no_queue_stops_the_start.
        outcome = corrupt_queue(tmp_path, sink, batches=10)

    note("queue's file damaged", outcome.result, "the file is set aside, a log record and an alert say so")
    assert outcome.result.received == 0


@contextlib.contextmanager
def mounted(image: Path, folder: Path) -> Iterator[Path]:
    folder.mkdir()
    subprocess.run(["mount", "-o", "loop", image, folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


@pytest.mark.parametrize("fsync", ["true", "false"])
def test_power_loss_keeps_what_was_accepted_only_with_fsync(tmp_path: Path, fsync: str) -> None:
    """
    After a power failure, the disk holds exactly the synced data.

    The queue lies on ext4 in an image. A copy of that image, taken while all runs, is such a disk: what the kernel has
    not yet written to it is not in it.
    """
    if os.geteuid() or not shutil.which("mkfs.ext4"):
        pytest.skip("mounting an image needs root and mkfs.ext4")
    image, at_power_loss = tmp_path / "disk.img", tmp_path / "at-power-loss.img"
    with image.open("wb") as disk:
        disk.truncate(256 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-E", "lazy_itable_init=0,lazy_journal_init=0", image], check=True)
    (port,) = free_ports(1)
    environ = {"OTLP_ENDPOINT": f"http://127.0.0.1:{port}"}
    settings = (*QUICK, f"extensions::file_storage/queue::fsync: {fsync}")
    load = Load(url="")
    with mounted(image, tmp_path / "before") as folder:
        os.sync()
        with run_collector("otlp", environ=environ, folder=folder, settings=settings) as it:
            load.url = it.http_url
            for _ in range(40):
                assert load.attempt()
            shutil.copyfile(image, at_power_loss)
            it.process.kill()
    with mounted(at_power_loss, tmp_path / "after") as folder, run_sink(port) as sink:  # noqa: SIM117 - in this order
        with run_collector("otlp", environ=environ, folder=folder, settings=settings):
            result = wait_for_all(load, sink, timeout_s=15)

    note(f"power loss, fsync {fsync}", result, "as shipped" if fsync == "true" else "not as shipped: the control")
    assert (result.lost == 0) == (fsync == "true")
    assert tally(load, sink).sent == 2000
