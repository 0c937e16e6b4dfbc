"""One vendor that takes nothing costs the others nothing: its gate drops and counts. Long: test_gates_proof.py."""

from __future__ import annotations

import os
import random
import signal
import stat
import time
from typing import TYPE_CHECKING, Any

import generate_gates
import pytest
import yaml
from binaries import COLLECTOR, ROOT, config_arguments, need, run_once
from fault_rig import Load, own_metric, wait_for_all
from isolation import VENDORS, Spans, count, three, wait_for, wait_until_decided
from rows import for_each
from vendor_files import BUILDABLE, SAMPLE_VALUES, header, read
from vendor_files import VENDORS as ALL_VENDORS

from whatsself_otel.stack import gates
from whatsself_otel.stack.errors import CommandError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from whatsself_otel import Telemetry

GATED = tuple(vendor for vendor in ALL_VENDORS if header(vendor)["full"] == "drop")


def gate_of(vendor: str) -> dict[str, Any]:
    data: dict[str, Any] = yaml.safe_load((ROOT / f"collector/gates/{vendor}.yaml").read_text("utf-8"))
    return data


class TestFiles:
    """The contents of the files."""

    def test_are_what_the_generator_would_write(self) -> None:
        assert generate_gates.main(["--check"]) == 0

    def test_each_vendor_that_drops_has_one_and_no_other(self) -> None:
        assert {path.stem for path in (ROOT / "collector/gates").glob("*.yaml")} == {*GATED}

    def test_what_is_no_further_backend_makes_its_sender_wait(self) -> None:
        assert {*ALL_VENDORS} - {*GATED} == {"local", "jaeger", "victorialogs"}

    @for_each("vendor", GATED)
    def test_changes_of_the_vendor_only_where_it_receives_from(self, vendor: str) -> None:
        gate, own = gate_of(vendor), read(vendor)["service"]["pipelines"]
        receiver, exporter = f"otlp/{vendor}_gate", f"otlp_grpc/{vendor}_gate"

        assert gate.keys() == {"receivers", "exporters", "service"}
        assert (gate["receivers"].keys(), gate["exporters"].keys()) == ({receiver}, {exporter})
        assert gate["service"]["pipelines"] == {
            **{name: {"receivers": [receiver]} for name in own},
            **{f"{name}_gate": {"receivers": own[name]["receivers"], "exporters": [exporter]} for name in own},
        }

    @for_each("vendor", GATED)
    def test_listens_on_a_file_and_on_no_port(self, vendor: str) -> None:
        (receiver,) = gate_of(vendor)["receivers"].values()

        assert receiver["protocols"].keys() == {"grpc"}
        assert receiver["protocols"]["grpc"]["transport"] == "unix"

    @pytest.mark.collector
    def test_the_collector_takes_all_of_them_at_once(self, tmp_path: Path) -> None:
        vendors = [vendor for vendor in BUILDABLE if vendor in GATED]
        files = [f"--config={ROOT / f'collector/gates/{vendor}.yaml'}" for vendor in vendors]
        environ = {**SAMPLE_VALUES, "OTELCOL_QUEUE_DIR": str(tmp_path), gates.VARIABLE: str(tmp_path)}

        done = run_once([need(COLLECTOR), "validate", *config_arguments(*vendors), *files], environ)

        assert (done.returncode, done.stderr) == (0, "")


class TestFolder:
    """Where the sockets lie."""

    def test_is_this_users_alone_and_empty(self, tmp_path: Path) -> None:
        folder = tmp_path / "gates"
        gates.clear(folder)
        (folder / "honeycomb.sock").touch()

        gates.clear(folder)

        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert list(folder.iterdir()) == []

    @for_each("mode", [0o755, 0o777])
    def test_that_others_may_enter_is_refused(self, tmp_path: Path, mode: int) -> None:
        folder = tmp_path / "gates"
        folder.mkdir()
        folder.chmod(mode)

        with pytest.raises(CommandError, match="is not this user's alone"):
            gates.clear(folder)

    def test_that_is_a_link_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "elsewhere").mkdir(mode=0o700)
        (tmp_path / "gates").symlink_to(tmp_path / "elsewhere")

        with pytest.raises(CommandError, match="is not this user's alone"):
            gates.clear(tmp_path / "gates")

    @pytest.mark.skipif(os.name == "nt" or os.geteuid() != 0, reason="giving a folder away needs root")
    def test_that_somebody_else_has_made_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "gates").mkdir(mode=0o700)
        os.chown(tmp_path / "gates", 65534, 65534)

        with pytest.raises(CommandError, match="is not this user's alone"):
            gates.clear(tmp_path / "gates")

    def test_a_socket_fits_into_108_characters_whatever_the_folder_of_queues(self, tmp_path: Path) -> None:
        deep = tmp_path.joinpath(*["a-folder-with-a-long-name"] * 8)

        assert max(len(str(gates.folder(deep) / f"{vendor}.sock")) for vendor in GATED) < 104


@pytest.mark.collector
class TestFullQueue:
    """The second of three vendors answers 503, and its queue is full."""

    def test_of_one_vendor_costs_the_others_nothing_and_is_counted(
        self, tmp_path: Path, start: Callable[..., Telemetry]
    ) -> None:
        with three(tmp_path) as vendors:
            vendors.second.status = 503
            with vendors.collector() as collector:
                spans = Spans(start(endpoint=collector.http_url))
                for _ in range(20):
                    spans.send(400)
                healthy = [wait_for(spans.sent, sink) for sink in (vendors.first, vendors.third)]
                dropped = wait_until_decided(collector, spans.sent)
                refused = own_metric(collector, "otelcol_receiver_refused_spans", receiver="otlp")
                vendors.second.status = 200
                wait_for(int(spans.sent - dropped), vendors.second)
            late = count(spans.sent, vendors.second)

        assert [(each.lost, each.duplicated) for each in healthy] == [(0, 0), (0, 0)]
        assert (spans.dropped, refused) == (0, 0)
        assert dropped > 0
        assert (late.received + dropped, late.duplicated) == (spans.sent, 0)

    def test_without_the_gate_starves_the_others(self, tmp_path: Path) -> None:
        """The reason for the gate: the same vendors without it."""
        load = Load(url="", text="x" * 1000)
        with three(tmp_path) as vendors:
            vendors.second.status = 503
            with vendors.collector(gated=()) as collector:
                load.url = collector.http_url
                while load.attempt():
                    pass

        assert load.refused == {"503": 1}


@pytest.mark.collector
def test_what_a_gate_has_taken_outlives_kills(tmp_path: Path) -> None:
    load = Load(url="http://127.0.0.1:9")
    with three(tmp_path) as vendors:
        with load.going_on():
            for _ in range(3):
                with vendors.collector() as collector:
                    load.url = collector.http_url
                    time.sleep(random.uniform(0.5, 1.0))
                    collector.process.kill()
        with vendors.collector():
            results = [wait_for_all(load, sink) for sink in (vendors.first, vendors.second, vendors.third)]

    assert load.accepted > 0
    assert [result.lost for result in results] == [0] * len(VENDORS)


@pytest.mark.collector
def test_an_orderly_stop_keeps_what_a_gate_could_not_hand_over(tmp_path: Path) -> None:
    load = Load(url="")
    with three(tmp_path) as vendors:
        vendors.second.status = 503
        with vendors.collector() as collector:
            load.url = collector.http_url
            assert all(load.attempt() for _ in range(10))
            collector.process.send_signal(signal.SIGTERM)
            collector.process.wait(timeout=20)
        vendors.second.status = 200
        with vendors.collector():
            result = wait_for_all(load, vendors.second)

    assert (result.sent, result.lost) == (500, 0)
