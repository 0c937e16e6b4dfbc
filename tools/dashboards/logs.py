"""Queries for log lines, in the words of each store that may hold them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from whatsself_otel.catalogue import EVENT, SESSION


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines:
    """Which lines, for Loki and for VictoriaLogs."""

    logql: str
    logsql: str

    def chosen(self, *, of_session: bool = False) -> Lines:
        """
        Return those of them that the page's variables choose.

        Args:
            of_session: Leaves out lines that name no session; else they are shown whichever session is chosen.
        """
        session = "$session" if of_session else "$session|"
        of_service = (
            'service_name=~"$service", deployment_environment_name=~"$environment", service_namespace=~"$namespace"'
        )
        return Lines(
            logql=(f'{{{of_service}}} | service_instance_id=~"$instance|" | {SESSION}=~"{session}" {self.logql}'),
            logsql=(
                '{service.name=~"$service"} deployment.environment.name:~"^($environment)$" '
                f'service.namespace:~"^($namespace)$" service.instance.id:~"^($instance|)$" '
                f'{SESSION}:~"^({session})$" {self.logsql}'
            ),
        )


EVENTS: Final = Lines(logql=f'| {EVENT} != ""', logsql=f"{EVENT}:*")
"""What happened to a session."""


def of_levels(*levels: str) -> Lines:
    """Return the lines of some levels, in Pino's words."""
    some = "|".join(levels)
    return Lines(logql=f'| detected_level =~ "{some}"', logsql=f'severity_text:~"^({some})$"')
