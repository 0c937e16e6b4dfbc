"""Prometheus remote write, into a real Prometheus: it stands for every managed one."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from binaries import Program, free_ports, get, need, run_collector, running
from test_vendor_switch import send_as_the_application

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.collector


def test_a_counter_has_the_name_that_otlp_gives_it(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    (tmp_path / "prometheus.yml").write_text("{}", "utf-8")
    program = Program(
        command=[
            need("prometheus"),
            f"--config.file={tmp_path / 'prometheus.yml'}",
            f"--storage.tsdb.path={tmp_path / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--web.enable-remote-write-receiver",
        ],
        ready_url=f"http://127.0.0.1:{port}/-/ready",
        environ={},
        log=tmp_path / "prometheus.log",
    )
    environ = {"PROMETHEUS_REMOTE_WRITE_ENDPOINT": f"http://127.0.0.1:{port}/api/v1/write"}
    with running(program), run_collector("prometheus-remote-write", environ=environ) as ours:
        send_as_the_application(ours.http_url, total=5)
        found = wait_for_value(f"http://127.0.0.1:{port}", "messages_outbound_total")

    assert found == 5


def wait_for_value(url: str, query: str, timeout_s: float = 60.0) -> float:
    """Return the value of the one series of *query*, as soon as Prometheus has it."""
    deadline_s = time.monotonic() + timeout_s
    while True:
        result = json.loads(get(f"{url}/api/v1/query?query={quote(query)}") or b"{}")
        if series := result.get("data", {}).get("result"):
            return float(series[0]["value"][1])
        assert time.monotonic() < deadline_s, f"Prometheus has no {query}"
        time.sleep(0.1)
