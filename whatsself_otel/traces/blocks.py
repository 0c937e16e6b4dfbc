"""Blocks that bind something to the OpenTelemetry context, and functions that run in such a block."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from opentelemetry import context as otel_context
from opentelemetry.context import Context

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator
    from contextlib import AbstractContextManager

    Make = Callable[[], AbstractContextManager[Any]]

_F = TypeVar("_F", bound="Callable[..., object]")
_INNERMOST: Final = otel_context.create_key("whatsself-block")


class Attached:
    """
    A context that is current until it is detached, in any thread or task.

    A block may end in another thread or task than it began in, as a FastAPI dependency does. There the context was not
    current, so nothing is restored; the API's own tokens would log an error.

    Args:
        context: What is current from now on.
    """

    __slots__ = ("_around",)

    def __init__(self, context: Context) -> None:
        self._around: Context | None = otel_context.get_current()
        otel_context.attach(Context({**context, _INNERMOST: self}))

    def detach(self) -> None:
        """Restore the previous context. A second call does nothing."""
        around, self._around = self._around, None  # a context that somebody holds on to keeps no others alive
        if around is not None and otel_context.get_current().get(_INNERMOST) is self:
            otel_context.attach(around)


def in_block(make: Make, function: _F) -> _F:
    """
    Return *function* with its body in a block. A generator enters the block at each step: its caller runs in between.

    Args:
        make: Returns the block of one call or step.
        function: A function, a generator, or an asynchronous one of the two.
    """
    for is_kind, wrap in _KINDS:
        if is_kind(function):
            return cast("_F", functools.wraps(function)(wrap(make, function)))
    return cast("_F", functools.wraps(function)(_wrap_function(make, function)))


def _wrap_function(make: Make, function: Callable[..., Any]) -> Callable[..., Any]:
    def in_block_called(*args: Any, **kwargs: Any) -> Any:
        with make():
            return function(*args, **kwargs)

    return in_block_called


def _wrap_coroutine(make: Make, function: Callable[..., Any]) -> Callable[..., Any]:
    async def in_block_awaited(*args: Any, **kwargs: Any) -> Any:
        with make():
            return await function(*args, **kwargs)

    return in_block_awaited


def _wrap_generator(make: Make, function: Callable[..., Any]) -> Callable[..., Any]:
    def in_block_iterated(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        generator = function(*args, **kwargs)
        step, given = generator.send, None
        while True:
            try:
                with make():
                    item = step(given)
            except StopIteration as end:
                return end.value
            try:
                step, given = generator.send, (yield item)
            except BaseException as error:  # noqa: BLE001 - it is the generator's: closing is one of them
                step, given = generator.throw, error

    return in_block_iterated


def _wrap_asynchronous_generator(make: Make, function: Callable[..., Any]) -> Callable[..., Any]:
    async def in_block_iterated(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        generator = function(*args, **kwargs)
        step, given = generator.asend, None
        while True:
            try:
                with make():
                    item = await step(given)
            except StopAsyncIteration:
                return
            try:
                step, given = generator.asend, (yield item)
            except BaseException as error:  # noqa: BLE001 - as above
                step, given = generator.athrow, error

    return in_block_iterated


_KINDS = (
    (inspect.iscoroutinefunction, _wrap_coroutine),
    (inspect.isgeneratorfunction, _wrap_generator),
    (inspect.isasyncgenfunction, _wrap_asynchronous_generator),
)
