"""The containers of docker-compose.yml: whether Compose can start them, and their addresses."""

from __future__ import annotations

import subprocess
from typing import Final

from whatsself_otel.stack import docker
from whatsself_otel.stack.addresses import Addresses
from whatsself_otel.stack.errors import CommandError

_ASK_S: Final = 20.0
# Port variable -> service and its port inside; the variables of compose have other names, and may stand in .env.
_SERVICES: Final = {
    "OTELCOL_HTTP_PORT": ("otelcol", 4318),
    "OTELCOL_GRPC_PORT": ("otelcol", 4317),
    "OTELCOL_METRICS_PORT": ("otelcol", 8888),
    "PROMETHEUS_PORT": ("prometheus", 9090),
    "LOKI_HTTP_PORT": ("loki", 3100),
    "TEMPO_HTTP_PORT": ("tempo", 3200),
    "ALERTMANAGER_PORT": ("alertmanager", 9093),
}
PROGRAMS: Final = ("tempo", "loki", "prometheus", "alertmanager")


def problem() -> str | None:
    """Return why the containers cannot start here, with the remedy, or None."""
    if found := docker.problem():
        return found
    checked = _ask("config", "--quiet")
    # Compose puts the reason, for example a variable that is not set, at the end of its last line.
    return None if checked.returncode == 0 else (checked.stderr.strip().splitlines() or ["Compose failed."])[-1]


def running() -> Addresses | None:
    """Return the containers' addresses, or None unless all of them run."""
    ports = {variable: _published(service, port) for variable, (service, port) in _SERVICES.items()}
    known = {variable: port for variable, port in ports.items() if port is not None}
    return Addresses(ports={**Addresses().ports, **known}) if len(known) == len(_SERVICES) else None


def start() -> Addresses:
    """
    Start the containers and return their addresses.

    Raises:
        CommandError: Compose failed; it has said why.
    """
    addresses = running() if docker.compose("up", "--detach", "--wait") == 0 else None
    if addresses is None:
        raise CommandError("The containers did not start; the lines above say why. Or: --stack python.")
    return addresses


def stop() -> None:
    """Stop the containers; their data stays."""
    docker.compose("down")


def _published(service: str, port: int) -> int | None:
    answer = _ask("port", service, str(port))
    published = answer.stdout.strip().rpartition(":")[2]
    return int(published) if answer.returncode == 0 and published.isdigit() and published != "0" else None


def _ask(*arguments: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(  # noqa: S603 - fixed words
            docker.command(*arguments),
            env=docker.variables(),
            check=False,
            capture_output=True,
            text=True,
            timeout=_ASK_S,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return subprocess.CompletedProcess(arguments, 1, stdout="", stderr=str(error))
