"""
Tracers for applications: the SDK's, changed so that their blocks never replace an application's exception.

Their spans are children of our spans only, even beside another provider: see current_span.py.
"""

from __future__ import annotations

from contextlib import suppress
from types import MethodType
from typing import TYPE_CHECKING, Any, TypeVar

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.sdk.trace import Tracer, TracerProvider

from whatsself_otel.traces.blocks import Attached, in_block
from whatsself_otel.traces.current_span import span_of_ours, with_span
from whatsself_otel.traces.failures import record_exception, set_failed

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.context import Context
    from opentelemetry.trace import Span

_F = TypeVar("_F", bound="Callable[..., object]")


class SafeTracerProvider(TracerProvider):
    """
    The SDK's provider, with tracers whose blocks add no errors.

    The API turns an exception into text to record it. If its ``__str__`` raises, that error replaces the exception.
    """

    def get_tracer(self, *arguments: Any, **options: Any) -> trace.Tracer:
        """Return a tracer."""
        tracer = super().get_tracer(*arguments, **options)
        if isinstance(tracer, Tracer):
            tracer.start_span = MethodType(_start_span, tracer)  # type: ignore[method-assign]
            tracer.start_as_current_span = MethodType(_start_as_current_span, tracer)  # type: ignore[method-assign]
        return tracer


def _start_span(tracer: Any, name: str, context: Context | None = None, *arguments: Any, **options: Any) -> Span:
    where = otel_context.get_current() if context is None else context
    ours, shown = span_of_ours(where), trace.get_current_span(where)
    if shown is not ours:
        tracer.span_processor.note_beside(shown, ours)
        where = trace.set_span_in_context(ours, where)
    return Tracer.start_span(tracer, name, where, *arguments, **options)


def _start_as_current_span(
    tracer: Tracer,
    name: str,
    *arguments: Any,
    record_exception: bool = True,
    set_status_on_exception: bool = True,
    end_on_exit: bool = True,
    **options: Any,
) -> SpanBlock:
    """Take the arguments of the API's method of this name. The three options are taken by name only."""

    def start() -> Span:
        return tracer.start_span(name, *arguments, **options)

    return SpanBlock(start, records=record_exception, sets_status=set_status_on_exception, ends=end_on_exit)


class SpanBlock:
    """
    A block with a current span: a context manager, and a decorator for every kind of function.

    Args:
        start: Starts the span.
        records: Whether an exception that leaves the block is recorded.
        sets_status: Whether it makes the span's status.
        ends: Whether the span ends with the block.
    """

    __slots__ = ("_ends", "_open", "_records", "_sets_status", "_start")

    def __init__(self, start: Callable[[], Span], *, records: bool, sets_status: bool, ends: bool) -> None:
        self._start = start
        self._records = records
        self._sets_status = sets_status
        self._ends = ends
        self._open: list[tuple[Span, Attached]] = []

    def __enter__(self) -> Span:
        """Start the span."""
        span = self._start()
        self._open.append((span, Attached(with_span(span, otel_context.get_current()))))
        return span

    def __exit__(self, _kind: object, error: BaseException | None, _stack: object) -> None:
        """End it. Exceptions that are no errors, such as a task's cancellation, are not recorded."""
        span, attached = self._open.pop()
        attached.detach()
        if isinstance(error, Exception):
            with suppress(Exception):
                self._note(span, error)
        if self._ends:
            with suppress(Exception):
                span.end()

    def __call__(self, function: _F) -> _F:
        """Return *function* with its body in such a block."""
        records, sets_status, ends = self._records, self._sets_status, self._ends
        return in_block(lambda: SpanBlock(self._start, records=records, sets_status=sets_status, ends=ends), function)

    def _note(self, span: Span, error: Exception) -> None:
        if span.is_recording() and self._records:
            record_exception(span, error)
        if span.is_recording() and self._sets_status:
            set_failed(span, error)
