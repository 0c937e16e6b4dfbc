"""Checks of a running application or bridge, by its own health."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import urllib3

from whatsself_otel.cli.doctor.findings import SIGNALS, Finding, fault, ok, warning
from whatsself_otel.cli.doctor.receiver import request

if TYPE_CHECKING:
    from collections.abc import Iterator

    from whatsself_otel.config import TelemetryConfig


def check_application(url: str, config: TelemetryConfig) -> Iterator[Finding]:
    """Report the answer of `Telemetry.health_app` at *url*: each problem, and each signal that does not leave."""
    try:
        health = json.loads(request("GET", url, config).data)
        problems, signals = list(health["problems"]), dict(health["signals"])
    except urllib3.exceptions.HTTPError as error:
        yield fault("application", f"{url} does not answer ({type(error).__name__}).", "Start the application.")
        return
    except (ValueError, KeyError, TypeError):
        fix = "Give the address at which Telemetry.health_app is mounted."
        yield fault("application", f"What answers at {url} is not the health of an application.", fix)
        return
    for problem in problems:
        yield fault("application", problem, "See docs/troubleshooting.md.")
    for signal in SIGNALS:
        yield from _silences(signal, signals.get(signal, {}), problems)
    if not problems:
        yield ok("application", "The running application finds nothing wrong with its telemetry.")


def _silences(signal: str, status: dict[str, Any], problems: list[str]) -> Iterator[Finding]:
    for text in status.get("not_leaving", ()):
        if text not in problems:
            yield warning("application", text, f"Nothing, if {signal} are not wanted.")


def check_bridge(url: str, config: TelemetryConfig) -> Iterator[Finding]:
    """Report a bridge's health at *url*: its target, its queue and its telemetry."""
    try:
        health = json.loads(request("GET", f"{url.rstrip('/')}/-/health", config).data)
        problems, queue = list(health["telemetry"]["problems"]), health["queue"] or {}
    except urllib3.exceptions.HTTPError as error:
        yield fault("bridge", f"{url} does not answer ({type(error).__name__}).", "Start: whatsself-otel bridge")
        return
    except (ValueError, KeyError, TypeError):
        yield fault("bridge", f"What answers at {url} is not a bridge.", "Give the address that it listens on.")
        return
    for problem in problems:
        yield fault("bridge", problem, "See docs/troubleshooting.md.")
    if queue.get("target_away"):
        waiting = f"{queue['requests']} requests wait, the oldest for {queue['oldest_age_s']:.0f} s"
        yield fault(
            "bridge", f"The target does not take webhooks: {waiting}.", "Start it, or mend the URL of --forward."
        )
    if queue.get("orphans"):
        cause = f"{queue['orphans']} requests in the queue belong to a route that is gone."
        yield fault("bridge", cause, "Start the bridge with that route, or delete the folder's files.")
    if not health.get("polls", {}).get("ok", True):
        yield fault("bridge", "A gateway does not tell its sessions.", "Check URL and key file of --poll.")
    if health.get("ok"):
        yield ok("bridge", f"The bridge is well; {queue.get('requests', 0)} requests wait.")
