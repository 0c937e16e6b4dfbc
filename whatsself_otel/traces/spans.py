"""
Our own span class, on the API's `Span`. It takes fewer steps than the SDK's.

The SDK validates and locks for each attribute, makes lists that stay empty, and copies every ended span. While all
processors are ours, nobody can see a difference. If another processor listens, the SDK's public ``start_span`` is
called. Only public names are used; tests/traces/test_spans.py compares the two. Why:
docs/decisions/0012-own-span-class.md.
"""

from __future__ import annotations

import logging
import os
import threading
import time
import traceback
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import trace
from opentelemetry.attributes import BoundedAttributes
from opentelemetry.context import Context
from opentelemetry.sdk.environment_variables import OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, SpanLimits, SynchronousMultiSpanProcessor
from opentelemetry.sdk.trace import Tracer as SdkTracer
from opentelemetry.sdk.trace import TracerProvider as SdkTracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, DEFAULT_ON, Decision
from opentelemetry.sdk.util import BoundedList
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import (
    INVALID_SPAN_CONTEXT,
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
)

from whatsself_otel import _sdk
from whatsself_otel.context import current_attributes
from whatsself_otel.traces.current_span import span_of_ours, stranger_in
from whatsself_otel.traces.failures import set_failed, text_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from opentelemetry.trace import TracerProvider
    from opentelemetry.util.types import Attributes, AttributeValue

_logger: Final = logging.getLogger(__name__)
_UNSET: Final = Status(StatusCode.UNSET)
_FLAGS: Final = tuple(TraceFlags(bits) for bits in range(4))


class SpanMaker:
    """
    Starts spans of one scope.

    Args:
        provider: Where the scope's tracer comes from.
        name: Name of the scope.
        version: Its version.
        schema_url: Of the conventions that its spans follow.
    """

    def __init__(self, provider: TracerProvider, name: str, version: str, schema_url: str | None = None) -> None:
        self.tracer: Any = provider.get_tracer(name, version, schema_url)
        self._scope = InstrumentationScope(name, version, schema_url)
        self._processors: Any = getattr(self.tracer, "span_processor", None)
        self._most: int | None = getattr(getattr(self._processors, "limits", None), "max_span_attributes", None)
        counts_spans = os.environ.get(OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED, "").strip().lower() == "true"
        is_ours = type(self.tracer) is SdkTracer and hasattr(self._processors, "has_foreign")
        self._is_own = is_ours and not counts_spans and self._most != 0 and SPANS.works
        self._is_enabled = _sdk.switch_of(self.tracer) if self._is_own else bool

    def start(self, name: str, context: Context, kind: SpanKind, attributes: Mapping[str, str | int]) -> Any:
        """
        Start a span.

        Args:
            name: Its name.
            context: What its parent and its ids are read from.
            kind: Its kind.
            attributes: Clean text and numbers, which nobody looks at again.
        """
        if self._is_own and not self._processors.has_foreign and self._is_enabled():
            held = {**current_attributes(context), **attributes}
            if self._most is None or len(held) <= self._most:
                return self._start_own(name, context, kind, attributes, held)
        return self.tracer.start_span(name, context, kind, attributes)

    def _start_own(
        self, name: str, context: Context, kind: SpanKind, attributes: Mapping[str, Any], held: dict[str, Any]
    ) -> Any:
        tracer, ids = self.tracer, self.tracer.id_generator
        ours = span_of_ours(context)
        if (stranger := stranger_in(context, ours)) is not None:
            self._processors.note_beside(stranger, ours)
        parent: Any = ours.get_span_context()
        trace_id, _, _, above, inherited, is_valid = parent or INVALID_SPAN_CONTEXT
        if not is_valid:
            parent, trace_id, is_random, inherited = None, ids.generate_trace_id(), ids.is_trace_id_random(), None
        else:
            is_random = above & TraceFlags.RANDOM_TRACE_ID
        if tracer.sampler is DEFAULT_ON and (parent is None or above & TraceFlags.SAMPLED):
            decision, wanted, state = Decision.RECORD_AND_SAMPLE, attributes, inherited
        else:
            sampled = tracer.sampler.should_sample(context, trace_id, name, kind, attributes, ())
            decision, wanted, state = sampled.decision, sampled.attributes, sampled.trace_state
        flags = _FLAGS[(decision is Decision.RECORD_AND_SAMPLE) | (TraceFlags.RANDOM_TRACE_ID if is_random else 0)]
        made = SpanContext(trace_id, ids.generate_span_id(), False, flags, state)
        if decision is Decision.DROP:
            return NonRecordingSpan(made)
        span = OwnSpan(name, made, parent, kind, self._scope, tracer, held)
        if wanted is not attributes and wanted != attributes:
            span.set_attributes(wanted)
        return span


class OwnSpan(trace.Span, ReadableSpan):
    """
    A span that makes its lists on first use, and goes to the processors uncopied when it ends.

    Every change replaces the attributes as a whole. A reader needs no lock and never sees half of a change.

    Args:
        name: Its name.
        context: Its ids.
        parent: Its parent's ids.
        kind: Its kind.
        scope: Who makes it.
        tracer: Who is told of its end, and what it is about.
        attributes: Clean; becomes the span's.
    """

    __slots__ = (
        "_event_list",
        "_held",
        "_link_list",
        "_mutex",
        "_tracer",
        "context",
        "dropped_attributes",
        "end_time",
        "instrumentation_scope",
        "kind",
        "name",
        "parent",
        "resource",
        "start_time",
        "status",
    )
    name: str
    context: SpanContext
    parent: SpanContext | None
    kind: SpanKind
    instrumentation_scope: InstrumentationScope
    resource: Resource
    status: Status
    dropped_attributes: int
    start_time: int
    end_time: int | None

    def __init__(  # noqa: PLR0917 - by name it takes longer
        self,
        name: str,
        context: SpanContext,
        parent: SpanContext | None,
        kind: SpanKind,
        scope: InstrumentationScope,
        tracer: Any,
        attributes: dict[str, Any],
    ) -> None:
        self.name = name
        self.context = context
        self.parent = parent
        self.kind = kind
        self.instrumentation_scope = scope
        self.resource = tracer.resource
        self.status = _UNSET
        self.dropped_attributes = 0
        self._tracer = tracer
        self._held = attributes
        self._event_list: BoundedList[Event] | None = None
        self._link_list: BoundedList[Link] | None = None
        self._mutex = threading.Lock()
        self.end_time = None
        self.start_time = time.time_ns()

    def get_span_context(self) -> SpanContext:
        """Return its ids."""
        return self.context

    @property
    def held(self) -> dict[str, Any]:
        """Its attributes themselves, which nobody may change."""
        return self._held

    @property
    def is_bare(self) -> bool:
        """Whether it has neither events nor links, and has dropped nothing."""
        return self._event_list is None and self._link_list is None and not self.dropped_attributes

    @property
    def attributes(self) -> Mapping[str, Any]:
        """A read-only view of its attributes."""
        return MappingProxyType(self._held)

    @property
    def events(self) -> tuple[Event, ...]:
        """Its events."""
        return () if self._event_list is None else tuple(self._event_list)

    @property
    def links(self) -> tuple[Link, ...]:
        """Its links to other spans."""
        return () if self._link_list is None else tuple(self._link_list)

    @property
    def dropped_events(self) -> int:
        """Number of events beyond the limit."""
        return 0 if self._event_list is None else self._event_list.dropped

    @property
    def dropped_links(self) -> int:
        """Number of links beyond the limit."""
        return 0 if self._link_list is None else self._link_list.dropped

    @property
    def instrumentation_info(self) -> Any:
        """The scope, as it was called before version 1.11.1 of the SDK."""
        return self._tracer.instrumentation_info

    def is_recording(self) -> bool:
        """Return whether it is still running."""
        return self.end_time is None

    def set_attribute(self, key: str, value: AttributeValue) -> None:
        """Set one attribute."""
        cleaned = BoundedAttributes(immutable=False, max_value_len=self._limits.max_span_attribute_length)
        cleaned[key] = value
        self._set_cleaned(cleaned, cleaned.dropped)

    def set_attributes(self, attributes: Mapping[str, AttributeValue]) -> None:
        """Set several attributes."""
        cleaned = BoundedAttributes(None, attributes, max_value_len=self._limits.max_span_attribute_length)
        self._set_cleaned(cleaned, cleaned.dropped)

    def put(self, attributes: Mapping[str, str | int]) -> None:
        """Set clean text and numbers, even after the end of the span."""
        with self._mutex:
            self._hold(attributes)

    def add_event(self, name: str, attributes: Attributes = None, timestamp: int | None = None) -> None:
        """Add an event."""
        limits = self._limits
        event = Event(name, self._bounded(attributes, limits.max_event_attributes), timestamp)
        with self._mutex:
            if self.end_time is None:
                if self._event_list is None:
                    self._event_list = BoundedList(limits.max_events)
                self._event_list.append(event)
                return
        _warn("add_event")

    def add_link(self, context: SpanContext, attributes: Attributes = None) -> None:
        """Link it to another span; a link that names no span is ignored."""
        if not (context and (context.is_valid or attributes or context.trace_state)):  # type: ignore[redundant-expr]
            return
        limits = self._limits
        link = Link(context, self._bounded(attributes, limits.max_link_attributes))
        with self._mutex:
            if self.end_time is None:
                if self._link_list is None:
                    self._link_list = BoundedList(limits.max_links)
                self._link_list.append(link)
                return
        _warn("add_link")

    def update_name(self, name: str) -> None:
        """Give it another name."""
        with self._mutex:
            if self.end_time is None:
                self.name = name
                return
        _warn("update_name")

    def set_status(self, status: Status | StatusCode, description: str | None = None) -> None:
        """Set its status; OK is final, and UNSET changes nothing."""
        if isinstance(status, StatusCode):
            status = Status(status, description)
        elif description is not None:
            _logger.warning("the description %r is ignored: the status has its own", description)
        with self._mutex:
            if self.end_time is None:
                is_change = self.status.status_code is not StatusCode.OK and status.status_code is not StatusCode.UNSET
                self.status = status if is_change else self.status
                return
        _warn("set_status")

    def record_exception(
        self,
        exception: BaseException,
        attributes: Attributes = None,
        timestamp: int | None = None,
        escaped: bool = False,  # noqa: FBT001, FBT002 - the API's signature
    ) -> None:
        """Add *exception* as an event."""
        kind = type(exception)
        described = {
            "exception.type": ("" if kind.__module__ == "builtins" else f"{kind.__module__}.") + kind.__qualname__,
            "exception.message": text_of(exception),
            "exception.stacktrace": "".join(traceback.format_exception(exception)),
            "exception.escaped": str(escaped),
        }
        self.add_event("exception", {**described, **(attributes or {})}, timestamp)

    def end(self, end_time: int | None = None) -> None:
        """End it and hand it on, once. An application's processors get a copy, as from the SDK."""
        with self._mutex:
            is_first = self.end_time is None
            if is_first:
                self.end_time = time.time_ns() if end_time is None else end_time
        if not is_first:
            _warn("end")
            return
        processors = self._tracer.span_processor
        processors.on_end(self.copy() if processors.has_foreign else self)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, stack: TracebackType | None
    ) -> None:
        if error is not None and self.is_recording():
            self.record_exception(error, escaped=True)
            set_failed(self, error)
        super().__exit__(kind, error, stack)

    def copy(self) -> ReadableSpan:
        """Return a copy as the SDK gives it to processors."""
        attributes = BoundedAttributes(attributes=self._held)
        attributes.dropped = self.dropped_attributes
        return ReadableSpan(
            name=self.name,
            context=self.context,
            parent=self.parent,
            resource=self.resource,
            attributes=attributes,
            events=self._event_list or (),
            links=self._link_list or (),
            kind=self.kind,
            instrumentation_info=self.instrumentation_info,
            status=self.status,
            start_time=self.start_time,
            end_time=self.end_time,
            instrumentation_scope=self.instrumentation_scope,
        )

    def to_json(self, indent: int | None = 4) -> str:
        """Return it as the SDK's console exporter prints it."""
        return str(self.copy().to_json(indent))

    def __repr__(self) -> str:
        return f'{type(self).__name__}(name="{self.name}", context={self.context})'

    @property
    def _limits(self) -> Any:
        return self._tracer.span_processor.limits

    def _bounded(self, attributes: Attributes, most: int | None) -> BoundedAttributes:
        return BoundedAttributes(most, attributes, max_value_len=self._limits.max_attribute_length)

    def _set_cleaned(self, cleaned: Mapping[str, Any], dropped: int) -> None:
        with self._mutex:
            if self.end_time is None:
                self.dropped_attributes += dropped
                self._hold(cleaned)
                return
        _warn("set_attribute")

    def _hold(self, attributes: Mapping[str, Any]) -> None:
        """Take *attributes* in; beyond the limit the oldest leave, as in the SDK."""
        most = self._limits.max_span_attributes
        if most is None or len(self._held) + len(attributes) <= most:
            self._held = {**self._held, **attributes}
            return
        held = dict(self._held)
        for key, value in attributes.items():
            held.pop(key, None)
            if len(held) >= most:
                del held[next(iter(held))]
                self.dropped_attributes += 1
            held[key] = value
        self._held = held


def _warn(method: str) -> None:
    _logger.warning("%s() was called on a span that has ended; it does nothing", method)


def set_attributes_unchecked(span: Any, attributes: Mapping[str, str | int]) -> None:
    """Set *attributes*, clean text and numbers, on *span*; the SDK would validate and lock for each."""
    if type(span) is OwnSpan:
        span.put(attributes)
    else:
        span.set_attributes(attributes)


class _NoProcessors(SynchronousMultiSpanProcessor):
    """The processor of a span that exists only to be compared."""

    has_foreign = False

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.limits = SpanLimits()


def _check_spans() -> bool:
    """Make one span of ours and one of the SDK's, do the same with both, and compare all that can be read."""
    processors = _NoProcessors()
    provider = SdkTracerProvider(ALWAYS_ON, Resource({}), False, processors, span_limits=processors.limits)
    tracer: Any = provider.get_tracer("check", "1")
    theirs: Any = tracer.start_span("check", Context(), SpanKind.CLIENT, {"first": 1})
    context, scope = theirs.get_span_context(), theirs.instrumentation_scope
    ours: Any = OwnSpan("check", context, None, SpanKind.CLIENT, scope, tracer, {"first": 1})
    for span in (ours, theirs):
        span.set_attribute("second", [1, 2])
        span.add_event("happened", {"third": True}, 1)
        span.set_status(StatusCode.ERROR, "failed")
        span.end(2)
    return _described(ours) == _described(theirs) and _sdk.switch_of(tracer)()


def _described(span: Any) -> list[Any]:
    names = ("name", "context", "parent", "kind", "resource", "instrumentation_scope", "end_time", "links")
    events = [(event.name, dict(event.attributes), event.timestamp) for event in span.events]
    status = span.status.status_code, span.status.description
    return [*(getattr(span, name) for name in names), dict(span.attributes), events, status, span.is_recording()]


SPANS: Final = _sdk.Part(
    names=_sdk.SWITCH,
    check=_check_spans,
    lost="The SDK makes the spans of requests and SQL statements, which takes longer.",
)
