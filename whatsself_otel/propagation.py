"""What crosses to other hosts: the W3C trace context, and nothing else unless the operator asks for it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from opentelemetry import propagate, trace
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext, SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from opentelemetry.context import Context

    from whatsself_otel.masking import Masker


class CleanTraceContext(TraceContextTextMapPropagator):
    """
    The W3C trace context without a tracestate that holds personal data.

    A stranger's tracestate would otherwise be exported, and leave again with every outgoing request.

    Args:
        masker: Judges the tracestate.
        hosts: Hosts that may see the trace context: names, ``.domain`` for all below it, ``*`` for all.
    """

    def __init__(self, masker: Masker, hosts: Sequence[str] = ("*",)) -> None:
        self._masker = masker
        self._hosts = tuple(hosts)

    def inject(self, carrier: Any, context: Context | None = None, *arguments: Any, **options: Any) -> None:
        """Give *carrier* the current span context, unless it goes to a host that may not see it."""
        if "*" in self._hosts or self._may_see(trace.get_current_span(context)):
            super().inject(carrier, context, *arguments, **options)

    def _may_see(self, span: Span) -> bool:
        """Only a client's span says where its request goes; what is not recorded says nothing, and goes nowhere."""
        if not isinstance(span, ReadableSpan):
            return False
        if span.kind is not SpanKind.CLIENT:
            return True
        host = _host_of(span.attributes or {})
        return any(host == rule or (rule[0] == "." and host.endswith(rule)) for rule in self._hosts)

    def extract(self, carrier: Any, context: Context | None = None, *arguments: Any, **options: Any) -> Context:
        """Return *context* with the sender's span context, its tracestate only if it is clean."""
        extracted = super().extract(carrier, context, *arguments, **options)
        remote = trace.get_current_span(extracted).get_span_context()
        clean = clean_tracestate(remote, self._masker)
        return extracted if clean is remote else trace.set_span_in_context(NonRecordingSpan(clean), extracted)


def _host_of(attributes: Mapping[str, Any]) -> str:
    """The host of a client's span, by the present conventions and those before."""
    for key in ("url.full", "http.url"):
        if key in attributes:
            return (urlsplit(str(attributes[key])).hostname or "").lower()
    return next((str(attributes[key]).lower() for key in ("server.address", "net.peer.name") if key in attributes), "")


def clean_tracestate(context: SpanContext, masker: Masker) -> SpanContext:
    """Return *context*, without its tracestate if that holds personal data: its values cannot be masked in part."""
    header = context.trace_state.to_header() if context.trace_state else ""
    if masker.text(header) == header:
        return context
    return SpanContext(context.trace_id, context.span_id, context.is_remote, context.trace_flags)


def install_propagator(masker: Masker, hosts: Sequence[str] = ("*",)) -> Callable[[], None]:
    """
    Make the trace context the only thing that is taken from, and given to, other hosts; return how to undo it.

    The API's default also carries Baggage: what a stranger sends in that header would leave again with every outgoing
    request, and the propagator logs what it cannot parse as it came. ``OTEL_PROPAGATORS`` brings it back.

    Args:
        masker: Judges what strangers send.
        hosts: Who may see the trace context; all by default.
    """
    if os.environ.get("OTEL_PROPAGATORS", "").strip():
        return lambda: None
    before = propagate.get_global_textmap()
    propagate.set_global_textmap(CleanTraceContext(masker, hosts))
    return lambda: propagate.set_global_textmap(before)
