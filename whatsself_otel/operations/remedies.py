"""Remedies for each alert: steps, the person to wake when they do not help, and related alerts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from whatsself_otel.operations.steps import (
    ALERTMANAGER,
    COLLECTOR,
    DOCTOR,
    FOLLOW_MESSAGE,
    FREE_DISK,
    LINK_PHONE,
    LOG_STORE,
    MOVE_SET_ASIDE,
    PAUSE_BROADCASTS,
    PROMETHEUS,
    PROVE_RULES,
    READ_APPLICATION,
    READ_LAST_END,
    RESTART_APPLICATION,
    RESTART_STORES,
    RETIRE_SESSION,
    START_APPLICATION,
    TRACE_STORE,
    UNDO_RELEASE,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from whatsself_otel.operations.steps import Step


@dataclass(frozen=True, slots=True, kw_only=True)
class Remedy:
    """The part of a runbook that follows the words of its alert."""

    steps: tuple[Step, ...] = ()
    near: tuple[str, ...] = ()
    """Alerts that come before this one, follow from it, or are mistaken for it; without ``WhatsSelf``."""
    escalate: str = "owner"
    """Whom to wake: a key of the fixed words of `runbooks`."""


_PHONE: Final = (LINK_PHONE, READ_APPLICATION, RESTART_APPLICATION)
_SENDING: Final = (READ_APPLICATION, FOLLOW_MESSAGE, PAUSE_BROADCASTS)
_RELEASE: Final = (READ_APPLICATION, UNDO_RELEASE)
_READ_STORES: Final = (PROMETHEUS.read(), ALERTMANAGER.read(), LOG_STORE.read(), TRACE_STORE.read())

_SERVICE: Final = {
    "TelemetryAbsent": Remedy(
        steps=(READ_APPLICATION, READ_LAST_END, START_APPLICATION, DOCTOR), near=("CollectorDown", "CrashLoop")
    ),
    "ServiceAway": Remedy(near=("TelemetryAbsent",)),
    "WorkerVanished": Remedy(steps=(READ_LAST_END, START_APPLICATION), near=("CrashLoop", "TelemetryAbsent")),
    "CrashLoop": Remedy(steps=(READ_LAST_END, READ_APPLICATION, UNDO_RELEASE), near=("WorkerVanished",)),
    "TelemetryDropped": Remedy(steps=(DOCTOR, COLLECTOR.read()), near=("CollectorRefusing", "CollectorDown")),
    "TelemetryFailing": Remedy(steps=(READ_APPLICATION, DOCTOR), near=("VitalGaugeMissing", "GaugeMissing")),
    "VitalGaugeMissing": Remedy(steps=(READ_APPLICATION, RESTART_APPLICATION), near=("TelemetryFailing",)),
    "GaugeMissing": Remedy(steps=(READ_APPLICATION, RESTART_APPLICATION), near=("TelemetryFailing",)),
}
_SESSION: Final = {
    "SessionBanned": Remedy(
        steps=(PAUSE_BROADCASTS, READ_APPLICATION), near=("BanRiskHigh", "SessionLoggedOut"), escalate="account"
    ),
    "SessionLoggedOut": Remedy(steps=_PHONE, near=("SessionDown", "SessionBanned"), escalate="phone"),
    "SessionDown": Remedy(steps=_PHONE, near=("SessionLoggedOut", "SessionFlapping"), escalate="phone"),
    "SessionFlapping": Remedy(steps=(READ_APPLICATION, RESTART_APPLICATION), near=("SessionDown", "SessionBanned")),
    "SessionAway": Remedy(near=("SessionDown", "SessionLoggedOut", "SessionBanned")),
    "SessionMissing": Remedy(
        steps=(READ_LAST_END, START_APPLICATION, RETIRE_SESSION), near=("SessionDown", "WorkerVanished")
    ),
}
_QUEUE: Final = {
    "QueueStuck": Remedy(steps=(READ_APPLICATION, RESTART_APPLICATION), near=("SessionDown", "BreakerOpen")),
    "QueueBacklog": Remedy(steps=_SENDING, near=("SendFailureHigh", "WorkerVanished", "BreakerOpen")),
    "OutboundLagsInbound": Remedy(steps=(READ_APPLICATION, FOLLOW_MESSAGE), near=("QueueStuck", "SessionDown")),
    "BridgeTargetAway": Remedy(steps=(DOCTOR,), near=("InboundSilent", "WebhooksLate")),
    "SendFailureHigh": Remedy(
        steps=_SENDING, near=("BreakerOpen", "SessionDown", "ProviderFailing"), escalate="account"
    ),
    "ProviderFailing": Remedy(steps=(PAUSE_BROADCASTS,), near=("SendFailureHigh", "WebhooksLate"), escalate="account"),
    "RecipientsFailing": Remedy(steps=(PAUSE_BROADCASTS,), near=("BanRiskHigh", "SendFailureHigh")),
    "BreakerOpen": Remedy(steps=_SENDING, near=("SendFailureHigh", "BreakerStuck")),
    "BreakerStuck": Remedy(steps=(READ_APPLICATION, RESTART_APPLICATION), near=("BreakerOpen", "SessionBanned")),
    "ContactFlood": Remedy(steps=(READ_APPLICATION,), near=("BanRiskHigh", "QueueBacklog")),
    "BanRiskHigh": Remedy(steps=(PAUSE_BROADCASTS,), near=("SessionBanned", "RecipientsFailing"), escalate="account"),
    "NotAcknowledged": Remedy(
        steps=(FOLLOW_MESSAGE, READ_APPLICATION, *_PHONE[:1]), near=("WebhooksLate", "SessionDown"), escalate="account"
    ),
    "InboundSilent": Remedy(steps=(READ_APPLICATION, DOCTOR), near=("SessionDown", "WebhooksLate", "BridgeTargetAway")),
    "WebhooksLate": Remedy(steps=(READ_APPLICATION,), near=("HttpSlow", "ProviderFailing")),
}
_HTTP: Final = {
    "HttpErrorsHigh": Remedy(steps=_RELEASE, near=("PoolFull", "HttpSlow")),
    "HttpSlow": Remedy(steps=_RELEASE, near=("PoolFull", "EventLoopBlocked")),
    "PoolFull": Remedy(steps=(READ_APPLICATION, RESTART_APPLICATION), near=("HttpSlow",)),
    "EventLoopBlocked": Remedy(steps=_RELEASE, near=("HttpSlow",)),
    "SloBurn": Remedy(steps=_RELEASE, near=("SloBudgetExhausted", "HttpErrorsHigh", "SendFailureHigh")),
    "SloBudgetExhausted": Remedy(near=("SloBurn",)),
}
_COLLECTOR: Final = {
    "CollectorDown": Remedy(steps=(COLLECTOR.read(), COLLECTOR.restart(), DOCTOR), near=("CollectorQueueSetAside",)),
    "CollectorReplicaDown": Remedy(steps=(COLLECTOR.read(), COLLECTOR.restart()), near=("CollectorDown",)),
    "CollectorQueueFilling": Remedy(
        steps=(COLLECTOR.read(), *_READ_STORES, FREE_DISK), near=("BackendDown", "CollectorQueueSetAside")
    ),
    "CollectorRefusing": Remedy(steps=(COLLECTOR.read(), COLLECTOR.restart()), near=("CollectorQueueFilling",)),
    "CollectorLosing": Remedy(steps=(COLLECTOR.read(), DOCTOR), near=("BackendDown", "CollectorUnaccounted")),
    "CollectorUnaccounted": Remedy(steps=(COLLECTOR.read(),), near=("CollectorLosing",)),
    "CollectorQueueSetAside": Remedy(
        steps=(FREE_DISK, MOVE_SET_ASIDE, COLLECTOR.restart()), near=("CollectorDown", "StorageFilling")
    ),
}
_BACKENDS: Final = {
    "BackendDown": Remedy(
        steps=(*_READ_STORES, FREE_DISK, RESTART_STORES),
        near=("CollectorQueueFilling", "StorageFailing"),
    ),
    "AlertsNotDelivered": Remedy(steps=(ALERTMANAGER.read(), ALERTMANAGER.restart()), near=("Watchdog",)),
    "RulesFailing": Remedy(steps=(PROMETHEUS.read(), PROVE_RULES, PROMETHEUS.restart()), near=("ReloadFailed",)),
    "ReloadFailed": Remedy(
        steps=(PROMETHEUS.read(), ALERTMANAGER.read(), RESTART_STORES),
        near=("RulesFailing", "AlertsNotDelivered"),
    ),
    "StorageFailing": Remedy(steps=(FREE_DISK, PROMETHEUS.read(), PROMETHEUS.restart()), near=("StorageFilling",)),
    "StorageFilling": Remedy(steps=(FREE_DISK,), near=("StorageFailing", "CollectorQueueFilling")),
    "StoreDiscards": Remedy(
        steps=(TRACE_STORE.read(), LOG_STORE.read()), near=("CollectorLosing", "CollectorUnaccounted")
    ),
    "Watchdog": Remedy(steps=(PROMETHEUS.read(), ALERTMANAGER.read(), DOCTOR), near=("AlertsNotDelivered",)),
}
_ALL: Final[Mapping[str, Remedy]] = {**_SERVICE, **_SESSION, **_QUEUE, **_HTTP, **_COLLECTOR, **_BACKENDS}


def remedy(alert: str) -> Remedy:
    """
    Return the remedy for the alert of that name.

    Raises:
        KeyError: Nobody has written what to do about it; it stands in this file.
    """
    return _ALL[alert.removeprefix("WhatsSelf")]


def names() -> frozenset[str]:
    """Return every alert that something is written about."""
    return frozenset(f"WhatsSelf{name}" for name in _ALL)
