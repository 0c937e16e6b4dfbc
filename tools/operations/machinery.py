"""Rules about the collector, the backends and the way of an alert itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from operations.model import Alert, Group, Record

if TYPE_CHECKING:
    from collections.abc import Iterator

    from operations.model import Source

ITEMS: Final = {"traces": "spans", "metrics": "metric_points", "logs": "log_records"}
# Each file is read, and so counted, once a start: the alert stands until the file is gone and the collector restarted.
SET_ASIDE: Final = 'otelcol_receiver_accepted_log_records{receiver="file_log/set_aside"}'
TROUBLES: Final = ("receiver_refused", "exporter_send_failed", "exporter_enqueue_failed")


def machinery(source: Source) -> list[Group]:
    """Return the groups of collector and backends."""
    return [_collector(source), _backends(source)]


def _counted(name: str, window: str, how: str = "sum") -> str:
    """Return what a counter rose by, its birth with a value included: the collector makes it with its first event."""
    return (
        f"({how}(increase({name}[{window}])) or vector(0)) + ({how}({name} unless {name} offset {window}) or vector(0))"
    )


def _records(window: str) -> Iterator[Record]:
    for trouble in TROUBLES:
        for signal, items in ITEMS.items():
            yield Record(
                name=f"whatsself:collector_{trouble}:increase{window}",
                labels={"signal": signal},
                expr=_counted(f"otelcol_{trouble}_{items}", window),
            )


def _collector(source: Source) -> Group:
    window = source["telemetry.items_window"]
    failed = "\nor ".join(f"whatsself:collector_{trouble}:increase{window} > 0" for trouble in TROUBLES[1:])
    filled = "max by (exporter, data_type) (otelcol_exporter_queue_size / otelcol_exporter_queue_capacity)"
    return Group(
        name="whatsself-collector",
        rules=(
            *_records(window),
            Alert(
                name="WhatsSelfCollectorDown",
                expr='max(up{job="otelcol"}) == 0\nor absent(up{job="otelcol"})',
                wait=source["telemetry.collector_for"],
                severity="critical",
                component="collector",
                dashboard="collector",
            ),
            Alert(
                name="WhatsSelfCollectorQueueFilling",
                expr=f"{filled} > {source['telemetry.queue_fill']}",
                wait=source["telemetry.queue_for"],
                severity="warning",
                component="collector",
                dashboard="collector",
            ),
            Alert(
                name="WhatsSelfCollectorRefusing",
                expr=f"whatsself:collector_{TROUBLES[0]}:increase{window} > 0",
                severity="warning",
                component="collector",
                dashboard="collector",
            ),
            Alert(
                name="WhatsSelfCollectorLosing",
                expr=failed,
                severity="critical",
                component="collector",
                dashboard="collector",
            ),
            Alert(
                name="WhatsSelfCollectorQueueSetAside",
                expr=f"max by (instance) ({SET_ASIDE}) > 0",
                severity="critical",
                component="collector",
                dashboard="collector",
            ),
        ),
    )


def _backends(source: Source) -> Group:
    window = source["telemetry.failures_window"]
    unsent = _counted("alertmanager_notifications_failed_total", window, "max")
    unheard = _counted("prometheus_notifications_dropped_total", window, "max")
    return Group(
        name="whatsself-backends",
        rules=(
            Alert(
                name="WhatsSelfBackendDown",
                expr='max by (job) (up{job=~"prometheus|alertmanager|loki|victorialogs|tempo"}) == 0',
                wait=source["telemetry.backend_for"],
                severity="critical",
                component="backend",
                dashboard="collector",
            ),
            Alert(
                name="WhatsSelfAlertsNotDelivered",
                expr=f"{unsent} > 0\nor {unheard} > 0\nor max(prometheus_notifications_alertmanagers_discovered) < 1",
                wait=source["telemetry.failures_for"],
                severity="critical",
                component="backend",
                dashboard="collector",
            ),
            Alert(
                name="WhatsSelfRulesFailing",
                expr=f"max(increase(prometheus_rule_evaluation_failures_total[{window}])) > 0",
                severity="critical",
                component="backend",
                dashboard="collector",
            ),
            Alert(name="WhatsSelfWatchdog", expr="vector(1)", severity="none", component="watchdog"),
        ),
    )
