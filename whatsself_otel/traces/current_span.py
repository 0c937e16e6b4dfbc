"""
Which span is current for us, where another tracer provider (Logfire's, say) works beside ours.

Each provider exports its own spans only. A span whose parent is the other's would hang in the air in both backends, so
ours is known by a key of its own, and a span of the other that is current stays current for everybody else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import INVALID_SPAN

if TYPE_CHECKING:
    from opentelemetry.trace import Span

DISTRO: Final = "telemetry.distro.name"
DISTRO_NAME: Final = "whatsself_otel"
"""What the resource of our providers says, and no other."""
_OURS: Final = otel_context.create_key("whatsself-span")


def is_foreign(span: Any) -> bool:
    """Return whether *span* is being recorded by another provider than ours."""
    if not span.is_recording():
        return False
    resource = getattr(span, "resource", None)
    return resource is None or resource.attributes.get(DISTRO) != DISTRO_NAME


def span_of_ours(context: Context | None = None) -> Span:
    """
    Return our span that is current, or the sender's.

    Args:
        context: Where to look; default: the current context.
    """
    where = otel_context.get_current() if context is None else context
    span, ours = trace.get_current_span(where), cast("Span", where.get(_OURS, INVALID_SPAN))
    return ours if span is ours or span is INVALID_SPAN or is_foreign(span) else span


def with_span(span: Span, context: Context) -> Context:
    """Return *context* with *span*, one of ours, current: for everybody, unless another provider's span is."""
    held = Context({**context, _OURS: span})
    return held if is_foreign(trace.get_current_span(context)) else trace.set_span_in_context(span, held)


def as_current(context: Context) -> Context:
    """Return *context* with our span as the current one, for what reads no other."""
    return trace.set_span_in_context(span_of_ours(context), context)
