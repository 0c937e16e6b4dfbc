"""
Keep the OpenTelemetry context of generators that FastAPI and Starlette run in threads.

Each step of such a generator runs in a copy of the request's context. One step does not see the ids that another binds.
The endpoint does not see the ids that a dependency binds before its ``yield``.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import context as otel_context

from whatsself_otel.traces.blocks import Attached

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Iterator
    from contextlib import AbstractContextManager

_MARK: Final = "_whatsself_otel_original"


def keep_context_in_threads() -> Callable[[], None]:
    """
    Let all steps of one generator share the ids that they bind; return a function that undoes it.

    Module functions of FastAPI and Starlette run the steps, so those functions are the only place for it.
    """
    undos = [
        _replace(module, name, wrap)
        for module, name, wrap in (
            ("starlette.responses", "iterate_in_threadpool", _iterate),
            ("fastapi.routing", "iterate_in_threadpool", _iterate),
            ("fastapi.dependencies.utils", "contextmanager_in_threadpool", _enter),
        )
    ]

    def undo() -> None:
        for each in undos:
            each()

    return undo


def _replace(module_name: str, name: str, wrap: Callable[[Any], Any]) -> Callable[[], None]:
    try:
        module = import_module(module_name)
        current = getattr(module, name)
    except (ImportError, AttributeError):  # an application of Starlette alone, or another version
        return lambda: None
    original = getattr(current, _MARK, current)
    ours = wrap(original)
    setattr(ours, _MARK, original)
    setattr(module, name, ours)

    def undo() -> None:
        if getattr(module, name) is ours:
            setattr(module, name, original)

    return undo


def _iterate(original: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def iterate_in_threadpool(iterator: Iterable[Any]) -> Any:
        return original(_Steps(iterator))

    return iterate_in_threadpool


def _enter(original: Callable[[Any], Any]) -> Callable[[Any], Any]:
    @asynccontextmanager
    async def contextmanager_in_threadpool(cm: AbstractContextManager[Any]) -> AsyncIterator[Any]:
        kept = _Kept(cm)
        async with original(kept) as value:
            attached = Attached(kept.context) if kept.context is not otel_context.get_current() else None
            try:
                yield value
            finally:
                if attached is not None:
                    attached.detach()

    return contextmanager_in_threadpool


class _Steps:
    """Iterates in the context that the previous step left."""

    def __init__(self, iterable: Iterable[Any]) -> None:
        self._iterable = iterable
        self._context: Any = None

    def __iter__(self) -> Iterator[Any]:
        self._iterable = iter(self._iterable)
        return self

    def __next__(self) -> Any:
        if self._context is not None:
            otel_context.attach(self._context)
        try:
            return next(self._iterable)  # type: ignore[call-overload]  # an iterator since `__iter__`
        finally:
            self._context = otel_context.get_current()


class _Kept:
    """Enters and leaves a context manager in one context."""

    def __init__(self, cm: AbstractContextManager[Any]) -> None:
        self._cm = cm
        self.context = otel_context.get_current()

    def __enter__(self) -> Any:
        try:
            return self._cm.__enter__()
        finally:
            self.context = otel_context.get_current()

    def __exit__(self, *error: object) -> bool | None:
        otel_context.attach(self.context)
        return self._cm.__exit__(*error)  # type: ignore[arg-type]
