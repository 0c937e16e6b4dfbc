"""
The current span of ours, even beside another tracer provider such as Logfire's.

Each provider exports only its own spans. A span under the other's parent would lack its parent in both backends. So our
span has its own context key, and a current span of the other provider stays current for everything else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

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
_CURRENT: Final = next(iter(trace.set_span_in_context(INVALID_SPAN, Context())))
"""The API's key of the current span: a lookup by it saves the API's four calls."""


def is_foreign(span: Any) -> bool:
    """Return whether another provider than ours records *span*."""
    if not span.is_recording():
        return False
    resource = getattr(span, "resource", None)
    return resource is None or resource.attributes.get(DISTRO) != DISTRO_NAME


def span_of_ours(context: Context | None = None) -> Any:
    """
    Return our current span, or the sender's.

    Args:
        context: Where to look; default: the current context.
    """
    where = otel_context.get_current() if context is None else context
    ours: Any = where.get(_OURS, INVALID_SPAN)
    if where.get(_CURRENT, INVALID_SPAN) is ours:
        return ours
    span = trace.get_current_span(where)
    return ours if span is ours or span is INVALID_SPAN or is_foreign(span) else span


def stranger_in(context: Context, ours: Span) -> Span | None:
    """Return the current span of *context* if it is another one than *ours*, or None."""
    if context.get(_CURRENT, INVALID_SPAN) is ours:
        return None
    shown = trace.get_current_span(context)
    return None if shown is ours else shown


def with_span(span: Span, context: Context) -> Context:
    """Return *context* with our *span* current: for all code, unless another provider's span is."""
    if _CURRENT in context and is_foreign(trace.get_current_span(context)):
        return Context({**context, _OURS: span})
    return Context({**context, _OURS: span, _CURRENT: span})


def as_current(context: Context) -> Context:
    """Return *context* with our span as the current one, for code that reads only that."""
    return trace.set_span_in_context(span_of_ours(context), context)
