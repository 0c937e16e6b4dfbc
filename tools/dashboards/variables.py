"""The variables that pages share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dashboards.model import Choice, both
from whatsself_otel.catalogue import PROCESS_UPTIME, WHATSAPP_SESSION_CONNECTED

if TYPE_CHECKING:
    from whatsself_otel.operations.model import Source

# A service without the label is of "All", and so is one whose metrics are scraped: they carry none.
_OR_NONE: Final = ".*"
_PLACE: Final = 'deployment_environment_name=~"$environment", service_namespace=~"$namespace"'


def everything(source: Source) -> str:
    """Return what "All" services stands for: it must not take in another service that serves HTTP."""
    return source.job.removeprefix('job=~"').removesuffix('"')


def service_choices(source: Source) -> tuple[Choice, ...]:
    """Return the choice of environment, namespace, service, session and worker; all of them to begin with."""
    uptime, session = PROCESS_UPTIME.prometheus_name, WHATSAPP_SESSION_CONNECTED.prometheus_name
    chosen = f'job=~"$job", {_PLACE}'
    return (
        *place_choices(f"{uptime}{{{source.job}"),
        Choice(
            name="service",
            label=both("Service of logs", "Serviço dos logs"),
            query=f"label_values({uptime}{{{source.job}, {_PLACE}}}, service_name)",
            everything=everything(source).removeprefix("(.+/)?"),
        ),
        Choice(
            name="job",
            label=both("Job", "Serviço"),
            query=f"label_values({uptime}{{{source.job}, {_PLACE}}}, job)",
            everything=everything(source),
        ),
        Choice(
            name="session",
            label=both("Session", "Sessão"),
            query=f"label_values({session}{{{chosen}}}, session)",
            everything=_OR_NONE,
        ),
        Choice(
            name="instance",
            label=both("Instance", "Worker"),
            query=f"label_values({uptime}{{{chosen}}}, instance)",
        ),
    )


def place_choices(selector: str) -> tuple[Choice, Choice]:
    """Return the choice of environment and namespace, of the series of *selector*, which lacks its closing brace."""
    return (
        Choice(
            name="environment",
            label=both("Environment", "Ambiente"),
            query=f"label_values({selector}}}, deployment_environment_name)",
            everything=_OR_NONE,
        ),
        Choice(
            name="namespace",
            label=both("Namespace", "Namespace"),
            query=f'label_values({selector}, deployment_environment_name=~"$environment"}}, service_namespace)',
            everything=_OR_NONE,
        ),
    )
