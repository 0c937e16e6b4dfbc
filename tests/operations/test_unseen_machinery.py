"""Other people's incidents with processes, collectors and the monitoring itself: nothing fires but what should."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from situations import (
    CAME,
    CONNECTED,
    DELIVERED,
    HOUR,
    LOSSES,
    SENT,
    STEP_S,
    Situation,
    business,
    gauge,
    of,
    on,
    play,
    steady,
)

if TYPE_CHECKING:
    from pathlib import Path

UPTIME = "process_uptime_seconds"
ANSWERS = "http_server_request_duration_seconds_count"
REFUSED = "alertmanager_notification_requests_failed_total"
GIVEN_UP = "alertmanager_notifications_failed_total"


def collected(name: str, labels: str = "") -> str:
    """Return a series of the collector."""
    return f'{name}{{job="otelcol",instance="x"{labels and "," + labels}}}'


def told(name: str, labels: str) -> str:
    """Return a series of Alertmanager."""
    return f'{name}{{job="alertmanager",instance="x",{labels}}}'


def queue(*filled: tuple[float, float], signal: str = "logs") -> dict[str, str]:
    """Return a queue of the collector for a store, of which that much is filled."""
    labels = f'exporter="otlp_http/loki",data_type="{signal}"'
    minutes = sum(length for length, _ in filled)
    return {
        collected("otelcol_exporter_queue_capacity", labels): gauge((minutes, 1000)),
        collected("otelcol_exporter_queue_size", labels): gauge(*filled),
    }


def rolling(first: float, *, apart: float, minutes: float) -> dict[str, str]:
    """Return three workers that are replaced one after the other."""
    found = {}
    for number in range(3):
        ends = first + number * apart
        found[of(UPTIME, instance=f"old{number}")] = f"0+{STEP_S}x{round(ends) - 1}"
        found[of(UPTIME, instance=f"new{number}")] = f"_x{round(ends) + 1} 0+{STEP_S}x{round(minutes - ends) - 2}"
    return found


def interrupted(series: dict[str, str], begin: int, end: int) -> dict[str, str]:
    """Return *series* without the samples of these minutes."""
    return {name: _cut_out(values, begin, end) for name, values in series.items()}


def _cut_out(values: str, begin: int, end: int) -> str:
    start, _, rest = values.partition("+")
    step, _, count = rest.partition("x")
    later = float(start) + float(step) * end
    return f"{start}+{step}x{begin - 1} _x{end - begin} {later:g}+{step}x{int(count) - end}"


SITUATIONS = (
    Situation(
        source="https://github.com/devlikeapro/waha/issues/2215",
        what="lost four times in six hours, back within a minute each time",
        minutes=6 * HOUR,
        changes={
            of(CONNECTED, on("main")): gauge(*[(89, 1), (1, 0)] * 4),
            of(LOSSES, on("main", 'reason="transient"')): gauge(*[(90, count) for count in range(4)]),
        },
    ),
    Situation(
        source="https://github.com/WhiskeySockets/Baileys/issues/807",
        what="405 after a change of WhatsApp: twenty sessions are lost at once and try again without end",
        minutes=2 * HOUR,
        changes={
            key: values
            for name in ("main", *(f"n{number}" for number in range(19)))
            for key, values in {
                of(CONNECTED, on(name)): gauge((HOUR, 1), (HOUR, 0)),
                of(LOSSES, on(name, 'reason="transient"')): steady(0, (HOUR, 0), (HOUR, 12)),
            }.items()
        },
        # That each is lost again and again is kept silent by that it is down.
        fires={"WhatsSelfSessionDown": 20, "WhatsSelfSessionFlapping": 20},
    ),
    Situation(
        source="https://github.com/devlikeapro/waha/issues/821",
        what="a session that starts without end fills the memory, and the container ends each two and a half minutes",
        minutes=2 * HOUR,
        changes={
            of(UPTIME): f"0+{STEP_S}x{HOUR - 1} " + f"0+{STEP_S}x1 0+{STEP_S}x2 " * 12,
            of(CONNECTED, on("main")): gauge((HOUR, 1), (HOUR, 0)),
        },
        fires={"WhatsSelfCrashLoop": 1, "WhatsSelfSessionDown": 1},
    ),
    Situation(
        source="https://github.com/devlikeapro/waha/issues/1784",
        what="a session is deleted on purpose and retired: its gauges end, the process lives on",
        minutes=3 * HOUR,
        changes={
            of(CONNECTED, on("old")): gauge((HOUR, 1)),
            of("queue_depth", on("old")): gauge((HOUR, 0)),
            of(SENT, on("old", 'origin="reply"')): steady(0, (HOUR, 0.2), (2 * HOUR, 0)),
            of(DELIVERED, on("old", 'status="delivered"')): steady(0, (HOUR, 0.2), (2 * HOUR, 0)),
        },
    ),
    Situation(
        source="https://github.com/danihodovic/celery-exporter/issues/346",
        what="one of three workers is killed, and its series end instead of falling to 0",
        minutes=2 * HOUR,
        changes={
            of(UPTIME, instance="b"): f"0+{STEP_S}x{2 * HOUR}",
            of(UPTIME, instance="c"): f"0+{STEP_S}x{HOUR}",
        },
        fires={"WhatsSelfWorkerVanished": 1},
    ),
    Situation(
        source="https://github.com/PostHog/charts-clickhouse/pull/711",
        what="the worker that told of the queue is down altogether, the web process lives",
        minutes=2 * HOUR,
        changes={
            of("queue_depth"): gauge((HOUR, 0)),
            of("queue_depth", instance="worker"): gauge((HOUR, 0)),
            of(UPTIME, instance="worker"): f"0+{STEP_S}x{HOUR}",
        },
        fires={"WhatsSelfVitalGaugeMissing": 1, "WhatsSelfWorkerVanished": 1},
    ),
    Situation(
        source="https://github.com/redhat-appstudio/o11y/pull/1220",
        what="three workers are replaced, one in twenty minutes, each gone for a minute",
        minutes=2 * HOUR,
        changes={of(UPTIME): "_", **rolling(30, apart=20, minutes=2 * HOUR)},
    ),
    Situation(
        source="https://github.com/starkware-libs/sequencer/pull/14115",
        what="deployed as a new instance whose counters stand at 0, for nobody writes for 40 minutes",
        minutes=2 * HOUR,
        changes={
            of(UPTIME): f"0+{STEP_S}x{HOUR}",
            of(UPTIME, instance="b"): f"_x{HOUR} 0+{STEP_S}x{HOUR}",
            of(CONNECTED, on("main")): gauge((HOUR, 1)),
            of(CONNECTED, on("main"), instance="b"): gauge((HOUR, None), (HOUR, 1)),
            of("queue_depth"): gauge((HOUR, 0)),
            of("queue_depth", instance="b"): gauge((HOUR, None), (HOUR, 0)),
            of("cb_state_global"): gauge((HOUR, 0)),
            of("cb_state_global", instance="b"): gauge((HOUR, None), (HOUR, 0)),
            of(CAME, on("main", 'kind="text"')): steady(0, (HOUR, 0.2)),
            of(CAME, on("main", 'kind="text"'), instance="b"): gauge((HOUR, None), (HOUR, 0)),
            of(SENT, on("main", 'origin="reply"')): steady(0, (HOUR, 0.2)),
            of(SENT, on("main", 'origin="reply"'), instance="b"): gauge((HOUR, None), (HOUR, 0)),
            of(DELIVERED, on("main", 'status="delivered"')): steady(0, (HOUR, 0.2)),
        },
    ),
    Situation(
        source="https://github.com/JiRaska/open-bank-oss/pull/4396",
        what="the first loss after a restart: the series is born with it, behind a zero point",
        minutes=65,
        changes={
            of("telemetry_dropped_items_total", 'signal="logs",reason="too_large"'): gauge((55, None), (1, 0), (9, 1))
        },
        fires={"WhatsSelfTelemetryDropped": 1},
    ),
    Situation(
        source="https://github.com/Tr3kkR/Yuzu/issues/2856",
        what="a new Prometheus without history sees a service that has counted for months",
        minutes=HOUR,
        changes={
            **{
                name: values.replace("0+", "900000+", 1)
                for name, values in business(HOUR).items()
                if "_total" in name or "_count" in name or "_bucket" in name
            },
            of(UPTIME): f"900000+{STEP_S}x{HOUR}",
        },
    ),
    Situation(
        source="https://github.com/prometheus/prometheus/issues/2793",
        what="Prometheus asks nobody for a quarter of an hour: ten minutes after it, all is well",
        minutes=90,
        changes=interrupted(business(90), 60, 75),
    ),
    Situation(
        source="https://github.com/Flagsmith/flagsmith/issues/6250",
        what="five minutes without any data, in which the API was away",
        minutes=90,
        changes=interrupted(business(90), 60, 65),
    ),
    Situation(
        source="https://github.com/cloudflare/pint/issues/966",
        what="a store crashes again and again, and lives just long enough to be reached at times",
        minutes=2 * HOUR,
        changes={'up{job="loki",instance="l"}': gauge((HOUR, 1), *[(3, 0), (1, 1)] * 15)},
        fires={"WhatsSelfBackendDown": 1},
    ),
    Situation(
        source="https://github.com/mitodl/ol-infrastructure/pull/5590",
        what="Slack's webhook was deactivated: no_active_hooks, given up after one attempt",
        minutes=65,
        changes={
            told(REFUSED, 'integration="slack"'): gauge((57, 0), (8, 1)),
            told(GIVEN_UP, 'integration="slack",reason="clientError"'): gauge((57, 0), (8, 1)),
        },
        fires={"WhatsSelfAlertsNotDelivered": 1},
    ),
    Situation(
        source="https://github.com/prometheus-community/helm-charts/issues/2929",
        what="one request to Slack ends with EOF, the second attempt is taken",
        minutes=65,
        changes={
            told(REFUSED, 'integration="slack"'): gauge((57, 0), (8, 1)),
            told(GIVEN_UP, 'integration="slack",reason="other"'): gauge((65, 0)),
        },
    ),
    Situation(
        source="https://github.com/numerique-gouv/ami-notifications-api/issues/375",
        what="staging answers with 500 as its pool is full, production is well",
        minutes=2 * HOUR,
        changes={
            name.replace('"production"', '"staging"'): values
            for name, values in {
                of(UPTIME): f"0+{STEP_S}x{2 * HOUR}",
                of(ANSWERS, 'http_response_status_code="500"'): steady(0, (HOUR, 0), (HOUR, 2)),
            }.items()
        },
        # Each waits for the pool for 30 seconds.
        fires={"WhatsSelfHttpErrorsHigh": 1, "WhatsSelfHttpSlow": 1, "WhatsSelfSloBurn": 2},
    ),
    Situation(
        source="https://github.com/SigNoz/signoz-otel-collector/issues/204",
        what="the queue for the logs is full, and what comes is refused",
        minutes=2 * HOUR,
        changes={
            **queue((HOUR, 10), (HOUR, 1000)),
            collected("otelcol_exporter_enqueue_failed_log_records", 'exporter="otlp_http/loki"'): steady(
                0, (HOUR, 0), (HOUR, 50)
            ),
            collected("otelcol_receiver_refused_log_records", 'receiver="otlp"'): steady(0, (HOUR, 0), (HOUR, 50)),
        },
        fires={"WhatsSelfCollectorQueueFilling": 1, "WhatsSelfCollectorRefusing": 1},
    ),
    Situation(
        source="https://github.com/open-telemetry/opentelemetry-collector-contrib/issues/45147",
        what="the store's name is unknown: not retryable, dropped",
        minutes=2 * HOUR,
        changes={
            collected("otelcol_exporter_send_failed_log_records", 'exporter="otlp_http/loki"'): steady(
                0, (HOUR, 0), (HOUR, 5)
            )
        },
        fires={"WhatsSelfCollectorLosing": 1},
    ),
    Situation(
        source="https://github.com/open-telemetry/opentelemetry-collector-contrib/issues/48635",
        what="a queue on disk, the network away for a while, and less arrives than was accepted",
        minutes=2 * HOUR,
        changes={
            **queue((HOUR, 0), (20, 500), (40, 0)),
            collected("otelcol_processor_outgoing_items", 'processor="filter/too_large","otel.signal"="logs"'): steady(
                0, (2 * HOUR, 25)
            ),
            collected("otelcol_exporter_sent_log_records", 'exporter="otlp_http/loki"'): steady(
                0, (HOUR, 25), (20, 0), (1, 450), (39, 25)
            ),
        },
        fires={"WhatsSelfCollectorUnaccounted": 1},
    ),
    Situation(
        source="https://github.com/coalesce-labs/catalyst/issues/3556",
        what="the shared collector answers 503 for days, and the application drops what it cannot keep",
        minutes=2 * HOUR,
        changes={
            of("telemetry_dropped_items_total", 'signal="logs",reason="export_failed"'): steady(
                0, (HOUR, 0), (HOUR, 60)
            )
        },
        fires={"WhatsSelfTelemetryDropped": 1},
    ),
)


@pytest.mark.backend
@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda situation: situation.what)
def test_fires_what_it_should_and_nothing_else(situation: Situation, tmp_path: Path) -> None:
    done = play(situation, tmp_path)

    assert done.returncode == 0, done.stdout + done.stderr
