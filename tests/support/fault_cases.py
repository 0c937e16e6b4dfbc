"""Faults under a collector's queue, played and counted: short in test_faults.py, long in test_faults_proof.py."""

from __future__ import annotations

import os
import random
import subprocess
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from binaries import run_collector
from fault_rig import QUICK, Load, Tally, own_metric, tally, wait_for_all

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from otlp_sink import Sink

NEEDS_ROOT = pytest.mark.skipif(os.name == "nt" or os.geteuid() != 0, reason="mounting a file system needs root")
QUEUE_FILE = "exporter_otlp_http_otlp_traces"
METADATA_KEY = b"qmv0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The fate of the sent items, and the collector's counts."""

    result: Tally
    load: Load
    failed: float
    """Spans in the counter that the fault should move."""


def storm_of_refusals(folder: Path, sink: Sink, seconds: float) -> Outcome:
    """Send for *seconds* to a backend that answers 429 and 503 most of the time, then well."""
    load = Load(url="")
    with run_collector("otlp", environ={"OTLP_ENDPOINT": sink.url}, folder=folder, settings=QUICK) as it:
        load.url = it.http_url
        with _storm(sink), load.going_on():
            time.sleep(seconds)
        result = wait_for_all(load, sink, timeout_s=60 + 2 * seconds)
        failed = own_metric(it, "otelcol_exporter_send_failed_spans")
    return Outcome(result=result, load=load, failed=failed)


def full_disk(folder: Path, sink: Sink, size: str) -> Outcome:
    """Fill the queue's disk of *size* (as tmpfs takes it) while the backend is away; then it is back."""
    sink.status = 503
    load = Load(url="", text="x" * 1000)
    with (
        mount(folder / "disk", "-t", "tmpfs", "-o", f"size={size}", "tmpfs") as disk,
        run_collector("otlp", environ={"OTLP_ENDPOINT": sink.url}, folder=disk, settings=QUICK) as it,
    ):
        load.url = it.http_url
        while load.attempt():
            pass
        failed = own_metric(it, "otelcol_exporter_enqueue_failed_spans")
        sink.status = 200
        drained = wait_for_all(load, sink)
        assert drained.lost == 0, "what lay on a full disk must leave it before anything new is taken"
        wait_until(load.attempt)
        result = wait_for_all(load, sink)
    return Outcome(result=result, load=load, failed=failed)


def read_only_disk(folder: Path, sink: Sink, batches: int) -> Outcome:
    """Turn the queue's disk read-only after *batches*, kill the collector, and start it on the repaired disk."""
    sink.status = 503
    load = Load(url="")
    environ = {"OTLP_ENDPOINT": sink.url}
    image = folder / "disk.img"
    with image.open("wb") as file:
        file.truncate(64 << 20)
    subprocess.run(["mkfs.ext4", "-q", image], check=True)
    with mount(folder / "before", "-o", "loop", str(image)) as disk:  # noqa: SIM117 - line length
        with run_collector("otlp", environ=environ, folder=disk, settings=QUICK) as it:
            load.url = it.http_url
            assert all(load.attempt() for _ in range(batches))
            # What the kernel does to ext4 after an error of the device.
            subprocess.run(["mount", "-o", "remount,abort", disk], check=False, capture_output=True)
            assert not load.attempt(), "a read-only queue took a batch"
            failed = own_metric(it, "otelcol_exporter_enqueue_failed_spans")
            it.process.kill()
    sink.status = 200
    with mount(folder / "after", "-o", "loop", str(image)) as disk:  # noqa: SIM117 - line length
        with run_collector("otlp", environ=environ, folder=disk, settings=QUICK):
            result = wait_for_all(load, sink)
    return Outcome(result=result, load=load, failed=failed)


def corrupt_queue(folder: Path, sink: Sink, batches: int) -> Outcome:
    """Damage the file of a queue that holds *batches*, so that the damage is recognised at the next start."""
    load, queue = filled_queue(folder, sink, batches)
    content = queue.read_bytes()
    assert METADATA_KEY in content
    # The last key of a page that now sorts before all others.
    queue.write_bytes(content.replace(METADATA_KEY, b"\0" * len(METADATA_KEY)))
    settings = (*QUICK, "receivers::file_log/set_aside::poll_interval: 100ms")
    with run_collector("otlp", environ={"OTLP_ENDPOINT": sink.url}, folder=folder, settings=settings) as it:
        counted = "otelcol_receiver_accepted_log_records"
        wait_until(lambda: own_metric(it, counted, receiver="file_log/set_aside") == 1)
        sink.wait_for(lambda sink: sink.logs())
    return Outcome(result=tally(load, sink), load=load, failed=0)


def filled_queue(folder: Path, sink: Sink, batches: int = 10) -> tuple[Load, Path]:
    """Return the sent items, and the queue's file that holds them because no backend took them."""
    sink.status = 503
    load = Load(url="")
    with run_collector("otlp", environ={"OTLP_ENDPOINT": sink.url}, folder=folder, settings=QUICK) as it:
        load.url = it.http_url
        assert all(load.attempt() for _ in range(batches))
    sink.status = 200
    return load, folder / "queue" / QUEUE_FILE


def wait_until(condition: Callable[[], object], timeout_s: float = 30.0) -> None:
    """Wait until *condition* holds."""
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline_s, f"it never came to be within {timeout_s} s"
        time.sleep(0.1)


@contextmanager
def mount(folder: Path, *arguments: str) -> Iterator[Path]:
    """Mount a file system by *arguments* on the new *folder* until the block ends."""
    folder.mkdir()
    subprocess.run(["mount", *arguments, folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


@contextmanager
def _storm(sink: Sink) -> Iterator[None]:
    """Answer 429 and 503 most of the time, in turns of a fifth of a second."""
    over = threading.Event()

    def change() -> None:
        while not over.wait(0.2):
            sink.status = random.choice([429, 503, 503, 429, 200])

    thread = threading.Thread(target=change)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        sink.status = 200
