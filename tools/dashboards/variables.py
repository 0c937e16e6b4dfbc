"""The variables that pages share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dashboards.model import Choice, both
from whatsself_otel.catalogue import PROCESS_UPTIME

if TYPE_CHECKING:
    from whatsself_otel.operations.model import Source


def service_choices(source: Source) -> tuple[Choice, ...]:
    """Return the choice of service and worker; all of them to begin with."""
    uptime = PROCESS_UPTIME.prometheus_name
    return (
        Choice(
            name="job",
            label=both("Job", "Serviço"),
            query=f"label_values({uptime}{{{source.job}}}, job)",
            # "All" must not take in another service that serves HTTP.
            everything=source.job.removeprefix('job=~"').removesuffix('"'),
        ),
        Choice(
            name="instance",
            label=both("Instance", "Worker"),
            query=f'label_values({uptime}{{job=~"$job"}}, instance)',
        ),
    )
