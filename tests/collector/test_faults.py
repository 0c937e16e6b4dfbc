"""
Losses, duplicates and refusals after each fault, counted: each row of docs/delivery.md is a test of this file.

The long forms are in test_faults_proof.py.
"""

from __future__ import annotations

import random
import re
import signal
import time
from typing import TYPE_CHECKING

import pytest
from binaries import COLLECTOR, ROOT, config_arguments, free_ports, need, run_collector, run_once
from fault_cases import (
    NEEDS_ROOT,
    QUEUE_FILE,
    corrupt_queue,
    filled_queue,
    full_disk,
    read_only_disk,
    storm_of_refusals,
    wait_until,
)
from fault_rig import QUICK, Load, numbers, own_metric, tally, wait_for_all
from otlp_sink import Sink, run_sink

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.collector

ROW = re.compile(r"`(test_[a-z0-9_]+)`")


@pytest.fixture
def sink() -> Iterator[Sink]:
    with run_sink() as running:
        yield running


def test_each_row_of_the_table_names_tests_that_exist() -> None:
    table = [line for line in (ROOT / "docs/delivery.md").read_text("utf-8").splitlines() if line.startswith("| ")][2:]
    sources = "".join(path.read_text("utf-8") for path in (ROOT / "tests").rglob("test_*.py"))

    unproven = [row for row in table if not ROW.findall(row)]
    unknown = [name for row in table for name in ROW.findall(row) if f"def {name}(" not in sources]

    assert (unproven, unknown) == ([], [])


class TestCollectorEnds:
    """Data answered with 200 is already on disk."""

    def test_a_killed_collector_loses_nothing(self, tmp_path: Path, sink: Sink) -> None:
        load = Load(url="http://127.0.0.1:9")
        environ = {"OTLP_ENDPOINT": sink.url}
        with load.going_on():
            for _ in range(3):
                with run_collector("otlp", environ=environ, folder=tmp_path, settings=QUICK) as it:
                    load.url = it.http_url
                    time.sleep(random.uniform(0.3, 0.8))
                    it.process.kill()
        with run_collector("otlp", environ=environ, folder=tmp_path, settings=QUICK):
            result = wait_for_all(load, sink)

        assert load.accepted > 0
        assert result.lost == 0

    def test_an_orderly_stop_keeps_what_could_not_be_sent(self, tmp_path: Path, sink: Sink) -> None:
        sink.status = 503
        load = Load(url="")
        environ = {"OTLP_ENDPOINT": sink.url}
        with run_collector("otlp", environ=environ, folder=tmp_path, settings=QUICK) as it:
            load.url = it.http_url
            assert all(load.attempt() for _ in range(10))
            it.process.send_signal(signal.SIGTERM)
            it.process.wait(timeout=20)
        sink.status = 200
        with run_collector("otlp", environ=environ, folder=tmp_path, settings=QUICK):
            result = wait_for_all(load, sink)

        assert (result.sent, result.lost, result.duplicated) == (500, 0, 0)


class TestBackendRefuses:
    """Errors that may pass are retried without end; permanent ones are dropped and counted."""

    def test_a_storm_of_429_and_503_delays_and_loses_nothing(self, tmp_path: Path, sink: Sink) -> None:
        outcome = storm_of_refusals(tmp_path, sink, seconds=3)

        assert outcome.load.refused == {}
        assert (outcome.result.lost, outcome.failed) == (0, 0)

    def test_a_final_refusal_is_dropped_and_counted(self, tmp_path: Path, sink: Sink) -> None:
        sink.status = 400
        load = Load(url="")
        with run_collector("otlp", environ={"OTLP_ENDPOINT": sink.url}, folder=tmp_path, settings=QUICK) as it:
            load.url = it.http_url
            assert all(load.attempt() for _ in range(6))
            wait_until(lambda: own_metric(it, "otelcol_exporter_queue_size", data_type="traces") == 0)
            sink.status = 200
            assert all(load.attempt() for _ in range(4))
            wait_until(lambda: len(numbers(sink)) >= 200)
            failed = own_metric(it, "otelcol_exporter_send_failed_spans", exporter="otlp_http/otlp")

        result = tally(load, sink)
        assert (result.lost, failed) == (300, 300)

    def test_one_that_refuses_holds_up_no_other_even_with_its_queue_full(self, tmp_path: Path, sink: Sink) -> None:
        load = Load(url="", text="x" * 1000)
        with run_sink() as refusing:
            refusing.status = 503
            environ = {
                "OTLP_ENDPOINT": sink.url,
                "HONEYCOMB_ENDPOINT": refusing.url,
                "HONEYCOMB_API_KEY": "k",
                "OTELCOL_QUEUE_BYTES": "400000",
            }
            quick = "exporters::otlp_http/honeycomb::retry_on_failure::max_interval: 1s"
            with run_collector("otlp", "honeycomb", environ=environ, folder=tmp_path, settings=(*QUICK, quick)) as it:
                load.url = it.http_url
                while load.attempt():
                    pass
                assert not any(load.attempt() for _ in range(3))
                wait_until(lambda: numbers(sink)[load.accepted] == 4)
                failed = own_metric(it, "otelcol_exporter_enqueue_failed_spans", exporter="otlp_http/honeycomb")
                of_healthy = own_metric(it, "otelcol_exporter_enqueue_failed_spans", exporter="otlp_http/otlp")
                refusing.status = 200
                late = wait_for_all(load, refusing)
                wait_until(load.attempt)

        assert load.refused.keys() == {"503"}
        assert (failed, of_healthy) == (4 * load.batch, 0)
        assert tally(load, sink).lost == 0
        assert (late.lost, late.duplicated) == (0, 0)


class TestDisk:
    """The disk under the queue."""

    @NEEDS_ROOT
    def test_a_full_disk_refuses_what_is_new_and_keeps_what_it_has(self, tmp_path: Path, sink: Sink) -> None:
        outcome = full_disk(tmp_path, sink, size="2m")

        assert outcome.load.refused.keys() <= {"500", "503"}
        assert outcome.failed >= outcome.load.batch
        assert outcome.result.lost == 0

    @NEEDS_ROOT
    def test_a_disk_that_turns_read_only_refuses_and_keeps_what_it_has(self, tmp_path: Path, sink: Sink) -> None:
        outcome = read_only_disk(tmp_path, sink, batches=5)

        assert outcome.failed == outcome.load.batch
        assert (outcome.result.sent, outcome.result.lost) == (250, 0)

    @pytest.mark.parametrize("restarted", [True, False], ids=["at the next start", "while it runs"])
    def test_a_file_shrinks_when_its_queue_has_been_drained(
        self, tmp_path: Path, sink: Sink, *, restarted: bool
    ) -> None:
        sink.status = 503
        compaction = "extensions::file_storage/queue::compaction"
        # Shipped are 32 and 4 MiB, of which a test would need minutes.
        soon = (f"{compaction}::rebound_needed_threshold_mib: 4", f"{compaction}::rebound_trigger_threshold_mib: 1")
        settings, environ = (*QUICK, *(() if restarted else soon)), {"OTLP_ENDPOINT": sink.url}
        load = Load(url="", batch=200, text="x" * 1000)
        file = tmp_path / "queue" / QUEUE_FILE
        with run_collector("otlp", environ=environ, folder=tmp_path, settings=settings) as it:
            load.url = it.http_url
            while file.stat().st_size < 6_000_000:
                assert load.attempt()
            sink.status = 200
            assert wait_for_all(load, sink).lost == 0
            wait_until(lambda: restarted or file.stat().st_size < 2_000_000)
        with run_collector("otlp", environ=environ, folder=tmp_path, settings=settings):
            assert file.stat().st_size < 100_000
        assert not [*file.parent.glob("tempdb*")]

    def test_a_corrupt_queue_is_set_aside_and_said(self, tmp_path: Path, sink: Sink) -> None:
        outcome = corrupt_queue(tmp_path, sink, batches=10)

        (log,) = sink.logs()
        assert [path.name for path in (tmp_path / "queue").glob("*.backup")] == [log.attributes["log.file.name"]]
        assert (log.level, log.body) == ("error", "A queue was corrupt and is set aside: what it held was not sent.")
        assert (outcome.result.sent, outcome.result.lost) == (500, 500)

    @pytest.mark.parametrize(
        ("damage", "said"), [(b"\0", "invalid database"), (b"\xff", "Page expected to be")], ids=["whole", "pages"]
    )
    def test_a_queue_that_is_no_queue_stops_the_start(
        self, tmp_path: Path, sink: Sink, damage: bytes, said: str
    ) -> None:
        _, queue = filled_queue(tmp_path, sink)
        size, kept = queue.stat().st_size, 2 * 4096 * (damage != b"\0")
        queue.write_bytes(queue.read_bytes()[:kept] + damage * (size - kept))
        grpc, http, health, metrics = (str(port) for port in free_ports(4))
        environ = {
            "OTLP_ENDPOINT": sink.url,
            "OTELCOL_GRPC_PORT": grpc,
            "OTELCOL_HTTP_PORT": http,
            "OTELCOL_HEALTH_PORT": health,
            "OTELCOL_METRICS_PORT": metrics,
            "OTELCOL_QUEUE_DIR": str(queue.parent),
        }

        ended = run_once([need(COLLECTOR), *config_arguments("otlp")], environ)

        assert ended.returncode != 0
        assert said in ended.stderr


class TestMemory:
    """Above its memory limit the collector refuses before anything is taken."""

    def test_what_the_memory_limit_refuses_is_counted(self, tmp_path: Path, sink: Sink) -> None:
        load = Load(url="")
        environ = {
            "OTLP_ENDPOINT": sink.url,
            "OTELCOL_MEMORY_LIMIT_MIB": "8",
            "OTELCOL_MEMORY_SPIKE_MIB": "6",
        }
        with run_collector("otlp", environ=environ, folder=tmp_path, settings=QUICK) as it:
            load.url = it.http_url
            wait_until(lambda: not load.attempt())
            before, accepted = load.refused.total(), load.accepted
            assert not any(load.attempt() for _ in range(4))
            counted = own_metric(it, "otelcol_receiver_refused_spans", transport="http")

        assert load.refused.keys() == {"503"}
        assert counted == (before + 4) * load.batch
        assert accepted == load.accepted
