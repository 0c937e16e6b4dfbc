"""Combinations of collector files that cannot give right results."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from whatsself_otel.stack.vendor_files import Vendor

TEMPORALITY: Final = "OTELCOL_AGENT_TEMPORALITY"
"""Temporality that agents send to a gateway: ``cumulative``, the default, or ``delta``."""


def contradictions(
    vendors: Sequence[Vendor], scale: Collection[str], *, sampling: bool, environ: Mapping[str, str] = os.environ
) -> Iterator[str]:
    """
    Yield each reason why *vendors* cannot give right results, with its remedy.

    Args:
        vendors: Every file beside the base.
        scale: Names of those of ``collector/scale``.
        sampling: Whether traces are sampled here.
        environ: Where OTELCOL_AGENT_TEMPORALITY is read from.
    """
    if "agent" in scale and sampling:
        yield (
            "--sampling at an agent decides on a part of each trace, because the rest goes through other agents. "
            "Run it at the gateways, to which all spans of a trace come."
        )
    if "agent-delta" in scale and "agent" not in scale:
        yield "--scale agent-delta changes what an agent sends. Give --scale agent too."
    for role in ("producer", "consumer"):
        if f"kafka-{role}-secure" in scale and f"kafka-{role}" not in scale:
            yield f"--scale kafka-{role}-secure changes how Kafka is reached. Give --scale kafka-{role} too."
    if "gateway" in scale:
        yield from _at_a_gateway(vendors, environ.get(TEMPORALITY) or "cumulative")


def _at_a_gateway(vendors: Sequence[Vendor], sent: str) -> Iterator[str]:
    for vendor in vendors:
        taken = vendor.facts.get("temporality", "none")
        if not vendor.is_backend or "metrics" not in vendor.signals or taken == "none":
            continue
        if taken.startswith("delta") and sent != "delta":
            yield (
                f"{vendor.name} takes deltas, and of several gateways none sees a series whole: their increases would "
                f"overlap. Run the agents with --scale agent --scale agent-delta, and set {TEMPORALITY}=delta here."
            )
        elif taken == "cumulative" and sent == "delta":
            yield (
                f"{vendor.name} takes cumulative metrics, and the agents send deltas ({TEMPORALITY}). "
                "Give it agents and gateways of its own."
            )
