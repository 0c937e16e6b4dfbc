"""Incidents that other people reported: their shape in our metrics, and the alerts that should fire."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import yaml
from binaries import need
from week_player import RULES, rule_order

from whatsself_otel.operations.cases import flat, ramp

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

STEP_S = 60
EVERY_S = 150
HOUR = 60
JOB = 'job="whatsself",deployment_environment_name="production"'


def of(name: str, labels: str = "", instance: str = "a") -> str:
    return f'{name}{{{JOB},instance="{instance}"{labels and "," + labels}}}'


def on(session: str, labels: str = "") -> str:
    return f'session="{session}"{labels and "," + labels}'


def steady(minutes: float, *segments: tuple[float, float]) -> str:
    return ramp(*(segments or ((minutes, 0.2),)), step_s=STEP_S)


def gauge(*segments: tuple[float, float | None]) -> str:
    return flat(*segments, step_s=STEP_S)


CONNECTED, STATE, LOSSES = "whatsapp_session_connected", "whatsapp_session_state", "whatsapp_session_disconnects_total"
CAME, SENT, DELIVERED = "messages_inbound_total", "messages_outbound_total", "messages_delivered_total"
FAILED = "messages_outbound_failed_total"


def business(minutes: float) -> dict[str, str]:
    """Return a small healthy business: one message every five minutes, answered and delivered."""
    return {
        of("process_uptime_seconds"): f"0+{STEP_S}x{round(minutes)}",
        of(CONNECTED, on("main")): gauge((minutes, 1)),
        of("queue_depth"): gauge((minutes, 0)),
        of("cb_state_global"): gauge((minutes, 0)),
        of(CAME, on("main", 'kind="text"')): steady(minutes),
        of(SENT, on("main", 'origin="reply"')): steady(minutes),
        of(DELIVERED, on("main", 'status="delivered"')): steady(minutes),
        of("http_server_request_duration_seconds_count", 'http_response_status_code="200"'): steady(
            minutes, (minutes, 5)
        ),
        of("http_server_request_duration_seconds_bucket", 'http_response_status_code="200",le="5"'): steady(
            minutes, (minutes, 5)
        ),
        **machinery(minutes),
    }


def machinery(minutes: float) -> dict[str, str]:
    """Return the metrics of the collector and of Prometheus about themselves."""
    return {
        'up{job="otelcol",instance="x"}': gauge((minutes, 1)),
        'prometheus_notifications_alertmanagers_discovered{job="prometheus"}': gauge((minutes, 1)),
    }


@dataclass(frozen=True, kw_only=True)
class Situation:
    """A reported incident, its shape in our metrics, and the alerts that should fire."""

    source: str
    what: str
    minutes: float
    changes: Mapping[str, str]
    fires: Mapping[str, int] = field(default_factory=dict)


def written(situation: Situation) -> dict[str, object]:
    series = business(situation.minutes) | dict(situation.changes)
    expected = [{"labels": f'{{alertname="{name}"}}', "value": count} for name, count in situation.fires.items()]
    return {
        "name": situation.what,
        "interval": f"{STEP_S}s",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [
            {
                "expr": 'count by (alertname) (ALERTS{alertstate="firing", severity!="none"})',
                "eval_time": f"{round(situation.minutes) - 5}m",
                "exp_samples": expected,
            }
        ],
    }


def play(situation: Situation, folder: Path) -> subprocess.CompletedProcess[str]:
    """Return what promtool says of *situation* under every shipped rule."""
    rules = sorted(RULES.glob("*.yml"))
    path = folder / "situation.yml"
    content = {
        "rule_files": [str(rule) for rule in rules],
        "evaluation_interval": f"{EVERY_S if situation.minutes > 3 * HOUR else STEP_S}s",
        "group_eval_order": rule_order(rules),
        "tests": [written(situation)],
    }
    path.write_text(yaml.safe_dump(content), "utf-8")
    return subprocess.run([need("promtool"), "test", "rules", path], capture_output=True, text=True, check=False)
