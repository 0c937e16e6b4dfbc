"""
Something breaks; the person on call opens the page from Slack's message, follows it, and the alert ends.

The native commands are run as they stand. Stand-ins are: the address of the application, which is on another port here,
and `journalctl`, since the application is no service of systemd here. Rules are quick, by their waits and looks back.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import yaml
from binaries import need
from fault_cases import METADATA_KEY
from runbook_pages import ENGLISH, sections

from whatsself_otel.cli.demo_app import demo_app
from whatsself_otel.simulation.receivers import Receivers, receiving
from whatsself_otel.stack.addresses import Addresses
from whatsself_otel.stack.native import BUILT

pytestmark = [pytest.mark.proof, pytest.mark.skipif(sys.platform != "linux", reason="finds programs in /proc")]

DEMO = "http://127.0.0.1:8000"
TOLD_S = 150.0
OVER_S = 240.0
"""The page itself looks back two minutes for an alert that fires."""
STEADY_S = 15.0
"""Seconds for which an alert must stay away; a fault that remains fires again after ten."""
READS = ("whatsself-otel stack logs", "journalctl", "df ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A business with its stack, and what its people use."""

    url: str
    """Of the application."""
    data: Path
    addresses: Addresses
    environment: dict[str, str]
    receivers: Receivers

    def run(self, command: str) -> None:
        """Run one command of a page."""
        command = command.replace(DEMO, self.url)
        done = subprocess.run(
            ["bash", "-c", command], env=self.environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"

    def post(self, path: str) -> None:
        httpx.post(f"{self.url}{path}", trust_env=False, timeout=30).raise_for_status()

    def pid(self, program: str) -> int:
        """Return the process of the stack whose program has that name."""
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                started = Path((folder / "cmdline").read_bytes().split(b"\0")[0].decode()).name
                is_ours = str(self.data).encode() in (folder / "environ").read_bytes()
            except OSError:
                continue
            if is_ours and started.startswith(program):
                return int(folder.name)
        raise AssertionError(f"{program} does not run")

    def hasten(self) -> None:
        """Have Prometheus look often and wait for nothing."""
        folder = self.data / "config" / "prometheus"
        main = folder / "prometheus.yml"
        config = yaml.safe_load(main.read_text("utf-8"))
        config["global"] = {"scrape_interval": "5s", "evaluation_interval": "2s"}
        main.write_text(yaml.safe_dump(config), "utf-8")
        for path in folder.glob("rules/*.yml"):
            rules = yaml.safe_load(path.read_text("utf-8"))
            for group in rules["groups"]:
                group.pop("interval", None)
                for rule in group["rules"]:
                    rule.pop("keep_firing_for", None)
                    if "for" in rule:
                        rule["for"] = "10s"
                    rule["expr"] = re.sub(r"\[[23]m\]", "[15s]", rule["expr"])
                    # What was down for half of its last ten minutes: this stack has not yet run for as long.
                    rule["expr"] = re.sub(r"(avg_over_time\(up{[^}]*})\[10m\]", r"\1[15s]", rule["expr"])
            path.write_text(yaml.safe_dump(rules), "utf-8")
        os.kill(self.pid("prometheus"), signal.SIGHUP)

    def told(self, alert: str, since: float) -> str:
        """Return the section that Slack's message about *alert* links to."""
        deadline = time.monotonic() + TOLD_S
        while time.monotonic() < deadline:
            told = [each for each in self.receivers.told if each.by == "slack" and each.at > since and not each.is_over]
            named = {link for each in told for link in re.findall(rf"{ENGLISH}#\w+", each.text)}
            if f"{ENGLISH}#{alert.lower()}" in named:
                return sections(ENGLISH)[alert]
            time.sleep(1)
        raise AssertionError(f"Slack was not told of {alert}: {[told.title for told in self.receivers.told]}")

    def is_over(self, query: str) -> bool:
        """Return whether the page's query gives nothing, for a while, within the time that a person would wait."""
        self.hasten()
        deadline, away_since = time.monotonic() + OVER_S, time.monotonic()
        while time.monotonic() < deadline:
            time.sleep(1)
            if self._fires(query):
                away_since = time.monotonic()
            elif time.monotonic() - away_since > STEADY_S:
                return True
        return False

    def _fires(self, query: str) -> bool:
        asked = {"query": query}
        answer = httpx.get(f"{self.addresses.prometheus}/api/v1/query", params=asked, trust_env=False, timeout=10)
        found = json.loads(answer.raise_for_status().text)["data"]["result"]
        return bool(found)


def steps(section: str) -> Iterator[str]:
    """Yield the native command of each step of the section's fix."""
    fix = section.partition("### Fix")[2].partition("### Over")[0]
    for step in re.split(r"^\d+\. ", fix, flags=re.MULTILINE)[1:]:
        for way in ("Anywhere", "Native, and the stack by pip"):
            for command in re.findall(rf"{way}:\n\n   ```bash\n(.*?)   ```", step, re.DOTALL):
                yield re.sub(r"^   ", "", command, flags=re.MULTILINE).strip()


def follow(site: Site, section: str) -> list[str]:
    """Follow *section* step by step until the alert ends, and return the steps done."""
    query = re.findall(r"### Over.*?```promql\n(.*?)\n```", section, re.DOTALL)[0]
    done = []
    for command in steps(section):
        site.run(command)
        done.append(command)
        if not command.startswith(READS) and site.is_over(query):
            return done
    raise AssertionError(f"The page was followed to its end, and the alert still fires: {done}")


@pytest.fixture
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    for program in BUILT:
        need(program)
    folder = tmp_path_factory.mktemp("runbooks")
    shims, secrets = folder / "bin", folder / "secrets"
    for each in (shims, secrets):
        each.mkdir()
    (shims / "journalctl").write_text("#!/bin/sh\necho the application is no service here\n", "utf-8")
    (shims / "journalctl").chmod(0o755)
    addresses = Addresses.free()
    with receiving() as receivers:
        path = f"{shims}:{Path(sys.executable).parent}:{os.environ['PATH']}"
        environment = {**os.environ, **addresses.environment, **receivers.environment(secrets), "PATH": path}
        environment["WHATSSELF_OTEL_DATA"] = str(folder / "data")
        # A warning is told in business hours alone, and this test runs at any hour.
        environment["BUSINESS_HOURS"] = "mon-sun 00:00-24:00"
        environment["OTEL_EXPORTER_OTLP_ENDPOINT"] = addresses.otlp_http
        up = "whatsself-otel stack up --native --detach"
        subprocess.run(["bash", "-c", up], env=environment, check=True, capture_output=True)
        quick = {"OTEL_METRIC_EXPORT_INTERVAL": "2000", "DEMO_RECONNECT_S": "9999"}
        try:
            with demo_app(addresses.otlp_http, environment=quick) as app:
                running = Site(
                    url=app.url,
                    data=folder / "data",
                    addresses=addresses,
                    environment=environment,
                    receivers=receivers,
                )
                running.hasten()
                yield running
        finally:
            subprocess.run(["bash", "-c", "whatsself-otel stack down"], env=environment, check=False)


def stop(program: str) -> Callable[[Site], None]:
    """A program that hangs: it lives and answers nothing."""
    return lambda site: os.kill(site.pid(program), signal.SIGSTOP)


def refuse_a_reload(site: Site) -> None:
    """Prometheus is configured to read an invalid file."""
    main = site.data / "config" / "prometheus" / "prometheus.yml"
    main.write_text("scrape_configs: nothing\n", "utf-8")
    os.kill(site.pid("prometheus"), signal.SIGHUP)


def spoil_a_queue(site: Site) -> None:
    """While lines wait, the disk gives back other bytes than it was given: the collector cannot read that queue."""
    os.kill(site.pid("victorialogs"), signal.SIGSTOP)
    for what in ("disconnect", "connect"):
        site.post(f"/api/session/{what}")
    time.sleep(10)
    site.run("whatsself-otel stack down")
    queue = site.data / "queue" / "exporter_otlp_http_victorialogs_logs"
    content = queue.read_bytes()
    assert METADATA_KEY in content
    queue.write_bytes(content.replace(METADATA_KEY, b"\0" * len(METADATA_KEY)))
    site.run("whatsself-otel stack up --native --detach")
    site.hasten()


BROKEN: dict[str, Callable[[Site], None]] = {
    "WhatsSelfSessionLoggedOut": lambda site: site.post("/api/session/logout"),
    "WhatsSelfSessionDown": lambda site: site.post("/api/session/disconnect"),
    "WhatsSelfBackendDown": stop("victorialogs"),
    "WhatsSelfCollectorDown": stop("otelcol"),
    "WhatsSelfReloadFailed": refuse_a_reload,
    "WhatsSelfCollectorQueueSetAside": spoil_a_queue,
}


@pytest.mark.parametrize("alert", BROKEN)
def test_whoever_follows_the_page_ends_the_alert(alert: str, site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    since = time.time()
    BROKEN[alert](site)
    section = site.told(alert, since)

    done = follow(site, section)

    with capsys.disabled():
        sys.stdout.write(f"\n{alert}: {' | '.join(done)}: over after {time.time() - since:.0f} s\n")
    assert done
