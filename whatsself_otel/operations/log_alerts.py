"""
Alerts that only a log line can tell: rules for Loki's ruler and, of the same alerts, for vmalert on VictoriaLogs.

Neither reads the other's language, and Prometheus sees neither: they stand beside the rules of metrics, not in them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from whatsself_otel.operations.model import dump
from whatsself_otel.operations.texts import runbook_urls

if TYPE_CHECKING:
    from whatsself_otel.operations.model import Source

_PLACE: Final = {
    "service.name": "service_name",
    "service.namespace": "service_namespace",
    "deployment.environment.name": "deployment_environment_name",
}
"""Field of VictoriaLogs -> label, as the alerts of metrics have it."""
_WINDOW: Final = "5m"
_HEADING: Final = "Generated from whatsself_otel/operations/log_alerts.py by tools/generate_rules.py; do not edit."


@dataclass(frozen=True, slots=True, kw_only=True)
class LogAlert:
    """One alert about lines: each line of the last five minutes that its filter finds makes it fire."""

    name: str
    severity: str
    component: str
    logql: str
    """What follows the selector of the service."""
    logsql: str
    by: tuple[str, ...] = ()
    """Fields that tell its alerts apart, beside the service."""
    summary: str
    summary_pt: str
    description: str
    description_pt: str
    runbook: str
    """The alert of metrics whose page says what to do."""


LOG_ALERTS: Final = (
    LogAlert(
        name="WhatsSelfUncaughtError",
        severity="warning",
        component="worker",
        logql='| scope_name="uncaught"',
        logsql='scope.name:="uncaught"',
        summary="An error that nobody caught",
        summary_pt="Um erro que ninguém tratou",
        description="An exception ended a thread, a task or the process; its line has the stack, masked.",
        description_pt="Uma exceção encerrou uma thread, uma tarefa ou o processo; a linha tem a pilha, mascarada.",
        runbook="WhatsSelfCrashLoop",
    ),
    LogAlert(
        name="WhatsSelfSessionEvent",
        severity="warning",
        component="session",
        logql='| event=~"disconnected|expired"',
        logsql="event:in(disconnected, expired)",
        by=("session", "event"),
        summary="Session {{ $labels.session }}: {{ $labels.event }}",
        summary_pt="Sessão {{ $labels.session }}: {{ $labels.event }}",
        description="Told at once; the alert of metrics follows if the session does not come back.",
        description_pt="Avisado na hora; o alerta de métricas vem se a sessão não voltar.",
        runbook="WhatsSelfSessionDown",
    ),
    LogAlert(
        name="WhatsSelfWebhookSignatureRefused",
        severity="warning",
        component="http",
        logql='| scope_name="whatsself.webhooks"',
        logsql='scope.name:="whatsself.webhooks"',
        by=("provider",),
        summary="A webhook of {{ $labels.provider }} was refused: its signature is wrong",
        summary_pt="Um webhook de {{ $labels.provider }} foi recusado: a assinatura está errada",
        description="The secret was changed on one side, or somebody else calls. One line a minute a provider.",
        description_pt="O segredo mudou de um lado só, ou outra pessoa chama. Uma linha por minuto e provedor.",
        runbook="WhatsSelfInboundSilent",
    ),
)


def logql(alert: LogAlert, source: Source) -> str:
    """Return the expression that Loki's ruler evaluates."""
    by = ", ".join((*_PLACE.values(), *alert.by))
    lines = f'{{service_name="{source.service}"}} {alert.logql}'
    return f"sum by ({by}) (count_over_time({lines} [{_WINDOW}])) > 0"


def logsql(alert: LogAlert, source: Source) -> str:
    """Return the expression that vmalert evaluates, once in each of its group's intervals."""
    renamed = ", ".join(f"{field} as {label}" for field, label in _PLACE.items())
    by = ", ".join((*_PLACE.values(), *alert.by))
    lines = f'{{service.name="{source.service}"}} {alert.logsql} | rename {renamed}'
    return f"{lines} | stats by ({by}) count() as lines | filter lines:>0"


def log_rule_files(source: Source) -> dict[str, str]:
    """Return the text of each file, by its path from the root."""
    loki = {
        "name": "whatsself-logs",
        "interval": "1m",
        "rules": [_rule(each, logql(each, source), source) for each in LOG_ALERTS],
    }
    victoria = {
        "name": "whatsself-logs",
        "type": "vlogs",
        # A query looks back one interval, so that no line is missed and none is told twice. vmalert aligns its moments
        # to the interval: with one of five minutes a line could wait for ten.
        "interval": "1m",
        "rules": [{**_rule(each, logsql(each, source), source), "keep_firing_for": _WINDOW} for each in LOG_ALERTS],
    }
    return {
        "backends/loki/rules/whatsself.yml": dump({"groups": [loki]}, _HEADING),
        "backends/victorialogs/rules/whatsself.yml": dump({"groups": [victoria]}, _HEADING),
    }


def _rule(alert: LogAlert, expr: str, source: Source) -> dict[str, Any]:
    return {
        "alert": alert.name,
        "expr": expr,
        "labels": {"severity": alert.severity, "component": alert.component},
        "annotations": {
            "summary": alert.summary,
            "summary_pt": alert.summary_pt,
            "description": alert.description,
            "description_pt": alert.description_pt,
            **runbook_urls(alert.runbook, source),
            "dashboard": "whatsself-overview",
        },
    }
