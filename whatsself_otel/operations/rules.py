"""The rule files: which groups they hold, and how each rule is written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from whatsself_otel.catalogue import BUSINESS_OPEN
from whatsself_otel.operations import (
    backends,
    ban,
    base,
    bridge,
    collector,
    contacts,
    delivery,
    http,
    own_telemetry,
    queue,
    sending,
    service,
    session,
)
from whatsself_otel.operations.model import Alert, Group, Record, dump
from whatsself_otel.operations.promql import LAST_OPEN
from whatsself_otel.operations.slos import SLOS, slos
from whatsself_otel.operations.texts import alert_annotations

if TYPE_CHECKING:
    from collections.abc import Mapping

    from whatsself_otel.operations.model import Source

HEADING = "Generated from backends/slo.yaml by tools/generate_rules.py; do not edit."


def rule_groups(source: Source) -> dict[str, list[Group]]:
    """Return the groups of every file, by its name without the ending."""
    return {
        "service": [service.rules(source)],
        "session": [session.rules(source)],
        "telemetry": [own_telemetry.rules(source)],
        "base": [base.rules(source)],
        "queue": [queue.rules(source)],
        "bridge": [bridge.rules(source)],
        "sending": [sending.rules(source), contacts.rules(source), ban.rules(source)],
        "delivery": [delivery.rules(source)],
        "http": [http.rules(source)],
        **{f"slo-{slo}": slos(source, slo) for slo in SLOS},
        "machinery": [collector.rules(source), backends.rules(source)],
    }


def alerts(source: Source) -> list[Alert]:
    """Return every alerting rule."""
    groups = [group for file in rule_groups(source).values() for group in file]
    return [rule for group in groups for rule in group.rules if isinstance(rule, Alert)]


def inhibitions(source: Source) -> str:
    """Return the inhibitions of all alerts, in Alertmanager's form."""
    rules = [
        {
            "source_matchers": list(each.sources) or [f'alertname="{name}"'],
            "target_matchers": list(each.targets),
            **({"equal": list(each.equal)} if each.equal else {}),
        }
        for name, some in {alert.name: alert.inhibits for alert in alerts(source)}.items()
        for each in some
    ]
    return dump({"inhibit_rules": rules}, HEADING)


def rule_files(source: Source) -> dict[str, str]:
    """Return the text of every rule file, by file name."""
    return {
        f"{name}.yml": dump({"groups": [_group(group, source) for group in groups]}, HEADING)
        for name, groups in rule_groups(source).items()
    }


def _group(group: Group, source: Source) -> dict[str, Any]:
    interval = {"interval": group.interval} if group.interval else {}
    return {"name": group.name, **interval, "rules": [_rule(rule, source) for rule in group.rules]}


def _rule(rule: Record | Alert, source: Source) -> dict[str, Any]:
    if isinstance(rule, Record):
        labels = {"labels": dict(rule.labels)} if rule.labels else {}
        return {"record": rule.name, "expr": rule.expr, **labels}
    return {
        "alert": rule.name,
        "expr": written(rule),
        **({"for": rule.wait} if rule.wait else {}),
        **({"keep_firing_for": rule.keep} if rule.keep else {}),
        "labels": _labels(rule),
        "annotations": alert_annotations(rule, source),
    }


def written(rule: Record | Alert) -> str:
    """Return the expression of *rule* as it is written: a warning's with what keeps it firing."""
    if isinstance(rule, Record) or rule.severity != "warning":
        return rule.expr
    return f"{rule.expr}\n{_held(rule, _labels(rule))}"


def _labels(rule: Alert) -> dict[str, str]:
    return {"severity": rule.severity, "component": rule.component, **rule.labels}


def _held(rule: Alert, labels: Mapping[str, str]) -> str:
    """
    Return what keeps a warning firing until the business opens.

    Alertmanager drops an end that comes while its route is muted, and nobody would be told of it. What began after
    closing nobody was told of, so that it ends when it ends.
    """
    own = ", ".join(f'{label}="{value}"' for label, value in labels.items())
    # What the expression selects by is on its series already: without it both would be shown, which is an error.
    new = (label for label, value in labels.items() if f'{label}="{value}"' not in rule.expr)
    added = ", ".join(("alertname", "alertstate", *new))
    fires = f'max without ({added}) (ALERTS{{alertname="{rule.name}", alertstate="firing", {own}}})'
    began = f'max without ({added}) (ALERTS_FOR_STATE{{alertname="{rule.name}", {own}}})'
    told = f"{began} <= on () group_left () {LAST_OPEN}"
    return f"or {fires} and on () max({BUSINESS_OPEN.prometheus_name}) == 0 and {told}"
