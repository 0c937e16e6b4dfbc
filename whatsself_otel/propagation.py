"""What crosses to other hosts: the W3C trace context, and nothing else unless the operator asks for it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from opentelemetry import propagate, trace
from opentelemetry.trace import NonRecordingSpan, SpanContext
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.context import Context

    from whatsself_otel.masking import Masker


class CleanTraceContext(TraceContextTextMapPropagator):
    """
    The W3C trace context without a tracestate that holds personal data.

    A stranger's tracestate would otherwise be exported, and leave again with every outgoing request.

    Args:
        masker: Judges the tracestate.
    """

    def __init__(self, masker: Masker) -> None:
        self._masker = masker

    def extract(self, carrier: Any, context: Context | None = None, *arguments: Any, **options: Any) -> Context:
        """Return *context* with the sender's span context, its tracestate only if it is clean."""
        extracted = super().extract(carrier, context, *arguments, **options)
        remote = trace.get_current_span(extracted).get_span_context()
        clean = clean_tracestate(remote, self._masker)
        return extracted if clean is remote else trace.set_span_in_context(NonRecordingSpan(clean), extracted)


def clean_tracestate(context: SpanContext, masker: Masker) -> SpanContext:
    """Return *context*, without its tracestate if that holds personal data: its values cannot be masked in part."""
    header = context.trace_state.to_header() if context.trace_state else ""
    if masker.text(header) == header:
        return context
    return SpanContext(context.trace_id, context.span_id, context.is_remote, context.trace_flags)


def install_propagator(masker: Masker) -> Callable[[], None]:
    """
    Make the trace context the only thing that is taken from, and given to, other hosts; return how to undo it.

    The API's default also carries Baggage: what a stranger sends in that header would leave again with every outgoing
    request, and the propagator logs what it cannot parse as it came. ``OTEL_PROPAGATORS`` brings it back.

    Args:
        masker: Judges what strangers send.
    """
    if os.environ.get("OTEL_PROPAGATORS", "").strip():
        return lambda: None
    before = propagate.get_global_textmap()
    propagate.set_global_textmap(CleanTraceContext(masker))
    return lambda: propagate.set_global_textmap(before)
