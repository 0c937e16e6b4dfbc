"""The commands of the security page, as an operator types them: access, and no loss while keys change."""

from __future__ import annotations

import os
import re
import ssl
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from binaries import COLLECTOR, free_ports, get, need
from markdown_pages import fences, table_rows
from otlp_sink import run_sink

from whatsself_otel.stack import vendor_files
from whatsself_otel.stack.addresses import PORTS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from otlp_sink import Sink

PAGE = "docs/security.md"
(KEYS, COLLECTOR_ENDS, APPLICATION, CLIENT, ASK, SHOW, BOTH, NEW, ONE, CERTIFICATE) = (
    fence.text for fence in fences(PAGE, "sh")
)
SENDS = """
import logging, sys, time
from whatsself_otel import setup_telemetry
telemetry = setup_telemetry()
for number in range(int(sys.argv[2])):
    logging.getLogger("app").warning("%s %d", sys.argv[1], number)
    time.sleep(0.02)
telemetry.force_flush()
print(telemetry.health().ok)
telemetry.shutdown()
"""


def test_each_port_that_the_stack_has_is_on_the_page() -> None:
    shown = {row[1].strip("`"): int(row[0]) for row in table_rows(PAGE, "## Ports")}

    assert shown == {**PORTS, "OTELCOL_GATEWAY_PORT": 4327}


def test_every_vendor_with_a_place_in_brazil_is_on_the_page_and_no_other() -> None:
    vendors = [vendor_files.load(name) for name in vendor_files.names()]
    places = {each.name: each.facts["region"] for each in vendors if not each.facts["region"].startswith("none")}

    rows = table_rows(PAGE, "### Vendors abroad (art. 33)")
    shown = {name: row[2] for row in rows for name in re.findall(r"`([\w-]+)`", row[0])}

    assert shown == {name: place for name, place in places.items() if place not in {"yours", "unknown"}}


@dataclass
class Machine:
    """A folder for the page's commands, and the collector that it starts."""

    folder: Path
    sink: Sink
    grpc: int
    http: int

    @property
    def variables(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("HOME", "PATH") if name in os.environ}
        kept["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}"
        health, metrics = free_ports(2)
        ports = {"OTELCOL_GRPC_PORT": self.grpc, "OTELCOL_HTTP_PORT": self.http}
        more = {"OTELCOL_HEALTH_PORT": health, "OTELCOL_METRICS_PORT": metrics}
        own = {"OTLP_ENDPOINT": self.sink.url, "OTELCOL_QUEUE_DIR": str(self.folder / "queue")}
        return {**kept, **{name: str(port) for name, port in (ports | more).items()}, **own}

    def type(self, text: str) -> None:
        subprocess.run(["/bin/sh", "-ec", text], cwd=self.folder, env=self.variables, check=True, capture_output=True)

    @contextmanager
    def collector(self, before: str = "") -> Iterator[None]:
        """Run the page's collector; only the hour between two looks at a certificate is a second here."""
        (self.folder / "hour.yaml").write_text(
            "receivers: {otlp: {protocols: {grpc: {tls: {reload_interval: 1s}}, http: {tls: {reload_interval: 1s}}}}}\n"
        )
        exports, run = COLLECTOR_ENDS.strip().splitlines()
        variables = self.variables
        command = f"{before}\n{exports}\nexec {run} --config hour.yaml"
        with (self.folder / "collector.log").open("ab") as log:
            process = subprocess.Popen(
                ["/bin/sh", "-ec", command], cwd=self.folder, env=variables, stdout=log, stderr=log
            )
        try:
            deadline = time.monotonic() + 60
            while get(f"http://127.0.0.1:{variables['OTELCOL_HEALTH_PORT']}/") is None:
                assert process.poll() is None, (self.folder / "collector.log").read_text()
                assert time.monotonic() < deadline
                time.sleep(0.1)
            yield
        finally:
            process.terminate()
            process.wait(30)

    def start(self, name: str, count: int, more: str = "") -> subprocess.Popen[str]:
        """Start an application that logs *count* lines, set up as the page says."""
        exports = APPLICATION.replace(":4318", f":{self.http}")
        command = f"{exports}\n{more}\nexec python -c '{SENDS}' {name} {count}"
        return subprocess.Popen(
            ["/bin/sh", "-ec", command], cwd=self.folder, env=self.variables, stdout=subprocess.PIPE, text=True
        )

    def is_well(self, name: str, count: int = 1, more: str = "") -> bool:
        """Run an application to its end, and return what its health was then."""
        said, _ = self.start(name, count, more).communicate(timeout=60)
        return said.splitlines()[-1] == "True"

    def arrived(self, name: str) -> set[int]:
        bodies = [str(log.body) for log in self.sink.logs()]
        return {int(found[1]) for body in bodies if (found := re.fullmatch(rf"{name} (\d+)", body))}

    def certificate(self) -> str:
        return ssl.get_server_certificate(("localhost", self.http))


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    need(COLLECTOR)
    grpc, http = free_ports(2)
    with run_sink() as sink:
        made = Machine(tmp_path, sink, grpc, http)
        made.type(KEYS)
        yield made


@pytest.mark.collector
@pytest.mark.skipif(sys.platform == "win32", reason="types the commands into a POSIX shell")
class TestPage:
    def test_who_has_the_token_is_let_in_and_nobody_else(self, machine: Machine) -> None:
        with machine.collector():
            assert machine.is_well("known")
            assert not machine.is_well(
                "unknown", more="echo invented > other.txt; export WHATSSELF_OTEL_BEARER_TOKEN_FILE=other.txt"
            )
            machine.sink.wait_for(lambda _: machine.arrived("known"))

        assert machine.arrived("unknown") == set()

    def test_with_client_certificates_a_copied_token_is_worth_nothing(self, machine: Machine) -> None:
        machine.type(CLIENT)
        with machine.collector(ASK):
            assert machine.is_well("certified", more=SHOW)
            assert not machine.is_well("copied")
            machine.sink.wait_for(lambda _: machine.arrived("certified"))

        assert machine.arrived("copied") == set()

    def test_token_and_certificate_change_and_nothing_is_lost(self, machine: Machine) -> None:
        with machine.collector():
            before = machine.certificate()
            old = machine.start("old", 300)
            machine.sink.wait_for(lambda _: machine.arrived("old"), 30)
            machine.type(BOTH)
            machine.type(CERTIFICATE)
            machine.type(NEW)
            new = machine.start("new", 300)
            said = [each.communicate(timeout=90)[0].splitlines()[-1] for each in (old, new)]
            after = machine.certificate()
            machine.type(f"head -1 accepted.txt > old.txt\n{ONE}")
            time.sleep(1)
            late = machine.is_well("late", more="export WHATSSELF_OTEL_BEARER_TOKEN_FILE=old.txt")
            machine.sink.wait_for(lambda _: len(machine.arrived("new")) == len(machine.arrived("old")) == 300, 30)

        assert said == ["True", "True"]
        assert before != after
        assert not late
        assert machine.arrived("late") == set()
