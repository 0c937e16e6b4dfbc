"""
The current span of ours, even beside another tracer provider such as Logfire's.

Each provider exports only its own spans. A span under the other's parent would lack its parent in both backends. So our
span has its own context key, and a current span of the other provider stays current for everything else.
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
"""The distribution's name in the resource of our providers, and of no other."""
_OURS: Final = otel_context.create_key("whatsself-span")


def is_foreign(span: Any) -> bool:
    """Return whether another provider than ours records *span*."""
    if not span.is_recording():
        return False
    resource = getattr(span, "resource", None)
    return resource is None or resource.attributes.get(DISTRO) != DISTRO_NAME


def span_of_ours(context: Context | None = None) -> Span:
    """
    Return our current span, or the sender's.

    Args:
        context: Where to look; default: the current context.
    """
    where = otel_context.get_current() if context is None else context
    span, ours = trace.get_current_span(where), cast("Span", where.get(_OURS, INVALID_SPAN))
    return ours if span is ours or span is INVALID_SPAN or is_foreign(span) else span


def with_span(span: Span, context: Context) -> Context:
    """Return *context* with our *span* current: for all code, unless another provider's span is."""
    held = Context({**context, _OURS: span})
    return held if is_foreign(trace.get_current_span(context)) else trace.set_span_in_context(span, held)


def as_current(context: Context) -> Context:
    """Return *context* with our span as the current one, for code that reads only that."""
    return trace.set_span_in_context(span_of_ours(context), context)
