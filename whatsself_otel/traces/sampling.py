"""Build the sampler that ``OTEL_TRACES_SAMPLER`` names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from opentelemetry.sdk.trace.sampling import (
    ALWAYS_OFF,
    ALWAYS_ON,
    DEFAULT_OFF,
    DEFAULT_ON,
    ParentBased,
    Sampler,
    TraceIdRatioBased,
)

from whatsself_otel._installed import SAMPLERS, load

if TYPE_CHECKING:
    from whatsself_otel.config import TelemetryConfig

_STATIC: Final = {
    "always_on": ALWAYS_ON,
    "always_off": ALWAYS_OFF,
    "parentbased_always_on": DEFAULT_ON,
    "parentbased_always_off": DEFAULT_OFF,
}


def build_sampler(config: TelemetryConfig, problems: list[str]) -> Sampler:
    """Return the sampler that *config* names. If its package has none, return the default and add to *problems*."""
    name, argument = config.traces_sampler, config.traces_sampler_arg
    if name in _STATIC:
        return _STATIC[name]
    if name == "traceidratio":
        return TraceIdRatioBased(float(argument or 1))
    if name == "parentbased_traceidratio":
        return ParentBased(TraceIdRatioBased(float(argument or 1)))
    try:
        made = load(SAMPLERS, name)(argument)
    except Exception as error:  # noqa: BLE001 - whatever a foreign package raises
        made = error
    if isinstance(made, Sampler):
        return made
    problems.append(
        f"The sampler {name} could not be made ({type(made).__name__}), so every trace is recorded. "
        "Correct OTEL_TRACES_SAMPLER and OTEL_TRACES_SAMPLER_ARG, or unset them."
    )
    return DEFAULT_ON
