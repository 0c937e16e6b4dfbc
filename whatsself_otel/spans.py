"""
Spans of our own instrumentation: the SDK's, made and ended in fewer steps where nobody else looks on.

The SDK asks for the parent four times, validates and locks for each attribute, makes lists that stay empty and copies
what has ended. Where the sampler is its default, the parent is sampled and every processor is ours, that changes
nothing that anybody could see; in every other case the SDK goes its own way.
"""
# ruff: noqa: SLF001 - a span's fields are the SDK's own; `_is_as_known` looks whether they still are what we fill

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk.trace import Tracer as SdkTracer
from opentelemetry.sdk.trace import _Span
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, ParentBased, StaticSampler, TraceIdRatioBased
from opentelemetry.trace import Span, SpanContext, SpanKind, Status, StatusCode, TraceFlags
from opentelemetry.trace.propagation import _SPAN_KEY

from whatsself_otel.context import current_attributes
from whatsself_otel.processors import GuardedProcessors, put_clean

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import Event
    from opentelemetry.trace import Link, Tracer

_UNSET: Final = Status(StatusCode.UNSET)
_SAMPLED: Final = TraceFlags(TraceFlags.SAMPLED)
_SAMPLED_AT_RANDOM: Final = TraceFlags(TraceFlags.SAMPLED | TraceFlags.RANDOM_TRACE_ID)
_DEFAULT_OF_PARENTS: Final = {
    "_remote_parent_sampled": ALWAYS_ON,
    "_remote_parent_not_sampled": ALWAYS_OFF,
    "_local_parent_sampled": ALWAYS_ON,
    "_local_parent_not_sampled": ALWAYS_OFF,
}
_new: Final[Any] = object.__new__


class SpanMaker:
    """
    Starts spans as a tracer does.

    Args:
        tracer: Where they come from.
    """

    def __init__(self, tracer: Tracer) -> None:
        self._tracer: Any = tracer
        self._processors: Any = getattr(tracer, "span_processor", None)
        is_ours = type(tracer) is SdkTracer and type(self._processors) is GuardedProcessors
        sampler = getattr(tracer, "sampler", None)
        self._may_add_later = is_ours and _is_blind(sampler)
        self._is_short = is_ours and _follows_parents(sampler) and _is_as_known(tracer)
        self._samples_roots = getattr(sampler, "_root", None) is ALWAYS_ON

    def start(self, name: str, context: Context, kind: SpanKind, attributes: Mapping[str, str | int]) -> Any:
        """
        Start a span.

        Args:
            name: Its name.
            context: What its parent and its ids are read from.
            kind: Its kind.
            attributes: Clean text and numbers, which nobody looks at again.
        """
        if self._is_short and not self._processors.has_foreign:
            span = self._start_short(name, context, kind, attributes)
            if span is not None:
                return span
        if not self._may_add_later or self._processors.has_foreign:
            return self._tracer.start_span(name, context, kind, attributes)
        span = self._tracer.start_span(name, context, kind)
        if span.is_recording():
            put_clean(span, attributes)
        return span

    def _start_short(self, name: str, context: Context, kind: SpanKind, attributes: Mapping[str, str | int]) -> Any:
        """Return a span of ours, or None where the sampler might say no or a limit cuts."""
        tracer = self._tracer
        around = context.get(_SPAN_KEY)
        parent: SpanContext | None = around.get_span_context() if isinstance(around, Span) else None
        if parent is not None and not parent.is_valid:
            parent = None
        held = {**current_attributes(context), **attributes}
        most = tracer._span_limits.max_span_attributes
        is_sampled = self._samples_roots if parent is None else parent.trace_flags & TraceFlags.SAMPLED
        if not is_sampled or (most is not None and len(held) > most) or not tracer._is_enabled():
            return None
        ids = tracer.id_generator
        if parent is None:
            trace_id, is_random, state = ids.generate_trace_id(), ids.is_trace_id_random(), None
        else:
            trace_id, state = parent.trace_id, parent.trace_state
            is_random = parent.trace_flags & TraceFlags.RANDOM_TRACE_ID
        flags = _SAMPLED_AT_RANDOM if is_random else _SAMPLED
        made = SpanContext(trace_id, ids.generate_span_id(), is_remote=False, trace_flags=flags, trace_state=state)
        span = _make(tracer, made, held)
        span._name, span._parent, span._kind = name, parent, kind
        return span


class _OwnSpan(_Span):
    """A span whose lists are made when something is put into them, and which is not copied when it ends."""

    def end(self, end_time: int | None = None) -> None:
        """End it, as the SDK does, and hand itself on: nobody can change it any more."""
        processors: Any = self._span_processor
        with self._lock:
            is_quick = self._end_time is None and not processors.has_foreign
            if is_quick:
                self._end_time = time.time_ns() if end_time is None else end_time
                self._attributes._immutable = True  # type: ignore[union-attr]  # a `BoundedAttributes`, see `_make`
        if is_quick:
            processors.on_end(self)
        else:
            super().end(end_time)

    def _add_event(self, event: Event) -> None:
        with self._lock:
            if self._events == ():
                self._events = self._new_events()  # type: ignore[no-untyped-call]
        super()._add_event(event)

    def _add_link(self, link: Link) -> None:
        with self._lock:
            if self._links == ():
                self._links = self._new_links(())
        super()._add_link(link)


def _make(tracer: Any, context: SpanContext, held: dict[str, Any]) -> Any:
    """Return a started span: what `ReadableSpan` and `Span` set, in their order, without their default values' work."""
    limits = tracer._span_limits
    attributes = _new(BoundedAttributes)
    attributes._dict = held
    attributes.maxlen = limits.max_span_attributes
    attributes.dropped = 0
    attributes.max_value_len = limits.max_span_attribute_length
    attributes._lock = threading.Lock()
    attributes._immutable = False
    span: Any = _new(_OwnSpan)
    span._name = ""
    span._context = context
    span._kind = SpanKind.INTERNAL
    span._instrumentation_info = tracer.instrumentation_info
    span._instrumentation_scope = tracer._instrumentation_scope
    span._parent = None
    span._start_time = time.time_ns()
    span._end_time = None
    span._attributes = attributes
    span._events = ()
    span._links = ()
    span._resource = tracer.resource
    span._status = _UNSET
    span._sampler = tracer.sampler
    span._trace_config = None
    span._record_exception = True
    span._set_status_on_exception = True
    span._span_processor = tracer.span_processor
    span._limits = limits
    span._lock = threading.Lock()
    span._record_end_metrics = None
    return span


def _follows_parents(sampler: Any) -> bool:
    """Return whether children of a sampled parent are sampled whatever they are."""
    return (
        isinstance(sampler, ParentBased)
        and type(sampler).should_sample is ParentBased.should_sample
        and all(getattr(sampler, name, None) is default for name, default in _DEFAULT_OF_PARENTS.items())
    )


def _is_as_known(tracer: Any) -> bool:
    """Return whether this SDK's spans and attributes have the fields that `_make` fills, and nobody counts spans."""
    context = SpanContext(1, 1, is_remote=False)
    theirs: Any = _Span("fields", context, resource=tracer.resource)
    try:
        ours = _make(tracer, context, {})
        is_uncounted = type(tracer._tracer_metrics).__name__ == "NoOpTracerMetrics"
    except AttributeError:
        return False
    pairs = (ours, theirs), (ours._attributes, theirs._attributes)
    return is_uncounted and all(vars(one).keys() == vars(other).keys() for one, other in pairs)


def _is_blind(sampler: Any) -> bool:
    """Return whether *sampler* decides without a span's attributes."""
    root = getattr(sampler, "_root", None) if isinstance(sampler, ParentBased) else sampler
    return type(root) in (StaticSampler, TraceIdRatioBased)
