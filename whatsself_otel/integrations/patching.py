"""Wrap methods of a library without hooks, while telemetry runs."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Final

from whatsself_otel.errors import ConfigError
from whatsself_otel.handle import HANDLE

if TYPE_CHECKING:
    from collections.abc import Callable

    from whatsself_otel.setup import Telemetry

_MARK: Final = "_whatsself_otel"


def telemetry_for(function: str) -> Telemetry | None:
    """
    Return the running telemetry for *function*, or None while it is disabled.

    Raises:
        ConfigError: If none runs.
    """
    telemetry = HANDLE.running
    if telemetry is None:
        raise ConfigError([f"{function}() needs running telemetry, and there is none: call setup_telemetry() first."])
    return telemetry if telemetry.config.enabled else None


def wrap(owner: type, name: str, around: Callable[..., Any]) -> Callable[[], None]:
    """
    Let calls of a method go through *around*. A second call does nothing.

    Args:
        owner: The class.
        name: Of the method.
        around: Gets the method, bound, and the arguments of the call, its instance or class first.

    Returns:
        What puts the method back.
    """
    method = getattr(owner, name)
    if hasattr(method, _MARK):
        return lambda: None
    own = owner.__dict__.get(name)
    is_of_class = isinstance(own, classmethod)

    @functools.wraps(method)
    def wrapped(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        bound = functools.partial(method if is_of_class else method.__get__(self), *args, **kwargs)
        return around(bound, self, *args, **kwargs)

    setattr(wrapped, _MARK, True)
    new: Any = classmethod(wrapped) if is_of_class else wrapped
    setattr(owner, name, new)

    def put_back() -> None:
        if owner.__dict__.get(name) is not new:
            return  # somebody has wrapped it again
        if own is None:
            delattr(owner, name)
        else:
            setattr(owner, name, own)

    return put_back
