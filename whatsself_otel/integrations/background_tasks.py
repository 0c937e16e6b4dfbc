"""A span for each of Starlette's background tasks, named as contrib names it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.background import BackgroundTask

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.trace import Tracer


def trace_background_tasks(tracer: Tracer) -> Callable[[], None]:
    """
    Trace background tasks of every application in this process; return a function that undoes it.

    Starlette makes them without asking the application, so their class is the only place to patch. The last tracer of
    ours counts, because an earlier one may belong to ended telemetry. Contrib's tracing stays where it is in use.

    Args:
        tracer: Where the spans come from.
    """
    current: Any = BackgroundTask.__call__
    if str(getattr(current, "__module__", "")).startswith("opentelemetry."):
        return lambda: None
    original = getattr(current, "_whatsself_otel_original", current)

    is_undone = False

    async def traced(self: Any) -> None:
        if is_undone:  # another library has wrapped it, and puts it back when its own time is over
            await original(self)
            return
        name = f"BackgroundTask {getattr(self.func, '__name__', self.func.__class__.__name__)}"
        with tracer.start_as_current_span(name):
            await original(self)

    traced._whatsself_otel_original = original  # type: ignore[attr-defined]  # noqa: SLF001 - our own mark
    BackgroundTask.__call__ = traced  # type: ignore[method-assign]

    def undo() -> None:
        nonlocal is_undone
        is_undone = True
        if BackgroundTask.__call__ is traced:
            BackgroundTask.__call__ = original  # type: ignore[method-assign]

    return undo
