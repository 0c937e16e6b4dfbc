"""What crosses to other hosts: the W3C trace context, and nothing else unless the operator asks for it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from opentelemetry import propagate
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

if TYPE_CHECKING:
    from collections.abc import Callable


def install_propagator() -> Callable[[], None]:
    """
    Make the trace context the only thing that is taken from, and given to, other hosts; return how to undo it.

    The API's default also carries Baggage: what a stranger sends in that header would leave again with every outgoing
    request, and the propagator logs what it cannot parse as it came. ``OTEL_PROPAGATORS`` brings it back.
    """
    if os.environ.get("OTEL_PROPAGATORS", "").strip():
        return lambda: None
    before = propagate.get_global_textmap()
    propagate.set_global_textmap(TraceContextTextMapPropagator())
    return lambda: propagate.set_global_textmap(before)
