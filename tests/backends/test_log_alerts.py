"""The alerts that only a line can tell: current, alike in both languages, told by a real vmalert and a real Loki."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from alertmanager_server import alertmanager
from binaries import ROOT, Program, free_ports, need, running
from rows import for_each
from runbook_pages import BOTH, sections

from whatsself_otel.operations.log_alerts import LOG_ALERTS, LogAlert, log_rule_files, logql, logsql
from whatsself_otel.operations.model import Source
from whatsself_otel.operations.rules import alerts
from whatsself_otel.stack.addresses import Addresses
from whatsself_otel.stack.native import BUILT
from whatsself_otel.stack.native_stack import Stack, StackConfig

SOURCE = Source.load()
NAMES = {alert.name: alert for alert in LOG_ALERTS}
PATIENCE_S = 60.0
APPLICATION = """
import logging, sys, threading
from pathlib import Path
from whatsself_otel import TelemetryConfig, message_context, setup_telemetry
from whatsself_otel.whatsapp.config import WhatsAppConfig

config = TelemetryConfig(
    endpoint=sys.argv[1], environment=sys.argv[3], service_namespace="shop", log_to_stdout=False,
    whatsapp=WhatsAppConfig(app_secret_file=Path(sys.argv[2])),
)
with setup_telemetry(config=config) as telemetry:
    if sys.argv[4] == "trouble":
        broken = threading.Thread(target=lambda: 1 / 0)
        broken.start()
        broken.join()
        with message_context(session="vendas"):
            logging.getLogger("shop").warning("lost", extra={"event": "disconnected"})
        body = b'{"object": "whatsapp_business_account", "entry": []}'
        for _ in range(3):
            telemetry.whatsapp.observe(body=body, headers={"X-Hub-Signature-256": "sha256=0"})
    logging.getLogger("shop").info("all is told")
"""


class TestFiles:
    def test_have_a_rule_of_each_alert_for_both_stores(self) -> None:
        for text in log_rule_files(SOURCE).values():
            assert [rule["alert"] for rule in yaml.safe_load(text)["groups"][0]["rules"]] == list(NAMES)

    def test_name_alerts_that_no_rule_of_metrics_has(self) -> None:
        assert NAMES.keys() & {alert.name for alert in alerts(SOURCE)} == set()

    @for_each("name", NAMES)
    def test_lead_to_a_heading_in_each_language(self, name: str) -> None:
        for page in BOTH:
            assert NAMES[name].runbook in sections(page)

    @for_each("name", NAMES)
    def test_speak_both_languages(self, name: str) -> None:
        alert = NAMES[name]

        assert alert.summary != alert.summary_pt
        assert alert.description != alert.description_pt

    @for_each("name", NAMES)
    def test_tell_environments_apart_in_both_stores(self, name: str) -> None:
        for expr in (logql(NAMES[name], SOURCE), logsql(NAMES[name], SOURCE)):
            assert "by (service_name, service_namespace, deployment_environment_name" in expr

    def test_follow_the_services_name(self) -> None:
        other = Source.load(service="lojinha")

        assert '{service_name="lojinha"}' in logql(LOG_ALERTS[0], other)
        assert '{service.name="lojinha"}' in logsql(LOG_ALERTS[0], other)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a VictoriaLogs that holds lines of a failing production and a healthy staging."""
    for program in BUILT:
        need(program)
    folder = tmp_path_factory.mktemp("log-alerts")
    (folder / "secret").write_text("0123456789abcdef", "utf-8")
    with Stack(StackConfig(data=folder / "data", addresses=Addresses.free())) as stack:
        live(stack.addresses.otlp_http, folder / "secret")
        url = stack.addresses.victorialogs
        deadline = time.monotonic() + PATIENCE_S
        while lines(url, "all is told") < 2 and time.monotonic() < deadline:
            time.sleep(1)
        yield url


def live(endpoint: str, secret: Path) -> None:
    """Have a production in trouble and a staging that is well tell *endpoint*."""
    for place, what in (("production", "trouble"), ("staging", "nothing")):
        told: list[str | Path] = [sys.executable, "-c", APPLICATION, endpoint, secret, place, what]
        done = subprocess.run(told, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def lines(url: str, query: str) -> int:
    answer = httpx.get(f"{url}/select/logsql/query", params={"query": f'"{query}"'}, trust_env=False)
    return len(answer.raise_for_status().text.splitlines())


def fires(url: str, expr: str) -> list[dict[str, Any]]:
    """Return the series that *expr* gives where vmalert asks."""
    asked = {"query": f"_time:5m {expr}", "time": str(time.time())}
    answer = httpx.get(f"{url}/select/logsql/stats_query", params=asked, trust_env=False, timeout=30)
    assert answer.status_code == 200, answer.text
    return [each["metric"] for each in json.loads(answer.text)["data"]["result"]]


@pytest.mark.backend
class TestVictoriaLogs:
    @pytest.mark.parametrize(
        ("name", "more"),
        [
            ("WhatsSelfUncaughtError", {}),
            ("WhatsSelfSessionEvent", {"session": "vendas", "event": "disconnected"}),
            ("WhatsSelfWebhookSignatureRefused", {"provider": "cloud_api"}),
        ],
    )
    def test_fires_where_the_trouble_is_and_nowhere_else(self, store: str, name: str, more: dict[str, str]) -> None:
        found = fires(store, logsql(NAMES[name], SOURCE))

        place = {"service_name": "whatsself", "service_namespace": "shop", "deployment_environment_name": "production"}
        assert [{key: value for key, value in each.items() if key != "__name__"} for each in found] == [
            {**place, **more}
        ]

    def test_is_quiet_about_what_did_not_happen(self, store: str) -> None:
        calm = LogAlert(**{name: getattr(LOG_ALERTS[0], name) for name in LogAlert.__slots__} | {"logsql": '"comet"'})

        assert fires(store, logsql(calm, SOURCE)) == []

    def test_three_refusals_at_once_are_one_line(self, store: str) -> None:
        assert lines(store, "Webhook refused") == 1


TOLD_S = 240.0
"""Loki's ruler looks once a minute, after a wait of up to a minute."""
PLACE = {"service_name": "whatsself", "service_namespace": "shop", "deployment_environment_name": "production"}
EXPECTED = {
    "WhatsSelfUncaughtError": PLACE,
    "WhatsSelfSessionEvent": {**PLACE, "session": "vendas", "event": "disconnected"},
    "WhatsSelfWebhookSignatureRefused": {**PLACE, "provider": "cloud_api"},
}
"""Labels for Alertmanager besides severity and component."""


def told_to(url: str) -> dict[str, dict[str, str]]:
    """Return the labels of the alerts that an Alertmanager has got, by name, once there are as many as expected."""
    deadline = time.monotonic() + TOLD_S
    found: list[dict[str, Any]] = []
    while len(found) < len(EXPECTED) and time.monotonic() < deadline:
        time.sleep(1)
        found = httpx.get(f"{url}/api/v2/alerts", trust_env=False).raise_for_status().json()
    assert all(alert["annotations"]["summary_pt"] and "#" in alert["annotations"]["runbook_url"] for alert in found)
    # The last two are vmalert's: the group, and the name of what was counted.
    own = {"alertname", "severity", "component", "alertgroup", "stats_result"}
    return {
        alert["labels"]["alertname"]: {name: value for name, value in alert["labels"].items() if name not in own}
        for alert in found
    }


@pytest.mark.backend
class TestRulers:
    def test_vmalert_tells_alertmanager(self, tmp_path: Path) -> None:
        (port,) = free_ports(1)
        (tmp_path / "secret").write_text("0123456789abcdef", "utf-8")
        addresses = Addresses.free()
        needed = ("collector", "victorialogs", "alertmanager")
        with Stack(StackConfig(data=tmp_path / "data", addresses=addresses, only=needed)):
            program = Program(
                command=[
                    need("vmalert"),
                    f"-rule={ROOT / 'backends/victorialogs/rules/whatsself.yml'}",
                    f"-datasource.url={addresses.victorialogs}",
                    f"-notifier.url={addresses.alertmanager}",
                    f"-httpListenAddr=127.0.0.1:{port}",
                    "-group.maxStartDelay=1s",
                ],
                ready_url=f"http://127.0.0.1:{port}/health",
                environ={},
                log=tmp_path / "vmalert.log",
            )
            with running(program):
                live(addresses.otlp_http, tmp_path / "secret")
                assert told_to(addresses.alertmanager) == EXPECTED

    def test_lokis_ruler_tells_alertmanager(self, tmp_path: Path) -> None:
        addresses = Addresses.free()
        rules = tmp_path / "rules" / "fake"  # the name of the one tenant where there are none
        rules.mkdir(parents=True)
        shutil.copy(ROOT / "backends/loki/rules/whatsself.yml", rules)
        (tmp_path / "secret").write_text("0123456789abcdef", "utf-8")
        with alertmanager(tmp_path, {}) as url:
            program = Program(
                command=[
                    need("loki"),
                    f"-config.file={ROOT / 'backends/loki/loki.yaml'}",
                    "-config.expand-env=true",
                    "-ruler.storage.type=local",
                    f"-ruler.storage.local.directory={rules.parent}",
                    f"-ruler.rule-path={tmp_path / 'ruler'}",
                    f"-ruler.alertmanager-url={url}",
                ],
                ready_url=f"{addresses.loki}/ready",
                environ={**addresses.environment, "LOKI_DATA": str(tmp_path / "loki")},
                log=tmp_path / "loki.log",
            )
            with running(program):
                live(f"{addresses.loki}/otlp", tmp_path / "secret")
                assert told_to(url) == EXPECTED
