"""Addresses of the stack's programs: on loopback, each port set by a variable."""

from __future__ import annotations

import contextlib
import os
import random
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Self

from whatsself_otel.stack.errors import WRONG_USE, CommandError

if TYPE_CHECKING:
    from collections.abc import Mapping

HOST: Final = "127.0.0.1"

# Variable -> default. The same variables are read by collector/ and backends/.
PORTS: Final[Mapping[str, int]] = {
    "OTELCOL_GRPC_PORT": 4317,
    "OTELCOL_HTTP_PORT": 4318,
    "OTELCOL_HEALTH_PORT": 13133,
    "OTELCOL_METRICS_PORT": 8888,
    "PROMETHEUS_PORT": 9090,
    "ALERTMANAGER_PORT": 9093,
    "VICTORIALOGS_PORT": 9428,
    "LOKI_HTTP_PORT": 3100,
    "LOKI_GRPC_PORT": 9097,
    "TEMPO_HTTP_PORT": 3200,
    "TEMPO_GRPC_PORT": 9096,
    "TEMPO_OTLP_PORT": 14317,
    "JAEGER_QUERY_PORT": 16686,
    "JAEGER_OTLP_PORT": 24317,
    "JAEGER_ADMIN_PORT": 14269,
}


# Below the ports that any system gives to outgoing connections and to listeners that ask for any port: one of those
# may take a port of theirs between the choice and the start of its program.
_QUIET_PORTS: Final = range(20_000, 32_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """The ports of one stack, and the URLs made of them."""

    ports: Mapping[str, int] = field(default_factory=lambda: dict(PORTS))
    """Variable -> port, for every variable of ``PORTS``."""

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """
        Return the default ports, overridden by *environ*.

        Raises:
            CommandError: A variable is no port number, or two name the same port.
        """
        ports = {name: _port(name, environ.get(name) or str(default)) for name, default in PORTS.items()}
        taken: dict[int, str] = {}
        for name, port in ports.items():
            if other := taken.get(port):
                raise CommandError(f"{name} and {other} are both {port}. Give one another port.", status=WRONG_USE)
            taken[port] = name
        return cls(ports=ports)

    @classmethod
    def free(cls) -> Self:
        """Return currently free ports, for a stack beside another one."""
        return cls(ports=dict(zip(PORTS, free_ports(len(PORTS)), strict=True)))

    def at(self, variable: str) -> str:
        """Return ``host:port`` of the port that *variable* names."""
        return f"{HOST}:{self.ports[variable]}"

    @property
    def environment(self) -> dict[str, str]:
        """The ports as variables, for the programs that read them."""
        return {name: str(port) for name, port in self.ports.items()}

    @property
    def otlp_http(self) -> str:
        """Endpoint for OTLP over HTTP."""
        return f"http://{self.at('OTELCOL_HTTP_PORT')}"

    @property
    def otlp_grpc(self) -> str:
        """Endpoint for OTLP over gRPC."""
        return f"http://{self.at('OTELCOL_GRPC_PORT')}"

    @property
    def collector_health(self) -> str:
        """The collector's health endpoint."""
        return f"http://{self.at('OTELCOL_HEALTH_PORT')}"

    @property
    def collector_metrics(self) -> str:
        """The collector's own metrics."""
        return f"http://{self.at('OTELCOL_METRICS_PORT')}/metrics"

    @property
    def prometheus(self) -> str:
        """Prometheus, page and API."""
        return f"http://{self.at('PROMETHEUS_PORT')}"

    @property
    def alertmanager(self) -> str:
        """Alertmanager, page and API."""
        return f"http://{self.at('ALERTMANAGER_PORT')}"

    @property
    def victorialogs(self) -> str:
        """VictoriaLogs, page and API."""
        return f"http://{self.at('VICTORIALOGS_PORT')}"

    @property
    def loki(self) -> str:
        """Loki's API."""
        return f"http://{self.at('LOKI_HTTP_PORT')}"

    @property
    def tempo(self) -> str:
        """Tempo's API."""
        return f"http://{self.at('TEMPO_HTTP_PORT')}"

    @property
    def jaeger(self) -> str:
        """Jaeger's API."""
        return f"http://{self.at('JAEGER_QUERY_PORT')}"


def free_ports(count: int) -> list[int]:
    """Return *count* free ports of the loopback, which stay free while a program restarts."""
    found: list[int] = []
    for port in random.sample(_QUIET_PORTS, len(_QUIET_PORTS)):
        if len(found) == count:
            break
        with contextlib.suppress(OSError), socket.create_server((HOST, port)):
            found.append(port)
    return found


def _port(name: str, value: str) -> int:
    if not (value.isascii() and value.isdigit() and 0 < int(value) < 65536):
        raise CommandError(f"{name} must be a port number from 1 to 65535, got {value!r}.", status=WRONG_USE)
    return int(value)
