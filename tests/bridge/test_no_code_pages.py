"""The pages for gateways without code, walked step by step up to their number in the real Prometheus."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from binaries import free_ports
from fake_gateway import INBOUND, SEQUENCES, Gateway, fake_gateway
from markdown_pages import commands
from prometheus_server import Prometheus, run_prometheus, wait_until
from recording_target import Target, answer, recording_target

pytestmark = [
    pytest.mark.backend,
    pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not here, with which the pages ask"),
    pytest.mark.skipif(sys.platform == "win32", reason="types the commands into a POSIX shell"),
]

PAGES = ("n8n", "typebot", "evolution", "waha")
SECRET = b"an-invented-secret-of-nobody"
INSTALL, STACK = 'python -m pip install ".[bridge]"', "whatsself-otel stack up"


@dataclass(frozen=True)
class Walk:
    """The servers that a page's commands meet: a gateway, a target and Prometheus, on free ports."""

    page: str
    gateway: Gateway
    target: Target
    prometheus: Prometheus
    folder: Path
    bridge_port: int

    def commands(self) -> list[str]:
        """Return the page's commands without its installation and its stores, which other tests run."""
        found = commands(f"docs/no-code/{self.page}.md")
        assert found[:2] == [INSTALL, STACK]
        return [self.here(each) for each in found[2:]]

    def here(self, command: str) -> str:
        command = command.replace(
            "whatsself-otel bridge", f"{sys.executable} -m whatsself_otel.cli bridge {self.listen}"
        )
        ports = {8085: self.bridge_port, 8080: self.gateway.port, 3000: self.gateway.port}
        ports |= {5678: self.target.port, 8081: self.target.port, 9090: int(self.prometheus.url.rpartition(":")[2])}
        for page, port in ports.items():
            command = command.replace(f"127.0.0.1:{page}", f"127.0.0.1:{port}")
        return command

    @property
    def listen(self) -> str:
        return f"--listen 127.0.0.1:{self.bridge_port}"

    @property
    def environ(self) -> dict[str, str]:
        return {
            **os.environ,
            "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": f"{self.prometheus.url}/api/v1/otlp/v1/metrics",
            "OTEL_TRACES_EXPORTER": "none",
            "OTEL_LOGS_EXPORTER": "none",
            "OTEL_METRIC_EXPORT_INTERVAL": "500",
            "EVOLUTION_API_KEY": "an-invented-key",
            "WAHA_API_KEY": "an-invented-key",
        }

    def type(self, command: str) -> str:
        done = subprocess.run(  # noqa: S602 - typed into a shell, as the page says
            command,
            shell=True,
            cwd=self.folder,
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        return done.stdout

    @contextmanager
    def running(self, command: str) -> Iterator[None]:
        variables, _, program = command.rpartition(sys.executable)
        with subprocess.Popen(  # noqa: S602 - as above
            f"{variables}exec {sys.executable}{program}",
            shell=True,
            cwd=self.folder,
            env=self.environ,
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
        ) as process:
            assert process.stderr is not None
            assert any(line.startswith("Listening") for line in process.stderr)
            yield
            process.terminate()
            assert process.wait(30) == 0


def number_of(answered: str) -> float:
    found = json.loads(answered)["data"]["result"]
    return float(found[0]["value"][1]) if found else 0.0


@pytest.fixture
def walk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Walk]:
    page = request.param
    provider = {"n8n": "evolution", "typebot": "cloud_api"}.get(page, page)
    (port,) = free_ports(1)
    (tmp_path / "app-secret.txt").write_bytes(SECRET)
    (tmp_path / "verify-token.txt").write_text("an-invented-verify-token")
    with fake_gateway(provider) as gateway, recording_target() as target, run_prometheus(tmp_path) as prometheus:
        yield Walk(page, gateway, target, prometheus, tmp_path, port)


@pytest.mark.parametrize("walk", PAGES, indirect=True)
def test_each_page_leads_to_its_number(walk: Walk) -> None:
    bridge, connect, read = walk.commands()
    if walk.page == "typebot":
        walk.target.response = answer(200, b"1158201444")
    with walk.running(bridge):
        told = walk.type(connect)
        if walk.page == "typebot":
            assert told == "1158201444"
            hook = connect.split('"')[1].partition("?")[0]
            walk.gateway.play(hook, SECRET)
        else:
            assert f"127.0.0.1:{walk.bridge_port}" in walk.gateway.url
            assert "an-invented-key" in walk.gateway.told[0][2].values()
            walk.gateway.play(walk.gateway.url)
        expected = INBOUND[walk.gateway.provider]
        wait_until(lambda: number_of(walk.type(read)) == expected, timeout_s=30)

        assert number_of(walk.type(read)) == expected
        assert walk.prometheus.value("max by (session) (whatsapp_session_connected)") == 1
        assert (walk.prometheus.value("sum(webhook_duplicates_total)") or 0) >= 1
        forwarded = len(SEQUENCES[walk.gateway.provider]) + (walk.page == "typebot")
        if walk.page in {"n8n", "typebot"}:
            wait_until(lambda: walk.prometheus.value('sum(bridge_requests_total{outcome="forwarded"})') == forwarded)
            assert walk.prometheus.value('sum(bridge_requests_total{outcome="forwarded"})') == forwarded
            assert len(walk.target.requests) == forwarded
            assert walk.prometheus.value("max(bridge_queue_depth)") == 0
    assert set(walk.gateway.statuses) == {200}


@pytest.mark.parametrize("page", PAGES)
def test_both_languages_type_the_same(page: str) -> None:
    assert commands(f"docs/no-code/{page}.md") == commands(f"docs/pt-BR/no-code/{page}.md")
