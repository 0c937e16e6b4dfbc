"""Process spans and log records between the SDK and the exporters: add the ids, mask everything."""

from __future__ import annotations

import asyncio
import dataclasses
import threading
import time
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, cast

from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk._logs import LogRecordProcessor, ReadableLogRecord
from opentelemetry.sdk.trace import Event, ReadableSpan, SpanLimits, SpanProcessor, SynchronousMultiSpanProcessor
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, Status, TraceFlags

from whatsself_otel.context import CORRELATION_KEYS, RequestContext, current_attributes
from whatsself_otel.export.batch_queue import Deadline
from whatsself_otel.export.limits import cut
from whatsself_otel.logs import MaskedLogRecord, plain
from whatsself_otel.traces import propagation
from whatsself_otel.traces.spans import OwnSpan, set_attributes_unchecked

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from opentelemetry.context import Context
    from opentelemetry.sdk._logs import ReadWriteLogRecord
    from opentelemetry.sdk.trace import Span
    from opentelemetry.trace import Span as AnySpan

    from whatsself_otel.export.batch_queue import BatchQueue
    from whatsself_otel.masking import Masker

MAX_PARKED_S: Final = 30.0
"""Longest wait of a server span for its request's background tasks."""
_CLOCK_GRAIN_S: Final = 0.1
"""Release spans this many seconds early: an event loop's clock may be a little ahead."""
_SPAN_ID, _FLAGS = 1, 3
"""Places in a `SpanContext`, which is a tuple: its properties take a call each."""
_WRAPPERS: Final = (BoundedAttributes, MappingProxyType)


class GuardedProcessors(SynchronousMultiSpanProcessor):
    """
    Calls every processor, even after one of an application's raises; the SDK would pass its error on.

    Args:
        on_error: Told that one failed.
        limits: What a span may hold.
    """

    def __init__(self, on_error: Callable[[str], object], limits: SpanLimits) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.limits = limits
        self._on_error = on_error
        self.has_foreign = False
        """Whether the application added a processor, which may read a span's attributes at its start."""
        self.has_strangers_below = False
        """Whether another provider's span was a child of one of ours: its tree has no root there."""
        self._starters: tuple[SpanProcessor, ...] = ()
        self._enders: tuple[SpanProcessor, ...] = ()
        """Processors that act when a span starts, and those that act when it ends."""

    def add_span_processor(self, span_processor: SpanProcessor) -> None:
        """Add *span_processor*."""
        kind = type(span_processor)
        if not isinstance(span_processor, CorrelationProcessor | ExportProcessor):
            self.has_foreign = True
            span_processor = cast("SpanProcessor", _Guarded(span_processor, self._on_error))
        super().add_span_processor(span_processor)
        self._starters += (span_processor,) if kind.on_start is not SpanProcessor.on_start else ()
        self._enders += (span_processor,) if kind.on_end is not SpanProcessor.on_end else ()

    def note_beside(self, stranger: Any, ours: AnySpan) -> None:
        """Note that the current span *stranger* belongs to another provider, beside *ours*."""
        parent = getattr(stranger, "parent", None)
        if parent is not None and parent.span_id == ours.get_span_context().span_id:
            self.has_strangers_below = True

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Tell every processor that *span* starts."""
        for processor in self._starters:
            try:
                processor.on_start(span, parent_context)
            except Exception:  # noqa: BLE001 - our own processors run in the application's stack too
                self._on_error("export")

    def on_end(self, span: ReadableSpan) -> None:
        """Tell every processor that *span* has ended."""
        for processor in self._enders:
            try:
                processor.on_end(span)
            except Exception:  # noqa: BLE001 - as above
                self._on_error("export")


class _Guarded:
    """Wraps an application's own processor: passes every call on, and counts the errors that it raises."""

    def __init__(self, processor: SpanProcessor, on_error: Callable[[str], object]) -> None:
        self._processor = processor
        self._on_error = on_error

    def __getattr__(self, name: str) -> Any:
        called = getattr(self._processor, name)

        def guarded(*arguments: Any, **keywords: Any) -> Any:
            try:
                return called(*arguments, **keywords)
            except Exception:  # noqa: BLE001 - whatever a foreign processor raises
                self._on_error("export")
                return False

        return guarded


class CorrelationProcessor(SpanProcessor):
    """Puts the ids bound by ``message_context`` and the request on every span that starts."""

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Copy the ids of *parent_context*, or of the current context, to *span*."""
        attributes = current_attributes(parent_context)
        if attributes:
            set_attributes_unchecked(span, attributes)


class OpenRequests:
    """
    Requests whose server span has started and whose application has not returned.

    A server span ends with the last byte of the response, while background tasks may still learn which message they
    work on. It is parked here until the application returns, 30 s at most, so that those ids land on it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_span: dict[int, RequestContext] = {}
        self._parked: dict[int, tuple[float, ReadableSpan]] = {}
        self._release: list[Any] = []
        self._timed: asyncio.AbstractEventLoop | None = None
        """The event loop that releases parked spans. One timer serves all: one for each request would cost more."""

    def on_release(self, release: Any) -> None:
        """Call *release* with every parked span when its request has finished."""
        self._release.append(release)

    def add(self, request: RequestContext) -> None:
        """Register *request* by its server span."""
        with self._lock:
            self._by_span[request.span.get_span_context().span_id] = request

    def park(self, span: ReadableSpan) -> bool:
        """Keep *span* if its request is still open; return whether it was kept."""
        context: Any = span.context
        if context is None or (span_id := context[_SPAN_ID]) not in self._by_span:
            return False
        with self._lock:
            if span_id not in self._by_span:
                return False
            self._parked[span_id] = time.monotonic(), span
        self._limit_wait(span_id)
        return True

    def finish(self, request: RequestContext) -> None:
        """Release the server span of *request*, with its late ids."""
        self._let_go(request.span.get_span_context().span_id)

    def finish_all(self) -> None:
        """Release every parked span, for a flush or shutdown."""
        for span_id in list(self._parked):
            self._let_go(span_id)

    def _limit_wait(self, span_id: int) -> None:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # another event loop (trio): nothing to wait with
            self._let_go(span_id)
            return
        if self._timed is not loop:
            self._timed = loop
            loop.call_later(MAX_PARKED_S, self._let_go_the_old, loop)

    def _let_go_the_old(self, loop: asyncio.AbstractEventLoop) -> None:
        due_s = time.monotonic() - MAX_PARKED_S + _CLOCK_GRAIN_S
        parked = sorted((since_s, span_id) for span_id, (since_s, _) in list(self._parked.items()))
        for since_s, span_id in parked:
            if since_s > due_s:
                loop.call_later(since_s - due_s, self._let_go_the_old, loop)
                return
            self._let_go(span_id)
        self._timed = None

    def _let_go(self, span_id: int) -> None:
        with self._lock:
            request = self._by_span.pop(span_id, None)
            _, span = self._parked.pop(span_id, (0.0, None))
        if span is not None and request is not None:
            whole = with_attributes(span, request.late_attributes)
            for release in self._release:
                release(whole)


class ExportProcessor(SpanProcessor):
    """
    Hands ended spans to the export queue.

    Args:
        queue: Where they go.
        requests: Holds server spans back until their request has finished.
    """

    def __init__(self, queue: BatchQueue[ReadableSpan], requests: OpenRequests) -> None:
        self._queue = queue
        self._requests = requests
        requests.on_release(queue.put)

    def on_end(self, span: ReadableSpan) -> None:
        """Queue *span* if it is sampled."""
        context: Any = span.context
        if context is not None and context[_FLAGS] & TraceFlags.SAMPLED and not self._requests.park(span):
            self._queue.put(span)


class ExportLogProcessor(LogRecordProcessor):
    """
    Hands log records to the export queue.

    Args:
        queue: Where they go.
    """

    def __init__(self, queue: BatchQueue[ReadableLogRecord]) -> None:
        self._queue = queue

    def on_emit(self, log_record: ReadWriteLogRecord) -> None:
        """Queue *log_record* without its context, which would keep the request's objects alive."""
        log_record.log_record.context = None  # type: ignore[assignment]  # the SDK's own batch processor empties it too
        if log_record.resource is not None:
            self._queue.put(
                ReadableLogRecord(
                    log_record=log_record.log_record,
                    resource=log_record.resource,
                    instrumentation_scope=log_record.instrumentation_scope,
                    limits=log_record.limits,
                )
            )

    def shutdown(self) -> None:
        """Do nothing: the queue is closed by its owner, with a deadline."""

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Send all queued items within *timeout_millis*."""
        return self._queue.flush(Deadline(timeout_millis / 1000))


def with_attributes(span: ReadableSpan, attributes: Mapping[str, str]) -> ReadableSpan:
    """Return the ended *span* with *attributes* added."""
    if not attributes:
        return span
    if type(span) is OwnSpan:
        span.put(attributes)
        return span
    both = {**plain_dict(span.attributes or {}), **attributes}
    return _copy(span, attributes=_keep_dropped(both, span.dropped_attributes))


def plain_dict(attributes: Any) -> Any:
    """Return the dictionary inside an SDK wrapper, which is several times faster to iterate."""
    return attributes.copy() if type(attributes) in _WRAPPERS else attributes


def mask_span(span: ReadableSpan, masker: Masker, length: int | None = None) -> ReadableSpan:
    """
    Return a copy of *span* with everything in it masked: name, attributes, events, links, status, tracestate.

    Args:
        span: What has ended.
        masker: What hides personal data.
        length: Characters of an attribute's text that stay after that; None: all.
    """
    return _copy(
        span,
        name=masker.text(span.name),
        context=_mask_span_context(span.get_span_context(), masker),
        attributes=_mask_bounded(span, masker, length),
        events=[_mask_event(event, masker, length) for event in span.events],
        links=[_mask_link(link, masker, length) for link in span.links],
        status=_mask_status(span.status, masker),
        instrumentation_scope=span.instrumentation_scope and mask_scope(span.instrumentation_scope, masker),
    )


def mask_log(record: ReadableLogRecord, masker: Masker, length: int | None = None) -> ReadableLogRecord:
    """Return *record* masked, unless our own handler made it and masked it; *length* as in `mask_span`."""
    log = record.log_record
    if isinstance(log, MaskedLogRecord):
        if length is not None:
            log.attributes = _keep_dropped(cut(dict(log.attributes or {}), length), record.dropped_attributes)
        return record
    log.body = plain(masker.value(None, log.body))
    masked_attributes = cut(plain(mask_attributes(log.attributes, masker)), length)
    log.attributes = _keep_dropped(masked_attributes, record.dropped_attributes)
    log.event_name = log.event_name and masker.text(log.event_name)
    log.severity_text = log.severity_text and masker.text(log.severity_text)
    scope = record.instrumentation_scope
    masked: ReadableLogRecord = dataclasses.replace(record, instrumentation_scope=scope and mask_scope(scope, masker))
    return masked


def mask_attributes(attributes: Mapping[str, Any] | None, masker: Masker) -> dict[str, Any]:
    """Return *attributes* masked; ids that are phone numbers become pseudonyms, other ids stay as they are."""
    masked = masker.attributes(attributes)
    for key in CORRELATION_KEYS:
        if attributes and key in attributes:
            masked[key] = masker.identifier(str(attributes[key]))
    return masked


def mask_scope(scope: InstrumentationScope, masker: Masker) -> InstrumentationScope:
    """Return *scope* unchanged if all of it is clean, as usual."""
    texts = scope.name, scope.version, scope.schema_url
    name, version, schema_url = (text and masker.text(text) for text in texts)
    attributes: Any = masker.attributes(scope.attributes)
    if (name, version, schema_url) == texts and attributes == dict(scope.attributes or {}):
        return scope
    return InstrumentationScope(name or "", version, schema_url, attributes)


def _copy(span: ReadableSpan, **changes: Any) -> ReadableSpan:
    parts: dict[str, Any] = {
        "name": span.name,
        "context": span.get_span_context(),
        "parent": span.parent,
        "resource": span.resource,
        "attributes": span.attributes,
        "events": span.events,
        "links": span.links,
        "kind": span.kind,
        "status": span.status,
        "start_time": span.start_time,
        "end_time": span.end_time,
        "instrumentation_scope": span.instrumentation_scope,
    }
    return ReadableSpan(**(parts | changes))


def _keep_dropped(attributes: dict[str, Any], dropped: int) -> Mapping[str, Any]:
    if not dropped:
        return attributes
    kept = BoundedAttributes(attributes=attributes, extended_attributes=True)
    kept.dropped = dropped
    return kept


def _mask_bounded(owner: ReadableSpan | Event | Link, masker: Masker, length: int | None) -> Mapping[str, Any]:
    return _keep_dropped(cut(mask_attributes(owner.attributes, masker), length), owner.dropped_attributes)


def _mask_event(event: Event, masker: Masker, length: int | None) -> Event:
    return Event(masker.text(event.name), _mask_bounded(event, masker, length), event.timestamp)


def _mask_link(link: Link, masker: Masker, length: int | None) -> Link:
    context = _mask_span_context(link.context, masker)
    attributes = _mask_bounded(link, masker, length)
    return Link(context if context is not None else link.context, attributes)


def _mask_status(status: Status, masker: Masker) -> Status:
    return Status(status.status_code, masker.text(status.description)) if status.description else status


def _mask_span_context(context: SpanContext | None, masker: Masker) -> SpanContext | None:
    return None if context is None else propagation.clean_tracestate(context, masker)
